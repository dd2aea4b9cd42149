/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The engine over the real device server and a store in memory: the seam between them, which the
 * transcripts over the double cannot see.
 */
#include "tests/proto/iscsi/wire.h"

#include <check.h>

#define BLOCK 512u

static struct {
	struct store *store;
	struct store_queue *queue;
	struct scsi_device *device;
	struct scsi_nexus *nexus;
	struct iscsi_worker worker;
	struct iscsi_conn *conn;
	struct wire wire;
	uint64_t now;
	uint32_t tag, cmd_sn;
} disk;

static int host_manage(void *owner, struct iscsi_management *management)
{
	(void)owner;
	(void)management;
	return -1;
}

static void host_wake(void *owner)
{
	(void)owner;
}

static void host_event(void *owner, const struct iscsi_event *event)
{
	(void)owner;
	(void)event;
}

static const struct iscsi_host host = {
	.manage = host_manage,
	.wake = host_wake,
	.event = host_event,
};

static void setup(void)
{
	char error[STORE_ERROR_SIZE];
	struct store_config store = { .path = "memory:", .size = 16 << 20, .block_size = BLOCK };

	memset(&disk, 0, sizeof(disk));
	disk.now = 1000;
	disk.store = store_open(&store, error);
	ck_assert_ptr_nonnull(disk.store);
	disk.queue = store_queue_new(STORE_QUEUE_THREADS, 8);
	ck_assert_ptr_nonnull(disk.queue);
	struct scsi_unit_config unit = {
		.store = disk.store,
		.block_size = BLOCK,
		.physical_block_size = 4096,
		.serial = "0123456789abcdef",
		.naa = { 0x60 },
	};
	disk.device = scsi_device_new(&(struct scsi_device_config){
		.target_name = "iqn.2000-01.test:disk",
		.units = &unit,
		.unit_count = 1,
	});
	ck_assert_ptr_nonnull(disk.device);
	disk.nexus = scsi_nexus_new(
		disk.device, "iqn.2000-01.test:i,i,0x400000000000", 1, UA_POWER_ON);
	ck_assert_ptr_nonnull(disk.nexus);
	disk.worker = (struct iscsi_worker){
		.host = &host,
		.queue = disk.queue,
		.buffers = buffer_pool_new(8 << 20),
		.tasks = pool_new(iscsi_task_size(), 16),
		.pdus = pool_new(iscsi_pdu_size(), 16),
	};
	disk.conn = iscsi_conn_new(&disk.worker, NULL, disk.now);
	ck_assert_ptr_nonnull(disk.conn);
	disk.conn->parameters.initiator_max_recv = 65536;
	disk.conn->parameters.target_max_recv = 65536;
	disk.conn->parameters.immediate_data = true;
	disk.conn->parameters.initial_r2t = true;
	disk.conn->grant.nexus = disk.nexus;
	disk.conn->grant.device = disk.device;
	disk.conn->max_cmd_sn = COMMAND_WINDOW - 1;
	conn_enter(disk.conn, ISCSI_PHASE_FULL, disk.now);
	full_begin(disk.conn, disk.now);
	wire_begin(&disk.wire, disk.conn, 0);
	disk.wire.in_full = true;
}

static void settle(void)
{
	do {
		store_queue_flush(disk.queue);
		(void)store_queue_reap(disk.queue, 64);
		wire_take(&disk.wire, disk.now);
	} while (disk.conn->executing > 0);
}

static void teardown(void)
{
	iscsi_conn_close(disk.conn, ISCSI_CLOSE_CLEAN, disk.now);
	settle();
	ck_assert(!iscsi_conn_busy(disk.conn));
	iscsi_conn_free(disk.conn);
	wire_end(&disk.wire);
	ck_assert_uint_eq(pool_in_use(disk.worker.tasks), 0);
	ck_assert_uint_eq(buffer_bytes_in_use(disk.worker.buffers), 0);
	pool_free(disk.worker.tasks);
	pool_free(disk.worker.pdus);
	buffer_pool_free(disk.worker.buffers);
	scsi_nexus_free(disk.nexus);
	scsi_device_free(disk.device);
	store_queue_free(disk.queue);
	store_close(disk.store);
}

static void put(uint8_t bhs[BHS_SIZE], const void *data, uint32_t length)
{
	static const uint8_t zero[4];

	put_be24(bhs + BHS_DATA_LENGTH, length);
	iscsi_conn_received(disk.conn, 0, bhs, BHS_SIZE, disk.now);
	iscsi_conn_received(disk.conn, 0, data, length, disk.now);
	iscsi_conn_received(disk.conn, 0, zero, -length & 3u, disk.now);
}

static const struct wire_pdu *next(uint8_t opcode)
{
	settle();
	ck_assert_uint_lt(disk.wire.taken, disk.wire.pdu_count);
	const struct wire_pdu *pdu = disk.wire.pdus[disk.wire.taken++];
	ck_assert_uint_eq(pdu->opcode, opcode);
	return pdu;
}

/* Sends a CDB; `flags` 0x40 reads, 0x20 writes `edtl` bytes, `immediate` of them at once. */
static void command(const uint8_t *cdb, size_t cdb_length, uint8_t flags, uint32_t edtl,
	const void *data, uint32_t immediate)
{
	uint8_t bhs[BHS_SIZE] = { OP_SCSI_COMMAND, FINAL | flags };

	put_be32(bhs + BHS_ITT, ++disk.tag);
	put_be32(bhs + 20, edtl);
	put_be32(bhs + BHS_CMD_SN, disk.cmd_sn++);
	memcpy(bhs + 32, cdb, cdb_length);
	put(bhs, data, immediate);
}

static void expect_status(uint8_t status)
{
	const struct wire_pdu *pdu = next(OP_SCSI_RESPONSE);

	ck_assert_uint_eq(pdu->itt, disk.tag);
	ck_assert_uint_eq(pdu->bhs[3], status);
}

static void clear_attention(void)
{
	static const uint8_t tur[6];

	command(tur, 6, 0, 0, NULL, 0);
	const struct wire_pdu *pdu = next(OP_SCSI_RESPONSE);
	ck_assert_uint_eq(pdu->bhs[3], SCSI_CHECK_CONDITION);
	ck_assert_uint_eq(pdu->data[2 + 2] & 0x0f, 6);
	ck_assert_uint_eq(pdu->data[2 + 12], 0x29);
	command(tur, 6, 0, 0, NULL, 0);
	expect_status(SCSI_GOOD);
}

static void write_blocks(uint32_t lba, uint16_t blocks, const uint8_t *data, uint32_t immediate)
{
	uint8_t cdb[10] = { 0x2a };
	uint32_t at = immediate, edtl = blocks * BLOCK;

	put_be32(cdb + 2, lba);
	put_be16(cdb + 7, blocks);
	command(cdb, 10, 0x20, edtl, data, immediate);
	while (at < edtl) {
		const struct wire_pdu *r2t = next(OP_R2T);
		uint32_t end = at + get_be32(r2t->bhs + 44), data_sn = 0;
		ck_assert_uint_eq(get_be32(r2t->bhs + 40), at);
		while (at < end) {
			uint32_t length = end - at < 65536 ? end - at : 65536;
			uint8_t bhs[BHS_SIZE] = { OP_DATA_OUT, at + length == end ? FINAL : 0 };
			put_be32(bhs + BHS_ITT, disk.tag);
			put_be32(bhs + BHS_TTT, r2t->ttt);
			put_be32(bhs + 36, data_sn++);
			put_be32(bhs + 40, at);
			put(bhs, data + at, length);
			at += length;
		}
	}
	expect_status(SCSI_GOOD);
}

static void read_blocks(uint32_t lba, uint16_t blocks, const uint8_t *data)
{
	uint8_t cdb[10] = { 0x28 };
	uint32_t at = 0;
	const struct wire_pdu *pdu;

	put_be32(cdb + 2, lba);
	put_be16(cdb + 7, blocks);
	command(cdb, 10, 0x40, blocks * BLOCK, NULL, 0);
	do {
		pdu = next(OP_DATA_IN);
		ck_assert_int_eq(memcmp(pdu->data, data + at, pdu->length), 0);
		at += pdu->length;
	} while (!(pdu->bhs[1] & 0x01));
	ck_assert_uint_eq(at, blocks * BLOCK);
}

START_TEST(written_is_read)
{
	static uint8_t data[2 << 20];

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)(i * 11 + (i >> 9));
	clear_attention();
	write_blocks(8, 1, data, 512);
	write_blocks(100, 4096, data, 8192); /* the data in hand moves to the whole buffer */
	read_blocks(100, 4096, data);
	read_blocks(8, 1, data);
	static const uint8_t zeros[BLOCK];
	read_blocks(99, 1, zeros);
	read_blocks(100 + 4096, 1, zeros);
}
END_TEST

START_TEST(asked_about_itself)
{
	static const uint8_t inquiry[6] = { 0x12, 0, 0, 0, 255 };
	static const uint8_t capacity[10] = { 0x25 };

	/* INQUIRY goes through a unit attention and leaves it. */
	command(inquiry, 6, 0x40, 255, NULL, 0);
	const struct wire_pdu *pdu = next(OP_DATA_IN);
	ck_assert_uint_eq(pdu->data[0], 0);
	ck_assert_uint_eq(pdu->bhs[1], FINAL | 0x03); /* S and U: fewer than 255 bytes */
	ck_assert_uint_eq(get_be32(pdu->bhs + 44), 255 - pdu->length);
	clear_attention();
	command(capacity, 10, 0x40, 8, NULL, 0);
	pdu = next(OP_DATA_IN);
	ck_assert_uint_eq(get_be32(pdu->data), (16u << 20) / BLOCK - 1);
	ck_assert_uint_eq(get_be32(pdu->data + 4), BLOCK);
}
END_TEST

START_TEST(beyond_the_end)
{
	uint8_t cdb[10] = { 0x2a, 0, 0, 0, 0x80, 0, 0, 0,
		1 }; /* the first block that is not there */
	static const uint8_t data[BLOCK];

	clear_attention();
	command(cdb, 10, 0x20, BLOCK, data, BLOCK);
	const struct wire_pdu *pdu = next(OP_SCSI_RESPONSE);
	ck_assert_uint_eq(pdu->bhs[3], SCSI_CHECK_CONDITION);
	ck_assert_uint_eq(pdu->data[2 + 12], 0x21);
	ck_assert_uint_eq(get_be32(pdu->bhs + 44), BLOCK); /* [RES-03] */
}
END_TEST

/* What the transport finds wrong has sense in the unit's own format, also before the unit was asked. */
START_TEST(transport_error)
{
	uint8_t cdb[10] = { 0x2a, [8] = 1 };
	static const uint8_t data[2 * BLOCK];

	clear_attention();
	command(cdb, 10, 0x20, BLOCK, data, 2 * BLOCK);
	const struct wire_pdu *pdu = next(OP_SCSI_RESPONSE);
	ck_assert_uint_eq(pdu->data[2] & 0x7f, 0x70);
	ck_assert_uint_eq(pdu->data[2 + 2] & 0x0f, 0x0b);
	ck_assert_uint_eq(pdu->data[2 + 12], 0x0c);
	ck_assert_uint_eq(pdu->data[2 + 13], 0x0d);
}
END_TEST

/* A command of many steps that is aborted begins no further one [TMF-02], so nothing of it lands late (K6). */
START_TEST(aborted_between_steps)
{
	enum {
		PIECE = 16384
	}; /* blocks: two slices of the store, so that the first is not done at once */
	static uint8_t data[1 << 20];
	uint8_t unmap[10] = { 0x42, [8] = 40 }, list[40] = { 0, 38, 0, 32 };
	uint8_t bhs[BHS_SIZE] = { OP_TASK_MANAGEMENT | IMMEDIATE, FINAL | 1 };

	memset(data, 'x', sizeof(data));
	clear_attention();
	write_blocks(0, 1, data, 512);
	write_blocks(PIECE, 2048, data, 8192);
	put_be32(list + 8 + 8, PIECE);
	put_be64(list + 24, PIECE);
	put_be32(list + 24 + 8, 2048);
	command(unmap, 10, 0x20, sizeof(list), list, sizeof(list));
	ck_assert_uint_eq(disk.conn->executing, 1);
	put_be32(bhs + BHS_ITT, 0x7777);
	put_be32(bhs + BHS_TTT, disk.tag);
	put_be32(bhs + 32, disk.cmd_sn - 1);
	put_be32(bhs + BHS_CMD_SN, disk.cmd_sn);
	put(bhs, NULL, 0);
	const struct wire_pdu *pdu = next(OP_TASK_MANAGEMENT_RESPONSE);
	ck_assert_uint_eq(pdu->bhs[2], 0);
	read_blocks(PIECE, 2048, data); /* not reached */
	memset(data, 0, BLOCK);
	read_blocks(0, 1, data); /* the step that was under way went to its end */
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("disk");
	TCase *tcase = tcase_create("real device server");

	tcase_add_checked_fixture(tcase, setup, teardown);
	tcase_add_test(tcase, written_is_read);
	tcase_add_test(tcase, asked_about_itself);
	tcase_add_test(tcase, beyond_the_end);
	tcase_add_test(tcase, transport_error);
	tcase_add_test(tcase, aborted_between_steps);
	suite_add_tcase(suite, tcase);
	SRunner *runner = srunner_create(suite);
	srunner_set_tap(runner, "-");
	srunner_run_all(runner, CK_SILENT);
	int failed = srunner_ntests_failed(runner);
	srunner_free(runner);
	return failed ? 1 : 0;
}
