/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The registry: targets, their credential set pointer, and who is logged in to them. It is what
 * workers and the main thread share; each target has one mutex, never held across I/O.
 */
#ifndef PORTCULLIS_DAEMON_TARGET_H
#define PORTCULLIS_DAEMON_TARGET_H

#include "auth/credentials.h"
#include "conf/config.h"
#include "conf/state.h"
#include "proto/iscsi/iscsi.h"

#include <pthread.h>
#include <stdbool.h>
#include <sys/queue.h>

struct registry;
struct worker;

/* A connection's entry in its target's list, embedded in the daemon's connection. Guarded by the target's lock. */
struct session_entry {
	TAILQ_ENTRY(session_entry) link;
	struct target *target; /* NULL: not registered */
	struct worker *worker; /* where its connection lives */
	const struct iscsi_identity *identity;
	uint64_t generation;  /* of the credential set its login took */
	uint16_t tsih;        /* 0 until admitted */
	bool admitted;        /* a session; before that a login */
	bool closed;          /* out of the registry for everybody but those who wait for its store (K6) */
	bool waiting;         /* a login held in ADMISSION */
	struct session_entry *predecessor; /* whose place it takes (reinstatement) while waiting */
};
TAILQ_HEAD(session_list, session_entry);

#define NEXUS_MEMORY 256 /* lost I_T nexuses a target remembers, to tell nexus loss from power on */

struct target {
	const char *name;
	const char *arn;
	enum config_authentication authentication;
	size_t lun_count;
	const struct config_target *config;
	struct scsi_device *device;
	uint16_t next_tsih;

	pthread_mutex_t lock;
	struct credential_set *credentials; /* the newest; NULL = broken state: served to nobody (K9) */
	struct session_list entries;
	uint64_t lost_nexuses[NEXUS_MEMORY];
	unsigned lost_nexus_next;

	/* The gate's own (main thread). */
	struct credential_change *changes; /* the first is under way */
};

/* Opens the LUNs' stores and loads the credentials. NULL with one line in `error` (a broken state file is
 * no failure: it is logged, and that target is served to nobody). */
struct registry *registry_new(const struct config *config, struct state *state, char error[CONFIG_ERROR_SIZE]);
/* No connection may be left. NULL is fine. */
void registry_free(struct registry *registry);

size_t registry_count(const struct registry *registry);
struct target *registry_at(const struct registry *registry, size_t index);
/* By normalised name or by ARN, compared whole; NULL if there is none. */
struct target *registry_find(const struct registry *registry, const char *name);
struct target *registry_find_arn(const struct registry *registry, const char *arn);

/* A new reference to the newest set (held under the lock for load and increment only); NULL = broken. */
struct credential_set *target_credentials(struct target *target);
/* Publishes a set in one step and drops the old one (takes over the caller's reference; NULL = fail closed). The gate alone calls it. */
void target_publish_take(struct target *target, struct credential_set *set);
/* Whether CHAP is demanded now, as ListTargets and the login see it. */
bool target_requires_chap(const struct target *target, const struct credential_set *set);

/* --- what a connection does; on its worker's thread --- */

/* login_begin: takes the newest set (a reference owned by the entry) and enters the list. false = broken state (0x0301). */
bool target_enter(struct target *target, struct session_entry *entry, struct credential_set **set);
bool target_is_current(struct target *target, const struct session_entry *entry);
/*
 * login_admit: compares the generation and registers the session under one lock. An old session of
 * the same initiator port is closed first; old commands of the same initiator are waited for (K6).
 */
enum iscsi_admission target_admit(struct target *target, struct session_entry *entry, struct iscsi_grant *grant);
/* The connection is shut: nothing of its wire is interpreted any more. Its commands may still be at the store. */
void target_shut(struct target *target, struct session_entry *entry);
/* The store has returned all of its commands: leaves the list and wakes those who waited. */
void target_leave(struct target *target, struct session_entry *entry);

#endif
