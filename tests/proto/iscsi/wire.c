/* SPDX-License-Identifier: BSD-2-Clause */
/* The initiator's ear: see the header. */
#include "tests/proto/iscsi/wire.h"

#define FLAG_READ_RESIDUALS 0x18
#define FLAG_RESIDUALS      0x06
#define FLAG_OVERFLOW       0x04
#define FLAG_STATUS         0x01

uint32_t wire_random(uint32_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 17;
	*seed ^= *seed << 5;
	return *seed;
}

void wire_begin(struct wire *wire, struct iscsi_conn *conn, uint32_t seed)
{
	memset(wire, 0, sizeof(*wire));
	wire->conn = conn;
	wire->seed = seed;
}

void wire_end(struct wire *wire)
{
	for (size_t i = 0; i < wire->pdu_count; i++)
		free(wire->pdus[i]->data), free(wire->pdus[i]);
	free(wire->pdus);
	free(wire->bytes);
	memset(wire, 0, sizeof(*wire));
}

/* --- rules --- */

/* Which PDUs consume a StatSN [SEQ-08], [BSD-01]. */
static bool counts(const struct wire_pdu *pdu)
{
	switch (pdu->opcode) {
	case OP_R2T:
		return false;
	case OP_DATA_IN:
		return pdu->bhs[1] & FLAG_STATUS;
	case OP_NOP_IN:
		return pdu->itt != RESERVED_TAG;
	}
	return true;
}

static void check_numbers(struct wire *wire, const struct wire_pdu *pdu)
{
	if (pdu->opcode == OP_LOGIN_RESPONSE && pdu->bhs[36] != 0)
		return; /* numbers mean nothing in a refusal */
	if (wire->numbered) {
		must(pdu->stat_sn == wire->stat_sn);
		must(serial_upto(wire->exp_cmd_sn, pdu->exp_cmd_sn));
		must(serial_upto(wire->max_cmd_sn, pdu->max_cmd_sn)); /* [SEQ-05] */
	}
	must(serial_upto(pdu->exp_cmd_sn - 1, pdu->max_cmd_sn));
	wire->numbered = true;
	wire->stat_sn = pdu->stat_sn + (counts(pdu) ? 1 : 0);
	wire->exp_cmd_sn = pdu->exp_cmd_sn;
	wire->max_cmd_sn = pdu->max_cmd_sn;
}

static void check_response(const struct wire_pdu *pdu)
{
	const uint8_t *bhs = pdu->bhs;

	must(bhs[1] & FINAL);
	must(bhs[2] == 0); /* [RES-08] */
	if (bhs[3] == 0x02) {
		must(pdu->length > 2);
		must(get_be16(pdu->data) > 0 && pdu->length >= 2u + get_be16(pdu->data));
	} else {
		must(pdu->length == 0);
	}
	must((bhs[1] & FLAG_RESIDUALS) != FLAG_RESIDUALS);
	must(!(bhs[1] & FLAG_RESIDUALS) == (get_be32(bhs + 44) == 0)); /* [RES-04] */
	must(!(bhs[1] & FLAG_READ_RESIDUALS) == (get_be32(bhs + 40) == 0));
}

static void check_data_in(const struct wire_pdu *pdu)
{
	const uint8_t *bhs = pdu->bhs;

	must(pdu->length > 0);
	must(pdu->ttt == RESERVED_TAG);
	must(!(bhs[1] & 0x40)); /* [DATA-11] */
	if (bhs[1] & FLAG_STATUS) {
		must(bhs[1] & FINAL);
		must(bhs[3] == 0);
		must((bhs[1] & FLAG_RESIDUALS) != FLAG_RESIDUALS);
		must(!(bhs[1] & FLAG_RESIDUALS) == (get_be32(bhs + 44) == 0));
	} else {
		must(!(bhs[1] & FLAG_RESIDUALS) && bhs[3] == 0);
	}
}

/* PDUs that no task of the initiator asked for. */
static void check_unasked(const struct wire_pdu *pdu)
{
	const uint8_t *bhs = pdu->bhs;

	must(pdu->itt == RESERVED_TAG && bhs[1] == FINAL); /* [ASY-01] */
	if (pdu->opcode == OP_ASYNC_MESSAGE) {
		must(pdu->length == 0 && (bhs[36] == 1 || bhs[36] == 3));    /* [ASY-05] [ASY-06] */
		must(get_be64(bhs + 40) == (bhs[36] == 1 ? 5ull << 32 : 0)); /* [ASY-03] [ASY-04] */
	} else {
		must(pdu->length >= BHS_SIZE && pdu->length <= 8192);
		must(bhs[2] >= 0x02 && bhs[2] <= 0x0c && bhs[2] != 0x0b); /* [ERR-05] */
	}
}

/* What each kind of PDU may look like [LNX-04]. */
static void check_form(const struct wire_pdu *pdu)
{
	const uint8_t *bhs = pdu->bhs;

	must(bhs[4] == 0); /* [LIBI-01] */
	must(!(bhs[0] & 0xc0));
	switch (pdu->opcode) {
	case OP_LOGIN_RESPONSE:
	case OP_TEXT_RESPONSE:
		must(pdu->length <= 8192);
		break;
	case OP_SCSI_RESPONSE:
		check_response(pdu);
		break;
	case OP_DATA_IN:
		check_data_in(pdu);
		break;
	case OP_R2T:
		must(pdu->length == 0 && pdu->ttt != RESERVED_TAG && get_be32(bhs + 44) > 0);
		break;
	case OP_NOP_IN:
		must(pdu->ttt == RESERVED_TAG || pdu->itt == RESERVED_TAG);
		must(pdu->itt != RESERVED_TAG || pdu->length == 0);
		break;
	case OP_TASK_MANAGEMENT_RESPONSE:
	case OP_LOGOUT_RESPONSE:
		must(pdu->length == 0 && (bhs[1] & FINAL));
		break;
	case OP_ASYNC_MESSAGE:
	case OP_REJECT:
		check_unasked(pdu);
		break;
	default:
		must(!"a PDU that only an initiator sends");
	}
}

static void judge(struct wire *wire, const struct wire_pdu *pdu)
{
	must(!wire->last_word);
	check_form(pdu);
	if (wire->in_full)
		must(pdu->length <= wire->conn->parameters.initiator_max_recv);
	check_numbers(wire, pdu);
	if ((pdu->opcode == OP_ASYNC_MESSAGE && pdu->bhs[36] == 3) ||
		(pdu->opcode == OP_LOGOUT_RESPONSE && pdu->bhs[2] == 0))
		wire->last_word = true;
	if (pdu->opcode == OP_LOGIN_RESPONSE && (pdu->bhs[1] & 0x83) == 0x83)
		wire->in_full = true;
}

/* --- cutting --- */

static void check_digest(const uint8_t *bytes, size_t length)
{
	uint8_t digest[DIGEST_SIZE];

	digest_finish(digest_update(DIGEST_START, bytes, length), digest);
	must(memcmp(digest, bytes + length, DIGEST_SIZE) == 0);
}

/* Cuts one PDU off the front; 0 if it is not whole. */
static size_t cut(struct wire *wire)
{
	const struct iscsi_parameters *parameters = &wire->conn->parameters;
	size_t header = wire->in_full && parameters->header_digest ? DIGEST_SIZE : 0;
	const uint8_t *bytes = wire->bytes;

	if (wire->count < BHS_SIZE + header)
		return 0;
	uint32_t length = get_be24(bytes + BHS_DATA_LENGTH);
	size_t padded = (length + 3) & ~3u;
	size_t digest = wire->in_full && parameters->data_digest && length > 0 ? DIGEST_SIZE : 0;
	size_t whole = BHS_SIZE + header + padded + digest;
	if (wire->count < whole)
		return 0;
	if (header)
		check_digest(bytes, BHS_SIZE);
	bytes += BHS_SIZE + header;
	if (digest)
		check_digest(bytes, padded);
	for (size_t i = length; i < padded; i++)
		must(bytes[i] == 0);

	wire->pdus = realloc(wire->pdus, (wire->pdu_count + 1) * sizeof(*wire->pdus));
	must(wire->pdus);
	struct wire_pdu *pdu = wire->pdus[wire->pdu_count++] = calloc(1, sizeof(*pdu));
	must(pdu);
	memcpy(pdu->bhs, wire->bytes, BHS_SIZE);
	pdu->opcode = pdu->bhs[0] & OPCODE_MASK;
	pdu->itt = get_be32(pdu->bhs + BHS_ITT);
	pdu->ttt = get_be32(pdu->bhs + BHS_TTT);
	pdu->stat_sn = get_be32(pdu->bhs + BHS_STAT_SN);
	pdu->exp_cmd_sn = get_be32(pdu->bhs + BHS_EXP_CMD_SN);
	pdu->max_cmd_sn = get_be32(pdu->bhs + BHS_MAX_CMD_SN);
	pdu->length = length;
	pdu->data = malloc(length + 1);
	must(pdu->data);
	memcpy(pdu->data, bytes, length);
	judge(wire, pdu);
	return whole;
}

void wire_take(struct wire *wire, uint64_t now)
{
	struct iovec vectors[7];
	int count;

	while ((count = iscsi_conn_output(wire->conn, vectors,
			wire->seed ? 1 + (int)(wire_random(&wire->seed) % 7) : 7)) > 0) {
		size_t most = wire->seed && wire_random(&wire->seed) % 2
				      ? 1 + wire_random(&wire->seed) %
							(wire->conn->parameters.initiator_max_recv /
								5)
				      : SIZE_MAX;
		size_t sent = 0;
		for (int i = 0; i < count && sent < most; i++) {
			size_t piece = vectors[i].iov_len < most - sent ? vectors[i].iov_len
									: most - sent;
			must(piece > 0);
			if (wire->count + piece > wire->capacity) {
				wire->capacity = 2 * (wire->count + piece);
				wire->bytes = realloc(wire->bytes, wire->capacity);
				must(wire->bytes);
			}
			memcpy(wire->bytes + wire->count, vectors[i].iov_base, piece);
			wire->count += piece;
			sent += piece;
		}
		iscsi_conn_sent(wire->conn, sent, now);
		for (size_t whole; (whole = cut(wire)) > 0;) {
			wire->count -= whole;
			memmove(wire->bytes, wire->bytes + whole, wire->count);
		}
	}
	if (wire->conn->phase != ISCSI_PHASE_RESET)
		must(wire->count == 0);
}
