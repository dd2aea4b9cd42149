/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store_grow() and store_may_grow(): what grows, what does not and why, that nothing of the data is touched, and that
 * only trying leaves all as it is. [SCSI-21]
 */
#include "tests/store/rig.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MIB (1 << 20)

static void make_file(const char *path, off_t length)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, length), 0);
	close(fd);
}

static off_t length_of(const char *path)
{
	struct stat status;

	return stat(path, &status) ? -1 : status.st_size;
}

static struct store *open_at(const char *path, uint64_t size, uint32_t block_size, bool read_only)
{
	char error[STORE_ERROR_SIZE] = "";
	const struct store_config config = {
		.path = path, .size = size, .block_size = block_size, .read_only = read_only
	};
	struct store *store = store_open(&config, error);

	ck_assert_msg(store, "%s", error);
	return store;
}

/* A file of 1 MiB and 100 bytes with blocks of 4096, and the sizes asked of it. */
static const struct {
	uint64_t size;
	bool good;
	off_t length; /* of the file then */
	const char *why;
} rows[] = {
	{ 2 * MIB, true, 2 * MIB, "" },
	{ MIB + 4096, true, MIB + 4096, "" },
	{ MIB, true, MIB + 100, "" }, /* as it is */
	{ UINT64_C(1) << 40, true, (off_t)1 << 40, "" },
	{ MIB - 4096, false, MIB + 100, "expected at least the 1048576 that it has" },
	{ 0, false, MIB + 100, "expected at least" },
	{ 2 * MIB + 1, false, MIB + 100, "a multiple of the block_size of 4096" },
	{ 2 * MIB + 512, false, MIB + 100, "a multiple of the block_size of 4096" },
	{ UINT64_C(1) << 63, false, MIB + 100, "a multiple of the block_size" },
	{ (UINT64_C(1) << 63) - 4096, false, MIB + 100, "cannot be enlarged" },
};

START_TEST(files_grow)
{
	char error[STORE_ERROR_SIZE] = "";

	make_file("image", MIB + 100);
	struct store *store = open_at("image", 0, 4096, false);
	ck_assert_int_eq(store_may_grow(store, rows[_i].size, error), rows[_i].good);
	ck_assert_msg(strstr(error, rows[_i].why) && !strchr(error, '\n'), "%s", error);
	ck_assert_int_eq(length_of("image"), MIB + 100);
	ck_assert_uint_eq(store_info(store)->size, MIB);
	error[0] = '\0';
	ck_assert_int_eq(store_grow(store, rows[_i].size, error), rows[_i].good);
	ck_assert_msg(strstr(error, rows[_i].why), "%s", error);
	ck_assert_int_eq(length_of("image"), rows[_i].length);
	ck_assert_uint_eq(store_info(store)->size, rows[_i].good ? rows[_i].size : MIB);
	store_close(store);
	unlink("image");
}
END_TEST

/* What was written stays, what is new reads as zeros and can be written. */
START_TEST(data_stays)
{
	char error[STORE_ERROR_SIZE] = "";
	struct rig rig = { .loop_fd = -1 };
	uint8_t *written = rig_buffer(4096, 7), *read = rig_buffer(4096, 8);

	make_file("image", MIB);
	rig.config = (struct store_config){ .path = "image", .block_size = 512 };
	rig.store = open_at("image", 0, 512, false);
	rig.queue = store_queue_new(STORE_QUEUE_BEST, 8);
	ck_assert_int_eq(rig_do(&rig, STORE_WRITE, 0, MIB - 4096, 4096, written), STORE_OK);
	ck_assert(store_may_grow(rig.store, 3 * MIB, error));
	ck_assert(store_grow(rig.store, 2 * MIB, error));
	rig_check_zeros(&rig, MIB, MIB);
	ck_assert_int_eq(rig_do(&rig, STORE_READ, 0, MIB - 4096, 4096, read), STORE_OK);
	ck_assert_mem_eq(read, written, 4096);
	ck_assert_int_eq(rig_do(&rig, STORE_WRITE, 0, 2 * MIB - 4096, 4096, written), STORE_OK);
	ck_assert(store_grow(rig.store, 2 * MIB, error));
	ck_assert_int_eq(rig_do(&rig, STORE_READ, 0, 2 * MIB - 4096, 4096, read), STORE_OK);
	ck_assert_mem_eq(read, written, 4096);
	free(written);
	free(read);
	rig_close(&rig);
}
END_TEST

/* A file that somebody has enlarged already is used as far as is asked for, also where nothing may be written. */
START_TEST(what_has_grown_is_used)
{
	char error[STORE_ERROR_SIZE] = "";

	for (unsigned read_only = 0; read_only < 2; read_only++) {
		make_file("image", MIB);
		struct store *store = open_at("image", 0, 512, read_only);
		ck_assert_int_eq(store_grow(store, 2 * MIB, error), !read_only);
		ck_assert_int_eq(truncate("image", 4 * MIB), 0);
		ck_assert_msg(store_grow(store, 3 * MIB, error), "%s", error);
		ck_assert_uint_eq(store_info(store)->size, 3 * MIB);
		ck_assert_int_eq(length_of("image"), 4 * MIB);
		store_close(store);
	}
}
END_TEST

START_TEST(what_cannot_grow_says_so)
{
	char error[STORE_ERROR_SIZE] = "";

	make_file("image", MIB);
	struct store *store = open_at("image", 0, 512, true);
	ck_assert(!store_may_grow(store, 2 * MIB, error));
	ck_assert_str_eq(error, "holds 1048576 bytes and cannot be enlarged from here");
	ck_assert_int_eq(length_of("image"), MIB);
	store_close(store);
	store = open_at("memory:", MIB, 512, false);
	ck_assert(!store_may_grow(store, 2 * MIB, error));
	ck_assert_str_eq(error, "a store of the kind \"memory\" cannot grow");
	ck_assert(!store_grow(store, 2 * MIB, error));
	ck_assert_uint_eq(store_info(store)->size, MIB);
	store_close(store);
}
END_TEST

START_TEST(block_devices_must_have_grown)
{
	char error[STORE_ERROR_SIZE] = "";
	struct rig rig = { 0 };

	make_file("backing", MIB);
	rig.loop_fd = rig_loop("backing", rig.path);
	ck_assert_int_ge(rig.loop_fd, 0);
	struct store *store = open_at(rig.path, 0, 512, false);
	ck_assert(!store_may_grow(store, 2 * MIB, error));
	ck_assert_ptr_nonnull(strstr(error, "cannot be enlarged from here"));
	ck_assert(!store_grow(store, 2 * MIB, error));
	ck_assert(store_may_grow(store, MIB, error));
	store_close(store);
	close(rig.loop_fd);
}
END_TEST

int main(void)
{
	rig_prepare();
	Suite *suite = suite_create("grow");
	TCase *tcase = tcase_create("grow");

	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, rig_enter, NULL);
	tcase_add_rows(tcase, files_grow, rows);
	tcase_add_test(tcase, data_stays);
	tcase_add_test(tcase, what_has_grown_is_used);
	tcase_add_test(tcase, what_cannot_grow_says_so);
	if (rig_has_loops())
		tcase_add_test(tcase, block_devices_must_have_grown);
	suite_add_tcase(suite, tcase);
	return rig_main(suite);
}
