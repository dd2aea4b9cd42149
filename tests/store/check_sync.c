/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store/file_sync.c: one sync serves many, and none that begins before what it is to make stable was written. Over a
 * queue of the test's own, which counts system calls and ends them when the test says, and over the real ones.
 * store/file_allocate.c: discards take turns.
 */
#include "tests/store/rig.h"
#include "store/file.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE  4096u
#define CALLS 256u

/* Calls are letters: r, w (W with RWF_DSYNC), s, a. */
struct counting_queue {
	struct store_queue base; /* first */
	struct store_request *begun[CALLS];
	char letters[CALLS + 1]; /* of all that ever began */
	unsigned under_way, count;
};

struct one {
	struct store_request request; /* first: `done` gets a pointer to it */
	bool is_done;
};

static void one_done(struct store_request *request)
{
	((struct one *)request)->is_done = true;
}

static char letter_of(const struct store_request *request)
{
	struct store_io io;
	store_file.describe(request, &io);
	if (io.kind == STORE_IO_SYNC)
		return 's';
	if (io.kind == STORE_IO_ALLOCATE)
		return 'a';
	return io.kind == STORE_IO_READ ? 'r' : io.flags & RWF_DSYNC ? 'W' : 'w';
}

static void counting_start(struct store_queue *queue, struct store_request *request)
{
	struct counting_queue *counting = (struct counting_queue *)queue;
	ck_assert_uint_lt(counting->count, CALLS);
	counting->letters[counting->count++] = letter_of(request);
	counting->begun[counting->under_way++] = request;
}

static void counting_flush(struct store_queue *queue)
{
	(void)queue;
}

static const struct queue_operations counting_operations = {
	.name = "counting", .start = counting_start, .flush = counting_flush
};

static struct {
	struct rig rig;
	struct counting_queue queue;
	struct one all[CALLS];
	uint8_t *buffer;
} bench;

static void set_up(void)
{
	rig_enter();
	memset(&bench, 0, sizeof(bench));
	rig_open(&bench.rig, RIG_FILE * RIG_QUEUES);
	ck_assert_int_eq(store_queue_prepare(&bench.queue.base, &counting_operations), 0);
	bench.buffer = rig_buffer(PAGE, 1);
}

static void tear_down(void)
{
	for (unsigned i = 0; i < CALLS; i++)
		ck_assert(!bench.all[i].request.store);
	store_queue_dismantle(&bench.queue.base);
	free(bench.buffer);
	rig_close(&bench.rig);
}

static struct one *submit(unsigned index, enum store_op op, unsigned flags, uint64_t length)
{
	struct one *one = &bench.all[index];
	one->is_done = false;
	one->request = (struct store_request){ .op = op,
		.flags = flags,
		.offset = op == STORE_FLUSH ? 0 : (uint64_t)index * PAGE,
		.length = length,
		.buffer = bench.buffer,
		.done = one_done };
	if (store_submit(bench.rig.store, &bench.queue.base, &one->request) == STORE_DONE)
		one->is_done = true;
	return one;
}

/* Ends the oldest call that is under way, and lets what it brings about happen. */
static void end_call(int result)
{
	struct counting_queue *queue = &bench.queue;
	ck_assert_uint_gt(queue->under_way, 0);
	struct store_request *request = queue->begun[0];
	queue->under_way--;
	memmove(queue->begun, queue->begun + 1, queue->under_way * sizeof(queue->begun[0]));
	store_continue(request, result);
	store_queue_reap(&queue->base, CALLS);
}

static unsigned count_done(unsigned first, unsigned count)
{
	unsigned done = 0;
	for (unsigned i = first; i < first + count; i++)
		done += bench.all[i].is_done;
	return done;
}

START_TEST(many_flushes_are_two_syncs)
{
	for (unsigned i = 0; i < 32; i++)
		submit(i, STORE_FLUSH, 0, 0);
	ck_assert_str_eq(bench.queue.letters, "s");
	end_call(0);
	/* Those that came while it was under way may have come too late for it. */
	ck_assert_uint_eq(count_done(0, 32), 1);
	ck_assert_str_eq(bench.queue.letters, "ss");
	end_call(0);
	ck_assert_uint_eq(count_done(0, 32), 32);
	ck_assert_str_eq(bench.queue.letters, "ss");
}
END_TEST

START_TEST(many_writes_with_fua_are_a_write_and_a_sync)
{
	uint8_t found[PAGE];
	for (unsigned i = 0; i < 32; i++)
		submit(i, STORE_WRITE, STORE_FUA, PAGE);
	ck_assert_str_eq(bench.queue.letters, "W");
	/* All but the first are in the cache, and wait. */
	ck_assert_int_eq(pread(file_of(bench.rig.store)->fd, found, PAGE, 31 * PAGE), PAGE);
	ck_assert_mem_eq(found, bench.buffer, PAGE);
	ck_assert_uint_eq(count_done(0, 32), 0);
	end_call(PAGE);
	ck_assert_uint_eq(count_done(0, 32), 1);
	end_call(0);
	ck_assert_uint_eq(count_done(0, 32), 32);
	ck_assert_str_eq(bench.queue.letters, "Ws");
	/* Alone again: its own range only. */
	submit(32, STORE_WRITE, STORE_FUA, PAGE);
	ck_assert_str_eq(bench.queue.letters, "WsW");
	end_call(PAGE);
}
END_TEST

START_TEST(a_sync_that_began_before_serves_nobody)
{
	struct one *flush = submit(0, STORE_FLUSH, 0, 0);
	struct one *early = submit(1, STORE_WRITE, STORE_FUA, PAGE);
	struct one *part = submit(2, STORE_WRITE, STORE_FUA, 512);
	ck_assert_str_eq(bench.queue.letters, "sw");
	end_call(0); /* the sync */
	ck_assert(flush->is_done && !early->is_done);
	ck_assert_str_eq(bench.queue.letters, "sws");
	struct one *late = submit(3, STORE_FLUSH, 0, 0);
	end_call(512); /* `part` is written now, too late for the sync under way */
	ck_assert(!part->is_done);
	end_call(0);
	ck_assert(early->is_done && !late->is_done && !part->is_done);
	ck_assert_str_eq(bench.queue.letters, "swss");
	end_call(0);
	ck_assert(late->is_done && part->is_done);
	ck_assert_str_eq(bench.queue.letters, "swss");
}
END_TEST

START_TEST(a_write_that_waited_in_vain_syncs_itself)
{
	submit(0, STORE_FLUSH, 0, 0);
	struct one *part = submit(1, STORE_WRITE, STORE_FUA, 512);
	end_call(0);
	end_call(512);
	ck_assert(!part->is_done);
	ck_assert_str_eq(bench.queue.letters, "sws");
	end_call(0);
	ck_assert(part->is_done);
}
END_TEST

START_TEST(reads_with_fua_read_after_the_sync)
{
	submit(0, STORE_FLUSH, 0, 0);
	struct one *read = submit(1, STORE_READ, STORE_FUA, PAGE);
	struct one *cleared = submit(2, STORE_ZERO, STORE_FUA, PAGE);
	end_call(0);
	ck_assert_str_eq(bench.queue.letters, "sas");
	end_call(0); /* zeroed, and waits for the sync after this one */
	end_call(0);
	ck_assert(!read->is_done && !cleared->is_done);
	end_call(PAGE);
	ck_assert(read->is_done);
	end_call(0);
	ck_assert(cleared->is_done);
}
END_TEST

/* A sync that fails fails all whom it should have served, and one flush more; the next sync is not its affair. */
START_TEST(a_failed_sync_fails_all)
{
	for (unsigned i = 0; i < 4; i++)
		submit(i, STORE_FLUSH, 0, 0);
	end_call(0);
	for (unsigned i = 4; i < 8; i++)
		submit(i, STORE_WRITE, STORE_FUA, PAGE);
	end_call(-EINTR); /* once more */
	ck_assert_uint_eq(count_done(0, 8), 1);
	end_call(-EIO);
	ck_assert_uint_eq(count_done(0, 4), 4);
	for (unsigned i = 1; i < 4; i++)
		ck_assert_int_eq(bench.all[i].request.error, STORE_WRITE_FAILED);
	ck_assert_uint_eq(count_done(4, 4), 0);
	end_call(0);
	for (unsigned i = 4; i < 8; i++)
		ck_assert_int_eq(bench.all[i].request.error, STORE_OK);
	for (unsigned i = 0; i < 2; i++) {
		submit(0, STORE_FLUSH, 0, 0);
		end_call(0);
		ck_assert_int_eq(bench.all[0].request.error, i ? STORE_OK : STORE_WRITE_FAILED);
	}
}
END_TEST

START_TEST(a_failed_write_lets_the_next_go_on)
{
	submit(0, STORE_WRITE, STORE_FUA, PAGE);
	submit(1, STORE_WRITE, STORE_FUA, PAGE);
	end_call(-ENOSPC);
	ck_assert_int_eq(bench.all[0].request.error, STORE_NO_SPACE);
	ck_assert_str_eq(bench.queue.letters, "Ws");
	end_call(0);
	ck_assert(bench.all[1].is_done);
	ck_assert_int_eq(bench.all[1].request.error, STORE_OK);
}
END_TEST

/* A device may sync each direct write by itself. */
START_TEST(direct_writes_do_not_wait)
{
	bench.rig.store->info.direct = true;
	for (unsigned i = 0; i < 4; i++)
		submit(i, STORE_WRITE, STORE_FUA, PAGE);
	ck_assert_str_eq(bench.queue.letters, "WWWW");
	for (unsigned i = 0; i < 4; i++)
		end_call(PAGE);
	ck_assert_uint_eq(count_done(0, 4), 4);
}
END_TEST

/*
 * Random requests and ends. `ended` = when the latest of the syncs that have ended began: whoever ends must have been
 * written before.
 */
static void note_begun(unsigned *begun, unsigned *seen, unsigned clock)
{
	if (bench.queue.count > *seen)
		*begun = clock;
	*seen = bench.queue.count;
}

START_TEST(no_request_ends_before_its_sync)
{
	unsigned clock = 1, ended = 0, begun = 0, seen = 0, requests = 0;
	unsigned written[32] = { 0 };
	bool pending[32] = { false };
	srand((unsigned)_i + 1);
	for (unsigned round = 0; round < 120 || bench.queue.under_way; round++) {
		unsigned index = (unsigned)rand() % 32;
		clock++;
		if (round < 120 && !bench.all[index].request.store) {
			bool flush = rand() % 2;
			submit(index, flush ? STORE_FLUSH : STORE_WRITE, flush ? 0 : STORE_FUA,
				flush ? 0 : PAGE);
			written[index] = clock;
			pending[index] = true;
			requests++;
		}
		note_begun(&begun, &seen, clock);
		if (bench.queue.under_way && (round >= 120 || rand() % 8 == 0)) {
			struct store_request *first = bench.queue.begun[0];
			bool alone = letter_of(first) == 'W';
			if (alone)
				written[(struct one *)first - bench.all] = 0;
			else
				ended = begun;
			end_call(alone ? PAGE : 0);
		}
		/* One sync at most is under way, so what began last is what ends next. */
		ck_assert_uint_le(bench.queue.under_way, 1);
		note_begun(&begun, &seen, clock);
		for (unsigned i = 0; i < 32; i++) {
			if (!pending[i] || !bench.all[i].is_done)
				continue;
			pending[i] = false;
			ck_assert_int_eq(bench.all[i].request.error, STORE_OK);
			ck_assert_uint_le(written[i], ended);
		}
	}
	ck_assert_uint_lt(bench.queue.count, requests);
}
END_TEST

static void *sync_alone(void *store)
{
	return (void *)(intptr_t)store_sync(store);
}

/* store_sync() too waits for the sync of somebody else, and then makes the next. */
START_TEST(a_sync_without_a_queue_takes_its_turn)
{
	struct file_sync *sync = &file_of(bench.rig.store)->sync;
	pthread_t thread;
	void *error;
	bool waits = false;

	submit(0, STORE_FLUSH, 0, 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, sync_alone, bench.rig.store), 0);
	while (!waits) {
		poll(NULL, 0, 1);
		pthread_mutex_lock(&sync->lock);
		waits = sync->waiting.first;
		pthread_mutex_unlock(&sync->lock);
	}
	end_call(0);
	pthread_join(thread, &error);
	ck_assert_int_eq((intptr_t)error, STORE_OK);
}
END_TEST

/* Two workers at once, over the real queues: everybody is served. */
struct worker {
	pthread_t thread;
	struct store *store;
	struct store_queue *queue;
	unsigned index, done;
};

struct worker_request {
	struct store_request request; /* first */
	struct worker *worker;
};

static void worker_request_done(struct store_request *request)
{
	struct worker_request *mine = (struct worker_request *)request;
	if (request->error == STORE_OK)
		mine->worker->done++;
}

static void *worker_run(void *context)
{
	struct worker *worker = context;
	struct store_queue *queue = worker->queue;
	struct worker_request requests[16];
	void *buffer = aligned_alloc(PAGE, PAGE);
	memset(buffer, 'a', PAGE);
	memset(requests, 0, sizeof(requests));
	for (unsigned round = 0; round < 8; round++) {
		for (unsigned i = 0; i < 16; i++) {
			requests[i].worker = worker;
			requests[i].request = (struct store_request){ .op = i % 3 ? STORE_WRITE
										  : STORE_FLUSH,
				.flags = i % 3 ? STORE_FUA : 0,
				.offset = i % 3 ? (worker->index * 16 + i) * PAGE : 0,
				.length = i % 3 ? PAGE : 0,
				.buffer = buffer,
				.done = worker_request_done };
			if (store_submit(worker->store, queue, &requests[i].request) == STORE_DONE)
				worker_request_done(&requests[i].request);
		}
		store_queue_flush(queue);
		while (worker->done < (round + 1) * 16) {
			struct pollfd ready = { .fd = store_queue_fd(queue), .events = POLLIN };
			poll(&ready, 1, 1000);
			store_queue_reap(queue, 64);
			store_queue_flush(queue);
		}
	}
	free(buffer);
	return NULL;
}

START_TEST(workers_serve_each_other)
{
	struct worker workers[3];
	struct rig rig;
	rig_open(&rig, _i);
	for (unsigned i = 0; i < 3; i++) {
		workers[i] = (struct worker){ .store = rig.store,
			.queue = store_queue_new(rig_queue_kind(_i), 64),
			.index = i };
		ck_assert_ptr_nonnull(workers[i].queue);
	}
	for (unsigned i = 0; i < 3; i++)
		ck_assert_int_eq(
			pthread_create(&workers[i].thread, NULL, worker_run, &workers[i]), 0);
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(workers[i].thread, NULL);
		ck_assert_uint_eq(workers[i].done, 8 * 16);
	}
	for (unsigned i = 0; i < 3; i++)
		store_queue_free(workers[i].queue);
	rig_close(&rig);
}
END_TEST

/* A disk that hangs holds few of the threads that others need; whatever comes of one, the next has its turn. */
START_TEST(discards_take_turns)
{
	static const int results[] = { 0, -EIO, -EINTR, -EOPNOTSUPP };
	for (unsigned i = 0; i < 32; i++)
		submit(i, i % 2 ? STORE_DISCARD : STORE_ZERO, 0, PAGE);
	ck_assert_uint_eq(bench.queue.under_way, 8);
	ck_assert_str_eq(bench.queue.letters, "aaaaaaaa");
	/* Nobody else waits for them. */
	submit(32, STORE_FLUSH, 0, 0);
	ck_assert_uint_eq(bench.queue.under_way, 9);
	for (unsigned i = 0; i < 8; i++)
		end_call(results[i % 4]);
	end_call(0);
	ck_assert(bench.all[32].is_done);
	while (bench.queue.under_way > 0) {
		ck_assert_uint_le(bench.queue.under_way, 8 + 4); /* zeros that are written now */
		bool writes = letter_of(bench.queue.begun[0]) == 'w';
		end_call(writes ? (int)PAGE : 0);
	}
	ck_assert_uint_eq(count_done(0, 33), 33);
	/* As at the beginning. */
	for (unsigned i = 0; i < 9; i++)
		submit(i, STORE_DISCARD, STORE_FUA, PAGE);
	ck_assert_uint_eq(bench.queue.under_way, 8);
	while (bench.queue.under_way > 0)
		end_call(0);
	ck_assert_uint_eq(count_done(0, 9), 9);
}
END_TEST

int main(void)
{
	rig_prepare();
	Suite *suite = suite_create("store/file_sync");
	TCase *counted = tcase_create("counted");
	tcase_add_checked_fixture(counted, set_up, tear_down);
	tcase_add_test(counted, many_flushes_are_two_syncs);
	tcase_add_test(counted, many_writes_with_fua_are_a_write_and_a_sync);
	tcase_add_test(counted, a_sync_that_began_before_serves_nobody);
	tcase_add_test(counted, a_write_that_waited_in_vain_syncs_itself);
	tcase_add_test(counted, reads_with_fua_read_after_the_sync);
	tcase_add_test(counted, a_failed_sync_fails_all);
	tcase_add_test(counted, direct_writes_do_not_wait);
	tcase_add_test(counted, a_failed_write_lets_the_next_go_on);
	tcase_add_test(counted, a_sync_without_a_queue_takes_its_turn);
	tcase_add_test(counted, discards_take_turns);
	tcase_add_loop_test(counted, no_request_ends_before_its_sync, 0, 20);
	suite_add_tcase(suite, counted);
	TCase *real = tcase_create("every medium, both queues");
	tcase_set_timeout(real, 300);
	rig_add_rows(real, workers_serve_each_other);
	suite_add_tcase(suite, real);
	return rig_main(suite);
}
