/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Volumes, AWS's word for what a LUN is here. A volume's identifier is a hash of what makes the
 * LUN the one it is, its target's ARN and its number, so it survives restarts and needs no storing.
 */
#ifndef PORTCULLIS_DAEMON_CORE_VOLUME_H
#define PORTCULLIS_DAEMON_CORE_VOLUME_H

#include "conf/config.h"

#include "daemon/core/disks.h"

#include <stddef.h>
#include <stdint.h>

struct registry;
struct target;

#define VOLUME_ID_SIZE 22 /* "vol-", 17 lower-case hexadecimal digits and a NUL */

/* The identifier of LUN number `lun` of the target with this ARN. 0, or -1 when out of memory. */
int volume_id(char id[VOLUME_ID_SIZE], const char *target_arn, unsigned lun);
/* arn:PARTITION:storagegateway:REGION:ACCOUNT:gateway/ID, for the caller to free; NULL: no memory. */
char *gateway_arn(const struct config_gateway *gateway);

struct volume {
	char id[VOLUME_ID_SIZE];
	struct target *target; /* borrowed */
	size_t index;          /* of the LUN in the target's configuration */
	unsigned lun;          /* its number */
};

/* All volumes of a moment: valid until the registry changes. Ordered by target name, then LUN. */
struct volume_list {
	struct volume *all;
	size_t count;
};

/* 0, or -1 when out of memory. To be freed with volume_list_free(). */
int volume_list_take(struct volume_list *list, const struct registry *registry);
/* What volume_list_take() filled in, or zeros. */
void volume_list_free(struct volume_list *list);
/* What lies behind each of them, with the volume as context, in the list's order; for the caller to free. NULL: no
 * memory. */
struct disk_use *volume_list_uses(const struct volume_list *list);
/* The first volume behind LUN `lun` of the target of that name, which need not exist; its index in
 * the list, `count` if there is none. */
size_t volume_list_after(const struct volume_list *list, const char *target, unsigned lun);
/* The volume of that identifier, NULL if there is none. */
const struct volume *volume_list_find(const struct volume_list *list, const char *id);

#endif
