/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The one call of the control endpoint, through libcurl. HTTP/1.1, POST /.
 */
#include "ctl/http.h"

#include "base/secret.h"

#include <curl/curl.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define CONNECT_TIMEOUT_S 5L
/* A change waits for storing and for every session to close; design.md K5 and K6 bound both. */
#define ANSWER_TIMEOUT_S 60L
#define REPLY_MAX        ((size_t)64 << 20)

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

/* Why the daemon was not reached, and what to do about it. */
static void explain(CURL *curl, CURLcode code, const char *socket, char error[HTTP_ERROR_SIZE])
{
	static const struct {
		int number;
		const char *advice;
	} advices[] = {
		{ ENOENT, "is portcullisd running? (--socket names another socket)" },
		{ ECONNREFUSED, "nobody answers there: is portcullisd running?" },
		{ EACCES, "become root, or join the group that owns the socket" },
	};
	long number = 0;

	curl_easy_getinfo(curl, CURLINFO_OS_ERRNO, &number);
	if (code != CURLE_COULDNT_CONNECT) {
		snprintf(error, HTTP_ERROR_SIZE, "%s: no answer: %s", socket,
			curl_easy_strerror(code));
		return;
	}
	const char *advice = "is portcullisd running?";
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		if (advices[i].number == number)
			advice = advices[i].advice;
	}
	snprintf(error, HTTP_ERROR_SIZE, "%s: %s; %s", socket,
		number ? strerror((int)number) : curl_easy_strerror(code), advice);
}

/* All that the transfer is to be. -1 if libcurl does not take one of them. */
static int set_options(CURL *curl, const char *socket, struct curl_slist *headers, const char *body,
	struct http_reply *reply)
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
		curl_easy_setopt(curl, CURLOPT_TIMEOUT, ANSWER_TIMEOUT_S),
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

int http_call(const char *socket, const char *operation, const json_t *request,
	struct http_reply *reply, char error[HTTP_ERROR_SIZE])
{
	int result = -1;
	char *body = json_dumps(request, JSON_COMPACT | JSON_ENSURE_ASCII);
	struct curl_slist *headers = headers_new(operation);
	CURL *curl = curl_easy_init();

	*reply = (struct http_reply){ 0 };
	snprintf(error, HTTP_ERROR_SIZE, "out of memory");
	if (!body || !headers || !curl || set_options(curl, socket, headers, body, reply) != 0)
		goto out;
	CURLcode code = curl_easy_perform(curl);
	if (code != CURLE_OK) {
		explain(curl, code, socket, error);
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
