/* SPDX-License-Identifier: BSD-2-Clause */
/* The scripted initiator: see the header. */
#include "tests/proto/iscsi/transcript.h"

#include "proto/iscsi/full.h"

#include <check.h>
#include <ctype.h>

struct scsi_nexus {
	int unused;
};

static struct scsi_nexus a_nexus[8];
static unsigned nexus_count;

/* --- the host --- */

static void host_wake(void *owner)
{
	((struct transcript *)owner)->wakes++;
}

static void host_event(void *owner, const struct iscsi_event *event)
{
	struct transcript *t = owner;

	if (t->event_count == TRANSCRIPT_EVENTS)
		return;
	t->events[t->event_count].kind = event->kind;
	t->events[t->event_count].number = event->number;
	snprintf(t->events[t->event_count].text, sizeof(t->events[0].text), "%s",
		event->text ? event->text : "");
	t->event_count++;
}

static void host_released(struct iscsi_management *management)
{
	((struct transcript_function *)management->host_context)->released = true;
}

static int host_manage(void *owner, struct iscsi_management *management)
{
	struct transcript *t = owner;
	struct transcript_function *function = t->functions;

	if (t->manage_fails)
		return -1;
	while (function->management)
		function++;
	must(function < t->functions + 16);
	*function = (struct transcript_function){ .management = management };
	management->released = host_released;
	management->host_context = function;
	return 0;
}

static void host_discover(void *owner, const char *target, iscsi_discovered *each, void *context)
{
	(void)owner;
	(void)target;
	each(context, "iqn.2000-01.test:disk", "192.0.2.1:3260,1");
}

static const struct iscsi_host host = {
	.manage = host_manage,
	.wake = host_wake,
	.event = host_event,
	.discover = host_discover,
};

/* What the daemon does with a function: to every connection of the target, the issuer's too. */
static void carry(struct transcript *t)
{
	for (unsigned n = 0; n < 16; n++) {
		struct transcript_function *function = &t->functions[n];
		struct iscsi_management *management = function->management;
		if (management && !function->applied) {
			function->applied = true;
			iscsi_conn_manage(t->conn, management, t->now);
			for (unsigned i = 0; i < 4 && t->others[i]; i++)
				iscsi_conn_manage(t->others[i]->conn, management, t->now);
			iscsi_management_release(management);
		}
		if (management && function->released) {
			*function = (struct transcript_function){ 0 };
			iscsi_conn_managed(t->conn, management, t->now);
		}
	}
}

/* --- begin and end --- */

struct iscsi_parameters transcript_parameters(void)
{
	struct iscsi_parameters parameters;

	iscsi_parameters_default(&parameters);
	parameters.initial_r2t = true;
	parameters.immediate_data = true;
	parameters.data_pdu_in_order = parameters.data_sequence_in_order = true;
	parameters.max_burst_length = 4096;
	parameters.first_burst_length = 2048;
	parameters.max_outstanding_r2t = 1;
	parameters.default_time2wait = 2;
	parameters.initiator_max_recv = 1024;
	parameters.target_max_recv = 8192;
	return parameters;
}

void transcript_begin(struct transcript *t, const struct iscsi_parameters *parameters,
	bool discovery, uint32_t cmd_sn, enum chunking chunking)
{
	memset(t, 0, sizeof(*t));
	t->now = TRANSCRIPT_START;
	t->chunking = chunking;
	t->seed = 0x9e3779b9u + (uint32_t)chunking;
	t->cmd_sn = cmd_sn;
	t->itt = 0xfffffff0u; /* tags are opaque, and wrap [LNX-05] */
	t->worker = (struct iscsi_worker){
		.host = &host,
		.buffers = buffer_pool_new(1 << 20),
		.tasks = pool_new(iscsi_task_size(), 16),
		.pdus = pool_new(iscsi_pdu_size(), 16),
	};
	t->conn = iscsi_conn_new(&t->worker, t, t->now);
	must(t->conn);
	t->conn->parameters = *parameters;
	t->conn->identity.discovery = discovery;
	t->conn->identity.cid = 7;
	t->conn->grant.tsih = 1;
	t->conn->grant.nexus = &a_nexus[nexus_count++ % 8];
	t->conn->exp_cmd_sn = cmd_sn;
	t->conn->max_cmd_sn = cmd_sn + COMMAND_WINDOW - 1;
	t->conn->stat_sn = 0xfffffffeu;
	conn_enter(t->conn, ISCSI_PHASE_FULL, t->now);
	full_begin(t->conn, t->now);
	wire_begin(&t->wire, t->conn, chunking == CHUNK_WHOLE ? 0 : t->seed);
	t->wire.in_full = t->wire.numbered = true;
	t->wire.stat_sn = t->exp_stat_sn = t->conn->stat_sn;
	t->wire.exp_cmd_sn = cmd_sn;
	t->wire.max_cmd_sn = t->conn->max_cmd_sn;
}

static uint8_t shift_of(uint32_t bytes)
{
	uint8_t shift = 0;

	while (shift < 7 && 512u << shift < bytes)
		shift++;
	return shift;
}

void transcript_record(struct transcript *t, const char *name)
{
	const struct iscsi_parameters *parameters = &t->conn->parameters;
	const char *directory = getenv("TRANSCRIPT_CORPUS");
	uint8_t head[8] = { 0 };
	char path[4096];

	if (!directory)
		return;
	head[0] = (uint8_t)(parameters->header_digest | parameters->data_digest << 1 |
			    parameters->initial_r2t << 2 | parameters->immediate_data << 3 |
			    t->conn->identity.discovery << 4 | (t->cmd_sn != 0) << 5);
	head[1] = (uint8_t)(parameters->max_outstanding_r2t - 1);
	head[2] = (uint8_t)(shift_of(parameters->max_burst_length) |
			    shift_of(parameters->first_burst_length) << 4);
	head[3] = 32;
	head[7] = (uint8_t)(name[1] * 2 + 1);
	snprintf(path, sizeof(path), "%s/%s", directory, name);
	char *to = path + strlen(directory) + 1;
	for (const char *from = to; *from; from++)
		if (isalnum((unsigned char)*from) || (*from == ' ' && to[-1] != '-'))
			*to++ = *from == ' ' ? '-' : *from;
	*to = '\0';
	t->record = fopen(path, "wb");
	must(t->record);
	fwrite(head, 1, sizeof(head), t->record);
}

void transcript_end(struct transcript *t)
{
	deliver(t);
	if (t->record)
		fclose(t->record);
	iscsi_conn_close(t->conn, ISCSI_CLOSE_REINSTATED, t->now);
	double_finish_all();
	carry(t);
	wire_take(&t->wire, t->now);
	must(!iscsi_conn_busy(t->conn));
	must(t->conn->phase == ISCSI_PHASE_RESET || !t->conn->output.head);
	must(t->conn->buffered == 0 || t->conn->phase == ISCSI_PHASE_RESET);
	iscsi_conn_free(t->conn);
	wire_end(&t->wire);
	must(pool_in_use(t->worker.tasks) == 0 && pool_in_use(t->worker.pdus) == 0);
	must(buffer_bytes_in_use(t->worker.buffers) == 0);
	pool_free(t->worker.tasks);
	pool_free(t->worker.pdus);
	buffer_pool_free(t->worker.buffers);
	free(t->bytes);
}

/* --- sending --- */

void put_bytes(struct transcript *t, const void *bytes, size_t length)
{
	if (t->count + length > t->capacity) {
		t->capacity = 2 * (t->count + length);
		t->bytes = realloc(t->bytes, t->capacity);
		must(t->bytes);
	}
	if (length > 0)
		memcpy(t->bytes + t->count, bytes, length);
	t->count += length;
}

void put_pdu_ahs(struct transcript *t, uint8_t bhs[BHS_SIZE], const uint8_t *ahs,
	uint32_t ahs_length, const void *data, uint32_t length)
{
	static const uint8_t zero[4];
	uint32_t padding = -length & 3u, crc;
	uint8_t digest[DIGEST_SIZE];

	bhs[BHS_AHS_LENGTH] = (uint8_t)(ahs_length / 4);
	put_be24(bhs + BHS_DATA_LENGTH, length);
	put_bytes(t, bhs, BHS_SIZE);
	put_bytes(t, ahs, ahs_length);
	if (t->conn->parameters.header_digest) {
		crc = digest_update(DIGEST_START, bhs, BHS_SIZE);
		digest_finish(digest_update(crc, ahs, ahs_length), digest);
		put_bytes(t, digest, DIGEST_SIZE);
	}
	put_bytes(t, data, length);
	put_bytes(t, zero, padding);
	if (t->conn->parameters.data_digest && length > 0) {
		crc = digest_update(DIGEST_START, data, length);
		digest_finish(digest_update(crc, zero, padding), digest);
		put_bytes(t, digest, DIGEST_SIZE);
	}
}

void put_pdu(struct transcript *t, uint8_t bhs[BHS_SIZE], const void *data, uint32_t length)
{
	put_pdu_ahs(t, bhs, NULL, 0, data, length);
}

void put_spoiled(struct transcript *t)
{
	t->bytes[t->count - 1] ^= 0x10;
}

uint32_t new_request(struct transcript *t, uint8_t bhs[BHS_SIZE], uint8_t opcode, uint8_t flags)
{
	memset(bhs, 0, BHS_SIZE);
	if (++t->itt == RESERVED_TAG)
		t->itt = 0;
	bhs[0] = opcode;
	bhs[BHS_FLAGS] = flags;
	put_be64(bhs + BHS_LUN, t->lun);
	put_be32(bhs + BHS_ITT, t->itt);
	put_be32(bhs + BHS_TTT, RESERVED_TAG);
	put_be32(bhs + BHS_CMD_SN, t->cmd_sn);
	put_be32(bhs + BHS_EXP_STAT_SN, t->exp_stat_sn);
	if (!(opcode & IMMEDIATE))
		t->cmd_sn++;
	return t->itt;
}

uint32_t new_command(struct transcript *t, uint8_t bhs[BHS_SIZE], uint8_t flags, uint32_t edtl,
	const uint8_t *cdb, size_t cdb_length)
{
	uint32_t itt = new_request(t, bhs, OP_SCSI_COMMAND, flags);

	put_be32(bhs + BHS_EDTL, edtl);
	memcpy(bhs + BHS_CDB, cdb, cdb_length);
	return itt;
}

static uint32_t new_blocks(struct transcript *t, uint8_t bhs[BHS_SIZE], uint8_t opcode,
	uint8_t flags, uint32_t lba, uint16_t blocks)
{
	uint8_t cdb[10] = { opcode };

	put_be32(cdb + 2, lba);
	put_be16(cdb + 7, blocks);
	return new_command(t, bhs, flags, blocks * DOUBLE_BLOCK, cdb, sizeof(cdb));
}

uint32_t new_read(struct transcript *t, uint8_t bhs[BHS_SIZE], uint32_t lba, uint16_t blocks)
{
	return new_blocks(t, bhs, 0x28, FINAL | COMMAND_READ, lba, blocks);
}

uint32_t new_write(struct transcript *t, uint8_t bhs[BHS_SIZE], uint32_t lba, uint16_t blocks)
{
	return new_blocks(t, bhs, 0x2a, FINAL | COMMAND_WRITE, lba, blocks);
}

static struct transcript_task *task_of(struct transcript *t, uint32_t itt)
{
	for (unsigned i = t->task_count; i > 0; i--)
		if (t->tasks[i - 1].itt == itt)
			return &t->tasks[i - 1];
	return NULL;
}

void put_command(struct transcript *t, uint8_t bhs[BHS_SIZE], const void *data, uint32_t length)
{
	must(t->task_count < TRANSCRIPT_TASKS);
	t->tasks[t->task_count++] = (struct transcript_task){
		.itt = get_be32(bhs + BHS_ITT),
		.cmd_sn = get_be32(bhs + BHS_CMD_SN),
		.edtl = get_be32(bhs + BHS_EDTL),
		.lun = get_be64(bhs + BHS_LUN),
		.flags = bhs[BHS_FLAGS],
		.immediate = bhs[0] & IMMEDIATE,
		.solicited = length,
	};
	put_pdu(t, bhs, data, length);
}

uint32_t put_read(struct transcript *t, uint32_t lba, uint16_t blocks)
{
	uint8_t bhs[BHS_SIZE];
	uint32_t itt = new_read(t, bhs, lba, blocks);

	put_command(t, bhs, NULL, 0);
	return itt;
}

uint32_t put_write(struct transcript *t, uint32_t lba, uint16_t blocks, const uint8_t *data,
	uint32_t immediate, bool final)
{
	uint8_t bhs[BHS_SIZE];
	uint32_t itt = new_write(t, bhs, lba, blocks);

	if (!final)
		bhs[BHS_FLAGS] &= (uint8_t)~FINAL;
	put_command(t, bhs, data, immediate);
	return itt;
}

void put_data_out(struct transcript *t, uint32_t itt, uint32_t ttt, uint32_t data_sn,
	uint32_t offset, const uint8_t *data, uint32_t length, bool final)
{
	uint8_t bhs[BHS_SIZE] = { OP_DATA_OUT, final ? FINAL : 0 };
	struct transcript_task *task = task_of(t, itt);

	put_be64(bhs + BHS_LUN, task ? task->lun : t->lun);
	put_be32(bhs + BHS_ITT, itt);
	put_be32(bhs + BHS_TTT, ttt);
	put_be32(bhs + BHS_EXP_STAT_SN, t->exp_stat_sn);
	put_be32(bhs + BHS_DATA_SN, data_sn);
	put_be32(bhs + BHS_OFFSET, offset);
	put_pdu(t, bhs, data + offset, length);
	if (!task)
		return;
	if (ttt == RESERVED_TAG)
		task->solicited = offset + length;
	else if (final && task->outstanding > 0)
		task->outstanding--;
}

void put_solicited(
	struct transcript *t, const struct wire_pdu *r2t, const uint8_t *data, uint32_t piece)
{
	uint32_t offset = get_be32(r2t->bhs + BHS_OFFSET);
	uint32_t end = offset + get_be32(r2t->bhs + BHS_RESIDUAL), data_sn = 0;

	for (uint32_t length; offset < end; offset += length) {
		length = end - offset < piece ? end - offset : piece;
		put_data_out(t, r2t->itt, r2t->ttt, data_sn++, offset, data, length,
			offset + length == end);
	}
}

uint32_t put_ping(struct transcript *t, const void *data, uint32_t length)
{
	uint8_t bhs[BHS_SIZE];
	uint32_t itt = new_request(t, bhs, OP_NOP_OUT | IMMEDIATE, FINAL);

	put_pdu(t, bhs, data, length);
	return itt;
}

uint32_t put_tmf(struct transcript *t, uint8_t function, uint32_t referenced, uint32_t ref_cmd_sn)
{
	uint8_t bhs[BHS_SIZE];
	uint32_t itt = new_request(t, bhs, OP_TASK_MANAGEMENT | IMMEDIATE, FINAL | function);

	put_be32(bhs + BHS_TTT, referenced);
	put_be32(bhs + BHS_REF_CMD_SN, ref_cmd_sn);
	put_pdu(t, bhs, NULL, 0);
	return itt;
}

uint32_t put_logout(struct transcript *t, uint8_t reason, uint16_t cid)
{
	uint8_t bhs[BHS_SIZE];
	uint32_t itt = new_request(t, bhs, OP_LOGOUT_REQUEST | IMMEDIATE, FINAL | reason);

	put_be16(bhs + BHS_TTT, cid);
	put_be16(bhs + BHS_TTT + 2, 0);
	put_pdu(t, bhs, NULL, 0);
	return itt;
}

/* --- rules that need both sides --- */

static void track_data_in(
	struct transcript *t, struct transcript_task *task, const struct wire_pdu *pdu)
{
	const struct iscsi_parameters *parameters = &t->conn->parameters;

	must(task->flags & COMMAND_READ); /* [DATA-12] */
	must(get_be32(pdu->bhs + BHS_DATA_SN) == task->data_sn++);
	must(get_be32(pdu->bhs + BHS_OFFSET) == task->offset);
	task->offset += pdu->length;
	task->burst += pdu->length;
	must(task->offset <= task->edtl && task->burst <= parameters->max_burst_length);
	if (pdu->bhs[BHS_FLAGS] & FINAL)
		task->burst = 0;
}

static void track_r2t(
	struct transcript *t, struct transcript_task *task, const struct wire_pdu *pdu)
{
	const struct iscsi_parameters *parameters = &t->conn->parameters;
	uint32_t length = get_be32(pdu->bhs + BHS_RESIDUAL);

	must(task->flags & COMMAND_WRITE);
	must(get_be64(pdu->bhs + BHS_LUN) == task->lun);
	must(get_be32(pdu->bhs + BHS_DATA_SN) == task->r2t_sn++);
	must(get_be32(pdu->bhs + BHS_OFFSET) == task->solicited); /* contiguous, ascending */
	must(length > 0 && length <= parameters->max_burst_length);
	task->solicited += length;
	must(task->solicited <= task->edtl);
	must(++task->outstanding <= parameters->max_outstanding_r2t);
}

static void track_status(struct transcript_task *task, const struct wire_pdu *pdu)
{
	if (!task->immediate)
		must(serial_before(task->cmd_sn, pdu->exp_cmd_sn)); /* [SEQ-07] */
	must(task->outstanding == 0);                               /* [DATA-08] */
	must(task->burst == 0);
	if (pdu->bhs[BHS_FLAGS] & RESPONSE_UNDERFLOW)
		must(get_be32(pdu->bhs + BHS_RESIDUAL) <= task->edtl);
	if (pdu->opcode == OP_SCSI_RESPONSE)
		must(get_be32(pdu->bhs + BHS_DATA_SN) == task->data_sn); /* ExpDataSN */
	task->answered = true;
}

static void track(struct transcript *t, const struct wire_pdu *pdu)
{
	bool status = pdu->opcode == OP_SCSI_RESPONSE ||
		      (pdu->opcode == OP_DATA_IN && (pdu->bhs[BHS_FLAGS] & DATA_IN_STATUS));

	t->exp_stat_sn = t->wire.stat_sn;
	if (!status && pdu->opcode != OP_DATA_IN && pdu->opcode != OP_R2T)
		return;
	struct transcript_task *task = task_of(t, pdu->itt);
	must(task && !task->answered && !task->ended);
	if (pdu->opcode == OP_DATA_IN)
		track_data_in(t, task, pdu);
	if (pdu->opcode == OP_R2T)
		track_r2t(t, task, pdu);
	if (status)
		track_status(task, pdu);
}

/* --- receiving --- */

/* Up to `length` bytes into the place that the connection names; how many. */
static size_t place_directly(struct transcript *t, size_t length)
{
	uint8_t *at;
	size_t room = iscsi_conn_direct(t->conn, &at);

	if (t->chunking != CHUNK_DIRECT && t->chunking != CHUNK_RANDOM_DIRECT)
		return 0;
	if (room > length)
		room = length;
	if (room > 0 && t->chunking == CHUNK_RANDOM_DIRECT)
		room = 1 + wire_random(&t->seed) % room;
	if (room > 0)
		memcpy(at, t->bytes + t->gone, room);
	return room;
}

static size_t piece_length(struct transcript *t, size_t left)
{
	size_t length = left;

	if (t->chunking == CHUNK_BYTES)
		length = 1;
	else if (t->chunking == CHUNK_RANDOM || t->chunking == CHUNK_RANDOM_DIRECT)
		length = wire_random(&t->seed) % 150;
	return length < left ? length : left;
}

static void deliver_piece(struct transcript *t)
{
	size_t direct = place_directly(t, t->count - t->gone);
	size_t length = piece_length(t, t->count - t->gone - direct);
	/* A block of its own, so that a step beyond its end is seen. */
	uint8_t *copy = malloc(length ? length : 1);

	must(copy);
	memcpy(copy, t->bytes + t->gone + direct, length);
	t->gone += direct + length;
	iscsi_conn_received(t->conn, direct, copy, length, t->now);
	/* Whoever still looks there is seen, with the sanitizer or without. */
	memset(copy, 0xee, length);
	free(copy);
}

void deliver(struct transcript *t)
{
	while (t->gone < t->count) {
		if (!iscsi_conn_wants_input(t->conn)) {
			wire_take(&t->wire, t->now);
			if (t->conn->phase > ISCSI_PHASE_FULL) {
				t->refused += t->count - t->gone;
				break;
			}
		}
		deliver_piece(t);
	}
	if (t->record && t->count > 0)
		fwrite(t->bytes, 1, t->count, t->record);
	t->count = t->gone = 0;
	wire_take(&t->wire, t->now);
	carry(t);
	wire_take(&t->wire, t->now);
	while (!t->untracked && t->tracked < t->wire.pdu_count)
		track(t, t->wire.pdus[t->tracked++]);
}

void pass(struct transcript *t, uint64_t milliseconds)
{
	uint64_t until = t->now + milliseconds;

	deliver(t);
	while (iscsi_conn_deadline(t->conn) <= until) {
		if (t->now < iscsi_conn_deadline(t->conn))
			t->now = iscsi_conn_deadline(t->conn);
		iscsi_conn_tick(t->conn, t->now);
		deliver(t);
	}
	t->now = until;
	deliver(t);
}

const struct wire_pdu *expect(struct transcript *t, uint8_t opcode)
{
	deliver(t);
	if (t->wire.taken == t->wire.pdu_count)
		ck_abort_msg(
			"expected PDU 0x%02x, nothing came (phase %d)", opcode, t->conn->phase);
	const struct wire_pdu *pdu = t->wire.pdus[t->wire.taken++];
	ck_assert_msg(pdu->opcode == opcode, "expected PDU 0x%02x, got 0x%02x (byte 2: 0x%02x)",
		opcode, pdu->opcode, pdu->bhs[2]);
	return pdu;
}

void expect_nothing(struct transcript *t)
{
	deliver(t);
	if (t->wire.taken < t->wire.pdu_count)
		ck_abort_msg(
			"expected nothing, got PDU 0x%02x", t->wire.pdus[t->wire.taken]->opcode);
}

const struct wire_pdu *expect_good(struct transcript *t, uint32_t itt)
{
	const struct wire_pdu *pdu = expect(t, OP_SCSI_RESPONSE);

	ck_assert_uint_eq(pdu->itt, itt);
	ck_assert_uint_eq(pdu->bhs[3], SCSI_GOOD);
	return pdu;
}

void expect_read(struct transcript *t, uint32_t itt, uint32_t lba, uint32_t length)
{
	uint32_t offset = 0;
	const struct wire_pdu *pdu;

	do {
		pdu = expect(t, OP_DATA_IN);
		ck_assert_uint_eq(pdu->itt, itt);
		const uint8_t *place = the_double.disk + (size_t)lba * DOUBLE_BLOCK + offset;
		ck_assert_int_eq(memcmp(pdu->data, place, pdu->length), 0);
		offset += pdu->length;
	} while (!(pdu->bhs[BHS_FLAGS] & DATA_IN_STATUS));
	ck_assert_uint_eq(offset, length);
}

const struct wire_pdu *expect_sense(struct transcript *t, uint32_t itt, uint32_t sense)
{
	const struct wire_pdu *pdu = expect(t, OP_SCSI_RESPONSE);

	ck_assert_uint_eq(pdu->itt, itt);
	ck_assert_uint_eq(pdu->bhs[3], SCSI_CHECK_CONDITION);
	ck_assert_uint_eq(
		SCSI_SENSE(pdu->data[2 + 2] & 0x0f, pdu->data[2 + 12], pdu->data[2 + 13]), sense);
	return pdu;
}

void expect_reject(struct transcript *t, uint8_t reason)
{
	ck_assert_uint_eq(expect(t, OP_REJECT)->bhs[2], reason);
}

void expect_tmf(struct transcript *t, uint32_t itt, uint8_t response)
{
	const struct wire_pdu *pdu = expect(t, OP_TASK_MANAGEMENT_RESPONSE);

	ck_assert_uint_eq(pdu->itt, itt);
	ck_assert_uint_eq(pdu->bhs[2], response);
}

void expect_finished(struct transcript *t, bool async)
{
	if (async)
		expect(t, OP_ASYNC_MESSAGE);
	expect_nothing(t);
	ck_assert_int_eq(t->conn->phase, ISCSI_PHASE_FINISHED);
}

bool has_event(const struct transcript *t, enum iscsi_event_kind kind, const char *text)
{
	for (unsigned i = 0; i < t->event_count; i++)
		if (t->events[i].kind == kind && (!text || strstr(t->events[i].text, text)))
			return true;
	return false;
}

void must_leave(const struct wire_pdu *pdu, char flag, uint32_t count)
{
	uint8_t flags = flag == 'O' ? RESPONSE_OVERFLOW : flag == 'U' ? RESPONSE_UNDERFLOW : 0;

	ck_assert_uint_eq(pdu->bhs[BHS_FLAGS] & (RESPONSE_OVERFLOW | RESPONSE_UNDERFLOW), flags);
	ck_assert_uint_eq(get_be32(pdu->bhs + BHS_RESIDUAL), count);
}
