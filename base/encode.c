/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hexadecimal and base64 as peers send them, hexadecimal and escaped text as we write them.
 * The length of the result is known before its first byte is stored, so nothing is ever written
 * to a destination that is too small. RFC 7143 section 6.1, RFC 4648 section 4.
 */
#include "base/encode.h"

#include <limits.h>
#include <string.h>

static const char hex_digits[] = "0123456789abcdef";

/* 0..15, or -1. */
static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

/* 0..63, or -1. */
static int base64_value(char c)
{
	if (c >= 'A' && c <= 'Z')
		return c - 'A';
	if (c >= 'a' && c <= 'z')
		return c - 'a' + 26;
	if (c >= '0' && c <= '9')
		return c - '0' + 52;
	if (c == '+')
		return 62;
	return c == '/' ? 63 : -1;
}

int hex_decode(uint8_t *dst, size_t capacity, size_t *length, const char *src, size_t srclen)
{
	size_t odd = srclen % 2;
	size_t count = srclen / 2 + odd;

	*length = 0;
	if (count > capacity)
		return -1;
	for (size_t i = 0; i < count; i++) {
		/* A missing first digit is the zero that an odd count leaves out. */
		int high = odd && i == 0 ? 0 : hex_value(src[2 * i - odd]);
		int low = hex_value(src[2 * i + 1 - odd]);
		if (high < 0 || low < 0)
			return -1;
		dst[i] = (uint8_t)(high << 4 | low);
	}
	*length = count;
	return 0;
}

/*
 * One group of four characters, of which the last `padding` are '='. Gives its 24 bits, or
 * UINT32_MAX for a foreign character or a bit that no byte takes: such spellings have a twin
 * that means the same bytes, and a value has one spelling here.
 */
static uint32_t base64_group(const char *src, unsigned padding)
{
	uint32_t bits = 0;

	for (unsigned i = 0; i < 4; i++) {
		int value = i >= 4 - padding ? 0 : base64_value(src[i]);
		if (value < 0)
			return UINT32_MAX;
		bits = bits << 6 | (uint32_t)value;
	}
	if (bits & ((1u << (8 * padding)) - 1))
		return UINT32_MAX;
	return bits;
}

int base64_decode(uint8_t *dst, size_t capacity, size_t *length, const char *src, size_t srclen)
{
	unsigned padding = 0;
	size_t count;
	size_t at = 0;

	*length = 0;
	if (srclen % 4)
		return -1;
	if (srclen && src[srclen - 1] == '=')
		padding = src[srclen - 2] == '=' ? 2 : 1;
	count = srclen / 4 * 3 - padding;
	if (count > capacity)
		return -1;
	for (size_t i = 0; i < srclen; i += 4) {
		uint32_t bits = base64_group(src + i, i + 4 == srclen ? padding : 0);
		if (bits == UINT32_MAX)
			return -1;
		for (int shift = 16; shift >= 0 && at < count; shift -= 8)
			dst[at++] = (uint8_t)(bits >> shift);
	}
	*length = count;
	return 0;
}

int hex_encode(char *dst, size_t capacity, const uint8_t *src, size_t srclen)
{
	if (capacity == 0)
		return -1;
	dst[0] = '\0';
	if (srclen > (capacity - 1) / 2 || srclen > INT_MAX / 2)
		return -1;
	for (size_t i = 0; i < srclen; i++) {
		dst[2 * i] = hex_digits[src[i] >> 4];
		dst[2 * i + 1] = hex_digits[src[i] & 15];
	}
	dst[2 * srclen] = '\0';
	return (int)(2 * srclen);
}

char *text_escape(char *dst, size_t capacity, const void *src, size_t srclen)
{
	const uint8_t *bytes = src;
	size_t at = 0;

	if (capacity == 0)
		return dst;
	for (size_t i = 0; i < srclen; i++) {
		uint8_t c = bytes[i];
		int plain = c >= ' ' && c <= '~' && c != '\\' && c != '"';
		size_t width = plain ? 1 : 4;

		if (width > capacity - 1 - at)
			break;
		if (plain) {
			dst[at] = (char)c;
		} else {
			char code[4] = { '\\', 'x', hex_digits[c >> 4], hex_digits[c & 15] };
			memcpy(dst + at, code, sizeof(code));
		}
		at += width;
	}
	dst[at] = '\0';
	return dst;
}
