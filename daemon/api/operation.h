/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the operations share among themselves: the rows of the table, the call that is under way,
 * and how it ends. Nobody outside daemon/api/ includes this.
 */
#ifndef PORTCULLIS_DAEMON_API_OPERATION_H
#define PORTCULLIS_DAEMON_API_OPERATION_H

#include "daemon/api/api.h"
#include "daemon/core/gate.h"
#include "daemon/core/live.h"
#include "daemon/core/sessions.h"

#include <stdbool.h>
#include <sys/queue.h>

struct target;

enum api_type {
	API_STRING,
	API_INTEGER, /* a whole number, written without fraction or exponent */
	API_BOOLEAN,
	API_STRINGS, /* a list of strings, of any length that a body has room for */
	API_OBJECTS, /* a list of objects, in which nobody looks */
};

/* One input member, as AWS's service model describes it. */
struct api_member {
	const char *name;
	enum api_type type;
	bool required;
	bool sensitive; /* its value is never echoed */
	unsigned long long min,
		max;         /* characters of a text, of each in a list; the range of a number */
	const char *pattern; /* of the same texts, as error messages show it; NULL: any text */
	bool (*matches)(const char *text, size_t length); /* the whole text, not a part of it */
};

#define GRACE_SECONDS_MAX 2592000u /* 30 days */

/* A call under way. It lies in secret memory, for the change's record holds secrets. */
struct api_call {
	TAILQ_ENTRY(api_call) link;
	struct api *api;
	const struct api_operation *operation;
	json_t *input; /* validated; NULL once forgotten */
	struct audit_actor actor;
	char id[API_REQUEST_ID_SIZE];
	api_done *done;
	void *context;
	uint64_t began;   /* clock_nanoseconds() */
	char *target_arn; /* as given and validated; owned; NULL: not among the operation's members */
	char *target;     /* likewise: the target's name, of what makes one */
	char *initiator;
	int lun;      /* likewise; -1 */
	char *portal; /* likewise: an address; NULL */
	unsigned port;
	struct credential_change change;
};
TAILQ_HEAD(api_call_list, api_call);

struct api_operation {
	const char *name; /* with the API version's prefix */
	const struct api_member *members;
	size_t member_count;
	bool read_only; /* changes nothing and tells no secret: for read-only access keys too */
	/* Ends the call, at once or later, with one of the functions below. */
	void (*handle)(struct api_call *call);
};

/* What the api was made with. */
const struct api_config *api_call_config(const struct api_call *call);
/* A text member of the input, NULL if it was not given. Valid until the input is forgotten. */
const char *api_call_text(const struct api_call *call, const char *member);
/* A number of the input, `otherwise` if it was not given. */
json_int_t api_call_number(const struct api_call *call, const char *member, json_int_t otherwise);
/* Whether a boolean of the input was given and is true. */
bool api_call_flag(const struct api_call *call, const char *member);
/* A list of the input, empty (NULL) if it was not given; borrowed likewise. */
const json_t *api_call_list(const struct api_call *call, const char *member);
/* Wipes the input: for a call that goes on after its handler, so that its secrets do not wait with it. */
void api_call_forget_input(struct api_call *call);
/* The target that TargetARN names; NULL: the call has ended with an error. */
struct target *api_call_target(struct api_call *call);

/* Replies 200 with `body` (takes the reference; NULL = out of memory: 500) and frees the call. */
void api_call_succeed_take(struct api_call *call, json_t *body);
/* Replies with an error object and frees the call. `detail` as in api_error_body(). */
void api_call_fail(struct api_call *call, enum api_error error, const char *detail);

/*
 * Checks an input object against the members of an operation (api/input.c): first the types of all,
 * then presence, lengths and patterns. Members that are not in the table, and nulls, are validation
 * errors. Returns API_OK, API_SERIALIZATION or API_VALIDATION; then `*message` is the text for the
 * reply, to be freed with free(), or NULL when out of memory. It holds no sensitive member's value.
 */
enum api_error api_input_check(
	const struct api_operation *operation, const json_t *input, char **message);

/* Whether the text is one or more of [0-9a-z:.-]. */
bool api_is_initiator_name(const char *text, size_t length);
/* Whether the text is an ISID: 12 hexadecimal digits. */
bool api_is_isid(const char *text, size_t length);
/* Whether the text is as the pattern of AWS's shape VolumeARN, SnapshotId, TargetName or KMSKey has it. */
bool api_is_volume_arn(const char *text, size_t length);
bool api_is_snapshot_id(const char *text, size_t length);
bool api_is_target_name(const char *text, size_t length);
bool api_is_kms_key(const char *text, size_t length);

/* AWS's targets are called this and the TargetName that their maker gave. */
#define AWS_TARGET_PREFIX "iqn.1997-05.com.amazon:"

/*
 * Whether GatewayARN names this gateway, or is not given; false: the call has ended with an error.
 */
bool api_call_is_here(struct api_call *call);
/* Goes on in `done` with all sessions, later; or ends the call with an error. Forgets the input. */
void api_call_with_sessions(struct api_call *call, session_snapshot_done *done);
/*
 * The target of the volume that VolumeARN names, and its LUN's number; NULL: the call has ended with an error. The
 * call keeps the target's ARN.
 */
struct target *api_call_volume(struct api_call *call, unsigned *lun);
/* Replies {member: rows}, or with an error if they are not complete. Takes `rows`. */
void api_call_reply_list(struct api_call *call, const char *member, json_t *rows, bool complete);

/*
 * The overlay with the target that the members of CreateTarget make (api/live.c); NULL with one line in `error`.
 */
struct overlay *api_wanted_target(const json_t *input, char error[CONFIG_ERROR_SIZE]);
/* What a live change's end is called; API_OK for LIVE_DONE and LIVE_SAME. */
enum api_error api_live_error(const struct live_change *change, enum live_result result);

/*
 * The handlers: of AWS's operations on CHAP credentials (api/chap.c), volumes (api/volume.c, api/volume_change.c) and
 * the gateway (api/gateway.c), and of our own (api/list.c, api/session.c, api/statistics.c, api/live.c,
 * api/portal.c, api/config.c).
 */
void api_update_chap_credentials(struct api_call *call);
void api_describe_chap_credentials(struct api_call *call);
void api_delete_chap_credentials(struct api_call *call);
void api_list_volumes(struct api_call *call);
void api_describe_stored_volumes(struct api_call *call);
void api_list_volume_initiators(struct api_call *call);
void api_create_stored_volume(struct api_call *call);
void api_delete_volume(struct api_call *call);
void api_list_gateways(struct api_call *call);
void api_describe_gateway(struct api_call *call);
void api_list_local_disks(struct api_call *call);
void api_rotate_chap_credentials(struct api_call *call);
void api_finish_chap_rotation(struct api_call *call);
void api_list_chap_rotations(struct api_call *call);
void api_create_target(struct api_call *call);
void api_delete_target(struct api_call *call);
void api_create_lun(struct api_call *call);
void api_delete_lun(struct api_call *call);
void api_resize_lun(struct api_call *call);
void api_set_lun_read_only(struct api_call *call);
void api_drain_target(struct api_call *call);
void api_resume_target(struct api_call *call);
void api_close_session(struct api_call *call);
void api_add_portal(struct api_call *call);
void api_remove_portal(struct api_call *call);
void api_list_portals(struct api_call *call);
void api_show_configuration(struct api_call *call);
void api_check_configuration(struct api_call *call);
void api_diff_configuration(struct api_call *call);
void api_reload_configuration(struct api_call *call);
void api_list_targets(struct api_call *call);
void api_list_sessions(struct api_call *call);
void api_get_statistics(struct api_call *call);

#endif
