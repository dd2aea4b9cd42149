/* SPDX-License-Identifier: BSD-2-Clause */
/* A mail goes from worker to worker, growing; the last one sends it home. */
#include "daemon/core/sessions.h"

#include "daemon/core/clock.h"
#include "daemon/core/connection.h"
#include "daemon/core/worker.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct round {
	struct mail mail;
	struct workers *workers;
	struct session_snapshot snapshot;
	size_t capacity;
	unsigned next; /* worker */
	session_snapshot_done *done;
	void *context;
};

static void round_home(struct mail *mail, void *receiver)
{
	struct round *round = (struct round *)mail;
	(void)receiver;

	round->done(round->context, &round->snapshot);
	free(round->snapshot.rows);
	free(round);
}

static struct session_row *round_row(struct round *round)
{
	if (round->snapshot.count == round->capacity) {
		size_t capacity = round->capacity ? 2 * round->capacity : 64;
		struct session_row *rows = realloc(round->snapshot.rows, capacity * sizeof(*rows));
		if (!rows) {
			round->snapshot.complete = false;
			return NULL;
		}
		round->snapshot.rows = rows;
		round->capacity = capacity;
	}
	struct session_row *row = &round->snapshot.rows[round->snapshot.count++];
	memset(row, 0, sizeof(*row));
	return row;
}

static void row_fill(struct session_row *row, const struct connection *connection, uint64_t now)
{
	struct iscsi_conn_info info;

	iscsi_conn_info(connection->engine, &info);
	snprintf(row->target, sizeof(row->target), "%s", info.identity->target);
	snprintf(row->initiator, sizeof(row->initiator), "%s", info.identity->initiator);
	snprintf(row->address, sizeof(row->address), "%s", connection->peer);
	snprintf(row->portal, sizeof(row->portal), "%s", connection->portal);
	snprintf(row->listener, sizeof(row->listener), "%s", connection->listener);
	memcpy(row->isid, info.identity->isid, sizeof(row->isid));
	row->tsih = info.tsih;
	row->discovery = info.identity->discovery;
	row->chap_algorithm = info.chap_algorithm;
	row->chap_mutual = info.chap_mutual;
	row->credential = info.credential;
	row->age_ms = now > info.logged_in_at ? now - info.logged_in_at : 0;
	row->commands = info.commands;
	row->bytes_read = info.bytes_read;
	row->bytes_written = info.bytes_written;
	row->parameters = info.parameters;
	row->worker = connection->worker->index;
}

static void round_deliver(struct mail *mail, void *receiver)
{
	struct round *round = (struct round *)mail;
	struct worker *worker = receiver;
	struct connection *connection;
	uint64_t now = clock_now();

	TAILQ_FOREACH(connection, &worker->connections, all_link)
	{
		struct session_row *row;
		if (connection->is_shut || iscsi_conn_phase(connection->engine) != ISCSI_PHASE_FULL)
			continue;
		row = round_row(round);
		if (!row)
			break;
		row_fill(row, connection, now);
	}
	if (++round->next < round->workers->count) {
		mailbox_post(round->workers->all[round->next].mailbox, &round->mail);
	} else {
		round->mail.deliver = round_home;
		mailbox_post(round->workers->main, &round->mail);
	}
}

int sessions_snapshot(struct workers *workers, session_snapshot_done *done, void *context)
{
	struct round *round = calloc(1, sizeof(*round));

	if (!round)
		return -1;
	*round = (struct round){
		.mail.deliver = round_deliver,
		.workers = workers,
		.snapshot.complete = true,
		.done = done,
		.context = context,
	};
	mailbox_post(workers->all[0].mailbox, &round->mail);
	return 0;
}
