/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The fast path without sockets: engine, device server and a memory store in one thread, fed with
 * 1,000 commands of one kind. guard.py runs it under callgrind, which then looks at the engine's
 * calls alone; by itself it counts allocations, of which a warm worker makes none.
 *
 *   guard_engine KIND        prints "allocations N", "mismatches N", "optimized 0|1" (as budgets assume)
 */
#include "tests/bench/bench_wire.h"

#include "proto/iscsi/iscsi.h"

#include <stdio.h>
#include <stdlib.h>

#if defined(__OPTIMIZE__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define OPTIMIZED 1
#else
#define OPTIMIZED 0
#endif

#define COMMANDS  1000u
#define BATCH     32u
#define UNIT_SIZE (8u << 20)
#define STREAM    (BATCH * (BHS_SIZE + 8u + 4096u) + (1u << 20))

struct kind {
	const char *name;
	uint32_t bytes;
	bool write, digests;
};

static const struct kind kinds[] = {
	{ "read-4k", 4096, false, false },
	{ "write-4k", 4096, true, false },
	{ "read-4k-digests", 4096, false, true },
	{ "write-4k-digests", 4096, true, true },
	{ "read-256k", 262144, false, false },
	{ "write-256k", 262144, true, false },
};

struct guard {
	const struct kind *kind;
	struct iscsi_worker worker;
	struct chap_issuer issuer;
	struct scsi_device *device;
	struct scsi_nexus *nexus;
	struct credential_set *credentials;
	struct iscsi_conn *conn;
	uint8_t *stream; /* what the next call is given */
	size_t length;
	uint8_t *data;
	struct bench_queue queue;
	struct bench_input input; /* the engine's answers */
	uint32_t cmd_sn;
	uint64_t done, mismatches;
};

/* --- allocations: every call of the tree's own code, counted by the linker's --wrap --- */

static uint64_t allocations;

void *__real_malloc(size_t size);
void *__real_calloc(size_t count, size_t size);
void *__real_realloc(void *memory, size_t size);
void *__real_aligned_alloc(size_t alignment, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t count, size_t size);
void *__wrap_realloc(void *memory, size_t size);
void *__wrap_aligned_alloc(size_t alignment, size_t size);

void *__wrap_malloc(size_t size)
{
	allocations++;
	return __real_malloc(size);
}

void *__wrap_calloc(size_t count, size_t size)
{
	allocations++;
	return __real_calloc(count, size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	allocations++;
	return __real_realloc(memory, size);
}

void *__wrap_aligned_alloc(size_t alignment, size_t size)
{
	allocations++;
	return __real_aligned_alloc(alignment, size);
}

/* --- the engine's surroundings --- */

static int host_random(void *buffer, size_t length)
{
	memset(buffer, 0x42, length);
	return 0;
}

static struct iscsi_login_status host_login_begin(
	void *owner, const struct iscsi_identity *identity, struct iscsi_login_terms *terms)
{
	const struct guard *guard = owner;
	(void)identity;

	*terms = (struct iscsi_login_terms){
		.portal_group_tag = 1, .target_alias = "", .credentials = guard->credentials
	};
	return (struct iscsi_login_status){ 0, 0 };
}

static bool host_login_current(void *owner, uint64_t now)
{
	(void)owner, (void)now;
	return true;
}

static enum iscsi_admission host_login_admit(
	void *owner, const struct iscsi_identity *identity, struct iscsi_grant *grant)
{
	const struct guard *guard = owner;
	(void)identity;

	*grant = (struct iscsi_grant){ .tsih = 1, .nexus = guard->nexus, .device = guard->device };
	return ISCSI_ADMITTED;
}

static void host_discover(void *owner, const char *target, iscsi_discovered *each, void *context)
{
	(void)owner, (void)target, (void)each, (void)context;
}

static int host_manage(void *owner, struct iscsi_management *management)
{
	(void)owner, (void)management;
	return -1;
}

static void host_wake(void *owner)
{
	(void)owner;
}

static void host_event(void *owner, const struct iscsi_event *event)
{
	(void)owner;
	if (event->kind != ISCSI_EVENT_LOGGED_IN)
		bench_die("the engine says: %s", event->text ? event->text : "");
}

static const struct iscsi_host host = {
	.random = host_random,
	.login_begin = host_login_begin,
	.login_current = host_login_current,
	.login_admit = host_login_admit,
	.discover = host_discover,
	.manage = host_manage,
	.wake = host_wake,
	.event = host_event,
};

/* --- the initiator --- */

static void put_pdu(struct guard *guard, struct bench_pdu *pdu)
{
	bool digests = guard->done && guard->kind->digests;

	bench_seal(pdu, digests, digests);
	memcpy(guard->stream + guard->length, pdu->header, pdu->header_length);
	guard->length += pdu->header_length;
	if (pdu->data_length)
		memcpy(guard->stream + guard->length, pdu->data, pdu->data_length);
	guard->length += pdu->data_length;
	memcpy(guard->stream + guard->length, pdu->tail, pdu->tail_length);
	guard->length += pdu->tail_length;
}

static void put_command(struct guard *guard, uint32_t number)
{
	const struct kind *kind = guard->kind;
	struct bench_pdu pdu = { .header = {
					 OP_SCSI_COMMAND, FINAL | (kind->write ? 0x20 : 0x40) } };
	uint32_t blocks = kind->bytes / 512;

	put_be32(pdu.header + BHS_ITT, number % BATCH);
	put_be32(pdu.header + 20, kind->bytes);
	put_be32(pdu.header + BHS_CMD_SN, guard->cmd_sn++);
	pdu.header[32] = kind->write ? 0x2a : 0x28;
	put_be32(pdu.header + 34, number * 7919 % (UNIT_SIZE / kind->bytes) * blocks);
	put_be16(pdu.header + 39, (uint16_t)blocks);
	if (kind->write) {
		pdu.data = guard->data;
		pdu.data_length = kind->bytes < BENCH_FIRST_BURST ? kind->bytes : BENCH_FIRST_BURST;
	}
	put_pdu(guard, &pdu);
}

/* An answer of the engine's; R2T: the data goes into the next call. */
static void on_pdu(void *context, const uint8_t *header, uint32_t data_length)
{
	struct guard *guard = context;
	uint8_t opcode = header[0] & OPCODE_MASK;
	struct bench_pdu pdu = { .header = { OP_DATA_OUT, FINAL } };

	if (opcode == OP_DATA_IN && header[1] & 0x01)
		guard->done++;
	if (opcode == OP_DATA_IN && data_length != guard->kind->bytes)
		guard->mismatches++;
	if (opcode == OP_SCSI_RESPONSE) {
		guard->done++;
		guard->mismatches += header[3] != 0;
	}
	if (opcode != OP_R2T)
		return;
	memcpy(pdu.header + 8, header + 8, 16);
	memcpy(pdu.header + 40, header + 40, 4);
	pdu.data = guard->data;
	pdu.data_length = get_be32(header + 44);
	put_pdu(guard, &pdu);
}

/* Hands the stream over as a socket would: large data straight into its place. */
static void feed(struct guard *guard)
{
	size_t length = guard->length;
	uint8_t *bytes = guard->stream, *at = NULL;

	while (length > 0) {
		size_t direct = iscsi_conn_direct(guard->conn, &at);
		direct = direct < length ? direct : length;
		if (direct)
			memcpy(at, bytes, direct);
		size_t rest = length - direct < 65536 ? length - direct : 65536;
		iscsi_conn_received(guard->conn, direct, bytes + direct, rest, 1);
		bytes += direct + rest;
		length -= direct + rest;
	}
	guard->length = 0;
}

static void drain(struct guard *guard)
{
	struct iovec vectors[64];
	int count;

	while ((count = iscsi_conn_output(guard->conn, vectors, 64)) > 0) {
		size_t length = 0;
		for (int i = 0; i < count; i++) {
			if (!bench_input_take(&guard->input, vectors[i].iov_base,
				    vectors[i].iov_len, on_pdu, guard))
				bench_die("a wrong digest");
			length += vectors[i].iov_len;
		}
		iscsi_conn_sent(guard->conn, length, 1);
	}
}

/* A command that moves more than a batch may is sent alone. */
static void run(struct guard *guard, uint32_t commands)
{
	uint32_t batch = guard->kind->bytes > 65536 ? 1 : BATCH;
	uint64_t goal = guard->done + commands;

	for (uint32_t sent = 0; guard->done < goal;) {
		uint64_t before = guard->done;
		for (uint32_t i = 0; i < batch && sent < commands; i++)
			put_command(guard, sent++);
		feed(guard);
		drain(guard);
		if (guard->length == 0 && guard->done == before)
			bench_die("the engine does not answer");
	}
}

/* --- setting up --- */

static void log_in(struct guard *guard)
{
	static const char names[] = "InitiatorName=iqn.2026-11.example:guard\0SessionType=Normal\0"
				    "TargetName=iqn.2026-11.example:unit\0"
				    "MaxRecvDataSegmentLength=262144\0MaxBurstLength=1048576\0"
				    "FirstBurstLength=65536\0InitialR2T=Yes\0ImmediateData=Yes";
	static const char digests[] = "HeaderDigest=CRC32C\0DataDigest=CRC32C";
	uint8_t text[512] = { 0 };
	struct bench_pdu pdu = { .header = { OP_LOGIN_REQUEST | IMMEDIATE, 0x87 } };
	size_t length = sizeof(names);

	memcpy(text, names, sizeof(names));
	if (guard->kind->digests) {
		memcpy(text + length, digests, sizeof(digests));
		length += sizeof(digests);
	}
	pdu.header[8] = 0x80;
	put_be32(pdu.header + BHS_CMD_SN, guard->cmd_sn);
	pdu.data = text;
	pdu.data_length = (uint32_t)(length + 3) & ~3u;
	put_pdu(guard, &pdu);
	put_be24(guard->stream + BHS_DATA_LENGTH, (uint32_t)length);
	for (int i = 0; i < 4 && iscsi_conn_phase(guard->conn) != ISCSI_PHASE_FULL; i++) {
		feed(guard);
		drain(guard);
		pdu.data_length = 0;
		put_pdu(guard, &pdu);
	}
	guard->length = 0;
	if (iscsi_conn_phase(guard->conn) != ISCSI_PHASE_FULL)
		bench_die("the login failed");
	guard->input.header_digest = guard->input.data_digest = guard->kind->digests;
	guard->done = 1; /* from here on digests are in force */
}

static void set_up(struct guard *guard, struct store *store)
{
	const struct scsi_unit_config unit = {
		.store = store, .block_size = 512, .physical_block_size = 4096, .serial = "guard"
	};
	const struct scsi_device_config config = {
		.target_name = "iqn.2026-11.example:unit", .units = &unit, .unit_count = 1
	};

	guard->cmd_sn = 1;
	guard->worker = (struct iscsi_worker){
		.host = &host,
		.issuer = &guard->issuer,
		.queue = store_queue_new(STORE_QUEUE_THREADS, 64),
		.buffers = buffer_pool_new(64u << 20),
		.tasks = pool_new(iscsi_task_size(), 4096),
		.pdus = pool_new(iscsi_pdu_size(), 4096),
	};
	guard->credentials = credential_set_new(1);
	guard->device = scsi_device_new(&config);
	guard->nexus = scsi_nexus_new(
		guard->device, "iqn.2026-11.example:guard,i,0x0", 1, UA_POWER_ON);
	guard->stream = malloc(STREAM);
	guard->data = malloc(262144);
	guard->conn = iscsi_conn_new(&guard->worker, guard, 1);
	if (!guard->conn || !guard->stream || !guard->data)
		bench_die("out of memory");
	memset(guard->data, 0xa5, 262144);
}

static void tear_down(struct guard *guard, struct store *store)
{
	iscsi_conn_free(guard->conn);
	scsi_nexus_free(guard->nexus);
	scsi_device_free(guard->device);
	credential_set_unref(guard->credentials);
	store_queue_free(guard->worker.queue);
	buffer_pool_free(guard->worker.buffers);
	pool_free(guard->worker.tasks);
	pool_free(guard->worker.pdus);
	store_close(store);
	free(guard->stream);
	free(guard->data);
}

int main(int argc, char **argv)
{
	char error[STORE_ERROR_SIZE];
	struct store *store = store_open(
		&(struct store_config){ .path = "memory:", .size = UNIT_SIZE, .block_size = 512 },
		error);
	struct guard guard = { .kind = NULL };

	for (size_t i = 0; argc == 2 && i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (strcmp(kinds[i].name, argv[1]) == 0)
			guard.kind = &kinds[i];
	if (!guard.kind || !store)
		bench_die("usage: guard_engine KIND");
	set_up(&guard, store);
	log_in(&guard);
	/* The first command meets the unit attention; the batch behind it warms the pools. */
	run(&guard, 2 * BATCH);
	guard.mismatches = 0;
	uint64_t before = allocations;
	run(&guard, COMMANDS);
	printf("allocations %llu\nmismatches %llu\noptimized %d\n",
		(unsigned long long)(allocations - before), (unsigned long long)guard.mismatches,
		OPTIMIZED);
	tear_down(&guard, store);
	return 0;
}
