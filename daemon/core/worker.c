/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The loop of a worker: events, then once per turn finished disk requests, a bounded number of
 * closings, all dirty connections, and one submission to the disk queue.
 */
#include "daemon/core/worker.h"

#include "base/log.h"
#include "daemon/core/clock.h"
#include "daemon/core/closing.h"
#include "daemon/core/connection.h"

#include <errno.h>
#include <event2/event.h>
#include <event2/event_struct.h>
#include <openssl/rand.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define STORE_DEPTH     256u        /* disk requests of one worker under way at once */
#define BUFFERS_KEPT    (64u << 20) /* bytes of idle data buffers a worker keeps */
#define TASKS_KEPT      4096u
#define PDUS_KEPT       8192u
#define ACCEPT_PER_TURN 16
#define ACCEPT_PAUSE_US 100000 /* when descriptors or memory run out */

/* A portal as one worker watches it. */
struct listener {
	TAILQ_ENTRY(listener) link;
	struct worker *worker;
	const struct portal *portal; /* of the worker's set */
	struct event event, resume;
	int batch; /* sockets taken in one turn: one, and twice as many each time that is not the end of it */
};

/* --- accepting --- */

static void listener_accept(evutil_socket_t fd, short what, void *context)
{
	struct listener *listener = context;
	(void)what;

	for (int i = 0; i < listener->batch; i++) {
		struct sockaddr_storage peer;
		socklen_t length = sizeof(peer);
		int socket = accept4(
			fd, (struct sockaddr *)&peer, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (socket >= 0) {
			connection_accept(listener->worker, socket, (struct sockaddr *)&peer,
				listener->portal);
			continue;
		}
		/* Another worker may have taken what woke this one: bursts are over then too. */
		listener->batch = 1;
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			const struct timeval pause = { .tv_sec = 0, .tv_usec = ACCEPT_PAUSE_US };
			log_warning(LOG_WHAT("accept-failed"), LOG_TEXT("why", strerror(errno)));
			event_del(&listener->event);
			event_add(&listener->resume, &pause);
		}
		return;
	}
	if (listener->batch < ACCEPT_PER_TURN)
		listener->batch *= 2;
}

static void listener_resume(evutil_socket_t fd, short what, void *context)
{
	struct listener *listener = context;
	(void)fd, (void)what;
	event_add(&listener->event, NULL);
}

static int listener_open(struct worker *worker, const struct portal *portal)
{
	struct listener *listener = calloc(1, sizeof(*listener));

	if (!listener)
		return -1;
	listener->worker = worker;
	listener->portal = portal;
	listener->batch = 1;
	event_assign(&listener->event, worker->base, portal->fd, EV_READ | EV_PERSIST,
		listener_accept, listener);
	event_assign(&listener->resume, worker->base, -1, 0, listener_resume, listener);
	if (event_add(&listener->event, NULL) < 0) {
		free(listener);
		return -1;
	}
	TAILQ_INSERT_TAIL(&worker->listeners, listener, link);
	return 0;
}

static void listener_close(struct listener *listener)
{
	event_del(&listener->event);
	event_del(&listener->resume);
	TAILQ_REMOVE(&listener->worker->listeners, listener, link);
	free(listener);
}

static bool worker_hears(const struct worker *worker, const struct portal *portal)
{
	const struct listener *listener;

	TAILQ_FOREACH(listener, &worker->listeners, link)
	if (listener->portal == portal)
		return true;
	return false;
}

/* Accepts from these and no others. 0, or -1 if not from all. */
static int worker_listen(struct worker *worker, struct portal_set *portals)
{
	struct portal_set *before = worker->portals;
	struct listener *listener, *next;
	int result = 0;

	for (listener = TAILQ_FIRST(&worker->listeners); listener; listener = next) {
		next = TAILQ_NEXT(listener, link);
		if (!portal_set_has(portals, listener->portal))
			listener_close(listener);
	}
	for (size_t i = 0; !worker->deaf && i < portals->count; i++) {
		const struct portal *portal = portals->portals[i];
		if (portal->fd >= 0 && !worker_hears(worker, portal) &&
			listener_open(worker, portal) < 0)
			result = -1;
	}
	worker->portals = portal_set_ref(portals);
	portal_set_unref(before);
	return result;
}

static void worker_deafen(struct worker *worker)
{
	worker->deaf = true;
	while (!TAILQ_EMPTY(&worker->listeners))
		listener_close(TAILQ_FIRST(&worker->listeners));
}

static void relisten_home(struct mail *mail, void *receiver)
{
	struct relisten *relisten = (struct relisten *)mail;
	struct workers *workers = relisten->workers;
	struct portal_set *before = workers->portals;
	(void)receiver;

	workers->portals = relisten->portals;
	relisten->changes = portal_set_log(before, workers->portals);
	portal_set_unref(before);
	relisten->done(relisten);
}

static void relisten_deliver(struct mail *mail, void *receiver)
{
	struct relisten *relisten = (struct relisten *)mail;
	struct workers *workers = relisten->workers;
	struct worker *worker = receiver;

	if (worker_listen(worker, relisten->portals) < 0)
		log_error(LOG_WHAT("worker-deaf"), LOG_NUMBER("worker", worker->index),
			LOG_TEXT("why", "it cannot listen on all portals, the others do"));
	if (++relisten->next < workers->count) {
		mailbox_post(workers->all[relisten->next].mailbox, &relisten->mail);
	} else {
		relisten->mail.deliver = relisten_home;
		mailbox_post(workers->main, &relisten->mail);
	}
}

void workers_relisten(
	struct workers *workers, struct relisten *relisten, struct portal_set *portals)
{
	relisten->mail.deliver = relisten_deliver;
	relisten->workers = workers;
	relisten->portals = portal_set_ref(portals);
	relisten->next = 0;
	mailbox_post(workers->all[0].mailbox, &relisten->mail);
}

struct worker *workers_least_loaded(struct workers *workers)
{
	struct worker *best = &workers->all[0];

	for (unsigned i = 1; i < workers->count; i++)
		if (atomic_load(&workers->all[i].load) < atomic_load(&best->load))
			best = &workers->all[i];
	return best;
}

/* --- the loop --- */

static void worker_store_ready(evutil_socket_t fd, short what, void *context)
{
	/* The turn reaps; this only ends the wait. */
	(void)fd, (void)what, (void)context;
}

static void worker_settle_stats(struct worker *worker)
{
	if (stats_unsettled(worker->stats))
		stats_settle(worker->stats, clock_nanoseconds());
}

/*
 * Busy polling: whether to look again instead of going to sleep. That pays while the next thing to do comes within
 * `busy_poll` of the last; each that comes later halves the time that is spent, one that comes in time restores it.
 */
static bool worker_spins(struct worker *worker, bool served)
{
	uint64_t most = worker->workers->busy_poll;

	if (most == 0)
		return false;
	uint64_t now = clock_nanoseconds(), since = now - worker->served_at;
	if (served) {
		worker->spin = since <= most ? most : worker->spin / 2;
		worker->served_at = now;
		since = 0;
	}
	return since < worker->spin;
}

/* Whether not to wait for events after it: there is more to do, or there will be soon. */
static bool worker_turn(struct worker *worker)
{
	uint64_t now = clock_now();
	unsigned reaped = store_queue_reap(worker->engine.queue, COMPLETIONS_PER_TURN);
	bool served = reaped > 0 || !TAILQ_EMPTY(&worker->dirty);
	bool more = reaped == COMPLETIONS_PER_TURN;

	more = closing_step(worker, now) || more;
	store_queue_flush(worker->engine.queue);
	worker_settle_stats(worker);
	/* Settling may make other connections dirty (a task returned, a session closed): they are for this turn too. */
	struct connection *connection;
	while ((connection = TAILQ_FIRST(&worker->dirty))) {
		TAILQ_REMOVE(&worker->dirty, connection, dirty_link);
		connection->is_dirty = false;
		connection_settle(connection, now);
	}
	worker_settle_stats(worker);
	store_queue_flush(worker->engine.queue);
	return worker_spins(worker, served) || more;
}

/* --- beginning and end --- */

static int worker_init(struct worker *worker)
{
	TAILQ_INIT(&worker->listeners);
	TAILQ_INIT(&worker->connections);
	TAILQ_INIT(&worker->dirty);
	TAILQ_INIT(&worker->to_close);
	TAILQ_INIT(&worker->closings);
	worker->base = event_base_new();
	worker->receive_buffer = malloc(RECEIVE_SIZE);
	worker->stats = stats_new();
	worker->engine = (struct iscsi_worker){
		.host = &connection_host,
		.issuer = &worker->workers->issuer,
		.queue = store_queue_new(STORE_QUEUE_BEST, STORE_DEPTH),
		.buffers = buffer_pool_new(BUFFERS_KEPT),
		.tasks = pool_new(iscsi_task_size(), TASKS_KEPT),
		.pdus = pool_new(iscsi_pdu_size(), PDUS_KEPT),
	};
	if (!worker->base || !worker->receive_buffer || !worker->stats || !worker->engine.queue ||
		!worker->engine.buffers || !worker->engine.tasks || !worker->engine.pdus)
		return -1;
	size_t arena_size;
	void *arena = buffer_pool_arena(worker->engine.buffers, &arena_size);
	store_queue_use_buffers(worker->engine.queue, arena, arena_size);
	worker->mailbox = mailbox_new(worker->base, worker);
	worker->store_event = event_new(worker->base, store_queue_fd(worker->engine.queue),
		EV_READ | EV_PERSIST, worker_store_ready, worker);
	if (!worker->mailbox || !worker->store_event || event_add(worker->store_event, NULL) < 0)
		return -1;
	return worker_listen(worker, worker->workers->portals);
}

/* Whatever its connections still wait for: false if the store holds commands of theirs. */
static bool worker_drop_connections(struct worker *worker)
{
	struct connection *connection, *next;

	for (connection = TAILQ_FIRST(&worker->connections); connection; connection = next) {
		next = TAILQ_NEXT(connection, all_link);
		connection_drop(connection);
	}
	return TAILQ_EMPTY(&worker->connections);
}

static void worker_free(struct worker *worker)
{
	worker_deafen(worker);
	portal_set_unref(worker->portals);
	if (worker->store_event)
		event_free(worker->store_event);
	mailbox_free(worker->mailbox);
	store_queue_free(worker->engine.queue);
	if (worker->base)
		event_base_free(worker->base);
	pool_free(worker->engine.tasks);
	pool_free(worker->engine.pdus);
	buffer_pool_free(worker->engine.buffers);
	free(worker->receive_buffer);
	stats_free(worker->stats);
}

/* All that belongs to a worker is made and unmade on its own thread. */
static void *worker_run(void *context)
{
	struct worker *worker = context;
	struct workers *workers = worker->workers;
	bool more = false;

	worker->failed = worker_init(worker) < 0;
	pthread_barrier_wait(&workers->barrier); /* all are set up, or one is not */
	pthread_barrier_wait(&workers->barrier); /* the starter has looked */
	while (!worker->stop && !workers->failed) {
		event_base_loop(worker->base, EVLOOP_ONCE | (more ? EVLOOP_NONBLOCK : 0));
		more = worker_turn(worker);
		stats_turn(worker->stats);
	}
	worker->idle = worker_drop_connections(worker);
	pthread_barrier_wait(&workers->barrier); /* nobody posts to anybody any more */
	if (worker->idle)
		worker_free(worker);
	return NULL;
}

/* Signals are the main thread's. */
static int workers_start(struct workers *workers)
{
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	for (unsigned i = 0; i < workers->count; i++) {
		struct worker *worker = &workers->all[i];
		worker->workers = workers;
		worker->index = i;
		if (pthread_create(&worker->thread, NULL, worker_run, worker))
			abort(); /* half a set of threads cannot be taken back in order */
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_barrier_wait(&workers->barrier);
	for (unsigned i = 0; i < workers->count; i++)
		workers->failed = workers->failed || workers->all[i].failed;
	pthread_barrier_wait(&workers->barrier);
	return workers->failed ? -1 : 0;
}

/* Joins all; whether the store has returned everything. */
static bool workers_join(struct workers *workers)
{
	bool idle = true;

	pthread_barrier_wait(&workers->barrier);
	for (unsigned i = 0; i < workers->count; i++) {
		pthread_join(workers->all[i].thread, NULL);
		idle = idle && workers->all[i].idle;
	}
	if (!idle)
		return false;
	pthread_barrier_destroy(&workers->barrier);
	portal_set_unref(workers->portals);
	free(workers->all);
	free(workers);
	return true;
}

struct workers *workers_new(unsigned count, unsigned busy_poll, struct registry *registry,
	struct mailbox *main, struct portal_set *portals, char *error, size_t error_size)
{
	struct workers *workers = calloc(1, sizeof(*workers));
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	snprintf(error, error_size, "cannot set up the workers: out of memory or descriptors");
	if (!workers)
		return NULL;
	workers->count = count ? count : cpus > 0 ? (unsigned)cpus : 1;
	workers->all = calloc(workers->count, sizeof(*workers->all));
	if (!workers->all || limits_init(&workers->limits) < 0 ||
		RAND_bytes(workers->issuer.key, sizeof(workers->issuer.key)) != 1 ||
		pthread_barrier_init(&workers->barrier, NULL, workers->count + 1)) {
		free(workers->all);
		free(workers);
		return NULL;
	}
	workers->busy_poll = (uint64_t)busy_poll * 1000;
	workers->registry = registry;
	workers->main = main;
	workers->portals = portal_set_ref(portals);
	if (workers_start(workers) < 0) {
		workers_join(workers);
		return NULL;
	}
	log_info(LOG_WHAT("workers-started"), LOG_NUMBER("workers", workers->count),
		LOG_TEXT("disk_requests", store_queue_name(workers->all[0].engine.queue)));
	return workers;
}

static void worker_stop(struct mail *mail, void *receiver)
{
	struct worker *worker = receiver;

	worker->stop = true;
	free(mail);
}

static void worker_become_deaf(struct mail *mail, void *receiver)
{
	worker_deafen(receiver);
	free(mail);
}

static void workers_order(struct workers *workers, void (*deliver)(struct mail *, void *))
{
	for (unsigned i = 0; i < workers->count; i++) {
		struct mail *mail = malloc(sizeof(*mail));
		if (!mail)
			abort(); /* the way out must not depend on luck */
		mail->deliver = deliver;
		mailbox_post(workers->all[i].mailbox, mail);
	}
}

void workers_deafen(struct workers *workers)
{
	workers_order(workers, worker_become_deaf);
}

int workers_free(struct workers *workers)
{
	if (!workers)
		return 0;
	workers_order(workers, worker_stop);
	return workers_join(workers) ? 0 : -1;
}
