/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * RESERVE and RELEASE (SPC-2 sections 7.21, 7.16): one nexus has the unit to itself, until it releases it, is lost, or a
 * reset ends it. Cluster file systems without COMPARE AND WRITE lock their metadata so. Commands that were
 * already on their way when somebody else reserved the unit go to their end.
 */
#include "proto/scsi/task.h"

enum task_step reserve_step(struct scsi_task *task)
{
	struct scsi_nexus *holder = NULL;

	if (!atomic_compare_exchange_strong(&task->unit->holder, &holder, task->nexus) &&
		holder != task->nexus)
		task->status = SCSI_RESERVATION_CONFLICT;
	return TASK_ENDED;
}

void unit_release(struct scsi_unit *unit, struct scsi_nexus *nexus)
{
	(void)atomic_compare_exchange_strong(&unit->holder, &nexus, NULL);
}

/* Of who has not reserved it: GOOD, and nothing happens. */
enum task_step release_step(struct scsi_task *task)
{
	unit_release(task->unit, task->nexus);
	return TASK_ENDED;
}
