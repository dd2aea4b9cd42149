/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Files of the state directory: replaced whole and durably, with a road back (doc/architecture.md K2), and
 * read with suspicion. NAME.new is a file that was never finished, NAME.old a second name of what
 * NAME was before; neither is ever read.
 */
#ifndef PORTCULLIS_CONF_STATE_FILE_H
#define PORTCULLIS_CONF_STATE_FILE_H

#include "conf/state.h"

#include <stddef.h>

#define STATE_FILE_MAX (16u << 20) /* bytes */

struct state_directory {
	int fd;
	char *path; /* for messages */
};

/* Writes one line, "DIRECTORY/NAME: ...", and returns -1. `name` NULL: about the directory. */
int state_fail(const struct state_directory *directory, const char *name,
	char error[STATE_ERROR_SIZE], const char *format, ...)
	__attribute__((format(printf, 4, 5)));

/*
 * Writes NAME.new, links NAME to NAME.old if there is one (*had_old), renames, syncs. STATE_OK: the
 * new contents are durable, and state_file_settle() or state_file_put_back() must follow.
 * STATE_NOT_STORED: NAME is durably what it was. STATE_BROKEN: nobody can say.
 */
enum state_result state_file_replace(const struct state_directory *directory, const char *name,
	const char *text, size_t length, bool *had_old, char error[STATE_ERROR_SIZE]);
/* Makes NAME durably what it was before state_file_replace(). 0, or -1 with a line in `error`. */
int state_file_put_back(const struct state_directory *directory, const char *name, bool had_old,
	char error[STATE_ERROR_SIZE]);
/* Forgets what NAME was before. Nothing depends on its success: what stays is cleaned up later. */
void state_file_settle(const struct state_directory *directory, const char *name);

enum state_read { STATE_READ_OK = 0, STATE_READ_MISSING = -1, STATE_READ_FAILED = -2 };

/*
 * The whole file in secret memory, for the caller to wipe and free (secret_free()); not terminated.
 * Refuses what is no plain file of ours that only we can read. Fills `error` unless it is OK.
 */
enum state_read state_file_read(const struct state_directory *directory, const char *name,
	char **text, size_t *length, char error[STATE_ERROR_SIZE]);

#endif
