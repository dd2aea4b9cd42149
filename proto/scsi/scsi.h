/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The device server (SPC-4, SBC-3, SAM-5): a command descriptor block in, data and status out.
 * It knows the store below it and nothing of iSCSI above it.
 *
 * A command's life: scsi_task_init(), then scsi_task_parse() says how many bytes of data it takes
 * or gives at most; the transport gathers all data-out into `buffer`, or provides `buffer` for
 * data-in, then scsi_task_execute() runs it. A task that is done has a status, sense, and for
 * data-in the bytes in `buffer`.
 */
#ifndef PORTCULLIS_PROTO_SCSI_SCSI_H
#define PORTCULLIS_PROTO_SCSI_SCSI_H

#include "proto/scsi/codes.h"
#include "store/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCSI_LUN_MAX    256 /* logical units of a target: LUN 0..255 */
#define SCSI_CDB_MAX    260
#define SCSI_SENSE_MAX  32
#define SCSI_SERIAL_MAX 36 /* characters of a unit serial number */

enum scsi_status {
	SCSI_GOOD = 0x00,
	SCSI_CHECK_CONDITION = 0x02,
	SCSI_BUSY = 0x08,
	SCSI_RESERVATION_CONFLICT = 0x18,
	SCSI_TASK_SET_FULL = 0x28,
	SCSI_TASK_ABORTED = 0x40,
};

/* --- logical units and the device that holds them --- */

struct scsi_unit_config {
	uint16_t lun;                 /* 0..SCSI_LUN_MAX - 1 */
	struct store *store;          /* borrowed; outlives the device */
	uint32_t block_size;          /* bytes */
	uint32_t physical_block_size; /* bytes, >= block_size, a power of two times it */
	bool read_only;
	char serial[SCSI_SERIAL_MAX + 1]; /* printable ASCII */
	uint8_t naa[16];                  /* an NAA 6h designator */
};

struct scsi_device_config {
	const char *target_name; /* borrowed for the call */
	const struct scsi_unit_config *units;
	size_t unit_count;
};

/* All logical units of one target. Thread-safe as a whole: workers share it. */
struct scsi_device;

/*
 * NULL when out of memory, a LUN is given twice or is out of range, a unit has no whole block, its
 * block size is none of 512, 1024, 2048, 4096 (or its physical one not a power of two times it, at
 * most 2^15), or the target name has more than 223 bytes.
 */
struct scsi_device *scsi_device_new(const struct scsi_device_config *config);
/* No nexus may be left. NULL is fine. */
void scsi_device_free(struct scsi_device *device);
/* Adds a unit while commands are under way; every nexus is told (3F/0E). 0, or -1 as scsi_device_new(). */
int scsi_device_add(struct scsi_device *device, const struct scsi_unit_config *config);
/* Its store has grown (store_grow()): the capacity follows, every nexus is told (2A/09). */
void scsi_device_grown(struct scsi_device *device, uint16_t lun);
/* Whether a LUN exists. `lun` is the 8-byte LUN field in host order (get_be64). */
bool scsi_lun_exists(const struct scsi_device *device, uint64_t lun);
/* The LUN number of a peripheral or flat-space LUN field; -1 for any other format, or beyond 255. */
int scsi_lun_number(uint64_t lun);

/* --- I_T nexus: one per session --- */

struct scsi_nexus;

/*
 * The nexus of a new session, with `first_attention` (UA_POWER_ON or UA_NEXUS_LOSS) queued for each
 * logical unit. `initiator_port` (name + ",i,0x" + ISID) identifies it for reservations; copied. The portal group by
 * which it came is the target port that its designators name.
 */
struct scsi_nexus *scsi_nexus_new(struct scsi_device *device, const char *initiator_port,
	uint16_t portal_group_tag, uint32_t first_attention);
/*
 * Sets the negotiated iSCSIProtocolLevel (0..31; a new nexus has 1), which the version descriptor
 * of INQUIRY shows (RFC 7144 section 4.2). Before the first task.
 */
void scsi_nexus_set_protocol_level(struct scsi_nexus *nexus, unsigned level);
/* No task of it may be under way. What it has reserved is free again. NULL is fine. */
void scsi_nexus_free(struct scsi_nexus *nexus);
/* Queues a unit attention on one LUN (or all: lun < 0) for this nexus. Thread-safe. */
void scsi_nexus_attention(struct scsi_nexus *nexus, int lun, uint32_t attention);
/*
 * Queues a unit attention on one LUN (or all: lun < 0) of `device` for every nexus but `except`
 * (NULL: for all). A LUN that does not exist is ignored; `attention` is one of UA_* above. One of
 * a kind is queued at most, so a queue never grows beyond the number of kinds. Thread-safe.
 */
void scsi_device_attention(
	struct scsi_device *device, int lun, uint32_t attention, const struct scsi_nexus *except);
/*
 * What a LOGICAL UNIT RESET does to the units' own state (mode pages, SPC-2 reservations), lun < 0:
 * all. Queues UA_RESET for every nexus but the issuer (NULL: for all). Aborting tasks is the
 * transport's part.
 */
void scsi_device_reset(struct scsi_device *device, int lun, const struct scsi_nexus *issuer);

/* --- tasks --- */

enum scsi_direction { SCSI_NO_DATA, SCSI_DATA_IN, SCSI_DATA_OUT };

/* A zeroed task is an initialised one. */
struct scsi_task {
	/* Set by the transport before scsi_task_parse(). */
	struct scsi_nexus *nexus;
	uint64_t lun; /* the 8-byte field, host order */
	uint8_t cdb[SCSI_CDB_MAX];
	uint16_t cdb_length;       /* 16, or more with an extended CDB */
	struct store_queue *queue; /* the worker's */
	/* Called on the queue's thread when a PENDING task ends; the task may be freed in it. */
	void (*done)(struct scsi_task *task);

	/*
	 * Set by scsi_task_parse(), 0 when it ends the task. For residuals: a data-out command that
	 * was parsed asks for `length` bytes whatever its status; a data-in command gives
	 * in_length.
	 */
	enum scsi_direction direction;
	uint32_t length; /* bytes it takes, or gives at most; <= BUFFER_SIZE_MAX */

	/* Set by the transport before scsi_task_execute(); owned by it. */
	uint8_t *buffer;      /* `buffer_size` bytes, aligned; NULL when length is 0 */
	uint32_t buffer_size; /* >= length */
	/*
	 * The data-out lies here and not yet in `buffer`; NULL = in `buffer`. Good until
	 * scsi_task_execute() returns, which clears it: what still needs it then has been copied.
	 */
	const uint8_t *lent;
	const uint8_t *view; /* scsi_task_view(): the data-in lies here, as store_view() has it */
	uint32_t out_length; /* data-out bytes that came; < length only if fewer were offered */
	uint32_t offered; /* data-out bytes announced (EDTL), 0 = not told; only WRITE SAME looks */
	/* Set while PENDING: a command of many steps ends at its next one, with SCSI_TASK_ABORTED. */
	bool cancelled;

	/* The outcome. */
	enum scsi_status status;
	uint32_t in_length; /* data-in bytes in buffer, or at view; <= length */
	uint8_t sense_length;
	uint8_t sense[SCSI_SENSE_MAX];

	/* The device server's own. */
	const struct scsi_command *command;
	struct scsi_unit *unit;
	uint64_t lba;
	uint32_t blocks;
	uint32_t step;
	uint64_t progress;
	uint8_t *scratch; /* owned; freed when the task ends */
	struct store_request request;
};

/* Zeroes a task that does not come zeroed. Frees nothing. */
void scsi_task_init(struct scsi_task *task);

enum scsi_answer {
	SCSI_DONE,    /* status and data are there; `done` will not be called */
	SCSI_PENDING, /* `done` will be called later, from store_queue_reap() */
};

/*
 * Looks the command up and checks all that can be checked without its data: LUN, opcode, CDB bits,
 * limits, unit attentions, reservations. SCSI_PENDING = go on (gather data, then execute);
 * SCSI_DONE = ended here with a status (no data moves; data the initiator still sends is discarded
 * by the transport). A task that was parsed owns nothing yet: the transport may forget it instead
 * of executing it.
 */
enum scsi_answer scsi_task_parse(struct scsi_task *task);
/*
 * Whether a parsed task needs no buffer, since what it reads can be sent from where it lies: `view` then says where. A
 * read is as if it ran when it is sent: a task that must not run before it has to wait until then. `pieces`: the lengths
 * of the pieces in which it will be sent, ORed; no block may be divided between two.
 */
bool scsi_task_view(struct scsi_task *task, uint32_t pieces);
#define SCSI_KEPT_MAX 4096u
/*
 * Sending a view stopped at byte `at` of it: copies the rest of the block that this is in, so that no block is sent in
 * halves of different age. Returns its bytes, 0 between two blocks or if it is not to be had without waiting.
 */
uint32_t scsi_task_keep(struct scsi_task *task, uint32_t at, uint8_t kept[SCSI_KEPT_MAX]);
/*
 * Runs a parsed task. Of a data-out task whose out_length is short of `length` the WRITE and WRITE
 * AND VERIFY commands write the whole blocks that came; if a part of a block came, or the command
 * cannot be cut, it changes nothing and fails 05/0E/03 (INVALID FIELD IN COMMAND INFORMATION UNIT).
 */
enum scsi_answer scsi_task_execute(struct scsi_task *task);
/* Ends a task with CHECK CONDITION and sense as the unit's D_SENSE says. For the transport's own errors. */
void scsi_task_fail(struct scsi_task *task, uint32_t sense);

#endif
