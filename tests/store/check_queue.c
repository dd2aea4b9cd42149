/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * store/queue.c, uring.c, threads.c by a kind of store of the test's own, whose disk is a pipe: it
 * hangs until the test writes into it.
 */
#include "tests/store/rig.h"
#include "store/queue.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

/* One byte in the pipe ends one request. `held`: the requests wait for store_queue_post() instead. */
struct pipe_store {
	struct store base;
	int pipe[2];
	bool held;
	unsigned rounds; /* further reads a request makes before it is finished */
};

static struct pipe_store *pipe_of(const struct store *store)
{
	return (struct pipe_store *)store;
}

static enum store_step pipe_submit(struct store_request *request)
{
	return pipe_of(request->store)->held ? STORE_STEP_HELD : STORE_STEP_IO;
}

static void pipe_describe(const struct store_request *request, struct store_io *io)
{
	*io = (struct store_io){
		.kind = STORE_IO_READ,
		.fd = pipe_of(request->store)->pipe[0],
		.offset = UINT64_MAX, /* -1: where the pipe is */
		.length = 1,
		.buffer = request->buffer,
	};
}

static enum store_step pipe_advance(struct store_request *request, int result)
{
	ck_assert_int_eq(result, 1);
	request->error = STORE_OK;
	return request->progress++ < pipe_of(request->store)->rounds ? STORE_STEP_IO
								     : STORE_STEP_FINISHED;
}

static const struct store_operations pipe_operations = {
	.kind = "pipe",
	.submit = pipe_submit,
	.describe = pipe_describe,
	.advance = pipe_advance,
};

static void pipe_open(struct pipe_store *store)
{
	memset(store, 0, sizeof *store);
	store->base.operations = &pipe_operations;
	store->base.info = (struct store_info){ .size = RIG_SIZE, .block_size = 512 };
	ck_assert_int_eq(pipe(store->pipe), 0);
}

static void pipe_close(struct pipe_store *store)
{
	ck_assert_uint_eq(atomic_load(&store->base.under_way), 0);
	close(store->pipe[0]);
	close(store->pipe[1]);
}

static void let_go(struct pipe_store *store, unsigned count)
{
	char bytes[4096] = { 0 };
	ck_assert_int_eq(write(store->pipe[1], bytes, count), count);
}

static unsigned finished;
static char sink[512];

static void count_done(struct store_request *request)
{
	(void)request;
	finished++;
}

static struct store_request *submit_many(
	struct pipe_store *store, struct store_queue *queue, unsigned count)
{
	struct store_request *requests = calloc(count, sizeof *requests);
	for (unsigned i = 0; i < count; i++) {
		requests[i].op = STORE_READ;
		requests[i].length = 512;
		requests[i].buffer = sink;
		requests[i].done = count_done;
		ck_assert_int_eq(store_submit(&store->base, queue, &requests[i]), STORE_PENDING);
	}
	store_queue_flush(queue);
	return requests;
}

static bool is_readable(const struct store_queue *queue)
{
	struct pollfd ready = { .fd = store_queue_fd(queue), .events = POLLIN };
	return poll(&ready, 1, 0) == 1;
}

static struct store_queue *queue_of(int row)
{
	struct store_queue *queue = store_queue_new(rig_queue_kind(row), 8);
	ck_assert_ptr_nonnull(queue);
	return queue;
}

/* One disk hangs with far more requests than there are ring entries or threads: another is served. */
START_TEST(a_hanging_store_does_not_stop_another)
{
	struct pipe_store hanging, working;
	struct store_queue *queue = queue_of(_i);
	pipe_open(&hanging);
	pipe_open(&working);
	struct store_request *stuck = submit_many(&hanging, queue, 300);
	let_go(&working, 20);
	struct store_request *served = submit_many(&working, queue, 20);
	rig_wait(queue, &finished, 20);
	ck_assert_uint_eq(atomic_load(&working.base.under_way), 0);
	let_go(&hanging, 300);
	rig_wait(queue, &finished, 320);
	free(stuck);
	free(served);
	pipe_close(&hanging);
	pipe_close(&working);
	store_queue_free(queue);
}
END_TEST

/* More than the completion ring has room for: the rest waits inside, and none is lost. */
START_TEST(more_requests_than_the_ring_holds_wait_inside)
{
	enum { COUNT = 9000 };
	struct pipe_store store;
	struct store_queue *queue = queue_of(_i);
	pipe_open(&store);
	for (unsigned i = 0; i < COUNT; i += 1000)
		let_go(&store, 1000);
	struct store_request *requests = submit_many(&store, queue, COUNT);
	rig_wait(queue, &finished, COUNT);
	free(requests);
	pipe_close(&store);
	store_queue_free(queue);
}
END_TEST

START_TEST(the_descriptor_is_readable_while_something_is_finished)
{
	struct pipe_store store;
	struct store_queue *queue = queue_of(_i);
	pipe_open(&store);
	ck_assert(!is_readable(queue));
	ck_assert_uint_eq(store_queue_reap(queue, 10), 0);
	struct store_request *requests = submit_many(&store, queue, 5);
	ck_assert(!is_readable(queue));
	let_go(&store, 5);
	struct pollfd ready = { .fd = store_queue_fd(queue), .events = POLLIN };
	for (unsigned left = 5; left; left--) {
		while (finished < 6 - left) {
			ck_assert_int_ne(poll(&ready, 1, 20000), 0);
			ck_assert_uint_le(store_queue_reap(queue, 1), 1);
			store_queue_flush(queue);
		}
		ck_assert_uint_eq(finished, 6 - left);
	}
	ck_assert_uint_eq(store_queue_reap(queue, 10), 0);
	store_queue_flush(queue);
	ck_assert(!is_readable(queue));
	free(requests);
	pipe_close(&store);
	store_queue_free(queue);
}
END_TEST

START_TEST(nothing_is_handed_over_before_flush)
{
	struct pipe_store store;
	struct store_queue *queue = queue_of(_i);
	pipe_open(&store);
	let_go(&store, 1);
	struct store_request request = {
		.op = STORE_READ, .length = 512, .buffer = sink, .done = count_done
	};
	ck_assert_int_eq(store_submit(&store.base, queue, &request), STORE_PENDING);
	struct pollfd ready = { .fd = store.pipe[0], .events = POLLIN };
	ck_assert_uint_eq(store_queue_reap(queue, 10), 0);
	ck_assert_int_eq(poll(&ready, 1, 0), 1);
	rig_wait(queue, &finished, 1);
	ck_assert_int_eq(poll(&ready, 1, 0), 0);
	pipe_close(&store);
	store_queue_free(queue);
}
END_TEST

START_TEST(a_request_may_take_several_steps)
{
	struct pipe_store store;
	struct store_queue *queue = queue_of(_i);
	pipe_open(&store);
	store.rounds = 3;
	let_go(&store, 4 * 50);
	struct store_request *requests = submit_many(&store, queue, 50);
	rig_wait(queue, &finished, 50);
	free(requests);
	pipe_close(&store);
	store_queue_free(queue);
}
END_TEST

struct poster {
	struct store_request *requests;
	unsigned count;
};

static void *post_all(void *argument)
{
	struct poster *poster = argument;
	for (unsigned i = 0; i < poster->count; i++)
		store_queue_post(&poster->requests[i], 1);
	return NULL;
}

/* Posted from another thread while the queue sleeps and reaps; at most `most` at a time. */
START_TEST(held_requests_come_back_by_post)
{
	enum { COUNT = 500 };
	struct pipe_store store;
	struct store_queue *queue = queue_of(_i);
	pthread_t thread;
	pipe_open(&store);
	store.held = true;
	struct poster poster = { submit_many(&store, queue, COUNT), COUNT };
	ck_assert(!is_readable(queue));
	ck_assert_int_eq(pthread_create(&thread, NULL, post_all, &poster), 0);
	struct pollfd ready = { .fd = store_queue_fd(queue), .events = POLLIN };
	while (finished < COUNT) {
		ck_assert_int_ne(poll(&ready, 1, 20000), 0);
		ck_assert_uint_le(store_queue_reap(queue, 7), 7);
		store_queue_flush(queue);
	}
	pthread_join(thread, NULL);
	free(poster.requests);
	pipe_close(&store);
	store_queue_free(queue);
}
END_TEST

static struct pipe_store *chained_store;
static struct store_request chained[3];

static void submit_next(struct store_request *request)
{
	unsigned next = (unsigned)(request - chained) + 1;
	finished++;
	if (next == 3)
		return;
	chained[next] = chained[0];
	chained[next].done = submit_next;
	ck_assert_int_eq(
		store_submit(&chained_store->base, request->queue, &chained[next]), STORE_PENDING);
}

START_TEST(done_may_submit_again)
{
	struct pipe_store store;
	struct store_queue *queue = queue_of(_i);
	pipe_open(&store);
	chained_store = &store;
	let_go(&store, 3);
	chained[0] = (struct store_request){
		.op = STORE_READ, .length = 512, .buffer = sink, .done = submit_next
	};
	ck_assert_int_eq(store_submit(&store.base, queue, &chained[0]), STORE_PENDING);
	rig_wait(queue, &finished, 3);
	pipe_close(&store);
	store_queue_free(queue);
}
END_TEST

START_TEST(kinds_and_depths)
{
	static const struct {
		enum store_queue_kind kind;
		unsigned depth;
		const char *name; /* NULL: refused */
	} rows[] = {
		{ STORE_QUEUE_URING, 1, "io_uring" },
		{ STORE_QUEUE_THREADS, 1, "threads" },
		{ STORE_QUEUE_BEST, STORE_QUEUE_DEPTH_MAX, "io_uring" },
		{ STORE_QUEUE_BEST, 1, "io_uring" },
		{ STORE_QUEUE_BEST, 0, NULL },
		{ STORE_QUEUE_URING, STORE_QUEUE_DEPTH_MAX + 1, NULL },
		{ STORE_QUEUE_THREADS, 0, NULL },
	};
	for (unsigned i = 0; i < sizeof rows / sizeof rows[0]; i++) {
		struct store_queue *queue = store_queue_new(rows[i].kind, rows[i].depth);
		if (!rows[i].name) {
			ck_assert_ptr_null(queue);
			ck_assert_int_eq(errno, EINVAL);
			continue;
		}
		bool forbidden = rows[i].kind != STORE_QUEUE_THREADS && !rig_has_uring();
		if (forbidden && rows[i].kind == STORE_QUEUE_URING) {
			ck_assert_ptr_null(queue);
			continue;
		}
		ck_assert_ptr_nonnull(queue);
		ck_assert_str_eq(store_queue_name(queue), forbidden ? "threads" : rows[i].name);
		store_queue_free(queue);
	}
	store_queue_free(NULL);
	store_close(NULL);
}
END_TEST

static void reap_inside(struct store_request *request)
{
	store_queue_reap(request->queue, 1);
}

START_TEST(reaping_inside_done_aborts)
{
	struct pipe_store store;
	struct store_queue *queue = queue_of(_i);
	pipe_open(&store);
	let_go(&store, 1);
	struct store_request request = {
		.op = STORE_READ, .length = 512, .buffer = sink, .done = reap_inside
	};
	store_submit(&store.base, queue, &request);
	rig_wait(queue, &finished, 1);
}
END_TEST

static struct store_queue *made_elsewhere;

static void *use_elsewhere(void *argument)
{
	struct pipe_store *store = argument;
	let_go(store, 10);
	struct store_request *requests = submit_many(store, made_elsewhere, 10);
	rig_wait(made_elsewhere, &finished, 10);
	store->held = true;
	struct store_request *held = submit_many(store, made_elsewhere, 10);
	struct poster poster = { held, 10 };
	post_all(&poster);
	rig_wait(made_elsewhere, &finished, 20);
	free(requests);
	free(held);
	return NULL;
}

/* As the daemon does: its main thread makes the queues of its workers, and frees them behind them. */
START_TEST(a_queue_belongs_to_the_thread_that_uses_it)
{
	struct pipe_store store;
	pthread_t thread;
	pipe_open(&store);
	made_elsewhere = queue_of(_i);
	ck_assert_int_eq(pthread_create(&thread, NULL, use_elsewhere, &store), 0);
	pthread_join(thread, NULL);
	ck_assert_uint_eq(finished, 20);
	pipe_close(&store);
	store_queue_free(made_elsewhere);
}
END_TEST

static void allow_no_uring(void)
{
	struct sock_filter rules[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, __NR_io_uring_setup, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | EPERM),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { .len = 4, .filter = rules };
	ck_assert_int_eq(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	ck_assert_int_eq(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0);
}

/* As in most containers. */
START_TEST(without_io_uring_threads_serve)
{
	allow_no_uring();
	ck_assert_ptr_null(store_queue_new(STORE_QUEUE_URING, 8));
	ck_assert_int_eq(errno, EPERM);
	struct store_queue *queue = store_queue_new(STORE_QUEUE_BEST, 8);
	ck_assert_ptr_nonnull(queue);
	ck_assert_str_eq(store_queue_name(queue), "threads");
	store_queue_free(queue);
}
END_TEST

/* The bug of a kind: it gives the same request back twice. */
START_TEST(done_twice_aborts)
{
	struct pipe_store store;
	struct store_queue *queue = queue_of(_i);
	pipe_open(&store);
	store.held = true;
	struct store_request *requests = submit_many(&store, queue, 1);
	store_continue(requests, 1);
	ck_assert_uint_eq(finished, 1);
	store_continue(requests, 1);
}
END_TEST

static void *submit_elsewhere(void *argument)
{
	static struct store_request request = {
		.op = STORE_READ, .length = 512, .buffer = sink, .done = count_done
	};
	store_submit(&chained_store->base, argument, &request);
	return NULL;
}

START_TEST(another_threads_queue_aborts)
{
	struct pipe_store store;
	pthread_t thread;
	pipe_open(&store);
	chained_store = &store;
	struct store_queue *queue = queue_of(_i);
	store_queue_reap(queue, 1);
	ck_assert_int_eq(pthread_create(&thread, NULL, submit_elsewhere, queue), 0);
	pthread_join(thread, NULL);
}
END_TEST

int main(void)
{
	rig_prepare();
	Suite *suite = suite_create("queue");
	TCase *tcase = tcase_create("both queues");
	tcase_set_timeout(tcase, 300);
	tcase_add_loop_test(tcase, a_hanging_store_does_not_stop_another, 0, RIG_QUEUES);
	tcase_add_loop_test(tcase, more_requests_than_the_ring_holds_wait_inside, 0, RIG_QUEUES);
	tcase_add_loop_test(
		tcase, the_descriptor_is_readable_while_something_is_finished, 0, RIG_QUEUES);
	tcase_add_loop_test(tcase, nothing_is_handed_over_before_flush, 0, RIG_QUEUES);
	tcase_add_loop_test(tcase, a_request_may_take_several_steps, 0, RIG_QUEUES);
	tcase_add_loop_test(tcase, held_requests_come_back_by_post, 0, RIG_QUEUES);
	tcase_add_loop_test(tcase, done_may_submit_again, 0, RIG_QUEUES);
	tcase_add_test(tcase, kinds_and_depths);
	tcase_add_loop_test(tcase, a_queue_belongs_to_the_thread_that_uses_it, 0, RIG_QUEUES);
	tcase_add_test(tcase, without_io_uring_threads_serve);
	tcase_add_loop_test_raise_signal(tcase, reaping_inside_done_aborts, 6, 0, RIG_QUEUES);
	tcase_add_loop_test_raise_signal(tcase, done_twice_aborts, 6, 0, RIG_QUEUES);
	tcase_add_loop_test_raise_signal(tcase, another_threads_queue_aborts, 6, 0, RIG_QUEUES);
	suite_add_tcase(suite, tcase);
	return rig_main(suite);
}
