/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * An HTTP server on one listening socket, its clients bounded in number and time: what every endpoint
 * of the main thread has in common, whatever it answers.
 */
#ifndef PORTCULLIS_DAEMON_CONTROL_HTTP_LISTENER_H
#define PORTCULLIS_DAEMON_CONTROL_HTTP_LISTENER_H

#include "daemon/control/client.h"

struct event;
struct event_base;
struct evconnlistener;
struct evhttp;
struct evhttp_request;

struct http_terms {
	unsigned connections;           /* beyond it the one that has waited longest makes room */
	unsigned idle_ms;               /* a client that sends and takes nothing */
	unsigned total_ms;              /* as in clients_new() */
	unsigned headers_max, body_max; /* bytes */
	clients_stream *stream;         /* as in clients_new() */
	void *stream_context;
	void (*request)(struct evhttp_request *request, void *context); /* each one, when whole */
	void *context;
};

/* Zeroed before http_listener_open(). */
struct http_listener {
	struct evhttp *http;
	struct clients *clients;
	struct evconnlistener *listener;
	struct event *listen_again;
};

/*
 * Serves on `fd`, a listening socket that it takes, then too when it fails: -1, out of memory;
 * http_listener_close() is due all the same.
 */
int http_listener_open(struct http_listener *listener, struct event_base *base, int fd,
	const struct http_terms *terms);
/* Closes all connections. One that was never opened is fine. */
void http_listener_close(struct http_listener *listener);

#endif
