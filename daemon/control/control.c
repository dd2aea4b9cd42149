/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From HTTP to the api and back. A request's body is read where evhttp put it and wiped before the
 * operation begins to wait; its reply goes into evhttp's buffer without a copy in between.
 */
#include "daemon/control/control.h"

#include "base/encode.h"
#include "base/log.h"
#include "daemon/api/api.h"
#include "daemon/core/clock.h"
#include "daemon/control/client.h"
#include "daemon/control/guard.h"
#include "daemon/control/socket.h"
#include "daemon/control/tcp.h"
#include "daemon/control/http_listener.h"
#include "daemon/api/json.h"
#include "daemon/core/metrics.h"

#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/util.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

/* evhttp itself answers a larger body, in HTML, after dropping it piece by piece. */
#define BODY_DROPPED (1 << 20)
/* Audit lines of refused strangers, in LOG_LIMIT_WINDOW_MS. */
#define REFUSED_LOGGED 50

static const struct control_limits usual_limits = {
	.connections = 128,
	.idle_ms = 30000,
	.total_ms = 60000,
};

/* One way in: a listener with an HTTP server behind it. */
struct endpoint {
	struct control *control;
	struct http_listener listener;
	const struct guard *guard; /* NULL: whoever can open the socket may ask */
	struct log_limit refused;  /* audit lines of those who may not */
};

/* A request that waits for its operation. */
struct exchange {
	TAILQ_ENTRY(exchange) link;
	struct endpoint *endpoint; /* NULL: it is gone */
	struct evhttp_request *request;
	char id[API_REQUEST_ID_SIZE];
};

struct control {
	struct api *api;
	const struct metrics *metrics; /* NULL: not served */
	struct control_socket socket;
	struct guard *guard;           /* NULL: no TCP endpoint */
	struct endpoint local, remote; /* the Unix socket, TCP */
	TAILQ_HEAD(, exchange) exchanges;
};

/* A random UUID (RFC 9562 section 5.4). */
static void make_id(char id[API_REQUEST_ID_SIZE])
{
	uint8_t bytes[16];
	char digits[2 * sizeof bytes + 1];
	evutil_secure_rng_get_bytes(bytes, sizeof bytes);
	bytes[6] = (uint8_t)((bytes[6] & 0x0f) | 0x40);
	bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
	hex_encode(digits, sizeof digits, bytes, sizeof bytes);
	snprintf(id, API_REQUEST_ID_SIZE, "%.8s-%.4s-%.4s-%.4s-%.12s", digits, digits + 8,
		digits + 12, digits + 16, digits + 20);
}

static const char *reason_of(unsigned status)
{
	static const struct {
		unsigned status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 400, "Bad Request" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 413, "Content Too Large" },
		{ 500, "Internal Server Error" },
	};
	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++) {
		if (reasons[i].status == status)
			return reasons[i].reason;
	}
	return "Status";
}

/* Sends the reply; the request is evhttp's again. `body` NULL: memory ran out. */
static void send_reply(struct endpoint *endpoint, struct evhttp_request *request, const char *id,
	unsigned status, const json_t *body)
{
	static const char no_memory[] = "{\"__type\":\"InternalServerError\",\"message\":"
					"\"An internal error occurred.\",\"error\":{\"errorCode\":"
					"\"InternalError\"}}";
	struct evbuffer *out = evhttp_request_get_output_buffer(request);
	struct evkeyvalq *headers = evhttp_request_get_output_headers(request);
	evhttp_add_header(headers, "Content-Type", "application/x-amz-json-1.1");
	evhttp_add_header(headers, "x-amzn-RequestId", id);
	if (status == api_error_status(API_METHOD_REFUSED))
		evhttp_add_header(headers, "Allow", "POST");
	if (!body || (evhttp_request_get_command(request) != EVHTTP_REQ_HEAD &&
			     json_body_write(out, body))) {
		status = api_error_status(API_INTERNAL);
		evbuffer_drain(out, evbuffer_get_length(out));
		evbuffer_add_reference(out, no_memory, sizeof no_memory - 1, NULL, NULL);
	}
	/* Before the reply: sending it may close the connection at once. */
	clients_answered(endpoint->listener.clients, evhttp_request_get_connection(request));
	evhttp_send_reply(request, (int)status, reason_of(status), NULL);
}

/* Strangers at the TCP endpoint are not logged without end; who can open the Unix socket is none. */
static void audit_refused(
	struct endpoint *endpoint, const struct api_request *asked, enum api_error error)
{
	uint64_t suppressed = 0;
	if (endpoint->guard &&
		!log_limit_pass(&endpoint->refused, REFUSED_LOGGED, clock_now(), &suppressed))
		return;
	audit_log(&(struct audit_entry){
		.actor = &asked->actor,
		.request = asked->id,
		.operation = asked->operation,
		.lun = -1,
		.result = api_error_type(error),
		.status = api_error_status(error),
		.suppressed = suppressed,
	});
}

/* `detail` as in api_error_body(). */
static void send_error(struct endpoint *endpoint, struct evhttp_request *request,
	const struct api_request *asked, enum api_error error, const char *detail)
{
	json_t *body = api_error_body(error, detail);
	audit_refused(endpoint, asked, error);
	send_reply(endpoint, request, asked->id, api_error_status(error), body);
	json_decref(body);
}

static void answered(void *context, unsigned status, const json_t *body)
{
	struct exchange *exchange = context;
	struct endpoint *endpoint = exchange->endpoint;
	if (endpoint) {
		TAILQ_REMOVE(&endpoint->control->exchanges, exchange, link);
		send_reply(endpoint, exchange->request, exchange->id, status, body);
	}
	free(exchange);
}

static void call(
	struct endpoint *endpoint, struct evhttp_request *request, struct api_request *asked)
{
	struct exchange *exchange = calloc(1, sizeof *exchange);
	/* A buffer of its own, so that the secrets in it need not wait with the request. */
	struct evbuffer *body = evbuffer_new();
	if (!exchange || !body ||
		evbuffer_add_buffer(body, evhttp_request_get_input_buffer(request))) {
		send_error(endpoint, request, asked, API_INTERNAL, NULL);
		free(exchange);
		goto out;
	}
	exchange->endpoint = endpoint;
	exchange->request = request;
	memcpy(exchange->id, asked->id, sizeof exchange->id);
	TAILQ_INSERT_TAIL(&endpoint->control->exchanges, exchange, link);
	asked->body = evbuffer_pullup(body, -1);
	asked->length = asked->body ? evbuffer_get_length(body) : 0;
	asked->done = answered;
	asked->context = exchange;
	api_call(endpoint->control->api, asked);
out:
	if (body)
		evbuffer_free(body);
}

/*
 * Clients keep the path of the endpoint that they were given, so operations are taken at any: of those that a signature
 * knows in one form alone, without empty parts, dots, and what would have to be encoded.
 */
static bool is_plain_path(const char *path)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				    "0123456789-._~";
	while (*path == '/') {
		const char *part = path + 1;
		path = part + strspn(part, plain);
		const size_t length = (size_t)(path - part);
		const bool dots = length && length <= 2 && strspn(part, ".") >= length;
		if (dots || (!length && *path))
			return false;
	}
	return !*path;
}

/* What the request line and the size alone forbid. */
static enum api_error check_request(struct evhttp_request *request)
{
	const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(request);
	const char *path = uri ? evhttp_uri_get_path(uri) : NULL;
	const bool posted = evhttp_request_get_command(request) == EVHTTP_REQ_POST;
	if (!path || !*path || !is_plain_path(path) || evhttp_uri_get_query(uri))
		return API_NO_SUCH_PATH;
	if (!posted)
		return strcmp(path, "/") == 0 ? API_METHOD_REFUSED : API_NO_SUCH_PATH;
	if (evbuffer_get_length(evhttp_request_get_input_buffer(request)) > CONTROL_BODY_MAX)
		return API_BODY_TOO_LARGE;
	return API_OK;
}

/* Who asks, and whether this one may ask at all. */
static enum api_error admit(const struct endpoint *endpoint, struct evhttp_request *request,
	struct api_request *asked, char detail[GUARD_DETAIL_SIZE])
{
	detail[0] = '\0';
	client_describe(evhttp_request_get_connection(request), &asked->actor);
	const enum api_error error = check_request(request);
	if (error || !endpoint->guard)
		return error;
	return guard_admit(endpoint->guard, request, asked, detail);
}

static void on_request(struct evhttp_request *request, void *context)
{
	struct endpoint *endpoint = context;
	struct evhttp_connection *connection = evhttp_request_get_connection(request);
	struct api_request asked = { 0 };
	char detail[GUARD_DETAIL_SIZE];
	if (clients_begin(endpoint->listener.clients, connection)) {
		evhttp_connection_free(connection);
		return;
	}
	/* On the Unix socket alone, whose file's mode says who may: over TCP all must be signed. */
	const struct metrics *metrics = endpoint->guard ? NULL : endpoint->control->metrics;
	if (metrics && metrics_wants(request)) {
		clients_answered(endpoint->listener.clients, connection);
		metrics_answer(metrics, request);
		return;
	}
	make_id(asked.id);
	asked.operation = evhttp_find_header(
		evhttp_request_get_input_headers(request), "X-Amz-Target");
	const enum api_error error = admit(endpoint, request, &asked, detail);
	if (error)
		send_error(endpoint, request, &asked, error, detail[0] ? detail : NULL);
	else
		call(endpoint, request, &asked);
}

/* Takes the descriptor. -1 when out of memory. */
static int endpoint_open(struct endpoint *endpoint, struct event_base *base, int fd,
	const struct control_limits *limits)
{
	const struct http_terms terms = {
		.connections = limits->connections,
		.idle_ms = limits->idle_ms,
		.total_ms = limits->total_ms,
		.headers_max = CONTROL_HEADERS_MAX,
		.body_max = BODY_DROPPED,
		.stream = endpoint->guard && guard_has_tls(endpoint->guard) ? guard_stream : NULL,
		.stream_context = endpoint->control->guard,
		.request = on_request,
		.context = endpoint,
	};
	if (http_listener_open(&endpoint->listener, base, fd, &terms))
		return -1;
	evhttp_set_flags(endpoint->listener.http, EVHTTP_SERVER_LINGERING_CLOSE);
	return 0;
}

/* The Unix socket, if one is wanted. */
static int open_local(struct control *control, struct event_base *base,
	const struct config_control *config, const struct control_limits *limits,
	char error[CONFIG_ERROR_SIZE])
{
	if (!config->socket[0])
		return 0;
	if (control_socket_open(&control->socket, config->socket, config->group, error))
		return -1;
	snprintf(error, CONFIG_ERROR_SIZE, "control socket %.200s: out of memory", config->socket);
	if (endpoint_open(&control->local, base, control->socket.fd, limits))
		return -1;
	log_info(LOG_WHAT("control-socket"), LOG_TEXT("path", config->socket));
	return 0;
}

/* The TCP endpoint likewise. */
static int open_remote(struct control *control, struct event_base *base,
	const struct config_control *config, const struct control_limits *limits,
	char error[CONFIG_ERROR_SIZE])
{
	if (!config->listen[0])
		return 0;
	control->guard = guard_new(config, error);
	if (!control->guard)
		return -1;
	control->remote.guard = control->guard;
	const int fd = control_tcp_listen("control", config->listen, error);
	if (fd < 0)
		return -1;
	snprintf(error, CONFIG_ERROR_SIZE, "control endpoint %s: out of memory", config->listen);
	return endpoint_open(&control->remote, base, fd, limits);
}

struct control *control_new_limited(struct event_base *base, const struct config_control *config,
	const struct control_limits *limits, struct api *api, char error[CONFIG_ERROR_SIZE])
{
	struct control *control = calloc(1, sizeof *control);
	snprintf(error, CONFIG_ERROR_SIZE, "control endpoint: out of memory");
	if (!control)
		return NULL;
	control->api = api;
	control->socket.fd = -1;
	control->local.control = control->remote.control = control;
	TAILQ_INIT(&control->exchanges);
	if (open_local(control, base, config, limits, error) ||
		open_remote(control, base, config, limits, error)) {
		control_free(control);
		return NULL;
	}
	return control;
}

struct control *control_new(struct event_base *base, const struct config_control *config,
	struct api *api, char error[CONFIG_ERROR_SIZE])
{
	return control_new_limited(base, config, &usual_limits, api, error);
}

void control_reload(struct control *control)
{
	if (control && control->guard)
		guard_reload(control->guard);
}

int control_check(const struct config_control *config, char error[CONFIG_ERROR_SIZE])
{
	if (!config->listen[0])
		return 0;
	struct guard *guard = guard_new(config, error);
	guard_free(guard);
	return guard ? 0 : -1;
}

void control_serve_metrics(struct control *control, const struct metrics *metrics)
{
	control->metrics = metrics;
}

void control_free(struct control *control)
{
	if (!control)
		return;
	while (!TAILQ_EMPTY(&control->exchanges)) {
		struct exchange *exchange = TAILQ_FIRST(&control->exchanges);
		TAILQ_REMOVE(&control->exchanges, exchange, link);
		exchange->endpoint = NULL;
	}
	control_socket_remove(&control->socket);
	http_listener_close(&control->local.listener);
	http_listener_close(&control->remote.listener);
	guard_free(control->guard);
	free(control);
}
