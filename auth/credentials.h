/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The CHAP credentials of one target: an immutable, reference-counted set with a generation number.
 * A change builds a whole new set (doc/architecture.md K1); a login holds one reference from its security
 * stage on and sees only that set. Secrets lie in secret memory (base/secret.h).
 */
#ifndef PORTCULLIS_AUTH_CREDENTIALS_H
#define PORTCULLIS_AUTH_CREDENTIALS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CHAP_SECRET_MAX     255 /* bytes the engine takes; the API takes 12..16 */
#define ISCSI_NAME_MAX      223 /* bytes without the NUL, RFC 7143 section 4.2.7.1 */
#define CREDENTIAL_NAME_MAX 255 /* bytes without the NUL: what the API lets an InitiatorName be */

struct chap_secret {
	uint8_t length; /* 0 = none */
	uint8_t bytes[CHAP_SECRET_MAX];
};

/* One initiator's record. RFC 7143 section 12.1; AWS: ChapInfo. */
struct credential {
	char initiator[CREDENTIAL_NAME_MAX + 1]; /* lower case; also its CHAP_N */
	struct chap_secret initiator_secret;     /* SecretToAuthenticateInitiator; never empty */
	struct chap_secret target_secret;        /* SecretToAuthenticateTarget; empty: one-way */
	/* Given by the set; ignored in a record that is put into one. */
	uint64_t
		since; /* generation of the set that brought it: tells it from the other of its name */
	uint64_t
		until; /* of a retiring record, seconds since the epoch: its last moment, or earlier */
};

struct credential_set;

/* An empty set with one reference. NULL when out of memory. */
struct credential_set *credential_set_new(uint64_t generation);
/*
 * A set of copies of `count` records, whose names must strictly ascend. NULL when out of memory, or
 * (errno EINVAL) if they do not, or a name or an initiator's secret is empty.
 */
struct credential_set *credential_set_of(
	uint64_t generation, const struct credential *records, size_t count);
/*
 * A new set of generation `generation`: `old` with this record added or, by initiator name,
 * replaced whole. `old` is borrowed and stays as it is. NULL when out of memory, or (errno EINVAL)
 * if the name or the initiator's secret is empty.
 */
struct credential_set *credential_set_with(
	const struct credential_set *old, uint64_t generation, const struct credential *record);
/* Likewise without that initiator's record; NULL also when there is none (errno ENOENT). */
struct credential_set *credential_set_without(
	const struct credential_set *old, uint64_t generation, const char *initiator);
/* The same records once more, retiring ones too: for what is a hard cut without a change of them. */
struct credential_set *credential_set_renewed(
	const struct credential_set *old, uint64_t generation);

/*
 * Rotation: an initiator may have a second, retiring record, good beside its newest one until that
 * rotation is finished. Two sets of which one came from the other by these two functions differ in
 * that initiator's records alone, so who proved a record that is in both need not be asked again;
 * the three functions above are a hard cut for the whole target; the first two end the
 * initiator's rotation.
 */

/*
 * A new set: `old` with this record in the place of the initiator's, which retires. If the record
 * is the initiator's newest already and another retires, only `until` changes. NULL when out of
 * memory, and with errno ENOENT if the initiator has no record, EBUSY if a rotation of it to another
 * record is under way, EINVAL if what the initiator proves is in both records, or in one what the
 * initiator proves and in the other what the target proves.
 */
struct credential_set *credential_set_rotated(const struct credential_set *old, uint64_t generation,
	const struct credential *record, uint64_t until);
/* A new set: `old` without the initiator's retiring record. NULL also when there is none (errno ENOENT). */
struct credential_set *credential_set_finished(
	const struct credential_set *old, uint64_t generation, const char *initiator);

/* Both are thread-safe. The last unref wipes and frees; NULL is fine. */
struct credential_set *credential_set_ref(struct credential_set *set);
void credential_set_unref(struct credential_set *set);

/* The number that told this set from every other of its target, and how many records it has. */
uint64_t credential_set_generation(const struct credential_set *set);
/* The generation of the last hard cut: logins that took an older set may not end. */
uint64_t credential_set_floor(const struct credential_set *set);
size_t credential_set_count(const struct credential_set *set);
/* Records ascend by initiator name; index < count. Valid as long as the reference is held. */
const struct credential *credential_set_at(const struct credential_set *set, size_t index);
/* By name of `length` bytes, compared whole after lower-casing ASCII; NULL if there is none. */
const struct credential *credential_set_find(
	const struct credential_set *set, const char *initiator, size_t length);

/* The same three of the retiring records. */
size_t credential_set_retiring_count(const struct credential_set *set);
const struct credential *credential_set_retiring_at(const struct credential_set *set, size_t index);
const struct credential *credential_set_retiring(
	const struct credential_set *set, const char *initiator, size_t length);

#endif
