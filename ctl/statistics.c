/* SPDX-License-Identifier: BSD-2-Clause */
/* statistics: the daemon's counters as three tables. */
#include "ctl/client.h"
#include "ctl/rates.h"

#include <stdio.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const struct print_column target_columns[] = {
	{ "TARGET", "TargetName", PRINT_TEXT },
	{ "SESSIONS", "Sessions", PRINT_COUNT },
	{ "LOGINS", "Logins", PRINT_MEMBERS },
};

static const struct print_column lun_columns[] = {
	{ "TARGET", "TargetName", PRINT_TEXT },
	{ "LUN", "LunNumber", PRINT_COUNT },
	{ "READS", "Reads", PRINT_COUNT },
	{ "WRITES", "Writes", PRINT_COUNT },
	{ "OTHERS", "Others", PRINT_COUNT },
	{ "READ", "BytesRead", PRINT_BYTES },
	{ "WRITTEN", "BytesWritten", PRINT_BYTES },
	{ "READ TIME", "ReadTime", PRINT_TIME },
	{ "WRITE TIME", "WriteTime", PRINT_TIME },
	{ "REFUSED", "Refused", PRINT_COUNT },
	{ "ERRORS", "Errors", PRINT_MEMBERS },
};

static const struct print_column worker_columns[] = {
	{ "WORKER", "Worker", PRINT_COUNT },
	{ "CONNECTIONS", "Connections", PRINT_COUNT },
	{ "TURNS", "Turns", PRINT_COUNT },
	{ "BUSY", "BusyNanoseconds", PRINT_TIME },
};

/* A LUN's row for the table: what lies deeper is brought up, and sums become means. */
static json_t *lun_row(const json_t *target, const json_t *lun)
{
	static const struct {
		const char *kind, *count, *time;
	} kinds[] = {
		{ "Read", "Reads", "ReadTime" },
		{ "Write", "Writes", "WriteTime" },
		{ "Other", "Others", NULL },
	};
	static const char *const members[] = { "LunNumber", "BytesRead", "BytesWritten", "Refused",
		"Errors" };
	json_t *row = json_object();
	int failed = json_object_set(row, "TargetName", json_object_get(target, "TargetName"));

	for (size_t i = 0; i < COUNT(kinds); i++) {
		const json_t *kind = json_object_get(lun, kinds[i].kind);
		const json_int_t count = json_integer_value(json_object_get(kind, "Commands"));
		const json_int_t time = json_integer_value(json_object_get(kind, "Nanoseconds"));
		failed |= json_object_set_new(row, kinds[i].count, json_integer(count));
		if (kinds[i].time && count > 0)
			failed |= json_object_set_new(
				row, kinds[i].time, json_integer(time / count));
	}
	for (size_t i = 0; i < COUNT(members); i++) {
		json_t *value = json_object_get(lun, members[i]);
		if (value)
			failed |= json_object_set(row, members[i], value);
	}
	if (!failed)
		return row;
	json_decref(row);
	return NULL;
}

/* A target's row with the outcomes that there were; NULL when out of memory. */
static json_t *target_row(const json_t *target)
{
	json_t *logins = json_object(), *count;
	const char *outcome;

	json_object_foreach(json_object_get(target, "Logins"), outcome, count)
	{
		if (json_integer_value(count) > 0 && json_object_set(logins, outcome, count) != 0) {
			json_decref(logins);
			return NULL;
		}
	}
	return json_pack("{s:O, s:O, s:o}", "TargetName", json_object_get(target, "TargetName"),
		"Sessions", json_object_get(target, "Sessions"), "Logins", logins);
}

/* Without logins to what is no target when there were none. */
static int add_target(json_t *targets, json_t *luns, json_t *target)
{
	size_t index;
	json_t *lun;

	if (client_text(target, "TargetName")[0] ||
		rates_sum(json_object_get(target, "Logins")) > 0) {
		if (json_array_append_new(targets, target_row(target)) != 0)
			return -1;
	}
	json_array_foreach(json_object_get(target, "Luns"), index, lun)
	{
		if (json_array_append_new(luns, lun_row(target, lun)) != 0)
			return -1;
	}
	return 0;
}

static enum ctl_exit print_statistics(const json_t *body)
{
	json_t *targets = json_array(), *luns = json_array(), *target;
	const json_t *workers = json_object_get(body, "Workers");
	int failed = 0;
	size_t index;

	json_array_foreach(json_object_get(body, "Targets"), index, target)
		failed |= add_target(targets, luns, target);
	if (!failed)
		failed |= print_table(
			stdout, targets, target_columns, COUNT(target_columns), false);
	if (!failed && json_array_size(luns) > 0) {
		putchar('\n');
		failed |= print_table(stdout, luns, lun_columns, COUNT(lun_columns), false);
	}
	if (!failed) {
		putchar('\n');
		failed |= print_table(
			stdout, workers, worker_columns, COUNT(worker_columns), false);
	}
	json_decref(targets);
	json_decref(luns);
	if (failed)
		ctl_complain("out of memory");
	return failed ? CTL_UNREACHABLE : CTL_DONE;
}

enum ctl_exit ctl_statistics_run(const struct ctl_command *command)
{
	json_t *request = json_object();
	struct http_reply reply = { 0 };
	enum ctl_exit result = CTL_DONE;

	if (command->arguments[0])
		result = client_add_target(command, command->arguments[0], request);
	if (result == CTL_DONE)
		result = client_ask(command, command->verb->operation, request, &reply);
	if (result == CTL_DONE && ctl_given(command, OPTION_JSON))
		printf("%.*s\n", (int)reply.length, reply.text);
	else if (result == CTL_DONE)
		result = print_statistics(reply.body);
	http_reply_free(&reply);
	json_decref(request);
	return result;
}
