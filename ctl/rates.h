/* SPDX-License-Identifier: BSD-2-Clause */
/* From two looks at counters that only grow to what happens in a second. */
#ifndef PORTCULLIS_CTL_RATES_H
#define PORTCULLIS_CTL_RATES_H

#include <jansson.h>

/* One look at the daemon; zeroed: none yet. */
struct rates_look {
	json_t *statistics; /* GetStatistics */
	json_t *sessions;   /* ListSessions */
};

/* Drops what it holds. */
void rates_look_free(struct rates_look *look);
/* The numbers of an object's members, all together. */
json_int_t rates_sum(const json_t *object);
/*
 * What happened between two looks: {"Seconds", "Targets": [rows], "Sessions": [rows]}, whose rows have
 * CommandsPerSecond, BytesReadPerSecond and BytesWrittenPerSecond; targets also LatencyNanoseconds (left out
 * when there was no command) and Errors. A counter that fell began anew. NULL when out of memory.
 */
json_t *rates_between(const struct rates_look *before, const struct rates_look *after);

#endif
