/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kinds of stores of a test's binary: those of the daemon, and `fault`. Linked before
 * libstore.a, it takes the place of store/kinds.c.
 */
#include "tests/store/fault_store.h"

const struct store_operations *const store_kinds[] = { &store_fault, &store_memory, &store_file,
	NULL };
