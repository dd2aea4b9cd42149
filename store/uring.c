/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The queue over io_uring: requests become submission entries at once, one system call hands a
 * turn's worth over, and completions are read from shared memory without any. The ring's own
 * descriptor is the one to poll; the mailbox's bell is polled by the ring itself. The completion
 * ring is much larger than the submission ring: a disk that hangs must not use up the room in which
 * others finish.
 */
#include "store/queue.h"
#include "base/pool.h"

#include <assert.h>
#include <errno.h>
#include <liburing.h>
#include <poll.h>
#include <stdlib.h>

#define IN_RING_MAX 8191u /* requests in the ring: with the bell, a power of two */
#define WORKERS_MAX 64u   /* kernel threads for what would block: enough though a disk hangs */
#define PIECE_SIZE  BUFFER_SIZE_MAX
#define PIECES_MAX  64u /* bits of a word */

struct queue_uring {
	struct store_queue base;
	struct io_uring ring;
	unsigned in_ring;
	bool bell_polled;
	struct request_list waiting; /* those beyond IN_RING_MAX */
	struct store_queue *helper;  /* threads for what the ring cannot do; NULL: not needed yet */
	/* Direct reads and writes from here need not pin their pages each time; a bit for each piece of it. */
	uint8_t *arena;
	unsigned pieces;
	uint64_t tried, registered;
};

static struct queue_uring *uring_of(struct store_queue *queue)
{
	return (struct queue_uring *)queue;
}

/* Hands all prepared entries over. On failure they stay, and the bell brings us back to try again. */
static void hand_over(struct queue_uring *uring)
{
	while (io_uring_sq_ready(&uring->ring)) {
		int handed = io_uring_submit(&uring->ring);
		if (handed <= 0 && handed != -EINTR) {
			store_queue_ring(&uring->base);
			break;
		}
	}
}

/* NULL when the ring is full and the kernel takes nothing just now. */
static struct io_uring_sqe *next_entry(struct queue_uring *uring)
{
	struct io_uring_sqe *sqe = io_uring_get_sqe(&uring->ring);
	if (sqe)
		return sqe;
	hand_over(uring);
	return io_uring_get_sqe(&uring->ring);
}

/* The piece of the arena that holds the whole buffer, registered; -1 when there is none. */
static int piece_of(struct queue_uring *uring, const struct store_io *io)
{
	size_t at = (uintptr_t)io->buffer - (uintptr_t)uring->arena;
	size_t piece = at / PIECE_SIZE;
	if (piece >= uring->pieces || at % PIECE_SIZE + io->length > PIECE_SIZE)
		return -1;
	uint64_t bit = UINT64_C(1) << piece;
	if (!(uring->tried & bit)) {
		struct iovec pages = { uring->arena + piece * PIECE_SIZE, PIECE_SIZE };
		uring->tried |= bit;
		if (io_uring_register_buffers_update_tag(
			    &uring->ring, (unsigned)piece, &pages, NULL, 1) == 1)
			uring->registered |= bit;
	}
	return uring->registered & bit ? (int)piece : -1;
}

static void prepare_transfer(
	struct queue_uring *uring, struct io_uring_sqe *sqe, const struct store_io *io, bool direct)
{
	bool read = io->kind == STORE_IO_READ;
	/* Bytes that are copied anyway gain nothing. */
	int piece = direct ? piece_of(uring, io) : -1;
	unsigned length = (unsigned)io->length;
	if (piece >= 0 && read)
		io_uring_prep_read_fixed(sqe, io->fd, io->buffer, length, io->offset, piece);
	else if (piece >= 0)
		io_uring_prep_write_fixed(sqe, io->fd, io->buffer, length, io->offset, piece);
	else if (read)
		io_uring_prep_read(sqe, io->fd, io->buffer, length, io->offset);
	else
		io_uring_prep_write(sqe, io->fd, io->buffer, length, io->offset);
	sqe->rw_flags = io->flags;
}

/* Returns false, with nothing done, when there is no room. */
static bool prepare(struct queue_uring *uring, struct store_request *request)
{
	struct store_io io;
	struct io_uring_sqe *sqe = uring->in_ring < IN_RING_MAX ? next_entry(uring) : NULL;
	if (!sqe)
		return false;
	request->store->operations->describe(request, &io);
	switch (io.kind) {
	case STORE_IO_READ:
	case STORE_IO_WRITE:
		prepare_transfer(uring, sqe, &io, request->store->info.direct);
		break;
	case STORE_IO_SYNC:
		io_uring_prep_fsync(sqe, io.fd, IORING_FSYNC_DATASYNC);
		break;
	case STORE_IO_ALLOCATE:
		io_uring_prep_fallocate(sqe, io.fd, io.flags, (off_t)io.offset, (off_t)io.length);
		break;
	case STORE_IO_SEEK: /* never comes here */
		break;
	}
	io_uring_sqe_set_data(sqe, request);
	uring->in_ring++;
	return true;
}

static void poll_bell(struct queue_uring *uring)
{
	struct io_uring_sqe *sqe = next_entry(uring);
	if (!sqe)
		return;
	io_uring_prep_poll_add(sqe, uring->base.event_fd, POLLIN);
	io_uring_sqe_set_data(sqe, NULL);
	uring->bell_polled = true;
}

/* A system call that the ring does not have. Its result comes through our own mailbox. */
static void start_elsewhere(struct queue_uring *uring, struct store_request *request)
{
	if (!uring->helper)
		(void)store_threads_new(&uring->helper);
	if (uring->helper)
		uring->helper->operations->start(uring->helper, request);
	else /* rare on both counts: late is better than never */
		store_queue_post(request, store_execute(request));
}

static void uring_start(struct store_queue *queue, struct store_request *request)
{
	struct queue_uring *uring = uring_of(queue);
	if (request->op == STORE_EXTENT) {
		start_elsewhere(uring, request);
		return;
	}
	if (uring->waiting.first || !prepare(uring, request))
		request_list_append(&uring->waiting, request);
}

static void uring_flush(struct store_queue *queue)
{
	struct queue_uring *uring = uring_of(queue);
	/* From here and not from the beginning: a poll belongs to the thread that asked for it. */
	if (!uring->bell_polled)
		poll_bell(uring);
	while (uring->waiting.first) {
		if (!prepare(uring, uring->waiting.first))
			break;
		request_list_take(&uring->waiting);
	}
	hand_over(uring);
	if (uring->helper)
		uring->helper->operations->flush(uring->helper);
}

static unsigned uring_reap(struct store_queue *queue, unsigned most)
{
	struct queue_uring *uring = uring_of(queue);
	unsigned done = 0;
	struct io_uring_cqe *cqe;
	while (most && io_uring_peek_cqe(&uring->ring, &cqe) == 0) {
		struct store_request *request = io_uring_cqe_get_data(cqe);
		int result = cqe->res;
		io_uring_cqe_seen(&uring->ring, cqe);
		if (!request) {
			uring->bell_polled = false;
			continue;
		}
		most--;
		uring->in_ring--;
		done += store_continue(request, result);
	}
	return done;
}

static void uring_use_buffers(struct store_queue *queue, void *arena, size_t size)
{
	struct queue_uring *uring = uring_of(queue);
	size_t pieces = size / PIECE_SIZE < PIECES_MAX ? size / PIECE_SIZE : PIECES_MAX;
	/* A table of empty places: unknown before Linux 5.19. */
	if (pieces == 0 || io_uring_register_buffers_sparse(&uring->ring, (unsigned)pieces) != 0)
		return;
	uring->arena = arena;
	uring->pieces = (unsigned)pieces;
}

static void uring_free(struct store_queue *queue)
{
	struct queue_uring *uring = uring_of(queue);
	if (uring->helper)
		uring->helper->operations->free(uring->helper);
	io_uring_queue_exit(&uring->ring);
	store_queue_dismantle(queue);
	free(uring);
}

static const struct queue_operations uring_operations = {
	.name = "io_uring",
	.free = uring_free,
	.start = uring_start,
	.flush = uring_flush,
	.reap = uring_reap,
	.use_buffers = uring_use_buffers,
};

/* Whether the kernel knows all that describe() can ask for. */
static bool ring_is_capable(struct io_uring *ring)
{
	static const int needed[] = { IORING_OP_READ, IORING_OP_WRITE, IORING_OP_FSYNC,
		IORING_OP_FALLOCATE, IORING_OP_POLL_ADD };
	struct io_uring_probe *probe = io_uring_get_probe_ring(ring);
	if (!probe)
		return false;
	bool capable = true;
	for (size_t i = 0; i < sizeof needed / sizeof needed[0]; i++)
		capable = capable && io_uring_opcode_supported(probe, needed[i]);
	io_uring_free_probe(probe);
	return capable;
}

/* Returns 0 or an errno value. */
static int open_ring(struct io_uring *ring, unsigned entries)
{
	/* Completions need not interrupt a worker that runs, it will look soon; older kernels know no such flag. */
	static const unsigned optional[] = { IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SUBMIT_ALL,
		0 };
	int error = -EINVAL;
	for (size_t i = 0; i < sizeof optional / sizeof optional[0] && error == -EINVAL; i++) {
		struct io_uring_params params = {
			.flags = IORING_SETUP_CQSIZE | optional[i],
			.cq_entries = IN_RING_MAX + 1,
		};
		error = io_uring_queue_init_params(entries, ring, &params);
	}
	if (error)
		return -error;
	if (!ring_is_capable(ring)) {
		io_uring_queue_exit(ring);
		return ENOSYS;
	}
	/* The default, four per CPU, is little when each may wait for a disk. Unknown before Linux 5.15. */
	unsigned workers[2] = { WORKERS_MAX, 0 };
	io_uring_register_iowq_max_workers(ring, workers);
	return 0;
}

int store_uring_new(unsigned depth, struct store_queue **queue)
{
	struct queue_uring *uring = calloc(1, sizeof *uring);
	if (!uring)
		return ENOMEM;
	int error = store_queue_prepare(&uring->base, &uring_operations);
	if (error)
		goto out;
	error = open_ring(&uring->ring, depth);
	if (error) {
		store_queue_dismantle(&uring->base);
		goto out;
	}
	uring->base.fd = uring->ring.ring_fd;
	*queue = &uring->base;
	return 0;
out:
	free(uring);
	return error;
}
