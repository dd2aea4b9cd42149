/* SPDX-License-Identifier: BSD-2-Clause */
/* What the names of volumes are made of, and the volumes of all targets in one order. */
#include "daemon/core/volume.h"

#include "auth/digest.h"
#include "daemon/core/registry.h"
#include "daemon/core/target.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int volume_id(char id[VOLUME_ID_SIZE], const char *target_arn, unsigned lun)
{
	char digits[SHA256_HEX_SIZE], *name = NULL;
	/* Another word in front than serials have: the two are never alike. */
	const int length = asprintf(&name, "volume%c%s%c%u", '\0', target_arn, '\0', lun);
	if (length < 0)
		return -1;
	const int result = sha256_hex(digits, name, (size_t)length);
	free(name);
	snprintf(id, VOLUME_ID_SIZE, "vol-%.17s", digits);
	return result;
}

char *gateway_arn(const struct config_gateway *gateway)
{
	char *arn = NULL;
	if (asprintf(&arn, "arn:%s:storagegateway:%s:%s:gateway/%s", gateway->partition,
		    gateway->region, gateway->account, gateway->id) < 0)
		return NULL;
	return arn;
}

static int compare_place(const char *target, unsigned lun, const struct volume *volume)
{
	const int order = strcmp(target, volume->target->name);
	return order ? order : (lun > volume->lun) - (lun < volume->lun);
}

static int compare(const void *a, const void *b)
{
	const struct volume *volume = a;
	return compare_place(volume->target->name, volume->lun, b);
}

int volume_list_take(struct volume_list *list, const struct registry *registry)
{
	size_t room = 1;
	for (size_t i = 0; i < registry_count(registry); i++)
		room += registry_at(registry, i)->config->lun_count;
	*list = (struct volume_list){ .all = calloc(room, sizeof *list->all) };
	if (!list->all)
		return -1;
	for (size_t i = 0; i < registry_count(registry); i++) {
		struct target *target = registry_at(registry, i);
		for (size_t n = 0; n < target->config->lun_count; n++) {
			struct volume *volume = &list->all[list->count++];
			volume->target = target;
			volume->index = n;
			volume->lun = target->config->luns[n].lun;
			if (volume_id(volume->id, target->arn, volume->lun)) {
				volume_list_free(list);
				return -1;
			}
		}
	}
	qsort(list->all, list->count, sizeof *list->all, compare);
	return 0;
}

void volume_list_free(struct volume_list *list)
{
	free(list->all);
	*list = (struct volume_list){ 0 };
}

struct disk_use *volume_list_uses(const struct volume_list *list)
{
	struct disk_use *uses = calloc(list->count + 1, sizeof *uses);
	for (size_t i = 0; uses && i < list->count; i++) {
		const struct volume *volume = &list->all[i];
		disk_use_find(&uses[i], volume->target->config->luns[volume->index].path, volume);
	}
	return uses;
}

size_t volume_list_after(const struct volume_list *list, const char *target, unsigned lun)
{
	size_t index = 0;
	while (index < list->count && compare_place(target, lun, &list->all[index]) >= 0)
		index++;
	return index;
}

const struct volume *volume_list_find(const struct volume_list *list, const char *id)
{
	for (size_t i = 0; i < list->count; i++) {
		if (strcmp(list->all[i].id, id) == 0)
			return &list->all[i];
	}
	return NULL;
}
