/* SPDX-License-Identifier: BSD-2-Clause */
/* A target outlives the configuration that it came from: it keeps its own part of it. */
#include "conf/config.h"

#include <stdlib.h>
#include <string.h>

int config_lun_copy(struct config_lun *copy, const struct config_lun *lun)
{
	*copy = *lun;
	copy->path = lun->path ? strdup(lun->path) : NULL;
	copy->serial = lun->serial ? strdup(lun->serial) : NULL;
	return !copy->path == !lun->path && !copy->serial == !lun->serial ? 0 : -1;
}

struct config_target *config_target_copy(const struct config_target *target)
{
	struct config_target *copy = calloc(1, sizeof(*copy));

	if (!copy)
		return NULL;
	copy->authentication = target->authentication;
	copy->line = target->line;
	copy->name = strdup(target->name);
	copy->arn = target->arn ? strdup(target->arn) : NULL;
	copy->luns = calloc(target->lun_count + 1, sizeof(*copy->luns));
	bool whole = copy->name && (copy->arn || !target->arn) && copy->luns;
	for (size_t i = 0; whole && i < target->lun_count; i++) {
		whole = config_lun_copy(&copy->luns[i], &target->luns[i]) == 0;
		copy->lun_count++;
	}
	if (whole)
		return copy;
	config_target_free(copy);
	return NULL;
}

void config_lun_clear(struct config_lun *lun)
{
	free(lun->path);
	free(lun->serial);
}

static void target_clear(struct config_target *target)
{
	for (size_t i = 0; target->luns && i < target->lun_count; i++)
		config_lun_clear(&target->luns[i]);
	free(target->luns);
	free(target->name);
	free(target->arn);
}

void config_target_free(struct config_target *target)
{
	if (!target)
		return;
	target_clear(target);
	free(target);
}

void config_targets_free(struct config_target *targets, size_t count)
{
	for (size_t i = 0; targets && i < count; i++)
		target_clear(&targets[i]);
	free(targets);
}

const struct config_target *config_target_find(
	const struct config_target *targets, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(targets[i].name, name) == 0)
			return &targets[i];
	return NULL;
}

const struct config_lun *config_lun_find(const struct config_target *target, unsigned lun)
{
	for (size_t i = 0; i < target->lun_count; i++)
		if (target->luns[i].lun == lun)
			return &target->luns[i];
	return NULL;
}

const struct config_lun *config_path_find(
	const struct config *config, const char *path, const struct config_target **target)
{
	if (strcmp(path, "memory:") == 0)
		return NULL;
	for (size_t i = 0; i < config->target_count; i++) {
		*target = &config->targets[i];
		for (size_t n = 0; n < (*target)->lun_count; n++)
			if (strcmp((*target)->luns[n].path, path) == 0)
				return &(*target)->luns[n];
	}
	return NULL;
}

int config_portals_add(
	struct config_portal **portals, size_t *count, const struct config_portal *portal)
{
	struct config_portal *longer = realloc(*portals, (*count + 1) * sizeof(*longer));
	char *address = longer ? strdup(portal->address) : NULL;

	if (longer)
		*portals = longer;
	if (!address)
		return -1;
	longer[*count] = *portal;
	longer[(*count)++].address = address;
	return 0;
}

void config_portals_free(struct config_portal *portals, size_t count)
{
	for (size_t i = 0; portals && i < count; i++)
		free(portals[i].address);
	free(portals);
}

bool config_portal_same(const struct config_portal *a, const struct config_portal *b)
{
	return a->port == b->port && strcmp(a->address, b->address) == 0;
}
