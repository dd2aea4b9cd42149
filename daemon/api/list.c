/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The project's own operations that look and change nothing: ListTargets, ListSessions and
 * ListChapRotations. All answer when every worker has told its sessions. Numbers are JSON
 * integers: counts, bytes, seconds.
 */
#include "daemon/api/operation.h"

#include "auth/chap.h"
#include "base/encode.h"
#include "daemon/core/clock.h"
#include "daemon/core/registry.h"
#include "daemon/core/sessions.h"
#include "daemon/core/target.h"

#include <stdlib.h>
#include <string.h>

#define CONNECTIONS 1 /* of a session: MaxConnections is 1 */

void api_call_with_sessions(struct api_call *call, session_snapshot_done *done)
{
	api_call_forget_input(call);
	if (sessions_snapshot(api_call_config(call)->workers, done, call))
		api_call_fail(call, API_INTERNAL, NULL);
}

void api_call_reply_list(struct api_call *call, const char *member, json_t *rows, bool complete)
{
	if (complete) {
		api_call_succeed_take(call, json_pack("{s:o}", member, rows));
	} else {
		json_decref(rows);
		api_call_fail(call, API_INTERNAL, NULL);
	}
}

static json_t *list_luns(const struct target *target)
{
	json_t *luns = json_array();
	for (size_t i = 0; i < target->config->lun_count; i++) {
		const struct config_lun *lun = &target->config->luns[i];
		if (json_array_append_new(
			    luns, json_pack("{s:i, s:I, s:I, s:b, s:s}", "LunNumber", (int)lun->lun,
					  "SizeInBytes", (json_int_t)registry_lun_size(target, i),
					  "BlockSize", (json_int_t)lun->block_size, "ReadOnly",
					  (int)lun->read_only, "Path", lun->path))) {
			json_decref(luns);
			return NULL;
		}
	}
	return luns;
}

static int count_sessions(const struct session_snapshot *snapshot, const char *target)
{
	int count = 0;
	for (size_t i = 0; i < snapshot->count; i++)
		count += strcmp(snapshot->rows[i].target, target) == 0;
	return count;
}

static json_t *describe_target(struct target *target, const struct session_snapshot *snapshot)
{
	static const char *const authentication[] = {
		[AUTHENTICATION_AUTO] = "auto",
		[AUTHENTICATION_CHAP] = "chap",
		[AUTHENTICATION_NONE] = "none",
	};
	struct credential_set *set = target_credentials(target);
	/* A broken target lets nobody in without CHAP, nor with it. */
	const bool enabled = set ? target_requires_chap(target, set) : true;
	const int credentials = set ? (int)credential_set_count(set) : 0;
	const char *state = target_is_drained(target) ? "drained" : "ok";
	if (!set || !registry_is_open(target))
		state = "broken";
	credential_set_unref(set);
	return json_pack("{s:s, s:s, s:s, s:b, s:s, s:i, s:i, s:o}", "TargetName", target->name,
		"TargetARN", target->arn, "Authentication", authentication[target->authentication],
		"ChapEnabled", (int)enabled, "State", state, "CredentialCount", credentials,
		"SessionCount", count_sessions(snapshot, target->name), "Luns", list_luns(target));
}

static void list_targets(void *context, const struct session_snapshot *snapshot)
{
	struct api_call *call = context;
	struct registry *registry = api_call_config(call)->registry;
	json_t *rows = json_array();
	bool complete = snapshot->complete && rows;
	for (size_t i = 0; complete && i < registry_count(registry); i++)
		complete = json_array_append_new(
				   rows, describe_target(registry_at(registry, i), snapshot)) == 0;
	api_call_reply_list(call, "Targets", rows, complete);
}

void api_list_targets(struct api_call *call)
{
	api_call_with_sessions(call, list_targets);
}

/* By target, then initiator, then the eldest first. */
static int compare_rows(const void *a, const void *b)
{
	const struct session_row *left = *(const struct session_row *const *)a;
	const struct session_row *right = *(const struct session_row *const *)b;
	int order = strcmp(left->target, right->target);
	if (!order)
		order = strcmp(left->initiator, right->initiator);
	if (!order)
		order = (left->age_ms < right->age_ms) - (left->age_ms > right->age_ms);
	return order;
}

/* Whether the session proved a record that retires: one older than the initiator's newest. */
static bool uses_old_secret(struct target *target, const struct session_row *row)
{
	struct credential_set *set = target && row->credential ? target_credentials(target) : NULL;
	const struct credential *newest = set ? credential_set_find(
							set, row->initiator, strlen(row->initiator))
					      : NULL;
	const bool uses = newest && row->credential < newest->since;
	credential_set_unref(set);
	return uses;
}

/* In RFC 7143's words (section 13); each side has declared a MaxRecvDataSegmentLength of its own. */
static json_t *describe_keys(const struct iscsi_parameters *keys)
{
	static const char *const digests[] = { "None", "CRC32C" };
	return json_pack("{s:s, s:s, s:I, s:b, s:b, s:I, s:I, s:I, s:I, s:I, s:I}", "HeaderDigest",
		digests[keys->header_digest], "DataDigest", digests[keys->data_digest],
		"MaxConnections", (json_int_t)keys->max_connections, "InitialR2T",
		(int)keys->initial_r2t, "ImmediateData", (int)keys->immediate_data,
		"MaxBurstLength", (json_int_t)keys->max_burst_length, "FirstBurstLength",
		(json_int_t)keys->first_burst_length, "MaxOutstandingR2T",
		(json_int_t)keys->max_outstanding_r2t, "ErrorRecoveryLevel",
		(json_int_t)keys->error_recovery_level, "InitiatorMaxRecvDataSegmentLength",
		(json_int_t)keys->initiator_max_recv, "TargetMaxRecvDataSegmentLength",
		(json_int_t)keys->target_max_recv);
}

static json_t *describe_session(struct registry *registry, const struct session_row *row)
{
	char isid[2 * sizeof row->isid + 1];
	hex_encode(isid, sizeof isid, row->isid, sizeof row->isid);
	struct target *target = registry_find(registry, row->target);
	const char *chap = row->chap_algorithm ? chap_algorithm_name(row->chap_algorithm) : "none";
	json_t *session = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:i, s:s, s:b, s:b}",
		"TargetName", row->target, "InitiatorName", row->initiator, "SessionType",
		row->discovery ? "Discovery" : "Normal", "Address", row->address, "PortalAddress",
		row->portal, "ISID", isid, "TSIH", (int)row->tsih, "ChapAlgorithm", chap,
		"ChapMutual", (int)row->chap_mutual, "UsesOldSecret",
		(int)uses_old_secret(target, row));
	json_t *traffic = json_pack("{s:I, s:I, s:I, s:I, s:i, s:i, s:o}", "AgeSeconds",
		(json_int_t)(row->age_ms / 1000), "Commands", (json_int_t)row->commands,
		"BytesRead", (json_int_t)row->bytes_read, "BytesWritten",
		(json_int_t)row->bytes_written, "Connections", CONNECTIONS, "Worker",
		(int)row->worker, "NegotiatedKeys", describe_keys(&row->parameters));
	if (!session || json_object_update(session, traffic) ||
		(target && json_object_set_new(session, "TargetARN", json_string(target->arn)))) {
		json_decref(session);
		session = NULL;
	}
	json_decref(traffic);
	return session;
}

static void list_sessions(void *context, const struct session_snapshot *snapshot)
{
	struct api_call *call = context;
	struct registry *registry = api_call_config(call)->registry;
	const struct target *only = call->target_arn ? registry_find_arn(registry, call->target_arn)
						     : NULL;
	const struct session_row **ordered = calloc(snapshot->count + 1, sizeof *ordered);
	json_t *rows = json_array();
	bool complete = snapshot->complete && rows && ordered;
	if (complete) {
		for (size_t i = 0; i < snapshot->count; i++)
			ordered[i] = &snapshot->rows[i];
		qsort(ordered, snapshot->count, sizeof *ordered, compare_rows);
	}
	for (size_t i = 0; complete && i < snapshot->count; i++) {
		if (call->target_arn && (!only || strcmp(ordered[i]->target, only->name) != 0))
			continue;
		complete = json_array_append_new(rows, describe_session(registry, ordered[i])) == 0;
	}
	free(ordered);
	api_call_reply_list(call, "Sessions", rows, complete);
}

void api_list_sessions(struct api_call *call)
{
	if (!call->target_arn || api_call_target(call))
		api_call_with_sessions(call, list_sessions);
}

static int count_old_sessions(
	const struct session_snapshot *snapshot, struct target *target, const char *initiator)
{
	int count = 0;
	for (size_t i = 0; i < snapshot->count; i++) {
		const struct session_row *row = &snapshot->rows[i];
		count += strcmp(row->target, target->name) == 0 &&
			 strcmp(row->initiator, initiator) == 0 && uses_old_secret(target, row);
	}
	return count;
}

/* Appends the rotations of one target; whether there was memory for all. */
static bool list_rotations_of(
	json_t *rows, struct target *target, const struct session_snapshot *snapshot)
{
	struct credential_set *set = target_credentials(target);
	const uint64_t now = clock_wall();
	bool complete = true;
	for (size_t i = 0; set && complete && i < credential_set_retiring_count(set); i++) {
		const struct credential *retiring = credential_set_retiring_at(set, i);
		const uint64_t left = retiring->until > now ? retiring->until - now : 0;
		json_t *row = json_pack("{s:s, s:s, s:s, s:I, s:I, s:i}", "TargetARN", target->arn,
			"TargetName", target->name, "InitiatorName", retiring->initiator, "EndTime",
			(json_int_t)retiring->until, "SecondsLeft", (json_int_t)left,
			"OldSessionCount",
			count_old_sessions(snapshot, target, retiring->initiator));
		complete = json_array_append_new(rows, row) == 0;
	}
	credential_set_unref(set);
	return complete;
}

static void list_rotations(void *context, const struct session_snapshot *snapshot)
{
	struct api_call *call = context;
	struct registry *registry = api_call_config(call)->registry;
	json_t *rows = json_array();
	bool complete = snapshot->complete && rows;
	for (size_t i = 0; complete && i < registry_count(registry); i++) {
		struct target *target = registry_at(registry, i);
		if (!call->target_arn || strcmp(call->target_arn, target->arn) == 0)
			complete = list_rotations_of(rows, target, snapshot);
	}
	api_call_reply_list(call, "Rotations", rows, complete);
}

void api_list_chap_rotations(struct api_call *call)
{
	if (!call->target_arn || api_call_target(call))
		api_call_with_sessions(call, list_rotations);
}
