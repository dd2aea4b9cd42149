/* SPDX-License-Identifier: BSD-2-Clause */
/* The steps of reading a configuration: its text, the keys one by one, then the whole. */
#ifndef PORTCULLIS_CONF_CONFIG_READ_H
#define PORTCULLIS_CONF_CONFIG_READ_H

#include "conf/config.h"

#include <libconfig.h>

/* Writes "FILE:LINE: ..." ("FILE: ..." for line 0) and returns -1. */
int config_refuse(char error[CONFIG_ERROR_SIZE], const char *file, int line, const char *format,
	...) __attribute__((format(printf, 4, 5)));

/* The file's text as libconfig shall see it, for the caller to free; NULL with a line in `error`. */
char *config_text(const char *file, char error[CONFIG_ERROR_SIZE]);
/* Likewise of a text at hand; `file` is what messages call it. */
char *config_text_from(const char *text, const char *file, char error[CONFIG_ERROR_SIZE]);

struct section;
/*
 * Reads a text into `object`, a zeroed struct of `section`; `settings` is initialised, to be destroyed by the caller.
 * 0, or -1 with a line in `error`; config_section_free() frees what was read, then too.
 */
int config_section_read(config_t *settings, const char *file, const char *text,
	const struct section *section, void *object, char error[CONFIG_ERROR_SIZE]);
/* Frees what the members of `object` own, not the object. */
void config_section_free(const struct section *section, void *object);

/*
 * Checks what no key shows alone: names, LUNs, paths, identities that stand twice, values that do
 * not go together. Derives ARNs, serials and NAAs, and sorts LUNs. 0, or -1 with a line in `error`.
 */
int config_check(struct config *config, const config_t *settings, char error[CONFIG_ERROR_SIZE]);

#endif
