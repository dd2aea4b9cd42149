/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Key=value text (RFC 7143 section 6.1): reading it as views into the received bytes, the types
 * its values may have, and the bounded buffer in which text is collected and answers are written.
 * Knows no key; those are keys.c's.
 */
#ifndef PORTCULLIS_PROTO_ISCSI_TEXT_H
#define PORTCULLIS_PROTO_ISCSI_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TEXT_KEY_MAX   63u    /* bytes of a key name, section 6.1 */
#define TEXT_VALUE_MAX 255u   /* bytes of a value where its key says nothing else */
#define TEXT_LIMIT     65536u /* bytes of text one negotiation may bring, and may be answered with */

/* Bytes of somebody else's memory; no NUL behind them. */
struct text_view {
	const char *at;
	size_t length;
};

struct text_pair {
	struct text_view key;
	struct text_view value;
};

/* A borrowed view of a string, and whether a view shows just these bytes. */
struct text_view text_of(const char *string);
bool text_is(struct text_view view, const char *string);

/*
 * Takes the next pair off `rest`. NULs before it, and a missing one behind the last pair, are
 * tolerated. Returns 1 and fills *pair, 0 when nothing is left, -1 if there is no '=' or no name.
 */
int text_next(struct text_view *rest, struct text_pair *pair);
/* Whether this may be the name of a key: a standard-label, or one with the old prefix "X#". */
bool text_label_valid(struct text_view name);

/* Takes the next value off a comma-separated list; false when none is left. Values may be empty. */
bool text_list_next(struct text_view *rest, struct text_view *item);

/* A decimal constant without leading zeros, or a hexadecimal one, below 2^64. 0, or -1. */
int text_number(struct text_view value, uint64_t *number);

struct text_range {
	uint64_t low, high; /* low <= high */
	bool single;        /* was one number, not two with a tilde */
};

/* A number or a range a~b. 0, or -1. */
int text_range(struct text_view value, struct text_range *range);
/* "Yes" or "No". 0, or -1. */
int text_boolean(struct text_view value, bool *yes);
/*
 * A binary value in hexadecimal (0x) or base64 (0b) of at least one digit, into `dst`.
 * 0 and *length bytes, or -1 (not such a constant, or more than `capacity` bytes).
 */
int text_binary(uint8_t *dst, size_t capacity, size_t *length, struct text_view value);

/* Growing memory with a limit; its error is sticky. All zero but `limit` is an empty one. */
struct text_buffer {
	char *bytes;
	size_t length;
	size_t capacity;
	size_t limit; /* most bytes it may hold */
	bool failed; /* something did not fit, or there was no memory: the contents are incomplete */
};

/* Adds bytes. 0, or -1 and `failed`. */
int text_append(struct text_buffer *buffer, const void *bytes, size_t length);
/* Gives the memory back, wiped; what is left is an empty buffer with the same limit. */
void text_clear(struct text_buffer *buffer);
struct text_view text_view_of(const struct text_buffer *buffer);

/* Write one pair with its NUL; the names are ours and valid. */
void text_put(struct text_buffer *buffer, const char *key, struct text_view value);
void text_put_string(struct text_buffer *buffer, const char *key, const char *value);
void text_put_number(struct text_buffer *buffer, const char *key, uint64_t number);
/* Lower-case hexadecimal with 0x: the one form all initiators read. At most 1,024 bytes. */
void text_put_binary(
	struct text_buffer *buffer, const char *key, const uint8_t *bytes, size_t length);

/*
 * How many bytes from `offset` on to send next, at most `most`: all that is left, or up to the end
 * of the last pair that fits, or (`*cut` becomes true) into the middle of a pair that is too long.
 */
size_t text_piece(const struct text_buffer *buffer, size_t offset, size_t most, bool *cut);

#endif
