/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The kind `fault`, for tests only: a file store that fails and stalls on order. Its path is
 * "/fault:CONTROL:IMAGE"; CONTROL is a text file that is read at every request, IMAGE whatever the
 * kind `file` opens. Words in CONTROL, separated by white space, all in force together:
 *
 *   ok                                          nothing of the below
 *   stall stall-read stall-write stall-flush    requests are accepted and held: neither their
 *                                               effect nor their end comes before the word is gone
 *   delay MS                                    requests are held for that long
 *   eio-read eio-write eio-flush enospc         requests fail, without any effect
 *
 * -write and enospc mean WRITE, DISCARD and ZERO. What was held is judged again when it is let go,
 * the oldest first; what comes meanwhile may overtake it, as on any disk. A CONTROL that is missing
 * or empty changes nothing (so truncating and writing it is no race); the beginning is `ok`. Unknown
 * words abort. CONTROL.held always contains the number of requests held, in decimal, so that a test
 * can wait for them.
 */
#ifndef PORTCULLIS_TESTS_STORE_FAULT_STORE_H
#define PORTCULLIS_TESTS_STORE_FAULT_STORE_H

#include "store/operations.h"

extern const struct store_operations store_fault;

#endif
