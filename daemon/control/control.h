/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control endpoints: the operations of daemon/api/api.h as HTTP/1.1, `POST /` with the operation's
 * name in X-Amz-Target. One road with two ways in. A Unix socket: who may ask is who may open it, who
 * asked is what the kernel says (SO_PEERCRED). TCP, with or without TLS: who may ask is who signs
 * with an access key, and that key is who asked. Main thread only; SIGPIPE must be ignored.
 */
#ifndef PORTCULLIS_DAEMON_CONTROL_CONTROL_H
#define PORTCULLIS_DAEMON_CONTROL_CONTROL_H

#include "conf/config.h"

struct api;
struct control;
struct event_base;
struct metrics;

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
 * Listens on config->socket, which appears with mode 0660 and config->group, and on config->listen,
 * each unless it is "". A socket that nobody answers on is replaced. All that is passed but `config`
 * is borrowed. NULL with one line in `error`.
 */
struct control *control_new(struct event_base *base, const struct config_control *config,
	struct api *api, char error[CONFIG_ERROR_SIZE]);
/* Likewise, with other limits than the usual ones (for tests). */
struct control *control_new_limited(struct event_base *base, const struct config_control *config,
	const struct control_limits *limits, struct api *api, char error[CONFIG_ERROR_SIZE]);
/* From now on it serves /metrics and /healthz too, to whoever may ask for operations. Borrowed. */
void control_serve_metrics(struct control *control, const struct metrics *metrics);
/*
 * Reads the access keys and the certificate of the TCP endpoint again; what has an error is logged
 * and stays. Connections stay, requests from now on are judged by the new. NULL is fine.
 */
void control_reload(struct control *control);
/* Whether the files that config->listen needs are good: 0, or -1 with one line in `error`. */
int control_check(const struct config_control *config, char error[CONFIG_ERROR_SIZE]);
/*
 * Closes all connections and removes the socket. Operations under way go on without a reader; their
 * answers, those of api_free() too, may still come. NULL is fine.
 */
void control_free(struct control *control);

#endif
