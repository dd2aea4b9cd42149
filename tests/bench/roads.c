/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The roads from the page cache to a socket, measured apart from any protocol: CPU time of the
 * sending thread for each piece that it reads at a random place of a cached file and sends behind
 * a 48-byte header, 32 pieces to a turn.
 *
 *   roads FILE [PIECE-BYTES [SECONDS]]
 */
#include "tests/bench/bench_wire.h"

#include <errno.h>
#include <fcntl.h>
#include <liburing.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define TURN 32

struct road {
	int file, socket;
	size_t piece, span;
	uint8_t *mapped;  /* the whole file */
	uint8_t *buffers; /* TURN pieces */
	uint64_t random;
	struct io_uring ring;
	off_t at[TURN]; /* of this turn's pieces */
};

static void send_all(struct road *road, struct iovec *vectors, int count)
{
	struct msghdr message = { .msg_iov = vectors, .msg_iovlen = (size_t)count };

	while (message.msg_iovlen) {
		ssize_t sent = sendmsg(road->socket, &message, MSG_NOSIGNAL);
		if (sent < 0)
			bench_die("sendmsg: %s", strerror(errno));
		while (message.msg_iovlen && (size_t)sent >= message.msg_iov->iov_len) {
			sent -= (ssize_t)message.msg_iov->iov_len;
			message.msg_iov++;
			message.msg_iovlen--;
		}
		if (message.msg_iovlen) {
			message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + sent;
			message.msg_iov->iov_len -= (size_t)sent;
		}
	}
}

/* Each piece behind a header, from wherever `from` says it lies. */
static void send_pieces(struct road *road, uint8_t *const *from)
{
	static uint8_t header[BHS_SIZE];
	struct iovec vectors[2 * TURN];

	for (int i = 0; i < TURN; i++) {
		vectors[2 * i] = (struct iovec){ header, sizeof(header) };
		vectors[2 * i + 1] = (struct iovec){ from[i], road->piece };
	}
	send_all(road, vectors, 2 * TURN);
}

static void from_buffers(struct road *road)
{
	uint8_t *from[TURN];

	for (int i = 0; i < TURN; i++)
		from[i] = road->buffers + (size_t)i * road->piece;
	send_pieces(road, from);
}

static void preadv2_nowait(struct road *road)
{
	for (int i = 0; i < TURN; i++) {
		struct iovec piece = { road->buffers + (size_t)i * road->piece, road->piece };
		if (preadv2(road->file, &piece, 1, road->at[i], RWF_NOWAIT) < 0 &&
			preadv2(road->file, &piece, 1, road->at[i], 0) < 0)
			bench_die("preadv2: %s", strerror(errno));
	}
	from_buffers(road);
}

static void uring_reads(struct road *road)
{
	struct io_uring_cqe *cqe;

	for (unsigned i = 0; i < TURN; i++) {
		struct io_uring_sqe *sqe = io_uring_get_sqe(&road->ring);
		io_uring_prep_read(sqe, 0, road->buffers + i * road->piece, (unsigned)road->piece,
			(uint64_t)road->at[i]);
		sqe->flags |= IOSQE_FIXED_FILE;
	}
	io_uring_submit_and_wait(&road->ring, TURN);
	for (unsigned i = 0; i < TURN && io_uring_peek_cqe(&road->ring, &cqe) == 0; i++)
		io_uring_cqe_seen(&road->ring, cqe);
	from_buffers(road);
}

static void map_copied(struct road *road)
{
	for (int i = 0; i < TURN; i++)
		memcpy(road->buffers + (size_t)i * road->piece, road->mapped + road->at[i],
			road->piece);
	from_buffers(road);
}

static void map_direct(struct road *road)
{
	uint8_t *from[TURN];

	for (int i = 0; i < TURN; i++)
		from[i] = road->mapped + road->at[i];
	send_pieces(road, from);
}

static void map_asked(struct road *road)
{
	unsigned char resident[1024];
	unsigned all = 1;

	for (int i = 0; i < TURN; i++) {
		mincore(road->mapped + road->at[i], road->piece, resident);
		all &= resident[0];
	}
	if (all & 1)
		map_direct(road);
}

/* Without a copy where the network device can; the kernel says when it has let go of the pages, and a turn waits for that. */
static void zero_copy(struct road *road)
{
	static uint8_t header[BHS_SIZE];
	struct iovec vectors[2 * TURN];
	struct msghdr message = { .msg_iov = vectors, .msg_iovlen = 2 * TURN };
	struct io_uring_sqe *sqe = io_uring_get_sqe(&road->ring);
	struct io_uring_cqe *cqe;

	for (int i = 0; i < TURN; i++) {
		vectors[2 * i] = (struct iovec){ header, sizeof(header) };
		vectors[2 * i + 1] = (struct iovec){ road->mapped + road->at[i], road->piece };
	}
	io_uring_prep_sendmsg_zc(sqe, road->socket, &message, MSG_NOSIGNAL | MSG_WAITALL);
	io_uring_submit(&road->ring);
	for (bool more = true; more;) {
		if (io_uring_wait_cqe(&road->ring, &cqe) || cqe->res < 0)
			bench_die("sendmsg_zc: %s", strerror(-cqe->res));
		more = cqe->flags & IORING_CQE_F_MORE;
		io_uring_cqe_seen(&road->ring, cqe);
	}
}

static void by_sendfile(struct road *road)
{
	static const uint8_t header[BHS_SIZE];

	for (int i = 0; i < TURN; i++) {
		off_t at = road->at[i];
		size_t left = road->piece;
		send(road->socket, header, sizeof(header), MSG_MORE);
		while (left) {
			ssize_t sent = sendfile(road->socket, road->file, &at, left);
			if (sent <= 0)
				bench_die("sendfile: %s", strerror(errno));
			left -= (size_t)sent;
		}
	}
}

static void nothing_read(struct road *road)
{
	from_buffers(road);
}

static void *drain(void *context)
{
	int fd = *(int *)context;
	uint8_t *bytes = malloc(BENCH_BUFFER);

	while (bytes && recv(fd, bytes, BENCH_BUFFER, 0) > 0)
		;
	free(bytes);
	return NULL;
}

static void connect_pair(int pair[2])
{
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int listener = socket(AF_INET, SOCK_STREAM, 0);

	if (bind(listener, (struct sockaddr *)&address, length) || listen(listener, 1))
		bench_die("cannot listen");
	getsockname(listener, (struct sockaddr *)&address, &length);
	pair[0] = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(pair[0], (struct sockaddr *)&address, length))
		bench_die("cannot connect");
	pair[1] = accept(listener, NULL, NULL);
	close(listener);
}

static uint64_t thread_cpu(void)
{
	struct timespec used;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &used);
	return (uint64_t)used.tv_sec * 1000000000u + (uint64_t)used.tv_nsec;
}

/* Nanoseconds of CPU for one piece. */
static double measure(struct road *road, void (*walk)(struct road *road), double seconds)
{
	uint64_t end = bench_now() + (uint64_t)(seconds * 1e9), pieces = 0, began = thread_cpu();

	while (bench_now() < end) {
		for (int i = 0; i < TURN; i++) {
			road->random = road->random * 6364136223846793005u + 1442695040888963407u;
			road->at[i] = (off_t)((road->random >> 20) % (road->span / road->piece) *
					      road->piece);
		}
		walk(road);
		pieces += TURN;
	}
	return (double)(thread_cpu() - began) / (double)pieces;
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*walk)(struct road *road);
	} roads[] = {
		{ "nothing read", nothing_read },
		{ "preadv2(RWF_NOWAIT)", preadv2_nowait },
		{ "io_uring, one submit a turn", uring_reads },
		{ "mmap, copied", map_copied },
		{ "mmap, sent from there", map_direct },
		{ "mmap after mincore", map_asked },
		{ "mmap, sendmsg_zc", zero_copy },
		{ "sendfile", by_sendfile },
	};
	struct road road = { .random = 1, .piece = argc > 2 ? strtoul(argv[2], NULL, 10) : 4096 };
	double seconds = argc > 3 ? strtod(argv[3], NULL) : 0.5;
	struct stat status;
	pthread_t thread;
	int pair[2];

	road.file = argc > 1 ? open(argv[1], O_RDONLY) : -1;
	if (road.file < 0 || fstat(road.file, &status) || road.piece > BENCH_BUFFER ||
		(size_t)status.st_size < road.piece)
		bench_die("usage: roads FILE [PIECE-BYTES [SECONDS]]");
	road.span = (size_t)status.st_size;
	road.mapped = mmap(NULL, road.span, PROT_READ, MAP_SHARED, road.file, 0);
	road.buffers = aligned_alloc(4096, TURN * road.piece);
	if (road.mapped == MAP_FAILED || !road.buffers ||
		io_uring_queue_init(TURN, &road.ring, 0) ||
		io_uring_register_files(&road.ring, &road.file, 1))
		bench_die("cannot set up");
	memset(road.buffers, 1, TURN * road.piece);
	connect_pair(pair);
	road.socket = pair[0];
	pthread_create(&thread, NULL, drain, &pair[1]);
	for (size_t i = 0; i < sizeof(roads) / sizeof(roads[0]); i++) {
		measure(&road, roads[i].walk, seconds / 4);
		printf("%-30s %8.0f ns\n", roads[i].name, measure(&road, roads[i].walk, seconds));
	}
	close(pair[0]);
	pthread_join(thread, NULL);
	return 0;
}
