/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Key=value text, RFC 7143 sections 6.1 and 6.2. Everything here sees bytes of strangers before
 * they have authenticated: each function is told where its input ends and how large its output may
 * become, and nothing is copied that a view can show.
 */
#include "proto/iscsi/text.h"

#include "base/encode.h"
#include "base/secret.h"

#include <stdlib.h>
#include <string.h>

#define FIRST_CAPACITY 512u
#define BINARY_MAX     1024u

struct text_view text_of(const char *string)
{
	return (struct text_view){ .at = string, .length = strlen(string) };
}

bool text_is(struct text_view view, const char *string)
{
	size_t length = strlen(string);
	return view.length == length && (length == 0 || memcmp(view.at, string, length) == 0);
}

/* Cuts `rest` at the first `separator`; the part behind it stays in `rest`. */
static struct text_view take_until(struct text_view *rest, char separator, bool *found)
{
	const char *end = rest->length ? memchr(rest->at, separator, rest->length) : NULL;
	struct text_view part = *rest;

	*found = end != NULL;
	if (end) {
		part.length = (size_t)(end - rest->at);
		rest->at += part.length + 1;
		rest->length -= part.length + 1;
	} else {
		rest->at += rest->length;
		rest->length = 0;
	}
	return part;
}

int text_next(struct text_view *rest, struct text_pair *pair)
{
	bool found;

	while (rest->length && rest->at[0] == '\0') {
		rest->at++;
		rest->length--;
	}
	if (!rest->length)
		return 0;
	pair->value = take_until(rest, '\0', &found);
	pair->key = take_until(&pair->value, '=', &found);
	return found && pair->key.length ? 1 : -1;
}

static bool is_capital(char c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_label_character(char c)
{
	return is_capital(c) || (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') ||
	       (c && strchr(".-+@_", c));
}

bool text_label_valid(struct text_view name)
{
	if (!name.length || name.length > TEXT_KEY_MAX || !is_capital(name.at[0]))
		return false;
	for (size_t i = 1; i < name.length; i++) {
		/* RFC 3720 knew public keys with this prefix; section 6.2 tells only of new ones. */
		bool old_prefix = i == 1 && name.at[0] == 'X' && name.at[1] == '#';

		if (!old_prefix && !is_label_character(name.at[i]))
			return false;
	}
	return true;
}

bool text_list_next(struct text_view *rest, struct text_view *item)
{
	bool found;

	if (!rest->at)
		return false;
	*item = take_until(rest, ',', &found);
	if (!found)
		*rest = (struct text_view){ .at = NULL, .length = 0 };
	return true;
}

static int digit_of(char c, unsigned base)
{
	int digit = -1;

	if (c >= '0' && c <= '9')
		digit = c - '0';
	else if (c >= 'a' && c <= 'f')
		digit = c - 'a' + 10;
	else if (c >= 'A' && c <= 'F')
		digit = c - 'A' + 10;
	return digit < (int)base ? digit : -1;
}

/* Whether the value begins with 0 and this letter, of either case; takes both off. */
static bool take_prefix(struct text_view *value, char letter)
{
	if (value->length < 2 || value->at[0] != '0' || (value->at[1] | 0x20) != letter)
		return false;
	value->at += 2;
	value->length -= 2;
	return true;
}

int text_number(struct text_view value, uint64_t *number)
{
	unsigned base = take_prefix(&value, 'x') ? 16 : 10;
	uint64_t sum = 0;

	if (!value.length || (base == 10 && value.length > 1 && value.at[0] == '0'))
		return -1;
	for (size_t i = 0; i < value.length; i++) {
		int digit = digit_of(value.at[i], base);

		if (digit < 0 || sum > (UINT64_MAX - (unsigned)digit) / base)
			return -1;
		sum = sum * base + (unsigned)digit;
	}
	*number = sum;
	return 0;
}

int text_range(struct text_view value, struct text_range *range)
{
	bool found;
	struct text_view low = take_until(&value, '~', &found);

	range->single = !found;
	if (text_number(low, &range->low))
		return -1;
	range->high = range->low;
	if (found && (text_number(value, &range->high) || range->low > range->high))
		return -1;
	return 0;
}

int text_boolean(struct text_view value, bool *yes)
{
	*yes = text_is(value, "Yes");
	return *yes || text_is(value, "No") ? 0 : -1;
}

int text_binary(uint8_t *dst, size_t capacity, size_t *length, struct text_view value)
{
	*length = 0;
	if (take_prefix(&value, 'x'))
		return value.length ? hex_decode(dst, capacity, length, value.at, value.length)
				    : -1;
	if (take_prefix(&value, 'b'))
		return value.length ? base64_decode(dst, capacity, length, value.at, value.length)
				    : -1;
	return -1;
}

/* Makes room for `more` bytes. The old memory is wiped: responses to challenges pass through here. */
static int reserve(struct text_buffer *buffer, size_t more)
{
	size_t capacity = buffer->capacity ? buffer->capacity : FIRST_CAPACITY;

	if (more > buffer->limit - buffer->length)
		return -1;
	while (capacity - buffer->length < more)
		capacity *= 2;
	if (capacity == buffer->capacity)
		return 0;
	char *bytes = malloc(capacity);
	if (!bytes)
		return -1;
	if (buffer->length)
		memcpy(bytes, buffer->bytes, buffer->length);
	secret_wipe(buffer->bytes, buffer->length);
	free(buffer->bytes);
	buffer->bytes = bytes;
	buffer->capacity = capacity;
	return 0;
}

int text_append(struct text_buffer *buffer, const void *bytes, size_t length)
{
	if (buffer->failed || reserve(buffer, length)) {
		buffer->failed = true;
		return -1;
	}
	if (length)
		memcpy(buffer->bytes + buffer->length, bytes, length);
	buffer->length += length;
	return 0;
}

void text_clear(struct text_buffer *buffer)
{
	secret_wipe(buffer->bytes, buffer->length);
	free(buffer->bytes);
	*buffer = (struct text_buffer){ .limit = buffer->limit };
}

struct text_view text_view_of(const struct text_buffer *buffer)
{
	return (struct text_view){ .at = buffer->bytes, .length = buffer->length };
}

void text_put(struct text_buffer *buffer, const char *key, struct text_view value)
{
	text_append(buffer, key, strlen(key));
	text_append(buffer, "=", 1);
	text_append(buffer, value.at, value.length);
	text_append(buffer, "", 1);
}

void text_put_string(struct text_buffer *buffer, const char *key, const char *value)
{
	text_put(buffer, key, text_of(value));
}

void text_put_number(struct text_buffer *buffer, const char *key, uint64_t number)
{
	char digits[21]; /* of 2^64 - 1, and the end */
	char *first = digits + sizeof(digits) - 1;

	*first = '\0';
	do
		*--first = (char)('0' + number % 10);
	while (number /= 10);
	text_put_string(buffer, key, first);
}

void text_put_binary(
	struct text_buffer *buffer, const char *key, const uint8_t *bytes, size_t length)
{
	char digits[2 + 2 * BINARY_MAX + 1] = "0x";

	if (hex_encode(digits + 2, sizeof(digits) - 2, bytes, length) < 0)
		buffer->failed = true;
	else
		text_put_string(buffer, key, digits);
	secret_wipe(digits, sizeof(digits));
}

size_t text_piece(const struct text_buffer *buffer, size_t offset, size_t most, bool *cut)
{
	size_t left = buffer->length - offset;

	*cut = false;
	if (left <= most)
		return left;
	for (size_t length = most; length > 0; length--)
		if (buffer->bytes[offset + length - 1] == '\0')
			return length;
	*cut = true;
	return most;
}
