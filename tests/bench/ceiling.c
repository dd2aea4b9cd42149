/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The ceiling: a target that speaks just enough iSCSI to be measured and does nothing else. Every
 * read is answered from one buffer, what is written goes nowhere, and who wants to be asked for a secret is asked, with a
 * challenge of zeros, and believed. What it costs is what sockets and framing cost; no target can be below it.
 *
 *   ceiling [-C CPU] [-p PORT]      prints "listening on 127.0.0.1:PORT"
 */
#include "tests/bench/bench_wire.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define TASKS  1024u /* tags below this number are known by it; the load generator's are */
#define EVENTS 256

struct peer {
	int fd;
	bool full;                /* logged in */
	unsigned asked_for_proof; /* login requests of the security stage */
	bool left_us;             /* logged out */
	bool writing;
	uint32_t stat_sn, exp_cmd_sn;
	struct bench_input input;
	struct bench_queue queue;
	uint32_t *left;  /* of each write by tag: bytes still to come; allocated at the first */
	uint32_t *asked; /* likewise: the offset at which the next R2T begins */
};

/* What is served to everybody. */
struct ceiling {
	int epoll;
	uint8_t *data;
	uint8_t *received;
};

/* The handler's context. */
struct turn {
	struct ceiling *ceiling;
	struct peer *peer;
};

static struct bench_pdu *answer(struct peer *peer, uint8_t opcode, const uint8_t *request)
{
	struct bench_pdu *pdu = bench_queue_add(&peer->queue);

	pdu->header[0] = opcode;
	pdu->header[1] = FINAL;
	memcpy(pdu->header + BHS_ITT, request + BHS_ITT, 4);
	put_be32(pdu->header + BHS_STAT_SN, peer->stat_sn);
	put_be32(pdu->header + BHS_EXP_CMD_SN, peer->exp_cmd_sn);
	put_be32(pdu->header + BHS_MAX_CMD_SN, peer->exp_cmd_sn + 1023);
	return pdu;
}

static void seal(struct peer *peer, struct bench_pdu *pdu)
{
	bench_seal(pdu, peer->input.header_digest, peer->input.data_digest);
}

static void send_read(struct turn *turn, const uint8_t *request, uint32_t length)
{
	struct peer *peer = turn->peer;
	uint32_t piece, number = 0;

	for (uint32_t offset = 0; offset < length; offset += piece) {
		struct bench_pdu *pdu = answer(peer, OP_DATA_IN, request);
		piece = length - offset < BENCH_SEGMENT_MAX ? length - offset : BENCH_SEGMENT_MAX;
		bool last = offset + piece == length;
		pdu->header[1] = last ? FINAL | 0x01 : 0;
		peer->stat_sn += last;
		put_be32(pdu->header + BHS_TTT, RESERVED_TAG);
		put_be32(pdu->header + 36, number++);
		put_be32(pdu->header + 40, offset);
		pdu->data = turn->ceiling->data;
		pdu->data_length = piece;
		seal(peer, pdu);
	}
}

static void send_status(struct peer *peer, const uint8_t *request)
{
	struct bench_pdu *pdu = answer(peer, OP_SCSI_RESPONSE, request);

	peer->stat_sn++;
	seal(peer, pdu);
}

static void send_r2t(struct peer *peer, const uint8_t *request, uint32_t tag)
{
	struct bench_pdu *pdu = answer(peer, OP_R2T, request);
	uint32_t left = peer->left[tag];
	uint32_t length = left < BENCH_MAX_BURST ? left : BENCH_MAX_BURST;

	put_be32(pdu->header + BHS_TTT, tag);
	put_be32(pdu->header + 40, peer->asked[tag]);
	put_be32(pdu->header + 44, length);
	peer->asked[tag] += length;
	seal(peer, pdu);
}

static void on_command(struct turn *turn, const uint8_t *header, uint32_t data_length)
{
	struct peer *peer = turn->peer;
	uint32_t length = get_be32(header + 20);
	uint32_t tag = get_be32(header + BHS_ITT) % TASKS;

	peer->exp_cmd_sn = get_be32(header + BHS_CMD_SN) + 1;
	if (header[1] & 0x40 && length > 0) {
		send_read(turn, header, length);
	} else if (length <= data_length) {
		send_status(peer, header);
	} else {
		if (!peer->left) {
			peer->left = calloc(2 * TASKS, sizeof(*peer->left));
			if (!peer->left)
				bench_die("out of memory");
			peer->asked = peer->left + TASKS;
		}
		peer->left[tag] = length - data_length;
		peer->asked[tag] = data_length;
		send_r2t(peer, header, tag);
	}
}

static void on_data(struct peer *peer, const uint8_t *header, uint32_t data_length)
{
	uint32_t tag = get_be32(header + BHS_ITT) % TASKS;

	if (!peer->left)
		return;
	peer->left[tag] -= data_length;
	if (peer->left[tag] == 0)
		send_status(peer, header);
	else if (header[1] & FINAL)
		send_r2t(peer, header, tag);
}

#define STAGE(flags) (((flags) >> 2) & 3) /* the current one; 0: security */
#define TRANSIT      0x80

/* CHAP as the load generator goes through it, each step whatever it says. */
static void on_proof(struct turn *turn, const uint8_t *header)
{
	static const char method[] = "AuthMethod=CHAP\0TargetPortalGroupTag=1\0\0\0";
	static const char challenge[] =
		"CHAP_A=5\0CHAP_I=1\0CHAP_C=0x00000000000000000000000000000000\0\0\0";
	static const struct {
		const char *text;
		uint32_t length;
	} steps[] = { { method, sizeof(method) & ~3u }, { challenge, sizeof(challenge) & ~3u },
		{ NULL, 0 } };
	struct peer *peer = turn->peer;
	unsigned step = peer->asked_for_proof < 2 ? peer->asked_for_proof++ : 2;

	if (peer->stat_sn == 0)
		peer->stat_sn = 1;
	struct bench_pdu *pdu = answer(peer, OP_LOGIN_RESPONSE, header);
	peer->stat_sn++;
	memcpy(pdu->header + 8, header + 8, 6);
	pdu->header[1] = step == 2 ? header[1] : 0;
	pdu->data = (const uint8_t *)steps[step].text;
	pdu->data_length = steps[step].length;
	seal(peer, pdu);
}

/*
 * One login request, one answer: all that the load generator asks for is granted. Its digests are
 * in force from the next PDU on. The text has been passed over, so the digests wanted are told in
 * the ISID: its last byte.
 */
static void on_login(struct turn *turn, const uint8_t *header)
{
#define TERMS(digest)                                                                              \
	"HeaderDigest=" digest "\0DataDigest=" digest "\0MaxRecvDataSegmentLength=262144\0"        \
	"MaxBurstLength=1048576\0FirstBurstLength=65536\0InitialR2T=Yes\0ImmediateData=Yes\0"      \
	"MaxOutstandingR2T=1\0\0\0"
	static const char with[] = TERMS("CRC32C"), without[] = TERMS("None");
	struct peer *peer = turn->peer;
	struct bench_pdu *pdu;

	peer->exp_cmd_sn = get_be32(header + BHS_CMD_SN);
	peer->stat_sn = 1;
	pdu = answer(peer, OP_LOGIN_RESPONSE, header);
	peer->stat_sn++;
	memcpy(pdu->header + 8, header + 8, 6);
	pdu->header[1] = header[1];
	pdu->header[15] = 1;
	pdu->data = (const uint8_t *)(header[13] ? with : without);
	pdu->data_length = (header[13] ? sizeof(with) : sizeof(without)) & ~3u;
	seal(peer, pdu);
	peer->full = true;
	peer->input.header_digest = header[13] & 1;
	peer->input.data_digest = header[13] & 2;
}

static void on_pdu(void *context, const uint8_t *header, uint32_t data_length)
{
	struct turn *turn = context;
	struct bench_pdu *pdu;

	switch (header[0] & OPCODE_MASK) {
	case OP_SCSI_COMMAND:
		on_command(turn, header, data_length);
		break;
	case OP_DATA_OUT:
		on_data(turn->peer, header, data_length);
		break;
	case OP_LOGIN_REQUEST:
		if (STAGE(header[1]) == 0)
			on_proof(turn, header);
		else
			on_login(turn, header);
		break;
	case OP_LOGOUT_REQUEST:
		pdu = answer(turn->peer, OP_LOGOUT_RESPONSE, header);
		seal(turn->peer, pdu);
		turn->peer->left_us = true;
		break;
	default:
		break;
	}
}

static void watch(struct ceiling *ceiling, struct peer *peer, int operation)
{
	struct epoll_event event = { .events = EPOLLIN | (peer->writing ? EPOLLOUT : 0),
		.data.ptr = peer };

	epoll_ctl(ceiling->epoll, operation, peer->fd, &event);
}

static void drop(struct peer *peer)
{
	close(peer->fd);
	free(peer->left);
	free(peer->queue.ring);
	free(peer);
}

static void serve(struct ceiling *ceiling, struct peer *peer, uint32_t events)
{
	struct turn turn = { ceiling, peer };

	if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) {
		ssize_t got = recv(peer->fd, ceiling->received, BENCH_BUFFER, MSG_DONTWAIT);
		if (got <= 0 || !bench_input_take(&peer->input, ceiling->received, (size_t)got,
					on_pdu, &turn)) {
			drop(peer);
			return;
		}
	}
	if (!bench_queue_send(&peer->queue, peer->fd) || (peer->left_us && !peer->queue.count)) {
		drop(peer);
		return;
	}
	if (peer->writing != (peer->queue.count > 0)) {
		peer->writing = !peer->writing;
		watch(ceiling, peer, EPOLL_CTL_MOD);
	}
}

static int listen_on(uint16_t port)
{
	const int on = 1;
	struct sockaddr_in address = { .sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (struct sockaddr *)&address, length) || listen(fd, 1024))
		bench_die("cannot listen");
	getsockname(fd, (struct sockaddr *)&address, &length);
	printf("listening on 127.0.0.1:%u\n", ntohs(address.sin_port));
	fflush(stdout);
	return fd;
}

static void greet(struct ceiling *ceiling, int listener)
{
	const int on = 1;
	struct peer *peer = calloc(1, sizeof(*peer));

	if (!peer)
		bench_die("out of memory");
	peer->fd = accept(listener, NULL, NULL);
	if (peer->fd < 0)
		bench_die("cannot accept");
	setsockopt(peer->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	watch(ceiling, peer, EPOLL_CTL_ADD);
}

int main(int argc, char **argv)
{
	struct ceiling ceiling = { .epoll = epoll_create1(0) };
	long cpu = -1, port = 0;

	for (int option; (option = getopt(argc, argv, "C:p:")) != -1;)
		*(option == 'C' ? &cpu : &port) = strtol(optarg, NULL, 10);
	bench_prepare((int)cpu);
	ceiling.data = aligned_alloc(4096, BENCH_BUFFER);
	ceiling.received = aligned_alloc(4096, BENCH_BUFFER);
	if (!ceiling.data || !ceiling.received)
		bench_die("out of memory");
	memset(ceiling.data, 0x5a, BENCH_BUFFER);
	memset(ceiling.received, 0, BENCH_BUFFER);
	int listener = listen_on((uint16_t)port);
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = NULL };
	epoll_ctl(ceiling.epoll, EPOLL_CTL_ADD, listener, &event);
	for (;;) {
		struct epoll_event events[EVENTS];
		int count = epoll_wait(ceiling.epoll, events, EVENTS, -1);
		for (int i = 0; i < count; i++)
			if (events[i].data.ptr)
				serve(&ceiling, events[i].data.ptr, events[i].events);
			else
				greet(&ceiling, listener);
	}
}
