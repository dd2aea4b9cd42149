/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A double of what the operations work on: registry, gate and session snapshot without workers,
 * disks or sockets. Changes and snapshots wait until the test settles them, in order, so that a
 * test decides what happens meanwhile. One world at a time.
 */
#ifndef PORTCULLIS_TESTS_DAEMON_DOUBLE_H
#define PORTCULLIS_TESTS_DAEMON_DOUBLE_H

#include "daemon/api.h"
#include "daemon/gate.h"
#include "daemon/sessions.h"
#include "daemon/target.h"

#define ARN_PREFIX "arn:aws:storagegateway:us-east-1:111122223333:gateway/sgw-12A3456B/target/"
#define IQN        "iqn.1997-05.com.amazon:myvolume" /* authentication "auto" */
#define IQN_NONE   "iqn.1997-05.com.amazon:open"     /* authentication "none" */
#define IQN_BROKEN "iqn.1997-05.com.amazon:broken"   /* its state is broken */
#define ARN        ARN_PREFIX IQN
#define INITIATOR  "iqn.1991-05.com.microsoft:computername.domain.example.com"
#define PREFIX     "StorageGateway_20130630."
#define OWN        "Portcullis_20261122."

/* Sets the world up (once per process); logs go to world_log(). The allocators are the daemon's. */
void world_open(void);
void world_close(void);
struct api *world_api(void);
struct target *world_target(const char *name);
/* All lines logged so far. */
const char *world_log(void);

/* From now on changes fail as if storing did. */
void world_break_store(void);
/* Snapshots have these rows (borrowed), and are complete or not; `refused`: cannot even begin. */
void world_sessions(struct session_row *rows, size_t count, bool complete, bool refused);
/* Answers what waits: changes (carried out on the sets) and snapshots. Returns how many. */
unsigned world_settle(void);
/* How many wait. */
unsigned world_waiting(void);
/* The actor of the last change. */
const char *world_actor(void);

#endif
