/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The gate: the one road on which a target's credentials change (doc/architecture.md K1..K7). A change is
 * validated, stored durably, published in one step, all sessions of older generations are closed,
 * and only then its `done` is called. Changes to one target go one after the other, in order.
 * Everything here runs on the main thread.
 */
#ifndef PORTCULLIS_DAEMON_CORE_GATE_H
#define PORTCULLIS_DAEMON_CORE_GATE_H

#include "auth/credentials.h"
#include "daemon/core/audit.h"

#include <stdint.h>

struct gate;
struct target;
struct state;
struct workers;

enum change_kind {
	CHANGE_UPDATE,
	CHANGE_DELETE,
	CHANGE_ROTATE, /* the present record stays good beside the new one: closes nobody */
	CHANGE_FINISH, /* it is good no longer: closes who proved it, and nobody else */
	CHANGE_EXPIRE, /* as FINISH, if its time is over */
};

enum change_result {
	CHANGE_DONE,
	CHANGE_NO_INITIATOR,  /* all but UPDATE: the target has no record of that initiator */
	CHANGE_NOT_SUPPORTED, /* UPDATE, ROTATE under authentication "none" */
	CHANGE_SAME_SECRET,   /* ROTATE: the two records could be taken for each other */
	CHANGE_ROTATING,      /* ROTATE: to another record, while a rotation is under way */
	CHANGE_FAILED, /* storing failed or the target's state is broken; the old set rules, no session was touched */
};

/*
 * Owned by the caller until `done` has been called; the record's secrets are wiped before that.
 * FINISH where nothing retires is done at once: it may have expired meanwhile.
 */
struct credential_change {
	enum change_kind kind;
	struct target *target;
	struct credential record; /* DELETE, FINISH and EXPIRE read the initiator's name alone */
	uint64_t until;           /* ROTATE: when it ends at the latest; EXPIRE: what is over, both
	                           * in seconds since the epoch */
	char actor[AUDIT_ACTOR_TEXT]; /* who asked, for the log: "uid=0 pid=1234" */
	void (*done)(struct credential_change *change, enum change_result result);
	void *context;

	/* The gate's own. */
	struct gate *gate;
	uint64_t started;    /* ms */
	uint64_t generation; /* of the new set; 0: there is none */
	unsigned sessions;   /* closed by this change */
};

/* All that is passed is borrowed. NULL when out of memory. */
struct gate *gate_new(struct state *state, struct workers *workers);
/* No change may be under way. NULL is fine. */
void gate_free(struct gate *gate);
/* From now on `changed` is called after each change that took effect, before its `done`. */
void gate_watch(struct gate *gate, void (*changed)(void *context), void *context);
/* Never calls `done` before it returns. */
void gate_change(struct gate *gate, struct credential_change *change);

#endif
