/* SPDX-License-Identifier: BSD-2-Clause */
/* A configuration in a file of its own, for the tests that read one. */
#ifndef PORTCULLIS_TESTS_CONF_CONFIG_FILE_H
#define PORTCULLIS_TESTS_CONF_CONFIG_FILE_H

#include "conf/config.h"

#include <check.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Loads `length` bytes from a file named "portcullis.conf" in a directory that is removed again. */
static inline struct config *config_of_bytes(
	const char *bytes, size_t length, char error[CONFIG_ERROR_SIZE])
{
	char directory[] = "portcullis-conf-XXXXXX";

	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chdir(directory), 0);
	FILE *stream = fopen("portcullis.conf", "w");
	ck_assert_ptr_nonnull(stream);
	ck_assert_uint_eq(fwrite(bytes, 1, length, stream), length);
	ck_assert_int_eq(fclose(stream), 0);
	struct config *config = config_load("portcullis.conf", error);
	ck_assert_int_eq(unlink("portcullis.conf"), 0);
	ck_assert_int_eq(chdir(".."), 0);
	ck_assert_int_eq(rmdir(directory), 0);
	return config;
}

/* A configuration that must be right. */
static inline struct config *config_of(const char *text)
{
	char error[CONFIG_ERROR_SIZE];
	struct config *config = config_of_bytes(text, strlen(text), error);

	if (!config)
		ck_abort_msg("%s", error);
	return config;
}

#endif
