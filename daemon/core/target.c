/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a target's lock guards: the credential set pointer, and the entries of those who log in or
 * are logged in. Sections 6.3.1, 6.3.5 and 7.4.2 of RFC 7143; doc/architecture.md K1, K3, K4, K6.
 */
#include "daemon/core/target.h"

#include <stdlib.h>
#include <string.h>

/* FNV-1a over several strings of bytes; collisions only cost time, or tell a nexus loss once too often. */
static uint64_t hash_bytes(uint64_t hash, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < length; i++)
		hash = (hash ^ at[i]) * 0x100000001b3u;
	return hash;
}

#define TSIH_TRIES 4096u

static struct session_list *target_bucket(struct target *target, const struct session_entry *entry)
{
	return &target->entries[(entry->name_hash ^ entry->name_hash >> 32) % SESSION_BUCKETS];
}

static void entry_hash(struct session_entry *entry)
{
	const struct iscsi_identity *identity = entry->identity;

	entry->name_hash = hash_bytes(
		0xcbf29ce484222325u, identity->initiator, strlen(identity->initiator));
	entry->port_hash = hash_bytes(entry->name_hash, identity->isid, sizeof(identity->isid));
}

struct credential_set *target_credentials(struct target *target)
{
	pthread_mutex_lock(&target->lock);
	struct credential_set *set = target->credentials ? credential_set_ref(target->credentials)
							 : NULL;
	pthread_mutex_unlock(&target->lock);
	return set;
}

/* Swaps the pointer. Under the lock. */
static struct credential_set *target_swap(struct target *target, struct credential_set *set)
{
	struct credential_set *old = target->credentials;

	target->credentials = set;
	return old;
}

void target_publish_take(struct target *target, struct credential_set *set)
{
	pthread_mutex_lock(&target->lock);
	struct credential_set *old = target_swap(target, set);
	if (set && old && credential_set_floor(set) > credential_set_floor(old))
		target->cut = credential_set_floor(set);
	pthread_mutex_unlock(&target->lock);
	credential_set_unref(old);
}

bool target_publish_policy_take(struct target *target, struct credential_set *set,
	enum config_authentication authentication)
{
	pthread_mutex_lock(&target->lock);
	bool before = set && target_requires_chap(target, set);
	struct credential_set *old = target_swap(target, set);
	target->authentication = authentication;
	bool stricter = set && !before && target_requires_chap(target, set);
	if (stricter)
		target->cut = credential_set_generation(set);
	pthread_mutex_unlock(&target->lock);
	credential_set_unref(old);
	return stricter;
}

void target_hold(struct target *target, bool held)
{
	pthread_mutex_lock(&target->lock);
	target->held = held;
	pthread_mutex_unlock(&target->lock);
}

void target_drain(struct target *target, bool drained)
{
	pthread_mutex_lock(&target->lock);
	target->drained = drained;
	pthread_mutex_unlock(&target->lock);
}

bool target_is_drained(struct target *target)
{
	pthread_mutex_lock(&target->lock);
	bool drained = target->drained;
	pthread_mutex_unlock(&target->lock);
	return drained;
}

bool target_is_idle(struct target *target)
{
	bool idle = true;

	pthread_mutex_lock(&target->lock);
	for (size_t i = 0; i < SESSION_BUCKETS; i++)
		idle = idle && TAILQ_EMPTY(&target->entries[i]);
	pthread_mutex_unlock(&target->lock);
	return idle;
}

bool target_requires_chap(const struct target *target, const struct credential_set *set)
{
	if (target->authentication == AUTHENTICATION_NONE)
		return false;
	return target->authentication == AUTHENTICATION_CHAP || credential_set_count(set) > 0;
}

bool target_enter(struct target *target, struct session_entry *entry, struct target_terms *terms)
{
	*terms = (struct target_terms){ .credentials = NULL };
	entry_hash(entry);
	pthread_mutex_lock(&target->lock);
	if (target->credentials && !target->held && !target->drained) {
		terms->credentials = credential_set_ref(target->credentials);
		terms->requires_chap = target_requires_chap(target, target->credentials);
		entry->generation = credential_set_generation(target->credentials);
		entry->target = target;
		TAILQ_INSERT_TAIL(target_bucket(target, entry), entry, link);
	}
	pthread_mutex_unlock(&target->lock);
	return terms->credentials != NULL;
}

/* Whether the newest set has the record that was proved. */
static bool set_has(
	const struct credential_set *set, const struct session_entry *entry, uint64_t credential)
{
	const char *name = entry->identity->initiator;
	const struct credential *record = credential_set_find(set, name, strlen(name));
	const struct credential *retiring = credential_set_retiring(set, name, strlen(name));

	return (record && record->since == credential) ||
	       (retiring && retiring->since == credential);
}

/* Under the lock. */
static bool entry_is_current(
	const struct target *target, const struct session_entry *entry, uint64_t credential)
{
	const struct credential_set *set = target->credentials;

	return set && entry->generation >= credential_set_floor(set) &&
	       (credential == 0 || set_has(set, entry, credential));
}

bool target_is_current(struct target *target, struct session_entry *entry, uint64_t credential)
{
	pthread_mutex_lock(&target->lock);
	bool current = entry_is_current(target, entry, credential);
	if (current)
		entry->credential = credential;
	pthread_mutex_unlock(&target->lock);
	return current;
}

static bool same_initiator(const struct session_entry *a, const struct session_entry *b)
{
	return a->name_hash == b->name_hash &&
	       strcmp(a->identity->initiator, b->identity->initiator) == 0;
}

/* Whether both would be the same session (section 4.4.3); an unnamed discovery session is also named by its portal (7.4.2.1). */
static bool same_session(const struct session_entry *a, const struct session_entry *b)
{
	return a->port_hash == b->port_hash &&
	       memcmp(a->identity->isid, b->identity->isid, sizeof(a->identity->isid)) == 0 &&
	       a->group == b->group && same_initiator(a, b) &&
	       (a->target->name[0] || strcmp(a->portal, b->portal) == 0);
}

/* The live session that this login names by ISID, or NULL. Under the lock. */
static struct session_entry *target_session(
	struct target *target, const struct session_entry *entry)
{
	struct session_entry *other;

	TAILQ_FOREACH(other, target_bucket(target, entry), link)
	if (other != entry && other->admitted && !other->shut && same_session(other, entry))
		return other;
	return NULL;
}

/* Whether a change of the credentials has shut this session out: it is being closed, if not closed yet. Under the lock. */
static bool is_shut_out(const struct target *target, const struct session_entry *entry)
{
	return entry->generation < target->cut ||
	       (entry->credential != 0 && !set_has(target->credentials, entry, entry->credential));
}

/*
 * Whether an old connection of this initiator may still have commands at the store (K6): one that is shut, or that
 * a change is about to close, whatever its ISID. Under the lock.
 */
static bool target_drains(struct target *target, const struct session_entry *entry)
{
	struct session_entry *other;
	uint64_t good = 0; /* a record of this initiator that the newest set has */

	TAILQ_FOREACH(other, target_bucket(target, entry), link)
	{
		bool is_new = other->generation >= target->cut && other->credential == good;
		if (other == entry || !other->admitted || (is_new && !other->shut) ||
			!same_initiator(other, entry))
			continue;
		if (other->shut || is_shut_out(target, other))
			return true;
		good = other->credential;
	}
	return false;
}

static bool nexus_was_lost(const struct target *target, uint64_t hash)
{
	for (unsigned i = 0; i < NEXUS_MEMORY; i++)
		if (target->lost_nexuses[i] == hash)
			return true;
	return false;
}

/* A login that names a TSIH asks for a second connection, or for its session's connection anew (6.3.1). Under the lock. */
static bool tsih_is_acceptable(const struct session_entry *session,
	const struct session_entry *entry, struct iscsi_login_status *status)
{
	uint16_t tsih = entry->identity->tsih;

	if (tsih == 0)
		return true;
	if (!session || session->tsih != tsih ||
		session->identity->discovery != entry->identity->discovery)
		*status = (struct iscsi_login_status){ 2, 0x0a }; /* session does not exist */
	else if (session->identity->cid != entry->identity->cid)
		*status = (struct iscsi_login_status){ 2, 0x06 }; /* too many connections */
	else
		return true;
	return false;
}

/* Whether another session of the initiator has this TSIH. Under the lock. */
static bool tsih_is_taken(struct target *target, const struct session_entry *entry, uint16_t tsih)
{
	struct session_entry *other;

	TAILQ_FOREACH(other, target_bucket(target, entry), link)
	if (other != entry && other->tsih == tsih && same_initiator(other, entry))
		return true;
	return false;
}

/*
 * The next TSIH that no session of the initiator has (section 4.4.3, the TSIH rule): the count wraps. An initiator
 * with more than TSIH_TRIES of them in a row shares one, since the search must end. Under the lock.
 */
static uint16_t tsih_next(struct target *target, const struct session_entry *entry)
{
	for (unsigned tries = 0; tries < TSIH_TRIES; tries++) {
		if (++target->last_tsih == 0)
			target->last_tsih = 1;
		if (!tsih_is_taken(target, entry, target->last_tsih))
			break;
	}
	return target->last_tsih;
}

/* Under the lock. */
static void entry_wait(struct target *target, struct session_entry *entry, bool waits)
{
	target->waiting += waits - entry->waiting;
	entry->waiting = waits;
}

/* Gives the entry its session. Under the lock. */
static void entry_register(
	struct target *target, struct session_entry *entry, struct admission *admission)
{
	entry->tsih = entry->identity->tsih ? entry->identity->tsih : tsih_next(target, entry);
	entry->admitted = true;
	admission->nexus_lost = nexus_was_lost(target, entry->port_hash);
}

enum iscsi_admission target_admit(
	struct target *target, struct session_entry *entry, struct admission *admission)
{
	enum iscsi_admission answer = ISCSI_ADMITTED;

	*admission = (struct admission){ 0 };
	pthread_mutex_lock(&target->lock);
	/* A retry finds its predecessor gone: what it was allowed to take over, it still is. */
	struct session_entry *session = target_session(target, entry);
	if (!entry_is_current(target, entry, entry->credential)) {
		answer = ISCSI_STALE;
	} else if (!entry->waiting && !tsih_is_acceptable(session, entry, &admission->status)) {
		answer = ISCSI_REFUSED;
	} else if (session || target_drains(target, entry)) {
		if (session && !session->evicted) {
			session->evicted = true;
			session->pins++;
			session->calls->evict(session);
		}
		answer = ISCSI_WAIT;
	} else {
		entry_register(target, entry, admission);
	}
	entry_wait(target, entry, answer == ISCSI_WAIT);
	pthread_mutex_unlock(&target->lock);
	return answer;
}

void target_stop_waiting(struct target *target, struct session_entry *entry)
{
	pthread_mutex_lock(&target->lock);
	entry_wait(target, entry, false);
	pthread_mutex_unlock(&target->lock);
}

/* Asks all waiting logins of this initiator to try again. Under the lock. */
static void target_wake(struct target *target, const struct session_entry *entry)
{
	struct session_entry *other;

	if (!target->waiting)
		return;
	TAILQ_FOREACH(other, target_bucket(target, entry), link)
	{
		if (other != entry && other->waiting && !other->retried &&
			same_initiator(other, entry)) {
			other->retried = true;
			other->pins++;
			other->calls->retry(other);
		}
	}
}

/* Hands the session's numbers to the login that takes it over by its TSIH. Under the lock. */
static void target_hand_over(
	struct target *target, const struct session_entry *entry, const struct iscsi_resume *resume)
{
	struct session_entry *other;

	if (!target->waiting)
		return;
	TAILQ_FOREACH(other, target_bucket(target, entry), link)
	if (other != entry && other->waiting && other->identity->tsih == entry->tsih &&
		same_session(other, entry))
		other->resume = *resume;
}

void target_shut(
	struct target *target, struct session_entry *entry, const struct iscsi_resume *resume)
{
	pthread_mutex_lock(&target->lock);
	if (!entry->shut) {
		entry->shut = true;
		entry_wait(target, entry, false);
		if (entry->admitted) {
			target_hand_over(target, entry, resume);
			target->lost_nexuses[target->lost_nexus_next++ % NEXUS_MEMORY] =
				entry->port_hash;
			target_wake(target, entry);
		}
	}
	pthread_mutex_unlock(&target->lock);
}

bool target_leave(struct target *target, struct session_entry *entry)
{
	pthread_mutex_lock(&target->lock);
	bool free = entry->pins == 0;
	if (free) {
		entry_wait(target, entry, false);
		TAILQ_REMOVE(target_bucket(target, entry), entry, link);
		if (entry->admitted)
			target_wake(target, entry);
		entry->target = NULL;
	}
	pthread_mutex_unlock(&target->lock);
	return free;
}

void target_evict_delivered(struct target *target, struct session_entry *entry)
{
	pthread_mutex_lock(&target->lock);
	entry->pins--;
	pthread_mutex_unlock(&target->lock);
}

void target_retry_delivered(struct target *target, struct session_entry *entry)
{
	pthread_mutex_lock(&target->lock);
	entry->retried = false;
	entry->pins--;
	pthread_mutex_unlock(&target->lock);
}
