/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Big-endian accessors and the one bounded reader and writer of the tree.
 * Both have a sticky error: after the first step past the end all reads give 0,
 * all writes go nowhere, and `failed` stays true, so a decoder checks once, at its end.
 */
#ifndef PORTCULLIS_BASE_BYTES_H
#define PORTCULLIS_BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint16_t get_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static inline uint32_t get_be24(const uint8_t *p)
{
	return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static inline uint32_t get_be32(const uint8_t *p)
{
	return (uint32_t)get_be16(p) << 16 | get_be16(p + 2);
}

static inline uint64_t get_be64(const uint8_t *p)
{
	return (uint64_t)get_be32(p) << 32 | get_be32(p + 4);
}

static inline void put_be16(uint8_t *p, uint16_t value)
{
	p[0] = (uint8_t)(value >> 8);
	p[1] = (uint8_t)value;
}

static inline void put_be24(uint8_t *p, uint32_t value)
{
	p[0] = (uint8_t)(value >> 16);
	p[1] = (uint8_t)(value >> 8);
	p[2] = (uint8_t)value;
}

static inline void put_be32(uint8_t *p, uint32_t value)
{
	put_be16(p, (uint16_t)(value >> 16));
	put_be16(p + 2, (uint16_t)value);
}

static inline void put_be64(uint8_t *p, uint64_t value)
{
	put_be32(p, (uint32_t)(value >> 32));
	put_be32(p + 4, (uint32_t)value);
}

/* Reads from borrowed bytes; the bytes must outlive the reader. */
struct reader {
	const uint8_t *at;
	size_t left;
	bool failed;
};

static inline struct reader reader_of(const void *bytes, size_t length)
{
	return (struct reader){ .at = bytes, .left = length, .failed = false };
}

/* The next `length` bytes as a view, or NULL (and `failed`) if fewer are left. */
static inline const uint8_t *read_bytes(struct reader *r, size_t length)
{
	if (r->failed || length > r->left) {
		r->failed = true;
		return NULL;
	}
	const uint8_t *bytes = r->at;
	r->at += length;
	r->left -= length;
	return bytes;
}

static inline uint8_t read_u8(struct reader *r)
{
	const uint8_t *p = read_bytes(r, 1);
	return p ? *p : 0;
}

static inline uint16_t read_be16(struct reader *r)
{
	const uint8_t *p = read_bytes(r, 2);
	return p ? get_be16(p) : 0;
}

static inline uint32_t read_be32(struct reader *r)
{
	const uint8_t *p = read_bytes(r, 4);
	return p ? get_be32(p) : 0;
}

static inline uint64_t read_be64(struct reader *r)
{
	const uint8_t *p = read_bytes(r, 8);
	return p ? get_be64(p) : 0;
}

/* Writes into borrowed memory of a known capacity. */
struct writer {
	uint8_t *start;
	size_t length;   /* bytes written so far */
	size_t capacity; /* bytes in all */
	bool failed;
};

static inline struct writer writer_of(void *memory, size_t capacity)
{
	return (struct writer){ .start = memory, .length = 0, .capacity = capacity };
}

/* Room for `length` more bytes, zeroed, or NULL (and `failed`) if there is none. */
static inline uint8_t *write_space(struct writer *w, size_t length)
{
	if (w->failed || length > w->capacity - w->length) {
		w->failed = true;
		return NULL;
	}
	uint8_t *at = w->start + w->length;
	if (length)
		memset(at, 0, length);
	w->length += length;
	return at;
}

static inline void write_bytes(struct writer *w, const void *bytes, size_t length)
{
	uint8_t *at = write_space(w, length);
	if (at && length)
		memcpy(at, bytes, length);
}

static inline void write_u8(struct writer *w, uint8_t value)
{
	write_bytes(w, &value, 1);
}

static inline void write_be16(struct writer *w, uint16_t value)
{
	uint8_t *at = write_space(w, 2);
	if (at)
		put_be16(at, value);
}

static inline void write_be32(struct writer *w, uint32_t value)
{
	uint8_t *at = write_space(w, 4);
	if (at)
		put_be32(at, value);
}

static inline void write_be64(struct writer *w, uint64_t value)
{
	uint8_t *at = write_space(w, 8);
	if (at)
		put_be64(at, value);
}

#endif
