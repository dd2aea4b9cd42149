/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the fuzz targets share: libFuzzer's entry point, which each target defines, and the seeds that
 * the deterministic mutator (mutator.c) starts from where libFuzzer is not there.
 */
#ifndef PORTCULLIS_TESTS_FUZZ_H
#define PORTCULLIS_TESTS_FUZZ_H

#include <stddef.h>
#include <stdint.h>

#define FUZZ_INPUT_MAX 65536u

/* Runs one input; ends the process when a rule is broken. Always 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
/* Writes seed number `index` and returns its length; 0 = there are no more. */
size_t fuzz_seed(unsigned index, uint8_t input[FUZZ_INPUT_MAX]);
extern const char fuzz_name[];

#endif
