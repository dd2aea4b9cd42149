/* SPDX-License-Identifier: BSD-2-Clause */
/* Tables of transcripts: each runs once for every way in which its bytes may arrive. */
#ifndef PORTCULLIS_TESTS_SCENARIO_H
#define PORTCULLIS_TESTS_SCENARIO_H

#include "tests/proto/iscsi/transcript.h"

#include <check.h>

struct scenario {
	const char *name; /* with the ids of the requirements that it shows */
	void (*run)(struct transcript *t);
	void (*adjust)(struct iscsi_parameters *parameters); /* NULL: as transcript_parameters() */
	bool discovery;
	uint32_t cmd_sn; /* the session's first */
};

/* A main() for a table: 0 if all passed. */
int scenarios_run(const char *suite, const struct scenario *scenarios, size_t count);

/* Bytes to write that differ from what is on the disk. */
const uint8_t *new_data(void);
/* Whether the disk holds the new data's first `length` bytes from `lba` on, and the old beyond. */
void must_be_written(uint32_t lba, uint32_t length);
void must_be_untouched(uint32_t lba, uint32_t length);

#endif
