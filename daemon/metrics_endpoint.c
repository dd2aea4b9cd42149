/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small HTTP server of its own, so that who may scrape is not who may ask for operations. Its
 * clients have the same limits as those of the control endpoint, only fewer places.
 */
#include "daemon/metrics_endpoint.h"

#include "base/log.h"
#include "daemon/address.h"
#include "daemon/control_client.h"
#include "daemon/metrics.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 32
#define HEADERS_MAX     (8 << 10)
#define BODY_MAX        0
#define TOTAL_MS        30000
#define BACKLOG         64

static const struct timeval idle = { .tv_sec = 15 };
static const struct timeval accept_pause = { .tv_sec = 1 };

struct metrics_endpoint {
	const struct metrics *metrics;
	struct evhttp *http;
	struct evconnlistener *listener;
	struct event *listen_again;
	struct clients *clients;
};

static void on_request(struct evhttp_request *request, void *context)
{
	struct metrics_endpoint *endpoint = context;
	struct evhttp_connection *connection = evhttp_request_get_connection(request);
	if (clients_begin(endpoint->clients, connection)) {
		evhttp_connection_free(connection);
		return;
	}
	/* Before the reply: sending it may close the connection at once. */
	clients_answered(endpoint->clients, connection);
	if (metrics_wants(request)) {
		metrics_answer(endpoint->metrics, request);
		return;
	}
	evhttp_send_reply(request, HTTP_NOTFOUND, "Not Found", NULL);
}

/* Descriptors have run out: without a pause the loop would spin on the waiting connection. */
static void accept_failed(struct evconnlistener *listener, void *context)
{
	(void)context;
	log_warning("metrics endpoint: cannot accept a connection: %s",
		evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
	evconnlistener_disable(listener);
}

static void listen_again(evutil_socket_t fd, short what, void *context)
{
	const struct metrics_endpoint *endpoint = context;
	(void)fd, (void)what;
	evconnlistener_enable(endpoint->listener);
}

/* A listening socket; its own address is left in `address`. -1 with errno set. */
static int listen_on(struct sockaddr_storage *address, socklen_t length)
{
	const int on = 1;
	const int fd = socket(address->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
	if (address->ss_family == AF_INET6)
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
	if (bind(fd, (const struct sockaddr *)address, length) || listen(fd, BACKLOG) ||
		getsockname(fd, (struct sockaddr *)address, &length)) {
		const int reason = errno;
		close(fd);
		errno = reason;
		return -1;
	}
	return fd;
}

/* Takes the descriptor. -1 when out of memory. */
static int start(struct metrics_endpoint *endpoint, struct event_base *base, int fd)
{
	endpoint->clients = clients_new(CONNECTIONS_MAX, TOTAL_MS, NULL, NULL);
	endpoint->http = evhttp_new(base);
	endpoint->listen_again = event_new(base, -1, EV_PERSIST, listen_again, endpoint);
	struct evhttp_bound_socket *bound = NULL;
	if (endpoint->clients && endpoint->http && endpoint->listen_again)
		bound = evhttp_accept_socket_with_handle(endpoint->http, fd);
	if (!bound) {
		close(fd);
		return -1;
	}
	endpoint->listener = evhttp_bound_socket_get_listener(bound);
	evconnlistener_set_error_cb(endpoint->listener, accept_failed);
	event_add(endpoint->listen_again, &accept_pause);
	/* All that are known, so that the refusals are ours: evhttp's own are HTML. */
	evhttp_set_allowed_methods(
		endpoint->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
					EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS |
					EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
	evhttp_set_max_headers_size(endpoint->http, HEADERS_MAX);
	evhttp_set_max_body_size(endpoint->http, BODY_MAX);
	evhttp_set_timeout_tv(endpoint->http, &idle);
	evhttp_set_bevcb(endpoint->http, clients_accept, endpoint->clients);
	evhttp_set_gencb(endpoint->http, on_request, endpoint);
	return 0;
}

struct metrics_endpoint *metrics_endpoint_new(struct event_base *base, const char *endpoint,
	const struct metrics *metrics, char error[CONFIG_ERROR_SIZE])
{
	char host[CONFIG_ADDRESS_SIZE], text[80];
	struct sockaddr_storage address;
	uint16_t port;
	unsigned length = 0;
	if (config_endpoint(endpoint, host, &port) == 0)
		length = address_parse(host, port, &address);
	const int fd = length ? listen_on(&address, length) : -1;
	if (fd < 0) {
		snprintf(error, CONFIG_ERROR_SIZE, "cannot listen on metrics endpoint %.80s: %s",
			endpoint, length ? strerror(errno) : "not an address");
		return NULL;
	}
	struct metrics_endpoint *made = calloc(1, sizeof *made);
	if (!made)
		close(fd);
	if (!made || start(made, base, fd)) {
		metrics_endpoint_free(made);
		snprintf(error, CONFIG_ERROR_SIZE, "metrics endpoint: out of memory");
		return NULL;
	}
	made->metrics = metrics;
	log_info("metrics endpoint %s",
		address_text((const struct sockaddr *)&address, text, sizeof text));
	return made;
}

void metrics_endpoint_free(struct metrics_endpoint *endpoint)
{
	if (!endpoint)
		return;
	if (endpoint->http)
		evhttp_free(endpoint->http);
	clients_free(endpoint->clients);
	if (endpoint->listen_again)
		event_free(endpoint->listen_again);
	free(endpoint);
}
