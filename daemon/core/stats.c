/* SPDX-License-Identifier: BSD-2-Clause */
/* Counting, on the fast path: a command costs a few additions to memory that nobody else writes. */
#include "daemon/core/stats.h"

#include "daemon/core/clock.h"

#include <stdlib.h>
#include <string.h>

#define US UINT64_C(1000)
#define MS UINT64_C(1000000)

/* From a page in the cache to a disk that is asleep. */
const uint64_t stats_bounds[STATS_BUCKETS - 1] = { 25 * US, 50 * US, 100 * US, 250 * US, 500 * US,
	1 * MS, 2500 * US, 5 * MS, 10 * MS, 50 * MS, 250 * MS, 1000 * MS };

/* The writer is alone, so this needs no locked instruction. */
static void add(stats_number *number, uint64_t amount)
{
	atomic_store_explicit(number, stats_read(number) + amount, memory_order_relaxed);
}

struct stats *stats_new(void)
{
	return calloc(1, sizeof(struct stats));
}

static void target_free(struct stats_target *target)
{
	for (unsigned i = 0; i <= SCSI_LUN_MAX; i++)
		free(atomic_load(&target->luns[i]));
	free(target->name);
	free(target);
}

void stats_free(struct stats *stats)
{
	if (!stats)
		return;
	struct stats_target *target = atomic_load(&stats->first);
	while (target) {
		struct stats_target *next = target->next;
		target_free(target);
		target = next;
	}
	free(stats);
}

struct stats_target *stats_target(struct stats *stats, const char *name)
{
	struct stats_target *first = atomic_load_explicit(&stats->first, memory_order_relaxed);
	for (struct stats_target *target = first; target; target = target->next) {
		if (strcmp(target->name, name) == 0)
			return target;
	}
	struct stats_target *target = calloc(1, sizeof *target);
	if (!target || !(target->name = strdup(name))) {
		free(target);
		return NULL;
	}
	target->next = first;
	atomic_store_explicit(&stats->first, target, memory_order_release);
	return target;
}

void stats_login(struct stats_target *target, enum stats_login outcome)
{
	if (target)
		add(&target->logins[outcome], 1);
}

void stats_session(struct stats_target *target, int change)
{
	if (target)
		add(&target->sessions, (uint64_t)(int64_t)change);
}

static enum stats_operation operation_of(uint8_t opcode)
{
	/* One more than the operation, so that all others are zero. */
	static const uint8_t operations[256] = {
		[0x08] = STATS_READ + 1, /* READ(6), (10), (12), (16) */
		[0x28] = STATS_READ + 1,
		[0xa8] = STATS_READ + 1,
		[0x88] = STATS_READ + 1,
		[0x0a] = STATS_WRITE + 1, /* WRITE(6), (10), (12), (16) */
		[0x2a] = STATS_WRITE + 1,
		[0xaa] = STATS_WRITE + 1,
		[0x8a] = STATS_WRITE + 1,
		[0x2e] = STATS_WRITE + 1, /* WRITE AND VERIFY(10), (12), (16) */
		[0xae] = STATS_WRITE + 1,
		[0x8e] = STATS_WRITE + 1,
	};
	return operations[opcode] ? operations[opcode] - 1u : STATS_OTHER;
}

/* SPC-4 section 4.5: fixed and descriptor format have the key at different places. */
static unsigned sense_key(const struct scsi_task *task)
{
	const unsigned format = task->sense_length ? task->sense[0] & 0x7f : 0;
	return task->sense[format >= 0x72 ? 1 : 2] & 0x0f;
}

static struct stats_lun *lun_of(struct stats_target *target, const struct scsi_task *task)
{
	const int number = task->unit ? scsi_lun_number(task->lun) : (int)STATS_NO_LUN;
	_Atomic(struct stats_lun *) *place = &target->luns[number];
	struct stats_lun *lun = atomic_load_explicit(place, memory_order_relaxed);
	if (!lun) {
		lun = calloc(1, sizeof *lun);
		atomic_store_explicit(place, lun, memory_order_release);
	}
	return lun;
}

void stats_settle(struct stats *stats, uint64_t now)
{
	for (unsigned i = 0; i < stats->ended_count; i++) {
		const struct stats_ended *ended = &stats->ended[i];
		const uint64_t time = now > ended->began ? now - ended->began : 0;
		unsigned bucket = 0;
		while (bucket < STATS_BUCKETS - 1 && time > stats_bounds[bucket])
			bucket++;
		add(&ended->lun->commands[ended->operation][bucket], 1);
		add(&ended->lun->nanoseconds[ended->operation], time);
	}
	stats->ended_count = 0;
}

void stats_command(struct stats *stats, struct stats_target *target, const struct scsi_task *task,
	uint32_t bytes, uint64_t began)
{
	struct stats_lun *lun = target ? lun_of(target, task) : NULL;
	if (!lun)
		return;
	if (stats->ended_count == STATS_ENDED_MAX)
		stats_settle(stats, clock_nanoseconds());
	stats->ended[stats->ended_count++] = (struct stats_ended){
		.lun = lun, .operation = operation_of(task->cdb[0]), .began = began
	};
	if (bytes)
		add(task->direction == SCSI_DATA_OUT ? &lun->bytes_out : &lun->bytes_in, bytes);
	if (task->status == SCSI_CHECK_CONDITION)
		add(&lun->sense[sense_key(task)], 1);
	else if (task->status != SCSI_GOOD)
		add(&lun->refused, 1);
}

void stats_turn(struct stats *stats)
{
	add(&stats->turns, 1);
}
