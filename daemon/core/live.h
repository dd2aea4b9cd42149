/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The running configuration and the one road on which it changes: the file and what was made live (conf/overlay.h)
 * make a whole, which is checked, stored, and applied (daemon/core/apply.h). Reloads and live changes take turns. Main
 * thread only.
 */
#ifndef PORTCULLIS_DAEMON_CORE_LIVE_H
#define PORTCULLIS_DAEMON_CORE_LIVE_H

#include "conf/overlay.h"
#include "daemon/core/apply.h"
#include "daemon/core/jobs.h"
#include "daemon/core/portals.h"

struct event_base;
struct live;
struct registry;
struct state;
struct workers;

enum live_kind {
	LIVE_RELOAD,
	LIVE_CREATE_TARGET, /* `wanted` has the target */
	LIVE_DELETE_TARGET,
	LIVE_CREATE_LUN, /* `wanted` has an addition with one LUN, number `lun` */
	LIVE_DELETE_LUN,
	LIVE_RESIZE_LUN,    /* to `size` */
	LIVE_SET_READ_ONLY, /* to `flag` */
	LIVE_DRAIN,         /* or, without `flag`, no longer */
	LIVE_DELETE_VOLUME, /* LUN number `lun`, and the target too if it is its only one */
	LIVE_ADD_PORTAL,    /* `portal` */
	LIVE_REMOVE_PORTAL, /* with `force`: and close who came by it */
};

enum live_result {
	LIVE_DONE,
	LIVE_SAME, /* nothing was to be done */
	LIVE_EXISTS,
	LIVE_NO_TARGET,
	LIVE_NO_LUN,
	LIVE_REFUSED, /* `error` says why; nothing has changed */
	LIVE_IN_USE,  /* sessions stand against it */
	LIVE_FAILED, /* storing or applying failed; the old configuration rules. The log, and perhaps `error`, says why */
};

/* Owned by the caller until `done` has been called. */
struct live_change {
	struct job job; /* first; the queue's */
	enum live_kind kind;
	char *target; /* its name, owned by the caller; NULL for reloads and portals */
	struct config_portal portal; /* its address owned by the caller */
	struct overlay *wanted;      /* owned by the caller */
	unsigned lun;
	uint64_t size; /* bytes */
	bool flag;
	bool force; /* deletions: close the sessions */
	/*
	 * What the asker wants to have looked at on the change's turn, if there is something to change and before
	 * anything is touched; LIVE_DONE: go on. NULL: nothing.
	 */
	enum live_result (*check)(struct live_change *change);
	/* Main thread, never from inside live_begin(). */
	void (*done)(struct live_change *change, enum live_result result);
	void *context;

	char error[CONFIG_ERROR_SIZE]; /* one line; "" = there is nothing to say */
	struct apply_result applied;
	unsigned sessions; /* closed by a drain, or with a portal */

	/* Its own. */
	struct live *live;
	struct overlay *overlay;    /* as it is to be */
	struct config *after;       /* as it is to run */
	bool holds;                 /* a deletion: its target takes no login */
	struct portal_set *portals; /* listening already, if there are to be others */
	char portal_text[PORTAL_TEXT_SIZE];
	struct closure *closure;
	bool undoing;
	uint64_t began;  /* clock_nanoseconds() */
	bool out_of_row; /* a drain: it waits for sessions, the next change need not */
};

/*
 * Reads what was made live, forgets of it what the file names now, and puts it into `running`, which is as the file has
 * it and stays the caller's; later changes put their targets there too. NULL with one line in `error`, also if the overlay's file is broken: what it
 * named must not be served otherwise than it said.
 */
struct live *live_new(struct config *running, struct state *state, char error[CONFIG_ERROR_SIZE]);
/*
 * As live_new(), for `-t`, and without storing: what the file and what was made live make together, to be freed with
 * overlay_merged_clear(). 0, or -1 with one line in `error` and nothing in `merged`.
 */
int live_check(const struct config *file, struct state *state, struct config *merged,
	char error[CONFIG_ERROR_SIZE]);

/* What changes are applied to; all borrowed. */
struct live_place {
	struct event_base *base;
	struct mailbox *mailbox;
	struct registry *registry;
	struct workers *workers;
	void (*applied)(void *context);  /* after each change that was */
	void (*reloaded)(void *context); /* after each reload, whatever came of it */
	/* After each change, before its `done`; `ns` is how long it took since live_begin(). */
	void (*ended)(void *context, const struct live_change *change, enum live_result result,
		uint64_t ns);
	void *context;
};
/* Lets every target of the registry take logins, or not, as drains have it: before anybody may log in. */
void live_publish_drains(const struct live *live, struct registry *registry);
/* Before the first change. */
void live_attach(struct live *live, const struct live_place *place);
/* No change may be under way. NULL is fine. */
void live_free(struct live *live);

/* Whether no change is under way. */
bool live_is_idle(const struct live *live);
/* Whether a file's configuration could be reloaded, as far as it can be told. 0, or -1 with one line in `error`. */
int live_try(const struct live *live, const struct config *file, char error[CONFIG_ERROR_SIZE]);
/* Takes its turn. */
void live_begin(struct live *live, struct live_change *change);
/* A reload that nobody waits for; one that has not begun yet serves for both. */
void live_reload(struct live *live);

#endif
