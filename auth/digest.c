/* SPDX-License-Identifier: BSD-2-Clause */
/* SHA-256 in one step (FIPS 180-4), so that OpenSSL stays in this folder. */
#include "auth/digest.h"

#include "base/encode.h"

#include <openssl/evp.h>
#include <string.h>

int sha256(uint8_t digest[SHA256_SIZE], const void *bytes, size_t length)
{
	if (EVP_Q_digest(NULL, "SHA256", NULL, bytes, length, digest, NULL) == 1)
		return 0;
	memset(digest, 0, SHA256_SIZE);
	return -1;
}

int sha256_hex(char digits[SHA256_HEX_SIZE], const void *bytes, size_t length)
{
	uint8_t digest[SHA256_SIZE];

	digits[0] = '\0';
	if (sha256(digest, bytes, length) != 0)
		return -1;
	return hex_encode(digits, SHA256_HEX_SIZE, digest, sizeof(digest)) < 0 ? -1 : 0;
}
