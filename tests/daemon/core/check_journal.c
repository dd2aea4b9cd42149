/* SPDX-License-Identifier: BSD-2-Clause */
/* daemon/core/journal.c: the vectors of an entry, and where it goes when the journal is not there. */
#include "daemon/core/journal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tests/suite.h"

static char bytes[JOURNAL_BYTES + LOG_LINE_SIZE];
static struct iovec vectors[JOURNAL_FIELDS];
static int count;

static void collect(const struct log_record *record)
{
	count = journal_vectors(record, bytes, vectors);
}

/* Whether there is just this field, once. */
static bool has(const char *field)
{
	int found = 0;

	for (int i = 0; i < count; i++)
		found += vectors[i].iov_len == strlen(field) &&
			 memcmp(vectors[i].iov_base, field, vectors[i].iov_len) == 0;
	return found == 1;
}

START_TEST(an_event_is_its_fields)
{
	log_configure(LOG_LEVEL_INFO, collect);
	log_warning(LOG_WHAT("login-refused"), LOG_TEXT("target", "iqn.t"),
		LOG_TEXT("initiator", "evil\nPRIORITY=0\" why=x"), LOG_TEXT("peer", "[::1]:7"),
		LOG_TEXT("gone", NULL), LOG_HEX("status", 0x201), LOG_NONZERO("session", 0),
		LOG_NUMBER("bytes_read", 0), LOG_TEXT("why", "wrong name or secret"),
		LOG_PHRASE("words"));
	ck_assert_int_eq(count, 10);
	ck_assert(has("MESSAGE=words what=login-refused target=iqn.t "
		      "initiator=\"evil\\x0aPRIORITY=0\\\" why=x\" peer=[::1]:7 status=0x0201 "
		      "bytes_read=0 why=\"wrong name or secret\""));
	ck_assert(has("PRIORITY=4"));
	ck_assert(has("SYSLOG_IDENTIFIER=portcullisd"));
	ck_assert(has("PORTCULLIS_EVENT=login-refused"));
	ck_assert(has("PORTCULLIS_TARGET=iqn.t"));
	ck_assert(has("PORTCULLIS_INITIATOR=evil\nPRIORITY=0\" why=x")); /* a value as it is */
	ck_assert(has("PORTCULLIS_PEER=[::1]:7"));
	ck_assert(has("PORTCULLIS_STATUS=0x0201"));
	ck_assert(has("PORTCULLIS_BYTES_READ=0"));
	ck_assert(has("PORTCULLIS_WHY=wrong name or secret"));
}
END_TEST

START_TEST(levels_are_priorities)
{
	static const char *const priorities[] = { "PRIORITY=3", "PRIORITY=4", "PRIORITY=6",
		"PRIORITY=7" };

	log_configure(LOG_LEVEL_DEBUG, collect);
	log_event((enum log_level)_i, (const struct log_field[]){ LOG_WHAT("event"), LOG_END });
	ck_assert(has(priorities[_i]));
}
END_TEST

START_TEST(too_many_and_too_long_fields_are_left_out)
{
	struct log_field fields[2 * JOURNAL_FIELDS];
	static char text[JOURNAL_BYTES + LOG_LINE_SIZE];

	log_configure(LOG_LEVEL_INFO, collect);
	for (int i = 0; i < 2 * JOURNAL_FIELDS - 1; i++)
		fields[i] = LOG_NUMBER("number", 1);
	fields[2 * JOURNAL_FIELDS - 1] = LOG_END;
	log_event(LOG_LEVEL_INFO, fields);
	ck_assert_int_eq(count, JOURNAL_FIELDS);

	memset(text, 'x', sizeof(text) - 1);
	log_info(LOG_WHAT("event"), LOG_TEXT("why", text), LOG_TEXT("target", "iqn.t"));
	ck_assert_int_eq(count, 5);
	ck_assert(has("PORTCULLIS_TARGET=iqn.t"));
	ck_assert_uint_lt(vectors[0].iov_len, LOG_LINE_SIZE + 8);
}
END_TEST

/* stderr is not the journal's here, whatever the machine has. */
START_TEST(a_terminal_is_no_journal)
{
	unsetenv("JOURNAL_STREAM");
	ck_assert(!journal_is_reader());
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("journal");
	TCase *tcase = tcase_create("journal");

	tcase_add_test(tcase, an_event_is_its_fields);
	tcase_add_loop_test(tcase, levels_are_priorities, LOG_LEVEL_ERROR, LOG_LEVEL_DEBUG + 1);
	tcase_add_test(tcase, too_many_and_too_long_fields_are_left_out);
	tcase_add_test(tcase, a_terminal_is_no_journal);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
