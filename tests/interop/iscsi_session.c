/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What libiscsi, the initiator of QEMU, can ask of a target besides single commands: the ways of
 * sending data, sizes around every limit, a full queue, several LUNs, task management, NOP-Out and a
 * reconnect. Prints TAP.
 *
 *	iscsi_session INITIATOR iscsi://HOST:PORT/TARGET/0
 *
 * The target has LUN 0 and LUN 1, of any block size and at least 16 MiB each, and no LUN 2. All that
 * is on them is overwritten. CHAP as the URL or libiscsi's environment has it.
 */
#include <inttypes.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REPLY_SECONDS 30
#define LARGEST       (4u << 20) /* bytes: portcullisd's MAXIMUM TRANSFER LENGTH */
#define QUEUED        64u
#define ABSENT_LUN    2

/* How data goes to the target. */
struct manner {
	enum iscsi_immediate_data immediate;
	enum iscsi_initial_r2t r2t;
	enum iscsi_header_digest digest;
};

struct disk {
	struct iscsi_context *iscsi;
	struct iscsi_url *url;
	uint32_t block_size[2]; /* of each LUN */
};

/* Commands under way, and what became of them. */
struct tally {
	unsigned in_flight, good, cancelled, bad;
	int answer; /* of a task management function; -1: none yet */
};

static const char *reason = ""; /* of the last failure */

static bool fail(const char *why)
{
	reason = why;
	return false;
}

/* Eight bytes that differ by place and by `seed`. */
static void fill(uint8_t *data, size_t length, uint64_t seed)
{
	for (size_t i = 0; i < length; i += sizeof(uint64_t)) {
		uint64_t word = (seed * UINT64_C(0x9e3779b97f4a7c15) + i + 1) *
				UINT64_C(0xbf58476d1ce4e5b9);
		memcpy(data + i, &word, sizeof(word));
	}
}

static bool finish(struct scsi_task *task)
{
	bool good = task && task->status == SCSI_STATUS_GOOD;

	if (task)
		scsi_free_scsi_task(task);
	return good;
}

/* --- a session --- */

static void disk_close(struct disk *disk)
{
	if (disk->iscsi && iscsi_is_logged_in(disk->iscsi))
		iscsi_logout_sync(disk->iscsi);
	if (disk->url)
		iscsi_destroy_url(disk->url);
	if (disk->iscsi)
		iscsi_destroy_context(disk->iscsi);
	*disk = (struct disk){ 0 };
}

static bool measure(struct disk *disk, int lun)
{
	struct scsi_task *task = iscsi_readcapacity16_sync(disk->iscsi, lun);
	const struct scsi_readcapacity16 *capacity = NULL;

	if (task && task->status != SCSI_STATUS_GOOD) {
		scsi_free_scsi_task(task); /* the unit attention of a new session */
		task = iscsi_readcapacity16_sync(disk->iscsi, lun);
	}
	if (task && task->status == SCSI_STATUS_GOOD)
		capacity = scsi_datain_unmarshall(task);
	if (capacity)
		disk->block_size[lun] = capacity->block_length;
	return finish(task) && capacity;
}

static bool disk_open(struct disk *disk, char **arguments, const struct manner *manner)
{
	*disk = (struct disk){ .iscsi = iscsi_create_context(arguments[0]) };
	if (!disk->iscsi)
		return fail("no context");
	disk->url = iscsi_parse_full_url(disk->iscsi, arguments[1]);
	if (!disk->url)
		return fail("bad URL");
	iscsi_set_targetname(disk->iscsi, disk->url->target);
	iscsi_set_session_type(disk->iscsi, ISCSI_SESSION_NORMAL);
	iscsi_set_header_digest(disk->iscsi, manner->digest);
	iscsi_set_immediate_data(disk->iscsi, manner->immediate);
	iscsi_set_initial_r2t(disk->iscsi, manner->r2t);
	iscsi_set_noautoreconnect(disk->iscsi, 1);
	iscsi_set_timeout(disk->iscsi, REPLY_SECONDS);
	if (iscsi_full_connect_sync(disk->iscsi, disk->url->portal, 0) != 0)
		return fail(iscsi_get_error(disk->iscsi));
	return (measure(disk, 0) && measure(disk, 1)) || fail("READ CAPACITY");
}

static bool write_at(struct disk *disk, int lun, uint64_t lba, uint8_t *data, uint32_t length)
{
	return finish(iscsi_write16_sync(disk->iscsi, lun, lba, data, length,
		       (int)disk->block_size[lun], 0, 0, 0, 0, 0)) ||
	       fail("a WRITE failed");
}

static bool read_is(struct disk *disk, int lun, uint64_t lba, const uint8_t *data, uint32_t length)
{
	struct scsi_task *task = iscsi_read16_sync(
		disk->iscsi, lun, lba, length, (int)disk->block_size[lun], 0, 0, 0, 0, 0);
	bool same = task && task->status == SCSI_STATUS_GOOD && task->datain.size == (int)length &&
		    memcmp(task->datain.data, data, length) == 0;

	(void)finish(task);
	return same || fail("a READ failed or had other data");
}

/* Answers what comes until no command is under way any more. */
static bool serve(struct disk *disk, struct tally *tally, bool want_answer)
{
	while (tally->in_flight > 0 || (want_answer && tally->answer < 0)) {
		struct pollfd fd = { .fd = iscsi_get_fd(disk->iscsi),
			.events = (short)iscsi_which_events(disk->iscsi) };
		int ready = poll(&fd, 1, REPLY_SECONDS * 1000);

		if (ready <= 0 || iscsi_service(disk->iscsi, fd.revents) != 0)
			return fail("the session ended, or no answer came");
	}
	return true;
}

static void count(struct iscsi_context *iscsi, int status, void *command, void *private_data)
{
	struct tally *tally = private_data;
	(void)iscsi;

	tally->in_flight--;
	tally->good += status == SCSI_STATUS_GOOD;
	tally->cancelled += status == SCSI_STATUS_CANCELLED;
	tally->bad += status != SCSI_STATUS_GOOD && status != SCSI_STATUS_CANCELLED;
	if (command)
		scsi_free_scsi_task(command);
}

/* --- sizes, in every manner of sending --- */

/* Sizes around a sector, libiscsi's FirstBurstLength (256 KiB), and MaxBurstLength's multiples. */
static bool sizes(struct disk *disk, uint8_t *data)
{
	static const uint32_t bytes[] = { 512, 1024, 3584, 4096, 7680, 8192, 8704, 65024, 65536,
		66048, 261632, 262144, 262656, 524288, 1 << 20, (1 << 20) + 4096, LARGEST };

	for (unsigned i = 0; i < sizeof(bytes) / sizeof(bytes[0]); i++) {
		for (int lun = 0; lun < 2; lun++) {
			uint32_t size = disk->block_size[lun];
			uint32_t length = bytes[i] / size * size;
			uint64_t lba = 1 + i * 3 % 11;

			if (length == 0)
				continue;
			fill(data, length, i + 100 * (unsigned)lun);
			if (!write_at(disk, lun, lba, data, length) ||
				!read_is(disk, lun, lba, data, length))
				return false;
		}
	}
	return true;
}

/* --- what needs a session of the usual manner --- */

/* A full queue of writes, then of reads, each of its own size. */
static bool queue(struct disk *disk, uint8_t *data)
{
	struct tally tally = { 0 };
	uint32_t size = disk->block_size[0], offset = 0;

	fill(data, LARGEST, 7);
	for (unsigned i = 0; i < QUEUED; i++) {
		uint32_t length = (1 + i % 13) * size;
		tally.in_flight += iscsi_write16_task(disk->iscsi, 0, offset / size, data + offset,
					   length, (int)size, 0, 0, 0, 0, 0, count, &tally) != NULL;
		offset += length;
	}
	if (!serve(disk, &tally, false) || tally.good != QUEUED)
		return fail("not all queued writes were GOOD");
	uint8_t *found = calloc(1, offset);
	for (uint32_t at = 0; found && at < offset; at += size) {
		struct scsi_task *task = iscsi_read16_task(
			disk->iscsi, 0, at / size, size, (int)size, 0, 0, 0, 0, 0, count, &tally);
		tally.in_flight += task != NULL;
		if (task)
			scsi_task_add_data_in_buffer(task, (int)size, found + at);
	}
	bool same = found && serve(disk, &tally, false) && tally.bad == 0 && tally.cancelled == 0 &&
		    memcmp(found, data, offset) == 0;
	free(found);
	return same || fail("queued reads had other data");
}

static bool luns(struct disk *disk, uint8_t *data)
{
	uint32_t length = 64 * 1024;

	for (int lun = 0; lun < 2; lun++) {
		fill(data, length, 50 + (unsigned)lun);
		if (!write_at(disk, lun, 5, data, length))
			return false;
	}
	for (int lun = 0; lun < 2; lun++) {
		fill(data, length, 50 + (unsigned)lun);
		if (!read_is(disk, lun, 5, data, length))
			return false;
	}
	struct scsi_task *task = iscsi_reportluns_sync(disk->iscsi, 0, 4096);
	const struct scsi_reportluns_list *list = task && task->status == SCSI_STATUS_GOOD
							  ? scsi_datain_unmarshall(task)
							  : NULL;
	bool right = list && list->num == 2 && list->luns[0] == 0 && list->luns[1] == 1;
	(void)finish(task);
	if (!right)
		return fail("REPORT LUNS");
	task = iscsi_testunitready_sync(disk->iscsi, ABSENT_LUN);
	right = task && task->status == SCSI_STATUS_CHECK_CONDITION &&
		task->sense.key == SCSI_SENSE_ILLEGAL_REQUEST &&
		task->sense.ascq == SCSI_SENSE_ASCQ_LOGICAL_UNIT_NOT_SUPPORTED;
	(void)finish(task);
	return right || fail("the absent LUN");
}

static void managed(struct iscsi_context *iscsi, int status, void *answer, void *private_data)
{
	struct tally *tally = private_data;
	(void)iscsi;
	(void)status;

	tally->answer = answer ? (int)*(uint32_t *)answer : -2;
}

/*
 * A function sent right behind 32 writes: it is carried out, each write is answered or will never be,
 * and the disk works on. libiscsi itself cancels what a reset or an abort ends.
 */
static bool manage(struct disk *disk, uint8_t *data, enum iscsi_task_mgmt_funcs function)
{
	struct tally tally = { .answer = -1 };
	struct scsi_task *last = NULL;
	uint32_t tag = 0xffffffff, number = 0;

	fill(data, 65536, 80);
	for (unsigned i = 0; i < 32; i++) {
		last = iscsi_write16_task(disk->iscsi, 0, 0, data, 65536, (int)disk->block_size[0],
			0, 0, 0, 0, 0, count, &tally);
		tally.in_flight += last != NULL;
	}
	if (function == ISCSI_TM_ABORT_TASK && last) {
		tag = last->itt;
		number = last->cmdsn;
	}
	if (iscsi_task_mgmt_async(disk->iscsi, 0, function, tag, number, managed, &tally) != 0)
		return fail("not sent");
	while (tally.answer == -1) {
		struct pollfd fd = { .fd = iscsi_get_fd(disk->iscsi),
			.events = (short)iscsi_which_events(disk->iscsi) };
		if (poll(&fd, 1, REPLY_SECONDS * 1000) <= 0 ||
			iscsi_service(disk->iscsi, fd.revents) != 0)
			return fail("the session ended, or no answer came");
	}
	if (tally.answer != ISCSI_TMR_FUNC_COMPLETE &&
		(function != ISCSI_TM_ABORT_TASK || tally.answer != ISCSI_TMR_TASK_DOES_NOT_EXIST))
		return fail("the function was not carried out");
	/* What the function ended gets no answer; libiscsi still has it in its list. */
	iscsi_scsi_cancel_all_tasks(disk->iscsi);
	if (tally.bad > 0 || tally.in_flight > 0)
		return fail("a write ended otherwise than GOOD or not at all");
	fill(data, 65536, 81);
	return write_at(disk, 0, 0, data, 65536) && read_is(disk, 0, 0, data, 65536);
}

static bool abort_task(struct disk *disk, uint8_t *data)
{
	return manage(disk, data, ISCSI_TM_ABORT_TASK);
}

static bool abort_task_set(struct disk *disk, uint8_t *data)
{
	return manage(disk, data, ISCSI_TM_ABORT_TASK_SET);
}

static bool unit_reset(struct disk *disk, uint8_t *data)
{
	return manage(disk, data, ISCSI_TM_LUN_RESET);
}

static void ponged(struct iscsi_context *iscsi, int status, void *data, void *private_data)
{
	struct tally *tally = private_data;
	const struct iscsi_data *echo = data;
	(void)iscsi;

	tally->in_flight--;
	tally->good += status == SCSI_STATUS_GOOD && echo && echo->size == 1000 &&
		       echo->data[0] == 'n' && echo->data[999] == 'n';
}

/* Echoed to the byte, also while the disk works. */
static bool nop(struct disk *disk, uint8_t *data)
{
	struct tally tally = { 0 }, pings = { .in_flight = 10 };
	unsigned char ping[1000];

	memset(ping, 'n', sizeof(ping));
	fill(data, LARGEST, 9);
	tally.in_flight += iscsi_write16_task(disk->iscsi, 0, 0, data, LARGEST,
				   (int)disk->block_size[0], 0, 0, 0, 0, 0, count, &tally) != NULL;
	for (unsigned i = 0; i < 10; i++)
		if (iscsi_nop_out_async(disk->iscsi, ponged, ping, sizeof(ping), &pings) != 0)
			return fail("not sent");
	return serve(disk, &pings, false) && serve(disk, &tally, false) &&
	       ((pings.good == 10 && tally.good == 1) || fail("not echoed"));
}

static bool serial(struct disk *disk, char *text, size_t size)
{
	struct scsi_task *task = iscsi_inquiry_sync(disk->iscsi, 0, 1, 0x80, 255);
	const struct scsi_inquiry_unit_serial_number *page =
		task && task->status == SCSI_STATUS_GOOD ? scsi_datain_unmarshall(task) : NULL;

	if (page)
		snprintf(text, size, "%s", page->usn);
	return finish(task) && page;
}

/* The session is dropped and opened anew: the same disk, with the data. */
static bool reconnect(struct disk *disk, uint8_t *data)
{
	char before[128] = "", after[128] = "-";

	fill(data, 65536, 11);
	if (!write_at(disk, 0, 3, data, 65536) || !serial(disk, before, sizeof(before)))
		return fail("before");
	iscsi_set_noautoreconnect(disk->iscsi, 0);
	if (iscsi_reconnect_sync(disk->iscsi) != 0)
		return fail(iscsi_get_error(disk->iscsi));
	iscsi_set_noautoreconnect(disk->iscsi, 1);
	return measure(disk, 0) && serial(disk, after, sizeof(after)) &&
	       read_is(disk, 0, 3, data, 65536) &&
	       (strcmp(before, after) == 0 || fail("another serial number"));
}

/* --- the tables --- */

/* Every way of sending, with and without header digests [DATA-01] [DATA-03] [DATA-07]. */
#define MANNERS 8

static struct manner manner_of(unsigned number)
{
	return (struct manner){
		.immediate = number & 1 ? ISCSI_IMMEDIATE_DATA_NO : ISCSI_IMMEDIATE_DATA_YES,
		.r2t = number & 2 ? ISCSI_INITIAL_R2T_NO : ISCSI_INITIAL_R2T_YES,
		.digest = number & 4 ? ISCSI_HEADER_DIGEST_CRC32C : ISCSI_HEADER_DIGEST_NONE,
	};
}

static void manner_name(char *name, size_t size, unsigned number)
{
	snprintf(name, size, "all sizes with InitialR2T=%s ImmediateData=%s HeaderDigest=%s",
		number & 2 ? "No" : "Yes", number & 1 ? "No" : "Yes",
		number & 4 ? "CRC32C" : "None");
}

static const struct manner usual = { ISCSI_IMMEDIATE_DATA_YES, ISCSI_INITIAL_R2T_NO,
	ISCSI_HEADER_DIGEST_NONE_CRC32C };

static const struct {
	const char *name;
	bool (*run)(struct disk *disk, uint8_t *data);
} cases[] = {
	{ "a full queue of writes and reads", queue },
	{ "two LUNs, and one that is not there [SCSI-02]", luns },
	{ "ABORT TASK behind writes [TMF-02]", abort_task },
	{ "ABORT TASK SET behind writes [TMF-06]", abort_task_set },
	{ "LOGICAL UNIT RESET behind writes [TMF-07] [TMF-10]", unit_reset },
	{ "NOP-Out is echoed while a write runs [NOP-01]", nop },
	{ "a reconnect finds the same disk [LIBI-02]", reconnect },
};

#define CASES (sizeof(cases) / sizeof(cases[0]))

static bool run(char **arguments, const struct manner *manner,
	bool (*test)(struct disk *disk, uint8_t *data), uint8_t *data)
{
	struct disk disk;
	bool passed = disk_open(&disk, arguments, manner) && test(&disk, data);

	if (!passed)
		printf("# %s (%s)\n", reason, disk.iscsi ? iscsi_get_error(disk.iscsi) : "");
	disk_close(&disk);
	return passed;
}

int main(int argc, char **argv)
{
	uint8_t *data = calloc(1, LARGEST);
	unsigned failed = 0, number = 0;

	if (argc != 3 || !data) {
		fputs("usage: iscsi_session INITIATOR iscsi://HOST:PORT/TARGET/0\n", stderr);
		return 2;
	}
	printf("1..%zu\n", MANNERS + CASES);
	for (; number < MANNERS + CASES; number++) {
		char name[128];
		bool passed;

		if (number < MANNERS) {
			struct manner manner = manner_of(number);
			manner_name(name, sizeof(name), number);
			passed = run(argv + 1, &manner, sizes, data);
		} else {
			snprintf(name, sizeof(name), "%s", cases[number - MANNERS].name);
			passed = run(argv + 1, &usual, cases[number - MANNERS].run, data);
		}
		printf("%sok %u - %s\n", passed ? "" : "not ", number + 1, name);
		fflush(stdout);
		failed += !passed;
	}
	free(data);
	return failed ? 1 : 0;
}
