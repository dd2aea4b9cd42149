/* SPDX-License-Identifier: BSD-2-Clause */
/* A verb's words and options as members of the request: numbers, sizes, paths, and the text of a file. */
#include "ctl/arguments.h"

#include "conf/config.h"
#include "conf/config_value.h"

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

static enum ctl_exit add_lun(json_t *request, const char *text)
{
	size_t digits = strspn(text, "0123456789");

	if (digits >= 1 && digits <= 3 && !text[digits])
		return add(request, "LunNumber", json_integer(strtol(text, NULL, 10)), "LUN");
	ctl_complain("LUN is a number from 0 to 255");
	return CTL_USAGE;
}

static enum ctl_exit add_size(json_t *request, const char *text)
{
	uint64_t size;

	if (value_size(text, &size) == 0 && size <= INT64_MAX)
		return add(request, "SizeInBytes", json_integer((json_int_t)size), "SIZE");
	ctl_complain("SIZE is a number of bytes, or one with K, M, G, T or P");
	return CTL_USAGE;
}

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

static enum ctl_exit add_portal_group(json_t *request, const char *text)
{
	size_t digits = strspn(text, "0123456789");

	if (digits >= 1 && digits <= 5 && !text[digits])
		return add(request, "Group", json_integer(strtol(text, NULL, 10)), "GROUP");
	ctl_complain("GROUP is a number from 1 to 65535");
	return CTL_USAGE;
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
		return add_lun(request, text);
	case ARGUMENT_PATH:
		return add(request, "Path", json_string(text), "PATH");
	case ARGUMENT_SIZE:
		return add_size(request, text);
	case ARGUMENT_ON_OFF:
		return add_on_off(request, text);
	case ARGUMENT_FILE:
		return add_file(request, text);
	case ARGUMENT_PORTAL:
		return add_portal(request, text);
	case ARGUMENT_PORTAL_GROUP:
		return add_portal_group(request, text);
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

enum ctl_exit argument_add_options(const struct ctl_command *command, json_t *request)
{
	const char *size = command->options[OPTION_SIZE];
	const char *policy = command->options[OPTION_AUTHENTICATION];
	enum ctl_exit result = size ? add_size(request, size) : CTL_DONE;

	if (result == CTL_DONE && policy)
		result = add(request, "Authentication", json_string(policy), "POLICY");
	if (result == CTL_DONE && ctl_given(command, OPTION_READ_ONLY))
		result = add(request, "ReadOnly", json_true(), "on");
	if (result == CTL_DONE && ctl_given(command, OPTION_FORCE))
		result = add(request, "Force", json_true(), "force");
	return result;
}
