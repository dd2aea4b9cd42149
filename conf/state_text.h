/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The text of state files: one line of JSON, then a line with the SHA-256 of that line (newline
 * included) in hexadecimal, as `head -n 1 FILE | sha256sum` prints it. Decoders take nothing that
 * the encoders could not have written: unknown or doubled members, order, bytes left over.
 */
#ifndef PORTCULLIS_CONF_STATE_TEXT_H
#define PORTCULLIS_CONF_STATE_TEXT_H

#include "auth/credentials.h"

#define STATE_NAME_SIZE 256 /* of a file's name, with room for a suffix and the NUL */

/*
 * The name of the file for a target's credentials: the target's name and ".credentials". 0, or -1
 * for a name that no configuration can hold (other characters than a-z 0-9 - . : or above 223).
 */
int state_name_of(char name[STATE_NAME_SIZE], const char *target);
/* Whether a file's name ends like that of a credential file. */
bool state_name_is_credentials(const char *name);
/* Whether a file's name may stand in the index: it is a credential file's, or STATE_OVERLAY. */
bool state_name_is_indexed(const char *name);

#define STATE_OVERLAY "live" /* the file of what was made live (conf/overlay.h) */

/* The text in secret memory, for the caller to free (secret_free()); NULL when out of memory, or if
 * a name is not UTF-8. */
char *state_text_of_credentials(
	const char *target, const struct credential_set *set, size_t *length);
/* The set, or NULL with *why naming what is wrong with the text (never its content). */
struct credential_set *state_text_credentials(
	const char *text, size_t length, const char *target, const char **why);

/* The overlay, in the words of conf/overlay.h; likewise. */
char *state_text_of_overlay(const char *words, size_t *length);
/* Those words, to be freed with free(); NULL with *why. */
char *state_text_overlay(const char *text, size_t length, const char **why);

/* The index: names of files, strictly ascending. As above. */
char *state_text_of_index(char *const *names, size_t count, size_t *length);
/* An allocated array of allocated names, *count of them; NULL with *why. */
char **state_text_index(const char *text, size_t length, size_t *count, const char **why);

#endif
