/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Workers: threads that serve connections. Each has its own event base, store queue, pools and
 * receive buffer; a connection lives and dies on one of them. The main thread starts and stops
 * them, hands them the listening sockets, and asks them to close sessions.
 */
#ifndef PORTCULLIS_DAEMON_CORE_WORKER_H
#define PORTCULLIS_DAEMON_CORE_WORKER_H

#include "base/log.h"
#include "daemon/core/limits.h"
#include "daemon/core/mailbox.h"
#include "daemon/core/portals.h"
#include "proto/iscsi/iscsi.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct connection;
struct event;
struct event_base;
struct listener;
struct registry;
struct target;
struct workers;
TAILQ_HEAD(connection_list, connection);
TAILQ_HEAD(listener_list, listener);

#define RECEIVE_SIZE         (256u << 10) /* bytes of a worker's receive buffer */
#define COMPLETIONS_PER_TURN 256u

TAILQ_HEAD(closing_list, closing);

struct worker {
	struct iscsi_worker engine; /* first: what engine connections borrow */
	struct workers *workers;
	unsigned index;
	pthread_t thread;
	struct event_base *base;
	struct mailbox *mailbox;
	struct stats *stats;
	struct event *store_event;
	struct portal_set
		*portals; /* its reference: what it accepts from, and tells in discovery */
	struct listener_list listeners; /* one for each of them that has a socket */
	uint8_t *receive_buffer;
	atomic_uint load; /* connections, for placement */
	uint64_t entered; /* logins that have named a target so far */
	bool failed;      /* could not be set up */
	bool stop;
	uint64_t spin;      /* busy polling: for how long now, ns, at most workers->busy_poll */
	uint64_t served_at; /* when it last had something to do, ns */
	bool idle;          /* at its end: the store had returned all commands */
	bool deaf;          /* accepts no more, whatever portals there are */
	bool draining;      /* the daemon is going down: no new connection is begun */

	struct connection_list connections; /* all, the shut and busy ones too */
	struct connection_list dirty;       /* with output, a deadline or a phase to look at */
	struct connection_list to_close;    /* asked to close, not yet begun */
	struct closing_list closings;
	/* Lines about who has not logged in, about who cannot come in, about task management. */
	struct log_limit strangers, crowds, functions;
};

struct workers {
	struct registry *registry;
	struct limits limits;
	struct chap_issuer issuer;
	struct mailbox *main;       /* the main thread's */
	struct portal_set *portals; /* a reference, the main thread's alone: what listens now */
	pthread_barrier_t
		barrier; /* of all workers and the main thread: at the beginning and at the end */
	bool failed;
	uint64_t busy_poll; /* ns; 0 = no */
	struct worker *all;
	unsigned count;
};

/*
 * Starts `count` workers (0 = one per CPU), each accepting from all `portals`, of which they take references, that spin
 * for up to `busy_poll` us before they sleep. NULL with one line in `error`. All else is borrowed until workers_free().
 */
struct workers *workers_new(unsigned count, unsigned busy_poll, struct registry *registry,
	struct mailbox *main, struct portal_set *portals, char *error, size_t error_size);
/*
 * Stops and joins them; connections still there are dropped. 0, or -1 if the store has not returned all commands:
 * then nothing that they use may be freed before the process ends. NULL is fine.
 */
int workers_free(struct workers *workers);
/* A change of what all workers listen on: a mail that goes from one to the next, and home. */
struct relisten {
	struct mail mail;                        /* first */
	void (*done)(struct relisten *relisten); /* main thread, later; frees it if it likes */
	void *context;
	struct portal_changes changes; /* when done */
	struct workers *workers;
	struct portal_set *portals;
	unsigned next; /* worker */
};
/*
 * Main thread, one at a time. All workers accept from `portals` (of which references are taken) and no others: when it
 * is done, no connection arrives any more by one that is gone, and its socket is closed. `done` and `context` are set.
 */
void workers_relisten(
	struct workers *workers, struct relisten *relisten, struct portal_set *portals);
/* No more accepting. Returns before every worker knows; what it accepts meanwhile is closed like the rest. */
void workers_deafen(struct workers *workers);

/* --- for connection.c --- */

/* The worker with the fewest connections. */
struct worker *workers_least_loaded(struct workers *workers);

#endif
