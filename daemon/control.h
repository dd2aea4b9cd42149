/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control endpoint: the operations of daemon/api.h as HTTP/1.1 on a Unix socket, `POST /` with
 * the operation's name in X-Amz-Target. Who may connect is who may open the socket; who asked is
 * what the kernel says (SO_PEERCRED). Main thread only; SIGPIPE must be ignored.
 */
#ifndef PORTCULLIS_DAEMON_CONTROL_H
#define PORTCULLIS_DAEMON_CONTROL_H

#include "conf/config.h"

struct api;
struct control;
struct event_base;

#define CONTROL_BODY_MAX    (64u << 10) /* bytes; a larger one is answered 413 */
#define CONTROL_HEADERS_MAX (16u << 10) /* bytes; beyond it 400 and a close */

struct control_limits {
	unsigned
		connections; /* beyond it the one that has waited longest without a whole request is closed */
	unsigned idle_ms; /* a client that sends and takes nothing */
	unsigned
		total_ms; /* from one reply (or the connection) to the next whole request; for taking a reply */
};

/*
 * Listens on config->socket, which appears with mode 0660 and config->group. A socket that nobody
 * answers on is replaced. All that is passed but `config` is borrowed. NULL with one line in
 * `error`.
 */
struct control *control_new(struct event_base *base, const struct config_control *config,
	struct api *api, char error[CONFIG_ERROR_SIZE]);
/* Likewise, with other limits than the usual ones (for tests). */
struct control *control_new_limited(struct event_base *base, const struct config_control *config,
	const struct control_limits *limits, struct api *api, char error[CONFIG_ERROR_SIZE]);
/*
 * Closes all connections and removes the socket. Operations under way go on without a reader; their
 * answers, those of api_free() too, may still come. NULL is fine.
 */
void control_free(struct control *control);

#endif
