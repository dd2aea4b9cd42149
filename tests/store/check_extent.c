/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * EXTENT: what takes space and what does not, as every medium tells it over both queues, and what the file store
 * makes of each answer of the kernel.
 */
#include "tests/store/rig.h"
#include "base/pool.h"
#include "store/file.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#define KIB 1024u
#define MIB (1024u * 1024u)

struct asked {
	struct store_request request; /* first: `done` gets a pointer to it */
	unsigned count;
};

static void count_done(struct store_request *request)
{
	((struct asked *)request)->count++;
}

static void ask(struct rig *rig, struct asked *asked, uint64_t offset, uint64_t length)
{
	*asked = (struct asked){ .request = { .op = STORE_EXTENT,
					 .offset = offset,
					 .length = length,
					 .done = count_done } };
	if (store_submit(rig->store, rig->queue, &asked->request) == STORE_PENDING) {
		store_queue_flush(rig->queue);
		rig_wait(rig->queue, &asked->count, 1);
	}
	ck_assert_int_eq(asked->request.error, STORE_OK);
	ck_assert_uint_gt(asked->request.extent, 0);
	ck_assert_uint_le(asked->request.extent, length);
	ck_assert_uint_eq(asked->request.extent % 512, 0);
}

/* Bytes of the range that take space; what does not must read as zeros. */
static uint64_t mapped_bytes(struct rig *rig, uint64_t offset, uint64_t end)
{
	uint64_t mapped = 0;
	struct asked asked;

	while (offset < end) {
		ask(rig, &asked, offset, end - offset);
		if (asked.request.mapped)
			mapped += asked.request.extent;
		else if (asked.request.extent <= BUFFER_SIZE_MAX)
			rig_check_zeros(rig, offset, asked.request.extent);
		offset += asked.request.extent;
	}
	ck_assert_uint_eq(offset, end);
	return mapped;
}

static bool knows_holes(int row)
{
	int medium = row / RIG_QUEUES;

	return medium != RIG_LOOP && medium != RIG_LOOP_DIRECT;
}

START_TEST(written_is_mapped_and_discarded_is_not)
{
	uint8_t *wrote = rig_buffer(256 * KIB, 1);
	struct rig rig;

	rig_open(&rig, _i);
	ck_assert_uint_eq(mapped_bytes(&rig, 0, RIG_SIZE), knows_holes(_i) ? 0 : RIG_SIZE);
	ck_assert_int_eq(rig_do(&rig, STORE_WRITE, 0, MIB, 256 * KIB, wrote), STORE_OK);
	ck_assert_uint_eq(mapped_bytes(&rig, MIB, MIB + 256 * KIB), 256 * KIB);
	/* From the middle of it, and of one block. */
	ck_assert_uint_eq(mapped_bytes(&rig, MIB + 100 * 512, MIB + 101 * 512), 512);
	if (knows_holes(_i)) {
		ck_assert_uint_eq(mapped_bytes(&rig, 0, RIG_SIZE), 256 * KIB);
		ck_assert_int_eq(
			rig_do(&rig, STORE_DISCARD, 0, MIB + 64 * KIB, 64 * KIB, NULL), STORE_OK);
		ck_assert_uint_eq(mapped_bytes(&rig, 0, RIG_SIZE), 192 * KIB);
		ck_assert_uint_eq(mapped_bytes(&rig, MIB + 64 * KIB, MIB + 128 * KIB), 0);
	}
	free(wrote);
	rig_close(&rig);
}
END_TEST

/* One block in a page, at either end of it: it is never called empty. */
START_TEST(a_block_alone_is_mapped)
{
	uint8_t *wrote = rig_buffer(512, 1);
	struct rig rig;

	rig_open(&rig, _i);
	for (uint64_t at = 3 * 512; at < RIG_SIZE; at += MIB + 5 * 512) {
		ck_assert_int_eq(rig_do(&rig, STORE_WRITE, 0, at, 512, wrote), STORE_OK);
		ck_assert_uint_eq(mapped_bytes(&rig, at, at + 512), 512);
	}
	(void)mapped_bytes(&rig, 0, RIG_SIZE);
	free(wrote);
	rig_close(&rig);
}
END_TEST

/* Many at once, beside what goes through the ring. */
START_TEST(many_at_once)
{
	enum { MANY = 64 };
	static struct asked asked[MANY];
	static uint8_t buffers[MANY][4096] __attribute__((aligned(4096)));
	unsigned done = 0;
	struct rig rig;

	rig_open(&rig, _i);
	for (unsigned i = 0; i < MANY; i++) {
		asked[i] = (struct asked){ .request = { .op = i % 2 ? STORE_EXTENT : STORE_WRITE,
						   .flags = i % 2 ? 0 : STORE_FUA,
						   .offset = i * 4096,
						   .length = 4096,
						   .buffer = buffers[i],
						   .done = count_done } };
		asked[i].count = store_submit(rig.store, rig.queue, &asked[i].request) ==
				 STORE_DONE;
	}
	store_queue_flush(rig.queue);
	for (unsigned i = 0; i < MANY; i++) {
		if (asked[i].count == 0)
			rig_wait(rig.queue, &asked[i].count, 1);
		ck_assert_uint_eq(asked[i].count, 1);
		ck_assert_int_eq(asked[i].request.error, STORE_OK);
		done++;
	}
	ck_assert_uint_eq(done, MANY);
	rig_close(&rig);
}
END_TEST

START_TEST(a_read_only_store_tells_too)
{
	char error[STORE_ERROR_SIZE];
	uint8_t *wrote = rig_buffer(4096, 1);
	struct rig rig;

	rig_open(&rig, RIG_FILE * RIG_QUEUES);
	ck_assert_int_eq(rig_do(&rig, STORE_WRITE, 0, 8192, 4096, wrote), STORE_OK);
	store_close(rig.store);
	rig.config.read_only = true;
	rig.store = store_open(&rig.config, error);
	ck_assert_ptr_nonnull(rig.store);
	ck_assert_uint_eq(mapped_bytes(&rig, 0, RIG_SIZE), 4096);
	free(wrote);
	rig_close(&rig);
}
END_TEST

/* Looking through memory takes time, so each look is a turn of its own, and a short one. */
START_TEST(memory_is_looked_through_in_slices)
{
	struct asked asked = {
		.request = { .op = STORE_EXTENT, .length = RIG_SIZE, .done = count_done }
	};
	struct rig rig;

	rig_open(&rig, RIG_MEMORY * RIG_QUEUES);
	ck_assert_int_eq(store_submit(rig.store, rig.queue, &asked.request), STORE_PENDING);
	store_queue_flush(rig.queue);
	rig_wait(rig.queue, &asked.count, 1);
	ck_assert_int_eq(asked.request.error, STORE_OK);
	ck_assert(!asked.request.mapped);
	ck_assert_uint_eq(asked.request.extent, BUFFER_SIZE_MAX);
	rig_close(&rig);
}
END_TEST

/* A request of 1 MiB at 8192; the answers of lseek, as a distance, lead to the extent. */
static const struct {
	int data, hole; /* 1: not asked */
	bool mapped;
	uint64_t extent;
	enum store_error error;
} rows[] = {
	{ -ENXIO, 1, false, MIB, STORE_OK }, /* nothing behind it */
	{ 4096, 1, false, 4096, STORE_OK },
	{ 4097, 1, false, 4096, STORE_OK }, /* the block that begins to hold data is mapped */
	{ 512, 1, false, 512, STORE_OK },
	{ 511, 512, true, 1024, STORE_OK },
	{ 2 * MIB, 1, false, MIB, STORE_OK },
	{ STORE_SEEK_MAX, 1, false, MIB, STORE_OK },
	{ 0, 4096, true, 4096, STORE_OK },
	{ 0, 4095, true, 4096, STORE_OK },
	{ 0, 2 * MIB, true, MIB, STORE_OK },
	{ 0, 0, true, 512, STORE_OK },       /* punched in between: once more will tell */
	{ 0, -ENXIO, true, 512, STORE_OK },  /* cut off in between */
	{ -EINVAL, 1, true, MIB, STORE_OK }, /* a block device */
	{ -EOPNOTSUPP, 1, true, MIB, STORE_OK },
	{ -EIO, 1, false, 0, STORE_READ_FAILED },
	{ 0, -EIO, false, 0, STORE_READ_FAILED },
};

START_TEST(answers_of_the_kernel)
{
	struct rig rig;
	struct store_io io;

	rig_open(&rig, RIG_FILE * RIG_QUEUES);
	struct store_request request = { .op = STORE_EXTENT,
		.offset = 8192,
		.length = MIB,
		.done = count_done,
		.store = rig.store,
		.queue = rig.queue };
	ck_assert_int_eq(store_file.submit(&request), STORE_STEP_IO);
	store_file.describe(&request, &io);
	ck_assert_int_eq(io.kind, STORE_IO_SEEK);
	ck_assert_int_eq(io.flags, SEEK_DATA);
	ck_assert_uint_eq(io.offset, 8192);
	enum store_step step = store_file.advance(&request, rows[_i].data);
	ck_assert_int_eq(step, rows[_i].hole == 1 ? STORE_STEP_FINISHED : STORE_STEP_IO);
	if (step == STORE_STEP_IO) {
		store_file.describe(&request, &io);
		ck_assert_int_eq(io.flags, SEEK_HOLE);
		ck_assert_uint_eq(io.offset, 8192 + (unsigned)rows[_i].data);
		ck_assert_int_eq(store_file.advance(&request, rows[_i].hole), STORE_STEP_FINISHED);
	}
	ck_assert_int_eq(request.error, rows[_i].error);
	ck_assert(request.mapped == rows[_i].mapped);
	ck_assert_uint_eq(request.extent, rows[_i].extent);
	rig_close(&rig);
}
END_TEST

int main(void)
{
	rig_prepare();
	Suite *suite = suite_create("store/extent");
	TCase *tcase = tcase_create("extents");
	TCase *media = tcase_create("media");

	tcase_set_timeout(media, 300);
	rig_add_rows(media, written_is_mapped_and_discarded_is_not);
	rig_add_rows(media, a_block_alone_is_mapped);
	rig_add_rows(media, many_at_once);
	suite_add_tcase(suite, media);
	tcase_add_checked_fixture(tcase, rig_enter, NULL);
	tcase_add_test(tcase, a_read_only_store_tells_too);
	tcase_add_test(tcase, memory_is_looked_through_in_slices);
	tcase_add_rows(tcase, answers_of_the_kernel, rows);
	suite_add_tcase(suite, tcase);
	return rig_main(suite);
}
