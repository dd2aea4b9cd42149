/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Per-worker memory for commands and their data. Neither pool locks: each belongs to one thread.
 */
#ifndef PORTCULLIS_BASE_POOL_H
#define PORTCULLIS_BASE_POOL_H

#include <stddef.h>

/* Objects of one size. Freed ones are kept for the next get; the pool's end gives all back. */
struct pool;

/* `size` bytes an object, at most `keep` idle ones kept. NULL when out of memory. */
struct pool *pool_new(size_t size, size_t keep);
/* All objects must have been put back. NULL is fine. */
void pool_free(struct pool *pool);
/* A zeroed object, owned by the caller until pool_put(); NULL when out of memory. */
void *pool_get(struct pool *pool);
/* NULL is fine. */
void pool_put(struct pool *pool, void *object);
/* Objects now out (for tests and statistics). */
size_t pool_in_use(const struct pool *pool);

#define BUFFER_SIZE_MAX  (4u << 20) /* the largest data transfer of one command, bytes */
#define BUFFER_ALIGNMENT 4096u

/* Data buffers in classes of powers of two, 4 KiB to BUFFER_SIZE_MAX, page aligned. */
struct buffer_pool;

/*
 * `keep` = bytes of idle buffers kept for reuse; beyond it memory goes back to the kernel, that of other sizes first.
 * Half of it, in whole BUFFER_SIZE_MAX, is the arena: one mapping, of which a page costs nothing before its first use.
 */
struct buffer_pool *buffer_pool_new(size_t keep);
/* Where the arena lies, `*size` bytes, until the pool's end: no buffer there crosses a multiple of BUFFER_SIZE_MAX from
 * its beginning. NULL and 0 when `keep` is too small for one. */
void *buffer_pool_arena(const struct buffer_pool *pool, size_t *size);
/* All buffers must have been put back. NULL is fine. */
void buffer_pool_free(struct buffer_pool *pool);
/* At least `size` bytes (1..BUFFER_SIZE_MAX), contents undefined; NULL when out of memory. */
void *buffer_get(struct buffer_pool *pool, size_t size);
/* `size` as given to buffer_get(). NULL is fine. */
void buffer_put(struct buffer_pool *pool, void *buffer, size_t size);
/* What a buffer of `size` bytes (1..BUFFER_SIZE_MAX) takes: its class's size. */
size_t buffer_room(size_t size);
/* Bytes now out, by class size. */
size_t buffer_bytes_in_use(const struct buffer_pool *pool);

#endif
