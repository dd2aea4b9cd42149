/* SPDX-License-Identifier: BSD-2-Clause */
/* watch: looks at the daemon again and again, and shows what happened between two looks. */
#include "base/secret.h"
#include "ctl/client.h"
#include "ctl/rates.h"
#include "ctl/screen.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define COUNT(array)     (sizeof(array) / sizeof((array)[0]))
#define INTERVAL_SECONDS 2
#define INTERVAL_MAX     86400

static const struct print_column target_columns[] = {
	{ "TARGET", "TargetName", PRINT_TEXT },
	{ "SESSIONS", "Sessions", PRINT_COUNT },
	{ "IOPS", "CommandsPerSecond", PRINT_COUNT },
	{ "READ/s", "BytesReadPerSecond", PRINT_BYTES },
	{ "WRITTEN/s", "BytesWrittenPerSecond", PRINT_BYTES },
	{ "LATENCY", "LatencyNanoseconds", PRINT_TIME },
	{ "ERRORS", "Errors", PRINT_COUNT },
};

static const struct print_column session_columns[] = {
	{ "SESSION", "TSIH", PRINT_COUNT },
	{ "INITIATOR", "InitiatorName", PRINT_TEXT },
	{ "ADDRESS", "Address", PRINT_TEXT },
	{ "IOPS", "CommandsPerSecond", PRINT_COUNT },
	{ "READ/s", "BytesReadPerSecond", PRINT_BYTES },
	{ "WRITTEN/s", "BytesWrittenPerSecond", PRINT_BYTES },
	{ "AGE", "AgeSeconds", PRINT_AGE },
	{ "TARGET", "TargetName", PRINT_TEXT },
};

struct watch {
	const struct ctl_command *command;
	json_t *request; /* TargetARN, or nothing */
	struct screen screen;
	long interval; /* seconds */
	long looks;    /* still to be shown; 0: for ever */
};

/* One answer. On failure the terminal is given back before it is complained of. */
static enum ctl_exit ask(struct watch *watch, const char *operation, json_t **body)
{
	const char *arn = json_string_value(json_object_get(watch->request, "TargetARN"));
	struct http_reply reply = { 0 };

	*body = client_look(client_socket(watch->command), operation, arn);
	if (*body)
		return CTL_DONE;
	screen_close(&watch->screen);
	enum ctl_exit result = client_ask(watch->command, operation, watch->request, &reply);
	*body = result == CTL_DONE ? json_incref(reply.body) : NULL;
	http_reply_free(&reply);
	if (result == CTL_DONE)
		screen_open(&watch->screen);
	return result;
}

static enum ctl_exit look(struct watch *watch, struct rates_look *now)
{
	enum ctl_exit result = ask(watch, GET_STATISTICS, &now->statistics);

	if (result == CTL_DONE)
		result = ask(watch, LIST_SESSIONS, &now->sessions);
	return result;
}

/* The text of one look, to be freed; NULL when out of memory. */
static char *text_of(const struct watch *watch, const json_t *rates)
{
	char *text = NULL, clock[32] = "";
	size_t size = 0;
	const json_t *targets = json_object_get(rates, "Targets");
	const json_t *sessions = json_object_get(rates, "Sessions");
	const time_t now = time(NULL);
	struct tm parts;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	if (localtime_r(&now, &parts))
		strftime(clock, sizeof(clock), "%H:%M:%S", &parts);
	fprintf(out, "portcullis  %s  every %ld s%s\n\n", clock, watch->interval,
		watch->screen.is_open ? "  (q ends)" : "");
	int failed = print_table(out, targets, target_columns, COUNT(target_columns), false);
	fputc('\n', out);
	if (json_array_size(sessions) == 0)
		fputs("No sessions.\n", out);
	else
		failed |= print_table(
			out, sessions, session_columns, COUNT(session_columns), false);
	if (!watch->screen.is_open)
		fputc('\n', out);
	failed |= fclose(out);
	if (!failed)
		return text;
	free(text);
	return NULL;
}

static enum ctl_exit show(const struct watch *watch, const json_t *rates)
{
	char *text = NULL;

	if (rates && ctl_given(watch->command, OPTION_JSON)) {
		char *line = json_dumps(rates, JSON_COMPACT | JSON_REAL_PRECISION(6));
		if (line && asprintf(&text, "%s\n", line) < 0)
			text = NULL;
		secret_free(line);
	} else if (rates) {
		text = text_of(watch, rates);
	}
	if (!text) {
		ctl_complain("out of memory");
		return CTL_UNREACHABLE;
	}
	screen_show(&watch->screen, text);
	free(text);
	return CTL_DONE;
}

/* Until the next look is due; what there is is drawn anew when the terminal changes. Whether to go on. */
static bool wait(const struct watch *watch, const json_t *rates)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	const long end = now.tv_sec * 1000 + now.tv_nsec / 1000000 + watch->interval * 1000;

	for (;;) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		const long left = end - now.tv_sec * 1000 - now.tv_nsec / 1000000;
		if (left <= 0)
			return true;
		switch (screen_wait(&watch->screen, (int)left)) {
		case SCREEN_QUIT:
			return false;
		case SCREEN_RESIZED:
			if (rates)
				show(watch, rates);
			break;
		case SCREEN_TIME:
			break;
		}
	}
}

static enum ctl_exit watch_all(struct watch *watch)
{
	struct rates_look before = { 0 }, after = { 0 };
	json_t *rates = NULL;
	enum ctl_exit result = look(watch, &before);

	if (result == CTL_DONE)
		screen_open(&watch->screen);
	if (watch->screen.is_open)
		screen_show(&watch->screen, "Looking ...  (q ends)\n");
	while (result == CTL_DONE && wait(watch, rates)) {
		result = look(watch, &after);
		if (result != CTL_DONE)
			break;
		json_decref(rates);
		rates = rates_between(&before, &after);
		result = show(watch, rates);
		rates_look_free(&before);
		before = after;
		after = (struct rates_look){ 0 };
		if (watch->looks > 0 && --watch->looks == 0)
			break;
	}
	screen_close(&watch->screen);
	json_decref(rates);
	rates_look_free(&before);
	rates_look_free(&after);
	return result;
}

/* How often, and how many times. */
static enum ctl_exit take_options(struct watch *watch)
{
	const char *interval = watch->command->options[OPTION_INTERVAL];
	const char *count = watch->command->options[OPTION_COUNTED];

	watch->interval = interval ? (long)client_seconds(interval) : INTERVAL_SECONDS;
	if (watch->interval < 1 || watch->interval > INTERVAL_MAX) {
		ctl_complain("--interval: a time is a number of seconds, or of s, m or h, a "
			     "day at most: 5, 1m");
		return CTL_USAGE;
	}
	if (!count)
		return CTL_DONE;
	size_t digits = strspn(count, "0123456789");
	watch->looks = digits >= 1 && digits <= 9 && !count[digits] ? strtol(count, NULL, 10) : 0;
	if (watch->looks > 0)
		return CTL_DONE;
	ctl_complain("--count: a number from 1 on");
	return CTL_USAGE;
}

enum ctl_exit ctl_watch_run(const struct ctl_command *command)
{
	struct watch watch = { .command = command, .request = json_object() };
	enum ctl_exit result = take_options(&watch);

	screen_init(&watch.screen, ctl_given(command, OPTION_JSON));
	if (result == CTL_DONE && command->arguments[0])
		result = client_add_target(command, command->arguments[0], watch.request);
	if (result == CTL_DONE)
		result = watch_all(&watch);
	json_decref(watch.request);
	return result;
}
