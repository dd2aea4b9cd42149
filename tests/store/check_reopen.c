/* SPDX-License-Identifier: BSD-2-Clause */
/* store_may_reopen(): a file that is still there, and what stands against closing it to open it anew. */
#include "tests/store/rig.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define MIB (1 << 20)

static void make_file(const char *path)
{
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, MIB), 0);
	close(fd);
}

static void stay(void)
{
}

static void go(void)
{
	ck_assert_int_eq(unlink("image"), 0);
}

static void be_replaced(void)
{
	make_file("other");
	ck_assert_int_eq(rename("other", "image"), 0);
}

static void be_moved_behind_a_link(void)
{
	ck_assert_int_eq(rename("image", "moved"), 0);
	ck_assert_int_eq(symlink("moved", "image"), 0);
}

static int reader = -1; /* another program's lock, that lets readers in */

static void be_read_by_another(void)
{
	struct flock record = { .l_type = F_RDLCK, .l_whence = SEEK_SET };

	reader = open("image", O_RDONLY | O_CLOEXEC);
	ck_assert_int_ge(reader, 0);
	ck_assert_int_eq(fcntl(reader, F_OFD_SETLK, &record), 0);
}

static const struct {
	bool is_read_only; /* the store */
	void (*happens)(void);
	bool read_only; /* asked for */
	const char *why;
} rows[] = {
	{ false, stay, false, NULL },
	{ false, stay, true, NULL },
	{ true, stay, false, NULL },
	{ false, be_moved_behind_a_link, false, NULL },
	{ false, go, true, "image: cannot be opened again: No such file or directory" },
	{ false, be_replaced, false, "image: is another file than the one that is served" },
	{ true, be_read_by_another, true, NULL },
	{ true, be_read_by_another, false, "image: is in use by another process" },
};

START_TEST(what_is_there_is_found_again)
{
	char error[STORE_ERROR_SIZE] = "";
	const struct store_config config = {
		.path = "image", .block_size = 512, .read_only = rows[_i].is_read_only
	};

	make_file("image");
	struct store *store = store_open(&config, error);
	ck_assert_msg(store, "%s", error);
	rows[_i].happens();
	bool may = store_may_reopen(store, "image", rows[_i].read_only, error);
	ck_assert_str_eq(error, rows[_i].why ? rows[_i].why : "");
	ck_assert_int_eq(may, !rows[_i].why);
	/* Asking takes nothing away: it is locked as before. */
	if (rows[_i].happens == stay)
		ck_assert_ptr_null(store_open(&config, error));
	store_close(store);
	if (reader >= 0)
		close(reader);
}
END_TEST

START_TEST(memory_always_may)
{
	char error[STORE_ERROR_SIZE] = "";
	const struct store_config config = { .path = "memory:", .size = MIB, .block_size = 512 };
	struct store *store = store_open(&config, error);

	ck_assert_msg(store, "%s", error);
	ck_assert(store_may_reopen(store, "memory:", false, error));
	store_close(store);
}
END_TEST

int main(void)
{
	rig_prepare();
	Suite *suite = suite_create("reopen");
	TCase *tcase = tcase_create("reopen");

	tcase_add_checked_fixture(tcase, rig_enter, NULL);
	tcase_add_rows(tcase, what_is_there_is_found_again, rows);
	tcase_add_test(tcase, memory_always_may);
	suite_add_tcase(suite, tcase);
	return rig_main(suite);
}
