/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The gate: the one road on which a target's credentials change (design.md K1..K7). A change is
 * validated, stored durably, published in one step, all sessions of older generations are closed,
 * and only then its `done` is called. Changes to one target go one after the other, in order.
 * Everything here runs on the main thread.
 */
#ifndef PORTCULLIS_DAEMON_GATE_H
#define PORTCULLIS_DAEMON_GATE_H

#include "auth/credentials.h"

#include <stdint.h>

struct gate;
struct target;
struct state;
struct workers;

enum change_kind { CHANGE_UPDATE, CHANGE_DELETE };

enum change_result {
	CHANGE_DONE,
	CHANGE_NO_INITIATOR,  /* DELETE: the target has no record of that initiator */
	CHANGE_NOT_SUPPORTED, /* UPDATE under authentication "none" */
	CHANGE_FAILED, /* storing failed or the target's state is broken; the old set rules, no session was touched */
};

/* Owned by the caller until `done` has been called; the record's secrets are wiped before that. */
struct credential_change {
	enum change_kind kind;
	struct target *target;
	struct credential record; /* DELETE reads the initiator's name alone */
	char actor[64];           /* who asked, for the log: "uid=0 pid=1234" */
	void (*done)(struct credential_change *change, enum change_result result);
	void *context;

	/* The gate's own. */
	struct gate *gate;
	uint64_t started; /* ms */
	uint64_t generation;
	unsigned sessions; /* closed by this change */
};

/* All that is passed is borrowed. NULL when out of memory. */
struct gate *gate_new(struct state *state, struct workers *workers);
/* No change may be under way. NULL is fine. */
void gate_free(struct gate *gate);
/* Never calls `done` before it returns. */
void gate_change(struct gate *gate, struct credential_change *change);

#endif
