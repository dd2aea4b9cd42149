/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The audit lines: for each control operation one event that tells who asked for what and what came of it,
 * also of those that were refused. No secret is ever among what is passed here. Main thread.
 */
#ifndef PORTCULLIS_DAEMON_CORE_AUDIT_H
#define PORTCULLIS_DAEMON_CORE_AUDIT_H

#include "auth/access_keys.h"

#include <stdbool.h>
#include <stdint.h>

/* Who asks: a process at the Unix socket, as the kernel says, or who signs with an access key. */
struct audit_actor {
	bool local; /* uid, gid and pid are known */
	unsigned uid, gid, pid;
	char user[64];                           /* the name of `uid`; "": it has none */
	char access_key[ACCESS_KEY_ID_MAX + 1];  /* whose signature it is; "": nobody's */
	char claimed_key[ACCESS_KEY_ID_MAX + 1]; /* what a bad signature named, cut; peer text */
	char peer[80];                           /* TCP: the other end; "" on the Unix socket */
};

#define AUDIT_ACTOR_TEXT 256
/* "uid=0 gid=0 pid=123", "access_key=ID peer=192.0.2.7:51234", or "unknown". Returns `text`. */
const char *audit_actor_text(const struct audit_actor *actor, char text[AUDIT_ACTOR_TEXT]);

/* What was asked for; NULL: not known, or not among what the operation takes. All is borrowed. */
struct audit_entry {
	const struct audit_actor *actor;
	const char *request;    /* its id, as x-amzn-RequestId */
	const char *operation;  /* with its prefix */
	const char *target_arn; /* as given: its target's name is logged; or */
	const char *target;     /* a name, of a target to be */
	const char *initiator;
	const char *portal;  /* an address */
	unsigned port;       /* its port; 0: none */
	int lun;             /* -1: none */
	const char *result;  /* the error's type; NULL: done */
	const char *code;    /* its code */
	unsigned status;     /* HTTP */
	uint64_t ms;         /* from the request to its answer */
	uint64_t suppressed; /* requests like it that were not logged (base/log.h) */
};
/* Logs the event `audit`; a warning if it was answered with 500 or more. */
void audit_log(const struct audit_entry *entry);

#endif
