/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AWS's operations that look at volumes: ListVolumes, DescribeStorediSCSIVolumes and
 * ListVolumeInitiators. All volumes are stored ones, for their data lies here.
 */
#include "daemon/api/operation.h"

#include "daemon/core/interface.h"
#include "daemon/core/portals.h"
#include "daemon/core/registry.h"
#include "daemon/core/target.h"
#include "daemon/core/volume.h"
#include "daemon/core/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PAGE_USUAL 100 /* volumes in a reply, as AWS gives them */
#define PAGE_MOST  1000

static const struct config_gateway *gateway_of(const struct api_call *call)
{
	return &api_call_config(call)->config->gateway;
}

/* --- ListVolumes --- */

/*
 * A marker names the last volume of its page, "IQN,LUN", so that the next page begins behind it
 * whatever has come and gone meanwhile. 0, or -1 if it is none.
 */
static int read_marker(const char *marker, char name[ISCSI_NAME_MAX + 1], unsigned *lun)
{
	const char *comma = strrchr(marker, ',');
	if (!comma || comma == marker || (size_t)(comma - marker) > ISCSI_NAME_MAX)
		return -1;
	const size_t digits = strspn(comma + 1, "0123456789");
	if (digits < 1 || digits > 3 || comma[1 + digits])
		return -1;
	memcpy(name, marker, (size_t)(comma - marker));
	name[comma - marker] = '\0';
	*lun = (unsigned)strtoul(comma + 1, NULL, 10);
	return 0;
}

static json_t *volume_row(
	const struct volume *volume, const struct config_gateway *gateway, const char *arn)
{
	return json_pack("{s:s++, s:s, s:s, s:s, s:s, s:I, s:s}", "VolumeARN", arn, "/volume/",
		volume->id, "VolumeId", volume->id, "GatewayARN", arn, "GatewayId", gateway->id,
		"VolumeType", "STORED iSCSI", "VolumeSizeInBytes",
		(json_int_t)registry_lun_size(volume->target, volume->index),
		"VolumeAttachmentStatus", "ATTACHED");
}

/* The reply's page from `first` on. NULL when out of memory. */
static json_t *list_page(const struct volume_list *list, size_t first, size_t most,
	const struct config_gateway *gateway)
{
	char *arn = gateway_arn(gateway);
	json_t *rows = json_array();
	size_t next = first;
	bool complete = arn && rows;
	for (; complete && next < list->count && next - first < most; next++)
		complete = json_array_append_new(
				   rows, volume_row(&list->all[next], gateway, arn)) == 0;
	json_t *page = json_pack("{s:s, s:o}", "GatewayARN", arn ? arn : "", "VolumeInfos", rows);
	free(arn);
	if (complete && next < list->count && next > first) {
		const struct volume *last = &list->all[next - 1];
		complete = json_object_set_new(page, "Marker",
				   json_sprintf("%s,%u", last->target->name, last->lun)) == 0;
	}
	if (complete)
		return page;
	json_decref(page);
	return NULL;
}

void api_list_volumes(struct api_call *call)
{
	const char *marker = api_call_text(call, "Marker");
	const json_int_t limit = api_call_number(call, "Limit", PAGE_USUAL);
	char name[ISCSI_NAME_MAX + 1] = "";
	unsigned lun = 0;
	if (!api_call_is_here(call))
		return;
	if (marker && read_marker(marker, name, &lun)) {
		api_call_fail(call, API_INVALID_PARAMETERS, "Marker is none that was given here.");
		return;
	}
	struct volume_list list;
	if (volume_list_take(&list, api_call_config(call)->registry)) {
		api_call_fail(call, API_INTERNAL, NULL);
		return;
	}
	const size_t first = marker ? volume_list_after(&list, name, lun) : 0;
	json_t *page = list_page(
		&list, first, limit > PAGE_MOST ? PAGE_MOST : (size_t)limit, gateway_of(call));
	volume_list_free(&list);
	api_call_succeed_take(call, page);
}

/* --- DescribeStorediSCSIVolumes --- */

/* The volume that an ARN names, which is one by its form; NULL if it is not of this gateway. */
static const struct volume *find_volume(
	const struct volume_list *list, const char *gateway, const char *arn)
{
	static const char volume[] = "/volume/";
	const size_t length = strlen(gateway);
	if (strncmp(arn, gateway, length) != 0 ||
		strncmp(arn + length, volume, sizeof volume - 1) != 0)
		return NULL;
	return volume_list_find(list, arn + length + sizeof volume - 1);
}

static json_t *describe_attributes(
	const struct api_call *call, const struct target *target, unsigned lun, bool chap)
{
	const struct portal_set *portals = *api_call_config(call)->portals;
	char address[INTERFACE_TEXT_SIZE];
	const uint16_t port = interface_of_portal(portals->portals[0], address);
	return json_pack("{s:s, s:s, s:i, s:i, s:b}", "TargetARN", target->arn,
		"NetworkInterfaceId", address, "NetworkInterfacePort", (int)port, "LunNumber",
		(int)lun, "ChapEnabled", (int)chap);
}

static json_t *describe_volume(
	const struct api_call *call, const struct volume *volume, const char *arn)
{
	struct target *target = volume->target;
	struct credential_set *set = target_credentials(target);
	/* Stored credentials that cannot be read are no open door: nobody gets in. */
	const char *status = set && registry_is_open(target) ? "AVAILABLE" : "UNAVAILABLE";
	const bool chap = set ? target_requires_chap(target, set) : true;
	credential_set_unref(set);
	json_t *row = json_pack("{s:s, s:s, s:s, s:s, s:s, s:I, s:s, s:b, s:o}", "VolumeARN", arn,
		"VolumeId", volume->id, "VolumeType", "STORED iSCSI", "VolumeStatus", status,
		"VolumeAttachmentStatus", "ATTACHED", "VolumeSizeInBytes",
		(json_int_t)registry_lun_size(target, volume->index), "VolumeDiskId",
		target->config->luns[volume->index].path, "PreservedExistingData", 1,
		"VolumeiSCSIAttributes", describe_attributes(call, target, volume->lun, chap));
	static const char prefix[] = AWS_TARGET_PREFIX;
	const size_t length = sizeof prefix - 1;
	if (row && strncmp(target->name, prefix, length) == 0 &&
		json_object_set_new(row, "TargetName", json_string(target->name + length))) {
		json_decref(row);
		row = NULL;
	}
	return row;
}

void api_describe_stored_volumes(struct api_call *call)
{
	const json_t *arns = api_call_list(call, "VolumeARNs"), *element;
	struct volume_list list = { 0 };
	enum api_error error = API_OK;
	size_t index;
	char *gateway = gateway_arn(gateway_of(call));
	json_t *rows = json_array();
	if (!gateway || !rows || volume_list_take(&list, api_call_config(call)->registry))
		error = API_INTERNAL;
	json_array_foreach(arns, index, element)
	{
		const char *arn = json_string_value(element);
		const struct volume *volume = error ? NULL : find_volume(&list, gateway, arn);
		if (!error && !volume)
			error = API_VOLUME_NOT_FOUND;
		else if (!error && json_array_append_new(rows, describe_volume(call, volume, arn)))
			error = API_INTERNAL;
	}
	volume_list_free(&list);
	free(gateway);
	if (error) {
		json_decref(rows);
		api_call_fail(call, error, NULL);
	} else {
		api_call_succeed_take(call, json_pack("{s:o}", "StorediSCSIVolumes", rows));
	}
}

/* --- ListVolumeInitiators --- */

static int compare_names(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* A name once, however many sessions it has. */
static void list_initiators(void *context, const struct session_snapshot *snapshot)
{
	struct api_call *call = context;
	const struct target *target = registry_find_arn(
		api_call_config(call)->registry, call->target_arn);
	const char **names = calloc(snapshot->count + 1, sizeof *names);
	json_t *rows = json_array();
	bool complete = snapshot->complete && rows && names;
	size_t count = 0;
	for (size_t i = 0; complete && target && i < snapshot->count; i++) {
		const struct session_row *row = &snapshot->rows[i];
		if (!row->discovery && strcmp(row->target, target->name) == 0)
			names[count++] = row->initiator;
	}
	if (count)
		qsort(names, count, sizeof *names, compare_names);
	for (size_t i = 0; complete && i < count; i++) {
		if (i == 0 || strcmp(names[i], names[i - 1]) != 0)
			complete = json_array_append_new(rows, json_string(names[i])) == 0;
	}
	free(names);
	api_call_reply_list(call, "Initiators", rows, complete);
}

struct target *api_call_volume(struct api_call *call, unsigned *lun)
{
	struct volume_list list = { 0 };
	struct target *target = NULL;
	enum api_error error = API_OK;
	char *gateway = gateway_arn(gateway_of(call));
	if (!gateway || volume_list_take(&list, api_call_config(call)->registry))
		error = API_INTERNAL;
	const struct volume *volume = error ? NULL
					    : find_volume(&list, gateway,
						      api_call_text(call, "VolumeARN"));
	if (!error && !volume)
		error = API_VOLUME_NOT_FOUND;
	if (!error && !(call->target_arn = strdup(volume->target->arn)))
		error = API_INTERNAL;
	if (!error) {
		target = volume->target;
		*lun = volume->lun;
	}
	volume_list_free(&list);
	free(gateway);
	if (error)
		api_call_fail(call, error, NULL);
	return target;
}

void api_list_volume_initiators(struct api_call *call)
{
	unsigned lun;
	/* By its ARN, for the target may go while the workers are asked. */
	if (api_call_volume(call, &lun))
		api_call_with_sessions(call, list_initiators);
}
