/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Volumes, AWS's word for LUNs: what its operations want to have named (the gateway, an address of it, an ARN) is looked
 * up, so that nobody has to type it; pages are put together, and a row holds what people ask for.
 */
#include "base/encode.h"
#include "ctl/client.h"

#include <stdio.h>
#include <string.h>

#define AWS(operation) "StorageGateway_20130630." operation
#define AWS_PREFIX     "iqn.1997-05.com.amazon:"
#define NAME_SIZE      1024

/* Asks for one operation; the answer's body in *body, the caller's. */
static enum ctl_exit ask(
	const struct ctl_command *command, const char *operation, json_t *request, json_t **body)
{
	struct http_reply reply = { 0 };
	enum ctl_exit result = client_ask(command, operation, request, &reply);

	*body = result == CTL_DONE ? json_incref(reply.body) : NULL;
	http_reply_free(&reply);
	return result;
}

/* Puts GatewayARN into the request. */
static enum ctl_exit add_gateway(const struct ctl_command *command, json_t *request)
{
	json_t *nothing = json_object(), *found;
	enum ctl_exit result = ask(command, AWS("ListGateways"), nothing, &found);
	const json_t *first = json_array_get(json_object_get(found, "Gateways"), 0);

	if (result == CTL_DONE)
		json_object_set_new(
			request, "GatewayARN", json_string(client_text(first, "GatewayARN")));
	json_decref(found);
	json_decref(nothing);
	return result;
}

/* Puts the gateway and the first of its addresses there: a volume is served on all of them. */
static enum ctl_exit add_place(const struct ctl_command *command, json_t *request)
{
	json_t *found = NULL;
	enum ctl_exit result = add_gateway(command, request);

	if (result == CTL_DONE)
		result = ask(command, AWS("DescribeGatewayInformation"), request, &found);
	const json_t *first = json_array_get(json_object_get(found, "GatewayNetworkInterfaces"), 0);
	const char *address = client_text(first, "Ipv4Address");
	if (!address[0])
		address = client_text(first, "Ipv6Address");
	if (result == CTL_DONE)
		json_object_set_new(request, "NetworkInterfaceId", json_string(address));
	json_decref(found);
	return result;
}

/* The name alone, or the whole IQN that it makes. */
static json_t *target_name(const char *word)
{
	json_t *lower = client_lower_case(word);
	const char *text = json_string_value(lower);

	if (!text || strncmp(text, AWS_PREFIX, strlen(AWS_PREFIX)) != 0)
		return lower;
	json_t *name = json_string(text + strlen(AWS_PREFIX));
	json_decref(lower);
	return name;
}

/* "vol-..., which is TARGET: " and what was done. */
static void tell(const struct ctl_command *command, const json_t *body, const char *target)
{
	char shown[NAME_SIZE];
	const char *arn = client_text(body, "VolumeARN"), *id = strrchr(arn, '/');

	id = id ? id + 1 : arn;
	printf("%s", text_escape(shown, sizeof(shown), id, strlen(id)));
	if (target[0])
		printf(" (%s)", text_escape(shown, sizeof(shown), target, strlen(target)));
	printf(": %s\n", command->verb->done);
}

static enum ctl_exit carry_out(const struct ctl_command *command, json_t *request)
{
	struct http_reply reply = { 0 };
	enum ctl_exit result = client_ask(command, command->verb->operation, request, &reply);
	const char *arn = client_text(reply.body, "TargetARN"), *name = strstr(arn, "/target/");

	if (result == CTL_DONE && ctl_given(command, OPTION_JSON))
		printf("%.*s\n", (int)reply.length, reply.text);
	else if (result == CTL_DONE)
		tell(command, reply.body, name ? name + strlen("/target/") : arn);
	http_reply_free(&reply);
	return result;
}

enum ctl_exit ctl_create_volume_run(const struct ctl_command *command)
{
	json_t *request = json_object();
	enum ctl_exit result = add_place(command, request);

	if (result == CTL_DONE &&
		(json_object_set_new(request, "TargetName", target_name(command->arguments[0])) ||
			json_object_set_new(
				request, "DiskId", json_string(command->arguments[1])) ||
			json_object_set_new(request, "PreserveExistingData",
				json_boolean(!ctl_given(command, OPTION_EMPTY))))) {
		ctl_complain("NAME or DISK is not UTF-8");
		result = CTL_USAGE;
	}
	if (result == CTL_DONE)
		result = carry_out(command, request);
	json_decref(request);
	return result;
}

enum ctl_exit ctl_delete_volume_run(const struct ctl_command *command)
{
	const char *word = command->arguments[0];
	json_t *request = json_object(), *gateway = json_object(), *arn;
	const bool whole = strncmp(word, "arn:", 4) == 0;
	enum ctl_exit result = whole ? CTL_DONE : add_gateway(command, gateway);

	if (whole)
		arn = json_string(word);
	else
		arn = json_sprintf("%s/volume/%s", client_text(gateway, "GatewayARN"), word);
	json_decref(gateway);
	if (json_object_set_new(request, "VolumeARN", arn) && result == CTL_DONE) {
		ctl_complain("VOLUME is not UTF-8");
		result = CTL_USAGE;
	}
	if (result == CTL_DONE)
		result = carry_out(command, request);
	json_decref(request);
	return result;
}

/* --- list-volumes --- */

static const struct print_column columns[] = {
	{ "VOLUME", "VolumeId", PRINT_TEXT },
	{ "SIZE", "VolumeSizeInBytes", PRINT_BYTES },
	{ "STATUS", "VolumeStatus", PRINT_TEXT },
	{ "LUN", "LunNumber", PRINT_COUNT },
	{ "TARGET", "Target", PRINT_TEXT },
	{ "DISK", "VolumeDiskId", PRINT_TEXT },
};

/* Describes the volumes of a page and appends them to `rows`. */
static enum ctl_exit add_page(const struct ctl_command *command, const json_t *page, json_t *rows)
{
	json_t *arns = json_array(), *found, *row;
	size_t index;

	json_array_foreach(json_object_get(page, "VolumeInfos"), index, row)
		json_array_append(arns, json_object_get(row, "VolumeARN"));
	json_t *request = json_pack("{s:o}", "VolumeARNs", arns);
	enum ctl_exit result = ask(command, AWS("DescribeStorediSCSIVolumes"), request, &found);
	if (result == CTL_DONE)
		json_array_extend(rows, json_object_get(found, "StorediSCSIVolumes"));
	json_decref(found);
	json_decref(request);
	return result;
}

static enum ctl_exit gather(const struct ctl_command *command, json_t *rows)
{
	json_t *request = json_object(), *page, *marker;
	enum ctl_exit result;

	do {
		result = ask(command, command->verb->operation, request, &page);
		if (result == CTL_DONE)
			result = add_page(command, page, rows);
		marker = json_object_get(page, "Marker");
		if (result == CTL_DONE && marker)
			json_object_set(request, "Marker", marker);
		else
			marker = NULL;
		json_decref(page);
	} while (marker);
	json_decref(request);
	return result;
}

enum ctl_exit ctl_list_volumes_run(const struct ctl_command *command)
{
	json_t *rows = json_array(), *row;
	enum ctl_exit result = gather(command, rows);
	size_t index;

	if (result == CTL_DONE && ctl_given(command, OPTION_JSON)) {
		json_t *all = json_pack("{s:O}", "StorediSCSIVolumes", rows);
		json_dumpf(all, stdout, JSON_COMPACT);
		putchar('\n');
		json_decref(all);
	} else if (result == CTL_DONE && json_array_size(rows) == 0) {
		puts(command->verb->empty);
	} else if (result == CTL_DONE) {
		json_array_foreach(rows, index, row)
		{
			const json_t *more = json_object_get(row, "VolumeiSCSIAttributes");
			const char *name = strstr(client_text(more, "TargetARN"), "/target/");
			json_object_set(row, "LunNumber", json_object_get(more, "LunNumber"));
			if (name)
				json_object_set_new(
					row, "Target", json_string(name + strlen("/target/")));
		}
		if (print_table(stdout, rows, columns, sizeof(columns) / sizeof(columns[0]), false))
			result = CTL_UNREACHABLE;
	}
	json_decref(rows);
	return result;
}
