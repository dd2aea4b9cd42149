/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Writes sense data in fixed (70h) and descriptor (72h) format (SPC-4 sections 4.5.2, 4.5.3).
 */
#include "proto/scsi/sense.h"

#include "base/bytes.h"

/* The three sense key specific bytes of a field pointer (SPC-4 section 4.5.2.4.2). */
static void write_field_pointer(uint8_t *at, const struct sense_data *data)
{
	at[0] = (uint8_t)(0x88 | data->field_bit); /* SKSV, BPV */
	if (data->field == SENSE_FIELD_IN_CDB)
		at[0] |= 0x40;
	put_be16(at + 1, data->field_byte);
}

static uint8_t write_fixed(uint8_t *sense, const struct sense_data *data)
{
	sense[0] = 0x70;
	/* What does not fit the four bytes is left out: VALID stays 0. */
	if (data->has_information && data->information <= UINT32_MAX) {
		sense[0] |= 0x80;
		put_be32(sense + 3, (uint32_t)data->information);
	}
	sense[2] = (uint8_t)(data->code >> 16);
	sense[7] = SENSE_FIXED_SIZE - 8;
	put_be16(sense + 12, (uint16_t)data->code);
	if (data->field != SENSE_NO_FIELD)
		write_field_pointer(sense + 15, data);
	return SENSE_FIXED_SIZE;
}

static uint8_t write_descriptors(uint8_t *sense, const struct sense_data *data)
{
	uint8_t length = 8;

	sense[0] = 0x72;
	sense[1] = (uint8_t)(data->code >> 16);
	put_be16(sense + 2, (uint16_t)data->code);
	if (data->has_information) {
		sense[length] = 0x00;
		sense[length + 1] = 10;
		sense[length + 2] = 0x80;
		put_be64(sense + length + 4, data->information);
		length += 12;
	}
	if (data->field != SENSE_NO_FIELD) {
		sense[length] = 0x02;
		sense[length + 1] = 6;
		write_field_pointer(sense + length + 4, data);
		length += 8;
	}
	sense[7] = (uint8_t)(length - 8);
	return length;
}

uint8_t sense_write(
	uint8_t sense[SCSI_SENSE_MAX], const struct sense_data *data, bool descriptor_format)
{
	memset(sense, 0, SCSI_SENSE_MAX);
	return descriptor_format ? write_descriptors(sense, data) : write_fixed(sense, data);
}
