/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How every unit names itself in INQUIRY. Fixed for good: initiators compare it when they return
 * after a restart or an upgrade, and refuse a disk that changed.
 */
#ifndef PORTCULLIS_PROTO_SCSI_IDENTITY_H
#define PORTCULLIS_PROTO_SCSI_IDENTITY_H

#define IDENTITY_VENDOR   "PORTCULL"         /* 8 characters */
#define IDENTITY_PRODUCT  "VIRTUAL DISK    " /* 16 characters */
#define IDENTITY_REVISION "0001"             /* 4 characters */

#endif
