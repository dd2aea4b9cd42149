/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text keys (RFC 7143 sections 12 and 13, RFC 7144, RFC 7145) and how each is negotiated. One
 * table says who may send a key when, what its value may be, what we answer and where the result
 * goes; this file's functions interpret it. What a declared value means (names, AuthMethod, CHAP's
 * keys, SendTargets) is its reader's business.
 */
#ifndef PORTCULLIS_PROTO_ISCSI_KEYS_H
#define PORTCULLIS_PROTO_ISCSI_KEYS_H

#include "proto/iscsi/parameters.h"
#include "proto/iscsi/text.h"

/* In the order in which they are evaluated and answered: a key comes after those it depends on. */
enum key_id {
	KEY_INITIATOR_NAME,
	KEY_TARGET_NAME,
	KEY_SESSION_TYPE,
	KEY_INITIATOR_ALIAS,
	KEY_TARGET_ALIAS,
	KEY_TARGET_ADDRESS,
	KEY_TARGET_PORTAL_GROUP_TAG,
	KEY_AUTH_METHOD,
	KEY_CHAP_A,
	KEY_CHAP_I,
	KEY_CHAP_C,
	KEY_CHAP_N,
	KEY_CHAP_R,
	KEY_HEADER_DIGEST,
	KEY_DATA_DIGEST,
	KEY_MAX_CONNECTIONS,
	KEY_INITIAL_R2T,
	KEY_IMMEDIATE_DATA,
	KEY_MAX_RECV_DATA_SEGMENT_LENGTH,
	KEY_MAX_BURST_LENGTH,
	KEY_FIRST_BURST_LENGTH,
	KEY_DEFAULT_TIME2WAIT,
	KEY_DEFAULT_TIME2RETAIN,
	KEY_MAX_OUTSTANDING_R2T,
	KEY_DATA_PDU_IN_ORDER,
	KEY_DATA_SEQUENCE_IN_ORDER,
	KEY_ERROR_RECOVERY_LEVEL,
	KEY_TASK_REPORTING,
	KEY_PROTOCOL_LEVEL,
	KEY_RDMA_EXTENSIONS,
	KEY_IF_MARKER,
	KEY_OF_MARKER,
	KEY_IF_MARK_INT,
	KEY_OF_MARK_INT,
	KEY_NODE_ARCHITECTURE,
	KEY_SEND_TARGETS,
	KEY_FOREIGN, /* the first of twelve of authentication methods that we never choose */
	KEY_COUNT = KEY_FOREIGN + 12
};

/* Where a key may appear, section 6.3; a bit set. */
enum key_stage {
	KEY_STAGE_SECURITY = 1,
	KEY_STAGE_OPERATIONAL = 2,
	KEY_STAGE_FULL = 4,
};

/* One negotiation: a whole login, or one text exchange in full feature phase. */
struct key_negotiation {
	uint64_t seen;                      /* a bit for each key that came: none may come twice */
	uint64_t agreed;                    /* likewise for those that have a result */
	bool discovery;                     /* SessionType, to be set before keys_answer() */
	bool leading;                       /* the first connection of a session */
	struct iscsi_parameters parameters; /* the results so far; not yet in force */
};

/* The known keys of one complete text; views into it. */
struct key_batch {
	uint64_t present;
	struct text_view value[KEY_COUNT];
};

static inline bool key_present(const struct key_batch *batch, enum key_id key)
{
	return batch->present >> key & 1;
}

enum key_fault {
	KEYS_FINE,
	KEYS_MALFORMED, /* no key=value, or a name that cannot be one */
	KEYS_TOO_LONG,  /* a value longer than its key allows */
	KEYS_MISPLACED, /* a key of another stage, or of the target's side */
	KEYS_REPEATED,  /* a key that already came in this negotiation */
	KEYS_RESERVED,  /* an answer ("Reject", ...) as a proposed value */
};

/* One phrase for the log. */
const char *key_fault_text(enum key_fault fault);
/* "InitiatorName" and so on. */
const char *key_name(enum key_id key);

/*
 * Reads one complete text of a stage into *batch and answers the unknown keys with NotUnderstood.
 * Anything but KEYS_FINE ends the negotiation; *batch and *answer are then incomplete.
 */
enum key_fault keys_read(struct key_negotiation *negotiation, enum key_stage stage,
	struct text_view text, struct key_batch *batch, struct text_buffer *answer);
/*
 * Negotiates the operational keys of *batch: writes the answers, keeps the results in
 * negotiation->parameters. Values that cannot be accepted are answered "Reject", sections 6.2.1-2.
 */
void keys_answer(struct key_negotiation *negotiation, const struct key_batch *batch,
	struct text_buffer *answer);
/*
 * The operational stage begins: keys that belong to any stage may be repeated there, as libiscsi
 * does with the names. Whether they still say the same is their reader's to judge.
 */
void keys_next_stage(struct key_negotiation *negotiation);
/*
 * The end of a stage: applies the integrity rules (section 13.14) to what has been negotiated.
 * 0, or -1 if the two sides agreed on values that contradict each other.
 */
int keys_conclude(struct key_negotiation *negotiation);

/* Puts the leading-only parameters of a session in place of those in *parameters. */
void keys_resume(struct iscsi_parameters *parameters, const struct iscsi_parameters *session);

#endif
