/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one call of the control endpoint, through libcurl. HTTP/1.1, POST /.
 */
#include "ctl/http.h"

#include "base/secret.h"

#include <curl/curl.h>
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_S 5L
#define TICK_MS           100
#define REPLY_MAX         ((size_t)64 << 20)

/* What base/secret.h does not have in the shapes that libcurl wants. */
static void *zeroed_malloc(size_t count, size_t size)
{
	if (size && count > SIZE_MAX / size)
		return NULL;
	void *memory = secret_malloc(count * size);
	if (memory)
		memset(memory, 0, count * size);
	return memory;
}

static char *duplicate(const char *text)
{
	size_t size = strlen(text) + 1;
	char *out = secret_malloc(size);
	if (out)
		memcpy(out, text, size);
	return out;
}

int http_start(void)
{
	json_set_alloc_funcs(secret_malloc, secret_free);
	CURLcode code = curl_global_init_mem(CURL_GLOBAL_NOTHING, secret_malloc, secret_free,
		secret_realloc, duplicate, zeroed_malloc);
	return code == CURLE_OK ? 0 : -1;
}

void http_stop(void)
{
	curl_global_cleanup();
}

void http_reply_free(struct http_reply *reply)
{
	json_decref(reply->body);
	secret_free(reply->text);
	*reply = (struct http_reply){ 0 };
}

/* For libcurl: gathers the reply's body. Any other count than all of it ends the transfer. */
static size_t take_body(char *bytes, size_t size, size_t count, void *context)
{
	struct http_reply *reply = context;
	size_t more = size * count;

	if (more > REPLY_MAX - reply->length)
		return 0;
	char *text = secret_realloc(reply->text, reply->length + more + 1);
	if (!text)
		return 0;
	memcpy(text + reply->length, bytes, more);
	reply->text = text;
	reply->length += more;
	return more;
}

/* Whom the socket lets in, and how to become one of them. */
static void explain_permission(const char *socket, char error[HTTP_ERROR_SIZE])
{
	struct stat status;
	const struct group *group = stat(socket, &status) == 0 ? getgrgid(status.st_gid) : NULL;
	const struct passwd *user = getpwuid(geteuid());
	const char *name = user ? user->pw_name : "USER";

	if (group && status.st_gid != 0 && status.st_mode & S_IWGRP)
		snprintf(error, HTTP_ERROR_SIZE,
			"%s: permission denied: it is for root and the group \"%s\" "
			"(sudo portcullisctl ..., or usermod -aG %s %s and log in anew)",
			socket, group->gr_name, group->gr_name, name);
	else
		snprintf(error, HTTP_ERROR_SIZE,
			"%s: permission denied: it is for root alone (sudo portcullisctl ...; "
			"control.group in portcullis.conf lets a group in)",
			socket);
}

/* Why the daemon was not reached, and what to do about it. */
static void explain(CURL *curl, CURLcode code, const char *socket, const struct http_wait *wait,
	char error[HTTP_ERROR_SIZE])
{
	static const struct {
		int number; /* 0: libcurl knows none, as of a queue that is full */
		const char *text;
	} reasons[] = {
		{ 0, "no connection was taken; portcullisd has no room for another client just now "
		     "(try again; journalctl -u portcullisd)" },
		{ ENOENT, "there is no such socket; is portcullisd running? (systemctl status "
			  "portcullisd; --socket names another one)" },
		{ ECONNREFUSED,
			"nobody answers there; portcullisd is not running (systemctl status "
			"portcullisd; journalctl -u portcullisd says why it ended)" },
	};
	long number = 0;

	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &number);
	if (code == CURLE_OPERATION_TIMEDOUT) {
		snprintf(error, HTTP_ERROR_SIZE,
			"%s: no answer within %ld s; the daemon goes on with what it was asked for "
			"(--timeout waits longer; portcullisctl list-sessions shows who is left)",
			socket, wait->timeout_ms / 1000);
	} else if (code == CURLE_COULDNT_RESOLVE_HOST) {
		snprintf(error, HTTP_ERROR_SIZE,
			"%s: no socket has so long a name; --socket names another one", socket);
	} else if (code != CURLE_COULDNT_CONNECT) {
		snprintf(error, HTTP_ERROR_SIZE,
			"%s: no answer: %s; it is not known what was done (journalctl -u "
			"portcullisd)",
			socket, curl_easy_strerror(code));
	} else if (number == EACCES) {
		explain_permission(socket, error);
	} else {
		snprintf(error, HTTP_ERROR_SIZE, "%s: %s; is portcullisd running?", socket,
			strerror((int)number));
		for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++) {
			if (reasons[i].number == number)
				snprintf(error, HTTP_ERROR_SIZE, "%s: %s", socket, reasons[i].text);
		}
	}
}

/* All that the transfer is to be. -1 if libcurl does not take one of them. */
static int set_options(CURL *curl, const char *socket, struct curl_slist *headers, const char *body,
	const struct http_wait *wait, struct http_reply *reply)
{
	/* The environment's proxies are for networks, and the socket is none. */
	const CURLcode codes[] = {
		curl_easy_setopt(curl, CURLOPT_URL, "http://localhost/"),
		curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http"),
		curl_easy_setopt(curl, CURLOPT_PROXY, ""),
		curl_easy_setopt(curl, CURLOPT_UNIX_SOCKET_PATH, socket),
		curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers),
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body),
		curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, take_body),
		curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply),
		curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S),
		curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, wait->timeout_ms),
		curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L),
	};
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		if (codes[i] != CURLE_OK)
			return -1;
	}
	return 0;
}

/* NULL when out of memory. */
static struct curl_slist *headers_new(const char *operation)
{
	char target[128];
	const char *const lines[] = { "Content-Type: application/x-amz-json-1.1", target };
	struct curl_slist *headers = NULL;

	snprintf(target, sizeof(target), "X-Amz-Target: %s", operation);
	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		struct curl_slist *longer = curl_slist_append(headers, lines[i]);
		if (!longer) {
			curl_slist_free_all(headers);
			return NULL;
		}
		headers = longer;
	}
	return headers;
}

/* As curl_easy_perform(), with a look at the world now and then. */
static CURLcode perform(CURL *curl, const struct http_wait *wait)
{
	CURLM *multi = curl_multi_init();
	CURLcode code = CURLE_OUT_OF_MEMORY;
	int running = 1, left;

	if (!multi || curl_multi_add_handle(multi, curl) != CURLM_OK)
		goto out;
	while (curl_multi_perform(multi, &running) == CURLM_OK && running) {
		if (curl_multi_poll(multi, NULL, 0, TICK_MS, NULL) != CURLM_OK)
			break;
		if (wait->tick)
			wait->tick(wait->context);
	}
	const CURLMsg *message = curl_multi_info_read(multi, &left);
	if (message && message->msg == CURLMSG_DONE)
		code = message->data.result;
	curl_multi_remove_handle(multi, curl);
out:
	curl_multi_cleanup(multi);
	return code;
}

int http_call(const char *socket, const char *operation, const json_t *request,
	const struct http_wait *wait, struct http_reply *reply, char error[HTTP_ERROR_SIZE])
{
	static const struct http_wait usual = { .timeout_ms = HTTP_TIMEOUT_MS };
	int result = -1;
	char *body = json_dumps(request, JSON_COMPACT | JSON_ENSURE_ASCII);
	struct curl_slist *headers = headers_new(operation);
	CURL *curl = curl_easy_init();

	wait = wait ? wait : &usual;
	*reply = (struct http_reply){ 0 };
	snprintf(error, HTTP_ERROR_SIZE, "out of memory");
	if (!body || !headers || !curl ||
		set_options(curl, socket, headers, body, wait, reply) != 0)
		goto out;
	CURLcode code = perform(curl, wait);
	if (code != CURLE_OK) {
		explain(curl, code, socket, wait, error);
		goto out;
	}
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &reply->status);
	json_error_t where;
	reply->body = json_loadb(reply->text ? reply->text : "", reply->length, 0, &where);
	if (!json_is_object(reply->body)) {
		snprintf(error, HTTP_ERROR_SIZE, "%s: HTTP status %ld without a JSON object: %s",
			socket, reply->status, "is that portcullisd's control socket?");
		goto out;
	}
	result = 0;
out:
	curl_easy_cleanup(curl);
	curl_slist_free_all(headers);
	secret_free(body);
	if (result != 0)
		http_reply_free(reply);
	return result;
}
