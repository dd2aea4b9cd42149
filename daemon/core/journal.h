/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log's way to the journal: one entry an event, whose fields are the event's own, so that
 * `journalctl PORTCULLIS_TARGET=...` finds them. Text that a peer chose is a value like any other there.
 */
#ifndef PORTCULLIS_DAEMON_CORE_JOURNAL_H
#define PORTCULLIS_DAEMON_CORE_JOURNAL_H

#include "base/log.h"

#include <sys/uio.h>

#define JOURNAL_FIELDS 32   /* of an entry at most; later ones stand in MESSAGE alone */
#define JOURNAL_BYTES  8192 /* of all of them but MESSAGE; likewise */

/* Whether stderr is the journal's and the journal takes entries: then journal_sink() is the log's sink. */
bool journal_is_reader(void);
/* A log_sink. An entry that the journal does not take goes to stderr as a line. */
void journal_sink(const struct log_record *record);
/*
 * The entry as sd_journal_sendv(3) takes it: MESSAGE, PRIORITY, SYSLOG_IDENTIFIER, PORTCULLIS_EVENT (the field
 * `what`), and PORTCULLIS_KEY for each other field. The vectors point into `bytes`. Returns
 * how many there are.
 */
int journal_vectors(const struct log_record *record, char bytes[JOURNAL_BYTES + LOG_LINE_SIZE],
	struct iovec vectors[JOURNAL_FIELDS]);

#endif
