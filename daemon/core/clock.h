/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The clocks of the daemon: milliseconds, monotonic, cheap enough to ask once per event; nanoseconds, where times of
 * commands are counted; and the clock on the wall, for what outlives the process.
 */
#ifndef PORTCULLIS_DAEMON_CORE_CLOCK_H
#define PORTCULLIS_DAEMON_CORE_CLOCK_H

#include <stdint.h>
#include <time.h>

static inline uint64_t clock_now(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static inline uint64_t clock_nanoseconds(void)
{
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* Seconds since the epoch; it may be set, forwards and backwards. */
static inline uint64_t clock_wall(void)
{
	return (uint64_t)time(NULL);
}

#endif
