/* SPDX-License-Identifier: BSD-2-Clause */
/* One request and its answer, whoever asks. */
#include "ctl/client.h"

#include "base/encode.h"
#include "base/secret.h"
#include "ctl/advice.h"
#include "ctl/nearest.h"
#include "ctl/progress.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_TIMEOUT_MS 2000
#define NAME_SIZE       1024

const char *client_socket(const struct ctl_command *command)
{
	const char *given = command->options[OPTION_SOCKET];
	return given ? given : CLIENT_SOCKET;
}

const char *client_text(const json_t *object, const char *member)
{
	const char *text = json_string_value(json_object_get(object, member));
	return text ? text : "";
}

json_int_t client_seconds(const char *text)
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

enum ctl_exit client_ask(const struct ctl_command *command, const char *operation,
	const json_t *request, struct http_reply *reply)
{
	char error[HTTP_ERROR_SIZE];
	const char *timeout = command->options[OPTION_TIMEOUT];
	struct progress progress;
	struct http_wait wait = { .timeout_ms = HTTP_TIMEOUT_MS, .context = &progress };

	if (timeout)
		wait.timeout_ms = (long)client_seconds(timeout) * 1000;
	if (progress_begin(&progress, command, operation, request))
		wait.tick = progress_tick;
	int failed = http_call(client_socket(command), operation, request, &wait, reply, error);
	progress_end(&progress);
	if (failed) {
		ctl_complain("%s", error);
		return CTL_UNREACHABLE;
	}
	if (reply->status == 200)
		return CTL_DONE;
	if (ctl_given(command, OPTION_JSON))
		printf("%.*s\n", (int)reply->length, reply->text);
	advice_refusal(command, reply->body);
	return CTL_REFUSED;
}

json_t *client_look(const char *socket, const char *operation, const char *target_arn)
{
	static const struct http_wait wait = { .timeout_ms = LOOK_TIMEOUT_MS };
	char error[HTTP_ERROR_SIZE];
	struct http_reply reply = { 0 };
	json_t *body = NULL;
	json_t *request = target_arn ? json_pack("{s:s}", "TargetARN", target_arn) : json_object();

	if (request && http_call(socket, operation, request, &wait, &reply, error) == 0 &&
		reply.status == 200)
		body = json_incref(reply.body);
	http_reply_free(&reply);
	json_decref(request);
	return body;
}

json_t *client_lower_case(const char *name)
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

/* There is no such target; perhaps it is known which one was meant. */
static enum ctl_exit complain_target(const json_t *targets, const char *name)
{
	char wanted[NAME_SIZE], found[NAME_SIZE];
	struct nearest nearest = { .word = name };
	size_t index;
	json_t *target;

	json_array_foreach(targets, index, target)
		nearest_offer(&nearest, client_text(target, "TargetName"));
	const char *best = nearest_found(&nearest);
	text_escape(wanted, sizeof(wanted), name, strlen(name));
	if (best)
		ctl_complain("%s: there is no such target; did you mean %s?", wanted,
			text_escape(found, sizeof(found), best, strlen(best)));
	else if (json_array_size(targets) == 0)
		ctl_complain("%s: there is no such target, nor any other; portcullisctl "
			     "create-target makes one",
			wanted);
	else
		ctl_complain("%s: there is no such target; portcullisctl list-targets shows the "
			     "targets there are",
			wanted);
	return CTL_REFUSED;
}

/* Puts the ARN of the one target of that name into the request, or complains. */
static enum ctl_exit find_arn(const json_t *targets, const char *name, json_t *request)
{
	const char *arn = NULL;
	size_t index, matches = 0;
	json_t *target, *wanted = client_lower_case(name);

	json_array_foreach(targets, index, target)
	{
		if (!json_equal(json_object_get(target, "TargetName"), wanted))
			continue;
		arn = client_text(target, "TargetARN");
		matches++;
	}
	json_decref(wanted);
	if (matches == 1 && json_object_set_new(request, "TargetARN", json_string(arn)) == 0)
		return CTL_DONE;
	if (matches <= 1)
		return complain_target(targets, name);
	ctl_complain("%s: %zu targets have this name; give the ARN of one", name, matches);
	return CTL_REFUSED;
}

enum ctl_exit client_add_target(
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
	enum ctl_exit result = client_ask(command, LIST_TARGETS, nothing, &reply);
	if (result == CTL_DONE)
		result = find_arn(json_object_get(reply.body, "Targets"), name, request);
	http_reply_free(&reply);
	json_decref(nothing);
	return result;
}
