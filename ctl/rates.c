/* SPDX-License-Identifier: BSD-2-Clause */
/* Rows of two looks that belong together are found by their names; the clock is the daemon's own. */
#include "ctl/rates.h"

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define KEY_SIZE     1024
#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

void rates_look_free(struct rates_look *look)
{
	json_decref(look->statistics);
	json_decref(look->sessions);
	*look = (struct rates_look){ 0 };
}

json_int_t rates_sum(const json_t *object)
{
	json_int_t sum = 0;
	const char *name;
	json_t *value, *all = (json_t *)(uintptr_t)object;

	json_object_foreach(all, name, value) sum += json_integer_value(value);
	return sum;
}

static json_int_t number_of(const json_t *row, const char *member)
{
	return json_integer_value(json_object_get(row, member));
}

/* A counter's growth; one that fell began anew. */
static json_int_t growth(json_int_t before, json_int_t after)
{
	return after >= before ? after - before : after;
}

static int set(json_t *row, const char *member, json_int_t value)
{
	return json_object_set_new(row, member, json_integer(value));
}

static json_int_t per_second(json_int_t amount, double seconds)
{
	return seconds > 0 ? (json_int_t)((double)amount / seconds + 0.5) : 0;
}

/* What names a session; a peer's name has no newline. */
static const char *key_of(const json_t *session, char key[KEY_SIZE])
{
	static const char *const names[] = { "TargetName", "InitiatorName", "ISID" };
	size_t length = 0;

	for (size_t i = 0; i < COUNT(names); i++) {
		const char *text = json_string_value(json_object_get(session, names[i]));
		length += (size_t)snprintf(
			key + length, KEY_SIZE - length, "%.255s\n", text ? text : "");
	}
	snprintf(key + length, KEY_SIZE - length, "%" JSON_INTEGER_FORMAT,
		number_of(session, "TSIH"));
	return key;
}

/* The rows by their keys, for there may be thousands. NULL when out of memory. */
static json_t *index_of(const json_t *rows)
{
	json_t *all = json_object(), *row;
	char key[KEY_SIZE];
	size_t place;

	json_array_foreach(rows, place, row)
	{
		if (json_object_set(all, key_of(row, key), row) != 0) {
			json_decref(all);
			return NULL;
		}
	}
	return all;
}

/* `before`: as index_of() made it. A session that is not there is new. */
static json_t *session_rates(const json_t *before, const json_t *session, double seconds)
{
	static const struct {
		const char *counter, *rate;
	} counters[] = {
		{ "Commands", "CommandsPerSecond" },
		{ "BytesRead", "BytesReadPerSecond" },
		{ "BytesWritten", "BytesWrittenPerSecond" },
	};
	char key[KEY_SIZE];
	const json_t *old = json_object_get(before, key_of(session, key));
	json_t *row = json_deep_copy(session);
	int failed = !row;

	for (size_t i = 0; !failed && i < COUNT(counters); i++) {
		const char *name = counters[i].counter;
		failed = set(row, counters[i].rate,
			per_second(
				growth(number_of(old, name), number_of(session, name)), seconds));
	}
	if (!failed)
		return row;
	json_decref(row);
	return NULL;
}

/* The sums of a target over its LUNs. */
struct target_sums {
	json_int_t commands, nanoseconds, read, written, errors;
};

static struct target_sums sums_of(const json_t *target)
{
	static const char *const kinds[] = { "Read", "Write", "Other" };
	struct target_sums sums = { 0 };
	size_t index;
	json_t *lun;

	json_array_foreach(json_object_get(target, "Luns"), index, lun)
	{
		for (size_t i = 0; i < COUNT(kinds); i++) {
			const json_t *kind = json_object_get(lun, kinds[i]);
			sums.commands += number_of(kind, "Commands");
			sums.nanoseconds += number_of(kind, "Nanoseconds");
		}
		sums.read += number_of(lun, "BytesRead");
		sums.written += number_of(lun, "BytesWritten");
		sums.errors += rates_sum(json_object_get(lun, "Errors")) +
			       number_of(lun, "Refused");
	}
	return sums;
}

static const json_t *same_target(const json_t *rows, const json_t *target)
{
	size_t index;
	json_t *row;

	json_array_foreach(rows, index, row)
	{
		if (json_equal(json_object_get(row, "TargetName"),
			    json_object_get(target, "TargetName")))
			return row;
	}
	return NULL;
}

static json_t *target_rates(const json_t *before, const json_t *target, double seconds)
{
	const struct target_sums old = sums_of(same_target(before, target)), now = sums_of(target);
	const json_int_t commands = growth(old.commands, now.commands);
	json_t *row = json_pack("{s:O, s:O}", "TargetName", json_object_get(target, "TargetName"),
		"Sessions", json_object_get(target, "Sessions"));
	int failed = !row || set(row, "CommandsPerSecond", per_second(commands, seconds)) ||
		     set(row, "BytesReadPerSecond",
			     per_second(growth(old.read, now.read), seconds)) ||
		     set(row, "BytesWrittenPerSecond",
			     per_second(growth(old.written, now.written), seconds)) ||
		     set(row, "Errors", growth(old.errors, now.errors));

	if (!failed && commands > 0)
		failed = set(row, "LatencyNanoseconds",
			growth(old.nanoseconds, now.nanoseconds) / commands);
	if (!failed)
		return row;
	json_decref(row);
	return NULL;
}

json_t *rates_between(const struct rates_look *before, const struct rates_look *after)
{
	const json_int_t nanoseconds = growth(number_of(before->statistics, "Nanoseconds"),
		number_of(after->statistics, "Nanoseconds"));
	const double seconds = (double)nanoseconds / 1e9;
	const json_t *old_targets = json_object_get(before->statistics, "Targets");
	json_t *old_sessions = index_of(json_object_get(before->sessions, "Sessions"));
	json_t *targets = json_array(), *sessions = json_array(), *row;
	size_t index;
	int failed = !old_sessions;

	json_array_foreach(json_object_get(after->statistics, "Targets"), index, row)
	{
		/* Logins to what is no target are no traffic. */
		if (json_string_length(json_object_get(row, "TargetName")) > 0)
			failed |= json_array_append_new(
				targets, target_rates(old_targets, row, seconds));
	}
	json_array_foreach(json_object_get(after->sessions, "Sessions"), index, row)
		failed |= json_array_append_new(
			sessions, session_rates(old_sessions, row, seconds));
	json_decref(old_sessions);
	json_t *rates = json_pack(
		"{s:f, s:o, s:o}", "Seconds", seconds, "Targets", targets, "Sessions", sessions);
	if (!failed)
		return rates;
	json_decref(rates);
	return NULL;
}
