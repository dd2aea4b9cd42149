/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * INQUIRY and its standard data (SPC-4 section 6.6).
 */
#include "proto/scsi/task.h"
#include "proto/scsi/identity.h"

#include "base/bytes.h"

#define STANDARD_SIZE   74
#define VERSIONS_OFFSET 58

/* Peripheral qualifier and device type (SPC-4 section 6.6.2). */
#define PERIPHERAL_DISK 0x00
#define PERIPHERAL_NOT_PRESENT                                                                     \
	0x3f /* could be there but is not: LUN 0, which answers REPORT LUNS */
#define PERIPHERAL_NO_UNIT 0x7f

#define CDB_EVPD 0x01

bool inquiry_parse(struct scsi_task *task)
{
	bool vital = task->cdb[1] & CDB_EVPD;
	uint8_t page = task->cdb[2];

	if (vital ? vpd_page_exists(task->unit, page) : page == 0)
		return true;
	task_fail_field(task, 2, 0x80);
	return false;
}

static uint8_t peripheral_of(const struct scsi_task *task)
{
	if (task->unit)
		return PERIPHERAL_DISK;
	return scsi_lun_number(task->lun) == 0 ? PERIPHERAL_NOT_PRESENT : PERIPHERAL_NO_UNIT;
}

static enum task_step standard_step(struct scsi_task *task)
{
	const uint16_t versions[] = {
		0x00a0,                                           /* SAM-5 */
		(uint16_t)(0x0960 + task->nexus->protocol_level), /* iSCSI (RFC 7144 section 4.2) */
		0x0460,                                           /* SPC-4 */
		0x04c0,                                           /* SBC-3 */
	};
	uint8_t data[STANDARD_SIZE] = {
		[0] = peripheral_of(task),
		[2] = 0x06, /* SPC-4 */
		[3] = 0x12, /* HISUP, RESPONSE DATA FORMAT 2 */
		[4] = STANDARD_SIZE - 5,
		[7] = 0x02, /* CMDQUE */
	};

	memcpy(data + 8, IDENTITY_VENDOR, 8);
	memcpy(data + 16, IDENTITY_PRODUCT, 16);
	memcpy(data + 32, IDENTITY_REVISION, 4);
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++)
		put_be16(data + VERSIONS_OFFSET + 2 * i, versions[i]);
	return task_reply(task, data, sizeof(data));
}

enum task_step inquiry_step(struct scsi_task *task)
{
	if (task->cdb[1] & CDB_EVPD)
		return vpd_step(task, peripheral_of(task));
	return standard_step(task);
}
