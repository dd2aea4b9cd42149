/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a worker counts for the metrics. Each worker counts in memory of its own, so counting takes
 * no lock and shares no cache line; another thread may read at any time (relaxed atomics that only
 * the worker writes), so reading costs the worker nothing.
 */
#ifndef PORTCULLIS_DAEMON_CORE_STATS_H
#define PORTCULLIS_DAEMON_CORE_STATS_H

#include "proto/scsi/scsi.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* By what a command does to the medium; all others are OTHER. */
enum stats_operation { STATS_READ, STATS_WRITE, STATS_OTHER, STATS_OPERATIONS };

/* How a login ended, in the words of its status (RFC 7143 section 11.13.5). */
enum stats_login {
	STATS_LOGIN_ACCEPTED,
	STATS_LOGIN_NOT_AUTHENTICATED, /* 0x0201 */
	STATS_LOGIN_NOT_AUTHORIZED,    /* 0x0202 */
	STATS_LOGIN_NO_TARGET,         /* 0x0203 */
	STATS_LOGIN_UNAVAILABLE,       /* 0x0301 */
	STATS_LOGIN_REFUSED,           /* any other */
	STATS_LOGINS
};

#define STATS_BUCKETS    13 /* of time; the last has no upper bound */
#define STATS_SENSE_KEYS 16
#define STATS_NO_LUN     SCSI_LUN_MAX /* the place of commands to LUNs that do not exist */

/* Upper bounds of all buckets but the last, in nanoseconds; a time that equals one is inside. */
extern const uint64_t stats_bounds[STATS_BUCKETS - 1];

/* A number that its worker alone writes. */
typedef _Atomic uint64_t stats_number;

struct stats_lun {
	stats_number commands[STATS_OPERATIONS][STATS_BUCKETS]; /* by how long they took */
	stats_number nanoseconds[STATS_OPERATIONS];             /* all of them together */
	stats_number bytes_in, bytes_out;                       /* to the initiator, from it */
	stats_number sense[STATS_SENSE_KEYS];                   /* CHECK CONDITION, by sense key */
	stats_number refused; /* any other status but GOOD: nothing was done */
};

struct stats_target {
	struct stats_target *next; /* set before it can be seen */
	char *name;                /* "": no target */
	stats_number sessions;     /* now */
	stats_number logins[STATS_LOGINS];
	_Atomic(struct stats_lun *) luns[SCSI_LUN_MAX + 1]; /* NULL: no command yet */
};

#define STATS_ENDED_MAX 64

/* A command that has ended in this turn, before it is known when. */
struct stats_ended {
	struct stats_lun *lun;
	enum stats_operation operation;
	uint64_t began;
};

struct stats {
	_Atomic(struct stats_target *) first;
	stats_number turns; /* of the worker's loop */
	/* The worker's own: one look at the clock serves all commands of a turn. */
	struct stats_ended ended[STATS_ENDED_MAX];
	unsigned ended_count;
};

/* NULL when out of memory. */
struct stats *stats_new(void);
/* Nobody may read any more. NULL is fine. */
void stats_free(struct stats *stats);

/* --- the worker; `target` NULL: not counted --- */

/* The counters of the target of that name, which live as long as `stats`; NULL when out of memory. */
struct stats_target *stats_target(struct stats *stats, const char *name);
/* A login has ended. */
void stats_login(struct stats_target *target, enum stats_login outcome);
/* A session came (+1) or went (-1). */
void stats_session(struct stats_target *target, int change);
/*
 * A command has ended that began at `began` (clock_nanoseconds()); `bytes` of its data moved. Its time
 * is counted by stats_settle(). Memory is taken at the first command of a LUN.
 */
void stats_command(struct stats *stats, struct stats_target *target, const struct scsi_task *task,
	uint32_t bytes, uint64_t began);
/* Whether there are commands to settle. */
static inline bool stats_unsettled(const struct stats *stats)
{
	return stats->ended_count > 0;
}
/* The commands that have ended did so `now`: just before their responses are sent. */
void stats_settle(struct stats *stats, uint64_t now);
/* A turn of the loop has ended. */
void stats_turn(struct stats *stats);

/* --- any thread --- */

/* A counter as it is now. */
static inline uint64_t stats_read(const stats_number *number)
{
	return atomic_load_explicit(number, memory_order_relaxed);
}

/* The first of all targets; follow `next`. */
static inline const struct stats_target *stats_first(const struct stats *stats)
{
	return atomic_load_explicit(&stats->first, memory_order_acquire);
}

/* The counters of a LUN (0..STATS_NO_LUN), NULL if there was no command yet. */
static inline const struct stats_lun *stats_lun_of(const struct stats_target *target, unsigned lun)
{
	return atomic_load_explicit(&target->luns[lun], memory_order_acquire);
}

#endif
