/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What changes of a device under way: a unit more (3F/0E) and a larger one (2A/09), told to every nexus, once, and
 * shown by what reads capacities and inventories. [SCSI-20 SCSI-21 SCSI-02]
 */
#include "tests/proto/scsi/bench.h"
#include "tests/suite.h"

#include "base/bytes.h"

#include <stdio.h>

#define NEXUSES 3

/* The bench's own nexus and others, all past their first attention. */
struct crowd {
	struct bench *bench;
	struct scsi_nexus *all[NEXUSES];
	struct store *second;
};

/* TEST UNIT READY on one nexus and LUN; the sense. */
static uint32_t ask(struct crowd *crowd, unsigned nexus, unsigned lun)
{
	crowd->bench->nexus = crowd->all[nexus];
	crowd->bench->lun = LUN(lun);
	bench_send(crowd->bench, CDB(0));
	return bench_sense(crowd->bench);
}

static struct crowd crowd_new(void)
{
	struct crowd crowd = { .bench = bench_default(), .second = fake_store_new(1 << 20, 512) };

	crowd.all[0] = crowd.bench->nexus;
	for (unsigned i = 1; i < NEXUSES; i++) {
		char port[64];
		snprintf(port, sizeof(port), "iqn.2026-01.org.example:%u,i,0x80000000000%u", i, i);
		crowd.all[i] = scsi_nexus_new(crowd.bench->device, port, BENCH_TAG, UA_POWER_ON);
		ck_assert_uint_eq(ask(&crowd, i, 0), UA_POWER_ON);
		ck_assert_uint_eq(ask(&crowd, i, 0), 0);
	}
	return crowd;
}

static void crowd_free(struct crowd *crowd)
{
	crowd->bench->nexus = crowd->all[0];
	for (unsigned i = 1; i < NEXUSES; i++)
		scsi_nexus_free(crowd->all[i]);
	bench_free(crowd->bench);
	fake_store_free(crowd->second);
}

static int add(struct crowd *crowd, uint16_t lun)
{
	const struct scsi_unit_config unit = {
		.lun = lun, .store = crowd->second, .block_size = 512, .physical_block_size = 512
	};

	return scsi_device_add(crowd->bench->device, &unit);
}

/* The last block's number. */
static uint64_t capacity(struct crowd *crowd, unsigned lun)
{
	crowd->bench->lun = LUN(lun);
	bench_send(crowd->bench, CDB(0x9e, 0x10, [13] = 32));
	check_good(crowd->bench, 32);
	return get_be64(crowd->bench->data);
}

START_TEST(a_unit_more_is_told_to_all)
{
	struct crowd crowd = crowd_new();

	ck_assert_int_eq(add(&crowd, 5), 0);
	for (unsigned i = 0; i < NEXUSES; i++) {
		ck_assert_uint_eq(ask(&crowd, i, 0), UA_LUNS_CHANGED);
		ck_assert_uint_eq(ask(&crowd, i, 0), 0);
	}
	crowd.bench->lun = LUN(0);
	bench_send(crowd.bench, CDB(0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0));
	check_good(crowd.bench, 24);
	ck_assert_uint_eq(crowd.bench->data[9], 0);
	ck_assert_uint_eq(crowd.bench->data[17], 5);
	ck_assert(scsi_lun_exists(crowd.bench->device, LUN(5)));
	while (ask(&crowd, 0, 5) != 0)
		continue; /* a nexus to it is news too */
	ck_assert_uint_eq(capacity(&crowd, 5), (1 << 20) / 512 - 1);
	crowd_free(&crowd);
}
END_TEST

START_TEST(a_unit_that_cannot_be_added_is_no_news)
{
	struct crowd crowd = crowd_new();

	ck_assert_int_lt(add(&crowd, 0), 0);
	ck_assert_int_lt(add(&crowd, 256), 0);
	for (unsigned i = 0; i < NEXUSES; i++)
		ck_assert_uint_eq(ask(&crowd, i, 0), 0);
	crowd_free(&crowd);
}
END_TEST

START_TEST(a_larger_unit_is_told_to_all_of_it)
{
	struct crowd crowd = crowd_new();

	ck_assert_int_eq(add(&crowd, 5), 0);
	for (unsigned i = 0; i < NEXUSES; i++)
		for (unsigned lun = 0; lun <= 5; lun += 5)
			while (ask(&crowd, i, lun) != 0)
				continue;
	crowd.second->info.size += 512;
	scsi_device_grown(crowd.bench->device, 5);
	for (unsigned i = 0; i < NEXUSES; i++) {
		ck_assert_uint_eq(ask(&crowd, i, 0), 0);
		ck_assert_uint_eq(ask(&crowd, i, 5), UA_CAPACITY_CHANGED);
		ck_assert_uint_eq(ask(&crowd, i, 5), 0);
	}
	ck_assert_uint_eq(capacity(&crowd, 5), (1 << 20) / 512);
	ck_assert_uint_eq(capacity(&crowd, 0), BENCH_BLOCKS - 1);
	crowd_free(&crowd);
}
END_TEST

/* The end of the medium moves with it; growing twice before anybody asks is told once. */
START_TEST(the_end_moves)
{
	struct crowd crowd = crowd_new();
	struct bench *bench = crowd.bench;

	bench->nexus = crowd.all[0];
	bench->lun = LUN(0);
	bench_send(bench, cdb_range(0x28, 0, BENCH_BLOCKS, 1));
	check_sense(bench, SENSE_LBA_OUT_OF_RANGE);
	bench->store->info.size += 4096;
	scsi_device_grown(bench->device, 0);
	bench->store->info.size += 4096;
	scsi_device_grown(bench->device, 0);
	ck_assert_uint_eq(ask(&crowd, 0, 0), UA_CAPACITY_CHANGED);
	ck_assert_uint_eq(ask(&crowd, 0, 0), 0);
	ck_assert_uint_eq(capacity(&crowd, 0), BENCH_BLOCKS + 15);
	bench->store->info.size -= 8192; /* the fake has no bytes there */
	bench_send(bench, cdb_range(0x28, 0, BENCH_BLOCKS + 16, 1));
	check_sense(bench, SENSE_LBA_OUT_OF_RANGE);
	crowd_free(&crowd);
}
END_TEST

START_TEST(what_has_not_grown_is_no_news)
{
	struct crowd crowd = crowd_new();

	scsi_device_grown(crowd.bench->device, 0);
	crowd.bench->store->info.size += 511; /* no whole block */
	scsi_device_grown(crowd.bench->device, 0);
	for (unsigned i = 0; i < NEXUSES; i++)
		ck_assert_uint_eq(ask(&crowd, i, 0), 0);
	ck_assert_uint_eq(capacity(&crowd, 0), BENCH_BLOCKS - 1);
	crowd.bench->store->info.size -= 511;
	crowd_free(&crowd);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("proto/scsi/changes");
	TCase *tcase = tcase_create("changes");

	tcase_add_test(tcase, a_unit_more_is_told_to_all);
	tcase_add_test(tcase, a_unit_that_cannot_be_added_is_no_news);
	tcase_add_test(tcase, a_larger_unit_is_told_to_all_of_it);
	tcase_add_test(tcase, the_end_moves);
	tcase_add_test(tcase, what_has_not_grown_is_no_news);
	suite_add_tcase(suite, tcase);
	return suite_main(suite);
}
