/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may pass the TCP control endpoint: requests signed by an access key (auth/sigv4.h), over TLS if
 * there is a certificate. Both are files that can be read again while connections are served.
 */
#ifndef PORTCULLIS_DAEMON_CONTROL_GUARD_H
#define PORTCULLIS_DAEMON_CONTROL_GUARD_H

#include "conf/config.h"
#include "daemon/api/api.h"

struct bufferevent;
struct event_base;
struct evhttp_request;
struct guard;

/* Reads config->access_keys, and config->tls_certificate and tls_key if given. The names are copied.
 * NULL with one line in `error`. */
struct guard *guard_new(const struct config_control *config, char error[CONFIG_ERROR_SIZE]);
/* NULL is fine. */
void guard_free(struct guard *guard);
/* Reads the files again. What cannot be read is logged, and stays as it was. */
void guard_reload(struct guard *guard);

/* Whether connections are encrypted; then guard_stream() makes them, with the guard as its context. */
bool guard_has_tls(const struct guard *guard);
/* A clients_stream of daemon/control/client.h. */
struct bufferevent *guard_stream(struct event_base *base, void *guard);

/*
 * Judges a request whose body is in its input buffer, now. Adds the key to asked->actor; API_OK fills
 * in asked->read_only too. An error may have words for the client in `detail`, else it is "".
 */
#define GUARD_DETAIL_SIZE 256
enum api_error guard_admit(const struct guard *guard, struct evhttp_request *request,
	struct api_request *asked, char detail[GUARD_DETAIL_SIZE]);

#endif
