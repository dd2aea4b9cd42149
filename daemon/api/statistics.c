/* SPDX-License-Identifier: BSD-2-Clause */
/* The project's own GetStatistics: what the metrics tell, for those who have no Prometheus. */
#include "daemon/api/operation.h"

#include "daemon/core/clock.h"
#include "daemon/core/registry.h"
#include "daemon/core/target.h"
#include "daemon/core/totals.h"
#include "daemon/core/worker.h"

#define NUMBER(value) ((json_int_t)(value))

/* {name: count} of those that are not zero, or of all. NULL when out of memory. */
static json_t *counts_of(const uint64_t *counts, const char *const *names, size_t count, bool all)
{
	json_t *object = json_object();
	for (size_t i = 0; object && i < count; i++) {
		if ((all || counts[i]) &&
			json_object_set_new(object, names[i], json_integer(NUMBER(counts[i])))) {
			json_decref(object);
			object = NULL;
		}
	}
	return object;
}

/* What the commands of one kind have come to. */
static json_t *describe_commands(const struct lun_totals *lun, enum stats_operation operation)
{
	return json_pack("{s:I, s:I}", "Commands",
		NUMBER(totals_commands(lun->commands[operation])), "Nanoseconds",
		NUMBER(lun->nanoseconds[operation]));
}

static json_t *describe_lun(const struct lun_totals *lun)
{
	json_t *row = json_pack("{s:o, s:o, s:o, s:I, s:I, s:o, s:I}", "Read",
		describe_commands(lun, STATS_READ), "Write", describe_commands(lun, STATS_WRITE),
		"Other", describe_commands(lun, STATS_OTHER), "BytesRead", NUMBER(lun->bytes_in),
		"BytesWritten", NUMBER(lun->bytes_out), "Errors",
		counts_of(lun->sense, totals_sense_keys, STATS_SENSE_KEYS, false), "Refused",
		NUMBER(lun->refused));
	/* Commands to LUNs that do not exist have no number. */
	json_t *number = lun->lun == STATS_NO_LUN ? json_null() : json_integer(NUMBER(lun->lun));
	if (row && json_object_set_new(row, "LunNumber", number)) {
		json_decref(row);
		row = NULL;
	}
	return row;
}

static json_t *describe_target(const struct target_totals *target)
{
	json_t *luns = json_array();
	for (size_t i = 0; luns && i < target->lun_count; i++) {
		if (json_array_append_new(luns, describe_lun(&target->luns[i]))) {
			json_decref(luns);
			luns = NULL;
		}
	}
	json_t *logins = counts_of(target->logins, totals_outcomes, STATS_LOGINS, true);
	return json_pack("{s:s, s:s*, s:I, s:o, s:o}", "TargetName",
		target->target ? target->target->name : "", "TargetARN",
		target->target ? target->target->arn : NULL, "Sessions", NUMBER(target->sessions),
		"Logins", logins, "Luns", luns);
}

static json_t *describe_workers(const struct workers *workers)
{
	json_t *rows = json_array();
	for (unsigned i = 0; rows && i < workers->count; i++) {
		const struct worker *worker = &workers->all[i];
		json_t *row = json_pack("{s:i, s:I, s:I, s:I}", "Worker", (int)i, "Connections",
			NUMBER(atomic_load(&worker->load)), "Turns",
			NUMBER(stats_read(&worker->stats->turns)), "BusyNanoseconds",
			NUMBER(totals_busy(worker)));
		if (json_array_append_new(rows, row)) {
			json_decref(rows);
			rows = NULL;
		}
	}
	return rows;
}

void api_get_statistics(struct api_call *call)
{
	const struct api_config *config = api_call_config(call);
	const struct target *only = NULL;
	if (call->target_arn && !(only = api_call_target(call)))
		return;
	struct totals totals;
	json_t *rows = json_array();
	bool complete = !totals_take(&totals, config->registry, config->workers) && rows;
	for (size_t i = 0; complete && i < totals.target_count; i++) {
		if (!only || totals.targets[i].target == only)
			complete = json_array_append_new(
					   rows, describe_target(&totals.targets[i])) == 0;
	}
	totals_free(&totals);
	if (!complete) {
		json_decref(rows);
		api_call_fail(call, API_INTERNAL, NULL);
		return;
	}
	api_call_succeed_take(
		call, json_pack("{s:I, s:o, s:o}", "Nanoseconds", NUMBER(clock_nanoseconds()),
			      "Targets", rows, "Workers", describe_workers(config->workers)));
}
