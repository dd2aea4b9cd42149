/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hexadecimal and base64, the two encodings of binary text values (RFC 7143 section 6.1).
 * Every decoder is told the size of its destination and fails on any character left over:
 * the pre-authentication overflows of other targets came from decoders that were not.
 */
#ifndef PORTCULLIS_BASE_ENCODE_H
#define PORTCULLIS_BASE_ENCODE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Decodes `srclen` hexadecimal digits (either case, no 0x prefix) into `dst`. An odd number of
 * digits means a leading half byte: (srclen + 1) / 2 bytes. An empty source gives 0 bytes.
 * Returns 0 and sets *length, or -1 (bad digit, or more than `capacity` bytes), *length then 0.
 */
int hex_decode(uint8_t *dst, size_t capacity, size_t *length, const char *src, size_t srclen);

/*
 * Decodes base64 (RFC 4648 section 4, padding required when the last group is short, no white
 * space, unused bits zero, no 0b prefix) into `dst`. Returns as hex_decode().
 */
int base64_decode(uint8_t *dst, size_t capacity, size_t *length, const char *src, size_t srclen);

/*
 * Writes 2 * srclen lower-case hexadecimal digits and a NUL. `capacity` counts the NUL.
 * Returns the number of digits, or -1 if they do not fit (dst is then an empty string).
 */
int hex_encode(char *dst, size_t capacity, const uint8_t *src, size_t srclen);

/*
 * Copies peer text for a log line: printable ASCII but '\\' and '"' stays, all else becomes \xHH.
 * Always terminates; what does not fit is cut at a whole character. Returns dst.
 */
char *text_escape(char *dst, size_t capacity, const void *src, size_t srclen);

#endif
