/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading ahead. The kernel's own, which fills the page cache with folios as large as what it reads ahead, is turned
 * off (file_open.c): every small write into such a folio walks all of its blocks, which costs several times the write.
 * So who reads in sequence, and meets the device where the last piece ended, is found here.
 */
#include "store/file.h"

#define AHEAD (1u << 20) /* bytes: several milliseconds of a slow disk, a thousandth of a cache */

uint64_t file_ahead(const struct store_request *request)
{
	const uint64_t end = request->offset + request->length, size = request->store->info.size;
	return size - end < AHEAD ? size - end : AHEAD;
}

bool file_goes_on(struct file_store *file, const struct store_request *request)
{
	const uint64_t end = request->offset + request->length;
	for (unsigned i = 0; i < FILE_STREAMS; i++) {
		const uint64_t next = atomic_load_explicit(&file->streams[i], memory_order_relaxed);
		/* What was fetched may have ended in the middle of this piece. */
		if (next == 0 || next < request->offset || next > end)
			continue;
		atomic_store_explicit(
			&file->streams[i], end + file_ahead(request), memory_order_relaxed);
		return file_ahead(request) > 0;
	}
	const unsigned oldest = atomic_fetch_add_explicit(&file->stream, 1, memory_order_relaxed) %
				FILE_STREAMS;
	atomic_store_explicit(&file->streams[oldest], end, memory_order_relaxed);
	return false;
}
