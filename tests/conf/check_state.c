/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state directory as its user sees it: what is stored is found after a restart, what is
 * damaged or missing closes its target and no other (K9), what is open to others is refused.
 * Failures and crashes in the middle of storing are in tests/crash/.
 */
#include "conf/state.h"

#include "base/log.h"
#include "base/secret.h"
#include "tests/suite.h"

#include <dirent.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define A      "iqn.2026-01.org.example:a"
#define B      "iqn.2026-01.org.example:b"
#define FILE_A "state/" A ".credentials"
#define FILE_B "state/" B ".credentials"

/* Each test has a directory of its own, and works in it. */
static char directory[] = "portcullis-state-XXXXXX";
static char logged[1024];

static void keep_log(const struct log_record *record)
{
	snprintf(logged, sizeof(logged), "%s", record->line);
}

static void enter(void)
{
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chdir(directory), 0);
	log_configure(LOG_LEVEL_INFO, keep_log);
	logged[0] = '\0';
}

static void empty_directory(const char *name)
{
	DIR *stream = opendir(name);
	const struct dirent *entry;
	char path[512];

	while (stream && (entry = readdir(stream))) {
		snprintf(path, sizeof(path), "%s/%s", name, entry->d_name);
		if (entry->d_name[0] != '.' || entry->d_name[1] == '.')
			if (unlink(path) != 0)
				(void)rmdir(path);
	}
	if (stream)
		closedir(stream);
}

static void leave(void)
{
	empty_directory("state");
	empty_directory(".");
	ck_assert_int_eq(chdir(".."), 0);
	ck_assert_int_eq(rmdir(directory), 0);
}

static struct state *opened(void)
{
	char error[STATE_ERROR_SIZE];
	bool first;
	struct state *state = state_open("state", &first, error);

	if (!state)
		ck_abort_msg("%s", error);
	return state;
}

/* Stores one record with this secret as generation `generation`. */
static enum state_result store(
	struct state *state, const char *target, uint64_t generation, const char *secret)
{
	char error[STATE_ERROR_SIZE];
	struct credential record = { .initiator = "iqn.2026-01.org.example:host" };

	record.initiator_secret.length = (uint8_t)strlen(secret);
	memcpy(record.initiator_secret.bytes, secret, strlen(secret));
	struct credential_set *set = credential_set_of(generation, &record, 1);
	enum state_result result = state_store_credentials(state, target, set, error);
	ck_assert_int_eq(result == STATE_OK, error[0] == '\0');
	credential_set_unref(set);
	return result;
}

/* Compares what is found for a target: "GENERATION SECRET", "GENERATION" or the error. */
static void expect(struct state *state, const char *target, const char *expected)
{
	char error[STATE_ERROR_SIZE], found[STATE_ERROR_SIZE];
	struct credential_set *set;
	enum state_result result = state_load_credentials(state, target, &set, error);

	if (result != STATE_OK) {
		ck_assert_int_eq(result, STATE_BROKEN);
		ck_assert_ptr_null(set);
		ck_assert_str_eq(error, expected);
		return;
	}
	ck_assert_str_eq(error, "");
	int length = snprintf(
		found, sizeof(found), "%llu", (unsigned long long)credential_set_generation(set));
	if (credential_set_count(set) > 0)
		snprintf(found + length, sizeof(found) - (size_t)length, " %s",
			(const char *)credential_set_at(set, 0)->initiator_secret.bytes);
	credential_set_unref(set);
	ck_assert_str_eq(found, expected);
}

/* A directory with a set for A and one for B, closed. */
static void prepare(void)
{
	struct state *state = opened();

	ck_assert_int_eq(store(state, A, 5, "secret-of-a"), STATE_OK);
	ck_assert_int_eq(store(state, B, 6, "secret-of-b"), STATE_OK);
	state_close(state);
}

static void put(const char *path, const char *bytes, size_t length)
{
	FILE *stream = fopen(path, "w");

	ck_assert_ptr_nonnull(stream);
	ck_assert_uint_eq(fwrite(bytes, 1, length, stream), length);
	ck_assert_int_eq(fclose(stream), 0);
	ck_assert_int_eq(chmod(path, 0600), 0);
}

static size_t get(const char *path, char *bytes, size_t size)
{
	FILE *stream = fopen(path, "r");

	ck_assert_ptr_nonnull(stream);
	size_t length = fread(bytes, 1, size, stream);
	ck_assert_int_eq(fclose(stream), 0);
	return length;
}

START_TEST(the_first_start_is_told)
{
	char error[STATE_ERROR_SIZE];
	bool first;
	struct stat status;
	struct state *state = state_open("state", &first, error);

	ck_assert_ptr_nonnull(state);
	ck_assert(first);
	ck_assert_int_eq(stat("state", &status), 0);
	ck_assert_uint_eq(status.st_mode & 07777, 0700);
	expect(state, A, "1");
	state_close(state);
	state = state_open("state", &first, error);
	ck_assert(!first);
	expect(state, A, "1");
	state_close(state);
	state_close(NULL);
}
END_TEST

/* A file system's root may be the directory; a crash may have come before the first index. */
START_TEST(what_no_daemon_stored_is_still_a_first_start)
{
	char error[STATE_ERROR_SIZE];
	bool first;

	ck_assert_int_eq(mkdir("state", 0700), 0);
	ck_assert_int_eq(mkdir("state/lost+found", 0700), 0);
	put("state/lock", "", 0);
	put("state/index.new", "{\"for", 5);
	struct state *state = state_open("state", &first, error);
	ck_assert_ptr_nonnull(state);
	ck_assert(first);
	ck_assert_int_ne(access("state/index.new", F_OK), 0);
	state_close(state);
}
END_TEST

START_TEST(what_is_stored_is_found)
{
	struct stat status;

	prepare();
	struct state *state = opened();
	expect(state, A, "5 secret-of-a");
	expect(state, B, "6 secret-of-b");
	ck_assert_int_eq(store(state, A, 7, "another-secret"), STATE_OK);
	expect(state, A, "7 another-secret");
	state_close(state);
	state = opened();
	expect(state, A, "7 another-secret");
	expect(state, B, "6 secret-of-b");
	expect(state, "iqn.2026-01.org.example:c", "1");
	state_close(state);
	ck_assert_int_eq(stat(FILE_A, &status), 0);
	ck_assert_uint_eq(status.st_mode & 07777, 0600);
	ck_assert_uint_eq(status.st_nlink, 1);
}
END_TEST

/* Deleting the last credential is a set like any other, not the lack of one. */
START_TEST(the_empty_set_is_stored)
{
	char error[STATE_ERROR_SIZE];
	struct credential_set *set = credential_set_new(9);

	prepare();
	struct state *state = opened();
	ck_assert_int_eq(state_store_credentials(state, A, set, error), STATE_OK);
	state_close(state);
	credential_set_unref(set);
	state = opened();
	expect(state, A, "9");
	state_close(state);
}
END_TEST

START_TEST(a_second_daemon_is_refused)
{
	char error[STATE_ERROR_SIZE];
	bool first;
	struct state *state = opened();

	ck_assert_ptr_null(state_open("state", &first, error));
	ck_assert_str_eq(error, "state: is in use by another portcullisd");
	struct state *looking = state_open_readonly("state", error);
	ck_assert_ptr_nonnull(looking);
	state_close(looking);
	ck_assert_ptr_null(state_open("state", &first, error));
	state_close(state);
	state_close(opened());
}
END_TEST

static const struct {
	const char *name;
	const char *bytes;
	const char *error; /* behind the file's path */
} damages[] = {
	{ "empty", "", ": is not a line and its checksum" },
	{ "one line", "{}\n", ": is not a line and its checksum" },
	{ "bad checksum", "{}\n0000000000000000000000000000000000000000000000000000000000000000\n",
		": its checksum does not match" },
	{ "not ours", "{}\nca3d163bab055381827226140568f3bef7eaac187cebd76878e0b63e9e442356\n",
		": is not the JSON expected" },
};

START_TEST(a_damaged_file_closes_its_target_alone) /* K9 */
{
	char error[STATE_ERROR_SIZE], expected[STATE_ERROR_SIZE];

	prepare();
	put(FILE_A, damages[_i].bytes, strlen(damages[_i].bytes));
	snprintf(expected, sizeof(expected), FILE_A "%s", damages[_i].error);
	struct state *state = opened();
	expect(state, A, expected);
	expect(state, B, "6 secret-of-b");
	ck_assert_int_eq(store(state, B, 7, "another-secret"), STATE_OK);
	state_close(state);
	state = state_open_readonly("state", error);
	ck_assert_ptr_nonnull(state);
	expect(state, A, expected);
	expect(state, B, "7 another-secret");
	state_close(state);
}
END_TEST

START_TEST(a_torn_file_is_noticed) /* K9 */
{
	char bytes[4096];

	prepare();
	size_t length = get(FILE_A, bytes, sizeof(bytes));
	for (size_t cut = 0; cut < length; cut += 7) {
		put(FILE_A, bytes, cut);
		struct state *state = opened();
		expect(state, A,
			cut < 66                  ? FILE_A ": is not a line and its checksum"
			: bytes[cut - 66] == '\n' ? FILE_A ": its checksum does not match"
						  : FILE_A ": is not a line and its checksum");
		expect(state, B, "6 secret-of-b");
		state_close(state);
	}
}
END_TEST

START_TEST(a_missing_file_closes_its_target_alone) /* K9 */
{
	prepare();
	ck_assert_int_eq(unlink(FILE_A), 0);
	struct state *state = opened();
	expect(state, A, FILE_A ": is missing, although the index names it");
	expect(state, B, "6 secret-of-b");
	/* Nor does storing make it whole: nobody knows what it would replace. */
	ck_assert_int_eq(store(state, A, 6, "another-secret"), STATE_BROKEN);
	expect(state, A, FILE_A ": is missing, although the index names it");
	ck_assert_int_eq(store(state, B, 7, "another-secret"), STATE_OK);
	state_close(state);
	state = opened();
	expect(state, A, FILE_A ": is missing, although the index names it");
	state_close(state);
}
END_TEST

START_TEST(a_file_of_another_target_is_noticed)
{
	char bytes[4096];

	prepare();
	put(FILE_A, bytes, get(FILE_B, bytes, sizeof(bytes)));
	struct state *state = opened();
	expect(state, A, FILE_A ": belongs to another target");
	state_close(state);
}
END_TEST

#define UNKNOWN_C                                                                                  \
	"state/index: is missing or damaged, so whether there was a "                              \
	"iqn.2026-01.org.example:c.credentials is not known"

static const struct {
	const char *bytes; /* NULL: no index at all */
	const char *error;
} index_damages[] = {
	{ NULL, "state/index: cannot be read: No such file or directory" },
	{ "", "state/index: is not a line and its checksum" },
	{ "{\"format\":1,\"files\":[]}\n"
	  "0000000000000000000000000000000000000000000000000000000000000000\n",
		"state/index: its checksum does not match" },
};

/* Without its index nobody knows which targets had credentials; those with a file still do. */
START_TEST(a_lost_index_closes_what_has_no_file) /* K9 */
{
	char error[STATE_ERROR_SIZE], line[STATE_ERROR_SIZE + 64];
	bool first;

	prepare();
	if (index_damages[_i].bytes)
		put("state/index", index_damages[_i].bytes, strlen(index_damages[_i].bytes));
	else
		ck_assert_int_eq(unlink("state/index"), 0);
	ck_assert_ptr_null(state_open_readonly("state", error));
	ck_assert_str_eq(error, index_damages[_i].error);
	for (int again = 0; again < 2; again++) {
		struct state *state = state_open("state", &first, error);
		ck_assert_ptr_nonnull(state);
		ck_assert(!first);
		snprintf(line, sizeof(line),
			"what=index-damaged why=\"%s\" "
			"then=\"only targets that have a file there are served\"",
			index_damages[_i].error);
		ck_assert_str_eq(logged, line);
		expect(state, "iqn.2026-01.org.example:c", UNKNOWN_C);
		expect(state, A, again ? "6 another-secret" : "5 secret-of-a");
		ck_assert_int_eq(
			store(state, "iqn.2026-01.org.example:c", 2, "secret-of-c"), STATE_BROKEN);
		ck_assert_int_eq(store(state, A, 6, "another-secret"), STATE_OK);
		state_close(state);
	}
	ck_assert_int_ne(access("state/iqn.2026-01.org.example:c.credentials", F_OK), 0);
}
END_TEST

/* A crash between the file and the index: the file is complete, and the index learns of it. */
START_TEST(a_file_that_the_index_does_not_name_is_adopted)
{
	char error[STATE_ERROR_SIZE], index[4096];

	struct state *state = opened();
	ck_assert_int_eq(store(state, A, 5, "secret-of-a"), STATE_OK);
	state_close(state);
	size_t length = get("state/index", index, sizeof(index));
	prepare();
	put("state/index", index, length);
	state = state_open_readonly("state", error);
	ck_assert_ptr_nonnull(state);
	expect(state, B, "6 secret-of-b");
	state_close(state);
	state_close(opened());
	ck_assert_int_eq(unlink(FILE_B), 0);
	state = opened();
	expect(state, B, FILE_B ": is missing, although the index names it");
	state_close(state);
}
END_TEST

START_TEST(leftovers_are_removed)
{
	prepare();
	put(FILE_A ".new", "half", 4);
	ck_assert_int_eq(link(FILE_A, FILE_A ".old"), 0);
	put("state/index.new", "", 0);
	put("state/index.old", "", 0);
	put("state/c.credentials.old", "", 0); /* the last trace of a lost file is evidence */
	put("state/reservations", "", 0);
	char error[STATE_ERROR_SIZE];
	state_close(state_open_readonly("state", error));
	ck_assert_int_eq(access(FILE_A ".new", F_OK), 0);
	struct state *state = opened();
	expect(state, A, "5 secret-of-a");
	ck_assert_int_ne(access(FILE_A ".new", F_OK), 0);
	ck_assert_int_ne(access(FILE_A ".old", F_OK), 0);
	ck_assert_int_ne(access("state/index.new", F_OK), 0);
	ck_assert_int_ne(access("state/index.old", F_OK), 0);
	ck_assert_int_eq(access("state/c.credentials.old", F_OK), 0);
	ck_assert_int_eq(access("state/reservations", F_OK), 0);
	state_close(state);
}
END_TEST

START_TEST(an_open_directory_is_refused)
{
	static const struct {
		mode_t mode;
		const char *error;
	} modes[] = {
		{ 0755, "state: its mode is 0755, expected 0700" },
		{ 0701, "state: its mode is 0701, expected 0700" },
		{ 0720, "state: its mode is 0720, expected 0700" },
	};
	char error[STATE_ERROR_SIZE];
	bool first;

	prepare();
	for (size_t i = 0; i < sizeof(modes) / sizeof(modes[0]); i++) {
		ck_assert_int_eq(chmod("state", modes[i].mode), 0);
		ck_assert_ptr_null(state_open("state", &first, error));
		ck_assert_str_eq(error, modes[i].error);
		ck_assert_ptr_null(state_open_readonly("state", error));
		ck_assert_str_eq(error, modes[i].error);
	}
}
END_TEST

START_TEST(an_open_file_closes_its_target)
{
	prepare();
	ck_assert_int_eq(chmod(FILE_A, 0640), 0);
	struct state *state = opened();
	expect(state, A, FILE_A ": its mode is 0640, expected 0600");
	expect(state, B, "6 secret-of-b");
	state_close(state);
}
END_TEST

/* Links, FIFOs and directories put in a file's place are neither followed nor waited for. */
START_TEST(only_plain_files_are_read)
{
	prepare();
	ck_assert_int_eq(rename(FILE_A, "elsewhere"), 0);
	ck_assert_int_eq(symlink("../elsewhere", FILE_A), 0);
	struct state *state = opened();
	expect(state, A, FILE_A ": cannot be read: Too many levels of symbolic links");
	ck_assert_int_eq(unlink(FILE_A), 0);
	ck_assert_int_eq(mkfifo(FILE_A, 0600), 0);
	expect(state, A, FILE_A ": is no regular file");
	ck_assert_int_eq(unlink(FILE_A), 0);
	ck_assert_int_eq(mkdir(FILE_A, 0700), 0);
	expect(state, A, FILE_A ": is no regular file");
	ck_assert_int_eq(rmdir(FILE_A), 0);
	state_close(state);
}
END_TEST

START_TEST(a_stranger_s_files_are_refused)
{
	char error[STATE_ERROR_SIZE];
	bool first;

	prepare();
	if (geteuid() != 0 || chown(FILE_A, 1, 0) != 0)
		return; /* only root can make such files */
	struct state *state = opened();
	expect(state, A, FILE_A ": belongs to user 1, expected user 0");
	state_close(state);
	/* root may look into the directory of the daemon's user, but not run on it. */
	ck_assert_int_eq(chown("state", 1, 0), 0);
	ck_assert_int_eq(chown("state/index", 1, 0), 0);
	ck_assert_ptr_null(state_open("state", &first, error));
	ck_assert_str_eq(error, "state: belongs to user 1, expected user 0");
	state = state_open_readonly("state", error);
	ck_assert_ptr_nonnull(state);
	expect(state, A, "5 secret-of-a");
	state_close(state);
}
END_TEST

START_TEST(a_directory_reached_by_a_link_is_fine)
{
	ck_assert_int_eq(mkdir("private", 0700), 0);
	ck_assert_int_eq(symlink("private", "state"), 0);
	prepare();
	struct state *state = opened();
	expect(state, A, "5 secret-of-a");
	state_close(state);
	ck_assert_int_eq(unlink("state"), 0);
	ck_assert_int_eq(rename("private", "state"), 0);
}
END_TEST

START_TEST(an_impossible_directory_is_told)
{
	char error[STATE_ERROR_SIZE];
	bool first;

	put("file", "", 0);
	ck_assert_ptr_null(state_open("file", &first, error));
	ck_assert_str_eq(error, "file: cannot be opened: Not a directory");
	ck_assert_ptr_null(state_open("no/state", &first, error));
	ck_assert_str_eq(error, "no/state: cannot be created: No such file or directory");
	ck_assert_ptr_null(state_open_readonly("file", error));
	ck_assert_str_eq(error, "file: cannot be opened: Not a directory");
}
END_TEST

START_TEST(looking_changes_nothing)
{
	char error[STATE_ERROR_SIZE];

	struct state *state = state_open_readonly("state", error);
	ck_assert_ptr_nonnull(state);
	expect(state, A, "1");
	state_close(state);
	ck_assert_int_ne(access("state", F_OK), 0);
	ck_assert_int_eq(mkdir("state", 0700), 0);
	state = state_open_readonly("state", error);
	ck_assert_ptr_nonnull(state);
	expect(state, A, "1");
	state_close(state);
	ck_assert_int_eq(rmdir("state"), 0);
}
END_TEST

START_TEST(a_target_without_a_file_name_is_refused)
{
	struct state *state = opened();

	ck_assert_int_eq(store(state, "../a", 2, "secret-of-a"), STATE_NOT_STORED);
	expect(state, "../a", "state: can have no file for that target");
	state_close(state);
}
END_TEST

START_TEST(many_targets_are_kept_apart)
{
	char target[64], secret[32], expected[48];

	struct state *state = opened();
	for (int i = 0; i < 60; i++) {
		snprintf(target, sizeof(target), "iqn.2026-01.org.example:%d", i * 37 % 60);
		snprintf(secret, sizeof(secret), "secret-of-%d", i * 37 % 60);
		ck_assert_int_eq(store(state, target, 2, secret), STATE_OK);
	}
	state_close(state);
	state = opened();
	for (int i = 0; i < 60; i++) {
		snprintf(target, sizeof(target), "iqn.2026-01.org.example:%d", i);
		snprintf(expected, sizeof(expected), "2 secret-of-%d", i);
		expect(state, target, expected);
	}
	state_close(state);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conf/state");
	TCase *use = tcase_create("use");
	TCase *damage = tcase_create("damage");
	TCase *guard = tcase_create("guard");

	json_set_alloc_funcs(secret_malloc, secret_free);
	tcase_add_checked_fixture(use, enter, leave);
	tcase_add_checked_fixture(damage, enter, leave);
	tcase_add_checked_fixture(guard, enter, leave);
	tcase_set_timeout(use, 300);
	tcase_set_timeout(damage, 300);
	tcase_add_test(use, the_first_start_is_told);
	tcase_add_test(use, what_no_daemon_stored_is_still_a_first_start);
	tcase_add_test(use, what_is_stored_is_found);
	tcase_add_test(use, the_empty_set_is_stored);
	tcase_add_test(use, many_targets_are_kept_apart);
	tcase_add_test(use, looking_changes_nothing);
	tcase_add_rows(damage, a_damaged_file_closes_its_target_alone, damages);
	tcase_add_test(damage, a_torn_file_is_noticed);
	tcase_add_test(damage, a_missing_file_closes_its_target_alone);
	tcase_add_test(damage, a_file_of_another_target_is_noticed);
	tcase_add_rows(damage, a_lost_index_closes_what_has_no_file, index_damages);
	tcase_add_test(damage, a_file_that_the_index_does_not_name_is_adopted);
	tcase_add_test(damage, leftovers_are_removed);
	tcase_add_test(guard, a_second_daemon_is_refused);
	tcase_add_test(guard, an_open_directory_is_refused);
	tcase_add_test(guard, an_open_file_closes_its_target);
	tcase_add_test(guard, only_plain_files_are_read);
	tcase_add_test(guard, a_stranger_s_files_are_refused);
	tcase_add_test(guard, a_directory_reached_by_a_link_is_fine);
	tcase_add_test(guard, an_impossible_directory_is_told);
	tcase_add_test(guard, a_target_without_a_file_name_is_refused);
	suite_add_tcase(suite, use);
	suite_add_tcase(suite, damage);
	suite_add_tcase(suite, guard);
	return suite_main(suite);
}
