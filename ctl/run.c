/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a verb does: find the target's ARN, gather the secrets, ask, print the answer.
 */
#include "ctl/ctl.h"

#include "base/encode.h"
#include "base/secret.h"
#include "ctl/arguments.h"
#include "ctl/client.h"
#include "ctl/secret_input.h"

#include <stdio.h>
#include <string.h>

#define MESSAGE_SIZE 1024

static bool takes_secrets(const struct ctl_verb *verb)
{
	return verb->options & 1u << OPTION_SECRET_FILE;
}

static enum ctl_exit add_name(
	json_t *request, const char *member, const char *name, const char *whose)
{
	if (json_object_set_new(request, member, client_lower_case(name)) == 0)
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
			result = client_add_target(command, text, request);
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

/* In the way asked for: as it came, one sentence, or a table. */
static enum ctl_exit print_reply(const struct ctl_command *command, const struct http_reply *reply)
{
	const struct ctl_verb *verb = command->verb;
	const json_t *list = verb->list ? json_object_get(reply->body, verb->list) : NULL;

	if (ctl_given(command, OPTION_JSON)) {
		printf("%.*s\n", (int)reply->length, reply->text);
	} else if (verb->text_member) {
		fputs(client_text(reply->body, verb->text_member), stdout);
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
	} else if ((ctl_given(command, OPTION_LONG)
				   ? print_records(stdout, list, verb->long_columns,
					     verb->long_count, false)
				   : print_table(stdout, list, verb->columns, verb->column_count,
					     ctl_given(command, OPTION_SHOW_SECRETS))) != 0) {
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
	if (result == CTL_DONE && takes_secrets(command->verb))
		result = add_secrets(command, request);
	if (result == CTL_DONE)
		result = client_ask(command, command->verb->operation, request, &reply);
	if (result == CTL_DONE)
		result = print_reply(command, &reply);
	http_reply_free(&reply);
	json_decref(request);
	return result;
}
