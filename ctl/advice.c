/* SPDX-License-Identifier: BSD-2-Clause */
/* One table from errors to advice; the daemon's message says what was wrong, this what helps. */
#include "ctl/advice.h"

#include "base/encode.h"
#include "ctl/client.h"

#include <stdio.h>
#include <string.h>

#define MESSAGE_SIZE 1024
#define VERB_HELP    "portcullisctl VERB --help says what is expected"

/*
 * By the reply's errorCode or else its __type; the first row that fits. VERB stands for the verb, TARGET
 * for its first argument.
 */
static const struct {
	const char *code;
	const char *verb; /* what its name begins with; NULL: any */
	const char *advice;
} advices[] = {
	{ "TargetNotFound", NULL, "portcullisctl list-targets shows the targets there are" },
	{ "TargetInvalid", NULL,
		"give a target's IQN or ARN as portcullisctl list-targets shows it" },
	{ "TargetAlreadyExists", NULL,
		"take another name, or add a LUN to that one: portcullisctl create-lun TARGET LUN "
		"PATH" },
	{ "InitiatorNotFound", "close-session",
		"portcullisctl list-sessions TARGET shows who is logged in" },
	{ "InitiatorNotFound", NULL,
		"portcullisctl describe-chap TARGET shows who has credentials" },
	{ "LunAlreadyAllocated", NULL,
		"take another number; portcullisctl --json list-targets shows those in use" },
	{ "LunInvalid", NULL, "portcullisctl --json list-targets shows the LUNs there are" },
	{ "VolumeInUse", "delete-volume",
		"log the initiators out: portcullisctl list-volumes shows the target, and "
		"portcullisctl list-sessions who they are" },
	{ "VolumeInUse", NULL,
		"log the initiators out (portcullisctl list-sessions TARGET shows them), or close "
		"their sessions with --force" },
	{ "VolumeNotFound", NULL, "portcullisctl list-volumes shows the volumes there are" },
	{ "DiskDoesNotExist", NULL,
		"name a file or device that is there, directly in one of "
		"control.disk_directories" },
	{ "DiskAlreadyAllocated", NULL, "portcullisctl list-volumes shows whose disk it is" },
	{ "InvalidParameters", "remove-portal",
		"a portal that the configuration file names is taken out there, then: "
		"portcullisctl "
		"config reload" },
	{ "GatewayNotFound", NULL,
		"that is the ARN of another gateway; portcullisctl list-targets shows this one's" },
	{ "InvalidGateway", NULL,
		"that is the ARN of another gateway; portcullisctl list-targets shows this one's" },
	{ "InvalidParameters", "update-chap",
		"secrets are 12 to 16 bytes of UTF-8, and the two must differ" },
	{ "InvalidParameters", "rotate-chap",
		"secrets are 12 to 16 bytes of UTF-8, and the two must differ, also from the old "
		"ones; portcullisctl finish-rotation ends a rotation that is under way" },
	{ "InvalidParameters", "resize-lun",
		"SIZE is the whole new size, in whole blocks; a LUN only grows" },
	{ "InvalidParameters", "delete-",
		"what the configuration file names is taken out there, then: portcullisctl config "
		"reload; a target's only LUN goes with portcullisctl delete-target" },
	{ "InvalidParameters", "create-volume", VERB_HELP },
	{ "InvalidParameters", "create-",
		"PATH is \"memory:\" or a file directly in one of control.disk_directories "
		"(portcullisctl config show; to change them takes a restart), and what is not "
		"there "
		"yet needs --size; " VERB_HELP },
	{ "InvalidParameters", "add-portal",
		"give an address of this host and a port that nobody has; portcullisctl "
		"list-portals shows the portals there are" },
	{ "InvalidParameters", "config",
		"nothing has changed; portcullisctl config check tries the file once it is "
		"edited" },
	{ "InvalidParameters", NULL, VERB_HELP },
	{ "NotSupported", NULL,
		"give the target authentication = \"auto\" or \"chap\" in portcullis.conf, then: "
		"portcullisctl config reload" },
	{ "InternalError", NULL, "the daemon's log says why: journalctl -u portcullisd" },
	{ "ValidationException", NULL, VERB_HELP },
	{ "RequestEntityTooLargeException", NULL,
		"portcullisd -t -c FILE checks a file of any size" },
	{ "SerializationException", NULL,
		"portcullisd and this portcullisctl differ in version; both know --version" },
	{ "UnknownOperationException", NULL,
		"portcullisd is older than this portcullisctl; both know --version" },
};

/* NULL: there is nothing to say. The more exact name is asked for first. */
static const char *advice_of(const char *verb, const char *code, const char *type)
{
	for (size_t i = 0; i < sizeof(advices) / sizeof(advices[0]); i++) {
		const char *only = advices[i].verb;
		if (strcmp(advices[i].code, code[0] ? code : type) == 0 &&
			(!only || strncmp(verb, only, strlen(only)) == 0))
			return advices[i].advice;
	}
	return NULL;
}

/* The advice, with the words of this command in it. */
static void put_advice(const struct ctl_command *command, const char *advice)
{
	static const char verb[] = "VERB", target[] = "TARGET";
	char name[MESSAGE_SIZE], line[2 * MESSAGE_SIZE];
	const char *first = command->arguments[0] ? command->arguments[0] : target;
	FILE *out = fmemopen(line, sizeof(line), "w");

	if (!out)
		return;
	text_escape(name, sizeof(name), first, strlen(first));
	while (*advice) {
		if (strncmp(advice, verb, sizeof(verb) - 1) == 0) {
			fputs(command->verb->name, out);
			advice += sizeof(verb) - 1;
		} else if (strncmp(advice, target, sizeof(target) - 1) == 0) {
			fputs(name, out);
			advice += sizeof(target) - 1;
		} else {
			fputc(*advice++, out);
		}
	}
	fclose(out);
	ctl_complain("%s", line);
}

/* The daemon's words as a terminal may have them. Quotes stay, and so does what it has escaped itself. */
static void escape_message(char message[MESSAGE_SIZE], const char *text)
{
	size_t at = 0;

	for (message[0] = '\0'; *text && at + 1 < MESSAGE_SIZE; text++) {
		if (*text == '"' || *text == '\\')
			snprintf(message + at, MESSAGE_SIZE - at, "%c", *text);
		else
			text_escape(message + at, MESSAGE_SIZE - at, text, 1);
		at += strlen(message + at);
	}
}

void advice_refusal(const struct ctl_command *command, const json_t *reply)
{
	char message[MESSAGE_SIZE];
	const char *text = client_text(reply, "message");
	const char *type = client_text(reply, "__type");
	const char *code = client_text(json_object_get(reply, "error"), "errorCode");
	const char *advice = advice_of(command->verb->name, code, type);

	escape_message(message, text);
	ctl_complain("%s (%s%s%s)", message[0] ? message : "refused", type[0] ? type : "HTTP error",
		code[0] ? ", " : "", code);
	if (advice)
		put_advice(command, advice);
}
