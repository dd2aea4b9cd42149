/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kind `memory`: a RAM disk. Anonymous memory that the kernel fills in page by page as it is
 * written, and takes back on discard. All short requests end inside submit; a long range is zeroed,
 * or looked through for zeros, in slices, one per turn of the worker.
 */
#include "store/operations.h"
#include "base/pool.h"
#include "base/sanitize.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SLICE_SIZE                                                                                 \
	BUFFER_SIZE_MAX /* bytes zeroed or looked at at once: about a millisecond at worst */

struct memory_store {
	struct store base;
	uint8_t *bytes;
	size_t page_size;
};

static struct memory_store *memory_of(const struct store *store)
{
	return (struct memory_store *)store;
}

static bool memory_matches(const char *path)
{
	return strncmp(path, "memory:", 7) == 0;
}

static bool memory_open(
	struct store *store, const struct store_config *config, char error[STORE_ERROR_SIZE])
{
	struct memory_store *memory = memory_of(store);
	if (strcmp(config->path, "memory:") != 0)
		return store_explain(error, config->path,
			"has text behind the colon, expected \"memory:\" alone");
	if (config->size == 0)
		return store_explain(error, config->path,
			"has no size, expected one: memory is as large as it says");
	memory->page_size = (size_t)sysconf(_SC_PAGESIZE);
	void *bytes = mmap(NULL, (size_t)config->size, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (bytes == MAP_FAILED)
		return store_explain(error, config->path, "cannot have %llu bytes of memory: %s",
			(unsigned long long)config->size, strerror(errno));
	/* A core dump of the daemon is no place for a disk. */
	madvise(bytes, (size_t)config->size, MADV_DONTDUMP);
	/* Random blocks miss the TLB much less often; a block that is written may take 2 MiB. */
	madvise(bytes, (size_t)config->size, MADV_HUGEPAGE);
	memory->bytes = bytes;
	store->info = (struct store_info){
		.size = config->size,
		.block_size = config->block_size,
		.read_only = config->read_only,
		.can_discard = !config->read_only,
		.discard_granularity = (uint32_t)memory->page_size,
	};
	return true;
}

static void memory_close(struct store *store)
{
	munmap(memory_of(store)->bytes, (size_t)store->info.size);
}

/* Gives whole pages back to the kernel, which makes them zeros, and zeroes what is left at the
 * ends. */
static void discard_range(struct memory_store *memory, uint64_t offset, size_t length)
{
	size_t page = memory->page_size;
	uint64_t end = offset + length;
	uint64_t first = (offset + page - 1) / page * page;
	uint64_t last = end / page * page;
	if (first >= last ||
		madvise(memory->bytes + first, (size_t)(last - first), MADV_DONTNEED)) {
		memset(memory->bytes + offset, 0, length);
		return;
	}
	memset(memory->bytes + offset, 0, (size_t)(first - offset));
	memset(memory->bytes + last, 0, (size_t)(end - last));
}

/* The next slice; done, or once more through the queue. */
static enum store_step clear_slice(struct store_request *request)
{
	struct memory_store *memory = memory_of(request->store);
	uint64_t offset = request->offset + request->progress;
	uint64_t left = request->length - request->progress;
	size_t slice = left < SLICE_SIZE ? (size_t)left : SLICE_SIZE;
	if (request->op == STORE_DISCARD)
		discard_range(memory, offset, slice);
	else
		memset(memory->bytes + offset, 0, slice);
	request->progress += slice;
	request->error = STORE_OK;
	return request->progress == request->length ? STORE_STEP_FINISHED : STORE_STEP_HELD;
}

static bool is_zero(const uint8_t *bytes, size_t length)
{
	return bytes[0] == 0 && memcmp(bytes, bytes + 1, length - 1) == 0;
}

/*
 * A page of zeros counts as one that is not there: the kernel would tell which are (if it may), but not
 * apart from those it has swapped out.
 */
static enum store_step find_extent(struct store_request *request)
{
	const struct memory_store *memory = memory_of(request->store);
	uint64_t at = request->offset, end = at + request->length;
	bool zero = false;
	if (request->length > SLICE_SIZE)
		end = at + SLICE_SIZE;
	while (at < end) {
		uint64_t next = (at / memory->page_size + 1) * memory->page_size;
		if (next > end)
			next = end;
		bool this_zero = is_zero(memory->bytes + at, (size_t)(next - at));
		if (at > request->offset && this_zero != zero)
			break;
		zero = this_zero;
		at = next;
	}
	request->extent = at - request->offset;
	request->mapped = !zero;
	return STORE_STEP_FINISHED;
}

static const void *memory_view(struct store *store, uint64_t offset, uint64_t length)
{
	(void)length;
	return memory_of(store)->bytes + offset;
}

static bool memory_read_now(struct store *store, uint64_t offset, uint64_t length, void *buffer)
{
	memory_race_begin();
	memcpy(buffer, memory_of(store)->bytes + offset, (size_t)length);
	memory_race_end();
	return true;
}

static enum store_step perform(struct store_request *request)
{
	uint8_t *at = memory_of(request->store)->bytes + request->offset;
	enum store_step step = STORE_STEP_FINISHED;
	/* Two initiators may write the same block at the same time; what it holds then is theirs to say. */
	memory_race_begin();
	switch (request->op) {
	case STORE_READ:
		memcpy(request->buffer, at, (size_t)request->length);
		break;
	case STORE_WRITE:
		memcpy(at, store_request_data(request), (size_t)request->length);
		break;
	case STORE_FLUSH:
		break;
	case STORE_EXTENT:
		step = find_extent(request);
		break;
	case STORE_DISCARD:
	case STORE_ZERO:
		step = clear_slice(request);
		break;
	}
	memory_race_end();
	if (step == STORE_STEP_HELD)
		store_queue_post(request, 0);
	return step;
}

static enum store_step memory_submit(struct store_request *request)
{
	request->error = STORE_OK;
	/* Who asks for an extent will ask for what follows too, again and again. */
	if (request->op != STORE_EXTENT && !(request->flags & STORE_PATIENT))
		return perform(request);
	store_queue_post(request, 0);
	return STORE_STEP_HELD;
}

static enum store_step memory_advance(struct store_request *request, int result)
{
	assert(result == 0);
	return perform(request);
}

const struct store_operations store_memory = {
	.kind = "memory",
	.size = sizeof(struct memory_store),
	.matches = memory_matches,
	.open = memory_open,
	.close = memory_close,
	.view = memory_view,
	.read_now = memory_read_now,
	.submit = memory_submit,
	.advance = memory_advance,
};
