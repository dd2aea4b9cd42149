/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The keys of the configuration file as data: what each is called, of what type, in what range, by
 * default, and where in struct config it goes. Reading, freeing and comparing walk these tables.
 */
#ifndef PORTCULLIS_CONF_CONFIG_TABLE_H
#define PORTCULLIS_CONF_CONFIG_TABLE_H

#include "conf/config.h"

#include <stdio.h>

enum value_kind {
	VALUE_STRING, /* char *, owned */
	VALUE_NUMBER, /* unsigned of 2, 4 or 8 bytes */
	VALUE_SIZE,   /* likewise; the file may say "512M" */
	VALUE_BOOL,
	VALUE_CHOICE, /* one of `choices`, kept as its index (bool, or unsigned of 4 bytes) */
	VALUE_NAA,    /* uint8_t[16]; zeros when "" */
	VALUE_STRINGS, /* an owned array of owned char *, its length at `count_offset`; none by default */
	VALUE_GROUP, /* a struct of `section` */
	VALUE_LIST,  /* an owned array of structs of `section`, its length at `count_offset` */
};

struct section;

struct key {
	const char *name;
	enum value_kind kind;
	bool required;
	bool power_of_two;
	size_t offset, width; /* of the member */
	size_t count_offset;
	const char *text;           /* default of a string, as converted */
	uint64_t number;            /* default of everything else */
	uint64_t least, most;       /* of a number or size given; of a list's or array's length */
	const char *const *choices; /* ends with NULL */
	/* The value to keep of a text (of each, in an array): allocated, or NULL with errno EINVAL (not as expected) or
	 * ENOMEM. */
	char *(*convert)(const char *text);
	const char *expected; /* words for messages; NULL: made of least and most */
	const struct section *section;
};

struct section {
	size_t size;
	const struct key *keys;
	size_t key_count;
	const struct key *
		identity; /* pairs elements of two lists, the first of one with the first of the other */
	const struct key *identity_too; /* likewise, with `identity`; NULL: that is enough */
	size_t line_offset;             /* of an int that takes the line; 0: none */
	size_t given_offset; /* of a uint32_t: bit n says that the nth key was given; 0: none */
};

extern const struct section config_root;
extern const struct section config_lun_section, config_target_section, config_portal_section;

/* The unsigned value of a NUMBER, SIZE, BOOL or CHOICE member of `object`. */
uint64_t key_number(const struct key *key, const void *object);
void key_set_number(const struct key *key, void *object, uint64_t value);
/* The string of a STRING, the first element of a LIST or STRINGS. */
void *key_pointer(const struct key *key, const void *object);
/* Takes over `pointer`; what was there is not freed. `count` is for a LIST or STRINGS. */
void key_set_pointer(const struct key *key, void *object, void *pointer, size_t count);
/* The number of elements of a LIST or STRINGS. */
size_t key_count(const struct key *key, const void *object);

/*
 * Writes the members of `object` as a file would say them, each on a line of its own behind `depth` tabs. `given`:
 * what has a record of what was given is written only as far as it was. Failure shows in ferror().
 */
void config_section_write(
	FILE *out, const struct section *section, const void *object, bool given, unsigned depth);

#endif
