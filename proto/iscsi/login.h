/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The state of a login, shared by login.c (phases, stages, PDUs) and security.c (authentication).
 * RFC 7143 section 6.3.
 */
#ifndef PORTCULLIS_PROTO_ISCSI_LOGIN_H
#define PORTCULLIS_PROTO_ISCSI_LOGIN_H

#include "proto/iscsi/connection.h"
#include "proto/iscsi/keys.h"

#define LOGIN_PDUS_MAX    64u   /* requests of one login */
#define LOGIN_SEGMENT_MAX 8192u /* bytes of text in one PDU of either side, section 6.3 */

/* What the next complete text is expected to bring. */
enum login_state {
	LOGIN_START,       /* the names */
	LOGIN_METHOD,      /* security stage: AuthMethod, or nothing */
	LOGIN_ALGORITHM,   /* CHAP_A */
	LOGIN_RESPONSE,    /* CHAP_N and CHAP_R */
	LOGIN_SECURED,     /* authentication is over, the stage may end */
	LOGIN_OPERATIONAL, /* operational stage */
	LOGIN_REFUSED,     /* login_refuse() has said why */
};

/* Status-Class << 8 | Status-Detail, section 11.13.5; those the engine itself decides on. */
enum login_status {
	LOGIN_SILENCE = 0, /* close without an answer */
	LOGIN_INITIATOR_ERROR = 0x0200,
	LOGIN_AUTHENTICATION_FAILURE = 0x0201,
	LOGIN_UNSUPPORTED_VERSION = 0x0205,
	LOGIN_MISSING_PARAMETER = 0x0207,
	LOGIN_SESSION_TYPE_NOT_SUPPORTED = 0x0209,
	LOGIN_NO_SESSION = 0x020a,
	LOGIN_INVALID_REQUEST = 0x020b,
	LOGIN_TARGET_ERROR = 0x0300,
	LOGIN_UNAVAILABLE = 0x0301,
	LOGIN_OUT_OF_RESOURCES = 0x0302,
};

struct iscsi_login {
	enum login_state state;
	bool begun;         /* a Login Request has come */
	bool authenticated; /* set by the one function in security.c that grants it */
	bool declared;      /* our MaxRecvDataSegmentLength is said */
	unsigned pdus;      /* requests so far */
	size_t received;    /* bytes of text so far */
	uint32_t itt;
	unsigned stage; /* the current stage, as CSG */
	bool transit;   /* the T bit of the request at hand */
	unsigned next;  /* and its NSG, if the T bit is set */

	struct key_negotiation negotiation;
	struct text_buffer text;   /* a text that comes in pieces */
	struct text_buffer answer; /* what we say to it */
	size_t sent;               /* bytes of `answer` that are out */

	/* CHAP: what we asked. */
	unsigned algorithm;
	uint8_t identifier;
	uint8_t challenge[CHAP_CHALLENGE_SIZE];
	/* What was proved: of the login's set; it answers the other direction too. NULL: nothing yet. */
	const struct credential *proved;

	unsigned status; /* of a refusal: enum login_status, or the host's */
	const char *why;
};

/*
 * Ends a login: remembers status and reason (a static phrase) and drops the answer prepared so far;
 * what is put into login->answer after it goes out with the refusal. Returns LOGIN_REFUSED.
 */
enum login_state login_refuse(struct iscsi_login *login, unsigned status, const char *why);

#endif
