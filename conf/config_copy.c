/* SPDX-License-Identifier: BSD-2-Clause */
/* A target outlives the configuration that it came from: it keeps its own part of it. */
#include "conf/config.h"

#include <stdlib.h>
#include <string.h>

static int lun_copy(struct config_lun *copy, const struct config_lun *lun)
{
	*copy = *lun;
	copy->path = strdup(lun->path);
	copy->serial = strdup(lun->serial);
	return copy->path && copy->serial ? 0 : -1;
}

struct config_target *config_target_copy(const struct config_target *target)
{
	struct config_target *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return NULL;
	copy->authentication = target->authentication;
	copy->line = target->line;
	copy->name = strdup(target->name);
	copy->arn = strdup(target->arn);
	copy->luns = calloc(target->lun_count + 1, sizeof(*copy->luns));
	bool whole = copy->name && copy->arn && copy->luns;
	for (size_t i = 0; whole && i < target->lun_count; i++) {
		whole = lun_copy(&copy->luns[i], &target->luns[i]) == 0;
		copy->lun_count++;
	}
	if (whole)
		return copy;
	config_target_free(copy);
	return NULL;
}

void config_target_free(struct config_target *target)
{
	if (!target)
		return;
	for (size_t i = 0; i < target->lun_count; i++) {
		free(target->luns[i].path);
		free(target->luns[i].serial);
	}
	free(target->luns);
	free(target->name);
	free(target->arn);
	free(target);
}
