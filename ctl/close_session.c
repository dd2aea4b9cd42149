/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * close-session: from what people call a session (its number in list-sessions, or whose it is) to what names
 * it for good: target, initiator, ISID and TSIH.
 */
#include "base/encode.h"
#include "ctl/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TSIH_MAX  65535
#define NAME_SIZE 1024

/* A session's number; 0 if it is none. */
static json_int_t number_of(const char *text)
{
	size_t digits = strspn(text, "0123456789");
	long number = digits >= 1 && digits <= 5 && !text[digits] ? strtol(text, NULL, 10) : 0;

	return number <= TSIH_MAX ? number : 0;
}

/* Says which sessions have the number. */
static void complain_ambiguous(const json_t *sessions, json_int_t number, const char *target)
{
	char name[NAME_SIZE];
	size_t index;
	json_t *session;

	ctl_complain(
		"session %" JSON_INTEGER_FORMAT " is ambiguous; these have the number:", number);
	json_array_foreach(sessions, index, session)
	{
		const char *member = target ? "ISID" : "TargetName";
		const char *text = client_text(session, member);
		if (json_integer_value(json_object_get(session, "TSIH")) == number)
			ctl_complain("  %s", text_escape(name, sizeof(name), text, strlen(text)));
	}
	ctl_complain(target ? "name one: portcullisctl close-session TARGET INITIATOR ISID"
			    : "name its target too: portcullisctl close-session TARGET SESSION");
}

/* What names that session, copied into the request. */
static enum ctl_exit add_row(const json_t *session, json_t *request)
{
	static const char *const members[] = { "TargetARN", "InitiatorName", "ISID", "TSIH" };

	for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
		json_t *value = json_object_get(session, members[i]);
		if (!value || json_object_set(request, members[i], value) != 0) {
			ctl_complain("it is a discovery session of no target; it ends by itself");
			return CTL_REFUSED;
		}
	}
	return CTL_DONE;
}

/* Finds the one session of that number among those of `target`, or of all for NULL; or complains. */
static enum ctl_exit add_session(
	const struct ctl_command *command, const char *target, json_int_t number, json_t *request)
{
	struct http_reply reply = { 0 };
	enum ctl_exit result = client_ask(command, LIST_SESSIONS, request, &reply);
	const json_t *sessions = json_object_get(reply.body, "Sessions");
	json_t *session, *found = NULL;
	size_t index, count = 0;

	json_array_foreach(sessions, index, session)
	{
		if (json_integer_value(json_object_get(session, "TSIH")) == number) {
			found = session;
			count++;
		}
	}
	if (result == CTL_DONE && count == 1) {
		result = add_row(found, request);
	} else if (result == CTL_DONE) {
		result = CTL_REFUSED;
		if (count == 0)
			ctl_complain("there is no session %" JSON_INTEGER_FORMAT
				     "; portcullisctl list-sessions shows those there are",
				number);
		else
			complain_ambiguous(sessions, number, target);
	}
	http_reply_free(&reply);
	return result;
}

/* Whose sessions, or which of them. */
static enum ctl_exit add_initiator(const char *initiator, const char *isid, json_t *request)
{
	if (json_object_set_new(request, "InitiatorName", client_lower_case(initiator)) != 0 ||
		(isid && json_object_set_new(request, "ISID", client_lower_case(isid)) != 0)) {
		ctl_complain("the initiator's name, or the ISID, is not UTF-8");
		return CTL_USAGE;
	}
	return CTL_DONE;
}

static enum ctl_exit add_all(const struct ctl_command *command, json_t *request)
{
	const char *const *words = command->arguments;
	const json_int_t number = number_of(words[1] ? words[1] : words[0]);
	enum ctl_exit result = CTL_DONE;

	if (!words[1] && !number) {
		ctl_complain("%s is no session's number; an initiator's sessions are named with "
			     "their target: portcullisctl close-session TARGET INITIATOR",
			words[0]);
		return CTL_USAGE;
	}
	if (words[1])
		result = client_add_target(command, words[0], request);
	if (result != CTL_DONE)
		return result;
	if (number && !words[2])
		return add_session(command, words[1] ? words[0] : NULL, number, request);
	return add_initiator(words[1], words[2], request);
}

enum ctl_exit ctl_close_session_run(const struct ctl_command *command)
{
	json_t *request = json_object();
	struct http_reply reply = { 0 };
	enum ctl_exit result = add_all(command, request);

	if (result == CTL_DONE)
		result = client_ask(command, command->verb->operation, request, &reply);
	if (result == CTL_DONE && ctl_given(command, OPTION_JSON)) {
		printf("%.*s\n", (int)reply.length, reply.text);
	} else if (result == CTL_DONE) {
		char initiator[NAME_SIZE], target[NAME_SIZE];
		const json_int_t closed = json_integer_value(
			json_object_get(reply.body, "SessionsClosed"));
		const char *who = client_text(request, "InitiatorName");
		const char *where = client_text(request, "TargetARN");
		const char *name = strstr(where, "/target/");
		name = name ? name + sizeof("/target/") - 1 : where;
		printf("%s on %s: %" JSON_INTEGER_FORMAT " session%s closed.\n",
			text_escape(initiator, sizeof(initiator), who, strlen(who)),
			text_escape(target, sizeof(target), name, strlen(name)), closed,
			closed == 1 ? "" : "s");
	}
	http_reply_free(&reply);
	json_decref(request);
	return result;
}
