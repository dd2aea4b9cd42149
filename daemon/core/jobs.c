/* SPDX-License-Identifier: BSD-2-Clause */
/* A list, and a mail to oneself for whoever is first. */
#include "daemon/core/jobs.h"

#include <stddef.h>

static void jobs_run(struct mail *mail, void *receiver)
{
	struct jobs *jobs = (struct jobs *)mail;
	(void)receiver;

	jobs->first->run(jobs->first);
}

static void jobs_begin(struct jobs *jobs)
{
	jobs->mail.deliver = jobs_run;
	mailbox_post(jobs->mailbox, &jobs->mail);
}

void jobs_add(struct jobs *jobs, struct job *job)
{
	struct job **last = &jobs->first;

	job->jobs = jobs;
	job->next = NULL;
	while (*last)
		last = &(*last)->next;
	*last = job;
	if (jobs->first == job)
		jobs_begin(jobs);
}

void jobs_end(struct job *job)
{
	struct jobs *jobs = job->jobs;

	jobs->first = job->next;
	if (jobs->first)
		jobs_begin(jobs);
}
