/* SPDX-License-Identifier: BSD-2-Clause */
/* The one clock of the daemon: milliseconds, monotonic, cheap enough to ask once per event. */
#ifndef PORTCULLIS_DAEMON_CLOCK_H
#define PORTCULLIS_DAEMON_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

#endif
