/* SPDX-License-Identifier: BSD-2-Clause */
/* A file of access keys in a directory of its own, for the tests that read one. */
#ifndef PORTCULLIS_TESTS_AUTH_KEY_FILE_H
#define PORTCULLIS_TESTS_AUTH_KEY_FILE_H

#include "auth/access_keys.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Loads `length` bytes from a file named "keys" of that mode, in a directory that is removed again. */
static inline struct access_keys *keys_of_bytes(
	const char *bytes, size_t length, mode_t mode, char error[ACCESS_KEYS_ERROR_SIZE])
{
	char directory[] = "portcullis-keys-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chdir(directory), 0);
	FILE *stream = fopen("keys", "w");
	ck_assert_ptr_nonnull(stream);
	ck_assert_uint_eq(fwrite(bytes, 1, length, stream), length);
	ck_assert_int_eq(fclose(stream), 0);
	ck_assert_int_eq(chmod("keys", mode), 0);
	struct access_keys *keys = access_keys_load("keys", error);
	ck_assert_int_eq(unlink("keys"), 0);
	ck_assert_int_eq(chdir(".."), 0);
	ck_assert_int_eq(rmdir(directory), 0);
	return keys;
}

/* Keys that must be right. */
static inline struct access_keys *keys_of(const char *text)
{
	char error[ACCESS_KEYS_ERROR_SIZE];
	struct access_keys *keys = keys_of_bytes(text, strlen(text), 0600, error);

	if (!keys)
		ck_abort_msg("%s", error);
	return keys;
}

#endif
