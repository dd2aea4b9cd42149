/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * OpenSSL's part of the endpoint. Resumption is off: it would keep state of strangers, and requests
 * are signed one by one anyway.
 */
#include "daemon/control/tls.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <string.h>

/* Never ask on a terminal. */
static int no_passphrase(char *text, int size, int writing, void *context)
{
	(void)text, (void)size, (void)writing, (void)context;
	return -1;
}

/* One line from OpenSSL's queue, which is emptied: the oldest error is nearest to the cause. */
static int refuse(const char *file, char error[CONFIG_ERROR_SIZE])
{
	const unsigned long code = ERR_peek_error();
	const char *reason = ERR_SYSTEM_ERROR(code) ? strerror(ERR_GET_REASON(code))
						    : ERR_reason_error_string(code);
	snprintf(error, CONFIG_ERROR_SIZE, "%.320s: %s", file, reason ? reason : "cannot be used");
	ERR_clear_error();
	return -1;
}

static int configure(
	SSL_CTX *context, const char *certificate, const char *key, char error[CONFIG_ERROR_SIZE])
{
	SSL_CTX_set_default_passwd_cb(context, no_passphrase);
	SSL_CTX_set_options(context,
		SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE);
	SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
	if (SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) != 1)
		return refuse("TLS 1.2", error);
	if (SSL_CTX_use_certificate_chain_file(context, certificate) != 1)
		return refuse(certificate, error);
	/* This also finds out whether the two belong together. */
	if (SSL_CTX_use_PrivateKey_file(context, key, SSL_FILETYPE_PEM) != 1)
		return refuse(key, error);
	return 0;
}

SSL_CTX *control_tls_load(const char *certificate, const char *key, char error[CONFIG_ERROR_SIZE])
{
	ERR_clear_error();
	SSL_CTX *context = SSL_CTX_new(TLS_server_method());
	if (!context) {
		refuse("TLS", error);
		return NULL;
	}
	if (configure(context, certificate, key, error)) {
		SSL_CTX_free(context);
		return NULL;
	}
	return context;
}

struct bufferevent *control_tls_stream(struct event_base *base, SSL_CTX *context)
{
	SSL *ssl = SSL_new(context);
	if (!ssl)
		return NULL;
	struct bufferevent *stream = bufferevent_openssl_socket_new(
		base, -1, ssl, BUFFEREVENT_SSL_ACCEPTING, BEV_OPT_CLOSE_ON_FREE);
	if (!stream) {
		SSL_free(ssl);
		return NULL;
	}
	/* HTTP says where a message ends; a peer that just closes cuts nothing off unseen. */
	bufferevent_openssl_set_allow_dirty_shutdown(stream, 1);
	return stream;
}
