/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kind `file` at work. What the page cache can do at once is done inside submit, all that may
 * wait for a device goes to the queue. Discard and zero fall back from hole punching over
 * zeroing to plain writes, as far as the file system or device makes it necessary.
 */
#include "store/file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/falloc.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE               4096u
#define INLINE_WRITE_MAX   (1u << 20)  /* bytes: copying more holds a worker up */
#define INLINE_WRITE_SLOW  4000000u    /* ns: a write that took longer may have met a device */
#define INLINE_WRITE_WATCH 1000000000u /* ns after one: whether the next ones wait is looked at */
#define SYNC_HANGS         1000000000u /* ns that one takes: no inline writes until it has ended */
#define INLINE_WRITE_PAUSE 16u /* times the slow write's time: at most 1/17 of a worker is lost */

enum file_step {
	STEP_READ,
	STEP_WRITE,
	STEP_WRITE_STABLE, /* the range is synced with it */
	STEP_SYNC,
	STEP_SYNC_HELD, /* another's sync is under way */
	STEP_PUNCH,
	STEP_ZERO,
	STEP_WRITE_ZEROS,
	STEP_SEEK_DATA,
	STEP_SEEK_HOLE,
	STEP_COUNT,
};

static enum store_step go_to(struct store_request *request, enum file_step step)
{
	request->step = step;
	return STORE_STEP_IO;
}

static enum store_step finish(struct store_request *request, enum store_error error)
{
	request->error = error;
	return STORE_STEP_FINISHED;
}

/* Ends the request with what an errno value means for it. */
static enum store_step fail(struct store_request *request, int number)
{
	static const struct {
		int number;
		enum store_error error;
	} writing[] = {
		{ ENOSPC, STORE_NO_SPACE },
		{ EDQUOT, STORE_NO_SPACE },
		{ EFBIG, STORE_NO_SPACE },
		{ EROFS, STORE_WRITE_REFUSED },
	};
	if (request->op == STORE_READ || request->op == STORE_EXTENT)
		return finish(request, STORE_READ_FAILED);
	for (size_t i = 0; i < sizeof writing / sizeof writing[0]; i++)
		if (writing[i].number == number)
			return finish(request, writing[i].error);
	return finish(request, STORE_WRITE_FAILED);
}

/* What all requests have written by now is to be stable before this one goes on. */
static enum store_step sync_file(struct store_request *request)
{
	request->step = STEP_SYNC_HELD;
	if (file_sync_lead(file_of(request->store), request))
		return go_to(request, STEP_SYNC);
	return STORE_STEP_HELD;
}

/* What is behind the change of a range: FUA wants it stable. */
static enum store_step changed(struct store_request *request)
{
	return request->flags & STORE_FUA ? sync_file(request) : finish(request, STORE_OK);
}

/* Reads what is there without waiting; how much that was. */
static uint64_t read_inline(
	const struct file_store *file, uint64_t offset, uint64_t length, void *buffer)
{
	struct iovec piece = { .iov_base = buffer, .iov_len = (size_t)length };
	if (file->base.info.direct || !(file->in_memory || file->nowait))
		return 0;
	ssize_t got = preadv2(file->fd, &piece, 1, (off_t)offset, file->in_memory ? 0 : RWF_NOWAIT);
	return got > 0 ? (uint64_t)got : 0;
}

static bool file_read_now(struct store *store, uint64_t offset, uint64_t length, void *buffer)
{
	return read_inline(file_of(store), offset, length, buffer) == length;
}

static enum store_step submit_read(struct file_store *file, struct store_request *request)
{
	if (request->flags & STORE_FUA)
		return sync_file(request);
	if (!(request->flags & STORE_PATIENT))
		request->progress = read_inline(
			file, request->offset, request->length, request->buffer);
	if (request->progress == request->length)
		return finish(request, STORE_OK);
	return go_to(request, STEP_READ);
}

/* Whether a write is likely to end in the page cache without waiting for a device. */
static bool may_write_inline(const struct file_store *file, const struct store_request *request)
{
	if (file->base.info.direct || request->length > INLINE_WRITE_MAX ||
		request->flags & STORE_PATIENT)
		return false;
	/* A part of a page may have to be read first. */
	return file->in_memory || (request->offset | request->length) % PAGE == 0;
}

/* How often this thread has given the processor away by itself: it waited. */
static long waits(void)
{
	struct rusage usage = { .ru_nvcsw = 0 };
	getrusage(RUSAGE_THREAD, &usage);
	return usage.ru_nvcsw;
}

void file_write_was_slow(struct file_store *file, uint64_t took, uint64_t end, bool waited)
{
	uint64_t until = end;
	if (waited) {
		until = end + INLINE_WRITE_PAUSE * took;
		atomic_store_explicit(&file->queued_until, until, memory_order_relaxed);
	}
	atomic_store_explicit(
		&file->watched_until, until + INLINE_WRITE_WATCH, memory_order_relaxed);
}

/*
 * What is new in the page cache gets folios as large as the call that brings it. In a large one each later small write
 * walks all of its blocks, at several times its own cost; of the smallest a large write needs many. What is there
 * already keeps its folios, so it is written in one call.
 */
static void write_pieces(const struct file_store *file, struct store_request *request)
{
	const uint8_t *data = store_request_data(request);
	const bool is_new = file->in_pieces && request->length > FILE_FOLIO_SIZE &&
			    !file_is_cached(file, request->offset, request->length);
	while (request->progress < request->length) {
		const uint64_t left = request->length - request->progress;
		ssize_t put = pwrite(file->fd, data + request->progress,
			is_new && left > FILE_FOLIO_SIZE ? FILE_FOLIO_SIZE : (size_t)left,
			(off_t)(request->offset + request->progress));
		if (put <= 0)
			return;
		request->progress += (uint64_t)put;
	}
	if (is_new)
		file_was_cached(file, request->offset, request->length);
}

/* A write would wait behind a sync that hangs sooner or later, and its whole worker with it. */
static bool disk_hangs(const struct file_store *file, uint64_t now)
{
	uint64_t began = atomic_load_explicit(&file->sync.began, memory_order_relaxed);
	return began && now > began + SYNC_HANGS;
}

static void write_inline(struct file_store *file, struct store_request *request)
{
	uint64_t start = file->in_memory ? 0 : store_clock_ns();
	if (start < atomic_load_explicit(&file->queued_until, memory_order_relaxed) ||
		disk_hangs(file, start))
		return;
	bool watched = start < atomic_load_explicit(&file->watched_until, memory_order_relaxed);
	long before = watched ? waits() : 0;
	write_pieces(file, request);
	if (file->in_memory)
		return;
	uint64_t end = store_clock_ns();
	if (end - start > INLINE_WRITE_SLOW)
		file_write_was_slow(file, end - start, end, watched && waits() != before);
}

/*
 * With FUA, a write that is alone syncs its own range only, whatever else is in the cache; a device may even do that
 * for each direct one. In company one sync of the whole file is cheaper than one for each.
 */
static bool may_sync_alone(struct file_store *file)
{
	return file->base.info.direct || file_sync_lead(file, NULL);
}

static enum store_step submit_write(struct file_store *file, struct store_request *request)
{
	if (request->flags & STORE_FUA && may_sync_alone(file))
		return go_to(request, STEP_WRITE_STABLE);
	if (may_write_inline(file, request))
		write_inline(file, request);
	if (request->progress == request->length)
		return changed(request);
	/* Also what failed inline: the queue meets the error again and names it. */
	return go_to(request, STEP_WRITE);
}

static enum store_step allocate(struct store_request *request, enum file_step step)
{
	request->step = step;
	return file_allocate_begin(file_of(request->store), request) ? STORE_STEP_IO
								     : STORE_STEP_HELD;
}

static enum store_step file_submit(struct store_request *request)
{
	struct file_store *file = file_of(request->store);
	switch (request->op) {
	case STORE_READ:
		return submit_read(file, request);
	case STORE_WRITE:
		return submit_write(file, request);
	case STORE_FLUSH:
		return sync_file(request);
	case STORE_DISCARD:
		return allocate(request, file->base.info.can_discard ? STEP_PUNCH : STEP_ZERO);
	case STORE_EXTENT:
		return go_to(request, STEP_SEEK_DATA);
	case STORE_ZERO:
		break;
	}
	return allocate(request, STEP_ZERO);
}

static void describe_transfer(const struct store_request *request, struct store_io *io)
{
	io->kind = request->op == STORE_READ ? STORE_IO_READ : STORE_IO_WRITE;
	io->flags = request->step == STEP_WRITE_STABLE ? RWF_DSYNC : 0;
	io->buffer = (uint8_t *)request->buffer + request->progress;
}

static void describe_zeros(const struct file_store *file, struct store_io *io)
{
	io->kind = STORE_IO_WRITE;
	io->buffer = file->zeros;
	if (io->length > FILE_ZEROS_SIZE)
		io->length = FILE_ZEROS_SIZE;
}

static void file_describe(const struct store_request *request, struct store_io *io)
{
	const struct file_store *file = file_of(request->store);
	*io = (struct store_io){
		.kind = STORE_IO_SYNC,
		.fd = file->fd,
		.offset = request->offset + request->progress,
		.length = request->length - request->progress,
	};
	switch ((enum file_step)request->step) {
	case STEP_READ:
	case STEP_WRITE:
	case STEP_WRITE_STABLE:
		describe_transfer(request, io);
		break;
	case STEP_PUNCH:
		io->kind = STORE_IO_ALLOCATE;
		io->flags = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
		break;
	case STEP_ZERO:
		io->kind = STORE_IO_ALLOCATE;
		io->flags = FALLOC_FL_ZERO_RANGE;
		break;
	case STEP_WRITE_ZEROS:
		describe_zeros(file, io);
		break;
	case STEP_SEEK_DATA:
	case STEP_SEEK_HOLE:
		io->kind = STORE_IO_SEEK;
		io->flags = request->step == STEP_SEEK_DATA ? SEEK_DATA : SEEK_HOLE;
		break;
	case STEP_SYNC:
	case STEP_SYNC_HELD:
	case STEP_COUNT:
		break;
	}
}

static enum store_step after_transfer(struct store_request *request, int result)
{
	/* 0: the end of a file that somebody made shorter. */
	if (result <= 0)
		return fail(request, result ? -result : EIO);
	request->progress += (unsigned)result;
	return request->progress == request->length ? finish(request, STORE_OK) : STORE_STEP_IO;
}

static enum store_step after_write(struct store_request *request, int result)
{
	enum store_step step = after_transfer(request, result);
	return step == STORE_STEP_FINISHED && request->error == STORE_OK ? changed(request) : step;
}

static enum store_step after_write_stable(struct store_request *request, int result)
{
	struct file_store *file = file_of(request->store);
	enum store_step step = after_transfer(request, result);
	/* It syncs, and so may have taken the one report of data lost before. */
	if (result == -EIO)
		atomic_store(&file->lost, true);
	if (step == STORE_STEP_FINISHED && !file->base.info.direct)
		file_sync_ended(file, result);
	return step;
}

/* A sync that covers the request has ended, whoever made it. */
static enum store_step synced(struct store_request *request, int result)
{
	struct file_store *file = file_of(request->store);
	if (result < 0) {
		/* Linux tells it once per open file; the other initiators' flushes must hear it
		 * too. */
		atomic_store(&file->lost, true);
		return fail(request, -result);
	}
	if (request->op == STORE_READ)
		return go_to(request, STEP_READ);
	if (request->op == STORE_FLUSH && atomic_exchange(&file->lost, false))
		return finish(request, STORE_WRITE_FAILED);
	return finish(request, STORE_OK);
}

static enum store_step after_sync(struct store_request *request, int result)
{
	file_sync_ended(file_of(request->store), result);
	return synced(request, result);
}

static enum store_step after_sync_held(struct store_request *request, int result)
{
	return result == FILE_SYNC_LEAD ? go_to(request, STEP_SYNC) : synced(request, result);
}

static bool is_unsupported(int result)
{
	/* EINVAL: a device whose own blocks are larger than the store's. */
	return result == -EOPNOTSUPP || result == -ENOSYS || result == -EINVAL || result == -ENODEV;
}

static enum store_step after_punch(struct store_request *request, int result)
{
	if (result == FILE_TURN)
		return STORE_STEP_IO;
	/* Still its turn. */
	if (is_unsupported(result))
		return go_to(request, STEP_ZERO);
	file_allocate_ended(file_of(request->store));
	return result < 0 ? fail(request, -result) : changed(request);
}

static enum store_step after_zero(struct store_request *request, int result)
{
	if (result == FILE_TURN)
		return STORE_STEP_IO;
	file_allocate_ended(file_of(request->store));
	if (is_unsupported(result))
		return go_to(request, STEP_WRITE_ZEROS);
	return result < 0 ? fail(request, -result) : changed(request);
}

static enum store_step after_write_zeros(struct store_request *request, int result)
{
	if (result <= 0)
		return fail(request, result ? -result : EIO);
	request->progress += (unsigned)result;
	return request->progress == request->length ? changed(request) : STORE_STEP_IO;
}

/* The range begins with that many bytes that are alike. */
static enum store_step tell(struct store_request *request, bool mapped, uint64_t length)
{
	request->mapped = mapped;
	request->extent = length < request->length ? length : request->length;
	return finish(request, STORE_OK);
}

static enum store_step after_seek_data(struct store_request *request, int result)
{
	uint64_t block = request->store->info.block_size;
	if (result == -ENXIO)
		return tell(request, false, request->length);
	/* A block device cannot say. */
	if (is_unsupported(result))
		return tell(request, true, request->length);
	if (result < 0)
		return fail(request, -result);
	if ((uint64_t)result >= block)
		return tell(request, false, (uint64_t)result / block * block);
	/* A block that holds any data is mapped. */
	request->progress = (uint64_t)result;
	return go_to(request, STEP_SEEK_HOLE);
}

static enum store_step after_seek_hole(struct store_request *request, int result)
{
	uint64_t block = request->store->info.block_size;
	if (result == -ENXIO)
		return tell(
			request, true, block); /* the end of a file that somebody made shorter */
	if (result < 0)
		return fail(request, -result);
	uint64_t blocks = (request->progress + (unsigned)result + block - 1) / block;
	return tell(request, true, blocks ? blocks * block : block);
}

static enum store_step file_advance(struct store_request *request, int result)
{
	static enum store_step (*const after[STEP_COUNT])(struct store_request *, int) = {
		[STEP_READ] = after_transfer,
		[STEP_WRITE] = after_write,
		[STEP_WRITE_STABLE] = after_write_stable,
		[STEP_SYNC] = after_sync,
		[STEP_SYNC_HELD] = after_sync_held,
		[STEP_PUNCH] = after_punch,
		[STEP_ZERO] = after_zero,
		[STEP_WRITE_ZEROS] = after_write_zeros,
		[STEP_SEEK_DATA] = after_seek_data,
		[STEP_SEEK_HOLE] = after_seek_hole,
	};
	assert(request->step < STEP_COUNT);
	if (result == -EINTR || result == -EAGAIN)
		return STORE_STEP_IO;
	return after[request->step](request, result);
}

static bool file_matches(const char *path)
{
	(void)path;
	return true;
}

const struct store_operations store_file = {
	.kind = "file",
	.size = sizeof(struct file_store),
	.matches = file_matches,
	.open = file_open,
	.close = file_close,
	.may_grow = file_may_grow,
	.grow = file_grow,
	.may_reopen = file_may_reopen,
	.view = file_view,
	.read_now = file_read_now,
	.submit = file_submit,
	.describe = file_describe,
	.advance = file_advance,
};
