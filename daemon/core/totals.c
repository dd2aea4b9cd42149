/* SPDX-License-Identifier: BSD-2-Clause */
/* Sums over all workers, each of which has its own counters of every target. */
#include "daemon/core/totals.h"

#include "daemon/core/registry.h"
#include "daemon/core/target.h"
#include "daemon/core/worker.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *const totals_outcomes[STATS_LOGINS] = {
	[STATS_LOGIN_ACCEPTED] = "accepted",
	[STATS_LOGIN_NOT_AUTHENTICATED] = "not_authenticated",
	[STATS_LOGIN_NOT_AUTHORIZED] = "not_authorized",
	[STATS_LOGIN_NO_TARGET] = "no_target",
	[STATS_LOGIN_UNAVAILABLE] = "unavailable",
	[STATS_LOGIN_REFUSED] = "refused",
};
const char *const totals_sense_keys[STATS_SENSE_KEYS] = { "no_sense", "recovered_error",
	"not_ready", "medium_error", "hardware_error", "illegal_request", "unit_attention",
	"data_protect", "blank_check", "vendor_specific", "copy_aborted", "aborted_command",
	"reserved", "volume_overflow", "miscompare", "completed" };

/* What is summed from, and where to. */
struct summing {
	struct totals *totals;
	const struct stats_target **counted; /* of all workers, by name */
	size_t counted_count;
};

static int compare_counted(const void *a, const void *b)
{
	const struct stats_target *left = *(const struct stats_target *const *)a;
	const struct stats_target *right = *(const struct stats_target *const *)b;
	return strcmp(left->name, right->name);
}

/* What all workers have counted, in an order to search in. */
static int collect(struct summing *summing, const struct workers *workers)
{
	size_t room = 0;
	for (unsigned i = 0; i < workers->count; i++) {
		const struct stats_target *target = stats_first(workers->all[i].stats);
		for (; target; target = target->next) {
			if (summing->counted_count == room) {
				room = room ? 2 * room : 64;
				const struct stats_target **grown = reallocarray(
					summing->counted, room, sizeof *grown);
				if (!grown)
					return -1;
				summing->counted = grown;
			}
			summing->counted[summing->counted_count++] = target;
		}
	}
	if (summing->counted_count)
		qsort(summing->counted, summing->counted_count, sizeof *summing->counted,
			compare_counted);
	return 0;
}

/* The place of the first one of that name; `counted_count` if there is none behind it. */
static size_t first_counted(const struct summing *summing, const char *name)
{
	size_t low = 0, high = summing->counted_count;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (strcmp(summing->counted[middle]->name, name) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void add_lun(struct lun_totals *sum, const struct stats_lun *lun)
{
	for (size_t i = 0; i < STATS_OPERATIONS; i++) {
		for (size_t n = 0; n < STATS_BUCKETS; n++)
			sum->commands[i][n] += stats_read(&lun->commands[i][n]);
		sum->nanoseconds[i] += stats_read(&lun->nanoseconds[i]);
	}
	for (size_t i = 0; i < STATS_SENSE_KEYS; i++)
		sum->sense[i] += stats_read(&lun->sense[i]);
	sum->bytes_in += stats_read(&lun->bytes_in);
	sum->bytes_out += stats_read(&lun->bytes_out);
	sum->refused += stats_read(&lun->refused);
}

/* Those of LUN `number` of a target. */
static void sum_lun(
	struct summing *summing, struct target_totals *target, const char *name, unsigned number)
{
	struct lun_totals *sum = &summing->totals->luns[summing->totals->lun_count];
	bool any = number != STATS_NO_LUN;
	for (size_t i = first_counted(summing, name);
		i < summing->counted_count && strcmp(summing->counted[i]->name, name) == 0; i++) {
		const struct stats_lun *lun = stats_lun_of(summing->counted[i], number);
		if (lun)
			add_lun(sum, lun);
		any = any || lun;
	}
	/* Commands to LUNs that do not exist are told only where there were some. */
	if (!any)
		return;
	sum->lun = number;
	target->lun_count++;
	summing->totals->lun_count++;
}

/* One target's, with its LUNs; NULL: of what is no target. */
static void sum_target(struct summing *summing, const struct target *target)
{
	struct totals *totals = summing->totals;
	struct target_totals *sum = &totals->targets[totals->target_count++];
	const char *name = target ? target->name : "";
	sum->target = target;
	sum->luns = &totals->luns[totals->lun_count];
	for (size_t i = first_counted(summing, name);
		i < summing->counted_count && strcmp(summing->counted[i]->name, name) == 0; i++) {
		const struct stats_target *counted = summing->counted[i];
		sum->sessions += stats_read(&counted->sessions);
		for (size_t n = 0; n < STATS_LOGINS; n++)
			sum->logins[n] += stats_read(&counted->logins[n]);
	}
	if (!target)
		return;
	for (size_t n = 0; n < target->config->lun_count; n++)
		sum_lun(summing, sum, name, target->config->luns[n].lun);
	sum_lun(summing, sum, name, STATS_NO_LUN);
}

int totals_take(
	struct totals *totals, const struct registry *registry, const struct workers *workers)
{
	struct summing summing = { .totals = totals };
	const size_t count = registry_count(registry);
	size_t luns = 1;
	int result = -1;
	*totals = (struct totals){ 0 };
	for (size_t i = 0; i < count; i++)
		luns += registry_at(registry, i)->config->lun_count + 1;
	totals->targets = calloc(count + 1, sizeof *totals->targets);
	totals->luns = calloc(luns, sizeof *totals->luns);
	if (!totals->targets || !totals->luns || collect(&summing, workers))
		goto out;
	for (size_t i = 0; i < count; i++)
		sum_target(&summing, registry_at(registry, i));
	sum_target(&summing, NULL);
	result = 0;
out:
	free(summing.counted);
	return result;
}

void totals_free(struct totals *totals)
{
	free(totals->targets);
	free(totals->luns);
	*totals = (struct totals){ 0 };
}

uint64_t totals_commands(const uint64_t counts[STATS_BUCKETS])
{
	uint64_t sum = 0;
	for (size_t i = 0; i < STATS_BUCKETS; i++)
		sum += counts[i];
	return sum;
}

uint64_t totals_busy(const struct worker *worker)
{
	struct timespec busy = { 0 };
	clockid_t clock;
	if (pthread_getcpuclockid(worker->thread, &clock) || clock_gettime(clock, &busy))
		return 0;
	return (uint64_t)busy.tv_sec * 1000000000 + (uint64_t)busy.tv_nsec;
}
