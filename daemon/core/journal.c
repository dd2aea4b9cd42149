/* SPDX-License-Identifier: BSD-2-Clause */
/* sd_journal_sendv(3): the fields of an event, each "NAME=value", the value as it is. */
#include "daemon/core/journal.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>
#include <systemd/sd-journal.h>
#include <unistd.h>

#define SOCKET "/run/systemd/journal/socket"
#define PREFIX "PORTCULLIS_"

/* What has been put together of an entry. */
struct entry {
	char *bytes;
	size_t length, size;
	struct iovec *vectors;
	int count;
};

bool journal_is_reader(void)
{
	/* Without the socket sd_journal_sendv() drops entries in silence. */
	return log_stderr_is_journal() && access(SOCKET, W_OK) == 0;
}

/* "NAME=value", if there is room for the whole of it. */
static void entry_add(struct entry *entry, const char *name, const char *value)
{
	const size_t length = strlen(name) + 1 + strlen(value);
	char *at = entry->bytes + entry->length;

	if (length >= entry->size - entry->length || entry->count == JOURNAL_FIELDS)
		return;
	snprintf(at, length + 1, "%s=%s", name, value);
	entry->vectors[entry->count++] = (struct iovec){ at, length };
	entry->length += length + 1;
}

static void entry_add_field(struct entry *entry, const struct log_field *field)
{
	char name[64], number[LOG_NUMBER_SIZE];
	const char *value = log_value(field, number);

	if (!value || field->form == LOG_FORM_PHRASE)
		return;
	snprintf(name, sizeof(name), PREFIX "%s",
		strcmp(field->key, "what") == 0 ? "event" : field->key);
	for (char *letter = name; *letter; letter++)
		*letter = (char)toupper((unsigned char)*letter);
	entry_add(entry, name, value);
}

int journal_vectors(const struct log_record *record, char bytes[JOURNAL_BYTES + LOG_LINE_SIZE],
	struct iovec vectors[JOURNAL_FIELDS])
{
	struct entry entry = {
		.bytes = bytes, .size = JOURNAL_BYTES + LOG_LINE_SIZE, .vectors = vectors
	};
	char priority[LOG_NUMBER_SIZE];

	snprintf(priority, sizeof(priority), "%d", log_priority(record->level));
	entry_add(&entry, "MESSAGE", record->line);
	entry_add(&entry, "PRIORITY", priority);
	entry_add(&entry, "SYSLOG_IDENTIFIER", "portcullisd");
	for (const struct log_field *field = record->fields; field->key; field++)
		entry_add_field(&entry, field);
	return entry.count;
}

void journal_sink(const struct log_record *record)
{
	char bytes[JOURNAL_BYTES + LOG_LINE_SIZE];
	struct iovec vectors[JOURNAL_FIELDS];
	int count = journal_vectors(record, bytes, vectors);

	if (sd_journal_sendv(vectors, count) < 0)
		log_stderr(record);
}
