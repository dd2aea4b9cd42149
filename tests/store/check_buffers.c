/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store/uring.c with buffers that the kernel knows beforehand: which requests use them, that the
 * data is the same either way, and what happens when the kernel refuses.
 */
#include "base/pool.h"
#include "tests/store/rig.h"

#include <linux/capability.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARENA (16u << 20) /* bytes: four pieces */

/* Pieces that the kernel has registered with the queue's ring; -1 when it does not tell. */
static int registered(const struct store_queue *queue)
{
	char path[64], line[128];
	int count = 0;
	bool told = false, inside = false;

	snprintf(path, sizeof path, "/proc/self/fdinfo/%d", store_queue_fd(queue));
	FILE *file = fopen(path, "r");
	while (file && fgets(line, sizeof line, file)) {
		if (strncmp(line, "UserBufs:", 9) == 0) {
			told = inside = true;
			continue;
		}
		inside = inside && line[0] == ' ';
		count += inside && strstr(line, "/4194304") != NULL;
	}
	if (file)
		fclose(file);
	return told ? count : -1;
}

/* The rig's store, and a pool whose arena its queue knows. */
struct known {
	struct rig rig;
	struct buffer_pool *pool;
	uint8_t *arena;
};

static void known_share(struct known *known)
{
	size_t size;
	ck_assert_ptr_nonnull(known->rig.queue);
	known->pool = buffer_pool_new(2 * ARENA);
	known->arena = buffer_pool_arena(known->pool, &size);
	ck_assert_uint_eq(size, ARENA);
	store_queue_use_buffers(known->rig.queue, known->arena, size);
}

static void known_open(struct known *known, int medium)
{
	rig_open(&known->rig, medium * RIG_QUEUES);
	known_share(known);
}

static void known_close(struct known *known)
{
	rig_close(&known->rig);
	buffer_pool_free(known->pool);
}

static void fill(uint8_t *bytes, size_t length, unsigned seed)
{
	for (size_t i = 0; i < length; i++)
		bytes[i] = (uint8_t)(seed * 31 + i + (i >> 9) * 7);
}

/* Writes from one buffer of the pool and reads into another: what was written is what is read. */
static void round_trip(struct known *known, size_t length, uint64_t offset, unsigned flags)
{
	uint8_t *from = buffer_get(known->pool, length), *into = buffer_get(known->pool, length);
	fill(from, length, (unsigned)offset + flags);
	memset(into, 0, length);
	ck_assert_int_eq(rig_do(&known->rig, STORE_WRITE, flags, offset, length, from), STORE_OK);
	ck_assert_int_eq(rig_do(&known->rig, STORE_READ, 0, offset, length, into), STORE_OK);
	ck_assert_int_eq(memcmp(from, into, length), 0);
	buffer_put(known->pool, into, length);
	buffer_put(known->pool, from, length);
}

static const struct {
	size_t length;
	uint64_t offset;
	unsigned flags;
} rows[] = {
	{ 512, 512, 0 },
	{ 4096, 4096, 0 },
	{ 4096, 8192, STORE_FUA },
	{ 262144, 1 << 20, 0 },
	{ 4096 * 3, 512, STORE_FUA },
	{ BUFFER_SIZE_MAX, 0, 0 },
	{ BUFFER_SIZE_MAX, BUFFER_SIZE_MAX, STORE_FUA },
};

START_TEST(data_is_the_same_through_registered_buffers)
{
	struct known known;
	known_open(&known, _i);
	ck_assert_int_eq(registered(known.rig.queue), 0);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		round_trip(&known, rows[i].length, rows[i].offset, rows[i].flags);
	ck_assert_int_gt(registered(known.rig.queue), 0);
	known_close(&known);
}
END_TEST

/* A piece is pinned when it is first used, once, and no other with it. */
START_TEST(pieces_are_registered_as_they_are_used)
{
	struct known known;
	known_open(&known, RIG_DIRECT);
	for (int piece = 3; piece >= 0; piece--) {
		uint8_t *buffer = known.arena + (size_t)piece * BUFFER_SIZE_MAX;
		uint8_t *taken[4];
		/* Taken, so that the sanitizer allows it. */
		for (int i = 0; i < 4; i++)
			taken[i] = buffer_get(known.pool, BUFFER_SIZE_MAX);
		for (int i = 0; i < 2; i++)
			ck_assert_int_eq(
				rig_do(&known.rig, STORE_READ, 0, 0, 4096, buffer), STORE_OK);
		ck_assert_int_eq(registered(known.rig.queue), 4 - piece);
		for (int i = 0; i < 4; i++)
			buffer_put(known.pool, taken[i], BUFFER_SIZE_MAX);
	}
	known_close(&known);
}
END_TEST

START_TEST(other_memory_and_other_stores_need_none)
{
	struct known known;
	known_open(&known, _i);
	uint8_t *outside = rig_buffer(65536, 7);
	ck_assert_int_eq(
		rig_do(&known.rig, STORE_WRITE, STORE_FUA, 65536, 65536, outside), STORE_OK);
	ck_assert_int_eq(rig_do(&known.rig, STORE_READ, 0, 65536, 65536, outside), STORE_OK);
	ck_assert_int_eq(registered(known.rig.queue), 0);
	free(outside);
	/* Zeros come from memory of the store's own. */
	ck_assert_int_eq(rig_do(&known.rig, STORE_ZERO, 0, 65536, 65536, NULL), STORE_OK);
	rig_check_zeros(&known.rig, 65536, 65536);
	if (_i == RIG_FILE)
		round_trip(&known, 4096, 0, STORE_FUA);
	ck_assert_int_eq(registered(known.rig.queue), 0);
	known_close(&known);
}
END_TEST

/* A unit that is opened while the ring is at work uses what is registered already. */
START_TEST(stores_come_and_go_beside_registered_buffers)
{
	struct known known;
	char error[STORE_ERROR_SIZE];
	known_open(&known, RIG_DIRECT);
	round_trip(&known, 65536, 0, 0);
	for (int i = 0; i < 20; i++) {
		struct store_config config = known.rig.config;
		struct store *first = known.rig.store;
		config.path = "second.img";
		known.rig.store = store_open(&config, error);
		ck_assert_msg(known.rig.store, "%s", error);
		round_trip(&known, 65536, 65536, 0);
		/* The lock is gone with it, or the next turn could not open it. */
		store_close(known.rig.store);
		known.rig.store = first;
	}
	round_trip(&known, 4096, 0, 0);
	known_close(&known);
}
END_TEST

/* What CAP_IPC_LOCK allows is taken away, as under systemd. */
static void may_lock_little(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { { 0, 0, 0 }, { 0, 0, 0 } };
	const struct rlimit limit = { BUFFER_SIZE_MAX / 2,
		BUFFER_SIZE_MAX / 2 }; /* the ring itself needs some */
	ck_assert_int_eq(setrlimit(RLIMIT_MEMLOCK, &limit), 0);
	ck_assert_int_eq((int)syscall(SYS_capset, &header, none), 0);
}

START_TEST(beyond_the_limit_of_locked_memory_requests_go_without)
{
	struct known known;
	rig_open(&known.rig, _i * RIG_QUEUES);
	store_queue_free(known.rig.queue);
	may_lock_little();
	/* A ring asks what is allowed when it is made. */
	known.rig.queue = store_queue_new(STORE_QUEUE_URING, 64);
	known_share(&known);
	for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
		round_trip(&known, rows[i].length, rows[i].offset, rows[i].flags);
	ck_assert_int_eq(registered(known.rig.queue), 0);
	known_close(&known);
}
END_TEST

START_TEST(threads_know_no_registration)
{
	struct known known;
	rig_open(&known.rig, RIG_DIRECT * RIG_QUEUES + 1);
	known_share(&known);
	store_queue_use_buffers(known.rig.queue, NULL, 0);
	round_trip(&known, 65536, 0, STORE_FUA);
	known_close(&known);
}
END_TEST

/* Whether this kernel has tables of empty places (Linux 5.19), and tells what is in them. */
static bool has_tables(void)
{
	struct buffer_pool *pool = buffer_pool_new(2 * ARENA);
	struct store_queue *queue = store_queue_new(STORE_QUEUE_URING, 8);
	size_t size;
	void *arena = buffer_pool_arena(pool, &size);
	if (queue)
		store_queue_use_buffers(queue, arena, size);
	bool has = queue && registered(queue) == 0;
	store_queue_free(queue);
	buffer_pool_free(pool);
	if (!has)
		printf("# left out: no io_uring that registers buffers\n");
	return has;
}

int main(void)
{
	rig_prepare();
	Suite *suite = suite_create("buffers");
	TCase *tcase = tcase_create("buffers");
	tcase_set_timeout(tcase, 300);
	tcase_add_test(tcase, threads_know_no_registration);
	if (has_tables()) {
		static const int direct[] = { RIG_DIRECT, RIG_LOOP_DIRECT };
		for (size_t i = 0; i < (rig_has_loops() ? 2u : 1u); i++) {
			int medium = direct[i];
			tcase_add_loop_test(tcase, data_is_the_same_through_registered_buffers,
				medium, medium + 1);
			tcase_add_loop_test(
				tcase, other_memory_and_other_stores_need_none, medium, medium + 1);
			tcase_add_loop_test(tcase,
				beyond_the_limit_of_locked_memory_requests_go_without, medium,
				medium + 1);
		}
		tcase_add_loop_test(
			tcase, other_memory_and_other_stores_need_none, RIG_FILE, RIG_FILE + 1);
		tcase_add_test(tcase, pieces_are_registered_as_they_are_used);
		tcase_add_test(tcase, stores_come_and_go_beside_registered_buffers);
	}
	suite_add_tcase(suite, tcase);
	return rig_main(suite);
}
