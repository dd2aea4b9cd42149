/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One storing of credentials, as the daemon does it, for the crash tests:
 *
 *   store_step DIRECTORY TARGET NAME=SECRET[:TARGET-SECRET]...
 *
 * opens the state directory, prints the set found there, stores the set given (none given: only
 * looks), prints the outcome, and what a second look into the same open directory finds. With
 * STEP_WAIT set it waits for a line on its input before it stores. Lines printed:
 *
 *   open first|again             or   unusable: ...
 *   found GENERATION NAME=SECRET[:TARGET-SECRET]...   or   broken: ...
 *   stored | not stored: ... | broken: ...
 */
#include "base/secret.h"
#include "conf/state.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void print_set(struct state *state, const char *target, uint64_t *generation)
{
	char error[STATE_ERROR_SIZE];
	struct credential_set *set;

	if (state_load_credentials(state, target, &set, error) != STATE_OK) {
		printf("broken: %s\n", error);
		return;
	}
	*generation = credential_set_generation(set);
	printf("found %llu", (unsigned long long)*generation);
	for (size_t i = 0; i < credential_set_count(set); i++) {
		const struct credential *record = credential_set_at(set, i);
		printf(" %s=%.*s", record->initiator, record->initiator_secret.length,
			(const char *)record->initiator_secret.bytes);
		if (record->target_secret.length)
			printf(":%.*s", record->target_secret.length,
				(const char *)record->target_secret.bytes);
	}
	printf("\n");
	credential_set_unref(set);
}

static void secret_set(struct chap_secret *secret, const char *text, size_t length)
{
	secret->length = (uint8_t)length;
	memcpy(secret->bytes, text, length);
}

/* `set` with the record that "NAME=SECRET[:TARGET-SECRET]" describes; `set` is released. */
static struct credential_set *set_with(struct credential_set *set, const char *text)
{
	struct credential record;
	size_t name = strcspn(text, "=");
	const char *secret = text + name + 1;
	size_t length = strcspn(secret, ":");

	memset(&record, 0, sizeof(record));
	memcpy(record.initiator, text, name);
	secret_set(&record.initiator_secret, secret, length);
	if (secret[length])
		secret_set(&record.target_secret, secret + length + 1, strlen(secret + length + 1));
	struct credential_set *next = credential_set_with(
		set, credential_set_generation(set), &record);
	credential_set_unref(set);
	if (!next)
		abort();
	return next;
}

int main(int argc, char **argv)
{
	char error[STATE_ERROR_SIZE];
	bool first_start;
	uint64_t generation = 0;

	if (argc < 3)
		return 2;
	json_set_alloc_funcs(secret_malloc, secret_free);
	setvbuf(stdout, NULL, _IOLBF, 0);
	struct state *state = state_open(argv[1], &first_start, error);
	if (!state) {
		printf("unusable: %s\n", error);
		return 1;
	}
	printf("open %s\n", first_start ? "first" : "again");
	print_set(state, argv[2], &generation);
	if (argc > 3) {
		struct credential_set *set = credential_set_new(generation + 1);
		for (int i = 3; i < argc; i++)
			set = set_with(set, argv[i]);
		if (getenv("STEP_WAIT"))
			while (getchar() != '\n')
				continue;
		enum state_result result = state_store_credentials(state, argv[2], set, error);
		printf("%s%s\n",
			result == STATE_OK           ? "stored"
			: result == STATE_NOT_STORED ? "not stored: "
						     : "broken: ",
			result == STATE_OK ? "" : error);
		credential_set_unref(set);
		print_set(state, argv[2], &generation);
	}
	state_close(state);
	return 0;
}
