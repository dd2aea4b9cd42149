/* SPDX-License-Identifier: BSD-2-Clause */
/* One line that is written over. The count comes of ListSessions, for a change's own reply comes when all is done. */
#include "ctl/progress.h"

#include "ctl/client.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PACE_MS 500

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

bool progress_begin(struct progress *progress, const struct ctl_command *command,
	const char *operation, const json_t *request)
{
	*progress = (struct progress){ .command = command, .began = now_ms() };
	progress->shown = progress->began;
	if (command->verb->progress == PROGRESS_SESSIONS)
		progress->target_arn = json_string_value(json_object_get(request, "TargetARN"));
	return command->verb->progress != PROGRESS_NONE && command->verb->operation &&
	       strcmp(command->verb->operation, operation) == 0 && isatty(STDERR_FILENO);
}

void progress_tick(void *context)
{
	struct progress *progress = context;
	uint64_t now = now_ms();

	if (now - progress->shown < PACE_MS)
		return;
	fprintf(stderr, "\r%s: %" PRIu64 " s", progress->command->verb->name,
		(now - progress->began) / 1000);
	json_t *body = progress->target_arn ? client_look(client_socket(progress->command),
						      LIST_SESSIONS, progress->target_arn)
					    : NULL;
	if (body) {
		size_t left = json_array_size(json_object_get(body, "Sessions"));
		fprintf(stderr, ", %zu session%s left", left, left == 1 ? "" : "s");
	}
	fputs("\033[K", stderr);
	fflush(stderr);
	json_decref(body);
	progress->any = true;
	progress->shown = now_ms();
}

void progress_end(struct progress *progress)
{
	if (progress->any)
		fputs("\r\033[K", stderr);
}
