/* SPDX-License-Identifier: BSD-2-Clause */
/* Out of the tables of verbs and options, and what the daemon lists. */
#include "ctl/complete.h"

#include "ctl/client.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define WORDS_MAX 5 /* of a verb and its arguments */
#define FILES     ":files"
#define LUNS_MAX  256

/* A command line up to the word that is asked about. */
struct partial {
	const char *typed;  /* of that word */
	const char *prefix; /* what each candidate begins with: "--size=" */
	size_t prefix_length;
	const char *socket;
	int option; /* whose value it is; -1: none's */
	const char *words[WORDS_MAX];
	size_t count;
};

static void offer(const struct partial *partial, const char *word, const char *what)
{
	/* A shell puts it on its command line, and an initiator may call itself as it likes. */
	static const char harmless[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789.:_-[]";

	if (!*word || word[strspn(word, harmless)] ||
		strncmp(word, partial->typed, strlen(partial->typed)) != 0)
		return;
	printf("%.*s%s\t%s\n", (int)partial->prefix_length, partial->prefix, word, what);
}

/* --- what is typed already --- */

/* The option that a word of two dashes names, up to `length`; -1 if there is none. */
static int option_of(const char *word, size_t length)
{
	for (int i = 0; i < OPTION_COUNT; i++) {
		if (strlen(ctl_options[i].name) == length &&
			strncmp(ctl_options[i].name, word, length) == 0)
			return i;
	}
	return -1;
}

/* One word before the last. */
static void take(struct partial *partial, const char *word)
{
	if (partial->option >= 0) {
		if (partial->option == OPTION_SOCKET)
			partial->socket = word;
		partial->option = -1;
	} else if (strncmp(word, "--", 2) == 0) {
		size_t length = strcspn(word + 2, "=");
		int option = option_of(word + 2, length);
		bool has_value = word[2 + length] == '=';
		if (option == OPTION_SOCKET && has_value)
			partial->socket = word + 2 + length + 1;
		else if (option >= 0 && ctl_options[option].value && !has_value)
			partial->option = option;
	} else if (partial->count < WORDS_MAX) {
		partial->words[partial->count++] = word;
	}
}

/* The last one: an option and its value may be one word. */
static void take_last(struct partial *partial, const char *word)
{
	const char *equals = strncmp(word, "--", 2) == 0 ? strchr(word, '=') : NULL;

	partial->typed = partial->prefix = word;
	if (!equals || partial->option >= 0)
		return;
	partial->option = option_of(word + 2, (size_t)(equals - word) - 2);
	partial->typed = equals + 1;
	partial->prefix_length = (size_t)(partial->typed - word);
	if (partial->option < 0 || !ctl_options[partial->option].value)
		partial->option = OPTION_COUNT; /* there is nothing that would be right */
}

/* --- the tables --- */

static void offer_options(const struct partial *partial, const struct ctl_verb *verb)
{
	unsigned taken = COMMON_OPTIONS | (verb ? verb->options : 0);
	struct partial name = *partial;

	name.typed = partial->typed[1] == '-' ? partial->typed + 2 : "";
	name.prefix = "--";
	name.prefix_length = 2;
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		if (taken & 1u << i && ctl_options[i].help)
			offer(&name, ctl_options[i].name, ctl_options[i].help);
	}
}

static void offer_value(const struct partial *partial)
{
	static const struct {
		enum ctl_option option;
		const char *value, *what;
	} values[] = {
		{ OPTION_AUTHENTICATION, "auto", "CHAP as soon as there are credentials" },
		{ OPTION_AUTHENTICATION, "chap", "CHAP always" },
		{ OPTION_AUTHENTICATION, "none", "CHAP never" },
		{ OPTION_BLOCK_SIZE, "512", "the default" },
		{ OPTION_BLOCK_SIZE, "1024", "bytes" },
		{ OPTION_BLOCK_SIZE, "2048", "bytes" },
		{ OPTION_BLOCK_SIZE, "4096", "bytes" },
		{ OPTION_PHYSICAL_BLOCK_SIZE, "4096", "what most disks have" },
		{ OPTION_CACHE, "page", "through the page cache, the default" },
		{ OPTION_CACHE, "direct", "past it" },
		{ OPTION_GRACE, "1h", "one hour" },
		{ OPTION_GRACE, "12h", "twelve hours" },
		{ OPTION_GRACE, "1d", "one day, the default" },
		{ OPTION_GRACE, "7d", "a week" },
	};
	const char *kind = partial->option < OPTION_COUNT ? ctl_options[partial->option].value : "";

	if (strcmp(kind, "FILE") == 0 || strcmp(kind, "PATH") == 0)
		puts(FILES);
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		if ((int)values[i].option == partial->option)
			offer(partial, values[i].value, values[i].what);
	}
}

/* Verbs' first words; of verbs of two words, the second ones behind the first. */
static void offer_verbs(const struct partial *partial, const char *first)
{
	const char *last = "";

	for (size_t i = 0; i < ctl_verb_count; i++) {
		const char *name = ctl_verbs[i].name;
		char word[32];
		size_t length = strcspn(name, " ");
		snprintf(word, sizeof(word), "%.*s", (int)length, name);
		if (first && name[length] && strcmp(word, first) == 0)
			offer(partial, name + length + 1, ctl_verbs[i].summary);
		else if (!first && name[length] && strncmp(last, name, length + 1) != 0)
			offer(partial, word, "show, check or load the configuration");
		else if (!first && !name[length])
			offer(partial, word, ctl_verbs[i].summary);
		last = name;
	}
}

/* --- what the daemon lists --- */

static json_t *look(const struct partial *partial, const char *operation)
{
	return client_look(partial->socket, operation, NULL);
}

static void offer_targets(const struct partial *partial)
{
	json_t *body = look(partial, LIST_TARGETS), *target;
	size_t index;

	json_array_foreach(json_object_get(body, "Targets"), index, target)
	{
		char what[64];
		snprintf(what, sizeof(what), "sessions: %" JSON_INTEGER_FORMAT ", LUNs: %zu",
			json_integer_value(json_object_get(target, "SessionCount")),
			json_array_size(json_object_get(target, "Luns")));
		offer(partial, client_text(target, "TargetName"), what);
	}
	json_decref(body);
}

/* Whether a row of the daemon's is of the target that stands on the command line. */
static bool is_of(const json_t *row, const char *target)
{
	return !target || strcasecmp(client_text(row, "TargetName"), target) == 0 ||
	       strcmp(client_text(row, "TargetARN"), target) == 0;
}

/* Those there are; or, where one is to be made, the first that is free. */
static void offer_luns(const struct partial *partial, const char *target, bool is_new)
{
	json_t *body = look(partial, LIST_TARGETS), *row, *lun;
	bool used[LUNS_MAX] = { false }, found = false;
	char number[8], size[PRINT_NUMBER_SIZE];
	size_t index, place, free = 0;

	json_array_foreach(json_object_get(body, "Targets"), index, row)
	{
		if (!is_of(row, target))
			continue;
		found = true;
		json_array_foreach(json_object_get(row, "Luns"), place, lun)
		{
			json_int_t which = json_integer_value(json_object_get(lun, "LunNumber"));
			used[which & (LUNS_MAX - 1)] = true;
			snprintf(number, sizeof(number), "%u", (unsigned)which & (LUNS_MAX - 1));
			print_bytes(
				(uint64_t)json_integer_value(json_object_get(lun, "SizeInBytes")),
				size);
			if (!is_new)
				offer(partial, number, size);
		}
	}
	while (free < LUNS_MAX && used[free])
		free++;
	snprintf(number, sizeof(number), "%zu", free);
	if (is_new && found && free < LUNS_MAX)
		offer(partial, number, "the first that is free");
	json_decref(body);
}

/* Of sessions on a target (of all for NULL): their numbers, initiators, or ISIDs of one initiator. */
static void offer_sessions(const struct partial *partial, const char *target, const char *member,
	const char *initiator)
{
	json_t *body = look(partial, LIST_SESSIONS), *session;
	size_t index;

	json_array_foreach(json_object_get(body, "Sessions"), index, session)
	{
		const json_t *value = json_object_get(session, member);
		const char *name = client_text(session, "InitiatorName");
		char number[32];
		if (!is_of(session, target) || (initiator && strcasecmp(name, initiator) != 0))
			continue;
		snprintf(
			number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(value));
		offer(partial, json_is_string(value) ? json_string_value(value) : number,
			json_is_string(value) ? client_text(session, "SessionType") : "a session");
	}
	json_decref(body);
}

/* Also those that nobody is logged in with just now. */
static void offer_initiators(const struct partial *partial, const char *target)
{
	json_t *body = look(partial, "Portcullis_20261122.ListChapRotations"), *row;
	size_t index;

	json_array_foreach(json_object_get(body, "Rotations"), index, row)
	{
		if (is_of(row, target))
			offer(partial, client_text(row, "InitiatorName"), "in rotation");
	}
	json_decref(body);
	offer_sessions(partial, target, "InitiatorName", NULL);
}

/* The first page is as much as anybody can choose from. */
static void offer_volumes(const struct partial *partial)
{
	json_t *body = look(partial, "StorageGateway_20130630.ListVolumes"), *row;
	char size[PRINT_NUMBER_SIZE];
	size_t index;

	json_array_foreach(json_object_get(body, "VolumeInfos"), index, row)
	{
		print_bytes((uint64_t)json_integer_value(json_object_get(row, "VolumeSizeInBytes")),
			size);
		offer(partial, client_text(row, "VolumeId"), size);
	}
	json_decref(body);
}

static void offer_portals(const struct partial *partial)
{
	json_t *body = look(partial, "Portcullis_20261122.ListPortals"), *portal;
	size_t index;

	json_array_foreach(json_object_get(body, "Portals"), index, portal)
		offer(partial, client_text(portal, "Portal"), "a portal");
	json_decref(body);
}

static void offer_argument(const struct partial *partial, const struct ctl_verb *verb,
	const char *const *before, size_t place)
{
	switch (verb->takes[place]) {
	case ARGUMENT_TARGET:
		offer_targets(partial);
		if (verb->takes[1] == ARGUMENT_SESSION)
			offer_sessions(partial, NULL, "TSIH", NULL);
		break;
	case ARGUMENT_INITIATOR:
		offer_initiators(partial, before[0]);
		break;
	case ARGUMENT_SESSION:
		offer_sessions(partial, before[0], "TSIH", NULL);
		offer_sessions(partial, before[0], "InitiatorName", NULL);
		break;
	case ARGUMENT_ISID:
		offer_sessions(partial, before[0], "ISID", before[1]);
		break;
	case ARGUMENT_LUN:
		offer_luns(partial, before[0], verb->takes[place + 1] == ARGUMENT_PATH);
		break;
	case ARGUMENT_PATH:
		offer(partial, "memory:", "a RAM disk");
		puts(FILES);
		break;
	case ARGUMENT_ON_OFF:
		offer(partial, "on", "read-only");
		offer(partial, "off", "writable");
		break;
	case ARGUMENT_DISK:
	case ARGUMENT_FILE:
		puts(FILES);
		break;
	case ARGUMENT_VERB:
		offer_verbs(partial, place ? before[0] : NULL);
		break;
	case ARGUMENT_PORTAL:
		/* Only one that there is can be removed; a new one's name nobody knows. */
		if (verb->options & 1u << OPTION_FORCE)
			offer_portals(partial);
		break;
	case ARGUMENT_VOLUME:
		offer_volumes(partial);
		break;
	default:
		break; /* only their author knows */
	}
}

void complete_words(const char *const *words, size_t count)
{
	struct partial partial = { .option = -1, .socket = CLIENT_SOCKET };
	size_t taken = 0;

	for (size_t i = 0; i + 1 < count; i++)
		take(&partial, words[i]);
	take_last(&partial, count > 0 ? words[count - 1] : "");

	const struct ctl_verb *verb = ctl_find_verb(partial.words, partial.count, &taken);
	const size_t place = partial.count - taken;
	if (partial.option >= 0)
		offer_value(&partial);
	else if (partial.typed[0] == '-')
		offer_options(&partial, verb);
	else if (!verb && partial.count <= 1)
		offer_verbs(&partial, partial.count ? partial.words[0] : NULL);
	else if (verb && place < verb->argument_max)
		offer_argument(&partial, verb, partial.words + taken, place);
}
