/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The endpoint's connections: how many there may be, and how long each may take. evhttp has an idle
 * timeout alone, which a client that sends a byte now and then never meets; so each connection
 * has a timer of its own here, and a full house makes room by closing the one that has waited
 * longest without a whole request.
 */
#ifndef PORTCULLIS_DAEMON_CONTROL_CLIENT_H
#define PORTCULLIS_DAEMON_CONTROL_CLIENT_H

#include "daemon/core/audit.h"

struct bufferevent;
struct clients;
struct event_base;
struct evhttp_connection;

/* Makes the bufferevent of a connection that comes, without a descriptor; NULL when out of memory. */
typedef struct bufferevent *clients_stream(struct event_base *base, void *context);

/*
 * At most `most` connections, `total_ms` for each request and each reply, a TLS handshake before the
 * first request included; of none are more than `input_max` bytes kept that it is not the turn of yet,
 * and a whole request must be less. `stream` NULL: plain sockets; else it is called with `context`. NULL when
 * out of memory.
 */
struct clients *clients_new(
	unsigned most, unsigned total_ms, size_t input_max, clients_stream *stream, void *context);
/* All connections must have been closed (evhttp_free()). NULL is fine. */
void clients_free(struct clients *clients);

/* For evhttp_set_bevcb(), with the clients as its argument: a connection comes. NULL when out of memory. */
struct bufferevent *clients_accept(struct event_base *base, void *clients);

/*
 * Its request is complete: the timer stops until the reply. -1 if it must be closed: it is not among the
 * connections (memory ran out when it came) and has no timer, or it has sent too many requests ahead.
 */
int clients_begin(struct clients *clients, const struct evhttp_connection *connection);
/* Its reply is handed over: the timer starts. NULL (it has gone) is fine. */
void clients_answered(struct clients *clients, const struct evhttp_connection *connection);

/* The other end: its address or, of a Unix socket, what the kernel says, with the user's name. */
void client_describe(struct evhttp_connection *connection, struct audit_actor *actor);

#endif
