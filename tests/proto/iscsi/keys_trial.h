/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One negotiation of keys without a connection around it.
 *
 * Text is written with '\n' where the wire has a NUL.
 */
#ifndef PORTCULLIS_TESTS_PROTO_ISCSI_KEYS_TRIAL_H
#define PORTCULLIS_TESTS_PROTO_ISCSI_KEYS_TRIAL_H

#include "proto/iscsi/keys.h"

#include <string.h>

#include "tests/suite.h"

struct trial {
	struct key_negotiation negotiation;
	struct key_batch batch;
	struct text_buffer answer;
	char text[8192];  /* what was offered */
	char said[65537]; /* the answer */
};

/* A negotiation at its start; to be freed. */
static inline struct trial *trial_new(void)
{
	struct trial *trial = calloc(1, sizeof(*trial));

	iscsi_parameters_default(&trial->negotiation.parameters);
	trial->negotiation.leading = true;
	trial->answer.limit = TEXT_LIMIT;
	return trial;
}

static inline void trial_free(struct trial *trial)
{
	text_clear(&trial->answer);
	free(trial);
}

/* Offers one text in a stage; what is said to it is in trial->said. */
static inline enum key_fault offer(struct trial *trial, enum key_stage stage, const char *text)
{
	size_t length = strlen(text);

	ck_assert_uint_lt(length, sizeof(trial->text));
	for (size_t i = 0; i <= length; i++)
		trial->text[i] = text[i] == '\n' ? '\0' : text[i];
	text_clear(&trial->answer);
	enum key_fault fault = keys_read(&trial->negotiation, stage,
		(struct text_view){ .at = trial->text, .length = length }, &trial->batch,
		&trial->answer);
	if (fault == KEYS_FINE)
		keys_answer(&trial->negotiation, &trial->batch, &trial->answer);
	ck_assert(!trial->answer.failed);
	for (size_t i = 0; i < trial->answer.length; i++)
		trial->said[i] = trial->answer.bytes[i] ? trial->answer.bytes[i] : '\n';
	trial->said[trial->answer.length] = '\0';
	return fault;
}

#endif
