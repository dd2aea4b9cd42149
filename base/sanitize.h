/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What AddressSanitizer must be told about memory that does not come from malloc(): idle bytes
 * are forbidden, and pages of our own may hold the last pointer to something on the heap. And
 * what ThreadSanitizer must: which bytes belong to those who race for them.
 * Without the sanitizers these are nothing.
 */
#ifndef PORTCULLIS_BASE_SANITIZE_H
#define PORTCULLIS_BASE_SANITIZE_H

#if defined(__has_feature)
#if __has_feature(address_sanitizer) && !defined(__SANITIZE_ADDRESS__)
#define __SANITIZE_ADDRESS__ 1
#endif
#endif

#ifdef __SANITIZE_THREAD__
/* Parts of the sanitizer's runtime, which has no header for them. */
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
void AnnotateIgnoreWritesBegin(const char *file, int line);
void AnnotateIgnoreWritesEnd(const char *file, int line);

/* Between these the thread touches bytes whose order is their users' affair: a disk's. */
#define memory_race_begin()                                                                        \
	(AnnotateIgnoreReadsBegin(__FILE__, __LINE__),                                             \
		AnnotateIgnoreWritesBegin(__FILE__, __LINE__))
#define memory_race_end()                                                                          \
	(AnnotateIgnoreWritesEnd(__FILE__, __LINE__), AnnotateIgnoreReadsEnd(__FILE__, __LINE__))
#else
#define memory_race_begin() ((void)0)
#define memory_race_end()   ((void)0)
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
