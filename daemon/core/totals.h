/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What all workers have counted (daemon/core/stats.h), summed by target and LUN: for the metrics and for
 * GetStatistics alike. Nothing here asks a worker for anything. Main thread only.
 */
#ifndef PORTCULLIS_DAEMON_CORE_TOTALS_H
#define PORTCULLIS_DAEMON_CORE_TOTALS_H

#include "daemon/core/stats.h"

#include <stddef.h>
#include <stdint.h>

struct registry;
struct target;
struct worker;
struct workers;

/* As those of struct stats_lun. */
struct lun_totals {
	unsigned lun; /* STATS_NO_LUN: commands to LUNs that do not exist */
	uint64_t commands[STATS_OPERATIONS][STATS_BUCKETS];
	uint64_t nanoseconds[STATS_OPERATIONS];
	uint64_t bytes_in, bytes_out;
	uint64_t sense[STATS_SENSE_KEYS];
	uint64_t refused;
};

struct target_totals {
	const struct target *target; /* NULL: logins to targets that are not served here */
	uint64_t sessions;
	uint64_t logins[STATS_LOGINS];
	const struct lun_totals *luns; /* in the configuration's order */
	size_t lun_count;
};

struct totals {
	struct target_totals *targets; /* the listed ones, then one without a target */
	size_t target_count;
	struct lun_totals *luns; /* of all targets, in their order */
	size_t lun_count;
};

/* How outcomes of logins, and sense keys, are called: "not_authenticated", "medium_error". */
extern const char *const totals_outcomes[STATS_LOGINS];
extern const char *const totals_sense_keys[STATS_SENSE_KEYS];

/* As of now. 0, or -1 when out of memory; totals_free() either way. */
int totals_take(
	struct totals *totals, const struct registry *registry, const struct workers *workers);
/* Zeroed ones are fine. */
void totals_free(struct totals *totals);
/* The commands of all buckets. */
uint64_t totals_commands(const uint64_t counts[STATS_BUCKETS]);
/* The processor time of a worker's thread in nanoseconds: it blocks nowhere but in its wait for events. */
uint64_t totals_busy(const struct worker *worker);

#endif
