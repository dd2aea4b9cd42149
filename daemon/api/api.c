/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The tables of operations, members and errors, and the one road from a request to its reply. The
 * constraints are those of AWS's service model for Storage Gateway, API version 2013-06-30.
 */
#include "daemon/api/api.h"

#include "base/secret.h"
#include "daemon/api/operation.h"
#include "daemon/core/clock.h"
#include "daemon/core/disks.h"
#include "daemon/api/json.h"
#include "daemon/core/registry.h"
#include "daemon/core/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define COUNT(array) (sizeof(array) / sizeof *(array))

struct api {
	struct api_config config;
	struct api_call_list calls;
};

static const struct {
	unsigned status;
	const char *type, *code, *message;
} errors[] = {
	[API_UNKNOWN_OPERATION] = { 400, "UnknownOperationException", NULL,
		"This is an unknown operation." },
	[API_SERIALIZATION] = { 400, "SerializationException", NULL,
		"The request has a serialization error." },
	[API_VALIDATION] = { 400, "ValidationException", NULL, "" },
	[API_TARGET_NOT_FOUND] = { 400, "InvalidGatewayRequestException", "TargetNotFound",
		"The specified target was not found." },
	[API_TARGET_INVALID] = { 400, "InvalidGatewayRequestException", "TargetInvalid",
		"The specified target is invalid." },
	[API_INITIATOR_NOT_FOUND] = { 400, "InvalidGatewayRequestException", "InitiatorNotFound",
		"The specified initiator was not found." },
	[API_GATEWAY_NOT_FOUND] = { 400, "InvalidGatewayRequestException", "GatewayNotFound",
		"The specified gateway was not found." },
	[API_GATEWAY_INVALID] = { 400, "InvalidGatewayRequestException", "InvalidGateway",
		"The specified gateway is invalid." },
	[API_VOLUME_NOT_FOUND] = { 400, "InvalidGatewayRequestException", "VolumeNotFound",
		"The specified volume was not found." },
	[API_DISK_NOT_FOUND] = { 400, "InvalidGatewayRequestException", "DiskDoesNotExist",
		"The specified disk does not exist." },
	[API_DISK_IN_USE] = { 400, "InvalidGatewayRequestException", "DiskAlreadyAllocated",
		"The specified disk is a volume's already." },
	[API_TARGET_EXISTS] = { 400, "InvalidGatewayRequestException", "TargetAlreadyExists",
		"There is another target of that name." },
	[API_LUN_EXISTS] = { 400, "InvalidGatewayRequestException", "LunAlreadyAllocated",
		"The target has another LUN of that number." },
	[API_LUN_INVALID] = { 400, "InvalidGatewayRequestException", "LunInvalid",
		"The target has no LUN of that number." },
	[API_IN_USE] = { 400, "InvalidGatewayRequestException", "VolumeInUse",
		"Initiators are logged in to the target." },
	[API_INVALID_PARAMETERS] = { 400, "InvalidGatewayRequestException", "InvalidParameters",
		"The request contains invalid parameters." },
	[API_NOT_SUPPORTED] = { 400, "InvalidGatewayRequestException", "NotSupported",
		"The operation is not supported on this target." },
	[API_INTERNAL] = { 500, "InternalServerError", "InternalError",
		"An internal error occurred." },
	[API_NO_SUCH_PATH] = { 404, "UnknownOperationException", NULL,
		"There is nothing at this path: operations are sent by POST." },
	[API_METHOD_REFUSED] = { 405, "UnknownOperationException", NULL,
		"Operations are sent by POST." },
	[API_BODY_TOO_LARGE] = { 413, "RequestEntityTooLargeException", NULL,
		"The request's body is larger than 64 KiB." },
	[API_UNSIGNED] = { 403, "MissingAuthenticationToken", NULL,
		"The request must be signed by an access key: it has no Authorization header." },
	[API_SIGNATURE_INCOMPLETE] = { 400, "IncompleteSignatureException", NULL,
		"The request's signature is incomplete." },
	[API_ACCESS_KEY_UNKNOWN] = { 400, "UnrecognizedClientException", NULL,
		"The security token included in the request is invalid." },
	[API_SIGNATURE_WRONG] = { 400, "InvalidSignatureException", NULL,
		"The request signature we calculated does not match the signature you provided. "
		"Check your AWS Secret Access Key and signing method." },
	[API_SIGNATURE_EXPIRED] = { 400, "InvalidSignatureException", NULL, "" },
	[API_ACCESS_DENIED] = { 400, "AccessDeniedException", NULL,
		"The access key is read-only: this operation is not for it." },
};

#define TARGET_ARN(is_required)                                                                    \
	{                                                                                          \
		.name = "TargetARN", .type = API_STRING, .required = (is_required), .min = 50,     \
		.max = 800                                                                         \
	}
#define INITIATOR_NAME                                                                             \
	{                                                                                          \
		.name = "InitiatorName", .type = API_STRING, .required = true, .min = 1,           \
		.max = 255, .pattern = "[0-9a-z:.-]+", .matches = api_is_initiator_name            \
	}
#define CHAP_SECRET(is_for, is_required)                                                           \
	{                                                                                          \
		.name = (is_for), .type = API_STRING, .required = (is_required), .min = 1,         \
		.max = 100, .sensitive = true                                                      \
	}

#define GATEWAY_ARN(is_required)                                                                   \
	{                                                                                          \
		.name = "GatewayARN", .type = API_STRING, .required = (is_required), .min = 50,    \
		.max = 500                                                                         \
	}
#define VOLUME_ARN(is_called, is_type)                                                             \
	{                                                                                          \
		.name = (is_called), .type = (is_type), .required = true, .min = 50, .max = 500,   \
		.pattern = VOLUME_ARN_PATTERN, .matches = api_is_volume_arn                        \
	}
#define VOLUME_ARN_PATTERN                                                                         \
	"arn:(aws(|-cn|-us-gov|-iso[A-Za-z0-9_-]*|-eusc)):storagegateway:[a-z\\-0-9]+:[0-9]+:"     \
	"gateway\\/(.+)\\/volume\\/vol-(\\S+)"
#define KMS_KEY_PATTERN                                                                            \
	"(^arn:(aws(|-cn|-us-gov|-iso[A-Za-z0-9_-]*|-eusc)):kms:([a-zA-Z0-9-]+):([0-9]+):"         \
	"(key|alias)/(\\S+)$)|(^alias/(\\S+)$)"
#define MARKER                                                                                     \
	{                                                                                          \
		.name = "Marker", .type = API_STRING, .min = 1, .max = 2000                        \
	}
#define LIMIT                                                                                      \
	{                                                                                          \
		.name = "Limit", .type = API_INTEGER, .min = 1, .max = INT32_MAX                   \
	}

#define NUMBER(is_called, is_required, least, most)                                                \
	{                                                                                          \
		.name = (is_called), .type = API_INTEGER, .required = (is_required),               \
		.min = (least), .max = (most)                                                      \
	}
#define TEXT(is_called, is_required, most)                                                         \
	{                                                                                          \
		.name = (is_called), .type = API_STRING, .required = (is_required), .min = 1,      \
		.max = (most)                                                                      \
	}
#define FLAG(is_called, is_required)                                                               \
	{                                                                                          \
		.name = (is_called), .type = API_BOOLEAN, .required = (is_required)                \
	}
#define PORTAL                  TEXT("Address", true, 45), NUMBER("Port", false, 1, 65535)
#define LUN_NUMBER(is_required) NUMBER("LunNumber", is_required, 0, 255)
#define SIZE(is_required)       NUMBER("SizeInBytes", is_required, 512, 1ull << 60)
/* What a new LUN may be given beside its number; configuration keys all of them. */
#define LUN_KEYS                                                                                   \
	TEXT("Path", true, 4095), SIZE(false), NUMBER("BlockSize", false, 512, 4096),              \
		NUMBER("PhysicalBlockSize", false, 512, 65536), FLAG("ReadOnly", false),           \
		TEXT("Cache", false, 16), TEXT("Serial", false, 36), TEXT("Naa", false, 32)

static const struct api_member create_target_members[] = { TEXT("TargetName", true, 223),
	TEXT("Authentication", false, 16), LUN_NUMBER(false), LUN_KEYS };
static const struct api_member delete_target_members[] = { TARGET_ARN(true), FLAG("Force", false) };
static const struct api_member create_lun_members[] = { TARGET_ARN(true), LUN_NUMBER(true),
	LUN_KEYS };
static const struct api_member delete_lun_members[] = { TARGET_ARN(true), LUN_NUMBER(true),
	FLAG("Force", false) };
static const struct api_member resize_lun_members[] = { TARGET_ARN(true), LUN_NUMBER(true),
	SIZE(true) };
static const struct api_member read_only_members[] = { TARGET_ARN(true), LUN_NUMBER(true),
	FLAG("ReadOnly", true) };
static const struct api_member add_portal_members[] = { PORTAL, NUMBER("Group", false, 1, 65535) };
static const struct api_member remove_portal_members[] = { PORTAL, FLAG("Force", false) };
static const struct api_member check_members[] = { TEXT("Configuration", false, 60000) };

static const struct api_member update_chap_members[] = {
	TARGET_ARN(true),
	CHAP_SECRET("SecretToAuthenticateInitiator", true),
	INITIATOR_NAME,
	CHAP_SECRET("SecretToAuthenticateTarget", false),
};
static const struct api_member rotate_chap_members[] = {
	TARGET_ARN(true),
	CHAP_SECRET("SecretToAuthenticateInitiator", true),
	INITIATOR_NAME,
	CHAP_SECRET("SecretToAuthenticateTarget", false),
	{ .name = "GraceSeconds", .type = API_INTEGER, .min = 1, .max = GRACE_SECONDS_MAX },
};
static const struct api_member target_members[] = { TARGET_ARN(true) };
static const struct api_member pair_members[] = { TARGET_ARN(true), INITIATOR_NAME };
/* Also initiators log in whose names AWS's pattern does not have: those with an underscore. */
static const struct api_member session_members[] = { TARGET_ARN(true),
	TEXT("InitiatorName", true, 255),
	{ .name = "ISID",
		.type = API_STRING,
		.min = 12,
		.max = 12,
		.pattern = "[0-9A-Fa-f]+",
		.matches = api_is_isid },
	NUMBER("TSIH", false, 1, 65535) };
static const struct api_member filter_members[] = { TARGET_ARN(false) };
static const struct api_member page_members[] = { MARKER, LIMIT };
static const struct api_member gateway_members[] = { GATEWAY_ARN(true) };
static const struct api_member gateway_page_members[] = { GATEWAY_ARN(false), MARKER, LIMIT };
static const struct api_member create_volume_members[] = {
	GATEWAY_ARN(true),
	TEXT("DiskId", true, DISK_ID_MAX),
	FLAG("PreserveExistingData", true),
	{ .name = "TargetName",
		.type = API_STRING,
		.required = true,
		.min = 1,
		.max = 200,
		.pattern = "^[-\\.;a-z0-9]+$",
		.matches = api_is_target_name },
	{ .name = "NetworkInterfaceId", .type = API_STRING, .required = true, .max = INT32_MAX },
	{ .name = "SnapshotId",
		.type = API_STRING,
		.max = INT32_MAX,
		.pattern = "\\Asnap-([0-9A-Fa-f]{8}|[0-9A-Fa-f]{17})\\z",
		.matches = api_is_snapshot_id },
	FLAG("KMSEncrypted", false),
	{ .name = "KMSKey",
		.type = API_STRING,
		.min = 7,
		.max = 2048,
		.pattern = KMS_KEY_PATTERN,
		.matches = api_is_kms_key },
	{ .name = "Tags", .type = API_OBJECTS },
};
static const struct api_member volume_members[] = { VOLUME_ARN("VolumeARN", API_STRING) };
static const struct api_member volumes_members[] = { VOLUME_ARN("VolumeARNs", API_STRINGS) };

#define MEMBERS(table) .members = (table), .member_count = COUNT(table)

static const struct api_operation operations[] = {
	{ .name = "StorageGateway_20130630.UpdateChapCredentials",
		MEMBERS(update_chap_members),
		.handle = api_update_chap_credentials },
	{ .name = "StorageGateway_20130630.DescribeChapCredentials",
		MEMBERS(target_members),
		.handle = api_describe_chap_credentials },
	{ .name = "StorageGateway_20130630.DeleteChapCredentials",
		MEMBERS(pair_members),
		.handle = api_delete_chap_credentials },
	{ .name = "StorageGateway_20130630.ListGateways",
		MEMBERS(page_members),
		.read_only = true,
		.handle = api_list_gateways },
	{ .name = "StorageGateway_20130630.DescribeGatewayInformation",
		MEMBERS(gateway_members),
		.read_only = true,
		.handle = api_describe_gateway },
	{ .name = "StorageGateway_20130630.ListVolumes",
		MEMBERS(gateway_page_members),
		.read_only = true,
		.handle = api_list_volumes },
	{ .name = "StorageGateway_20130630.DescribeStorediSCSIVolumes",
		MEMBERS(volumes_members),
		.read_only = true,
		.handle = api_describe_stored_volumes },
	{ .name = "StorageGateway_20130630.ListVolumeInitiators",
		MEMBERS(volume_members),
		.read_only = true,
		.handle = api_list_volume_initiators },
	{ .name = "StorageGateway_20130630.ListLocalDisks",
		MEMBERS(gateway_members),
		.read_only = true,
		.handle = api_list_local_disks },
	{ .name = "StorageGateway_20130630.CreateStorediSCSIVolume",
		MEMBERS(create_volume_members),
		.handle = api_create_stored_volume },
	{ .name = "StorageGateway_20130630.DeleteVolume",
		MEMBERS(volume_members),
		.handle = api_delete_volume },
	{ .name = "Portcullis_20261122.RotateChapCredentials",
		MEMBERS(rotate_chap_members),
		.handle = api_rotate_chap_credentials },
	{ .name = "Portcullis_20261122.FinishChapRotation",
		MEMBERS(pair_members),
		.handle = api_finish_chap_rotation },
	{ .name = "Portcullis_20261122.ListChapRotations",
		MEMBERS(filter_members),
		.read_only = true,
		.handle = api_list_chap_rotations },
	{ .name = "Portcullis_20261122.CreateTarget",
		MEMBERS(create_target_members),
		.handle = api_create_target },
	{ .name = "Portcullis_20261122.DeleteTarget",
		MEMBERS(delete_target_members),
		.handle = api_delete_target },
	{ .name = "Portcullis_20261122.CreateLun",
		MEMBERS(create_lun_members),
		.handle = api_create_lun },
	{ .name = "Portcullis_20261122.DeleteLun",
		MEMBERS(delete_lun_members),
		.handle = api_delete_lun },
	{ .name = "Portcullis_20261122.ResizeLun",
		MEMBERS(resize_lun_members),
		.handle = api_resize_lun },
	{ .name = "Portcullis_20261122.SetLunReadOnly",
		MEMBERS(read_only_members),
		.handle = api_set_lun_read_only },
	{ .name = "Portcullis_20261122.DrainTarget",
		MEMBERS(target_members),
		.handle = api_drain_target },
	{ .name = "Portcullis_20261122.ResumeTarget",
		MEMBERS(target_members),
		.handle = api_resume_target },
	{ .name = "Portcullis_20261122.CloseSession",
		MEMBERS(session_members),
		.handle = api_close_session },
	{ .name = "Portcullis_20261122.AddPortal",
		MEMBERS(add_portal_members),
		.handle = api_add_portal },
	{ .name = "Portcullis_20261122.RemovePortal",
		MEMBERS(remove_portal_members),
		.handle = api_remove_portal },
	{ .name = "Portcullis_20261122.ListPortals",
		.read_only = true,
		.handle = api_list_portals },
	{ .name = "Portcullis_20261122.ShowConfiguration",
		.read_only = true,
		.handle = api_show_configuration },
	{ .name = "Portcullis_20261122.CheckConfiguration",
		MEMBERS(check_members),
		.read_only = true,
		.handle = api_check_configuration },
	{ .name = "Portcullis_20261122.DiffConfiguration",
		.read_only = true,
		.handle = api_diff_configuration },
	{ .name = "Portcullis_20261122.ReloadConfiguration", .handle = api_reload_configuration },
	{ .name = "Portcullis_20261122.ListTargets",
		.read_only = true,
		.handle = api_list_targets },
	{ .name = "Portcullis_20261122.ListSessions",
		MEMBERS(filter_members),
		.read_only = true,
		.handle = api_list_sessions },
	{ .name = "Portcullis_20261122.GetStatistics",
		MEMBERS(filter_members),
		.read_only = true,
		.handle = api_get_statistics },
};

struct api *api_new(const struct api_config *config)
{
	struct api *api = calloc(1, sizeof *api);
	if (!api)
		return NULL;
	api->config = *config;
	TAILQ_INIT(&api->calls);
	return api;
}

static void call_free(struct api_call *call)
{
	TAILQ_REMOVE(&call->api->calls, call, link);
	json_decref(call->input);
	free(call->target_arn);
	free(call->target);
	free(call->portal);
	free(call->initiator);
	secret_free(call);
}

bool api_is_idle(const struct api *api)
{
	return TAILQ_EMPTY(&api->calls);
}

unsigned api_error_status(enum api_error error)
{
	return errors[error].status;
}

const char *api_error_type(enum api_error error)
{
	return errors[error].type;
}

json_t *api_error_body(enum api_error error, const char *detail)
{
	const char *sentence = errors[error].message;
	json_t *message = detail ? json_sprintf("%s%s%s", sentence, *sentence ? " " : "", detail)
				 : json_string(sentence);
	if (!errors[error].code)
		return json_pack("{s:s, s:o}", "__type", errors[error].type, "message", message);
	return json_pack("{s:s, s:o, s:{s:s}}", "__type", errors[error].type, "message", message,
		"error", "errorCode", errors[error].code);
}

const struct api_config *api_call_config(const struct api_call *call)
{
	return &call->api->config;
}

const char *api_call_text(const struct api_call *call, const char *member)
{
	return json_string_value(json_object_get(call->input, member));
}

json_int_t api_call_number(const struct api_call *call, const char *member, json_int_t otherwise)
{
	const json_t *value = json_object_get(call->input, member);
	return value ? json_integer_value(value) : otherwise;
}

bool api_call_flag(const struct api_call *call, const char *member)
{
	return json_is_true(json_object_get(call->input, member));
}

const json_t *api_call_list(const struct api_call *call, const char *member)
{
	return json_object_get(call->input, member);
}

void api_call_forget_input(struct api_call *call)
{
	json_decref(call->input);
	call->input = NULL;
}

/*
 * Whether it is arn:PARTITION:storagegateway:REGION:ACCOUNT:gateway/ID/target/IQN. The IQN keeps
 * its colons; all other parts are without them, and the ID is without a slash.
 */
static bool is_target_arn(const char *arn)
{
	static const char *const fixed[] = { "arn", NULL, "storagegateway", NULL, NULL };
	for (size_t i = 0; i < COUNT(fixed); i++) {
		const size_t length = strcspn(arn, ":");
		if (!length || !arn[length])
			return false;
		if (fixed[i] && (length != strlen(fixed[i]) || strncmp(arn, fixed[i], length) != 0))
			return false;
		arn += length + 1;
	}
	static const char gateway[] = "gateway/", target[] = "/target/";
	if (strncmp(arn, gateway, sizeof gateway - 1) != 0)
		return false;
	arn += sizeof gateway - 1;
	const size_t id = strcspn(arn, "/");
	return id && strncmp(arn + id, target, sizeof target - 1) == 0 &&
	       arn[id + sizeof target - 1];
}

struct target *api_call_target(struct api_call *call)
{
	/* Comparing the whole ARN also asks whether the gateway is this one. */
	struct target *target = registry_find_arn(call->api->config.registry, call->target_arn);
	if (!target)
		api_call_fail(call,
			is_target_arn(call->target_arn) ? API_TARGET_NOT_FOUND : API_TARGET_INVALID,
			NULL);
	return target;
}

static void log_outcome(const struct api_call *call, enum api_error error)
{
	audit_log(&(struct audit_entry){
		.actor = &call->actor,
		.request = call->id,
		.operation = call->operation ? call->operation->name : "unknown",
		.target_arn = call->target_arn,
		.target = call->target,
		.initiator = call->initiator,
		.portal = call->portal,
		.port = call->port,
		.lun = call->lun,
		.result = error ? errors[error].type : NULL,
		.code = error ? errors[error].code : NULL,
		.status = error ? errors[error].status : 200,
		.ms = (clock_nanoseconds() - call->began) / 1000000,
	});
}

/* Ends a call: logs, replies, frees. Takes `body`. */
static void finish(struct api_call *call, enum api_error error, json_t *body)
{
	log_outcome(call, error);
	/* An endpoint may free itself in `done`; nothing of the call is touched after it. */
	api_done *done = call->done;
	void *context = call->context;
	call_free(call);
	done(context, error ? errors[error].status : 200, body);
	json_decref(body);
}

void api_free(struct api *api)
{
	if (!api)
		return;
	while (!TAILQ_EMPTY(&api->calls))
		finish(TAILQ_FIRST(&api->calls), API_INTERNAL, NULL);
	free(api);
}

void api_call_succeed_take(struct api_call *call, json_t *body)
{
	if (body)
		finish(call, API_OK, body);
	else
		api_call_fail(call, API_INTERNAL, NULL);
}

void api_call_fail(struct api_call *call, enum api_error error, const char *detail)
{
	finish(call, error, api_error_body(error, detail));
}

static const struct api_operation *find_operation(const char *name)
{
	for (size_t i = 0; name && i < COUNT(operations); i++) {
		if (strcmp(operations[i].name, name) == 0)
			return &operations[i];
	}
	return NULL;
}

/* NULL when out of memory. */
static struct api_call *call_new(struct api *api, const struct api_request *request)
{
	struct api_call *call = secret_malloc(sizeof *call);
	if (!call)
		return NULL;
	*call = (struct api_call){
		.api = api,
		.operation = find_operation(request->operation),
		.done = request->done,
		.context = request->context,
		.began = clock_nanoseconds(),
		.lun = -1,
	};
	call->actor = request->actor;
	memcpy(call->id, request->id, sizeof call->id);
	TAILQ_INSERT_TAIL(&api->calls, call, link);
	return call;
}

/* Keeps what the reply and the audit line name. -1 when out of memory. */
static int keep_names(struct api_call *call)
{
	const char *arn = api_call_text(call, "TargetARN");
	const char *name = api_call_text(call, "TargetName");
	const char *initiator = api_call_text(call, "InitiatorName");
	const char *portal = api_call_text(call, "Address");
	call->port = (unsigned)api_call_number(call, "Port", 0);
	if (portal && !(call->portal = strdup(portal)))
		return -1;
	call->lun = (int)api_call_number(call, "LunNumber", -1);
	if (name && !(call->target = strdup(name)))
		return -1;
	if (arn && !(call->target_arn = strdup(arn)))
		return -1;
	if (initiator && !(call->initiator = strdup(initiator)))
		return -1;
	return 0;
}

void api_call(struct api *api, const struct api_request *request)
{
	struct api_call *call = call_new(api, request);
	if (!call) {
		request->done(request->context, errors[API_INTERNAL].status, NULL);
		return;
	}
	if (!call->operation) {
		api_call_fail(call, API_UNKNOWN_OPERATION, NULL);
		return;
	}
	if (request->read_only && !call->operation->read_only) {
		api_call_fail(call, API_ACCESS_DENIED, NULL);
		return;
	}
	char fault[JSON_BODY_FAULT_SIZE];
	call->input = json_body_read(request->body, request->length, fault);
	if (!call->input) {
		char detail[JSON_BODY_FAULT_SIZE + 2];
		snprintf(detail, sizeof detail, "%s.", fault);
		api_call_fail(call, API_SERIALIZATION, detail);
		return;
	}
	char *message;
	const enum api_error error = api_input_check(call->operation, call->input, &message);
	if (error)
		api_call_fail(call, message ? error : API_INTERNAL, message);
	else if (keep_names(call))
		api_call_fail(call, API_INTERNAL, NULL);
	else
		call->operation->handle(call);
	free(message);
}
