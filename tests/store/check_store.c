/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store/store.c, memory.c, file.c, uring.c, threads.c as their users see them: every medium over
 * both queues keeps what was written, reads zeros where it was told to, takes deep queues, and the
 * wrapper aborts on a breach of the contract.
 */
#include "tests/store/rig.h"
#include "base/pool.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KIB 1024u
#define MIB (1024u * 1024u)

START_TEST(what_is_written_is_read)
{
	static const struct {
		uint64_t offset, length;
		unsigned flags;
	} rows[] = {
		{ 0, 512, 0 },
		{ 512, 512, STORE_FUA },
		{ 4096, 4096, 0 },
		{ 3 * 512, 7 * 512, 0 },
		{ 64 * KIB + 512, 256 * KIB, 0 },
		{ 1 * MIB, 1 * MIB, STORE_FUA },
		{ 2 * MIB, BUFFER_SIZE_MAX, 0 },
		{ RIG_SIZE - 512, 512, 0 },
		{ RIG_SIZE - BUFFER_SIZE_MAX, BUFFER_SIZE_MAX, STORE_FUA },
	};
	struct rig rig;
	rig_open(&rig, _i);
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		uint8_t *wrote = rig_buffer(rows[i].length, i + 1);
		uint8_t *read = rig_buffer(rows[i].length, 100);
		ck_assert_int_eq(rig_do(&rig, STORE_WRITE, rows[i].flags, rows[i].offset,
					 rows[i].length, wrote),
			STORE_OK);
		ck_assert_int_eq(rig_do(&rig, STORE_READ, 0, rows[i].offset, rows[i].length, read),
			STORE_OK);
		ck_assert_mem_eq(wrote, read, rows[i].length);
		memset(read, 0, rows[i].length);
		ck_assert_int_eq(
			rig_do(&rig, STORE_READ, STORE_FUA, rows[i].offset, rows[i].length, read),
			STORE_OK);
		ck_assert_mem_eq(wrote, read, rows[i].length);
		free(wrote);
		free(read);
	}
	ck_assert_int_eq(rig_do(&rig, STORE_FLUSH, 0, 0, 0, NULL), STORE_OK);
	rig_close(&rig);
}
END_TEST

struct counted {
	struct store_request request; /* first: `done` gets a pointer to it */
	unsigned count;
};

static void count_done(struct store_request *request)
{
	((struct counted *)request)->count++;
}

/* Whoever does many in a row lets others have their turn, though each could be done at once. */
START_TEST(what_is_patient_waits)
{
	static const unsigned flags[] = { STORE_PATIENT, STORE_PATIENT | STORE_FUA };
	uint8_t *wrote = rig_buffer(4096, 1), *read = rig_buffer(4096, 2);
	struct rig rig;
	rig_open(&rig, _i);
	for (unsigned i = 0; i < 4; i++) {
		struct counted one = { .request = { .op = i < 2 ? STORE_WRITE : STORE_READ,
					       .flags = flags[i % 2],
					       .offset = 4096,
					       .length = 4096,
					       .buffer = i < 2 ? wrote : read,
					       .done = count_done } };
		ck_assert_int_eq(store_submit(rig.store, rig.queue, &one.request), STORE_PENDING);
		store_queue_flush(rig.queue);
		rig_wait(rig.queue, &one.count, 1);
		ck_assert_int_eq(one.request.error, STORE_OK);
	}
	ck_assert_mem_eq(wrote, read, 4096);
	free(wrote);
	free(read);
	rig_close(&rig);
}
END_TEST

/* The lender takes its bytes back as soon as store_submit() returns, whatever is still to be done. */
START_TEST(what_is_lent_is_written)
{
	static const struct {
		uint64_t offset, length;
		unsigned flags;
	} rows[] = {
		{ 0, 512, 0 }, /* a part of a page waits on a disk */
		{ 4096, 4096, 0 }, { 8192, 4096, STORE_FUA }, { 64 * KIB, 64 * KIB, 0 },
		{ 2 * MIB, BUFFER_SIZE_MAX, 0 }, /* too much to be written inline */
	};
	struct counted one = { .count = 0 };
	struct rig rig;
	rig_open(&rig, _i);
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		size_t length = rows[i].length;
		uint8_t *expected = rig_buffer(length, i + 1);
		uint8_t *lent = malloc(length + 48);
		uint8_t *buffer = rig_buffer(length, 100);
		one.count = 0;
		one.request = (struct store_request){ .op = STORE_WRITE,
			.flags = rows[i].flags,
			.offset = rows[i].offset,
			.length = length,
			.buffer = buffer,
			.lent = memcpy(lent + 48, expected, length),
			.done = count_done };
		enum store_answer answer = store_submit(rig.store, rig.queue, &one.request);
		ck_assert_ptr_null(one.request.lent);
		memset(lent, 0xee, length + 48);
		if (answer == STORE_PENDING) {
			store_queue_flush(rig.queue);
			rig_wait(rig.queue, &one.count, 1);
		}
		ck_assert_int_eq(one.request.error, STORE_OK);
		ck_assert_int_eq(
			rig_do(&rig, STORE_READ, 0, rows[i].offset, length, buffer), STORE_OK);
		ck_assert_mem_eq(buffer, expected, length);
		free(expected);
		free(lent);
		free(buffer);
	}
	rig_close(&rig);
}
END_TEST

START_TEST(a_new_store_reads_zeros)
{
	struct rig rig;
	rig_open(&rig, _i);
	rig_check_zeros(&rig, 0, BUFFER_SIZE_MAX);
	rig_check_zeros(&rig, RIG_SIZE - 512, 512);
	rig_close(&rig);
}
END_TEST

/* [SCSI-09] Zeroed and discarded ranges of every alignment read zeros, their neighbours stay. */
START_TEST(cleared_ranges_read_zeros)
{
	static const struct {
		enum store_op op;
		unsigned flags;
		uint64_t offset, length;
	} rows[] = {
		{ STORE_DISCARD, 0, 4096, 8192 },
		{ STORE_DISCARD, STORE_FUA, 512, 512 },
		{ STORE_DISCARD, 0, 4096 - 512, 4096 + 1024 },
		{ STORE_DISCARD, 0, 512, 3 * MIB - 1024 },
		{ STORE_ZERO, 0, 4096, 8192 },
		{ STORE_ZERO, STORE_FUA, 1536, 512 },
		{ STORE_ZERO, 0, 4096 - 512, 4096 + 1024 },
		{ STORE_ZERO, 0, 512, 3 * MIB - 1024 },
	};
	struct rig rig;
	rig_open(&rig, _i);
	uint8_t *wrote = rig_buffer(3 * MIB, 1);
	uint8_t *read = rig_buffer(3 * MIB, 2);
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		ck_assert_int_eq(rig_do(&rig, STORE_WRITE, 0, 0, 3 * MIB, wrote), STORE_OK);
		ck_assert_int_eq(rig_do(&rig, rows[i].op, rows[i].flags, rows[i].offset,
					 rows[i].length, NULL),
			STORE_OK);
		ck_assert_int_eq(rig_do(&rig, STORE_READ, 0, 0, 3 * MIB, read), STORE_OK);
		ck_assert_mem_eq(read, wrote, rows[i].offset);
		ck_assert_uint_eq(rig_zeros(read + rows[i].offset, rows[i].length), rows[i].length);
		uint64_t end = rows[i].offset + rows[i].length;
		ck_assert_mem_eq(read + end, wrote + end, 3 * MIB - end);
	}
	free(wrote);
	free(read);
	rig_close(&rig);
}
END_TEST

/* Longer than a worker may spend at once: goes on in slices, to the very end of the store. */
START_TEST(the_whole_store_can_be_cleared)
{
	static const enum store_op ops[] = { STORE_DISCARD, STORE_ZERO };
	struct rig rig;
	rig_open(&rig, _i);
	uint8_t *wrote = rig_buffer(BUFFER_SIZE_MAX, 1);
	for (unsigned i = 0; i < 2; i++) {
		for (uint64_t at = 0; at < RIG_SIZE; at += BUFFER_SIZE_MAX)
			ck_assert_int_eq(
				rig_do(&rig, STORE_WRITE, 0, at, BUFFER_SIZE_MAX, wrote), STORE_OK);
		ck_assert_int_eq(rig_do(&rig, ops[i], 0, 0, RIG_SIZE, NULL), STORE_OK);
		for (uint64_t at = 0; at < RIG_SIZE; at += BUFFER_SIZE_MAX)
			rig_check_zeros(&rig, at, BUFFER_SIZE_MAX);
	}
	free(wrote);
	rig_close(&rig);
}
END_TEST

static long long blocks_of(const char *path)
{
	struct stat stat_of;
	ck_assert_int_eq(stat(path, &stat_of), 0);
	return stat_of.st_blocks;
}

/* A flush on nobody's queue, from any thread: the way out. */
START_TEST(a_store_can_be_synced_without_a_queue)
{
	struct rig rig;
	rig_open(&rig, _i);
	uint8_t *wrote = rig_buffer(MIB, 1);
	ck_assert_int_eq(rig_do(&rig, STORE_WRITE, 0, MIB, MIB, wrote), STORE_OK);
	ck_assert_int_eq(store_sync(rig.store), STORE_OK);
	/* Linux delays the allocation of what is not stable yet. */
	if (_i / RIG_QUEUES == RIG_FILE)
		ck_assert_int_ge(blocks_of(rig.path), MIB / 512);
	free(wrote);
	rig_close(&rig);
}
END_TEST

START_TEST(discard_gives_space_back_and_zero_keeps_it)
{
	struct rig rig;
	rig_open(&rig, _i);
	uint8_t *wrote = rig_buffer(MIB, 1);
	ck_assert(store_info(rig.store)->can_discard);
	ck_assert_uint_ge(store_info(rig.store)->discard_granularity, 512);
	/* Only what has a path of its own tells how much it takes. */
	if (_i / RIG_QUEUES == RIG_FILE || _i / RIG_QUEUES == RIG_DIRECT ||
		_i / RIG_QUEUES == RIG_TMPFS) {
		ck_assert_int_eq(blocks_of(rig.path), 0);
		ck_assert_int_eq(rig_do(&rig, STORE_WRITE, STORE_FUA, MIB, MIB, wrote), STORE_OK);
		ck_assert_int_ge(blocks_of(rig.path), MIB / 512);
		ck_assert_int_eq(rig_do(&rig, STORE_ZERO, STORE_FUA, MIB, MIB, NULL), STORE_OK);
		ck_assert_int_ge(blocks_of(rig.path), MIB / 512);
		ck_assert_int_eq(rig_do(&rig, STORE_DISCARD, STORE_FUA, MIB, MIB, NULL), STORE_OK);
		ck_assert_int_lt(blocks_of(rig.path), 64);
	}
	free(wrote);
	rig_close(&rig);
}
END_TEST

struct slot {
	struct store_request request; /* first: done() is given its address */
	uint8_t *buffer;
	bool busy;
	unsigned *finished;
};

static void slot_done(struct store_request *request)
{
	struct slot *slot = (struct slot *)request;
	ck_assert(slot->busy);
	slot->busy = false;
	++*slot->finished;
}

/* Far more requests at once than the ring has entries: all finish, each once, each with its own data. */
START_TEST(deep_queues_lose_nothing)
{
	enum { DEPTH = 1000 };
	struct rig rig;
	unsigned finished = 0, pending = 0;
	rig_open(&rig, _i);
	struct slot *slots = calloc(DEPTH, sizeof *slots);
	for (int round = 0; round < 2; round++) {
		for (unsigned i = 0; i < DEPTH; i++) {
			struct slot *slot = &slots[i];
			if (!slot->buffer)
				slot->buffer = rig_buffer(4096, i);
			if (round)
				memset(slot->buffer, 0, 4096);
			slot->finished = &finished;
			slot->busy = true;
			slot->request.op = round ? STORE_READ : STORE_WRITE;
			slot->request.flags = STORE_FUA; /* so that nothing ends inline */
			slot->request.offset = (uint64_t)i * 4096;
			slot->request.length = 4096;
			slot->request.buffer = slot->buffer;
			slot->request.done = slot_done;
			if (store_submit(rig.store, rig.queue, &slot->request) == STORE_PENDING)
				pending++;
			else
				slot->busy = false;
		}
		rig_wait(rig.queue, &finished, pending);
		for (unsigned i = 0; i < DEPTH; i++) {
			uint8_t *expected = rig_buffer(4096, i);
			ck_assert_int_eq(slots[i].request.error, STORE_OK);
			ck_assert_mem_eq(slots[i].buffer, expected, 4096);
			free(expected);
		}
	}
	for (unsigned i = 0; i < DEPTH; i++)
		free(slots[i].buffer);
	free(slots);
	rig_close(&rig);
}
END_TEST

/* A small generator of its own, so that a seed means the same everywhere. */
static uint32_t next_random(uint64_t *state)
{
	*state = *state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(*state >> 33);
}

enum { MODEL_SLOTS = 12, MODEL_LENGTH = 128 * 1024, MODEL_STEPS = 1200 };

struct model {
	struct rig rig;
	uint8_t *bytes;    /* what the store must hold */
	uint8_t *expected; /* MODEL_LENGTH for each slot: what its read must give */
	struct slot slots[MODEL_SLOTS];
	unsigned finished;
	unsigned pending;
	uint64_t random;
};

static bool overlaps_busy(const struct model *model, uint64_t offset, uint64_t length)
{
	for (unsigned i = 0; i < MODEL_SLOTS; i++) {
		const struct store_request *other = &model->slots[i].request;
		if (model->slots[i].busy && offset < other->offset + other->length &&
			other->offset < offset + length)
			return true;
	}
	return false;
}

static void check_slot(struct model *model, unsigned i)
{
	const struct store_request *request = &model->slots[i].request;
	if (!request->done || request->op != STORE_READ)
		return;
	ck_assert_msg(
		memcmp(request->buffer, model->expected + i * MODEL_LENGTH, request->length) == 0,
		"read of %llu+%llu is not what was written", (unsigned long long)request->offset,
		(unsigned long long)request->length);
}

static void start_random(struct model *model, unsigned i)
{
	static const enum store_op ops[] = { STORE_READ, STORE_READ, STORE_READ, STORE_WRITE,
		STORE_WRITE, STORE_WRITE, STORE_DISCARD, STORE_ZERO, STORE_FLUSH };
	struct slot *slot = &model->slots[i];
	struct store_request *request = &slot->request;
	uint32_t grain = next_random(&model->random) % 2 ? 4096 : 512;
	uint64_t offset = next_random(&model->random) % (RIG_SIZE / grain) * grain;
	uint64_t length = (next_random(&model->random) % (MODEL_LENGTH / grain) + 1) * grain;
	if (length > RIG_SIZE - offset)
		length = RIG_SIZE - offset;
	if (overlaps_busy(model, offset, length))
		return;
	request->op = ops[next_random(&model->random) % (sizeof ops / sizeof ops[0])];
	request->flags = next_random(&model->random) % 8 ? 0 : STORE_FUA;
	request->offset = offset;
	request->length = request->op == STORE_FLUSH ? 0 : length;
	request->buffer = slot->buffer;
	request->done = slot_done;
	if (request->op == STORE_READ) {
		memcpy(model->expected + i * MODEL_LENGTH, model->bytes + offset, length);
	} else if (request->op == STORE_WRITE) {
		for (size_t at = 0; at < length; at += 4)
			memcpy(slot->buffer + at, &(uint32_t){ next_random(&model->random) }, 4);
		memcpy(model->bytes + offset, slot->buffer, length);
	} else if (request->op != STORE_FLUSH) {
		memset(model->bytes + offset, 0, length);
	}
	slot->busy = true;
	if (store_submit(model->rig.store, model->rig.queue, request) == STORE_PENDING) {
		model->pending++;
		return;
	}
	slot->busy = false;
	ck_assert_int_eq(request->error, STORE_OK);
	check_slot(model, i);
}

/* Overlapping requests have no order, so the model never has two on one range. */
START_TEST(random_requests_agree_with_a_model)
{
	struct model model = { .random = 20260117u + (unsigned)_i };
	rig_open(&model.rig, _i);
	model.bytes = calloc(1, RIG_SIZE);
	model.expected = rig_buffer(MODEL_SLOTS * MODEL_LENGTH, 0);
	for (unsigned i = 0; i < MODEL_SLOTS; i++) {
		model.slots[i].buffer = rig_buffer(MODEL_LENGTH, 0);
		model.slots[i].finished = &model.finished;
	}
	for (unsigned step = 0; step < MODEL_STEPS; step++) {
		unsigned i = next_random(&model.random) % MODEL_SLOTS;
		bool was_busy = model.slots[i].busy;
		if (was_busy && model.finished < model.pending)
			rig_wait(model.rig.queue, &model.finished, model.pending);
		for (unsigned k = 0; was_busy && k < MODEL_SLOTS; k++) {
			ck_assert_int_eq(model.slots[k].request.error, STORE_OK);
			check_slot(&model, k);
			model.slots[k].request.done = NULL;
		}
		start_random(&model, i);
	}
	rig_wait(model.rig.queue, &model.finished, model.pending);
	for (uint64_t at = 0; at < RIG_SIZE; at += MODEL_LENGTH) {
		ck_assert_int_eq(
			rig_do(&model.rig, STORE_READ, 0, at, MODEL_LENGTH, model.expected),
			STORE_OK);
		ck_assert_mem_eq(model.expected, model.bytes + at, MODEL_LENGTH);
	}
	for (unsigned i = 0; i < MODEL_SLOTS; i++)
		free(model.slots[i].buffer);
	free(model.bytes);
	free(model.expected);
	rig_close(&model.rig);
}
END_TEST

static void ignore_done(struct store_request *request)
{
	(void)request;
}

/* Rows of requests that no caller may make; the first is right, to see that the rest fail for their fault. */
static const struct breach {
	enum store_op op;
	unsigned flags;
	uint64_t offset, length;
	size_t buffer; /* offset into an aligned one; SIZE_MAX = NULL */
	bool no_done;
	bool direct;
} breaches[] = {
	{ STORE_WRITE, 0, 512, 512, 0, false, false },
	{ STORE_EXTENT + 1, 0, 512, 512, 0, false, false },
	{ STORE_WRITE, 4, 512, 512, 0, false, false },
	{ STORE_WRITE, 0, 512, 0, 0, false, false },
	{ STORE_DISCARD, 0, 512, 0, 0, false, false },
	{ STORE_WRITE, 0, 511, 512, 0, false, false },
	{ STORE_WRITE, 0, 512, 513, 0, false, false },
	{ STORE_WRITE, 0, RIG_SIZE, 512, 0, false, false },
	{ STORE_READ, 0, RIG_SIZE - 512, 1024, 0, false, false },
	{ STORE_READ, 0, UINT64_MAX - 511, 512, 0, false, false },
	{ STORE_ZERO, 0, 512, UINT64_MAX - 511, 0, false, false },
	{ STORE_DISCARD, 0, UINT64_MAX - 511, 1024, 0, false, false },
	{ STORE_READ, 0, 0, BUFFER_SIZE_MAX + 512, 0, false, false },
	{ STORE_READ, 0, 512, 512, SIZE_MAX, false, false },
	{ STORE_WRITE, 0, 512, 512, 0, true, false },
	{ STORE_WRITE, 0, 512, 512, 512, false, true },
};

static void submit_breach(struct rig *rig, const struct breach *breach)
{
	uint8_t *buffer = rig_buffer(8192, 0);
	rig_open(rig, (breach->direct ? RIG_DIRECT : RIG_MEMORY) * RIG_QUEUES);
	struct store_request request = {
		.op = breach->op,
		.flags = breach->flags,
		.offset = breach->offset,
		.length = breach->length,
		.buffer = breach->buffer == SIZE_MAX ? NULL : buffer + breach->buffer,
		.done = breach->no_done ? NULL : ignore_done,
	};
	store_submit(rig->store, rig->queue, &request);
	free(buffer);
}

START_TEST(a_right_request_is_taken)
{
	struct rig rig;
	submit_breach(&rig, &breaches[0]);
	rig_close(&rig);
}
END_TEST

/* Nothing is closed behind it: an abort there would look like the one that is asked for. */
START_TEST(a_breach_of_the_contract_aborts)
{
	struct rig rig;
	submit_breach(&rig, &breaches[_i]);
}
END_TEST

START_TEST(a_request_under_way_cannot_be_submitted_again)
{
	struct rig rig;
	rig_open(&rig, RIG_FILE * RIG_QUEUES);
	struct store_request request = { .op = STORE_FLUSH, .done = ignore_done };
	ck_assert_int_eq(store_submit(rig.store, rig.queue, &request), STORE_PENDING);
	store_submit(rig.store, rig.queue, &request);
}
END_TEST

START_TEST(a_store_with_requests_under_way_cannot_be_closed)
{
	struct rig rig;
	rig_open(&rig, RIG_FILE * RIG_QUEUES);
	struct store_request request = { .op = STORE_FLUSH, .done = ignore_done };
	ck_assert_int_eq(store_submit(rig.store, rig.queue, &request), STORE_PENDING);
	store_close(rig.store);
}
END_TEST

static TCase *breach_case(void)
{
	TCase *tcase = tcase_create("contract");
	tcase_add_test(tcase, a_right_request_is_taken);
	tcase_add_loop_test_raise_signal(tcase, a_breach_of_the_contract_aborts, SIGABRT, 1,
		(int)(sizeof breaches / sizeof breaches[0]));
	tcase_add_test_raise_signal(tcase, a_request_under_way_cannot_be_submitted_again, SIGABRT);
	tcase_add_test_raise_signal(
		tcase, a_store_with_requests_under_way_cannot_be_closed, SIGABRT);
	return tcase;
}

int main(void)
{
	rig_prepare();
	Suite *suite = suite_create("store");
	TCase *tcase = tcase_create("every medium, both queues");
	tcase_set_timeout(tcase, 300);
	rig_add_rows(tcase, what_is_written_is_read);
	rig_add_rows(tcase, what_is_lent_is_written);
	rig_add_rows(tcase, what_is_patient_waits);
	rig_add_rows(tcase, a_new_store_reads_zeros);
	rig_add_rows(tcase, cleared_ranges_read_zeros);
	rig_add_rows(tcase, the_whole_store_can_be_cleared);
	rig_add_rows(tcase, discard_gives_space_back_and_zero_keeps_it);
	rig_add_rows(tcase, a_store_can_be_synced_without_a_queue);
	rig_add_rows(tcase, deep_queues_lose_nothing);
	rig_add_rows(tcase, random_requests_agree_with_a_model);
	suite_add_tcase(suite, tcase);
	suite_add_tcase(suite, breach_case());
	return rig_main(suite);
}
