/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base/log.c: which events are written, the text of their fields, what becomes of hostile and overlong
 * values, the bytes that reach stderr with and without the journal at its other end, the limit.
 */
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/suite.h"

static char seen[2 * LOG_LINE_SIZE];
static const struct log_field *seen_fields;
static enum log_level seen_level;
static int seen_count;

static void remember(const struct log_record *record)
{
	snprintf(seen, sizeof(seen), "%s", record->line);
	seen_fields = record->fields;
	seen_level = record->level;
	seen_count++;
}

START_TEST(levels_filter)
{
	enum log_level most = (enum log_level)_i;

	log_configure(most, remember);
	for (int level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
		const struct log_field fields[] = { LOG_WHAT("event"), LOG_END };
		seen_count = 0;
		log_event((enum log_level)level, fields);
		ck_assert_int_eq(seen_count, level <= _i);
		if (!seen_count)
			continue;
		ck_assert_int_eq((int)seen_level, level);
		ck_assert_ptr_eq(seen_fields, fields);
	}
}
END_TEST

START_TEST(names_have_their_levels)
{
	log_configure(LOG_LEVEL_DEBUG, remember);
	log_error(LOG_WHAT("e"));
	ck_assert_int_eq((int)seen_level, LOG_LEVEL_ERROR);
	log_warning(LOG_WHAT("w"));
	ck_assert_int_eq((int)seen_level, LOG_LEVEL_WARNING);
	log_info(LOG_WHAT("i"), LOG_TEXT("why", "it is so"));
	ck_assert_int_eq((int)seen_level, LOG_LEVEL_INFO);
	ck_assert_str_eq(seen, "what=i why=\"it is so\"");
}
END_TEST

START_TEST(fields_have_their_forms)
{
	log_configure(LOG_LEVEL_INFO, remember);
	log_info(LOG_WHAT("event"), LOG_TEXT("gone", NULL), LOG_NUMBER("zero", 0),
		LOG_NUMBER("most", UINT64_MAX), LOG_NONZERO("none", 0), LOG_NONZERO("some", 7),
		LOG_HEX("status", 0x201), LOG_PHRASE("listening on [::1]:3260"));
	ck_assert_str_eq(seen, "listening on [::1]:3260 what=event zero=0 "
			       "most=18446744073709551615 some=7 status=0x0201");
}
END_TEST

/* A value, and its text in a line. */
static const struct {
	const char *value, *text;
} values[] = {
	{ "iqn.1991-05.com.microsoft:host_1", "iqn.1991-05.com.microsoft:host_1" },
	{ "[fe80::1%eth0]:3260", "[fe80::1%eth0]:3260" },
	{ "", "\"\"" },
	{ "two words", "\"two words\"" },
	{ "a=b", "\"a=b\"" },
	{ "x\ntarget=y what=login", "\"x\\x0atarget=y what=login\"" },
	{ "x\" target=\"y", "\"x\\\" target=\\\"y\"" },
	{ "back\\slash", "\"back\\\\slash\"" },
	{ "\\\"", "\"\\\\\\\"\"" },
	{ "\r\t\x1b[31m\x7f", "\"\\x0d\\x09\\x1b[31m\\x7f\"" },
	{ "\xc3\xa4\xe2\x80\xae\xff", "\"\\xc3\\xa4\\xe2\\x80\\xae\\xff\"" },
	{ "'", "\"'\"" },
};

START_TEST(values_forge_nothing)
{
	char expected[256];

	log_configure(LOG_LEVEL_INFO, remember);
	log_info(LOG_WHAT("event"), LOG_TEXT("initiator", values[_i].value), LOG_NUMBER("end", 1));
	snprintf(expected, sizeof(expected), "what=event initiator=%s end=1", values[_i].text);
	ck_assert_str_eq(seen, expected);
}
END_TEST

/* Takes a line apart as a reader would; the number of fields, each key=value, or -1. */
static int parse(const char *line)
{
	int count = 0;

	while (*line) {
		size_t key = strspn(line, "abcdefghijklmnopqrstuvwxyz_");
		if (!key || line[key] != '=')
			return -1;
		line += key + 1;
		if (*line == '"') {
			for (line++; *line && *line != '"'; line++)
				if (*line == '\\' && *++line == '\0')
					return -1;
			if (*line++ != '"')
				return -1;
		} else {
			line += strcspn(line, " \"=\\");
		}
		if (*line && *line++ != ' ')
			return -1;
		count++;
	}
	return count;
}

/* Every byte, alone and among others, in a value. */
START_TEST(each_byte_stays_in_its_value)
{
	char text[4] = { 'a', (char)_i, 'b', '\0' };

	log_configure(LOG_LEVEL_INFO, remember);
	log_info(LOG_WHAT("event"), LOG_TEXT("initiator", text), LOG_TEXT("peer", text + 1),
		LOG_TEXT("why", "end"));
	ck_assert_int_eq(parse(seen), 4);
	for (const char *at = seen; *at; at++)
		ck_assert_msg(*at >= ' ' && *at < '\x7f', "%s", seen);
}
END_TEST

START_TEST(long_values_are_cut)
{
	static char text[5000];

	memset(text, _i & 1 ? '\n' : 'x', sizeof(text) - 1);
	log_configure(LOG_LEVEL_INFO, remember);
	text[1000 + _i] = '\0';
	log_info(LOG_WHAT("event"), LOG_TEXT("target", text), LOG_TEXT("why", "end"));
	ck_assert_int_eq(parse(seen), 3);
	ck_assert_uint_le(strlen(seen), strlen("what=event target= why=end") + LOG_VALUE_SIZE - 1);
	ck_assert_ptr_nonnull(strstr(seen, " why=end"));
	bool whole = !(_i & 1) && 1000 + _i < LOG_VALUE_SIZE;
	ck_assert_int_eq(strstr(seen, "...\" why=") == NULL, whole);
}
END_TEST

/* What does not fit is left out whole, and a later, shorter field is not. */
START_TEST(long_lines_lose_whole_fields)
{
	char text[LOG_VALUE_SIZE];

	memset(text, 'y', sizeof(text) - 1);
	text[sizeof(text) - 1 - (size_t)_i] = '\0';
	log_configure(LOG_LEVEL_INFO, remember);
	log_info(LOG_WHAT("event"), LOG_TEXT("a", text), LOG_TEXT("b", text), LOG_TEXT("c", text),
		LOG_TEXT("d", text), LOG_TEXT("e", text), LOG_NUMBER("end", 1));
	ck_assert_uint_lt(strlen(seen), LOG_LINE_SIZE);
	bool has_fourth = strstr(seen, " d=") != NULL, has_end = strstr(seen, " end=1") != NULL;
	ck_assert_int_eq(parse(seen), 4 + has_fourth + has_end);
	ck_assert(has_fourth || has_end);
}
END_TEST

START_TEST(errno_is_kept)
{
	log_configure(LOG_LEVEL_INFO, NULL);
	int kept = dup(STDERR_FILENO);
	close(STDERR_FILENO);
	errno = ENOSPC;
	log_info(LOG_WHAT("nowhere"));
	ck_assert_int_eq(errno, ENOSPC);
	dup2(kept, STDERR_FILENO);
	close(kept);
}
END_TEST

/* What two lines write to stderr, with JOURNAL_STREAM set by `stream` from the file there. */
static void check_stderr(const char *(*stream)(const struct stat *), const char *expected)
{
	FILE *file = tmpfile();
	struct stat status;
	char got[64] = "";

	ck_assert_ptr_nonnull(file);
	int kept = dup(STDERR_FILENO);
	dup2(fileno(file), STDERR_FILENO);
	ck_assert_int_eq(fstat(STDERR_FILENO, &status), 0);
	const char *value = stream(&status);
	if (value)
		setenv("JOURNAL_STREAM", value, 1);
	else
		unsetenv("JOURNAL_STREAM");
	log_configure(LOG_LEVEL_DEBUG, NULL);
	log_error(LOG_WHAT("gate"));
	log_event(LOG_LEVEL_DEBUG, (const struct log_field[]){ LOG_END });
	bool is_journal = log_stderr_is_journal();
	dup2(kept, STDERR_FILENO);
	close(kept);
	rewind(file);
	size_t length = fread(got, 1, sizeof(got) - 1, file);
	got[length] = '\0';
	ck_assert_str_eq(got, expected);
	ck_assert_int_eq(is_journal, expected[0] == '<');
	fclose(file);
}

static char stream_text[64];

static const char *stream_none(const struct stat *status)
{
	(void)status;
	return NULL;
}

static const char *stream_same(const struct stat *status)
{
	snprintf(stream_text, sizeof(stream_text), "%ju:%ju", (uintmax_t)status->st_dev,
		(uintmax_t)status->st_ino);
	return stream_text;
}

static const char *stream_other(const struct stat *status)
{
	snprintf(stream_text, sizeof(stream_text), "%ju:%ju", (uintmax_t)status->st_dev,
		(uintmax_t)status->st_ino + 1);
	return stream_text;
}

static const char *stream_broken(const struct stat *status)
{
	(void)status;
	return "not:numbers";
}

START_TEST(stderr_gets_plain_lines)
{
	check_stderr(stream_none, "what=gate\n\n");
	check_stderr(stream_other, "what=gate\n\n");
	check_stderr(stream_broken, "what=gate\n\n");
}
END_TEST

START_TEST(the_journal_gets_priorities)
{
	check_stderr(stream_same, "<3>what=gate\n<7>\n");
}
END_TEST

START_TEST(strangers_are_limited)
{
	struct log_limit limit = { 0 };
	uint64_t suppressed = 99;

	for (uint64_t now = 5000; now < 5010; now++)
		ck_assert_int_eq(log_limit_pass(&limit, 3, now, &suppressed), now < 5003);
	ck_assert_uint_eq(suppressed, 0);
	/* The window began with the daemon's clock, or with the last window. */
	ck_assert(!log_limit_pass(&limit, 3, LOG_LIMIT_WINDOW_MS - 1, &suppressed));
	ck_assert(log_limit_pass(&limit, 3, LOG_LIMIT_WINDOW_MS, &suppressed));
	ck_assert_uint_eq(suppressed, 8);
	ck_assert(log_limit_pass(&limit, 3, LOG_LIMIT_WINDOW_MS, &suppressed));
	ck_assert_uint_eq(suppressed, 0);
	ck_assert(log_limit_pass(&limit, 3, 90 * LOG_LIMIT_WINDOW_MS, &suppressed));
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *tcase = tcase_create("log");

	tcase_add_loop_test(tcase, levels_filter, LOG_LEVEL_ERROR, LOG_LEVEL_DEBUG + 1);
	tcase_add_test(tcase, names_have_their_levels);
	tcase_add_test(tcase, fields_have_their_forms);
	tcase_add_rows(tcase, values_forge_nothing, values);
	tcase_add_loop_test(tcase, each_byte_stays_in_its_value, 1, 256);
	tcase_add_loop_test(tcase, long_values_are_cut, 0, 60);
	tcase_add_loop_test(tcase, long_lines_lose_whole_fields, 1, 60);
	tcase_add_test(tcase, errno_is_kept);
	tcase_add_test(tcase, stderr_gets_plain_lines);
	tcase_add_test(tcase, the_journal_gets_priorities);
	tcase_add_test(tcase, strangers_are_limited);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
