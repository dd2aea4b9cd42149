/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store/file_open.c: what is created, grown, rounded and locked, and the one clear line for
 * everything that cannot be opened.
 */
#include "tests/store/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#define MIB (1024u * 1024u)

static void make_file(const char *path, off_t length)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(ftruncate(fd, length), 0);
	close(fd);
}

static off_t length_of(const char *path)
{
	struct stat stat_of;
	return stat(path, &stat_of) ? -1 : stat_of.st_size;
}

enum { ABSENT = -1 };

START_TEST(sizes_create_grow_and_round)
{
	static const struct {
		off_t before; /* bytes, or ABSENT */
		uint64_t size;
		uint32_t block_size;
		uint64_t after; /* of the store */
		off_t length;   /* of the file */
		bool created, grown;
	} rows[] = {
		{ ABSENT, MIB, 512, MIB, MIB, true, false },
		{ ABSENT, UINT64_C(64) << 30, 4096, UINT64_C(64) << 30, (off_t)64 << 30, true,
			false },
		{ 0, MIB, 512, MIB, MIB, false, true },
		{ 100, MIB, 512, MIB, MIB, false, true },
		{ MIB, MIB, 512, MIB, MIB, false, false },
		{ MIB, 0, 512, MIB, MIB, false, false },
		{ MIB + 1, 0, 512, MIB, MIB + 1, false, false },
		{ 2 * MIB + 4095, MIB, 4096, 2 * MIB, 2 * MIB + 4095, false, false },
		{ 512, 0, 512, 512, 512, false, false },
	};
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char error[STORE_ERROR_SIZE] = "";
		struct store_config config = {
			.path = "image",
			.size = rows[i].size,
			.block_size = rows[i].block_size,
		};
		unlink("image");
		if (rows[i].before != ABSENT)
			make_file("image", rows[i].before);
		struct store *store = store_open(&config, error);
		ck_assert_msg(store, "row %u: %s", i, error);
		const struct store_info *info = store_info(store);
		ck_assert_uint_eq(info->size, rows[i].after);
		ck_assert_uint_eq(info->block_size, rows[i].block_size);
		ck_assert(info->volatile_cache && !info->read_only && !info->direct);
		ck_assert_int_eq(info->created, rows[i].created);
		ck_assert_int_eq(info->grown, rows[i].grown);
		store_close(store);
		ck_assert_int_eq(length_of("image"), rows[i].length);
		struct stat stat_of;
		ck_assert_int_eq(stat("image", &stat_of), 0);
		ck_assert_int_eq(stat_of.st_blocks, 0);
		ck_assert_int_eq(stat_of.st_mode & 0777, 0600);
	}
}
END_TEST

/* A directory with one of everything that is no disk. */
static void make_zoo(void)
{
	make_file("empty", 0);
	make_file("small", 511);
	make_file("good", MIB);
	ck_assert_int_eq(mkdir("directory", 0700), 0);
	ck_assert_int_eq(mkfifo("pipe", 0600), 0);
	ck_assert_int_eq(symlink("nothing", "dangling"), 0);
}

#define LONG_NAME                                                                                  \
	"a-name-that-is-rather-long-a-name-that-is-rather-long-a-name-that-is-rather-long-a-name-" \
	"that-is-rather-long-a-name-that-is-rather-long-the-end"

/* Each line names the path, what is wrong, and mostly what was expected. */
START_TEST(what_cannot_be_opened_is_explained)
{
	static const struct {
		struct store_config config;
		const char *error;
	} rows[] = {
		{ { "directory", 0, 512, false, false, false },
			"directory: is a directory, expected a regular file or a block device" },
		{ { "pipe", MIB, 512, false, false, false },
			"pipe: is a pipe, expected a regular file or a block device" },
		{ { "pipe", MIB, 512, true, false, false }, "pipe: is a pipe, expected" },
		{ { "/dev/null", MIB, 512, false, false, false },
			"/dev/null: is a character device, expected" },
		{ { "absent", 0, 512, false, false, false },
			"absent: does not exist, and without a size it cannot be created" },
		{ { "absent", MIB, 512, true, false, false },
			"absent: does not exist, and a read-only LUN is not created" },
		{ { "nowhere/image", MIB, 512, false, false, false },
			"nowhere/image: no such directory, expected one" },
		{ { "good/image", MIB, 512, false, false, false },
			"good/image: a part of the path is not a directory" },
		{ { "dangling", MIB, 512, false, false, false },
			"dangling: is a symbolic link to nothing" },
		{ { "empty", 0, 512, false, false, false },
			"empty: is empty, expected a size for it or a file that has one" },
		{ { "small", 0, 512, false, false, false },
			"small: holds 511 bytes, less than one block of 512" },
		{ { "good", 2 * MIB, 512, true, false, false },
			"good: holds 1048576 bytes, less than its "
			"size of 2097152, and is read-only" },
		{ { "good", 1000, 512, false, false, false },
			"good: size is 1000 bytes, expected a multiple of the block_size of 512" },
		{ { "good", MIB, 520, false, false, false },
			"good: block_size is 520, expected 512, 1024, 2048 or 4096" },
		{ { "good", UINT64_MAX - 511, 512, false, false, false },
			"good: size is 18446744073709551104 bytes, larger than any file" },
		{ { "good", INT64_MAX - 511, 512, false, false, false },
			"good: cannot be made 9223372036854775296 bytes long: " },
		{ { "toolarge", INT64_MAX - 511, 512, false, false, false },
			"toolarge: cannot be made 9223372036854775296 bytes long: " },
		{ { "", MIB, 512, false, false, false }, "\"\": is no path" },
		{ { "/proc/version", MIB, 512, true, false, false }, "/proc/version: " },
		{ { "memory:", 0, 512, false, false, false },
			"memory:: has no size, expected one" },
		{ { "memory:4G", MIB, 512, false, false, false },
			"memory:4G: has text behind the colon, expected \"memory:\" alone" },
		{ { "memory:", (uint64_t)1 << 60, 512, false, false, false },
			"memory:: cannot have 1152921504606846976 bytes of memory: " },
		{ { "directory/" LONG_NAME, 0, 512, false, false, false },
			"...long-a-name-that-is-rather-long-" },
	};
	make_zoo();
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		char error[STORE_ERROR_SIZE] = "";
		ck_assert_msg(!store_open(&rows[i].config, error), "row %u was opened", i);
		ck_assert_msg(strstr(error, rows[i].error) == error, "row %u: %s", i, error);
	}
	ck_assert_int_eq(length_of("absent"), -1);
	ck_assert_int_eq(length_of("toolarge"), -1); /* half-made files do not stay */
	ck_assert_int_eq(length_of("good"), MIB);
}
END_TEST

START_TEST(no_permission_is_explained)
{
	struct store_config config = { .path = "image", .block_size = 512 };
	char error[STORE_ERROR_SIZE] = "";
	make_file("image", MIB);
	ck_assert_int_eq(chmod("image", 0400), 0);
	ck_assert_int_eq(chmod(".", 0755), 0);
	/* Root may open everything. */
	if (geteuid() == 0)
		ck_assert_int_eq(seteuid(65534), 0);
	ck_assert_ptr_null(store_open(&config, error));
	if (geteuid() == 65534)
		ck_assert_int_eq(seteuid(0), 0);
	ck_assert_msg(strstr(error, "permission denied"), "%s", error);
}
END_TEST

START_TEST(a_file_is_opened_once)
{
	static const bool read_only[] = { false, true };
	make_file("image", MIB);
	ck_assert_int_eq(link("image", "other"), 0);
	for (unsigned i = 0; i < 4; i++) {
		char error[STORE_ERROR_SIZE] = "";
		struct store_config first = {
			.path = "image", .block_size = 512, .read_only = read_only[i % 2]
		};
		struct store_config second = {
			.path = "other", .block_size = 512, .read_only = read_only[i / 2]
		};
		struct store *store = store_open(&first, error);
		ck_assert_msg(store, "%s", error);
		ck_assert_ptr_null(store_open(&second, error));
		ck_assert_str_eq(
			error, "other: is already in use by another process or another LUN");
		pid_t child = fork();
		if (child == 0)
			_exit(store_open(&second, error) ? 1 : 0);
		int status = -1;
		ck_assert_int_eq(waitpid(child, &status, 0), child);
		ck_assert_int_eq(status, 0);
		store_close(store);
		store = store_open(&second, error);
		ck_assert_msg(store, "%s", error);
		store_close(store);
	}
}
END_TEST

/* The lock that others look at who do not use flock(). */
START_TEST(a_record_lock_is_respected)
{
	char error[STORE_ERROR_SIZE] = "";
	struct store_config config = { .path = "image", .block_size = 512 };
	struct flock lock = { .l_type = F_RDLCK, .l_start = 201, .l_len = 1 };
	make_file("image", MIB);
	int fd = open("image", O_RDWR | O_CLOEXEC);
	ck_assert_int_eq(fcntl(fd, F_OFD_SETLK, &lock), 0);
	ck_assert_ptr_null(store_open(&config, error));
	ck_assert_msg(strstr(error, "is already in use"), "%s", error);
	close(fd);
	struct store *store = store_open(&config, error);
	ck_assert_msg(store, "%s", error);
	store_close(store);
}
END_TEST

/* A refused second open must not harm the first one's file. */
START_TEST(a_refused_open_changes_nothing)
{
	char error[STORE_ERROR_SIZE] = "";
	struct store_config config = { .path = "image", .size = MIB, .block_size = 512 };
	struct store *store = store_open(&config, error);
	config.size = 4 * MIB;
	ck_assert_ptr_null(store_open(&config, error));
	ck_assert_int_eq(length_of("image"), MIB);
	store_close(store);
}
END_TEST

/* A file that was made for somebody who then has no use for it goes; one that was there stays. */
START_TEST(what_was_made_in_vain_is_removed)
{
	char error[STORE_ERROR_SIZE] = "";
	struct store_config config = { .path = "image", .size = MIB, .block_size = 512 };
	store_abandon(store_open(&config, error), config.path);
	ck_assert_int_eq(length_of("image"), ABSENT);
	store_close(store_open(&config, error));
	store_abandon(store_open(&config, error), config.path);
	ck_assert_int_eq(length_of("image"), MIB);
	store_abandon(NULL, config.path);
	ck_assert_int_eq(length_of("image"), MIB);
	config = (struct store_config){ .path = "memory:", .size = MIB, .block_size = 512 };
	store_abandon(store_open(&config, error), config.path);
}
END_TEST

/* What has been served must not come back empty, however large it is to be. */
START_TEST(what_must_exist_is_not_made)
{
	char error[STORE_ERROR_SIZE] = "";
	struct store_config config = {
		.path = "image", .size = MIB, .block_size = 512, .must_exist = true
	};
	ck_assert_ptr_null(store_open(&config, error));
	ck_assert_str_eq(error, "image: is not there any more, and is not made anew");
	ck_assert_int_eq(length_of("image"), ABSENT);
	make_file("image", MIB / 2);
	struct store *store = store_open(&config, error);
	ck_assert_msg(store, "%s", error);
	ck_assert_uint_eq(store_info(store)->size, MIB);
	store_abandon(store, config.path);
	ck_assert_int_eq(length_of("image"), MIB);
}
END_TEST

/* The kernel makes a file before it says that it cannot be opened for direct input and output. */
START_TEST(a_file_that_cannot_be_direct_is_not_left_behind)
{
	char error[STORE_ERROR_SIZE] = "";
	struct store_config config = {
		.path = "ramfs/image", .size = MIB, .block_size = 512, .direct = true
	};
	if (mkdir("ramfs", 0700) || unshare(CLONE_NEWNS) ||
		mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
		mount("ramfs", "ramfs", "ramfs", 0, NULL))
		return; /* it takes root */
	ck_assert_ptr_null(store_open(&config, error));
	ck_assert_str_eq(error, "ramfs/image: cannot be opened for direct input and output on this "
				"file system");
	ck_assert_int_eq(length_of("ramfs/image"), ABSENT);
	config.direct = false;
	struct store *store = store_open(&config, error);
	ck_assert_msg(store, "%s", error);
	store_close(store);
	umount("ramfs");
}
END_TEST

START_TEST(identity_is_that_of_the_file)
{
	char error[STORE_ERROR_SIZE] = "";
	uint64_t identity[3];
	static const char *const paths[] = { "one", "two", "link" };
	make_file("one", MIB);
	make_file("two", MIB);
	ck_assert_int_eq(symlink("one", "link"), 0);
	for (unsigned i = 0; i < 3; i++) {
		struct store_config config = { .path = paths[i], .block_size = 512 };
		struct store *store = store_open(&config, error);
		ck_assert_msg(store, "%s", error);
		identity[i] = store_identity(store);
		store_close(store);
	}
	ck_assert_uint_ne(identity[0], 0);
	ck_assert_uint_ne(identity[0], identity[1]);
	ck_assert_uint_eq(identity[0], identity[2]);
	struct store_config memory = { .path = "memory:", .size = MIB, .block_size = 512 };
	struct store *store = store_open(&memory, error);
	ck_assert_uint_eq(store_identity(store), 0);
	ck_assert(!store_info(store)->volatile_cache);
	store_close(store);
}
END_TEST

/* [SCSI-24] Reads are served, changes refused, a flush has nothing to do. */
START_TEST(read_only_stores_refuse_changes)
{
	static const char *const paths[] = { "image", "memory:" };
	static const enum store_op changes[] = { STORE_WRITE, STORE_DISCARD, STORE_ZERO };
	char error[STORE_ERROR_SIZE] = "";
	make_file("image", MIB);
	ck_assert_int_eq(chmod("image", 0400), 0);
	for (unsigned i = 0; i < 2; i++) {
		struct rig rig = { .loop_fd = -1 };
		rig.config = (struct store_config){
			.path = paths[i], .size = MIB, .block_size = 512, .read_only = true
		};
		rig.store = store_open(&rig.config, error);
		ck_assert_msg(rig.store, "%s", error);
		rig.queue = store_queue_new(STORE_QUEUE_BEST, 8);
		ck_assert(store_info(rig.store)->read_only && !store_info(rig.store)->can_discard);
		uint8_t *buffer = rig_buffer(4096, 1);
		for (unsigned k = 0; k < 3; k++)
			ck_assert_int_eq(
				rig_do(&rig, changes[k], 0, 0, 4096, buffer), STORE_WRITE_REFUSED);
		ck_assert_int_eq(rig_do(&rig, STORE_FLUSH, 0, 0, 0, NULL), STORE_OK);
		rig_check_zeros(&rig, 0, 4096);
		ck_assert_int_eq(rig_do(&rig, STORE_READ, STORE_FUA, 0, 4096, buffer), STORE_OK);
		free(buffer);
		rig_close(&rig);
	}
}
END_TEST

static bool make_loop(struct rig *rig)
{
	memset(rig, 0, sizeof *rig);
	make_file("backing", MIB);
	rig->loop_fd = rig_loop("backing", rig->path);
	return rig->loop_fd >= 0;
}

START_TEST(block_devices_are_opened_once)
{
	struct rig rig;
	char error[STORE_ERROR_SIZE] = "";
	ck_assert(make_loop(&rig));
	struct store_config config = { .path = rig.path, .block_size = 512 };
	rig.store = store_open(&config, error);
	ck_assert_msg(rig.store, "%s", error);
	ck_assert_uint_eq(store_info(rig.store)->size, MIB);
	ck_assert(!store_info(rig.store)->created && !store_info(rig.store)->grown);
	ck_assert_ptr_null(store_open(&config, error));
	ck_assert_msg(strstr(error, "is already in use"), "%s", error);
	/* Another node of the same device is the same disk. */
	struct stat stat_of;
	ck_assert_int_eq(stat(rig.path, &stat_of), 0);
	ck_assert_int_eq(mknod("node", S_IFBLK | 0600, stat_of.st_rdev), 0);
	uint64_t identity = store_identity(rig.store);
	store_close(rig.store);
	config.path = "node";
	rig.store = store_open(&config, error);
	ck_assert_msg(rig.store, "%s", error);
	ck_assert_uint_eq(store_identity(rig.store), identity);
	store_close(rig.store);
	rig.store = NULL;
	config.size = 2 * MIB;
	ck_assert_ptr_null(store_open(&config, error));
	ck_assert_str_eq(
		error, "node: is a block device of 1048576 bytes, less than its size of 2097152");
	rig_close(&rig);
}
END_TEST

START_TEST(direct_needs_blocks_as_large_as_the_devices)
{
	struct rig rig;
	char error[STORE_ERROR_SIZE] = "";
	ck_assert(make_loop(&rig));
	ck_assert(rig_loop_block_size(&rig, 4096));
	struct store_config config = { .path = rig.path, .block_size = 512, .direct = true };
	ck_assert_ptr_null(store_open(&config, error));
	ck_assert_msg(
		strstr(error,
			"cannot be read directly in blocks of 512, expected a larger block_size"),
		"%s", error);
	config.block_size = 4096;
	rig.store = store_open(&config, error);
	ck_assert_msg(rig.store, "%s", error);
	ck_assert(store_info(rig.store)->direct);
	rig_close(&rig);
}
END_TEST

/* Zeroing in blocks smaller than the device's falls back to writing. */
START_TEST(small_blocks_on_a_device_with_large_ones_can_be_zeroed)
{
	struct rig rig;
	char error[STORE_ERROR_SIZE] = "";
	ck_assert(make_loop(&rig));
	ck_assert(rig_loop_block_size(&rig, 4096));
	struct store_config config = { .path = rig.path, .block_size = 512 };
	rig.store = store_open(&config, error);
	ck_assert_msg(rig.store, "%s", error);
	rig.queue = store_queue_new(STORE_QUEUE_BEST, 8);
	uint8_t *wrote = rig_buffer(8192, 1);
	uint8_t *read = rig_buffer(8192, 2);
	ck_assert_int_eq(rig_do(&rig, STORE_WRITE, 0, 0, 8192, wrote), STORE_OK);
	ck_assert_int_eq(rig_do(&rig, STORE_ZERO, 0, 512, 1024, NULL), STORE_OK);
	ck_assert_int_eq(rig_do(&rig, STORE_DISCARD, STORE_FUA, 4096 + 512, 512, NULL), STORE_OK);
	memset(wrote + 512, 0, 1024);
	memset(wrote + 4096 + 512, 0, 512);
	ck_assert_int_eq(rig_do(&rig, STORE_READ, 0, 0, 8192, read), STORE_OK);
	ck_assert_mem_eq(wrote, read, 8192);
	free(wrote);
	free(read);
	rig_close(&rig);
}
END_TEST

int main(void)
{
	rig_prepare();
	Suite *suite = suite_create("open");
	TCase *tcase = tcase_create("files");
	tcase_set_timeout(tcase, 300);
	tcase_add_checked_fixture(tcase, rig_enter, NULL);
	tcase_add_test(tcase, sizes_create_grow_and_round);
	tcase_add_test(tcase, what_cannot_be_opened_is_explained);
	tcase_add_test(tcase, no_permission_is_explained);
	tcase_add_test(tcase, a_file_is_opened_once);
	tcase_add_test(tcase, a_record_lock_is_respected);
	tcase_add_test(tcase, a_refused_open_changes_nothing);
	tcase_add_test(tcase, what_was_made_in_vain_is_removed);
	tcase_add_test(tcase, what_must_exist_is_not_made);
	tcase_add_test(tcase, a_file_that_cannot_be_direct_is_not_left_behind);
	tcase_add_test(tcase, identity_is_that_of_the_file);
	tcase_add_test(tcase, read_only_stores_refuse_changes);
	if (rig_has_loops()) {
		tcase_add_test(tcase, block_devices_are_opened_once);
		tcase_add_test(tcase, direct_needs_blocks_as_large_as_the_devices);
		tcase_add_test(tcase, small_blocks_on_a_device_with_large_ones_can_be_zeroed);
	}
	suite_add_tcase(suite, tcase);
	return rig_main(suite);
}
