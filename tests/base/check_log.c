/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * base/log.c: which lines are written, what becomes of hostile and overlong ones, and the bytes
 * that reach stderr with and without the journal at its other end.
 */
#include "base/log.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/suite.h"

static char seen[4096];
static enum log_level seen_level;
static int seen_count;

static void remember(enum log_level level, const char *line)
{
	snprintf(seen, sizeof(seen), "%s", line);
	seen_level = level;
	seen_count++;
}

START_TEST(levels_filter)
{
	enum log_level most = (enum log_level)_i;

	log_configure(most, remember);
	for (int level = LOG_LEVEL_ERROR; level <= LOG_LEVEL_DEBUG; level++) {
		seen_count = 0;
		log_line((enum log_level)level, "line %d", level);
		ck_assert_int_eq(seen_count, level <= _i);
		ck_assert_int_eq(log_enabled((enum log_level)level), level <= _i);
		if (seen_count)
			ck_assert_int_eq((int)seen_level, level);
	}
}
END_TEST

START_TEST(names_have_their_levels)
{
	log_configure(LOG_LEVEL_DEBUG, remember);
	log_error("e");
	ck_assert_int_eq((int)seen_level, LOG_LEVEL_ERROR);
	log_warning("w");
	ck_assert_int_eq((int)seen_level, LOG_LEVEL_WARNING);
	log_info("i");
	ck_assert_int_eq((int)seen_level, LOG_LEVEL_INFO);
	log_debug("d %s", "arguments");
	ck_assert_int_eq((int)seen_level, LOG_LEVEL_DEBUG);
	ck_assert_str_eq(seen, "d arguments");
}
END_TEST

START_TEST(control_characters_do_not_forge_lines)
{
	log_configure(LOG_LEVEL_INFO, remember);
	log_info("one\nINFO two\r\t\x1b[0m\x7f");
	ck_assert_str_eq(seen, "one?INFO two???[0m?");
}
END_TEST

START_TEST(lines_are_cut_at_1000_bytes)
{
	static char text[3000];

	memset(text, 'x', (size_t)_i);
	text[_i] = '\0';
	log_configure(LOG_LEVEL_INFO, remember);
	log_info("%s", text);
	ck_assert_uint_eq(strlen(seen), _i < 1000 ? (size_t)_i : 1000);
}
END_TEST

START_TEST(errno_is_kept)
{
	log_configure(LOG_LEVEL_INFO, NULL);
	int kept = dup(STDERR_FILENO);
	close(STDERR_FILENO);
	errno = ENOSPC;
	log_info("goes nowhere");
	ck_assert_int_eq(errno, ENOSPC);
	dup2(kept, STDERR_FILENO);
	close(kept);
}
END_TEST

/* What one error line writes to stderr, with JOURNAL_STREAM set by `stream` from the file there. */
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
	log_error("gate");
	log_debug("%s", "");
	dup2(kept, STDERR_FILENO);
	close(kept);
	rewind(file);
	size_t length = fread(got, 1, sizeof(got) - 1, file);
	got[length] = '\0';
	ck_assert_str_eq(got, expected);
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
	check_stderr(stream_none, "gate\n\n");
	check_stderr(stream_other, "gate\n\n");
	check_stderr(stream_broken, "gate\n\n");
}
END_TEST

START_TEST(the_journal_gets_priorities)
{
	check_stderr(stream_same, "<3>gate\n<7>\n");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("log");
	TCase *tcase = tcase_create("log");

	tcase_add_loop_test(tcase, levels_filter, LOG_LEVEL_ERROR, LOG_LEVEL_DEBUG + 1);
	tcase_add_test(tcase, names_have_their_levels);
	tcase_add_test(tcase, control_characters_do_not_forge_lines);
	tcase_add_loop_test(tcase, lines_are_cut_at_1000_bytes, 998, 1004);
	tcase_add_test(tcase, errno_is_kept);
	tcase_add_test(tcase, stderr_gets_plain_lines);
	tcase_add_test(tcase, the_journal_gets_priorities);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
