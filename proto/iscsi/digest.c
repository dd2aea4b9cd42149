/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Header and data digests: CRC32C as RFC 7143 section 13.1 puts it on the wire.
 */
#include "proto/iscsi/connection.h"

#include <isa-l/crc.h>

#include <limits.h>

uint32_t digest_update(uint32_t crc, const uint8_t *bytes, size_t length)
{
	/* ISA-L only reads, though its prototype does not promise it; its length is an int. */
	while (length > 0) {
		int piece = length > INT_MAX ? INT_MAX : (int)length;
		crc = crc32_iscsi((unsigned char *)(uintptr_t)bytes, piece, crc);
		bytes += piece;
		length -= (size_t)piece;
	}
	return crc;
}

void digest_finish(uint32_t crc, uint8_t digest[DIGEST_SIZE])
{
	crc = ~crc;
	for (unsigned i = 0; i < DIGEST_SIZE; i++)
		digest[i] = (uint8_t)(crc >> 8 * i);
}
