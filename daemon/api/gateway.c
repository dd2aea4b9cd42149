/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AWS's operations that look at the gateway, which is this daemon: ListGateways,
 * DescribeGatewayInformation and ListLocalDisks.
 */
#include "config.h"

#include "daemon/api/operation.h"

#include "daemon/core/disks.h"
#include "daemon/core/interface.h"
#include "daemon/core/portals.h"
#include "daemon/core/registry.h"
#include "daemon/core/target.h"
#include "daemon/core/volume.h"
#include "daemon/core/worker.h"

#include <stdlib.h>
#include <string.h>

/* Whether it is arn:PARTITION:storagegateway:REGION:ACCOUNT:gateway/ID. */
static bool is_gateway_arn(const char *arn)
{
	const char *part = arn;
	for (int i = 0; i < 5; i++) {
		const size_t length = strcspn(part, ":");
		if (!length || !part[length] || (i == 0 && strncmp(part, "arn:", 4) != 0) ||
			(i == 2 && strncmp(part, "storagegateway:", 15) != 0))
			return false;
		part += length + 1;
	}
	return strncmp(part, "gateway/", 8) == 0 && part[8] && !strchr(part + 8, '/');
}

bool api_call_is_here(struct api_call *call)
{
	const char *asked = api_call_text(call, "GatewayARN");
	if (!asked)
		return true;
	char *arn = gateway_arn(&api_call_config(call)->config->gateway);
	enum api_error error = API_OK;
	if (!arn)
		error = API_INTERNAL;
	else if (strcmp(asked, arn) != 0)
		error = is_gateway_arn(asked) ? API_GATEWAY_NOT_FOUND : API_GATEWAY_INVALID;
	free(arn);
	if (error)
		api_call_fail(call, error, NULL);
	return !error;
}

/* --- ListGateways --- */

void api_list_gateways(struct api_call *call)
{
	const struct config_gateway *gateway = &api_call_config(call)->config->gateway;
	if (api_call_text(call, "Marker")) {
		/* One gateway is no more than one page. */
		api_call_fail(call, API_INVALID_PARAMETERS, "Marker is none that was given here.");
		return;
	}
	char *arn = gateway_arn(gateway);
	json_t *reply = json_pack("{s:[{s:s, s:s, s:s, s:s, s:s, s:s, s:s}]}", "Gateways",
		"GatewayId", gateway->id, "GatewayARN", arn ? arn : "", "GatewayType", "STORED",
		"GatewayOperationalState", "ACTIVE", "GatewayName", gateway->id, "HostEnvironment",
		"OTHER", "SoftwareVersion", PACKAGE_VERSION);
	if (!arn) {
		json_decref(reply);
		reply = NULL;
	}
	free(arn);
	api_call_succeed_take(call, reply);
}

/* --- DescribeGatewayInformation --- */

static int add_interface(void *context, const char *address, bool is_ipv6)
{
	json_t *rows = context;
	const char *member = is_ipv6 ? "Ipv6Address" : "Ipv4Address";
	size_t index;
	const json_t *row;
	json_array_foreach(rows, index, row)
	{
		const char *known = json_string_value(json_object_get(row, member));
		if (known && strcmp(known, address) == 0)
			return 0;
	}
	return json_array_append_new(rows, json_pack("{s:s}", member, address));
}

void api_describe_gateway(struct api_call *call)
{
	const struct api_config *config = api_call_config(call);
	const struct config_gateway *gateway = &config->config->gateway;
	if (!api_call_is_here(call))
		return;
	json_t *interfaces = json_array();
	int failed = interfaces ? 0 : -1;
	const struct portal_set *portals = *config->portals;
	for (size_t i = 0; !failed && i < portals->count; i++)
		failed = interface_each(portals->portals[i], add_interface, interfaces);
	if (failed) {
		json_decref(interfaces);
		api_call_fail(call, API_INTERNAL, NULL);
		return;
	}
	api_call_succeed_take(
		call, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:o}", "GatewayARN",
			      api_call_text(call, "GatewayARN"), "GatewayId", gateway->id,
			      "GatewayName", gateway->id, "GatewayTimezone", "GMT", "GatewayState",
			      "RUNNING", "GatewayType", "STORED", "HostEnvironment", "OTHER",
			      "EndpointType", "STANDARD", "SoftwareVersion", PACKAGE_VERSION,
			      "GatewayNetworkInterfaces", interfaces));
}

/* --- ListLocalDisks --- */

struct listing {
	json_t *rows;
	const struct config_gateway *gateway;
	const struct disk_use *uses;
	size_t use_count;
};

static int add_disk(void *context, const struct disk *disk)
{
	struct listing *listing = context;
	const struct disk_use *use = disk_used_by(disk, listing->uses, listing->use_count);
	json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:I, s:s}", "DiskId", disk->path, "DiskPath",
		disk->path, "DiskNode", disk->name, "DiskStatus", "present", "DiskSizeInBytes",
		(json_int_t)disk->size, "DiskAllocationType", use ? "STORED iSCSI" : "AVAILABLE");
	if (!row) /* a name that is not UTF-8 cannot be told, nor asked for */
		return 0;
	if (use) {
		const struct volume *volume = use->context;
		json_t *resource = json_sprintf("%s::%u::%s-%s", volume->target->name, volume->lun,
			listing->gateway->region, volume->id);
		if (json_object_set_new(row, "DiskAllocationResource", resource)) {
			json_decref(row);
			return -1;
		}
	}
	return json_array_append_new(listing->rows, row);
}

void api_list_local_disks(struct api_call *call)
{
	const struct config *config = api_call_config(call)->config;
	struct volume_list list = { 0 };
	struct listing listing = { .gateway = &config->gateway };
	if (!api_call_is_here(call))
		return;
	listing.rows = json_array();
	int failed = listing.rows ? volume_list_take(&list, api_call_config(call)->registry) : -1;
	struct disk_use *uses = failed ? NULL : volume_list_uses(&list);
	listing.uses = uses;
	listing.use_count = list.count;
	failed = uses ? 0 : -1;
	for (size_t i = 0; !failed && i < config->control.disk_directory_count; i++)
		failed = disks_each(config->control.disk_directories[i], add_disk, &listing);
	free(uses);
	volume_list_free(&list);
	if (failed) {
		json_decref(listing.rows);
		api_call_fail(call, API_INTERNAL, NULL);
	} else {
		api_call_succeed_take(
			call, json_pack("{s:s, s:o}", "GatewayARN",
				      api_call_text(call, "GatewayARN"), "Disks", listing.rows));
	}
}
