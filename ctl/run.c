/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a verb does: find the target's ARN, gather the secrets, ask, print the answer.
 */
#include "ctl/ctl.h"

#include "base/encode.h"
#include "base/secret.h"
#include "ctl/arguments.h"
#include "ctl/http.h"
#include "ctl/secret_input.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_SOCKET "/run/portcullis/control.sock"
#define LIST_TARGETS   "Portcullis_20261122.ListTargets"
#define MESSAGE_SIZE   1024

/* What to do next, by the reply's errorCode or else its __type. */
static const struct {
	const char *code;
	const char *advice;
} advices[] = {
	{ "TargetNotFound", "portcullisctl list-targets shows the targets there are" },
	{ "TargetInvalid", "give a target's IQN or ARN as portcullisctl list-targets shows it" },
	{ "InitiatorNotFound", "portcullisctl describe-chap TARGET shows who has credentials" },
	{ "InvalidParameters", "secrets are 12 to 16 bytes of UTF-8, and the two must differ; in a "
			       "rotation also from the old ones" },
	{ "LunAlreadyAllocated", "portcullisctl --json list-targets shows the LUNs there are" },
	{ "LunInvalid", "portcullisctl --json list-targets shows the LUNs there are" },
	{ "VolumeInUse", "log the initiators out (portcullisctl list-sessions), or give --force" },
	{ "NotSupported",
		"the target has authentication = \"none\"; change that in portcullis.conf first" },
	{ "InternalError", "the daemon's log says why (journalctl -u portcullisd)" },
	{ "ValidationException", "portcullisctl VERB --help says what is expected" },
	{ "UnknownOperationException", "portcullisd is older than this portcullisctl" },
};

static bool takes_secrets(const struct ctl_verb *verb)
{
	return verb->options & 1u << OPTION_SECRET_FILE;
}

/* A text member; "" when it is missing or something else. */
static const char *text_of(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));
	return text ? text : "";
}

/* The more exact name is asked for first. NULL: there is nothing to say. */
static const char *advice_of(const char *code, const char *type)
{
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		if (strcmp(advices[i].code, code) == 0 || strcmp(advices[i].code, type) == 0)
			return advices[i].advice;
	}
	return NULL;
}

/* The daemon's message, its names for the error, and on a line of its own what to do next. */
static enum ctl_exit report_refusal(const struct ctl_verb *verb, const struct http_reply *reply)
{
	char message[MESSAGE_SIZE];
	const char *text = text_of(reply->body, "message");
	const char *type = text_of(reply->body, "__type");
	const char *code = text_of(json_object_get(reply->body, "error"), "errorCode");
	const char *advice = advice_of(code, type);
	bool says_all = strcmp(code, "InvalidParameters") == 0 && !takes_secrets(verb);

	text_escape(message, sizeof(message), text, strlen(text));
	ctl_complain("%s (%s%s%s)", message[0] ? message : "refused", type[0] ? type : "HTTP error",
		code[0] ? ", " : "", code);
	if (advice && !says_all)
		ctl_complain("%s", advice);
	return CTL_REFUSED;
}

static const char *socket_of(const struct ctl_command *command)
{
	const char *given = command->options[OPTION_SOCKET];
	return given ? given : DEFAULT_SOCKET;
}

/* Asks; CTL_DONE with a good answer in *reply, else the complaint has been made. */
static enum ctl_exit ask(const struct ctl_command *command, const char *operation,
	const json_t *request, struct http_reply *reply)
{
	char error[HTTP_ERROR_SIZE];

	if (http_call(socket_of(command), operation, request, reply, error) != 0) {
		ctl_complain("%s", error);
		return CTL_UNREACHABLE;
	}
	if (reply->status == 200)
		return CTL_DONE;
	if (ctl_given(command, OPTION_JSON))
		printf("%.*s\n", (int)reply->length, reply->text);
	return report_refusal(command->verb, reply);
}

/* iSCSI names are compared in lower case, and the API can express no other. */
static json_t *lower_case(const char *name)
{
	size_t length = strlen(name);
	char *lower = secret_malloc(length + 1);
	if (!lower)
		return NULL;
	for (size_t i = 0; i <= length; i++)
		lower[i] = name[i] >= 'A' && name[i] <= 'Z' ? (char)(name[i] - 'A' + 'a') : name[i];
	json_t *value = json_string(lower);
	secret_free(lower);
	return value;
}

/* Puts the ARN of the one target of that name into the request, or complains. */
static enum ctl_exit find_arn(const json_t *targets, const char *name, json_t *request)
{
	const char *arn = NULL;
	size_t index, matches = 0;
	json_t *target, *wanted = lower_case(name);

	json_array_foreach(targets, index, target)
	{
		if (!json_equal(json_object_get(target, "TargetName"), wanted))
			continue;
		arn = text_of(target, "TargetARN");
		matches++;
	}
	json_decref(wanted);
	if (matches == 1 && json_object_set_new(request, "TargetARN", json_string(arn)) == 0)
		return CTL_DONE;
	if (matches > 1)
		ctl_complain("%s: %zu targets have this name; give the ARN of one", name, matches);
	else
		ctl_complain("%s: there is no such target; portcullisctl list-targets shows the "
			     "targets there are",
			name);
	return CTL_REFUSED;
}

/* AWS wants an ARN; people know the IQN. */
static enum ctl_exit add_target(
	const struct ctl_command *command, const char *name, json_t *request)
{
	if (strncmp(name, "arn:", 4) == 0) {
		if (json_object_set_new(request, "TargetARN", json_string(name)) == 0)
			return CTL_DONE;
		ctl_complain("the target's name is not UTF-8");
		return CTL_USAGE;
	}

	struct http_reply reply;
	json_t *nothing = json_object();
	enum ctl_exit result = ask(command, LIST_TARGETS, nothing, &reply);
	if (result == CTL_DONE)
		result = find_arn(json_object_get(reply.body, "Targets"), name, request);
	http_reply_free(&reply);
	json_decref(nothing);
	return result;
}

static enum ctl_exit add_name(
	json_t *request, const char *member, const char *name, const char *whose)
{
	if (json_object_set_new(request, member, lower_case(name)) == 0)
		return CTL_DONE;
	ctl_complain("the %s's name is not UTF-8", whose);
	return CTL_USAGE;
}

static enum ctl_exit add_arguments(const struct ctl_command *command, json_t *request)
{
	enum ctl_exit result = CTL_DONE;

	for (size_t i = 0; result == CTL_DONE && i < ARGUMENT_MAX && command->arguments[i]; i++) {
		const char *text = command->arguments[i];
		enum ctl_argument kind = command->verb->takes[i];
		if (kind == ARGUMENT_TARGET)
			result = add_target(command, text, request);
		else if (kind == ARGUMENT_INITIATOR)
			result = add_name(request, "InitiatorName", text, "initiator");
		else if (kind == ARGUMENT_NAME)
			result = add_name(request, "TargetName", text, "target");
		else
			result = argument_add(kind, text, request);
	}
	return result;
}

/* One secret into the request, from `file` or, without one, from the terminal. */
static enum ctl_exit add_secret(
	json_t *request, const char *member, const char *file, const char *what)
{
	char error[SECRET_INPUT_ERROR_SIZE];
	size_t length = 0;
	char *secret = file ? secret_from_file(file, &length, error)
			    : secret_from_terminal(what, &length, error);

	if (!secret) {
		ctl_complain("%s", error);
		return CTL_USAGE;
	}
	int failed = json_object_set_new(request, member, json_stringn(secret, length));
	secret_free(secret);
	if (failed)
		ctl_complain("%s is not UTF-8", what);
	return failed ? CTL_USAGE : CTL_DONE;
}

/* The initiator's secret always; the target's when mutual CHAP was asked for in either way. */
static enum ctl_exit add_secrets(const struct ctl_command *command, json_t *request)
{
	const char *file = command->options[OPTION_SECRET_FILE];
	const char *target_file = command->options[OPTION_TARGET_SECRET_FILE];
	enum ctl_exit result = add_secret(
		request, "SecretToAuthenticateInitiator", file, "Secret that the initiator proves");

	if (result == CTL_DONE && (target_file || ctl_given(command, OPTION_MUTUAL)))
		result = add_secret(request, "SecretToAuthenticateTarget", target_file,
			"Secret that the target proves");
	return result;
}

/* "90", "90s", "15m", "12h", "7d" in seconds; 0 if it is none of these, or too much. */
static json_int_t seconds_of(const char *text)
{
	static const char units[] = "smhd";
	static const json_int_t seconds[] = { 1, 60, 3600, 86400 };
	char *end;
	size_t digits = strspn(text, "0123456789");
	unsigned long number = digits && digits <= 9 ? strtoul(text, &end, 10) : 0;

	if (!number || (*end && end[1]))
		return 0;
	const char *unit = *end ? strchr(units, *end) : units;
	return unit ? (json_int_t)number * seconds[unit - units] : 0;
}

/* Its form alone is checked here: the daemon knows the limits. */
static enum ctl_exit add_grace(const struct ctl_command *command, json_t *request)
{
	const char *text = command->options[OPTION_GRACE];
	json_int_t seconds = seconds_of(text);

	if (seconds && json_object_set_new(request, "GraceSeconds", json_integer(seconds)) == 0)
		return CTL_DONE;
	ctl_complain("--grace: a time is a number of seconds, or of s, m, h or d: 90m, 12h, 7d");
	return CTL_USAGE;
}

/* In the way asked for: as it came, one sentence, or a table. */
static enum ctl_exit print_reply(const struct ctl_command *command, const struct http_reply *reply)
{
	const struct ctl_verb *verb = command->verb;
	const json_t *list = verb->list ? json_object_get(reply->body, verb->list) : NULL;

	if (ctl_given(command, OPTION_JSON)) {
		printf("%.*s\n", (int)reply->length, reply->text);
	} else if (verb->text_member) {
		fputs(text_of(reply->body, verb->text_member), stdout);
	} else if (!verb->list && verb->takes[1] != ARGUMENT_INITIATOR) {
		char what[MESSAGE_SIZE];
		const char *first = command->arguments[0] ? command->arguments[0] : "configuration";
		printf("%s: %s\n", text_escape(what, sizeof(what), first, strlen(first)),
			verb->done);
	} else if (!verb->list) {
		char initiator[MESSAGE_SIZE], target[MESSAGE_SIZE];
		const char *from = command->arguments[1], *to = command->arguments[0];
		printf("%s on %s: %s\n",
			text_escape(initiator, sizeof(initiator), from, strlen(from)),
			text_escape(target, sizeof(target), to, strlen(to)), verb->done);
	} else if (!json_is_array(list)) {
		ctl_complain("the answer has no list \"%s\"; portcullisd and portcullisctl differ "
			     "in version",
			verb->list);
		return CTL_UNREACHABLE;
	} else if (json_array_size(list) == 0) {
		puts(verb->empty);
	} else if (print_table(list, verb->columns, verb->column_count,
			   ctl_given(command, OPTION_SHOW_SECRETS)) != 0) {
		ctl_complain("out of memory");
		return CTL_UNREACHABLE;
	}
	return CTL_DONE;
}

enum ctl_exit ctl_run(const struct ctl_command *command)
{
	if (command->verb->run)
		return command->verb->run(command);

	json_t *request = json_object();
	struct http_reply reply = { 0 };
	enum ctl_exit result = add_arguments(command, request);

	if (result == CTL_DONE)
		result = argument_add_options(command, request);
	if (result == CTL_DONE && ctl_given(command, OPTION_GRACE))
		result = add_grace(command, request);
	if (result == CTL_DONE && takes_secrets(command->verb))
		result = add_secrets(command, request);
	if (result == CTL_DONE)
		result = ask(command, command->verb->operation, request, &reply);
	if (result == CTL_DONE)
		result = print_reply(command, &reply);
	http_reply_free(&reply);
	json_decref(request);
	return result;
}
