/* SPDX-License-Identifier: BSD-2-Clause */
/* A verb's words and options as members of the request: numbers, sizes, paths, and the text of a file. */
#include "ctl/arguments.h"

#include "conf/config.h"
#include "conf/config_value.h"
#include "ctl/client.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MOST 60000 /* bytes of a configuration that fit into a request */

static enum ctl_exit add(json_t *request, const char *member, json_t *value, const char *what)
{
	if (json_object_set_new(request, member, value) == 0)
		return CTL_DONE;
	ctl_complain("%s is not UTF-8", what);
	return CTL_USAGE;
}

/* --- values: NULL is none of that form; the limits are the daemon's affair --- */

static json_t *number_of(const char *text, size_t digits_most)
{
	size_t digits = strspn(text, "0123456789");

	if (digits < 1 || digits > digits_most || text[digits])
		return NULL;
	return json_integer(strtol(text, NULL, 10));
}

static json_t *lun_of(const char *text)
{
	return number_of(text, 3);
}

static json_t *group_of(const char *text)
{
	return number_of(text, 5);
}

static json_t *bytes_of(const char *text)
{
	uint64_t size;

	if (value_size(text, &size) != 0 || size > INT64_MAX)
		return NULL;
	return json_integer((json_int_t)size);
}

static json_t *seconds_of(const char *text)
{
	json_int_t seconds = client_seconds(text);

	return seconds ? json_integer(seconds) : NULL;
}

static json_t *true_of(const char *text)
{
	(void)text;
	return json_true();
}

#define LUN_FORM   "a number from 0 to 255"
#define SIZE_FORM  "a number of bytes, or one with K, M, G, T or P"
#define GROUP_FORM "a number from 1 to 65535"

/* A value, if it is of the form that its reader knows. */
static enum ctl_exit add_formed(
	json_t *request, const char *member, json_t *value, const char *what, const char *form)
{
	if (json_object_set_new(request, member, value) == 0)
		return CTL_DONE;
	ctl_complain("%s is %s", what, form);
	return CTL_USAGE;
}

/* --- arguments --- */

/* The daemon takes any form of an address; the port it must be given apart. */
static enum ctl_exit add_portal(json_t *request, const char *text)
{
	char address[CONFIG_ADDRESS_SIZE];
	uint16_t port;

	if (config_endpoint(text, address, &port) != 0) {
		ctl_complain("a portal is ADDRESS:PORT, with a numeric address: 192.0.2.1:3260 or "
			     "[2001:db8::1]:3260");
		return CTL_USAGE;
	}
	enum ctl_exit result = add(request, "Address", json_string(address), "ADDRESS");
	return result == CTL_DONE ? add(request, "Port", json_integer(port), "PORT") : result;
}

static enum ctl_exit add_on_off(json_t *request, const char *text)
{
	bool on = strcmp(text, "on") == 0;

	if (on || strcmp(text, "off") == 0)
		return add(request, "ReadOnly", json_boolean(on), "on");
	ctl_complain("expected \"on\" or \"off\"");
	return CTL_USAGE;
}

static enum ctl_exit add_file(json_t *request, const char *path)
{
	FILE *file = fopen(path, "re");
	char *text = file ? malloc(FILE_MOST + 1) : NULL;
	size_t length = text ? fread(text, 1, FILE_MOST + 1, file) : 0;
	int reason = !file || ferror(file) ? errno : 0;
	enum ctl_exit result = CTL_USAGE;

	if (reason || !text)
		ctl_complain("%s: %s", path, strerror(reason ? reason : ENOMEM));
	else if (length > FILE_MOST)
		ctl_complain("%s: longer than %d bytes; portcullisd -t -c FILE checks any file",
			path, FILE_MOST);
	else
		result = add(request, "Configuration", json_stringn(text, length), path);
	free(text);
	if (file)
		fclose(file);
	return result;
}

enum ctl_exit argument_add(enum ctl_argument kind, const char *text, json_t *request)
{
	switch (kind) {
	case ARGUMENT_LUN:
		return add_formed(request, "LunNumber", lun_of(text), "LUN", LUN_FORM);
	case ARGUMENT_PATH:
		return add(request, "Path", json_string(text), "PATH");
	case ARGUMENT_SIZE:
		return add_formed(request, "SizeInBytes", bytes_of(text), "SIZE", SIZE_FORM);
	case ARGUMENT_ON_OFF:
		return add_on_off(request, text);
	case ARGUMENT_FILE:
		return add_file(request, text);
	case ARGUMENT_PORTAL:
		return add_portal(request, text);
	case ARGUMENT_PORTAL_GROUP:
		return add_formed(request, "Group", group_of(text), "GROUP", GROUP_FORM);
	case ARGUMENT_TARGET:
	case ARGUMENT_INITIATOR:
	case ARGUMENT_NAME:
	case ARGUMENT_SESSION:
	case ARGUMENT_ISID:
	case ARGUMENT_VOLUME_NAME:
	case ARGUMENT_DISK:
	case ARGUMENT_VOLUME:
	case ARGUMENT_VERB:
	case ARGUMENT_KINDS:
		break; /* names are run.c's */
	}
	return CTL_USAGE;
}

/* --- options --- */

static const struct {
	enum ctl_option option;
	const char *member;
	json_t *(*value_of)(const char *text);
	const char *form; /* what is expected */
} option_members[] = {
	{ OPTION_LUN, "LunNumber", lun_of, LUN_FORM },
	{ OPTION_SIZE, "SizeInBytes", bytes_of, SIZE_FORM },
	{ OPTION_BLOCK_SIZE, "BlockSize", bytes_of, "512, 1024, 2048 or 4096 bytes" },
	{ OPTION_PHYSICAL_BLOCK_SIZE, "PhysicalBlockSize", bytes_of,
		"a power of two from the block size to 65536 bytes" },
	{ OPTION_READ_ONLY, "ReadOnly", true_of, "without a value" },
	{ OPTION_CACHE, "Cache", json_string, "page or direct" },
	{ OPTION_SERIAL, "Serial", json_string, "at most 36 printable ASCII characters" },
	{ OPTION_NAA, "Naa", json_string, "32 hexadecimal digits of which the first is 6" },
	{ OPTION_AUTHENTICATION, "Authentication", json_string, "auto, chap or none" },
	{ OPTION_FORCE, "Force", true_of, "without a value" },
	{ OPTION_GRACE, "GraceSeconds", seconds_of,
		"a number of seconds, or of s, m, h or d: 90m, 12h, 7d" },
};

enum ctl_exit argument_add_options(const struct ctl_command *command, json_t *request)
{
	enum ctl_exit result = CTL_DONE;

	for (size_t i = 0; i < sizeof(option_members) / sizeof(option_members[0]); i++) {
		enum ctl_option option = option_members[i].option;
		const char *text = command->options[option];
		char name[32];
		if (!text || result != CTL_DONE)
			continue;
		snprintf(name, sizeof(name), "--%s", ctl_options[option].name);
		result = add_formed(request, option_members[i].member,
			option_members[i].value_of(text), name, option_members[i].form);
	}
	return result;
}
