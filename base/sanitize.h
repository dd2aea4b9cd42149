/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What AddressSanitizer must be told about memory that does not come from malloc(): idle bytes
 * are forbidden, and pages of our own may hold the last pointer to something on the heap.
 * Without the sanitizer these are nothing.
 */
#ifndef PORTCULLIS_BASE_SANITIZE_H
#define PORTCULLIS_BASE_SANITIZE_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/asan_interface.h>
#include <sanitizer/lsan_interface.h>

/* Any touch of these bytes is reported until they are allowed again. */
#define memory_forbid(at, length) __asan_poison_memory_region(at, length)
#define memory_allow(at, length)  __asan_unpoison_memory_region(at, length)
/* Pointers in these bytes keep heap blocks from being called leaked. */
#define memory_root_add(at, length)  __lsan_register_root_region(at, length)
#define memory_root_drop(at, length) __lsan_unregister_root_region(at, length)
#else
#define memory_forbid(at, length)    ((void)(at), (void)(length))
#define memory_allow(at, length)     ((void)(at), (void)(length))
#define memory_root_add(at, length)  ((void)(at), (void)(length))
#define memory_root_drop(at, length) ((void)(at), (void)(length))
#endif

#endif
