/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A double of what the operations work on: registry, gate and session snapshot without workers,
 * disks or sockets. Changes and snapshots wait until the test settles them, in order, so that a
 * test decides what happens meanwhile. One world at a time.
 */
#ifndef PORTCULLIS_TESTS_DAEMON_DOUBLE_H
#define PORTCULLIS_TESTS_DAEMON_DOUBLE_H

#include "daemon/api/api.h"
#include "daemon/core/gate.h"
#include "daemon/core/live.h"
#include "daemon/core/sessions.h"
#include "daemon/core/registry.h"
#include "daemon/core/target.h"

#define GATEWAY_ARN "arn:aws:storagegateway:us-east-1:111122223333:gateway/sgw-12A3456B"
#define ARN_PREFIX  GATEWAY_ARN "/target/"
#define IQN         "iqn.1997-05.com.amazon:myvolume" /* authentication "auto" */
#define IQN_NONE    "iqn.1997-05.com.amazon:open"     /* authentication "none" */
#define IQN_BROKEN  "iqn.1997-05.com.amazon:broken"   /* its state is broken */
#define ARN         ARN_PREFIX IQN
#define INITIATOR   "iqn.1991-05.com.microsoft:computername.domain.example.com"
#define PREFIX      "StorageGateway_20130630."
#define OWN         "Portcullis_20261122."
#define UPDATE      PREFIX "UpdateChapCredentials"
#define DESCRIBE    PREFIX "DescribeChapCredentials"
#define DELETE      PREFIX "DeleteChapCredentials"

/* Bodies, as C string literals. */
#define SECRET_A            "first-secret"     /* 12 bytes, the least */
#define SECRET_B            "second-secret!!!" /* 16 bytes, the most */
#define MEMBER(name, value) "\"" name "\":\"" value "\""
#define TEN(x)              x x x x x x x x x x
#define UPDATE_ON(arn)                                                                             \
	"{" MEMBER("TargetARN", arn) "," MEMBER("InitiatorName", INITIATOR) "," MEMBER(            \
		"SecretToAuthenticateInitiator", SECRET_A) "}"
#define UPDATE_WITH(members)                                                                       \
	"{" MEMBER("TargetARN", ARN) "," MEMBER("InitiatorName", INITIATOR) "," members "}"
#define UPDATE_SECRETS(a, b)                                                                       \
	UPDATE_WITH(MEMBER("SecretToAuthenticateInitiator", a) "," MEMBER(                         \
		"SecretToAuthenticateTarget", b))
#define UPDATE_OF(initiator)                                                                       \
	"{" MEMBER("TargetARN", ARN) "," MEMBER("InitiatorName", initiator) "," MEMBER(            \
		"SecretToAuthenticateInitiator", SECRET_A) "}"
#define ROTATE    OWN "RotateChapCredentials"
#define FINISH    OWN "FinishChapRotation"
#define PAIR      "{" MEMBER("TargetARN", ARN) "," MEMBER("InitiatorName", INITIATOR) "}"
#define ONLY(arn) "{" MEMBER("TargetARN", arn) "}"

/* The last reply that an operation started with world_start() got. */
struct world_reply {
	unsigned calls; /* replies since then */
	unsigned status;
	json_t *body; /* borrowed until the next */
};

/* Sets the world up (once per process); logs go to world_log(). The allocators are the daemon's. */
void world_open(void);
void world_close(void);
struct api *world_api(void);
struct target *world_target(const char *name);
/* The gateway's configuration (no disk directories), and the one portal, 192.0.2.1:3260. */
struct config *world_config(void);
struct portal *world_portal(void);
/* All lines logged so far. */
const char *world_log(void);

/* From now on changes fail as if storing did. */
void world_break_store(void);
/* Snapshots have these rows (borrowed), and are complete or not; `refused`: cannot even begin. */
void world_sessions(struct session_row *rows, size_t count, bool complete, bool refused);
/* Answers what waits: changes (carried out on the sets) and snapshots. Returns how many. */
unsigned world_settle(void);
/* Starts an operation as "uid=7 gid=8 pid=9"; its reply may be there at once. */
const struct world_reply *world_start(const char *operation, const void *body, size_t length);
/* Carries one out to its end, nothing else waiting; its status. */
unsigned world_carry_out(const char *operation, const char *body);
/* The last reply; a text of its body ("" if there is none), and error.errorCode (NULL if there is none). */
const struct world_reply *world_last(void);
const char *world_text(const char *member);
const char *world_code(void);
/* The live change that an operation has begun, NULL if there is none; ends it so. */
struct live_change *world_change(void);
void world_end_change(enum live_result result);
/* How many wait. */
unsigned world_waiting(void);
/* The actor of the last change. */
const char *world_actor(void);

#endif
