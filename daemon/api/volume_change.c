/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * AWS's operations that make and delete volumes: CreateStorediSCSIVolume, which is a target made live with one LUN, and
 * DeleteVolume. What they change goes through daemon/core/live.h, as with CreateTarget. A disk is taken as it is: nothing
 * here erases, and a deleted volume's disk stays.
 */
#include "daemon/api/operation.h"

#include "daemon/core/disks.h"
#include "daemon/core/interface.h"
#include "daemon/core/registry.h"
#include "daemon/core/target.h"
#include "daemon/core/volume.h"
#include "daemon/core/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct volume_change {
	struct live_change live; /* first */
	struct api_call *call;
	bool must_be_empty;
	enum api_error refusal; /* what refused_with() says it was; API_OK: as live.h has it */
};

static void change_free(struct volume_change *change)
{
	overlay_free(change->live.wanted);
	free(change->live.target);
	free(change);
}

/* --- CreateStorediSCSIVolume: what is asked for --- */

/* What AWS's volumes have and ours have not; NULL: nothing of it is asked for. */
static const char *find_unsupported(const struct api_call *call)
{
	if (api_call_text(call, "SnapshotId"))
		return "There are no snapshots here.";
	if (api_call_flag(call, "KMSEncrypted") || api_call_text(call, "KMSKey"))
		return "Volumes are not encrypted here.";
	if (json_array_size(api_call_list(call, "Tags")))
		return "There are no tags here.";
	return NULL;
}

struct sought {
	const char *text;
	bool found;
};

static int compare_address(void *context, const char *address, bool is_ipv6)
{
	struct sought *sought = context;
	(void)is_ipv6;
	sought->found |= strcmp(address, sought->text) == 0;
	return 0;
}

/* Whether some portal is reached at this address, as DescribeGatewayInformation tells them. */
static bool is_interface(const struct api_config *config, const char *address)
{
	struct sought sought = { .text = address };
	const struct portal_set *portals = *config->portals;
	for (size_t i = 0; i < portals->count; i++)
		interface_each(portals->portals[i], compare_address, &sought);
	return sought.found;
}

static int compare_disk(void *context, const struct disk *disk)
{
	struct sought *sought = context;
	sought->found |= strcmp(disk->path, sought->text) == 0;
	return 0;
}

/* Whether ListLocalDisks tells of it. */
static bool is_disk(const struct config *config, const char *id)
{
	struct sought sought = { .text = id };
	for (size_t i = 0; i < config->control.disk_directory_count; i++)
		disks_each(config->control.disk_directories[i], compare_disk, &sought);
	return sought.found;
}

/* --- on its turn --- */

static enum live_result refused_with(
	struct volume_change *change, enum api_error refusal, const char *why)
{
	change->refusal = refusal;
	snprintf(change->live.error, sizeof change->live.error, "%s", why);
	return LIVE_REFUSED;
}

/* Not before: an earlier change may have taken the disk, or given it up, and written to it. */
static enum live_result check_disk(struct live_change *live)
{
	struct volume_change *change = (struct volume_change *)live;
	const char *path = live->wanted->targets->luns->path;
	struct volume_list list = { 0 };
	struct disk_use *uses = NULL, own;
	if (volume_list_take(&list, api_call_config(change->call)->registry) == 0)
		uses = volume_list_uses(&list);
	disk_use_find(&own, path, NULL);
	const struct disk disk = { .identity = own.identity };
	const bool taken = uses && disk_used_by(&disk, uses, list.count);
	const bool known = uses;
	free(uses);
	volume_list_free(&list);
	if (!known)
		return LIVE_FAILED;
	if (taken)
		return refused_with(change, API_DISK_IN_USE, "");
	if (change->must_be_empty && !disk_is_empty(path))
		return refused_with(change, API_INVALID_PARAMETERS,
			"The disk is not empty, or too large to see that it is, and nothing is "
			"erased here: empty it, or ask with PreserveExistingData.");
	return LIVE_DONE;
}

/* --- the end --- */

static json_t *describe_created(const struct api_call *call, const char *name)
{
	const struct api_config *config = api_call_config(call);
	const struct target *target = registry_find(config->registry, name);
	char id[VOLUME_ID_SIZE];
	char *gateway = gateway_arn(&config->config->gateway);
	json_t *reply = NULL;
	if (gateway && target && volume_id(id, target->arn, target->config->luns->lun) == 0)
		reply = json_pack("{s:s++, s:I, s:s}", "VolumeARN", gateway, "/volume/", id,
			"VolumeSizeInBytes", (json_int_t)registry_lun_size(target, 0), "TargetARN",
			target->arn);
	free(gateway);
	return reply;
}

static json_t *describe(const struct volume_change *change)
{
	if (change->live.kind == LIVE_CREATE_TARGET)
		return describe_created(change->call, change->live.target);
	return json_pack("{s:s}", "VolumeARN", api_call_text(change->call, "VolumeARN"));
}

static void changed(struct live_change *live, enum live_result result)
{
	struct volume_change *change = (struct volume_change *)live;
	enum api_error error = api_live_error(live, result);
	/* It went while this one waited for its turn. */
	if (result == LIVE_NO_TARGET || result == LIVE_NO_LUN)
		error = API_VOLUME_NOT_FOUND;
	if (result == LIVE_REFUSED && change->refusal)
		error = change->refusal;
	if (error)
		api_call_fail(change->call, error, live->error[0] ? live->error : NULL);
	else
		api_call_succeed_take(change->call, describe(change));
	change_free(change);
}

/* NULL: the call has ended. */
static struct volume_change *change_new(
	struct api_call *call, enum live_kind kind, const char *target)
{
	struct volume_change *change = calloc(1, sizeof *change);
	if (change)
		change->live.target = strdup(target);
	if (!change || !change->live.target) {
		free(change);
		api_call_fail(call, API_INTERNAL, NULL);
		return NULL;
	}
	change->call = call;
	change->live.kind = kind;
	change->live.done = changed;
	return change;
}

/* Begins to make the target of that name with LUN 0. */
static void create(struct api_call *call, const char *name, const char *disk)
{
	struct volume_change *change = change_new(call, LIVE_CREATE_TARGET, name);
	if (!change)
		return;
	json_t *words = json_pack("{s:s, s:s}", "TargetName", name, "Path", disk);
	change->live.check = check_disk;
	change->must_be_empty = !api_call_flag(call, "PreserveExistingData");
	change->live.wanted = api_wanted_target(words, change->live.error);
	json_decref(words);
	if (change->live.wanted) {
		live_begin(api_call_config(call)->live, &change->live);
	} else {
		api_call_fail(call, API_INVALID_PARAMETERS, change->live.error);
		change_free(change);
	}
}

void api_create_stored_volume(struct api_call *call)
{
	const struct api_config *config = api_call_config(call);
	const char *disk = api_call_text(call, "DiskId"), *unsupported = find_unsupported(call);
	char name[sizeof AWS_TARGET_PREFIX + 200];
	if (!api_call_is_here(call))
		return;
	snprintf(name, sizeof name, AWS_TARGET_PREFIX "%s", api_call_text(call, "TargetName"));
	/* For the audit line; the handler has checked that it is this gateway's. */
	if (asprintf(&call->target_arn, "%s/target/%s", api_call_text(call, "GatewayARN"), name) <
		0) {
		call->target_arn = NULL;
		api_call_fail(call, API_INTERNAL, NULL);
	} else if (unsupported) {
		api_call_fail(call, API_NOT_SUPPORTED, unsupported);
	} else if (!is_interface(config, api_call_text(call, "NetworkInterfaceId"))) {
		api_call_fail(call, API_INVALID_PARAMETERS,
			"NetworkInterfaceId must be an address that DescribeGatewayInformation "
			"tells.");
	} else if (!is_disk(config->config, disk)) {
		api_call_fail(call, API_DISK_NOT_FOUND, "ListLocalDisks tells those there are.");
	} else {
		create(call, name, disk);
	}
}

/* --- DeleteVolume --- */

void api_delete_volume(struct api_call *call)
{
	unsigned lun = 0;
	const struct target *target = api_call_volume(call, &lun);
	struct volume_change *change = target ? change_new(call, LIVE_DELETE_VOLUME, target->name)
					      : NULL;
	if (!change)
		return;
	change->live.lun = lun;
	live_begin(api_call_config(call)->live, &change->live);
}
