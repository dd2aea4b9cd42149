/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * evhttp tells nobody that a connection came until its first request is complete, but it asks for a
 * bufferevent at once. So each connection is counted when that is asked for, and taken hold of
 * in the same turn of the loop, when evhttp has put its connection behind the bufferevent.
 */
#include "daemon/control/client.h"

#include "daemon/core/address.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/http.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/socket.h>

struct client {
	TAILQ_ENTRY(client) link; /* those that wait longest first; the busy ones have no order */
	struct clients *clients;
	struct bufferevent *stream;           /* a reference, until the connection is known */
	struct evhttp_connection *connection; /* NULL until then */
	struct event *timer;
	bool busy; /* its request is being answered */
};

struct clients {
	TAILQ_HEAD(, client) all;
	unsigned count, most;
	struct timeval total;
	size_t input_max;
	clients_stream *stream;
	void *context;
};

static struct bufferevent *plain_stream(struct event_base *base, void *context)
{
	(void)context;
	return bufferevent_socket_new(base, -1, 0);
}

struct clients *clients_new(
	unsigned most, unsigned total_ms, size_t input_max, clients_stream *stream, void *context)
{
	struct clients *clients = calloc(1, sizeof *clients);
	if (!clients)
		return NULL;
	clients->most = most;
	clients->input_max = input_max;
	clients->stream = stream ? stream : plain_stream;
	clients->context = context;
	clients->total = (struct timeval){
		.tv_sec = total_ms / 1000,
		.tv_usec = (suseconds_t)(total_ms % 1000) * 1000,
	};
	TAILQ_INIT(&clients->all);
	return clients;
}

static void client_free(struct client *client)
{
	if (!client)
		return;
	if (client->timer)
		event_free(client->timer);
	if (client->stream)
		bufferevent_decref(client->stream);
	free(client);
}

static void client_remove(struct client *client)
{
	TAILQ_REMOVE(&client->clients->all, client, link);
	client->clients->count--;
	client_free(client);
}

void clients_free(struct clients *clients)
{
	if (!clients)
		return;
	/* What is left came in the last turn of the loop and was never taken hold of. */
	while (!TAILQ_EMPTY(&clients->all))
		client_remove(TAILQ_FIRST(&clients->all));
	free(clients);
}

static void client_closed(struct evhttp_connection *connection, void *context)
{
	(void)connection;
	client_remove(context);
}

/* The one that has waited longest. With all of them busy that is the one that came last. */
static void make_room(struct clients *clients)
{
	struct client *client, *last = NULL;
	TAILQ_FOREACH(client, &clients->all, link)
	{
		last = client;
		if (!client->busy && client->connection)
			break;
	}
	if (!client)
		client = last;
	if (client->connection)
		evhttp_connection_free(client->connection); /* which calls client_closed() */
}

static void client_adopt(struct client *client)
{
	bufferevent_data_cb on_read, on_write;
	bufferevent_event_cb on_event;
	void *connection;
	struct clients *clients = client->clients;
	bufferevent_getcb(client->stream, &on_read, &on_write, &on_event, &connection);
	bufferevent_decref(client->stream);
	client->stream = NULL;
	if (!connection) { /* evhttp has given it up already */
		client_remove(client);
		return;
	}
	client->connection = connection;
	evhttp_connection_set_closecb(client->connection, client_closed, client);
	event_add(client->timer, &clients->total);
	if (clients->count > clients->most)
		make_room(clients);
}

static void client_timer(evutil_socket_t fd, short what, void *context)
{
	struct client *client = context;
	(void)fd, (void)what;
	if (client->connection)
		evhttp_connection_free(client->connection);
	else
		client_adopt(client);
}

struct bufferevent *clients_accept(struct event_base *base, void *context)
{
	struct clients *clients = context;
	struct client *client = calloc(1, sizeof *client);
	if (!client)
		return NULL;
	client->clients = clients;
	client->timer = evtimer_new(base, client_timer, client);
	client->stream = clients->stream(base, clients->context);
	if (!client->timer || !client->stream) {
		/* evhttp then takes a bufferevent of its own; clients_begin() refuses its request. */
		if (client->stream)
			bufferevent_free(client->stream);
		client->stream = NULL;
		client_free(client);
		return NULL;
	}
	/* While evhttp writes a reply it reads on, into this buffer. */
	bufferevent_setwatermark(client->stream, EV_READ, 0, clients->input_max);
	bufferevent_incref(client->stream);
	TAILQ_INSERT_TAIL(&clients->all, client, link);
	clients->count++;
	event_active(client->timer, EV_TIMEOUT, 0);
	return client->stream;
}

static struct client *clients_find(
	const struct clients *clients, const struct evhttp_connection *connection)
{
	struct client *client;
	TAILQ_FOREACH(client, &clients->all, link)
	{
		if (connection && client->connection == connection)
			return client;
	}
	return NULL;
}

/*
 * What has come of its next requests. At `input_max` reading stops, and over TLS it would not go on by itself: OpenSSL
 * then has the rest of a record, and the socket nothing.
 */
static size_t bytes_ahead(const struct client *client)
{
	return evbuffer_get_length(
		bufferevent_get_input(evhttp_connection_get_bufferevent(client->connection)));
}

int clients_begin(struct clients *clients, const struct evhttp_connection *connection)
{
	struct client *client = clients_find(clients, connection);
	if (!client || bytes_ahead(client) > clients->input_max / 2)
		return -1;
	client->busy = true;
	event_del(client->timer);
	return 0;
}

void clients_answered(struct clients *clients, const struct evhttp_connection *connection)
{
	struct client *client = clients_find(clients, connection);
	if (!client)
		return;
	client->busy = false;
	TAILQ_REMOVE(&clients->all, client, link);
	TAILQ_INSERT_TAIL(&clients->all, client, link);
	event_add(client->timer, &clients->total);
}

/* The name of a user; "" if there is none. */
static void find_user(uid_t uid, char *name, size_t size)
{
	char buffer[4096];
	struct passwd entry, *found = NULL;
	if (getpwuid_r(uid, &entry, buffer, sizeof buffer, &found) || !found)
		name[0] = '\0';
	else
		snprintf(name, size, "%s", entry.pw_name);
}

void client_describe(struct evhttp_connection *connection, struct audit_actor *actor)
{
	struct sockaddr_storage address = { .ss_family = AF_UNSPEC };
	struct ucred process;
	socklen_t length = sizeof address, process_length = sizeof process;
	const int fd = bufferevent_getfd(evhttp_connection_get_bufferevent(connection));
	*actor = (struct audit_actor){ .local = false };
	if (getpeername(fd, (struct sockaddr *)&address, &length))
		return;
	if (address.ss_family != AF_UNIX) {
		address_text((const struct sockaddr *)&address, actor->peer, sizeof actor->peer);
	} else if (!getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &process, &process_length)) {
		actor->local = true;
		actor->uid = process.uid;
		actor->gid = process.gid;
		actor->pid = (unsigned)process.pid;
		find_user(process.uid, actor->user, sizeof actor->user);
	}
}
