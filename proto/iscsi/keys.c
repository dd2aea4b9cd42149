/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The table of text keys and its interpreter: RFC 7143 sections 6.2, 12 and 13, RFC 7144 section
 * 7.1.1 (iSCSIProtocolLevel), RFC 7145 section 6.3 (RDMAExtensions).
 */
#include "proto/iscsi/keys.h"

#include <string.h>

#define SEGMENT_MIN     512u
#define SEGMENT_MAX     16777215u
#define SEGMENT_DEFAULT 8192u
#define TIME_MAX        3600u
#define NAME_MAX_BYTES  223u
/* CHAP_C and CHAP_R: what 1,024 bytes need as hexadecimal digits, the longer encoding, and more. */
#define BINARY_TEXT_MAX 4096u
#define LIST_MAX        TEXT_LIMIT

/* How a key's value is treated. */
enum key_kind {
	KIND_DECLARED, /* kept in the batch for its reader; `high` = most bytes of its value */
	KIND_SIZE,     /* a declared number, kept if it is in range and ignored if not */
	KIND_NUMBER,
	KIND_BOOLEAN,
	KIND_LIST,    /* of at most two values; the result tells whether it is the second */
	KIND_REFUSED, /* always answered "Reject" */
};

/* Result functions, section 13. */
enum key_function { NO_FUNCTION, MINIMUM, MAXIMUM, AND, OR };

enum key_flag {
	LEADING = 1, /* "use: LO": belongs to the session, cannot change after its first login */
	BY_TARGET =
		2, /* only targets send it; all an initiator can say is that it does not know it */
};

#define NOWHERE SIZE_MAX

struct key {
	const char *name;
	uint8_t stages; /* of enum key_stage */
	uint8_t flags;
	uint8_t kind;
	uint8_t function;
	uint32_t low, high;
	uint32_t initial; /* the default */
	uint32_t ours;    /* what we would choose */
	size_t offset;    /* of the result in struct iscsi_parameters, or NOWHERE */
	size_t cap;       /* of a number there that `ours` must not exceed, or 0 */
	const char *values[2];
	bool (*irrelevant)(const struct key_negotiation *negotiation);
};

static bool on_discovery(const struct key_negotiation *negotiation)
{
	return negotiation->discovery;
}

static bool without_unsolicited(const struct key_negotiation *negotiation)
{
	const struct iscsi_parameters *parameters = &negotiation->parameters;

	return on_discovery(negotiation) ||
	       (parameters->initial_r2t && !parameters->immediate_data);
}

#define SECURITY    KEY_STAGE_SECURITY
#define OPERATIONAL KEY_STAGE_OPERATIONAL
#define FULL        KEY_STAGE_FULL
#define ANY_STAGE   (SECURITY | OPERATIONAL)
#define AT(field)   offsetof(struct iscsi_parameters, field)

#define DECLARED(text, where, who, most)                                                           \
	{                                                                                          \
		.name = (text), .stages = (where), .flags = (who), .kind = KIND_DECLARED,          \
		.high = (most), .offset = NOWHERE                                                  \
	}
#define DIGEST(text, field)                                                                        \
	{                                                                                          \
		.name = (text), .stages = OPERATIONAL, .kind = KIND_LIST,                          \
		.values = { "None", "CRC32C" }, .offset = AT(field)                                \
	}
#define NUMBER(text, result, least, most, usual, own, field, when)                                 \
	{                                                                                          \
		.name = (text), .stages = OPERATIONAL, .flags = LEADING, .kind = KIND_NUMBER,      \
		.function = (result), .low = (least), .high = (most), .initial = (usual),          \
		.ours = (own), .offset = AT(field), .irrelevant = (when)                           \
	}
#define BOOLEAN(text, result, usual, own, where, when)                                             \
	{                                                                                          \
		.name = (text), .stages = OPERATIONAL, .flags = LEADING, .kind = KIND_BOOLEAN,     \
		.function = (result), .high = 1, .initial = (usual), .ours = (own),                \
		.offset = (where), .irrelevant = (when)                                            \
	}
#define REFUSED(text)                                                                              \
	{                                                                                          \
		.name = (text), .stages = OPERATIONAL, .kind = KIND_REFUSED, .offset = NOWHERE     \
	}

/* clang-format off */
static const struct key keys[KEY_COUNT] = {
	/* Any stage. Aliases may also be declared later (section 13.6-7). */
	[KEY_INITIATOR_NAME] = DECLARED("InitiatorName", ANY_STAGE, 0, NAME_MAX_BYTES),
	[KEY_TARGET_NAME] = DECLARED("TargetName", ANY_STAGE, 0, NAME_MAX_BYTES),
	[KEY_SESSION_TYPE] = DECLARED("SessionType", ANY_STAGE, 0, TEXT_VALUE_MAX),
	[KEY_INITIATOR_ALIAS] = DECLARED("InitiatorAlias", ANY_STAGE | FULL, 0, TEXT_VALUE_MAX),
	[KEY_TARGET_ALIAS] = DECLARED("TargetAlias", ANY_STAGE | FULL, BY_TARGET, TEXT_VALUE_MAX),
	[KEY_TARGET_ADDRESS] = DECLARED("TargetAddress", ANY_STAGE | FULL, BY_TARGET, TEXT_VALUE_MAX),
	[KEY_TARGET_PORTAL_GROUP_TAG] = DECLARED("TargetPortalGroupTag", ANY_STAGE, BY_TARGET, TEXT_VALUE_MAX),

	/* Security stage, section 12; security.c reads them. */
	[KEY_AUTH_METHOD] = DECLARED("AuthMethod", SECURITY, 0, LIST_MAX),
	[KEY_CHAP_A] = DECLARED("CHAP_A", SECURITY, 0, LIST_MAX),
	[KEY_CHAP_I] = DECLARED("CHAP_I", SECURITY, 0, TEXT_VALUE_MAX),
	[KEY_CHAP_C] = DECLARED("CHAP_C", SECURITY, 0, BINARY_TEXT_MAX),
	[KEY_CHAP_N] = DECLARED("CHAP_N", SECURITY, 0, TEXT_VALUE_MAX),
	[KEY_CHAP_R] = DECLARED("CHAP_R", SECURITY, 0, BINARY_TEXT_MAX),

	/* Operational stage, section 13. */
	[KEY_HEADER_DIGEST] = DIGEST("HeaderDigest", header_digest),
	[KEY_DATA_DIGEST] = DIGEST("DataDigest", data_digest),
	[KEY_MAX_CONNECTIONS] = NUMBER("MaxConnections", MINIMUM, 1, 65535, 1, 1, max_connections, on_discovery),
	[KEY_INITIAL_R2T] = BOOLEAN("InitialR2T", OR, true, false, AT(initial_r2t), on_discovery),
	[KEY_IMMEDIATE_DATA] = BOOLEAN("ImmediateData", AND, true, true, AT(immediate_data), on_discovery),
	[KEY_MAX_RECV_DATA_SEGMENT_LENGTH] = {
		.name = "MaxRecvDataSegmentLength", .stages = OPERATIONAL | FULL, .kind = KIND_SIZE,
		.low = SEGMENT_MIN, .high = SEGMENT_MAX, .initial = SEGMENT_DEFAULT,
		.offset = AT(initiator_max_recv) },
	[KEY_MAX_BURST_LENGTH] = NUMBER("MaxBurstLength", MINIMUM, SEGMENT_MIN, SEGMENT_MAX,
		262144, TARGET_MAX_BURST, max_burst_length, on_discovery),
	[KEY_FIRST_BURST_LENGTH] = {
		.name = "FirstBurstLength", .stages = OPERATIONAL, .flags = LEADING,
		.kind = KIND_NUMBER, .function = MINIMUM, .low = SEGMENT_MIN, .high = SEGMENT_MAX,
		.initial = 65536, .ours = TARGET_FIRST_BURST, .offset = AT(first_burst_length),
		.cap = AT(max_burst_length), .irrelevant = without_unsolicited },
	[KEY_DEFAULT_TIME2WAIT] = NUMBER("DefaultTime2Wait", MAXIMUM, 0, TIME_MAX, 2, 0, default_time2wait, NULL),
	[KEY_DEFAULT_TIME2RETAIN] = NUMBER("DefaultTime2Retain", MINIMUM, 0, TIME_MAX, 20, 0, default_time2retain, NULL),
	[KEY_MAX_OUTSTANDING_R2T] = NUMBER("MaxOutstandingR2T", MINIMUM, 1, 65535,
		1, TARGET_MAX_OUTSTANDING_R2T, max_outstanding_r2t, on_discovery),
	[KEY_DATA_PDU_IN_ORDER] = BOOLEAN("DataPDUInOrder", OR, true, true, AT(data_pdu_in_order), on_discovery),
	[KEY_DATA_SEQUENCE_IN_ORDER] = BOOLEAN("DataSequenceInOrder", OR, true, true, AT(data_sequence_in_order), on_discovery),
	[KEY_ERROR_RECOVERY_LEVEL] = NUMBER("ErrorRecoveryLevel", MINIMUM, 0, 2, 0, 0, error_recovery_level, NULL),
	[KEY_TASK_REPORTING] = {
		.name = "TaskReporting", .stages = OPERATIONAL, .flags = LEADING, .kind = KIND_LIST,
		.values = { "RFC3720" }, .offset = NOWHERE, .irrelevant = on_discovery },
	[KEY_PROTOCOL_LEVEL] = NUMBER("iSCSIProtocolLevel", MINIMUM, 0, 31, 1, 1, protocol_level, on_discovery),
	[KEY_RDMA_EXTENSIONS] = BOOLEAN("RDMAExtensions", AND, false, false, NOWHERE, on_discovery),
	/* Obsolete, section 13.25: "No" is what the initiators that still ask expect to hear. */
	[KEY_IF_MARKER] = BOOLEAN("IFMarker", AND, false, false, NOWHERE, NULL),
	[KEY_OF_MARKER] = BOOLEAN("OFMarker", AND, false, false, NOWHERE, NULL),
	[KEY_IF_MARK_INT] = REFUSED("IFMarkInt"),
	[KEY_OF_MARK_INT] = REFUSED("OFMarkInt"),
	[KEY_NODE_ARCHITECTURE] = DECLARED("X#NodeArchitecture", OPERATIONAL, LEADING, TEXT_VALUE_MAX),
	[KEY_SEND_TARGETS] = DECLARED("SendTargets", FULL, 0, TEXT_VALUE_MAX),

	/* Known, so never NotUnderstood (section 6.2), but their methods are never chosen: no stage has them. */
	[KEY_FOREIGN + 0] = DECLARED("KRB_AP_REQ", 0, 0, 0),
	[KEY_FOREIGN + 1] = DECLARED("KRB_AP_REP", 0, 0, 0),
	[KEY_FOREIGN + 2] = DECLARED("SRP_U", 0, 0, 0),
	[KEY_FOREIGN + 3] = DECLARED("SRP_GROUP", 0, 0, 0),
	[KEY_FOREIGN + 4] = DECLARED("SRP_A", 0, 0, 0),
	[KEY_FOREIGN + 5] = DECLARED("SRP_B", 0, 0, 0),
	[KEY_FOREIGN + 6] = DECLARED("SRP_M", 0, 0, 0),
	[KEY_FOREIGN + 7] = DECLARED("SRP_HM", 0, 0, 0),
	[KEY_FOREIGN + 8] = DECLARED("SRP_s", 0, 0, 0),
	[KEY_FOREIGN + 9] = DECLARED("SRP_N", 0, 0, 0),
	[KEY_FOREIGN + 10] = DECLARED("SRP_g", 0, 0, 0),
	[KEY_FOREIGN + 11] = DECLARED("TargetAuth", 0, 0, 0),
};
/* clang-format on */

_Static_assert(KEY_COUNT <= 64, "a negotiation remembers its keys in 64 bits");

const char *key_name(enum key_id key)
{
	return keys[key].name;
}

const char *key_fault_text(enum key_fault fault)
{
	static const char *const phrases[] = {
		[KEYS_FINE] = "fine",
		[KEYS_MALFORMED] = "malformed text",
		[KEYS_TOO_LONG] = "a value that is too long",
		[KEYS_MISPLACED] = "a key in the wrong stage",
		[KEYS_REPEATED] = "a key sent twice",
		[KEYS_RESERVED] = "a reserved word as a value",
	};
	return phrases[fault];
}

/* --- results --- */

static uint32_t get(const struct iscsi_parameters *parameters, size_t offset)
{
	uint32_t value;

	memcpy(&value, (const uint8_t *)parameters + offset, sizeof(value));
	return value;
}

static void put(struct iscsi_parameters *parameters, const struct key *key, uint32_t value)
{
	if (key->offset == NOWHERE)
		return;
	uint8_t *at = (uint8_t *)parameters + key->offset;
	bool flag = value != 0;
	if (key->kind == KIND_BOOLEAN || key->kind == KIND_LIST)
		memcpy(at, &flag, sizeof(flag));
	else
		memcpy(at, &value, sizeof(value));
}

void iscsi_parameters_default(struct iscsi_parameters *parameters)
{
	memset(parameters, 0, sizeof(*parameters));
	for (size_t i = 0; i < KEY_COUNT; i++)
		put(parameters, &keys[i], keys[i].initial);
	parameters->target_max_recv = SEGMENT_DEFAULT;
}

void keys_resume(struct iscsi_parameters *parameters, const struct iscsi_parameters *session)
{
	struct iscsi_parameters whole = *session;

	whole.header_digest = parameters->header_digest;
	whole.data_digest = parameters->data_digest;
	whole.initiator_max_recv = parameters->initiator_max_recv;
	whole.target_max_recv = parameters->target_max_recv;
	*parameters = whole;
}

/* --- reading --- */

static int find(struct text_view name)
{
	for (int i = 0; i < KEY_COUNT; i++)
		if (text_is(name, keys[i].name))
			return i;
	return -1;
}

static bool is_answer(struct text_view value)
{
	return text_is(value, "Reject") || text_is(value, "Irrelevant") ||
	       text_is(value, "NotUnderstood");
}

static enum key_fault check(const struct key_negotiation *negotiation, enum key_stage stage, int id,
	struct text_view value)
{
	const struct key *key = &keys[id];

	if (!(key->stages & stage))
		return KEYS_MISPLACED;
	if (negotiation->seen >> id & 1)
		return KEYS_REPEATED;
	if (key->flags & BY_TARGET)
		return text_is(value, "NotUnderstood") ? KEYS_FINE : KEYS_MISPLACED;
	if (is_answer(value))
		return KEYS_RESERVED;
	if (key->kind == KIND_DECLARED && value.length > key->high)
		return KEYS_TOO_LONG;
	return KEYS_FINE;
}

enum key_fault keys_read(struct key_negotiation *negotiation, enum key_stage stage,
	struct text_view text, struct key_batch *batch, struct text_buffer *answer)
{
	struct text_pair pair;
	int step;

	batch->present = 0;
	while ((step = text_next(&text, &pair)) == 1) {
		/* Two names of the table are no valid labels, so it is asked first. */
		int id = find(pair.key);

		if (id >= 0) {
			enum key_fault fault = check(negotiation, stage, id, pair.value);

			if (fault != KEYS_FINE)
				return fault;
			negotiation->seen |= UINT64_C(1) << id;
			batch->present |= UINT64_C(1) << id;
			batch->value[id] = pair.value;
			continue;
		}
		if (!text_label_valid(pair.key))
			return KEYS_MALFORMED;
		if (is_answer(pair.value))
			return KEYS_RESERVED;
		text_append(answer, pair.key.at, pair.key.length);
		text_append(answer, "=NotUnderstood", sizeof("=NotUnderstood"));
	}
	return step < 0 ? KEYS_MALFORMED : KEYS_FINE;
}

void keys_next_stage(struct key_negotiation *negotiation)
{
	for (int i = 0; i < KEY_COUNT; i++)
		if ((keys[i].stages & ANY_STAGE) == ANY_STAGE)
			negotiation->seen &= ~(UINT64_C(1) << i);
}

/* --- answering: each returns the answer's words, and puts the result into *result --- */

#define REJECT "Reject"

static const char *answer_boolean(const struct key *key, struct text_view value, uint32_t *result)
{
	bool yes;

	if (text_boolean(value, &yes))
		return REJECT;
	*result = key->function == AND ? yes && key->ours : yes || key->ours;
	return *result ? "Yes" : "No";
}

static const char *answer_list(const struct key *key, struct text_view value, uint32_t *result)
{
	struct text_view item;

	while (text_list_next(&value, &item))
		for (uint32_t i = 0; i < 2; i++)
			if (key->values[i] && text_is(item, key->values[i])) {
				*result = i;
				return key->values[i];
			}
	return REJECT;
}

/* What may be chosen: between *low and *high after an offer. Returns whether there is anything. */
static bool choices(const struct key *key, struct text_view value, uint64_t *low, uint64_t *high)
{
	struct text_range offer;

	if (text_range(value, &offer))
		return false;
	*low = offer.low;
	*high = offer.high;
	if (offer.single && key->function == MINIMUM)
		*low = key->low;
	if (offer.single && key->function == MAXIMUM)
		*high = key->high;
	if (*low < key->low)
		*low = key->low;
	if (*high > key->high)
		*high = key->high;
	return *low <= *high;
}

/* NULL: a number, in *result. */
static const char *answer_number(const struct key_negotiation *negotiation, const struct key *key,
	struct text_view value, uint32_t *result)
{
	uint64_t low, high;
	uint32_t ours = key->ours;

	if (key->cap && ours > get(&negotiation->parameters, key->cap))
		ours = get(&negotiation->parameters, key->cap);
	if (!choices(key, value, &low, &high))
		return REJECT;
	/* A range can lie wholly on the side of our value that its function forbids. */
	if ((key->function == MINIMUM && low > ours) || (key->function == MAXIMUM && high < ours))
		return REJECT;
	if (ours > high)
		*result = (uint32_t)high;
	else
		*result = ours < low ? (uint32_t)low : ours;
	return NULL;
}

static void keep_size(
	struct key_negotiation *negotiation, const struct key *key, struct text_view value)
{
	uint64_t number;

	/* A declaration gets no answer, so a bad one leaves the value as it was. */
	if (text_number(value, &number) == 0 && number >= key->low && number <= key->high)
		put(&negotiation->parameters, key, (uint32_t)number);
}

/* The words of the answer, NULL for the number in *result; REJECT leaves *result as it is. */
static const char *choose(const struct key_negotiation *negotiation, const struct key *key,
	struct text_view value, uint32_t *result)
{
	if (key->kind == KIND_BOOLEAN)
		return answer_boolean(key, value, result);
	if (key->kind == KIND_LIST)
		return answer_list(key, value, result);
	return answer_number(negotiation, key, value, result);
}

static void answer(struct key_negotiation *negotiation, enum key_id id, struct text_view value,
	struct text_buffer *out)
{
	const struct key *key = &keys[id];
	uint32_t result = 0;

	/* On a later connection of a session its parameters stay what they are (section 13). */
	if (key->kind == KIND_REFUSED || (key->flags & LEADING && !negotiation->leading)) {
		text_put_string(out, key->name, REJECT);
		return;
	}
	if (key->irrelevant && key->irrelevant(negotiation)) {
		text_put_string(out, key->name, "Irrelevant");
		return;
	}
	const char *words = choose(negotiation, key, value, &result);
	if (words)
		text_put_string(out, key->name, words);
	else
		text_put_number(out, key->name, result);
	if (!words || strcmp(words, REJECT) != 0) {
		put(&negotiation->parameters, key, result);
		negotiation->agreed |= UINT64_C(1) << id;
	}
}

void keys_answer(
	struct key_negotiation *negotiation, const struct key_batch *batch, struct text_buffer *out)
{
	for (int i = 0; i < KEY_COUNT; i++) {
		if (!key_present(batch, (enum key_id)i) || keys[i].kind == KIND_DECLARED)
			continue;
		if (keys[i].kind == KIND_SIZE)
			keep_size(negotiation, &keys[i], batch->value[i]);
		else
			answer(negotiation, (enum key_id)i, batch->value[i], out);
	}
}

int keys_conclude(struct key_negotiation *negotiation)
{
	struct iscsi_parameters *parameters = &negotiation->parameters;

	if (parameters->first_burst_length <= parameters->max_burst_length)
		return 0;
	/* Both were agreed on, in separate steps. A default, though, gives way to a smaller burst. */
	if (negotiation->agreed >> KEY_FIRST_BURST_LENGTH & 1 && !without_unsolicited(negotiation))
		return -1;
	parameters->first_burst_length = parameters->max_burst_length;
	return 0;
}
