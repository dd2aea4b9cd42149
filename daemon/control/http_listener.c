/* SPDX-License-Identifier: BSD-2-Clause */
/* evhttp with a pause where accepting fails, and a timer per connection (daemon/control/client.h). */
#include "daemon/control/http_listener.h"

#include "base/log.h"
#include "daemon/core/address.h"
#include "daemon/core/connection.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/listener.h>
#include <string.h>
#include <unistd.h>

#define INPUT_MORE (64u << 10) /* bytes beyond those of a whole request */

static const struct timeval accept_pause = { .tv_sec = 1 };

/* Descriptors have run out: without a pause the loop would spin on the waiting connection. */
static void accept_failed(struct evconnlistener *evconn, void *context)
{
	const int reason = errno;
	char text[ADDRESS_TEXT_SIZE];
	(void)context;
	log_warning(LOG_WHAT("accept-failed"),
		LOG_TEXT("address",
			address_local_text(evconnlistener_get_fd(evconn), text, sizeof text)),
		LOG_TEXT("why", strerror(reason)));
	evconnlistener_disable(evconn);
}

static void listen_again(evutil_socket_t fd, short what, void *context)
{
	const struct http_listener *listener = context;
	(void)fd, (void)what;
	evconnlistener_enable(listener->listener);
}

int http_listener_open(struct http_listener *listener, struct event_base *base, int fd,
	const struct http_terms *terms)
{
	const struct timeval idle = {
		.tv_sec = terms->idle_ms / 1000,
		.tv_usec = (suseconds_t)(terms->idle_ms % 1000) * 1000,
	};
	struct evhttp_bound_socket *bound = NULL;
	listener->clients = clients_new(terms->connections, terms->total_ms,
		(size_t)terms->headers_max + terms->body_max + INPUT_MORE, terms->stream,
		terms->stream_context);
	listener->http = evhttp_new(base);
	listener->listen_again = event_new(base, -1, EV_PERSIST, listen_again, listener);
	if (listener->clients && listener->http && listener->listen_again)
		bound = evhttp_accept_socket_with_handle(listener->http, fd);
	if (!bound) {
		close(fd);
		return -1;
	}
	listener->listener = evhttp_bound_socket_get_listener(bound);
	evconnlistener_set_error_cb(listener->listener, accept_failed);
	event_add(listener->listen_again, &accept_pause);
	/* All that are known, so that the refusals are ours: evhttp's own are HTML. */
	evhttp_set_allowed_methods(
		listener->http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_HEAD |
					EVHTTP_REQ_PUT | EVHTTP_REQ_DELETE | EVHTTP_REQ_OPTIONS |
					EVHTTP_REQ_TRACE | EVHTTP_REQ_CONNECT | EVHTTP_REQ_PATCH);
	evhttp_set_max_headers_size(listener->http, terms->headers_max);
	evhttp_set_max_body_size(listener->http, terms->body_max);
	evhttp_set_timeout_tv(listener->http, &idle);
	evhttp_set_bevcb(listener->http, clients_accept, listener->clients);
	evhttp_set_gencb(listener->http, terms->request, terms->context);
	return 0;
}

void http_listener_close(struct http_listener *listener)
{
	if (listener->http)
		evhttp_free(listener->http);
	clients_free(listener->clients);
	if (listener->listen_again)
		event_free(listener->listen_again);
}
