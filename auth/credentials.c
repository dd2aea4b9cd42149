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
	uint64_t floor;
	size_t count;
	size_t retiring; /* they stand behind the others, ascending too */
	struct credential records[];
};

/* What becomes of a list of records at one place. */
struct edit {
	size_t at;
	bool removes;                  /* the record that stands there */
	const struct credential *puts; /* a record before it; NULL: none */
};

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Zeroed records, one reference. */
static struct credential_set *set_new(uint64_t generation, size_t count, size_t retiring)
{
	size_t all = count + retiring;

	if (all > (SIZE_MAX - sizeof(struct credential_set)) / sizeof(struct credential)) {
		errno = ENOMEM;
		return NULL;
	}
	size_t size = sizeof(struct credential_set) + all * sizeof(struct credential);
	struct credential_set *set = secret_malloc(size);
	if (!set) {
		errno = ENOMEM;
		return NULL;
	}
	memset(set, 0, size);
	atomic_init(&set->references, 1);
	set->generation = generation;
	set->floor = generation;
	set->count = count;
	set->retiring = retiring;
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

/* The index of the record among these, or where it would have to stand. */
static size_t record_search(const struct credential *records, size_t count, const char *name,
	size_t length, bool *found)
{
	size_t low = 0, high = count;

	*found = false;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		int order = name_compare(name, length, &records[middle]);
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

/* The edit that takes an initiator's record out, if it has one. */
static struct edit edit_out(const struct credential *records, size_t count, const char *initiator)
{
	struct edit edit = { .puts = NULL };

	edit.at = record_search(records, count, initiator, strlen(initiator), &edit.removes);
	return edit;
}

static size_t edited_count(size_t count, const struct edit *edit)
{
	return count - (edit->removes ? 1 : 0) + (edit->puts ? 1 : 0);
}

static void list_edit(
	struct credential *to, const struct credential *from, size_t count, const struct edit *edit)
{
	size_t after = edit->at + (edit->removes ? 1 : 0);

	memcpy(to, from, edit->at * sizeof(*to));
	to += edit->at;
	if (edit->puts)
		record_copy(to++, edit->puts);
	memcpy(to, from + after, (count - after) * sizeof(*to));
}

static const struct credential *retiring_records(const struct credential_set *set)
{
	return &set->records[set->count];
}

/* `old` with both lists edited. What is put comes with this generation. */
static struct credential_set *set_edited(const struct credential_set *old, uint64_t generation,
	const struct edit *edit, const struct edit *retiring)
{
	struct credential_set *set = set_new(
		generation, edited_count(old->count, edit), edited_count(old->retiring, retiring));

	if (!set)
		return NULL;
	list_edit(set->records, old->records, old->count, edit);
	list_edit(&set->records[set->count], retiring_records(old), old->retiring, retiring);
	if (edit->puts)
		set->records[edit->at].since = generation;
	return set;
}

struct credential_set *credential_set_new(uint64_t generation)
{
	return set_new(generation, 0, 0);
}

struct credential_set *credential_set_of(
	uint64_t generation, const struct credential *records, size_t count)
{
	struct credential_set *set = set_new(generation, count, 0);

	if (!set)
		return NULL;
	for (size_t i = 0; i < count; i++) {
		record_copy(&set->records[i], &records[i]);
		set->records[i].since = generation;
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
	if (record->initiator[0] == '\0' || record->initiator_secret.length == 0) {
		errno = EINVAL;
		return NULL;
	}
	struct edit edit = edit_out(old->records, old->count, record->initiator);
	struct edit retiring = edit_out(retiring_records(old), old->retiring, record->initiator);

	edit.puts = record;
	return set_edited(old, generation, &edit, &retiring);
}

struct credential_set *credential_set_without(
	const struct credential_set *old, uint64_t generation, const char *initiator)
{
	struct edit edit = edit_out(old->records, old->count, initiator);
	struct edit retiring = edit_out(retiring_records(old), old->retiring, initiator);

	if (!edit.removes) {
		errno = ENOENT;
		return NULL;
	}
	return set_edited(old, generation, &edit, &retiring);
}

struct credential_set *credential_set_renewed(const struct credential_set *old, uint64_t generation)
{
	static const struct edit none = { .at = 0 };

	return set_edited(old, generation, &none, &none);
}

static bool same_secret(const struct chap_secret *a, const struct chap_secret *b)
{
	return secret_equal(a->bytes, a->length, b->bytes, b->length);
}

/* Whether a proof of one record could be taken for one of the other (RFC 7143 section 9.2.1 too). */
static bool are_confusable(const struct credential *a, const struct credential *b)
{
	return same_secret(&a->initiator_secret, &b->initiator_secret) ||
	       same_secret(&a->initiator_secret, &b->target_secret) ||
	       same_secret(&a->target_secret, &b->initiator_secret);
}

/* Whether the record may take the place of the present one: 0, or an errno. */
static int rotation_fault(
	const struct credential *present, bool is_rotating, const struct credential *record)
{
	if (is_rotating) /* asked again, or something else asked for meanwhile */
		return same_secret(&present->initiator_secret, &record->initiator_secret) &&
				       same_secret(&present->target_secret, &record->target_secret)
			       ? 0
			       : EBUSY;
	return record->initiator_secret.length == 0 || are_confusable(present, record) ? EINVAL : 0;
}

struct credential_set *credential_set_rotated(const struct credential_set *old, uint64_t generation,
	const struct credential *record, uint64_t until)
{
	struct edit edit = edit_out(old->records, old->count, record->initiator);
	struct edit retiring = edit_out(retiring_records(old), old->retiring, record->initiator);
	const struct credential *present = &old->records[edit.at];

	int fault = edit.removes ? rotation_fault(present, retiring.removes, record) : ENOENT;
	if (fault) {
		errno = fault;
		return NULL;
	}
	const struct credential *retires = retiring.removes ? &retiring_records(old)[retiring.at]
							    : present;
	const uint64_t since = retiring.removes ? present->since : generation;
	edit.puts = record;
	retiring.puts = retires;
	struct credential_set *set = set_edited(old, generation, &edit, &retiring);
	if (!set)
		return NULL;
	set->floor = old->floor;
	set->records[edit.at].since = since;
	struct credential *copy = &set->records[set->count + retiring.at];
	copy->since = retires->since;
	copy->until = until;
	return set;
}

struct credential_set *credential_set_finished(
	const struct credential_set *old, uint64_t generation, const char *initiator)
{
	struct edit retiring = edit_out(retiring_records(old), old->retiring, initiator);
	static const struct edit none = { .at = 0 };

	if (!retiring.removes) {
		errno = ENOENT;
		return NULL;
	}
	struct credential_set *set = set_edited(old, generation, &none, &retiring);
	if (set)
		set->floor = old->floor;
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

uint64_t credential_set_floor(const struct credential_set *set)
{
	return set->floor;
}

size_t credential_set_count(const struct credential_set *set)
{
	return set->count;
}

const struct credential *credential_set_at(const struct credential_set *set, size_t index)
{
	return &set->records[index];
}

static const struct credential *list_find(
	const struct credential *records, size_t count, const char *initiator, size_t length)
{
	bool found;

	if (length == 0 || length > CREDENTIAL_NAME_MAX)
		return NULL;
	size_t at = record_search(records, count, initiator, length, &found);
	return found ? &records[at] : NULL;
}

const struct credential *credential_set_find(
	const struct credential_set *set, const char *initiator, size_t length)
{
	return list_find(set->records, set->count, initiator, length);
}

size_t credential_set_retiring_count(const struct credential_set *set)
{
	return set->retiring;
}

const struct credential *credential_set_retiring_at(const struct credential_set *set, size_t index)
{
	return &retiring_records(set)[index];
}

const struct credential *credential_set_retiring(
	const struct credential_set *set, const char *initiator, size_t length)
{
	return list_find(retiring_records(set), set->retiring, initiator, length);
}
