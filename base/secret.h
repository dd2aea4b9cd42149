/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Memory for secrets: pages of its own that core dumps leave out (MADV_DONTDUMP) and that are
 * locked where the limits allow it; every byte is wiped when it is given back. The allocators
 * given to libevent and jansson come from here too, since request bodies carry secrets.
 * Thread-safe. doc/architecture.md K8.
 */
#ifndef PORTCULLIS_BASE_SECRET_H
#define PORTCULLIS_BASE_SECRET_H

#include <stdbool.h>
#include <stddef.h>

/* Overwrites in a way the compiler cannot leave out. NULL with length 0 is fine. */
void secret_wipe(void *memory, size_t length);

/* malloc/realloc/free in dump-excluded memory, 16-byte aligned; free and realloc wipe. The shapes
 * are those of the C library, so that they can be handed to event_set_mem_functions(). */
void *secret_malloc(size_t size);
void *secret_realloc(void *memory, size_t size);
void secret_free(void *memory);
/* Blocks now out, in the whole process: a leak checker sees none of them (for tests). */
size_t secret_in_use(void);

/* Whether two byte strings are equal, in time that depends on their lengths alone. */
bool secret_equal(const void *a, size_t a_length, const void *b, size_t b_length);

#endif
