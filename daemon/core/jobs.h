/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is done to one target as a whole is done one thing after the other, in the order it was
 * asked for (doc/architecture.md K7): credential changes, a new configuration, its removal. Main thread only.
 */
#ifndef PORTCULLIS_DAEMON_CORE_JOBS_H
#define PORTCULLIS_DAEMON_CORE_JOBS_H

#include "daemon/core/mailbox.h"

#include <stdbool.h>

/* Embedded in whatever is to be done; the queue's from jobs_add() until jobs_end(). */
struct job {
	struct job *next;
	void (*run)(struct job *job); /* ends in jobs_end(), at once or later */
	struct jobs *jobs;
};

struct jobs {
	struct mail mail;        /* first: the way to the next turn of the loop */
	struct mailbox *mailbox; /* the main thread's */
	struct job *first;       /* under way */
};

/* Takes its turn; `run` is never called from inside this call. */
void jobs_add(struct jobs *jobs, struct job *job);
/* It is done, and may be freed by the caller afterwards; the next one begins in a later turn of the loop. */
void jobs_end(struct job *job);

#endif
