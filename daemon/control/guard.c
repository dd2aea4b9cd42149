/* SPDX-License-Identifier: BSD-2-Clause */
/* Signatures and certificates at the TCP endpoint's door. */
#include "daemon/control/guard.h"

#include "auth/access_keys.h"
#include "auth/sigv4.h"
#include "base/log.h"
#include "daemon/control/tls.h"

#include <assert.h>
#include <event2/buffer.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <time.h>

struct guard {
	char *access_keys, *tls_certificate, *tls_key; /* files */
	struct access_keys *keys;
	SSL_CTX *tls; /* NULL: not encrypted */
};

/* 0, or -1 with `error`; then the keys are what they were. */
static int load_keys(struct guard *guard, char error[CONFIG_ERROR_SIZE])
{
	static_assert(CONFIG_ERROR_SIZE >= ACCESS_KEYS_ERROR_SIZE, "the same line");
	struct access_keys *keys = access_keys_load(guard->access_keys, error);
	if (!keys)
		return -1;
	log_info(LOG_WHAT("access-keys-read"), LOG_TEXT("path", guard->access_keys),
		LOG_NUMBER("keys", access_keys_count(keys)));
	access_keys_free(guard->keys);
	guard->keys = keys;
	return 0;
}

/* Likewise for the certificate. */
static int load_tls(struct guard *guard, char error[CONFIG_ERROR_SIZE])
{
	if (!guard->tls_certificate[0])
		return 0;
	SSL_CTX *tls = control_tls_load(guard->tls_certificate, guard->tls_key, error);
	if (!tls)
		return -1;
	log_info(LOG_WHAT("certificate-read"), LOG_TEXT("path", guard->tls_certificate));
	SSL_CTX_free(guard->tls);
	guard->tls = tls;
	return 0;
}

struct guard *guard_new(const struct config_control *config, char error[CONFIG_ERROR_SIZE])
{
	struct guard *guard = calloc(1, sizeof *guard);
	snprintf(error, CONFIG_ERROR_SIZE, "out of memory");
	if (!guard)
		return NULL;
	guard->access_keys = strdup(config->access_keys);
	guard->tls_certificate = strdup(config->tls_certificate);
	guard->tls_key = strdup(config->tls_key);
	if (!guard->access_keys || !guard->tls_certificate || !guard->tls_key ||
		load_keys(guard, error) || load_tls(guard, error)) {
		guard_free(guard);
		return NULL;
	}
	return guard;
}

void guard_free(struct guard *guard)
{
	if (!guard)
		return;
	access_keys_free(guard->keys);
	SSL_CTX_free(guard->tls);
	free(guard->access_keys);
	free(guard->tls_certificate);
	free(guard->tls_key);
	free(guard);
}

void guard_reload(struct guard *guard)
{
	char error[CONFIG_ERROR_SIZE];
	if (load_keys(guard, error))
		log_error(LOG_WHAT("access-keys-kept"), LOG_TEXT("why", error));
	if (load_tls(guard, error))
		log_error(LOG_WHAT("certificate-kept"), LOG_TEXT("why", error));
}

bool guard_has_tls(const struct guard *guard)
{
	return guard->tls != NULL;
}

struct bufferevent *guard_stream(struct event_base *base, void *context)
{
	const struct guard *guard = context;
	return control_tls_stream(base, guard->tls);
}

/* The request's headers, for the caller to free; NULL when out of memory. */
static struct sigv4_header *list_headers(struct evhttp_request *request, size_t *count)
{
	const struct evkeyvalq *headers = evhttp_request_get_input_headers(request);
	const struct evkeyval *header;
	*count = 0;
	TAILQ_FOREACH(header, headers, next)
	(*count)++;
	struct sigv4_header *list = calloc(*count + 1, sizeof *list);
	if (!list)
		return NULL;
	size_t i = 0;
	TAILQ_FOREACH(header, headers, next)
	list[i++] = (struct sigv4_header){ header->key, header->value };
	return list;
}

static struct sigv4_verdict judge(const struct guard *guard, struct evhttp_request *request)
{
	struct sigv4_verdict verdict = { .result = SIGV4_FAILED };
	struct evbuffer *body = evhttp_request_get_input_buffer(request);
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *query = evhttp_uri_get_query(uri);
	struct sigv4_request given = {
		.method = "POST", /* the endpoint takes no other */
		.path = evhttp_uri_get_path(uri),
		.query = query ? query : "",
		.body = "",
		.body_length = evbuffer_get_length(body),
	};
	struct sigv4_header *headers = list_headers(request, &given.header_count);
	if (given.body_length)
		given.body = evbuffer_pullup(body, -1);
	if (headers && given.body) {
		given.headers = headers;
		verdict = sigv4_verify(&given, guard->keys, time(NULL));
	}
	free(headers);
	return verdict;
}

/* The access key that the request names, whether it is one or not; "" if it names none. */
static void find_claim(struct evhttp_request *request, char claim[ACCESS_KEY_ID_MAX + 1])
{
	static const char before[] = "Credential=";
	const char *header = evhttp_find_header(
		evhttp_request_get_input_headers(request), "Authorization");
	const char *at = header ? strstr(header, before) : NULL;
	const size_t length = at ? strcspn(at + sizeof before - 1, "/, ") : 0;
	snprintf(claim, ACCESS_KEY_ID_MAX + 1, "%.*s", (int)length,
		at ? at + sizeof before - 1 : "");
}

enum api_error guard_admit(const struct guard *guard, struct evhttp_request *request,
	struct api_request *asked, char detail[GUARD_DETAIL_SIZE])
{
	static const enum api_error errors[] = {
		[SIGV4_OK] = API_OK,
		[SIGV4_UNSIGNED] = API_UNSIGNED,
		[SIGV4_INCOMPLETE] = API_SIGNATURE_INCOMPLETE,
		[SIGV4_UNKNOWN_KEY] = API_ACCESS_KEY_UNKNOWN,
		[SIGV4_MISMATCH] = API_SIGNATURE_WRONG,
		[SIGV4_EXPIRED] = API_SIGNATURE_EXPIRED,
		[SIGV4_FAILED] = API_INTERNAL,
	};
	static_assert(GUARD_DETAIL_SIZE >= SIGV4_DETAIL_SIZE, "the same words");
	const struct sigv4_verdict verdict = judge(guard, request);
	memcpy(detail, verdict.detail, sizeof verdict.detail);
	if (verdict.key)
		snprintf(asked->actor.access_key, sizeof asked->actor.access_key, "%s",
			verdict.key->id);
	else
		find_claim(request, asked->actor.claimed_key);
	asked->read_only = !verdict.key || verdict.key->read_only;
	/* Whatever a verdict says, without a key nobody passes. */
	return !verdict.key && verdict.result == SIGV4_OK ? API_INTERNAL : errors[verdict.result];
}
