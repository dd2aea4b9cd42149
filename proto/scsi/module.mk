# SPDX-License-Identifier: BSD-2-Clause
noinst_LIBRARIES += libscsi.a
libscsi_a_SOURCES = proto/scsi/scsi.h proto/scsi/codes.h proto/scsi/device.h proto/scsi/identity.h proto/scsi/sense.h \
	proto/scsi/task.h proto/scsi/attention.c proto/scsi/capacity.c proto/scsi/commands.c \
	proto/scsi/device.c proto/scsi/inquiry.c proto/scsi/lba_status.c proto/scsi/modes.c proto/scsi/report.c proto/scsi/reserve.c \
	proto/scsi/rw.c proto/scsi/sense.c proto/scsi/task.c proto/scsi/unit.c proto/scsi/unmap.c \
	proto/scsi/verify.c proto/scsi/vpd.c proto/scsi/write_same.c
