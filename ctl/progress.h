/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What people see while a change takes its time: how long it has, and how many sessions are still to go.
 * On stderr, and only if that is a terminal.
 */
#ifndef PORTCULLIS_CTL_PROGRESS_H
#define PORTCULLIS_CTL_PROGRESS_H

#include "ctl/ctl.h"

#include <jansson.h>
#include <stdint.h>

struct progress {
	const struct ctl_command *command;
	const char *target_arn; /* whose sessions are counted; NULL: none */
	uint64_t began, shown;  /* milliseconds of a steady clock */
	bool any;               /* something stands on the line */
};

/* Whether there is anything to show: the verb is one that may take long, and this is its request. */
bool progress_begin(struct progress *progress, const struct ctl_command *command,
	const char *operation, const json_t *request);
/* Now and then; `context` is the struct progress. */
void progress_tick(void *context);
/* Clears the line. */
void progress_end(struct progress *progress);

#endif
