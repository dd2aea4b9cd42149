/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Text Requests in full feature phase: SendTargets and the few keys that may still change (RFC 7143
 * sections 6.4, 11.10, 11.11, appendix C). A negotiation that takes more than one request has a
 * struct iscsi_text, known to the initiator by its Target Transfer Tag; all others leave nothing behind.
 */
#include "proto/iscsi/connection.h"
#include "proto/iscsi/keys.h"

#include <stdlib.h>
#include <string.h>

#define CONTINUE 0x40

#define PIECE_MAX  8192u      /* bytes of text per PDU: more is too much for Linux (LNX-04) */
#define ANSWER_MAX (1u << 20) /* bytes of one whole answer */

struct iscsi_text {
	uint32_t itt;
	uint32_t ttt;
	struct key_negotiation negotiation;
	struct text_buffer request; /* a text that comes in pieces */
	struct text_buffer answer;
	size_t sent;    /* bytes of `answer` that are out */
	bool answering; /* the request is complete, `answer` is what we say to it */
};

void text_free(struct iscsi_text *text)
{
	if (!text)
		return;
	text_clear(&text->request);
	text_clear(&text->answer);
	free(text);
}

/* Ends the negotiation, if one is open. */
static void forget(struct iscsi_conn *conn)
{
	text_free(conn->text);
	conn->text = NULL;
}

static struct iscsi_text *text_new(const struct iscsi_conn *conn, uint32_t itt)
{
	struct iscsi_text *text = calloc(1, sizeof(*text));

	if (!text)
		return NULL;
	text->itt = itt;
	/* Different from the tags of the negotiations before it, and never the reserved one. */
	text->ttt = conn->stat_sn == RESERVED_TAG ? 0 : conn->stat_sn;
	text->negotiation.discovery = conn->identity.discovery;
	text->negotiation.parameters = conn->parameters;
	text->request.limit = TEXT_LIMIT;
	text->answer.limit = ANSWER_MAX;
	return text;
}

/* --- SendTargets, appendix C --- */

struct listing {
	struct text_buffer *answer;
	char last[ISCSI_NAME_MAX + 1]; /* the target whose addresses are being listed */
};

static void list_address(void *context, const char *target, const char *address)
{
	struct listing *listing = context;
	size_t length = strnlen(target, ISCSI_NAME_MAX);

	if (strcmp(listing->last, target) != 0) {
		text_put_string(listing->answer, "TargetName", target);
		memcpy(listing->last, target, length);
		listing->last[length] = '\0';
	}
	text_put_string(listing->answer, "TargetAddress", address);
}

/*
 * What a SendTargets value asks for: the name of one target in `name`, "" for all, or false for
 * nothing that this session may know. `*refused`: what a normal session must not even ask.
 */
static bool wanted(const struct iscsi_conn *conn, struct text_view value,
	char name[ISCSI_NAME_MAX + 1], bool *refused)
{
	const struct iscsi_identity *identity = &conn->identity;

	*refused = false;
	name[0] = '\0';
	if (text_is(value, "All")) {
		*refused = !identity->discovery;
		return identity->discovery;
	}
	if (!value.length) {
		memcpy(name, identity->target, sizeof(identity->target));
		return name[0] != '\0';
	}
	if (value.length > ISCSI_NAME_MAX || memchr(value.at, '\0', value.length))
		return false;
	for (size_t i = 0; i < value.length; i++) {
		char c = value.at[i];

		name[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
	}
	name[value.length] = '\0';
	return identity->discovery || strcmp(name, identity->target) == 0;
}

static void send_targets(
	struct iscsi_conn *conn, struct text_view value, struct text_buffer *answer)
{
	struct listing listing = { .answer = answer };
	char name[ISCSI_NAME_MAX + 1];
	bool refused;

	if (wanted(conn, value, name, &refused))
		conn->worker->host->discover(
			conn->owner, name[0] ? name : NULL, list_address, &listing);
	else if (refused)
		text_put_string(answer, key_name(KEY_SEND_TARGETS), "Reject");
}

/* --- requests and responses --- */

/* Sends the next piece of the answer, or an empty response while the request is incomplete. */
static void respond(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now)
{
	struct iscsi_text *text = conn->text;
	uint8_t bhs[BHS_SIZE] = { [0] = OP_TEXT_RESPONSE };
	uint32_t most = conn->parameters.initiator_max_recv;
	bool cut = false;
	size_t length = 0;

	if (text->answering)
		length = text_piece(
			&text->answer, text->sent, most < PIECE_MAX ? most : PIECE_MAX, &cut);
	bool last = text->answering && text->sent + length == text->answer.length;
	/* Section 11.11.1: we may end it only when the initiator wants to. */
	bool final = last && (pdu->flags & FINAL);
	bhs[BHS_FLAGS] = (uint8_t)((final ? FINAL : 0) | (cut ? CONTINUE : 0));
	put_be64(bhs + BHS_LUN, pdu->lun);
	put_be32(bhs + BHS_ITT, pdu->itt);
	put_be32(bhs + BHS_TTT, final ? RESERVED_TAG : text->ttt);
	conn_stamp(conn, bhs, true);
	const char *data = length ? text->answer.bytes + text->sent : NULL;
	text->sent += length;
	if (conn_send(conn, bhs, data, (uint32_t)length, now))
		return;
	if (!final)
		return;
	/* Section 6.4: results become effective at the end. */
	conn->parameters = text->negotiation.parameters;
	forget(conn);
}

/* Rejects a request and forgets its negotiation (section 6.4). */
static void reject(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, enum iscsi_reject reason,
	uint64_t now)
{
	forget(conn);
	conn_reject(conn, pdu, reason, now);
}

/* A complete text: fills in the answer. 0, or the reason to reject it. */
static int process(struct iscsi_conn *conn, struct text_view view)
{
	struct iscsi_text *text = conn->text;
	struct key_batch batch;

	if (keys_read(&text->negotiation, KEY_STAGE_FULL, view, &batch, &text->answer) != KEYS_FINE)
		return REJECT_PROTOCOL;
	keys_answer(&text->negotiation, &batch, &text->answer);
	if (key_present(&batch, KEY_SEND_TARGETS)) {
		/* Appendix C: alone in its request, and nothing else in the answer. */
		if (text->negotiation.seen != UINT64_C(1) << KEY_SEND_TARGETS ||
			text->answer.length)
			return REJECT_PROTOCOL;
		send_targets(conn, batch.value[KEY_SEND_TARGETS], &text->answer);
	}
	if (text->answer.failed)
		return REJECT_OUT_OF_RESOURCES;
	text->answering = true;
	return 0;
}

/* The text of a request that belongs to the open negotiation. 0, or the reason to reject it. */
static int take_text(struct iscsi_conn *conn, const struct iscsi_pdu *pdu)
{
	struct iscsi_text *text = conn->text;
	struct text_view view = { .at = (const char *)pdu->data, .length = pdu->data_length };
	bool more = pdu->flags & CONTINUE;

	if (text->answering && text->sent < text->answer.length)
		return view.length || more ? REJECT_PROTOCOL : 0;
	/* All is said: what comes now is the next round of the same negotiation. */
	text->answering = false;
	text_clear(&text->answer);
	text->sent = 0;
	if ((more || text->request.length) && text_append(&text->request, view.at, view.length))
		return REJECT_OUT_OF_RESOURCES;
	if (more)
		return 0;
	if (text->request.length)
		view = text_view_of(&text->request);
	int reason = process(conn, view);
	text_clear(&text->request);
	return reason;
}

void text_receive(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now)
{
	uint32_t ttt = get_be32(pdu->bhs + BHS_TTT);
	bool ours = conn->text && conn->text->itt == pdu->itt;

	if (ttt != RESERVED_TAG && (!ours || conn->text->ttt != ttt)) {
		/* A tag of nothing, or of something else: an open negotiation is not touched by it. */
		conn_reject(conn, pdu, REJECT_INVALID_FIELD, now);
		return;
	}
	if (conn->text && !ours) {
		/* Section 6.2: one at a time. */
		conn_reject(conn, pdu, REJECT_PROTOCOL, now);
		return;
	}
	if (pdu->itt == RESERVED_TAG || pdu->ahs_length ||
		(pdu->flags & CONTINUE && pdu->flags & FINAL)) {
		reject(conn, pdu, REJECT_PROTOCOL, now);
		return;
	}
	if (ttt == RESERVED_TAG) {
		forget(conn); /* section 11.10.4: begin anew */
		conn->text = text_new(conn, pdu->itt);
		if (!conn->text) {
			reject(conn, pdu, REJECT_OUT_OF_RESOURCES, now);
			return;
		}
	}
	int reason = take_text(conn, pdu);
	if (reason)
		reject(conn, pdu, (enum iscsi_reject)reason, now);
	else
		respond(conn, pdu, now);
}
