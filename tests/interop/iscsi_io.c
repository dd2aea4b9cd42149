/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A small initiator on libiscsi, for the demo and the interoperability tests: logs in, writes a
 * pattern, verifies it, or holds a session with I/O running and tells when and how it was closed.
 *
 *	iscsi_io [-i INITIATOR] login URL
 *	iscsi_io [-i INITIATOR] write URL SEED MIB
 *	iscsi_io [-i INITIATOR] verify URL SEED MIB
 *	iscsi_io [-i INITIATOR] hold URL SECONDS
 *
 * URL is iscsi://HOST:PORT/TARGET/LUN. CHAP comes from libiscsi's environment variables
 * (LIBISCSI_CHAP_USERNAME and its sisters), so no secret stands on the command line. Each line
 * on stdout is one event, moments in seconds since the epoch. Exit status: 0 as asked (for
 * `hold`: the target closed the session), 1 not, 2 usage.
 */
#include <errno.h>
#include <inttypes.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CHUNK         65536u
#define MIB           (1u << 20)
#define HOLD_DEPTH    8u
#define HOLD_SIZE     4096u
#define HOLD_AREA     1024u /* chunks of HOLD_SIZE, at the end of the disk: apart from any pattern */
#define REPLY_SECONDS 30

struct disk {
	struct iscsi_context *iscsi;
	struct iscsi_url *url;
	uint32_t block_size;
	uint64_t blocks;
};

struct hold {
	struct disk *disk;
	uint64_t done;      /* commands answered with GOOD */
	uint64_t failed;    /* answered with anything else */
	uint64_t cancelled; /* libiscsi gave them up: the connection is gone */
	uint64_t next;
	unsigned in_flight;
	uint8_t data[HOLD_SIZE];
};

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_REALTIME, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The bytes at `offset` of the pattern `seed`: different for each seed and each eight bytes. */
static void fill(uint8_t *data, size_t length, uint64_t seed, uint64_t offset)
{
	for (size_t i = 0; i < length; i += sizeof(uint64_t)) {
		uint64_t word = (offset + i) * UINT64_C(0x9e3779b97f4a7c15) ^ seed;
		word ^= word >> 29;
		word *= UINT64_C(0xbf58476d1ce4e5b9) + seed;
		memcpy(data + i, &word, sizeof(word));
	}
}

static int complain(const struct disk *disk, const char *what)
{
	printf("%s: %s\n", what, iscsi_get_error(disk->iscsi));
	return 1;
}

static int disk_open(struct disk *disk, const char *initiator, const char *url)
{
	disk->iscsi = iscsi_create_context(initiator);
	if (!disk->iscsi)
		return -1;
	disk->url = iscsi_parse_full_url(disk->iscsi, url);
	if (!disk->url) {
		complain(disk, "url");
		return -1;
	}
	iscsi_set_targetname(disk->iscsi, disk->url->target);
	iscsi_set_session_type(disk->iscsi, ISCSI_SESSION_NORMAL);
	iscsi_set_header_digest(disk->iscsi, ISCSI_HEADER_DIGEST_NONE_CRC32C);
	iscsi_set_noautoreconnect(disk->iscsi, 1);
	iscsi_set_timeout(disk->iscsi, REPLY_SECONDS);
	if (iscsi_full_connect_sync(disk->iscsi, disk->url->portal, disk->url->lun) != 0) {
		complain(disk, "login refused");
		return -1;
	}
	return 0;
}

static void disk_close(struct disk *disk)
{
	if (disk->iscsi && iscsi_is_logged_in(disk->iscsi))
		iscsi_logout_sync(disk->iscsi);
	if (disk->url)
		iscsi_destroy_url(disk->url);
	if (disk->iscsi)
		iscsi_destroy_context(disk->iscsi);
}

static int disk_measure(struct disk *disk)
{
	struct scsi_task *task = iscsi_readcapacity16_sync(disk->iscsi, disk->url->lun);
	struct scsi_readcapacity16 *capacity = NULL;

	if (task && task->status == SCSI_STATUS_GOOD)
		capacity = scsi_datain_unmarshall(task);
	if (capacity) {
		disk->block_size = capacity->block_length;
		disk->blocks = capacity->returned_lba + 1;
	}
	if (task)
		scsi_free_scsi_task(task);
	return disk->block_size ? 0 : -1;
}

/* Writes one chunk, or reads it back and compares. */
static int transfer(struct disk *disk, bool write, uint64_t seed, uint64_t offset)
{
	uint8_t data[CHUNK];
	uint64_t lba = offset / disk->block_size;
	int lun = disk->url->lun, size = (int)disk->block_size;
	struct scsi_task *task;

	fill(data, CHUNK, seed, offset);
	task = write ? iscsi_write16_sync(disk->iscsi, lun, lba, data, CHUNK, size, 0, 0, 0, 0, 0)
		     : iscsi_read16_sync(disk->iscsi, lun, lba, CHUNK, size, 0, 0, 0, 0, 0);
	if (!task || task->status != SCSI_STATUS_GOOD) {
		printf("%s at byte %" PRIu64 " failed: %s\n", write ? "write" : "read", offset,
			iscsi_get_error(disk->iscsi));
		if (task)
			scsi_free_scsi_task(task);
		return -1;
	}
	int result = 0;
	if (!write &&
		(task->datain.size != (int)CHUNK || memcmp(task->datain.data, data, CHUNK) != 0)) {
		printf("the data at byte %" PRIu64 " differ\n", offset);
		result = -1;
	}
	scsi_free_scsi_task(task);
	return result;
}

static int run_pattern(struct disk *disk, bool write, uint64_t seed, uint64_t mib)
{
	double start = now();

	if (disk_measure(disk) != 0)
		return complain(disk, "read capacity");
	if (mib * MIB > disk->blocks * disk->block_size) {
		printf("the disk is smaller than %" PRIu64 " MiB\n", mib);
		return 1;
	}
	for (uint64_t offset = 0; offset < mib * MIB; offset += CHUNK) {
		if (transfer(disk, write, seed, offset) != 0)
			return 1;
	}
	if (write) {
		struct scsi_task *task = iscsi_synchronizecache16_sync(
			disk->iscsi, disk->url->lun, 0, 0, 0, 0);
		bool good = task && task->status == SCSI_STATUS_GOOD;
		if (task)
			scsi_free_scsi_task(task);
		if (!good)
			return complain(disk, "synchronize cache");
	}
	printf("%s %" PRIu64 " MiB in %.3f s\n", write ? "wrote" : "verified", mib, now() - start);
	return 0;
}

static void hold_more(struct hold *hold);

static void hold_done(
	struct iscsi_context *iscsi, int status, void *command_data, void *private_data)
{
	struct hold *hold = private_data;
	struct scsi_task *task = command_data;
	(void)iscsi;

	hold->in_flight--;
	if (status == SCSI_STATUS_GOOD && hold->done++ == 0) {
		printf("holding %.6f\n", now());
		fflush(stdout);
	}
	if (status == SCSI_STATUS_CANCELLED)
		hold->cancelled++;
	else if (status != SCSI_STATUS_GOOD)
		hold->failed++;
	if (task)
		scsi_free_scsi_task(task);
	if (status == SCSI_STATUS_GOOD)
		hold_more(hold);
}

/* One more command: reads and writes in turn. */
static void hold_more(struct hold *hold)
{
	struct disk *disk = hold->disk;
	uint64_t number = hold->next++;
	int lun = disk->url->lun, size = (int)disk->block_size;
	uint64_t area = disk->blocks - (uint64_t)HOLD_AREA * HOLD_SIZE / disk->block_size;
	uint64_t lba = area + number % HOLD_AREA * HOLD_SIZE / disk->block_size;
	struct scsi_task *task = number % 2
					 ? iscsi_write16_task(disk->iscsi, lun, lba, hold->data,
						   HOLD_SIZE, size, 0, 0, 0, 0, 0, hold_done, hold)
					 : iscsi_read16_task(disk->iscsi, lun, lba, HOLD_SIZE, size,
						   0, 0, 0, 0, 0, hold_done, hold);
	if (task)
		hold->in_flight++;
}

/* Whether the session ended before the time was over. */
static bool hold_until_closed(struct hold *hold, double end)
{
	struct iscsi_context *iscsi = hold->disk->iscsi;

	while (now() < end) {
		struct pollfd fd = { .fd = iscsi_get_fd(iscsi),
			.events = (short)iscsi_which_events(iscsi) };
		if (fd.fd < 0)
			return true;
		if (poll(&fd, 1, 100) < 0 && errno != EINTR)
			return true;
		if (iscsi_service(iscsi, fd.revents) != 0 || !iscsi_is_logged_in(iscsi))
			return true;
		if (hold->in_flight == 0 || hold->cancelled)
			return hold->cancelled > 0;
	}
	return false;
}

static int run_hold(struct disk *disk, double seconds)
{
	struct hold *hold = calloc(1, sizeof(*hold));

	if (!hold || disk_measure(disk) != 0) {
		free(hold);
		return complain(disk, "read capacity");
	}
	hold->disk = disk;
	for (unsigned i = 0; i < HOLD_DEPTH; i++)
		hold_more(hold);
	bool closed = hold_until_closed(hold, now() + seconds);
	printf("%s %.6f, %" PRIu64 " commands answered well, %" PRIu64 " otherwise\n",
		closed ? "closed" : "ended", now(), hold->done, hold->failed);
	fflush(stdout);
	/* Its callbacks need `hold` until the last one is cancelled. */
	iscsi_destroy_url(disk->url);
	iscsi_destroy_context(disk->iscsi);
	*disk = (struct disk){ 0 };
	int result = closed && hold->failed == 0 ? 0 : 1;
	free(hold);
	return result;
}

static int run(struct disk *disk, int argc, char **argv)
{
	const char *verb = argv[0];

	if (strcmp(verb, "login") == 0 && argc == 2) {
		puts("login accepted");
		return 0;
	}
	if (strcmp(verb, "hold") == 0 && argc == 3)
		return run_hold(disk, strtod(argv[2], NULL));
	if ((strcmp(verb, "write") == 0 || strcmp(verb, "verify") == 0) && argc == 4)
		return run_pattern(disk, strcmp(verb, "write") == 0, strtoull(argv[2], NULL, 0),
			strtoull(argv[3], NULL, 0));
	fputs("usage: see the beginning of iscsi_io.c\n", stderr);
	return 2;
}

int main(int argc, char **argv)
{
	const char *initiator = "iqn.2026-11.example.portcullis:io";
	struct disk disk = { 0 };
	int option, result = 1;

	while ((option = getopt(argc, argv, "i:")) != -1) {
		if (option != 'i')
			return 2;
		initiator = optarg;
	}
	if (argc - optind < 2) {
		fputs("usage: iscsi_io [-i INITIATOR] login|write|verify|hold URL ...\n", stderr);
		return 2;
	}
	if (disk_open(&disk, initiator, argv[optind + 1]) == 0)
		result = run(&disk, argc - optind, argv + optind);
	disk_close(&disk);
	return result;
}
