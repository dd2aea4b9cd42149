/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The login phase, target side: RFC 7143 sections 4.2.4, 6.3, 11.12 and 11.13. A request passes its
 * header checks, its text is collected until complete, the table of steps says what the text may
 * bring in the state the login is in, and the answer leaves in one place. Nothing is looked up or
 * ended on behalf of the initiator before it is authenticated; that is the host's login_admit.
 */
#include "proto/iscsi/login.h"

#include "proto/iscsi/security.h"

#include <stdlib.h>
#include <string.h>

#define TRANSIT    0x80
#define CONTINUE   0x40
#define CSG_SHIFT  2
#define STAGE_MASK 3u

#define STAGE_SECURITY    0u
#define STAGE_OPERATIONAL 1u
#define STAGE_FULL        3u

#define BHS_VERSION_MIN 3
#define BHS_ISID        8
#define BHS_TSIH        14
#define BHS_CID         20
#define BHS_STATUS      36
#define ISID_SIZE       6u

struct iscsi_login *login_new(void)
{
	struct iscsi_login *login = calloc(1, sizeof(*login));

	if (!login)
		return NULL;
	login->text.limit = TEXT_LIMIT;
	login->answer.limit = TEXT_LIMIT;
	return login;
}

void login_free(struct iscsi_login *login)
{
	if (!login)
		return;
	text_clear(&login->text);
	text_clear(&login->answer);
	free(login);
}

enum login_state login_refuse(struct iscsi_login *login, unsigned status, const char *why)
{
	text_clear(&login->answer);
	login->sent = 0;
	login->status = status;
	login->why = why;
	return LOGIN_REFUSED;
}

/* --- sending --- */

/*
 * The one place that sends a Login Response: `length` bytes of the answer from where the last
 * one ended. 0, or -1 when the connection is lost for want of memory.
 */
static int send_response(struct iscsi_conn *conn, uint8_t flags, unsigned status, uint16_t tsih,
	size_t length, uint64_t now)
{
	struct iscsi_login *login = conn->login;
	uint8_t bhs[BHS_SIZE] = { [0] = OP_LOGIN_RESPONSE, [BHS_FLAGS] = flags };
	const char *data = length ? login->answer.bytes + login->sent : NULL;

	memcpy(bhs + BHS_ISID, conn->identity.isid, ISID_SIZE);
	put_be16(bhs + BHS_TSIH, tsih);
	put_be32(bhs + BHS_ITT, login->itt);
	put_be16(bhs + BHS_STATUS, (uint16_t)status);
	conn_stamp(conn, bhs, true);
	login->sent += length;
	return conn_send(conn, bhs, data, (uint32_t)length, now);
}

/* Carries out what login_refuse() has decided: section 6.3.1, the response and then the end. */
static void end_refused(struct iscsi_conn *conn, uint64_t now)
{
	struct iscsi_login *login = conn->login;

	conn_event(conn, ISCSI_EVENT_LOGIN_REFUSED, login->status, login->why);
	if (login->status != LOGIN_SILENCE &&
		send_response(
			conn, 0, login->status, conn->identity.tsih, login->answer.length, now))
		return;
	conn_enter(conn, ISCSI_PHASE_FINISHED, now);
}

static void refuse(struct iscsi_conn *conn, unsigned status, const char *why, uint64_t now)
{
	conn->login->state = login_refuse(conn->login, status, why);
	end_refused(conn, now);
}

/* --- the end of a login --- */

/* For the log, by the status that the host has given. */
static const char *why_not_admitted(unsigned status)
{
	switch (status) {
	case LOGIN_NO_SESSION:
		return "there is no session of that TSIH";
	case LOGIN_UNAVAILABLE:
		return "commands of an earlier session have not ended";
	default:
		return "not admitted";
	}
}

void login_admitted(struct iscsi_conn *conn, enum iscsi_admission answer,
	const struct iscsi_grant *grant, uint64_t now)
{
	struct iscsi_login *login = conn->login;

	if (conn->phase != ISCSI_PHASE_ADMISSION || answer == ISCSI_WAIT)
		return;
	if (answer == ISCSI_STALE) {
		refuse(conn, LOGIN_SILENCE, "the credentials have changed", now);
		return;
	}
	if (answer == ISCSI_REFUSED) {
		unsigned status = (unsigned)grant->status.class << 8 | grant->status.detail;

		refuse(conn, status ? status : LOGIN_TARGET_ERROR, why_not_admitted(status), now);
		return;
	}
	conn->grant = *grant;
	conn->grant.resume = NULL;
	if (grant->resume) {
		conn->exp_cmd_sn = grant->resume->exp_cmd_sn;
		conn->max_cmd_sn = grant->resume->max_cmd_sn;
		keys_resume(&conn->parameters, &grant->resume->parameters);
	}
	uint8_t flags = (uint8_t)(TRANSIT | login->stage << CSG_SHIFT | STAGE_FULL);
	if (send_response(conn, flags, 0, grant->tsih, login->answer.length - login->sent, now))
		return;
	conn->logged_in_at = now;
	conn_enter(conn, ISCSI_PHASE_FULL, now);
	conn_event(conn, ISCSI_EVENT_LOGGED_IN, 0, NULL);
	full_begin(conn, now);
}

static void ask_admission(struct iscsi_conn *conn, uint64_t now)
{
	struct iscsi_login *login = conn->login;
	struct iscsi_grant grant = { .tsih = 0 };

	conn->parameters = login->negotiation.parameters;
	conn_enter(conn, ISCSI_PHASE_ADMISSION, now);
	enum iscsi_admission answer = conn->worker->host->login_admit(
		conn->owner, &conn->identity, &grant);
	login_admitted(conn, answer, &grant, now);
}

/* Whether the stage may end when the initiator wants it to. */
static bool stage_is_over(const struct iscsi_login *login)
{
	return login->state == LOGIN_SECURED || login->state == LOGIN_OPERATIONAL;
}

/* Answers a complete text, or sends the next piece of a long answer; makes the transition. */
static void reply(struct iscsi_conn *conn, uint64_t now)
{
	struct iscsi_login *login = conn->login;
	uint8_t flags = (uint8_t)(login->stage << CSG_SHIFT);

	if (login->answer.failed) {
		refuse(conn, LOGIN_INITIATOR_ERROR, "too much to answer", now);
		return;
	}
	size_t left = login->answer.length - login->sent;
	if (left > LOGIN_SEGMENT_MAX) {
		send_response(
			conn, flags | CONTINUE, 0, conn->identity.tsih, LOGIN_SEGMENT_MAX, now);
		return;
	}
	bool transit = login->transit && stage_is_over(login);
	if (transit && !login->authenticated) {
		refuse(conn, LOGIN_AUTHENTICATION_FAILURE, "not authenticated", now);
		return;
	}
	if (transit && login->next == STAGE_FULL) {
		if (keys_conclude(&login->negotiation))
			refuse(conn, LOGIN_INITIATOR_ERROR,
				"FirstBurstLength exceeds MaxBurstLength", now);
		else
			ask_admission(conn, now);
		return;
	}
	if (transit)
		flags |= (uint8_t)(TRANSIT | login->next);
	if (send_response(conn, flags, 0, conn->identity.tsih, left, now))
		return;
	text_clear(&login->answer);
	login->sent = 0;
	if (transit) {
		login->stage = login->next;
		login->state = LOGIN_OPERATIONAL;
		keys_next_stage(&login->negotiation);
	}
}

/* --- the first text: who, and to what --- */

static bool is_name_character(char c)
{
	/* Section 4.2.7.2, in ASCII; the underscore is none of them, but in use. */
	return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '.' ||
	       c == ':' || c == '_';
}

/* Copies a name lower-cased (section 4.2.7.2). 0, or -1 if it cannot be one. */
static int copy_name(char name[ISCSI_NAME_MAX + 1], struct text_view value)
{
	if (!value.length || value.length > ISCSI_NAME_MAX)
		return -1;
	for (size_t i = 0; i < value.length; i++) {
		char c = value.at[i];

		name[i] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
		if (!is_name_character(name[i]))
			return -1;
	}
	name[value.length] = '\0';
	return 0;
}

/* Whether a lower-cased name has one of the three formats of section 4.2.7.3-6. */
static bool has_name_format(const char *name)
{
	size_t length = strlen(name);
	size_t digits = length > 4 ? strspn(name + 4, "0123456789abcdef") : 0;

	if (strncmp(name, "iqn.", 4) == 0)
		return length > 4;
	if (strncmp(name, "eui.", 4) == 0)
		return digits == 16 && length == 20;
	return strncmp(name, "naa.", 4) == 0 && (digits == 16 || digits == 32) &&
	       length == 4 + digits;
}

/* Fills in conn->identity from the first text. LOGIN_START, or a refusal. */
static enum login_state identify(struct iscsi_conn *conn, const struct key_batch *batch)
{
	struct iscsi_login *login = conn->login;
	struct iscsi_identity *identity = &conn->identity;
	bool target = key_present(batch, KEY_TARGET_NAME);

	if (!key_present(batch, KEY_INITIATOR_NAME))
		return login_refuse(login, LOGIN_MISSING_PARAMETER, "no InitiatorName");
	if (key_present(batch, KEY_SESSION_TYPE)) {
		struct text_view type = batch->value[KEY_SESSION_TYPE];

		identity->discovery = text_is(type, "Discovery");
		if (!identity->discovery && !text_is(type, "Normal"))
			return login_refuse(
				login, LOGIN_SESSION_TYPE_NOT_SUPPORTED, "unknown SessionType");
	}
	if (!target && !identity->discovery)
		return login_refuse(login, LOGIN_MISSING_PARAMETER, "no TargetName");
	if (copy_name(identity->initiator, batch->value[KEY_INITIATOR_NAME]) ||
		!has_name_format(identity->initiator))
		return login_refuse(login, LOGIN_INITIATOR_ERROR, "malformed InitiatorName");
	/* A target's name in no known format is just one that we do not have. */
	if (target && copy_name(identity->target, batch->value[KEY_TARGET_NAME]))
		return login_refuse(login, LOGIN_INITIATOR_ERROR, "malformed TargetName");
	return LOGIN_START;
}

/* Whether names that come once more are those of the first text (libiscsi repeats them). */
static bool same_identity(const struct iscsi_identity *identity, const struct key_batch *batch)
{
	char name[ISCSI_NAME_MAX + 1];

	if (key_present(batch, KEY_INITIATOR_NAME) &&
		(copy_name(name, batch->value[KEY_INITIATOR_NAME]) ||
			strcmp(name, identity->initiator) != 0))
		return false;
	if (key_present(batch, KEY_TARGET_NAME) &&
		(copy_name(name, batch->value[KEY_TARGET_NAME]) ||
			strcmp(name, identity->target) != 0))
		return false;
	return !key_present(batch, KEY_SESSION_TYPE) ||
	       text_is(batch->value[KEY_SESSION_TYPE],
		       identity->discovery ? "Discovery" : "Normal");
}

/* The first complete text: asks the host for the terms, enters the stage the request begins with. */
static enum login_state start(struct iscsi_conn *conn, const struct key_batch *batch)
{
	struct iscsi_login *login = conn->login;

	if (identify(conn, batch) == LOGIN_REFUSED)
		return LOGIN_REFUSED;
	login->negotiation.discovery = conn->identity.discovery;
	struct iscsi_login_status status = conn->worker->host->login_begin(
		conn->owner, &conn->identity, &conn->terms);
	if (status.class)
		return login_refuse(login, (unsigned)status.class << 8 | status.detail,
			status.class == 2 ? "there is no such target"
					  : "the target is drained, held or served to nobody");
	/* Section 6.3.1: with the first response that may carry it, whatever the session's type. */
	text_put_number(&login->answer, "TargetPortalGroupTag", conn->terms.portal_group_tag);
	if (!conn->identity.discovery && conn->terms.target_alias && conn->terms.target_alias[0])
		text_put_string(&login->answer, "TargetAlias", conn->terms.target_alias);
	if (login->stage == STAGE_SECURITY)
		return LOGIN_METHOD;
	return security_skip(conn) == LOGIN_SECURED ? LOGIN_OPERATIONAL : LOGIN_REFUSED;
}

/* --- steps --- */

/* Which of the security keys a text brings: what kind of step it is. */
enum login_event { BRINGS_NONE, BRINGS_METHOD, BRINGS_ALGORITHM, BRINGS_RESPONSE, BRINGS_MIXTURE };

static enum login_event event_of(const struct key_batch *batch)
{
	bool method = key_present(batch, KEY_AUTH_METHOD);
	bool algorithm = key_present(batch, KEY_CHAP_A);
	bool response = key_present(batch, KEY_CHAP_N) || key_present(batch, KEY_CHAP_R) ||
			key_present(batch, KEY_CHAP_I) || key_present(batch, KEY_CHAP_C);

	if (method + algorithm + response > 1)
		return BRINGS_MIXTURE;
	if (method)
		return BRINGS_METHOD;
	if (algorithm)
		return BRINGS_ALGORITHM;
	return response ? BRINGS_RESPONSE : BRINGS_NONE;
}

/* Section 9.2: a step without its keys. */
static enum login_state miss(struct iscsi_conn *conn, const struct key_batch *batch)
{
	(void)batch;
	return login_refuse(conn->login, LOGIN_MISSING_PARAMETER, "a CHAP step without its keys");
}

static enum login_state rest(struct iscsi_conn *conn, const struct key_batch *batch)
{
	(void)batch;
	return conn->login->state;
}

static enum login_state negotiate(struct iscsi_conn *conn, const struct key_batch *batch)
{
	struct iscsi_login *login = conn->login;

	keys_answer(&login->negotiation, batch, &login->answer);
	if (!login->declared) {
		/* The only thing we say unasked: it needs no answer, and some never give one (PXE-02). */
		text_put_number(&login->answer, key_name(KEY_MAX_RECV_DATA_SEGMENT_LENGTH),
			TARGET_MAX_RECV_DATA_SEGMENT);
		login->negotiation.parameters.target_max_recv = TARGET_MAX_RECV_DATA_SEGMENT;
		login->declared = true;
	}
	return LOGIN_OPERATIONAL;
}

typedef enum login_state login_handler(struct iscsi_conn *conn, const struct key_batch *batch);

/* All that may happen; what is not here ends the login (section 9.2). */
static const struct login_step {
	enum login_state state;
	enum login_event event;
	login_handler *handler;
} steps[] = {
	{ LOGIN_METHOD, BRINGS_NONE, security_unasked },
	{ LOGIN_METHOD, BRINGS_METHOD, security_choose },
	{ LOGIN_ALGORITHM, BRINGS_NONE, miss },
	{ LOGIN_ALGORITHM, BRINGS_ALGORITHM, security_challenge },
	{ LOGIN_RESPONSE, BRINGS_NONE, miss },
	{ LOGIN_RESPONSE, BRINGS_RESPONSE, security_judge },
	{ LOGIN_SECURED, BRINGS_NONE, rest },
	{ LOGIN_OPERATIONAL, BRINGS_NONE, negotiate },
};

static enum login_state take_step(struct iscsi_conn *conn, const struct key_batch *batch)
{
	struct iscsi_login *login = conn->login;
	enum login_event event = event_of(batch);

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++)
		if (steps[i].state == login->state && steps[i].event == event)
			return steps[i].handler(conn, batch);
	return login_refuse(login, LOGIN_INITIATOR_ERROR, "a step out of order");
}

/* A complete text: reads it, lets the table answer it. */
static enum login_state process(struct iscsi_conn *conn, struct text_view text)
{
	struct iscsi_login *login = conn->login;
	struct key_batch batch;
	enum key_stage stage = login->stage == STAGE_SECURITY ? KEY_STAGE_SECURITY
							      : KEY_STAGE_OPERATIONAL;

	enum key_fault fault = keys_read(&login->negotiation, stage, text, &batch, &login->answer);
	if (fault != KEYS_FINE)
		return login_refuse(login, LOGIN_INITIATOR_ERROR, key_fault_text(fault));
	if (login->state == LOGIN_START) {
		login->state = start(conn, &batch);
		if (login->state == LOGIN_REFUSED)
			return LOGIN_REFUSED;
	} else if (!same_identity(&conn->identity, &batch)) {
		return login_refuse(login, LOGIN_INITIATOR_ERROR, "another name than at first");
	}
	return take_step(conn, &batch);
}

/* --- requests --- */

/* What the first request fixes for the whole login (sections 11.12.4-8). */
static void begin(struct iscsi_conn *conn, const struct iscsi_pdu *pdu)
{
	struct iscsi_login *login = conn->login;

	login->begun = true;
	login->itt = pdu->itt;
	login->stage = pdu->flags >> CSG_SHIFT & STAGE_MASK;
	memcpy(conn->identity.isid, pdu->bhs + BHS_ISID, ISID_SIZE);
	conn->identity.tsih = get_be16(pdu->bhs + BHS_TSIH);
	conn->identity.cid = get_be16(pdu->bhs + BHS_CID);
	conn->exp_cmd_sn = get_be32(pdu->bhs + BHS_CMD_SN);
	conn->max_cmd_sn = conn->exp_cmd_sn + COMMAND_WINDOW - 1;
	login->negotiation.leading = conn->identity.tsih == 0;
	iscsi_parameters_default(&login->negotiation.parameters);
}

static bool same_login(const struct iscsi_conn *conn, const struct iscsi_pdu *pdu)
{
	return pdu->itt == conn->login->itt &&
	       memcmp(pdu->bhs + BHS_ISID, conn->identity.isid, ISID_SIZE) == 0 &&
	       get_be16(pdu->bhs + BHS_TSIH) == conn->identity.tsih &&
	       get_be16(pdu->bhs + BHS_CID) == conn->identity.cid;
}

/* Checks a header against the login so far; NULL if it is in order, else what is wrong. */
static const char *check_header(const struct iscsi_conn *conn, const struct iscsi_pdu *pdu)
{
	const struct iscsi_login *login = conn->login;
	unsigned current = pdu->flags >> CSG_SHIFT & STAGE_MASK;
	unsigned next = pdu->flags & STAGE_MASK;

	if (!same_login(conn, pdu))
		return "a request of another login";
	if (current > STAGE_OPERATIONAL || current != login->stage)
		return "not the current stage";
	if (pdu->flags & TRANSIT && (next <= current || next == 2))
		return "no such transition";
	if (pdu->flags & TRANSIT && pdu->flags & CONTINUE)
		return "both T and C";
	if (pdu->ahs_length)
		return "an additional header segment";
	if (pdu->data_length > LOGIN_SEGMENT_MAX || pdu->data_length > TEXT_LIMIT - login->received)
		return "too much text";
	if (login->pdus >= LOGIN_PDUS_MAX)
		return "too many requests";
	return NULL;
}

/* The text of a request whose header is in order. */
static void take_text(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now)
{
	struct iscsi_login *login = conn->login;
	struct text_view text = { .at = (const char *)pdu->data, .length = pdu->data_length };
	bool more = pdu->flags & CONTINUE;

	if ((more || login->text.length) && text_append(&login->text, text.at, text.length)) {
		refuse(conn, LOGIN_OUT_OF_RESOURCES, "no memory for the text", now);
		return;
	}
	if (more) {
		send_response(
			conn, (uint8_t)(login->stage << CSG_SHIFT), 0, conn->identity.tsih, 0, now);
		return;
	}
	if (login->text.length)
		text = text_view_of(&login->text);
	login->state = process(conn, text);
	text_clear(&login->text);
	if (login->state == LOGIN_REFUSED)
		end_refused(conn, now);
	else
		reply(conn, now);
}

void login_receive(struct iscsi_conn *conn, const struct iscsi_pdu *pdu, uint64_t now)
{
	struct iscsi_login *login = conn->login;

	if (!login->begun && pdu->opcode != OP_LOGIN_REQUEST) {
		/* Section 4.2.4: a stranger to the protocol gets no answer. */
		conn_protocol_error(conn, "the first PDU is no Login Request", now);
		return;
	}
	if (pdu->opcode != OP_LOGIN_REQUEST || conn->phase != ISCSI_PHASE_LOGIN) {
		refuse(conn, LOGIN_INVALID_REQUEST, "not a request to go on with the login", now);
		return;
	}
	bool first = !login->begun;
	if (first)
		begin(conn, pdu);
	if (first && pdu->bhs[BHS_VERSION_MIN]) {
		refuse(conn, LOGIN_UNSUPPORTED_VERSION, "no common version", now);
		return;
	}
	const char *wrong = check_header(conn, pdu);
	if (!wrong && login->sent && (pdu->data_length || pdu->flags & CONTINUE))
		wrong = "text while our answer is not out";
	if (wrong) {
		refuse(conn, LOGIN_INITIATOR_ERROR, wrong, now);
		return;
	}
	login->pdus++;
	login->received += pdu->data_length;
	login->transit = pdu->flags & TRANSIT;
	login->next = pdu->flags & STAGE_MASK;
	if (login->sent)
		reply(conn, now);
	else
		take_text(conn, pdu, now);
}
