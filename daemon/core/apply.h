/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From the running configuration to a new one: targets and portals are added, changed and taken out while all
 * others go on. What a target keeps serving it keeps without its sessions noticing; where it must not
 * (a LUN goes, or its block size changes) its sessions are closed as K5 says. Main thread only.
 */
#ifndef PORTCULLIS_DAEMON_CORE_APPLY_H
#define PORTCULLIS_DAEMON_CORE_APPLY_H

#include "conf/config.h"

#include <stdbool.h>

struct event_base;
struct portal_set;
struct registry;
struct workers;

/* What became of it. */
struct apply_result {
	unsigned added, changed, removed; /* targets */
	unsigned portals_added, portals_removed;
	unsigned
		failed; /* changes that could not be carried out whole; the log says which and why */
	char why[CONFIG_ERROR_SIZE]; /* of the first of them */
};

struct apply_config {
	struct event_base *base;
	struct registry *registry;
	struct workers *workers;
	const struct config *before, *after; /* borrowed until done */
	/* Whether a new target is to take no login. */
	bool (*is_drained)(const void *context, const char *target);
	struct portal_set
		*portals; /* borrowed for the call, listening: those of `after`; NULL: no others */
	bool is_careful; /* not begun if a LUN that is closed and opened anew would not be found again */
	bool retry; /* targets whose LUNs could not be opened are tried again, changed or not */
	void (*done)(void *context,
		const struct apply_result *result); /* later, never from inside the call */
	void *context;
};

/*
 * Begins to apply. 0, or -1 with one line in `error`: a new target's LUN could not be opened, or one not be found again;
 * then nothing has changed.
 */
int apply_begin(const struct apply_config *config, char error[CONFIG_ERROR_SIZE]);

#endif
