/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Replacing files with a road back, and reading them with suspicion. What happens when steps fail
 * is in tests/crash/.
 */
#include "conf/state_file.h"

#include "base/secret.h"
#include "tests/suite.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char place[] = "portcullis-file-XXXXXX";
static struct state_directory directory;

static void enter(void)
{
	ck_assert_ptr_nonnull(mkdtemp(place));
	directory.path = place;
	directory.fd = open(place, O_RDONLY | O_DIRECTORY);
	ck_assert_int_ge(directory.fd, 0);
}

static void leave(void)
{
	static const char *const names[] = { "a", "a.new", "a.old" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		unlinkat(directory.fd, names[i], 0);
	close(directory.fd);
	ck_assert_int_eq(rmdir(place), 0);
}

static bool exists(const char *name)
{
	return faccessat(directory.fd, name, F_OK, 0) == 0;
}

static void expect(const char *name, const char *contents)
{
	char error[STATE_ERROR_SIZE];
	char *text;
	size_t length;

	ck_assert_int_eq(state_file_read(&directory, name, &text, &length, error), STATE_READ_OK);
	ck_assert_uint_eq(length, strlen(contents));
	ck_assert_mem_eq(text, contents, length);
	secret_free(text);
}

static bool replace(const char *contents)
{
	char error[STATE_ERROR_SIZE];
	bool had_old;

	ck_assert_int_eq(
		state_file_replace(&directory, "a", contents, strlen(contents), &had_old, error),
		STATE_OK);
	return had_old;
}

START_TEST(a_file_is_made_and_replaced)
{
	struct stat status;

	ck_assert(!replace("one"));
	expect("a", "one");
	ck_assert(!exists("a.new"));
	ck_assert(!exists("a.old"));
	state_file_settle(&directory, "a");
	ck_assert(replace("two"));
	expect("a", "two");
	expect("a.old", "one");
	state_file_settle(&directory, "a");
	ck_assert(!exists("a.old"));
	ck_assert_int_eq(fstatat(directory.fd, "a", &status, 0), 0);
	ck_assert_uint_eq(status.st_mode & 07777, 0600);
}
END_TEST

START_TEST(a_file_is_put_back)
{
	char error[STATE_ERROR_SIZE];

	replace("one");
	ck_assert_int_eq(state_file_put_back(&directory, "a", false, error), 0);
	ck_assert(!exists("a"));
	replace("one");
	state_file_settle(&directory, "a");
	replace("two");
	ck_assert_int_eq(state_file_put_back(&directory, "a", true, error), 0);
	expect("a", "one");
	ck_assert(!exists("a.old"));
	/* There is nothing any more that could be put back. */
	ck_assert_int_eq(state_file_put_back(&directory, "a", true, error), -1);
	expect("a", "one");
	ck_assert_ptr_nonnull(strstr(error, "/a: cannot be put back: No such file or directory"));
}
END_TEST

/* Whatever lies where the temporary names go is in nobody's way, and is not written through. */
START_TEST(leftovers_are_no_obstacle)
{
	replace("one");
	state_file_settle(&directory, "a");
	ck_assert_int_eq(symlinkat("a", directory.fd, "a.new"), 0);
	ck_assert_int_eq(symlinkat("a", directory.fd, "a.old"), 0);
	ck_assert(replace("two"));
	expect("a", "two");
	expect("a.old", "one");
}
END_TEST

START_TEST(an_unwritable_place_changes_nothing)
{
	char error[STATE_ERROR_SIZE];
	bool had_old;

	replace("one");
	state_file_settle(&directory, "a");
	ck_assert_int_eq(mkdirat(directory.fd, "a.new", 0700), 0);
	ck_assert_int_eq(
		state_file_replace(&directory, "a", "two", 3, &had_old, error), STATE_NOT_STORED);
	ck_assert_ptr_nonnull(strstr(error, "/a: cannot be written: Is a directory"));
	expect("a", "one");
	ck_assert_int_eq(unlinkat(directory.fd, "a.new", AT_REMOVEDIR), 0);
	ck_assert_int_eq(mkdirat(directory.fd, "a.old", 0700), 0);
	ck_assert_int_eq(
		state_file_replace(&directory, "a", "two", 3, &had_old, error), STATE_NOT_STORED);
	ck_assert_ptr_nonnull(strstr(error, "/a: cannot be linked: Is a directory"));
	expect("a", "one");
	ck_assert(!exists("a.new"));
	ck_assert_int_eq(unlinkat(directory.fd, "a.old", AT_REMOVEDIR), 0);
}
END_TEST

START_TEST(a_file_is_read_whole_or_not_at_all)
{
	char error[STATE_ERROR_SIZE];
	char *text;
	size_t length;

	ck_assert_int_eq(
		state_file_read(&directory, "a", &text, &length, error), STATE_READ_MISSING);
	ck_assert_ptr_null(text);
	replace("");
	expect("a", "");
	int fd = openat(directory.fd, "a", O_WRONLY);
	ck_assert_int_eq(ftruncate(fd, (off_t)STATE_FILE_MAX), 0);
	ck_assert_int_eq(state_file_read(&directory, "a", &text, &length, error), STATE_READ_OK);
	ck_assert_uint_eq(length, STATE_FILE_MAX);
	secret_free(text);
	ck_assert_int_eq(ftruncate(fd, (off_t)STATE_FILE_MAX + 1), 0);
	ck_assert_int_eq(
		state_file_read(&directory, "a", &text, &length, error), STATE_READ_FAILED);
	ck_assert_ptr_null(text);
	ck_assert_ptr_nonnull(strstr(error, "/a: is too large"));
	close(fd);
}
END_TEST

START_TEST(failures_are_one_line)
{
	char error[STATE_ERROR_SIZE], long_text[2 * STATE_ERROR_SIZE];
	struct state_directory elsewhere = { -1, long_text };

	ck_assert_int_eq(state_fail(&directory, "a", error, "is %d", 1), -1);
	ck_assert_ptr_nonnull(strstr(error, "/a: is 1"));
	ck_assert_int_eq(state_fail(&directory, NULL, error, "is %d", 2), -1);
	ck_assert_ptr_nonnull(strstr(error, ": is 2"));
	memset(long_text, 'x', sizeof(long_text) - 1);
	long_text[sizeof(long_text) - 1] = '\0';
	ck_assert_int_eq(state_fail(&elsewhere, "a", error, "is %d", 3), -1);
	ck_assert_uint_eq(strlen(error), STATE_ERROR_SIZE - 1);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conf/state_file");
	TCase *tests = tcase_create("files");

	tcase_add_checked_fixture(tests, enter, leave);
	tcase_add_test(tests, a_file_is_made_and_replaced);
	tcase_add_test(tests, a_file_is_put_back);
	tcase_add_test(tests, leftovers_are_no_obstacle);
	tcase_add_test(tests, an_unwritable_place_changes_nothing);
	tcase_add_test(tests, a_file_is_read_whole_or_not_at_all);
	tcase_add_test(tests, failures_are_one_line);
	suite_add_tcase(suite, tests);
	return suite_main(suite);
}
