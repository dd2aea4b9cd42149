/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Closing all sessions of a target, on all workers: the only road there is (doc/architecture.md K3, K5). Each
 * worker counts whom it concerns, begins to close a few per turn, and reports when the last is shut.
 */
#ifndef PORTCULLIS_DAEMON_CORE_CLOSING_H
#define PORTCULLIS_DAEMON_CORE_CLOSING_H

#include "daemon/core/mailbox.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct closure;
struct connection;
struct target;
struct worker;
struct workers;

#define CLOSE_PER_TURN 32u /* connections a worker begins to close in one turn of its loop */

/* Whom a closing concerns. */
struct closing_whom {
	const char
		*portal; /* who came by the portal of this text, whatever else; NULL: as follows */
	struct target *target; /* NULL: whatever target, and connections that have named none */
	const char *initiator; /* NULL: whoever; else only this one, by what it proved */
	bool present;          /* all that there are now, whatever they proved; no later ones */
	const uint8_t *
		isid; /* with `present` and `initiator`: only its session of this ISID; NULL: all */
	uint16_t tsih;   /* likewise of this TSIH; 0: all */
	bool politely;   /* Normal sessions are asked to log out, and closed when they do not */
	uint64_t before; /* generations of sets, or of the records proved, older than this */
};

/* One worker's part in closing sessions. */
struct closing {
	struct mail mail;
	TAILQ_ENTRY(closing) link;
	struct closure *closure;
	uint64_t entered; /* of the worker, when it began: later connections are not concerned */
	size_t left;      /* connections not yet shut */
};

/* The closing of all sessions that it concerns: the only road there is. */
struct closure {
	struct mail mail;
	void (*done)(
		struct closure *closure); /* main thread, when all are shut; frees it if it likes */
	void *context;
	struct workers *workers;
	struct closing_whom whom;
	atomic_uint pending;  /* workers */
	atomic_uint sessions; /* connections closed */
	struct closing *parts;
};

/*
 * Main thread. `closure->done` is called there when no session that it concerns is left
 * (K3): what makes a session one must not come true for any other from now on, unless `present`. 0, or -1 when out of memory (then
 * nothing was closed). `closure`, the texts and the ISID in `whom` are borrowed until done.
 */
int closing_begin_all(
	struct workers *workers, struct closure *closure, const struct closing_whom *whom);

/* --- for workers and connections --- */

/* A connection has been shut: counts it in all closings it belongs to. */
void closing_note_shut(struct worker *worker, struct connection *connection);
/* Begins to close a few of those that are to be closed; whether there are more. */
bool closing_step(struct worker *worker, uint64_t now);

#endif
