/* SPDX-License-Identifier: BSD-2-Clause */
/* TLS for the TCP control endpoint: OpenSSL under libevent, TLS 1.2 and later. */
#ifndef PORTCULLIS_DAEMON_CONTROL_TLS_H
#define PORTCULLIS_DAEMON_CONTROL_TLS_H

#include "conf/config.h"

#include <openssl/types.h>

struct bufferevent;
struct event_base;

/*
 * The certificate chain and its key, both PEM, the key without a passphrase. NULL with one line in
 * `error`. SSL_CTX_free() gives it back; connections that it made keep what they need.
 */
SSL_CTX *control_tls_load(const char *certificate, const char *key, char error[CONFIG_ERROR_SIZE]);

/*
 * A connection that begins with the server's side of a handshake, its descriptor still to be set.
 * It closes the descriptor when it is freed. NULL when out of memory.
 */
struct bufferevent *control_tls_stream(struct event_base *base, SSL_CTX *context);

#endif
