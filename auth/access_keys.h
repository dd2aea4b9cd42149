/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The access keys of the TCP control endpoint: a file of lines
 *
 *     ACCESS_KEY_ID SECRET_ACCESS_KEY [read-only]
 *
 * with blank lines and `#` comments between them. Several keys stand side by side, so that they can
 * be rotated. The set is immutable and lies in secret memory; a reload builds a new one.
 */
#ifndef PORTCULLIS_AUTH_ACCESS_KEYS_H
#define PORTCULLIS_AUTH_ACCESS_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#define ACCESS_KEY_ID_MAX      64  /* characters of A-Z a-z 0-9 _ - . */
#define ACCESS_KEY_SECRET_MAX  128 /* printable characters */
#define ACCESS_KEYS_MAX        1024
#define ACCESS_KEYS_FILE_MAX   (256u << 10) /* bytes */
#define ACCESS_KEYS_ERROR_SIZE 512

struct access_key {
	char id[ACCESS_KEY_ID_MAX + 1];
	char secret[ACCESS_KEY_SECRET_MAX + 1];
	bool read_only; /* may call only what changes nothing */
};

struct access_keys;

/*
 * Reads the file, which must be plain and nobody's business but its owner's (no permission for group
 * and others; 0440 root:root too, which is how systemd hands credentials over). NULL with one line in
 * `error`, "FILE:LINE: what is wrong" or "FILE: ...", with no text of the file in it: what stands
 * there at the wrong place may be a secret. A file without a key is an error.
 */
struct access_keys *access_keys_load(const char *file, char error[ACCESS_KEYS_ERROR_SIZE]);
/* Wipes. NULL is fine. */
void access_keys_free(struct access_keys *keys);

/* How many there are, at least one. */
size_t access_keys_count(const struct access_keys *keys);
/* The key whose identifier is these `length` bytes, NULL if there is none; lives with the set. */
const struct access_key *access_keys_find(
	const struct access_keys *keys, const char *id, size_t length);

#endif
