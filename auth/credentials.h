/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The CHAP credentials of one target: an immutable, reference-counted set with a generation number.
 * A change builds a whole new set (design.md K1); a login holds one reference from its security
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

/* Both are thread-safe. The last unref wipes and frees; NULL is fine. */
struct credential_set *credential_set_ref(struct credential_set *set);
void credential_set_unref(struct credential_set *set);

/* The number that told this set from every other of its target, and how many records it has. */
uint64_t credential_set_generation(const struct credential_set *set);
size_t credential_set_count(const struct credential_set *set);
/* Records ascend by initiator name; index < count. Valid as long as the reference is held. */
const struct credential *credential_set_at(const struct credential_set *set, size_t index);
/* By name of `length` bytes, compared whole after lower-casing ASCII; NULL if there is none. */
const struct credential *credential_set_find(
	const struct credential_set *set, const char *initiator, size_t length);

#endif
