/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Durable state: the credentials of each target in a file of its own below the state directory, and
 * an index that names all of them (doc/architecture.md K2, K9). Used by the control thread alone; every call
 * may block on the disk. All files are 0600, the directory 0700 and locked; what is looser is
 * refused. The program must have given jansson an allocator that wipes (base/secret.h) before.
 *
 * A crash at any point leaves the old or the new set: a target's file is replaced by rename, and a
 * new target's file becomes durable before the index names it, so that a file the index does not
 * name is a finished one, and is adopted. The index itself is made before any other file: without
 * it, or with a damaged one, only targets that have a file are served.
 */
#ifndef PORTCULLIS_CONF_STATE_H
#define PORTCULLIS_CONF_STATE_H

#include "auth/credentials.h"

#include <stdbool.h>

struct state;

#define STATE_ERROR_SIZE 512

enum state_result {
	STATE_OK = 0,
	STATE_NOT_STORED = -1, /* storing failed; the old set stands on the disk, as before */
	STATE_BROKEN =
		-2, /* what stands on the disk cannot be trusted: serve the target to nobody */
};

/*
 * Opens and locks the directory (made with 0700 if it does not exist), finishes what a crash left
 * half done, and reads the index. NULL with one line in `error` if it is locked by another daemon
 * or cannot be used. A damaged index is logged. `first_start` is set when the directory was empty.
 */
struct state *state_open(const char *directory, bool *first_start, char error[STATE_ERROR_SIZE]);
/*
 * As state_open() for `-t`: takes no lock and changes nothing. A directory that does not exist is a
 * first start; a damaged index is an error.
 */
struct state *state_open_readonly(const char *directory, char error[STATE_ERROR_SIZE]);
/* NULL is fine. */
void state_close(struct state *state);

/*
 * The stored set of a target: a new reference, an empty set of generation 1 if none was ever stored.
 * STATE_BROKEN with a line in `error` naming the file if the file is damaged, or is named in the index but missing.
 */
enum state_result state_load_credentials(struct state *state, const char *target,
	struct credential_set **set, char error[STATE_ERROR_SIZE]);

/*
 * Replaces the stored set: temporary file, fsync, hard link of the old one, rename, fsync of the
 * directory, index. On any failure the old one is put back the same way (STATE_NOT_STORED), and if
 * that fails too the answer is STATE_BROKEN. `error` says what failed. Never logs a secret.
 */
enum state_result state_store_credentials(struct state *state, const char *target,
	const struct credential_set *set, char error[STATE_ERROR_SIZE]);

/*
 * What was made live, in the words of conf/overlay.h, to be freed with free(); NULL if there was
 * never anything. STATE_BROKEN with a line in `error` naming the file: then nobody knows what is missing.
 */
enum state_result state_load_overlay(
	struct state *state, char **words, char error[STATE_ERROR_SIZE]);
/* Replaces them, as state_store_credentials() does. */
enum state_result state_store_overlay(
	struct state *state, const char *words, char error[STATE_ERROR_SIZE]);

#endif
