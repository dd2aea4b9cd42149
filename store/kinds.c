/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kinds of stores of the daemon. Alone in its file, so that a test's binary can link another
 * table in its place.
 */
#include "store/operations.h"

/* `file` matches every path, so it stands last. */
const struct store_operations *const store_kinds[] = { &store_memory, &store_file, NULL };
