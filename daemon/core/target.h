/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registry: targets, their credential set pointer, and who is logged in to them. It is what
 * workers and the main thread share; each target has one mutex, never held across I/O.
 */
#ifndef PORTCULLIS_DAEMON_CORE_TARGET_H
#define PORTCULLIS_DAEMON_CORE_TARGET_H

#include "auth/credentials.h"
#include "conf/config.h"
#include "conf/state.h"
#include "daemon/core/jobs.h"
#include "proto/iscsi/iscsi.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

struct registry;

struct session_entry;

/* How a connection is told; called from any thread under the target's lock, with the entry pinned: they only post a mail. */
struct session_calls {
	void (*evict)(struct session_entry *entry); /* close, a newer session takes its place */
	void (*retry)(struct session_entry *entry); /* target_admit() is worth asking again */
};

/*
 * A connection's entry in its target's list, embedded in the daemon's connection. What changes after
 * target_enter() is guarded by the target's lock.
 */
struct session_entry {
	TAILQ_ENTRY(session_entry) link;
	struct target *target; /* NULL: not registered */
	const struct session_calls *calls;
	const struct iscsi_identity *identity;
	const char *
		portal; /* our end of the connection: part of an unnamed discovery session's name */
	uint16_t group; /* its portal group tag: part of every session's name */
	uint64_t name_hash, port_hash; /* of the initiator's name, and with its ISID */
	uint64_t generation;           /* of the credential set its login took */
	uint64_t credential; /* `since` of the record that it proved; 0: none, or not yet */
	uint16_t tsih;       /* 0 until admitted */
	bool admitted;       /* a session; before that a login */
	bool shut; /* nothing of its wire counts any more; its commands may still be at the store (K6) */
	bool waiting; /* a login that waits for another entry to be shut or to leave */
	bool evicted; /* asked to close in favour of a newer session */
	bool retried; /* asked to try its admission again, not delivered yet */
	struct iscsi_resume
		resume; /* of the connection whose session it takes over, when its login names a TSIH */
	unsigned pins; /* mails under way that name it: it may not be freed */
};
TAILQ_HEAD(session_list, session_entry);

#define SESSION_BUCKETS 256 /* an initiator's entries are found by its name's hash */
#define NEXUS_MEMORY    256 /* lost I_T nexuses a target remembers, to tell nexus loss from power on */

struct target {
	const char *name; /* "" = the place where unnamed discovery sessions register */
	const char *arn;
	enum config_authentication authentication;
	struct config_target *config; /* its own copy, the main thread's; NULL for "" */
	struct scsi_device *device;   /* NULL for "" */

	pthread_mutex_t lock;
	bool held;    /* takes no login just now */
	bool drained; /* takes none until somebody asks for it */
	struct credential_set
		*credentials; /* the newest; NULL = broken state: served to nobody (K9) */
	uint64_t cut; /* sessions whose login took a set of an older generation are being closed */
	struct session_list entries[SESSION_BUCKETS];
	unsigned
		waiting; /* entries that do; nearly always none, so that nobody is looked for who leaves */
	uint16_t last_tsih;
	uint64_t lost_nexuses[NEXUS_MEMORY];
	unsigned lost_nexus_next;

	struct jobs jobs; /* what is done to it as a whole (main thread) */
	bool expiring;    /* the gate is being asked for the end of a rotation (main thread) */
};

/* A new reference to the newest set (held under the lock for load and increment only); NULL = broken. */
struct credential_set *target_credentials(struct target *target);
/* Publishes a set in one step and drops the old one (takes over the caller's reference; NULL = fail closed). The gate alone calls it. */
void target_publish_take(struct target *target, struct credential_set *set);
/* Whether CHAP is demanded now, as ListTargets and the login see it. */
bool target_requires_chap(const struct target *target, const struct credential_set *set);

/* --- what a connection does; on its worker's thread --- */

/* What target_enter() tells a login: one view of the target, taken under one lock. */
struct target_terms {
	struct credential_set *credentials; /* a reference, the caller's */
	bool requires_chap;
};

/*
 * Takes the newest set and enters the list as a login. false = the target's state is broken, or it is being
 * rebuilt: log in to nobody (0x0301).
 */
bool target_enter(struct target *target, struct session_entry *entry, struct target_terms *terms);
/* Whether no connection is left that names it, not even one whose commands are at the store. */
bool target_is_idle(struct target *target);
/* From now on (or no longer) it takes no login. */
void target_hold(struct target *target, bool held);
/* Likewise, for an operator: independent of target_hold(). */
void target_drain(struct target *target, bool drained);
bool target_is_drained(struct target *target);
/*
 * Publishes `set` (taken over) together with a new `authentication`, in one step. Whether that locks out who could
 * get in before: then the caller closes all sessions of older generations.
 */
bool target_publish_policy_take(struct target *target, struct credential_set *set,
	enum config_authentication authentication);
/*
 * Whether there was no hard cut since target_enter(), and the record of `credential` (its `since`; 0: none was proved)
 * is in the newest set too (K4). If so the entry keeps it.
 */
bool target_is_current(struct target *target, struct session_entry *entry, uint64_t credential);

/* What target_admit() finds out beside its answer. */
struct admission {
	struct iscsi_login_status status; /* when ISCSI_REFUSED */
	bool nexus_lost; /* this I_T nexus existed before: its first unit attention says so */
};

/*
 * login_admit: checks as target_is_current() does and registers the session under one lock (K4). An old session
 * of the same initiator port is evicted first (section 6.3.5), and old commands of the same initiator are waited
 * for (K6): then ISCSI_WAIT, and `retry` says when it is worth asking again.
 */
enum iscsi_admission target_admit(
	struct target *target, struct session_entry *entry, struct admission *admission);
/* The entry no longer waits. */
void target_stop_waiting(struct target *target, struct session_entry *entry);
/* The connection is shut: nothing of its wire is interpreted any more (K3). `resume` is for a login that takes its session over. */
void target_shut(
	struct target *target, struct session_entry *entry, const struct iscsi_resume *resume);
/*
 * The store has returned all its commands: leaves the list, waking those who waited. false: a mail
 * that names the entry is under way; ask again when it has been delivered.
 */
bool target_leave(struct target *target, struct session_entry *entry);
/* The mail that asked to close, or to try again, has been delivered. */
void target_evict_delivered(struct target *target, struct session_entry *entry);
void target_retry_delivered(struct target *target, struct session_entry *entry);

#endif
