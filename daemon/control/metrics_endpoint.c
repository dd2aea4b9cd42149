/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small HTTP server of its own, so that who may scrape is not who may ask for operations. Its
 * clients have the same limits as those of the control endpoint, only fewer places.
 */
#include "daemon/control/metrics_endpoint.h"

#include "daemon/control/tcp.h"
#include "daemon/control/http_listener.h"
#include "daemon/core/metrics.h"

#include <event2/http.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define CONNECTIONS_MAX 32
#define HEADERS_MAX     (8 << 10)
#define IDLE_MS         15000
#define TOTAL_MS        30000

struct metrics_endpoint {
	const struct metrics *metrics;
	struct http_listener listener;
};

static void on_request(struct evhttp_request *request, void *context)
{
	struct metrics_endpoint *endpoint = context;
	struct evhttp_connection *connection = evhttp_request_get_connection(request);
	if (clients_begin(endpoint->listener.clients, connection)) {
		evhttp_connection_free(connection);
		return;
	}
	/* Before the reply: sending it may close the connection at once. */
	clients_answered(endpoint->listener.clients, connection);
	if (metrics_wants(request)) {
		metrics_answer(endpoint->metrics, request);
		return;
	}
	evhttp_send_reply(request, HTTP_NOTFOUND, "Not Found", NULL);
}

struct metrics_endpoint *metrics_endpoint_new(struct event_base *base, const char *endpoint,
	const struct metrics *metrics, char error[CONFIG_ERROR_SIZE])
{
	const int fd = control_tcp_listen("metrics", endpoint, error);
	if (fd < 0)
		return NULL;
	struct metrics_endpoint *made = calloc(1, sizeof *made);
	const struct http_terms terms = {
		.connections = CONNECTIONS_MAX,
		.idle_ms = IDLE_MS,
		.total_ms = TOTAL_MS,
		.headers_max = HEADERS_MAX,
		.request = on_request,
		.context = made,
	};
	if (!made)
		close(fd);
	if (!made || http_listener_open(&made->listener, base, fd, &terms)) {
		metrics_endpoint_free(made);
		snprintf(error, CONFIG_ERROR_SIZE, "metrics endpoint: out of memory");
		return NULL;
	}
	made->metrics = metrics;
	return made;
}

void metrics_endpoint_free(struct metrics_endpoint *endpoint)
{
	if (!endpoint)
		return;
	http_listener_close(&endpoint->listener);
	free(endpoint);
}
