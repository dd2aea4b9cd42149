/* SPDX-License-Identifier: BSD-2-Clause */
/* Asking the daemon: one road for every verb, and for what completion, progress and watch look up. */
#ifndef PORTCULLIS_CTL_CLIENT_H
#define PORTCULLIS_CTL_CLIENT_H

#include "ctl/ctl.h"
#include "ctl/http.h"

#define CLIENT_SOCKET  "/run/portcullis/control.sock" /* unless --socket names another */
#define LIST_TARGETS   "Portcullis_20261122.ListTargets"
#define LIST_SESSIONS  "Portcullis_20261122.ListSessions"
#define GET_STATISTICS "Portcullis_20261122.GetStatistics"

/* What --socket names, or the usual one. */
const char *client_socket(const struct ctl_command *command);
/* A text member; "" when it is missing or something else. */
const char *client_text(const json_t *object, const char *member);
/*
 * Asks, waiting as --timeout has it. CTL_DONE with a good answer in *reply, to be freed; else the
 * complaint and what to do next stand on stderr.
 */
enum ctl_exit client_ask(const struct ctl_command *command, const char *operation,
	const json_t *request, struct http_reply *reply);
/* Likewise without a word, and without waiting long: NULL if there is no good answer, else the caller's. */
json_t *client_look(const char *socket, const char *operation, const char *target_arn);
/* Puts TargetARN of the target named by IQN or ARN into the request, asking for it if need be; complains. */
enum ctl_exit client_add_target(
	const struct ctl_command *command, const char *name, json_t *request);
/* iSCSI names are compared in lower case, and the API can express no other. NULL: out of memory, or no UTF-8. */
json_t *client_lower_case(const char *name);
/* "90", "90s", "15m", "12h", "7d" in seconds; 0 if it is none of these, or too much. */
json_int_t client_seconds(const char *text);

#endif
