/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kind `fault`. A helper thread looks at the orders while requests are held, and puts them back
 * on their queue when they may go; there they run through a file store of their own.
 */
#include "tests/store/fault_store.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define LOOK_EVERY_MS 10 /* at the orders, while something is held */

enum { POSTED_RUN, POSTED_FINISHED }; /* what a held request comes back for */

#define OP(op)  (1u << (op))
#define CHANGES (OP(STORE_WRITE) | OP(STORE_DISCARD) | OP(STORE_ZERO))
#define ALL     (CHANGES | OP(STORE_READ) | OP(STORE_FLUSH) | OP(STORE_EXTENT))

/* What is in force. */
struct orders {
	unsigned stalled;                         /* OP() bits */
	uint64_t delay_ms;                        /* 0 = none */
	enum store_error error[STORE_EXTENT + 1]; /* by op */
};

struct held {
	struct held *next;
	struct store_request *request;
	uint64_t due_ms; /* monotonic */
};

struct fault_store {
	struct store base;
	struct store *inner;
	char *control;
	int held_fd; /* CONTROL.held */
	pthread_t helper;

	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct orders orders; /* all under the lock */
	struct held *first, **last;
	unsigned held_count;
	bool stopping;
};

/* The request that runs through the inner store in place of the outer one. */
struct inner_request {
	struct store_request request; /* first: done() is given its address */
	struct store_request *outer;
};

static struct fault_store *fault_of(const struct store *store)
{
	return (struct fault_store *)store;
}

static uint64_t now_ms(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static const struct word {
	const char *word;
	unsigned stalled;
	unsigned failing; /* OP() bits */
	enum store_error error;
} words[] = {
	{ "ok", 0, 0, STORE_OK },
	{ "stall", ALL, 0, STORE_OK },
	{ "stall-read", OP(STORE_READ), 0, STORE_OK },
	{ "stall-write", CHANGES, 0, STORE_OK },
	{ "stall-flush", OP(STORE_FLUSH), 0, STORE_OK },
	{ "eio-read", 0, OP(STORE_READ), STORE_READ_FAILED },
	{ "eio-write", 0, CHANGES, STORE_WRITE_FAILED },
	{ "eio-flush", 0, OP(STORE_FLUSH), STORE_WRITE_FAILED },
	{ "enospc", 0, CHANGES, STORE_NO_SPACE },
};

static void take_word(struct orders *orders, const char *text)
{
	for (size_t i = 0; i < sizeof words / sizeof words[0]; i++) {
		if (strcmp(words[i].word, text) != 0)
			continue;
		orders->stalled |= words[i].stalled;
		for (unsigned op = 0; op <= STORE_EXTENT; op++)
			if (words[i].failing & OP(op))
				orders->error[op] = words[i].error;
		return;
	}
	fprintf(stderr, "fault store: no such order: %s\n", text);
	abort();
}

/* Reads CONTROL anew; without a word in it the orders stay. Under the lock. */
static void read_orders(struct fault_store *fault)
{
	char text[512];
	struct orders orders = { .stalled = 0 };
	unsigned count = 0;
	int fd = open(fault->control, O_RDONLY | O_CLOEXEC);
	ssize_t length = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
	if (fd >= 0)
		close(fd);
	text[length > 0 ? length : 0] = '\0';
	char *rest = NULL;
	for (char *word = strtok_r(text, " \t\n", &rest); word;
		word = strtok_r(NULL, " \t\n", &rest)) {
		count++;
		if (strcmp(word, "delay") != 0) {
			take_word(&orders, word);
			continue;
		}
		word = strtok_r(NULL, " \t\n", &rest);
		orders.delay_ms = word ? strtoull(word, NULL, 10) : 0;
	}
	if (count)
		fault->orders = orders;
}

/* Under the lock. */
static void tell_held(const struct fault_store *fault)
{
	char text[16];
	int length = snprintf(text, sizeof text, "%8u\n", fault->held_count);
	ssize_t wrote = pwrite(fault->held_fd, text, (size_t)length, 0);
	assert(wrote == length);
	(void)wrote;
}

/* Lets all go that may. Under the lock. */
static void release(struct fault_store *fault)
{
	struct held **link = &fault->first;
	read_orders(fault);
	while (*link) {
		struct held *held = *link;
		if (fault->orders.stalled & OP(held->request->op) || now_ms() < held->due_ms) {
			link = &held->next;
			continue;
		}
		*link = held->next;
		fault->held_count--;
		tell_held(fault);
		store_queue_post(held->request, POSTED_RUN);
		free(held);
	}
	fault->last = link;
}

static void *helper_run(void *argument)
{
	struct fault_store *fault = argument;
	pthread_mutex_lock(&fault->lock);
	while (!fault->stopping) {
		release(fault);
		if (!fault->first) {
			pthread_cond_wait(&fault->changed, &fault->lock);
			continue;
		}
		pthread_mutex_unlock(&fault->lock);
		nanosleep(&(struct timespec){ .tv_nsec = LOOK_EVERY_MS * 1000000 }, NULL);
		pthread_mutex_lock(&fault->lock);
	}
	pthread_mutex_unlock(&fault->lock);
	return NULL;
}

static bool fault_matches(const char *path)
{
	return strncmp(path, "/fault:", 7) == 0;
}

static bool open_parts(struct fault_store *fault, const struct store_config *config, char *error)
{
	const char *control = config->path + 7;
	const char *colon = strchr(control, ':');
	char held[256];
	if (!colon)
		return store_explain(error, config->path, "expected \"/fault:CONTROL:IMAGE\"");
	fault->control = strndup(control, (size_t)(colon - control));
	if (!fault->control)
		return store_explain(error, config->path, "no memory is left to open it");
	snprintf(held, sizeof held, "%s.held", fault->control);
	fault->held_fd = open(held, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fault->held_fd < 0)
		return store_explain(error, held, "cannot be opened: %s", strerror(errno));
	struct store_config inner = *config;
	inner.path = colon + 1;
	fault->inner = store_open(&inner, error);
	return fault->inner;
}

static void close_parts(struct fault_store *fault)
{
	store_close(fault->inner);
	if (fault->held_fd >= 0)
		close(fault->held_fd);
	free(fault->control);
}

static bool fault_open(
	struct store *store, const struct store_config *config, char error[STORE_ERROR_SIZE])
{
	struct fault_store *fault = fault_of(store);
	fault->held_fd = -1;
	fault->last = &fault->first;
	if (!open_parts(fault, config, error)) {
		close_parts(fault);
		return false;
	}
	store->info = *store_info(fault->inner);
	store->identity = store_identity(fault->inner);
	tell_held(fault);
	pthread_mutex_init(&fault->lock, NULL);
	pthread_cond_init(&fault->changed, NULL);
	if (pthread_create(&fault->helper, NULL, helper_run, fault)) {
		close_parts(fault);
		return store_explain(error, config->path, "no thread can be started");
	}
	return true;
}

static void fault_close(struct store *store)
{
	struct fault_store *fault = fault_of(store);
	pthread_mutex_lock(&fault->lock);
	assert(!fault->first);
	fault->stopping = true;
	pthread_cond_signal(&fault->changed);
	pthread_mutex_unlock(&fault->lock);
	pthread_join(fault->helper, NULL);
	pthread_cond_destroy(&fault->changed);
	pthread_mutex_destroy(&fault->lock);
	close_parts(fault);
}

static void inner_done(struct store_request *request)
{
	struct inner_request *inner = (struct inner_request *)request;
	inner->outer->error = request->error;
	inner->outer->extent = request->extent;
	inner->outer->mapped = request->mapped;
	store_queue_post(inner->outer, POSTED_FINISHED);
	free(inner);
}

static enum store_step run(struct store_request *request, const struct orders *orders)
{
	struct fault_store *fault = fault_of(request->store);
	if (orders->error[request->op] != STORE_OK) {
		request->error = orders->error[request->op];
		return STORE_STEP_FINISHED;
	}
	struct inner_request *inner = calloc(1, sizeof *inner);
	assert(inner);
	inner->request.op = request->op;
	inner->request.flags = request->flags;
	inner->request.offset = request->offset;
	inner->request.length = request->length;
	inner->request.buffer = request->buffer;
	inner->request.lent = request->lent;
	inner->request.done = inner_done;
	inner->outer = request;
	if (store_submit(fault->inner, request->queue, &inner->request) == STORE_PENDING)
		return STORE_STEP_HELD;
	request->error = inner->request.error;
	request->extent = inner->request.extent;
	request->mapped = inner->request.mapped;
	free(inner);
	return STORE_STEP_FINISHED;
}

/* Under the lock. */
static void hold(struct fault_store *fault, struct store_request *request)
{
	struct held *held = calloc(1, sizeof *held);
	assert(held);
	held->request = request;
	held->due_ms = now_ms() + fault->orders.delay_ms;
	*fault->last = held;
	fault->last = &held->next;
	fault->held_count++;
	tell_held(fault);
	pthread_cond_signal(&fault->changed);
}

static enum store_step fault_submit(struct store_request *request)
{
	struct fault_store *fault = fault_of(request->store);
	pthread_mutex_lock(&fault->lock);
	read_orders(fault);
	struct orders orders = fault->orders;
	bool held = orders.delay_ms || orders.stalled & OP(request->op);
	if (held)
		hold(fault, request);
	pthread_mutex_unlock(&fault->lock);
	return held ? STORE_STEP_HELD : run(request, &orders);
}

static enum store_step fault_advance(struct store_request *request, int result)
{
	struct fault_store *fault = fault_of(request->store);
	if (result == POSTED_FINISHED)
		return STORE_STEP_FINISHED;
	pthread_mutex_lock(&fault->lock);
	struct orders orders = fault->orders;
	pthread_mutex_unlock(&fault->lock);
	return run(request, &orders);
}

const struct store_operations store_fault = {
	.kind = "fault",
	.size = sizeof(struct fault_store),
	.matches = fault_matches,
	.open = fault_open,
	.close = fault_close,
	.submit = fault_submit,
	.advance = fault_advance,
};
