/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Start, signals and stop. The main thread serves no I/O: it runs the control endpoint, stores
 * credentials, and waits.
 */
#include "daemon/server.h"

#include "base/log.h"
#include "conf/state.h"
#include "daemon/api/api.h"
#include "daemon/core/clock.h"
#include "daemon/core/closing.h"
#include "daemon/control/control.h"
#include "daemon/core/gate.h"
#include "daemon/core/live.h"
#include "daemon/core/mailbox.h"
#include "daemon/core/metrics.h"
#include "daemon/control/metrics_endpoint.h"
#include "daemon/core/notify.h"
#include "daemon/core/portals.h"
#include "daemon/core/registry.h"
#include "daemon/core/rotation.h"
#include "daemon/core/worker.h"

#include <assert.h>
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STOP_MS      4500u /* closing takes no longer (K5), whatever peers and disks do */
#define STOP_POLL_US 20000 /* how often lingering sockets are looked at */

enum { ON_TERM, ON_INT, ON_HUP, SIGNALS };

struct server {
	struct config *config;
	struct event_base *base;
	struct mailbox *mailbox;
	struct state *state;
	struct registry *registry;
	struct workers *workers;
	struct gate *gate;
	struct rotations *rotations;
	struct api *api;
	struct control *control;
	struct metrics *metrics;
	struct metrics_endpoint *metrics_endpoint; /* NULL: not configured */
	struct notify *notify;
	struct event *signals[SIGNALS];
	struct event *stop_poll;
	struct closure closing;
	struct live *live;
	bool stopping, closed, rested;
	bool stuck;          /* the store did not come to rest */
	uint64_t stop_until; /* ms */
};

/* --- reload --- */

/* The targets, and what is done to them by the clock, may be others now. */
static void server_applied(void *context)
{
	const struct server *server = context;

	rotations_look(server->rotations);
}

/* Files of their own: a key must be revocable whatever stands in the configuration. */
static void server_reloaded(void *context)
{
	const struct server *server = context;

	control_reload(server->control);
}

static void server_ended(void *context, const struct live_change *change, enum live_result result,
	uint64_t nanoseconds)
{
	const struct server *server = context;

	metrics_live(server->metrics, change, result, nanoseconds);
}

static void server_on_hangup(evutil_socket_t number, short what, void *context)
{
	const struct server *server = context;
	(void)number, (void)what;

	if (!server->stopping)
		live_reload(server->live);
}

/* --- stop --- */

static unsigned workers_load(const struct workers *workers)
{
	unsigned load = 0;

	for (unsigned i = 0; i < workers->count; i++)
		load += atomic_load(&workers->all[i].load);
	return load;
}

/* Sessions are closed first; then their lingering sockets get their second, commands their return from the store, and changes their end. */
static void server_stop_poll(evutil_socket_t fd, short what, void *context)
{
	struct server *server = context;
	(void)fd, (void)what;

	bool rested = server->closed && workers_load(server->workers) == 0 &&
		      api_is_idle(server->api) && live_is_idle(server->live) &&
		      rotations_are_idle(server->rotations);
	/* Not at once: the last answers leave between two looks. */
	if ((rested && server->rested) || clock_now() >= server->stop_until)
		event_base_loopexit(server->base, NULL);
	server->rested = rested;
}

static void server_closed(struct closure *closure)
{
	struct server *server = closure->context;

	server->closed = true;
	log_info(LOG_WHAT("sessions-closed"),
		LOG_NUMBER("sessions_closed", atomic_load(&closure->sessions)));
}

static void server_stop(evutil_socket_t number, short what, void *context)
{
	struct server *server = context;
	const struct timeval poll = { .tv_sec = 0, .tv_usec = STOP_POLL_US };
	const struct closing_whom everybody = { .target = NULL };
	(void)what;

	if (server->stopping)
		return;
	server->stopping = true;
	log_info(LOG_WHAT("stopping"), LOG_NUMBER("signal", (unsigned)number));
	notify_stopping();
	metrics_stopping(server->metrics);
	server->stop_until = clock_now() + STOP_MS;
	workers_deafen(server->workers);
	server->closing.done = server_closed;
	server->closing.context = server;
	if (closing_begin_all(server->workers, &server->closing, &everybody) < 0)
		server->stop_until = 0;
	event_add(server->stop_poll, &poll);
}

/* --- start --- */

static int server_watch_signals(struct server *server)
{
	static const struct {
		int number;
		event_callback_fn handler;
	} handled[SIGNALS] = {
		[ON_TERM] = { SIGTERM, server_stop },
		[ON_INT] = { SIGINT, server_stop },
		[ON_HUP] = { SIGHUP, server_on_hangup },
	};

	for (int i = 0; i < SIGNALS; i++) {
		server->signals[i] = evsignal_new(
			server->base, handled[i].number, handled[i].handler, server);
		if (!server->signals[i] || event_add(server->signals[i], NULL) < 0)
			return -1;
	}
	server->stop_poll = event_new(server->base, -1, EV_PERSIST, server_stop_poll, server);
	return server->stop_poll ? 0 : -1;
}

/* What OpenSSL refuses here (MD5 under FIPS, say) is not offered to initiators. */
static void server_log_algorithms(void)
{
	static const unsigned algorithms[] = { CHAP_MD5, CHAP_SHA1, CHAP_SHA256, CHAP_SHA3_256 };

	for (size_t i = 0; i < sizeof(algorithms) / sizeof(algorithms[0]); i++)
		if (!chap_algorithm_supported(algorithms[i]))
			log_warning(LOG_WHAT("algorithm-not-offered"),
				LOG_TEXT("algorithm", chap_algorithm_name(algorithms[i])),
				LOG_TEXT("why", "OpenSSL refuses it"));
}

static int server_open_state(struct server *server, char error[CONFIG_ERROR_SIZE])
{
	char why[STATE_ERROR_SIZE];
	bool first_start = false;

	server->state = state_open(server->config->state_directory, &first_start, why);
	if (!server->state) {
		snprintf(error, CONFIG_ERROR_SIZE, "%s", why);
		return -1;
	}
	if (first_start)
		log_info(LOG_WHAT("first-start"), LOG_TEXT("path", server->config->state_directory),
			LOG_TEXT("why", "it was empty, no target has credentials"));
	return 0;
}

static int server_open_control(struct server *server, char error[CONFIG_ERROR_SIZE])
{
	const struct api_config config = {
		.registry = server->registry,
		.gate = server->gate,
		.workers = server->workers,
		.config = server->config,
		.portals = &server->workers->portals,
		.live = server->live,
		.metrics = server->metrics,
	};

	snprintf(error, CONFIG_ERROR_SIZE, "out of memory");
	server->api = api_new(&config);
	if (!server->api)
		return -1;
	server->control = control_new(server->base, &server->config->control, server->api, error);
	if (!server->control)
		return -1;
	control_serve_metrics(server->control, server->metrics);
	return 0;
}

static int server_open_metrics(struct server *server, char error[CONFIG_ERROR_SIZE])
{
	const char *endpoint = server->config->control.metrics;

	if (!endpoint[0])
		return 0;
	server->metrics_endpoint = metrics_endpoint_new(
		server->base, endpoint, server->metrics, error);
	return server->metrics_endpoint ? 0 : -1;
}

static void server_attach_live(struct server *server)
{
	const struct live_place place = {
		.base = server->base,
		.mailbox = server->mailbox,
		.registry = server->registry,
		.workers = server->workers,
		.applied = server_applied,
		.reloaded = server_reloaded,
		.ended = server_ended,
		.context = server,
	};

	live_attach(server->live, &place);
}

static int server_start_workers(struct server *server, char error[CONFIG_ERROR_SIZE])
{
	const struct config *config = server->config;
	struct portal_set *portals = portal_set_open(NULL, config, NULL, error);

	if (portals)
		server->workers = workers_new(config->workers, config->busy_poll, server->registry,
			server->mailbox, portals, error, CONFIG_ERROR_SIZE);
	portal_set_unref(portals);
	return server->workers ? 0 : -1;
}

static int server_build(struct server *server, char error[CONFIG_ERROR_SIZE])
{
	const struct config *config = server->config;

	snprintf(error, CONFIG_ERROR_SIZE, "cannot set up the event loop");
	server->base = event_base_new();
	if (!server->base || server_watch_signals(server) < 0)
		return -1;
	server_log_algorithms();
	server->mailbox = mailbox_new(server->base, server);
	server->notify = notify_new(server->base);
	if (!server->mailbox || !server->notify || server_open_state(server, error) < 0)
		return -1;
	server->live = live_new(server->config, server->state, error);
	if (!server->live)
		return -1;
	server->registry = registry_new(config, server->state, server->mailbox, error);
	if (!server->registry)
		return -1;
	live_publish_drains(server->live, server->registry);
	if (server_start_workers(server, error) < 0)
		return -1;
	server->gate = gate_new(server->state, server->workers);
	if (!server->gate)
		return -1;
	server->metrics = metrics_new(server->registry, server->workers);
	server->rotations = rotations_new(
		server->base, server->registry, server->gate, server->metrics);
	if (!server->rotations || !server->metrics)
		return -1;
	server_attach_live(server);
	if (server_open_control(server, error) < 0)
		return -1;
	return server_open_metrics(server, error);
}

struct server *server_new_take(struct config *config, char error[CONFIG_ERROR_SIZE])
{
	struct server *server = calloc(1, sizeof(*server));

	if (!server) {
		snprintf(error, CONFIG_ERROR_SIZE, "out of memory");
		config_free(config);
		return NULL;
	}
	server->config = config;
	if (server_build(server, error) < 0) {
		server_free(server);
		return NULL;
	}
	return server;
}

int server_run(struct server *server)
{
	portal_set_log(NULL, server->workers->portals);
	notify_ready(server->config->target_count, server->config->portal_count);
	event_base_dispatch(server->base);

	control_free(server->control);
	server->control = NULL;
	metrics_endpoint_free(server->metrics_endpoint);
	server->metrics_endpoint = NULL;
	server->stuck = workers_free(server->workers) < 0;
	server->workers = NULL;
	if (server->stuck) {
		log_error(LOG_WHAT("stopped"), LOG_TEXT("why", "disk requests have not returned: "
							       "what they write is not known"));
		return 1;
	}
	int failed = registry_flush(server->registry);
	log_info(LOG_WHAT("stopped"));
	return failed ? 1 : 0;
}

void server_free(struct server *server)
{
	if (!server || server->stuck)
		return; /* the process ends with all that the store may still use */
	control_free(server->control);
	metrics_endpoint_free(server->metrics_endpoint);
	api_free(server->api);
	metrics_free(server->metrics);
	rotations_free(server->rotations);
	live_free(server->live);
	gate_free(server->gate);
	workers_free(server->workers);
	registry_free(server->registry);
	state_close(server->state);
	notify_free(server->notify);
	mailbox_free(server->mailbox);
	for (int i = 0; i < SIGNALS; i++)
		if (server->signals[i])
			event_free(server->signals[i]);
	if (server->stop_poll)
		event_free(server->stop_poll);
	if (server->base)
		event_base_free(server->base);
	config_free(server->config);
	free(server);
}

/* An answer to who asked, not an event of a daemon: the words alone. */
static void check_failed(const char *why)
{
	fprintf(stderr, "%s\n", why);
}

/* Whether a target would be served to nobody, with a line for each. */
static int check_credentials(const struct config *config, struct state *state)
{
	char why[STATE_ERROR_SIZE];
	int failed = 0;

	for (size_t i = 0; i < config->target_count; i++) {
		struct credential_set *set = NULL;
		if (state_load_credentials(state, config->targets[i].name, &set, why) != STATE_OK) {
			fprintf(stderr, "target %s would be served to nobody: %s\n",
				config->targets[i].name, why);
			failed = 1;
		}
		credential_set_unref(set);
	}
	return failed;
}

int server_check(const struct config *config)
{
	char why[CONFIG_ERROR_SIZE];
	struct config merged;
	int failed = 0;
	static_assert(CONFIG_ERROR_SIZE >= STATE_ERROR_SIZE, "room for the lines of both");
	struct state *state = state_open_readonly(config->state_directory, why);

	if (!state) {
		check_failed(why);
		return 1;
	}
	if (live_check(config, state, &merged, why) == 0) {
		failed = check_credentials(&merged, state);
		overlay_merged_clear(&merged);
	} else {
		check_failed(why);
		check_credentials(config, state);
		failed = 1;
	}
	state_close(state);
	if (control_check(&config->control, why) < 0) {
		check_failed(why);
		failed = 1;
	}
	return failed;
}
