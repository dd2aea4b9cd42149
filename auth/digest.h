/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * SHA-256 of a byte string in one step, for the folders that do not speak OpenSSL themselves:
 * checksums of state files, identities derived from names.
 */
#ifndef PORTCULLIS_AUTH_DIGEST_H
#define PORTCULLIS_AUTH_DIGEST_H

#include <stddef.h>
#include <stdint.h>

#define SHA256_SIZE     32
#define SHA256_HEX_SIZE 65 /* digits and the NUL */

/* FIPS 180-4. 0, or -1 when OpenSSL is out of memory (`digest` is then zeros). */
int sha256(uint8_t digest[SHA256_SIZE], const void *bytes, size_t length);
/* Likewise, as lower-case hexadecimal digits; -1 leaves an empty string. */
int sha256_hex(char digits[SHA256_HEX_SIZE], const void *bytes, size_t length);

#endif
