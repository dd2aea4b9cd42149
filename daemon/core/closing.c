/* SPDX-License-Identifier: BSD-2-Clause */
/* A mail to each worker, a count of those still open, a mail back. */
#include "daemon/core/closing.h"

#include "daemon/core/connection.h"
#include "daemon/core/worker.h"

#include <stdlib.h>
#include <string.h>

static void closure_finished(struct mail *mail, void *receiver)
{
	struct closure *closure = (struct closure *)mail;
	(void)receiver;

	free(closure->parts);
	closure->done(closure);
}

static void closing_finished(struct worker *worker, struct closing *closing)
{
	struct closure *closure = closing->closure;

	TAILQ_REMOVE(&worker->closings, closing, link);
	if (atomic_fetch_sub(&closure->pending, 1) == 1) {
		closure->mail.deliver = closure_finished;
		mailbox_post(worker->workers->main, &closure->mail);
	}
}

/*
 * A login that names the session by its TSIH, to take it over, belongs to it from its first PDU. Any other
 * gets a number that no session has, so nobody comes to be concerned later.
 */
static bool is_that_session(const struct closing_whom *whom, const struct session_entry *entry)
{
	const struct iscsi_identity *identity = entry->identity;

	if (whom->initiator && strcmp(identity->initiator, whom->initiator) != 0)
		return false;
	if (whom->isid && memcmp(identity->isid, whom->isid, sizeof(identity->isid)) != 0)
		return false;
	return !whom->tsih || entry->tsih == whom->tsih || identity->tsih == whom->tsih;
}

static bool closing_concerns(const struct closing *closing, const struct connection *connection)
{
	const struct closing_whom *whom = &closing->closure->whom;
	const struct session_entry *entry = &connection->entry;

	if (whom->portal)
		return strcmp(connection->listener, whom->portal) == 0;
	if (!whom->target)
		return true;
	if (entry->target != whom->target)
		return false;
	if (whom->present)
		return connection->entered <= closing->entered && is_that_session(whom, entry);
	if (!whom->initiator)
		return entry->generation < whom->before;
	return entry->credential != 0 && entry->credential < whom->before &&
	       strcmp(entry->identity->initiator, whom->initiator) == 0;
}

void closing_note_shut(struct worker *worker, struct connection *connection)
{
	struct closing *closing, *next;

	for (closing = TAILQ_FIRST(&worker->closings); closing; closing = next) {
		next = TAILQ_NEXT(closing, link);
		if (closing_concerns(closing, connection) && --closing->left == 0)
			closing_finished(worker, closing);
	}
}

/* Puts it among those to be closed; one that is to be asked already may be told instead. */
static void closing_mark(struct worker *worker, struct connection *connection, enum iscsi_close how)
{
	if (!connection->is_to_close || how > connection->close_how)
		connection->close_how = how;
	if (!connection->is_to_close) {
		connection->is_to_close = true;
		TAILQ_INSERT_TAIL(&worker->to_close, connection, close_link);
	}
}

/* Counts whom it concerns at once; they are closed a few per turn. */
static void closing_begin(struct mail *mail, void *receiver)
{
	struct closing *closing = (struct closing *)mail;
	struct worker *worker = receiver;
	struct connection *connection;
	enum iscsi_close how = closing->closure->whom.politely ? ISCSI_CLOSE_REQUESTED
							       : ISCSI_CLOSE_CLEAN;

	const struct closing_whom *whom = &closing->closure->whom;

	worker->draining = worker->draining || !(whom->target || whom->portal);
	closing->entered = worker->entered;
	TAILQ_INSERT_TAIL(&worker->closings, closing, link);
	TAILQ_FOREACH(connection, &worker->connections, all_link)
	{
		if (connection->is_shut || !closing_concerns(closing, connection))
			continue;
		closing->left++;
		closing_mark(worker, connection, how);
	}
	atomic_fetch_add(&closing->closure->sessions, (unsigned)closing->left);
	if (closing->left == 0)
		closing_finished(worker, closing);
}

int closing_begin_all(
	struct workers *workers, struct closure *closure, const struct closing_whom *whom)
{
	closure->parts = calloc(workers->count, sizeof(*closure->parts));
	if (!closure->parts)
		return -1;
	closure->workers = workers;
	closure->whom = *whom;
	atomic_store(&closure->pending, workers->count);
	atomic_store(&closure->sessions, 0);
	for (unsigned i = 0; i < workers->count; i++) {
		closure->parts[i] = (struct closing){ .mail.deliver = closing_begin,
			.closure = closure };
		mailbox_post(workers->all[i].mailbox, &closure->parts[i].mail);
	}
	return 0;
}

bool closing_step(struct worker *worker, uint64_t now)
{
	for (unsigned i = 0; i < CLOSE_PER_TURN; i++) {
		struct connection *connection = TAILQ_FIRST(&worker->to_close);
		if (!connection)
			return false;
		TAILQ_REMOVE(&worker->to_close, connection, close_link);
		connection->is_to_close = false;
		connection_close(connection, connection->close_how, now);
	}
	return !TAILQ_EMPTY(&worker->to_close);
}
