/* SPDX-License-Identifier: BSD-2-Clause */
/* auth/access_keys.c: what a file of keys may hold, what is said of one that is wrong, and who may read it. */
#include "auth/access_keys.h"

#include "base/secret.h"
#include "tests/auth/key_file.h"
#include "tests/suite.h"

#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define TEN(x)     x x x x x x x x x x
#define LONGEST_ID TEN("abcdef") "ABCD" /* 64 */
#define LONGEST_SECRET                                                                             \
	TEN("0123456789")                                                                          \
	"01234567890123456789abcdefgh" /* 128 */

static const struct {
	const char *text;
	size_t count;
	const char *id, *secret; /* of one that must be there */
	bool read_only;
} good[] = {
	{ "AKID secret\n", 1, "AKID", "secret", false },
	{ "AKID secret", 1, "AKID", "secret", false }, /* no newline at the end */
	{ "AKID secret read-only\n", 1, "AKID", "secret", true },
	{ "\t AKID \t secret \t read-only \t \n", 1, "AKID", "secret", true },
	{ "# AKID comment\n\n  # another\n \t\nAKID secret\n\n", 1, "AKID", "secret", false },
	{ "AKID #secret\n", 1, "AKID", "#secret", false }, /* a comment is a line of its own */
	{ "A one\nB two read-only\nC three\n", 3, "B", "two", true },
	{ "A one\nB two read-only\nC three\n", 3, "C", "three", false },
	{ "A same\nB same\n", 2, "B", "same", false },
	{ "a x\nA y\n", 2, "A", "y", false }, /* the case of letters counts */
	{ "read-only read-only\n", 1, "read-only", "read-only", false },
	{ "AKIDEXAMPLE wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY\n", 1, "AKIDEXAMPLE",
		"wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", false },
	{ LONGEST_ID " " LONGEST_SECRET "\n", 1, LONGEST_ID, LONGEST_SECRET, false },
};

START_TEST(good_file)
{
	const size_t before = secret_in_use();
	struct access_keys *keys = keys_of(good[_i].text);

	ck_assert_uint_eq(access_keys_count(keys), good[_i].count);
	const struct access_key *key = access_keys_find(keys, good[_i].id, strlen(good[_i].id));
	ck_assert_ptr_nonnull(key);
	ck_assert_str_eq(key->id, good[_i].id);
	ck_assert_str_eq(key->secret, good[_i].secret);
	ck_assert_int_eq(key->read_only, good[_i].read_only);
	/* One block, secret memory, and nothing of the text left. */
	ck_assert_uint_eq(secret_in_use(), before + 1);
	access_keys_free(keys);
	ck_assert_uint_eq(secret_in_use(), before);
}
END_TEST

START_TEST(find_compares_whole)
{
	struct access_keys *keys = keys_of("AKID one\nAKIDLONGER two\n");

	ck_assert_str_eq(access_keys_find(keys, "AKIDLONGER", 4)->secret, "one");
	ck_assert_str_eq(access_keys_find(keys, "AKIDLONGER", 10)->secret, "two");
	ck_assert_ptr_null(access_keys_find(keys, "AKIDLONGER", 5));
	ck_assert_ptr_null(access_keys_find(keys, "AKIDLONGER", 0));
	ck_assert_ptr_null(access_keys_find(keys, "akid", 4));
	ck_assert_ptr_null(access_keys_find(keys, "AKID\0", 5));
	access_keys_free(keys);
}
END_TEST

/* Every line below that is not well has the word "hush" in it, which no message may repeat. */
static const struct {
	const char *text;
	const char *error;
} bad[] = {
	{ "", "keys: holds no access key" },
	{ "# hush\n\n", "keys: holds no access key" },
	{ "hush\n", "keys:1: expected ACCESS_KEY_ID" },
	{ "A b\n\nhush \n", "keys:3: expected ACCESS_KEY_ID" },
	{ "AKID hush read-only hush\n", "keys:1: expected ACCESS_KEY_ID" },
	{ "AKID secret # hush\n", "keys:1: expected ACCESS_KEY_ID" },
	{ "AKID secret hush\n", "keys:1: the third column" },
	{ "AKID hush READ-ONLY\n", "keys:1: the third column" },
	{ "AKID secret read-onlyhush\n", "keys:1: the third column" },
	{ "# one\nAKID one\nB two\nAKID hush\n",
		"keys:4: this access key id stands on an earlier" },
	{ "hush/hush secret\n", "keys:1: the access key id is none" },
	{ "\xc3\xa9hush secret\n", "keys:1: the access key id is none" },
	{ LONGEST_ID "x hush\n", "keys:1: the access key id is none" },
	{ "AKID hush\xc3\xa9\n", "keys:1: the secret access key is none" },
	{ "AKID hush\x01\n", "keys:1: the secret access key is none" },
	{ "AKID hush\r\n", "keys:1: the secret access key is none" },
	{ "AKID hush\x7f\n", "keys:1: the secret access key is none" },
	{ "AKID " LONGEST_SECRET "x\n", "keys:1: the secret access key is none" },
};

START_TEST(bad_file)
{
	char error[ACCESS_KEYS_ERROR_SIZE];
	const size_t before = secret_in_use();

	ck_assert_ptr_null(keys_of_bytes(bad[_i].text, strlen(bad[_i].text), 0600, error));
	ck_assert_msg(strncmp(error, bad[_i].error, strlen(bad[_i].error)) == 0, "%s", error);
	ck_assert_msg(!strstr(error, "hush") && !strstr(error, "0123456789012"), "%s", error);
	ck_assert_uint_eq(secret_in_use(), before);
}
END_TEST

START_TEST(nul_character)
{
	char error[ACCESS_KEYS_ERROR_SIZE];

	ck_assert_ptr_null(keys_of_bytes("AKID se\0cret\n", 13, 0600, error));
	ck_assert_str_eq(error, "keys: has a NUL character, expected text");
}
END_TEST

static const struct {
	mode_t mode;
	bool taken;
} modes[] = {
	{ 0600, true },
	{ 0400, true },
	{ 0700, true },
	{ 0640, false },
	{ 0604, false },
	{ 0620, false },
	{ 0602, false },
	{ 0644, false },
	{ 0610, false },
	{ 0601, false },
	{ 0444, false },
};

START_TEST(mode_of_the_file)
{
	char error[ACCESS_KEYS_ERROR_SIZE], expected[64];
	struct access_keys *keys = keys_of_bytes("A b\n", 4, modes[_i].mode, error);

	snprintf(expected, sizeof(expected), "keys: its mode is %04o, expected 0600",
		(unsigned)modes[_i].mode);
	ck_assert_int_eq(keys != NULL, modes[_i].taken);
	ck_assert_str_eq(error, modes[_i].taken ? "" : expected);
	access_keys_free(keys);
}
END_TEST

/* As systemd hands a credential over: 0440 shows its access control list, and the file is root's. */
START_TEST(credential_of_the_service_manager)
{
	char error[ACCESS_KEYS_ERROR_SIZE];
	struct access_keys *keys = keys_of_bytes("A b\n", 4, 0440, error);

	ck_assert_int_eq(keys != NULL, geteuid() == 0 && getegid() == 0);
	access_keys_free(keys);
}
END_TEST

START_TEST(not_a_file)
{
	char error[ACCESS_KEYS_ERROR_SIZE];
	char directory[] = "portcullis-keys-XXXXXX", path[64];

	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_ptr_null(access_keys_load(directory, error));
	ck_assert_ptr_nonnull(strstr(error, ": is no regular file"));
	snprintf(path, sizeof(path), "%s/pipe", directory);
	ck_assert_int_eq(mkfifo(path, 0600), 0); /* which nobody ever writes to */
	ck_assert_ptr_null(access_keys_load(path, error));
	ck_assert_ptr_nonnull(strstr(error, ": is no regular file"));
	ck_assert_int_eq(unlink(path), 0);
	ck_assert_ptr_null(access_keys_load(path, error));
	ck_assert_ptr_nonnull(strstr(error, ": cannot be read: No such file or directory"));
	ck_assert_int_eq(rmdir(directory), 0);
	access_keys_free(NULL);
}
END_TEST

START_TEST(size_of_the_file)
{
	static char text[ACCESS_KEYS_FILE_MAX + 1];
	char error[ACCESS_KEYS_ERROR_SIZE];

	memset(text, '\n', sizeof(text));
	memcpy(text, "A b", 3);
	struct access_keys *keys = keys_of_bytes(text, ACCESS_KEYS_FILE_MAX, 0600, error);
	ck_assert_msg(keys, "%s", error);
	ck_assert_uint_eq(access_keys_count(keys), 1);
	access_keys_free(keys);
	ck_assert_ptr_null(keys_of_bytes(text, sizeof(text), 0600, error));
	ck_assert_ptr_nonnull(strstr(error, "is larger than"));
}
END_TEST

START_TEST(number_of_keys)
{
	static char text[(ACCESS_KEYS_MAX + 1) * 16];
	char error[ACCESS_KEYS_ERROR_SIZE];
	size_t length = 0, most = 0;

	for (int i = 0; i <= ACCESS_KEYS_MAX; i++) {
		most = length;
		length += (size_t)snprintf(
			text + length, sizeof(text) - length, "AKID%d s%d\n", i, i);
	}
	struct access_keys *keys = keys_of_bytes(text, most, 0600, error);
	ck_assert_msg(keys, "%s", error);
	ck_assert_uint_eq(access_keys_count(keys), ACCESS_KEYS_MAX);
	ck_assert_str_eq(access_keys_find(keys, "AKID1023", 8)->secret, "s1023");
	access_keys_free(keys);
	ck_assert_ptr_null(keys_of_bytes(text, length, 0600, error));
	ck_assert_str_eq(error, "keys:1025: more than 1024 keys");
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("auth/access_keys");
	TCase *tests = tcase_create("file");

	tcase_add_rows(tests, good_file, good);
	tcase_add_test(tests, find_compares_whole);
	tcase_add_rows(tests, bad_file, bad);
	tcase_add_test(tests, nul_character);
	tcase_add_rows(tests, mode_of_the_file, modes);
	tcase_add_test(tests, credential_of_the_service_manager);
	tcase_add_test(tests, not_a_file);
	tcase_add_test(tests, size_of_the_file);
	tcase_add_test(tests, number_of_keys);
	suite_add_tcase(suite, tests);
	return suite_main(suite);
}
