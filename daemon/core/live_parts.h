/* SPDX-License-Identifier: BSD-2-Clause */
/* What the files of daemon/core/live.h share among themselves. */
#ifndef PORTCULLIS_DAEMON_CORE_LIVE_PARTS_H
#define PORTCULLIS_DAEMON_CORE_LIVE_PARTS_H

#include "daemon/core/live.h"

struct live {
	struct config *running;
	struct config_target *named; /* the file's */
	size_t named_count;
	struct config_portal *named_portals;
	size_t named_portal_count;
	struct overlay *overlay;
	struct state *state;
	struct live_place place;
	struct jobs jobs;
	bool reload_waits; /* a reload is in the queue that has not begun */
};

/* The running configuration as the file alone has it; borrowed until the next reload. */
struct config live_file(const struct live *live);
/* The running configuration but for what `merged` owns, which is taken, then too when it is NULL: no memory. */
struct config *live_config_take(const struct config *running, struct config *merged);

/*
 * Makes of what is asked the overlay and the configuration that there are to be, checked whole; LUNs can be opened,
 * portals listen. Nothing that anybody sees has changed. LIVE_DONE: go on; LIVE_SAME: it is so already; else why not.
 */
enum live_result live_prepare(struct live_change *change);

#endif
