/* SPDX-License-Identifier: BSD-2-Clause */
/* Lists of targets and LUNs that grow and shrink, for the overlay's own files. */
#ifndef PORTCULLIS_CONF_OVERLAY_LIST_H
#define PORTCULLIS_CONF_OVERLAY_LIST_H

#include "conf/config.h"

/* Bits of `given` in an overlay's changes: the places of these keys in the table of overlay.c. */
#define OVERLAY_LUN       (UINT32_C(1) << 0)
#define OVERLAY_SIZE      (UINT32_C(1) << 1)
#define OVERLAY_READ_ONLY (UINT32_C(1) << 2)

/* Appends a deep copy; borrowed until the list changes. NULL when out of memory. */
struct config_target *list_add(
	struct config_target **list, size_t *count, const struct config_target *target);
/* Takes the target of that name out and frees it, if it is there. */
void list_remove(struct config_target *list, size_t *count, const char *name);
/* Appends a deep copy of the LUN. 0, or -1 when out of memory. */
int list_add_lun(struct config_target *target, const struct config_lun *lun);
/* Takes the LUN out and frees it, if it is there. */
void list_remove_lun(struct config_target *target, unsigned lun);
/* As config_lun_find(), to be changed. */
struct config_lun *list_lun(struct config_target *target, unsigned lun);

#endif
