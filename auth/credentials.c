/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Immutable credential sets: one block of secret memory each, records sorted by initiator name.
 * Records are copied from block to block and nowhere else; in particular no qsort() runs over
 * them, since the C library's takes scratch memory that nobody wipes.
 */
#include "auth/credentials.h"

#include "base/secret.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

struct credential_set {
	atomic_size_t references;
	uint64_t generation;
	size_t count;
	struct credential records[];
};

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Zeroed records, one reference. */
static struct credential_set *set_new(uint64_t generation, size_t count)
{
	if (count > (SIZE_MAX - sizeof(struct credential_set)) / sizeof(struct credential)) {
		errno = ENOMEM;
		return NULL;
	}
	size_t size = sizeof(struct credential_set) + count * sizeof(struct credential);
	struct credential_set *set = secret_malloc(size);
	if (!set) {
		errno = ENOMEM;
		return NULL;
	}
	memset(set, 0, size);
	atomic_init(&set->references, 1);
	set->generation = generation;
	set->count = count;
	return set;
}

/* A record with its name lower-cased and without what stood behind its ends. */
static void record_copy(struct credential *to, const struct credential *from)
{
	size_t length = strnlen(from->initiator, CREDENTIAL_NAME_MAX);

	for (size_t i = 0; i < length; i++)
		to->initiator[i] = lower(from->initiator[i]);
	to->initiator_secret.length = from->initiator_secret.length;
	memcpy(to->initiator_secret.bytes, from->initiator_secret.bytes,
		from->initiator_secret.length);
	to->target_secret.length = from->target_secret.length;
	memcpy(to->target_secret.bytes, from->target_secret.bytes, from->target_secret.length);
}

/* Orders `name` (of `length` bytes, any case) against the record's: <0, 0, >0. */
static int name_compare(const char *name, size_t length, const struct credential *record)
{
	for (size_t i = 0; i < length; i++) {
		int difference = (unsigned char)lower(name[i]) -
				 (unsigned char)record->initiator[i];
		if (difference != 0)
			return difference;
		if (name[i] == '\0')
			return 1; /* a NUL inside a name: no record has one */
	}
	return record->initiator[length] == '\0' ? 0 : -1;
}

/* The index of the record, or where it would have to stand. */
static size_t record_search(
	const struct credential_set *set, const char *name, size_t length, bool *found)
{
	size_t low = 0, high = set->count;

	*found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = name_compare(name, length, &set->records[middle]);
		if (order == 0) {
			*found = true;
			return middle;
		}
		if (order < 0)
			high = middle;
		else
			low = middle + 1;
	}
	return low;
}

struct credential_set *credential_set_new(uint64_t generation)
{
	return set_new(generation, 0);
}

struct credential_set *credential_set_of(
	uint64_t generation, const struct credential *records, size_t count)
{
	struct credential_set *set = set_new(generation, count);

	if (!set)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		record_copy(&set->records[i], &records[i]);
		bool ordered = i == 0 ||
			       strcmp(set->records[i - 1].initiator, set->records[i].initiator) < 0;
		if (!ordered || set->records[i].initiator[0] == '\0' ||
			set->records[i].initiator_secret.length == 0) {
			secret_free(set);
			errno = EINVAL;
			return NULL;
		}
	}
	return set;
}

struct credential_set *credential_set_with(
	const struct credential_set *old, uint64_t generation, const struct credential *record)
{
	size_t length = strnlen(record->initiator, CREDENTIAL_NAME_MAX);
	bool found;
	size_t at = record_search(old, record->initiator, length, &found);

	if (length == 0 || record->initiator_secret.length == 0) {
		errno = EINVAL;
		return NULL;
	}
	struct credential_set *set = set_new(generation, old->count + (found ? 0 : 1));
	if (!set)
		return NULL;
	size_t after = found ? at + 1 : at;
	memcpy(set->records, old->records, at * sizeof(struct credential));
	record_copy(&set->records[at], record);
	memcpy(&set->records[at + 1], &old->records[after],
		(old->count - after) * sizeof(struct credential));
	return set;
}

struct credential_set *credential_set_without(
	const struct credential_set *old, uint64_t generation, const char *initiator)
{
	bool found;
	size_t at = record_search(old, initiator, strlen(initiator), &found);

	if (!found) {
		errno = ENOENT;
		return NULL;
	}
	struct credential_set *set = set_new(generation, old->count - 1);
	if (!set)
		return NULL;
	memcpy(set->records, old->records, at * sizeof(struct credential));
	memcpy(&set->records[at], &old->records[at + 1],
		(old->count - at - 1) * sizeof(struct credential));
	return set;
}

struct credential_set *credential_set_ref(struct credential_set *set)
{
	if (set)
		atomic_fetch_add_explicit(&set->references, 1, memory_order_relaxed);
	return set;
}

void credential_set_unref(struct credential_set *set)
{
	/* Release, so that every reader is done before the wipe; acquire, so that the wiper sees
	 * it. */
	if (set && atomic_fetch_sub_explicit(&set->references, 1, memory_order_acq_rel) == 1)
		secret_free(set);
}

uint64_t credential_set_generation(const struct credential_set *set)
{
	return set->generation;
}

size_t credential_set_count(const struct credential_set *set)
{
	return set->count;
}

const struct credential *credential_set_at(const struct credential_set *set, size_t index)
{
	return &set->records[index];
}

const struct credential *credential_set_find(
	const struct credential_set *set, const char *initiator, size_t length)
{
	bool found;

	if (length == 0 || length > CREDENTIAL_NAME_MAX)
		return NULL;
	size_t at = record_search(set, initiator, length, &found);
	return found ? &set->records[at] : NULL;
}
