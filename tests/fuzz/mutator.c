/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Runs a fuzz target without libFuzzer: every seed as it is, then 10,000 mutations of them from a fixed
 * seed, so that `make check` gives the same verdict everywhere. Speaks TAP. FUZZ_RUNS and FUZZ_SEED
 * change the amount and the order; FUZZ_WRITE=DIRECTORY writes the seeds out as a corpus instead.
 */
#include "tests/fuzz/fuzz.h"
#include "tests/proto/iscsi/wire.h"

#include <unistd.h>

#define SEEDS_MAX 512
#define RUNS      10000

static struct seed {
	uint8_t *bytes;
	size_t length;
} seeds[SEEDS_MAX];
static unsigned seed_count;
static uint8_t input[FUZZ_INPUT_MAX];

static void load_seeds(void)
{
	size_t length;

	while (seed_count < SEEDS_MAX && (length = fuzz_seed(seed_count, input)) > 0) {
		seeds[seed_count].bytes = malloc(length);
		must(seeds[seed_count].bytes);
		memcpy(seeds[seed_count].bytes, input, length);
		seeds[seed_count++].length = length;
	}
}

static void write_seeds(const char *directory)
{
	char path[4096];

	for (unsigned i = 0; i < seed_count; i++) {
		snprintf(path, sizeof(path), "%s/%s-%03u", directory, fuzz_name, i);
		FILE *file = fopen(path, "wb");
		must(file);
		must(fwrite(seeds[i].bytes, 1, seeds[i].length, file) == seeds[i].length);
		must(fclose(file) == 0);
	}
}

static const uint8_t telling[] = { 0x00, 0x01, 0x7f, 0x80, 0xff, 0x10, 0x20, 0x40 };

/* Changes up to four bytes at one place, most often where headers have their fields. */
static void change_field(size_t length, uint32_t *random)
{
	size_t at = wire_random(random) % length;
	size_t width = 1u << wire_random(random) % 3;
	uint8_t value = telling[wire_random(random) % sizeof(telling)];

	if (wire_random(random) % 2)
		at &= ~(size_t)3;
	for (size_t i = at; i < at + width && i < length; i++) {
		switch (wire_random(random) % 4) {
		case 0:
			input[i] = value;
			break;
		case 1:
			input[i] ^= (uint8_t)(1u << wire_random(random) % 8);
			break;
		case 2:
			input[i]++;
			break;
		default:
			input[i] = (uint8_t)wire_random(random);
		}
	}
}

/* Takes out, doubles, or brings in a stretch; whole headers more often than not. */
static size_t move_stretch(size_t length, uint32_t *random)
{
	const struct seed *other = &seeds[wire_random(random) % seed_count];
	size_t at = wire_random(random) % length;
	size_t stretch = wire_random(random) % 3 ? BHS_SIZE : 1 + wire_random(random) % 600;

	switch (wire_random(random) % 3) {
	case 0:
		if (stretch > length - at)
			stretch = length - at;
		memmove(input + at, input + at + stretch, length - at - stretch);
		return length - stretch;
	case 1:
		if (stretch > length - at)
			stretch = length - at;
		if (length + stretch > FUZZ_INPUT_MAX)
			return length;
		memmove(input + at + stretch, input + at, length - at);
		return length + stretch;
	default:
		if (at + stretch > FUZZ_INPUT_MAX || stretch > other->length)
			return length;
		memcpy(input + at,
			other->bytes + wire_random(random) % (other->length - stretch + 1),
			stretch);
		return at + stretch > length ? at + stretch : length;
	}
}

static size_t mutate(uint32_t *random)
{
	const struct seed *seed = &seeds[wire_random(random) % seed_count];
	size_t length = seed->length;
	unsigned changes = 1 + wire_random(random) % 12;

	memcpy(input, seed->bytes, length);
	while (changes-- > 0 && length > 0) {
		if (wire_random(random) % 4)
			change_field(length, random);
		else
			length = move_stretch(length, random);
	}
	return length;
}

/* Nothing but noise, with a header's look now and then. */
static size_t noise(uint32_t *random)
{
	size_t length = wire_random(random) % 2048;

	for (size_t i = 0; i < length; i++)
		input[i] = wire_random(random) % 3 ? 0 : (uint8_t)wire_random(random);
	return length;
}

int main(void)
{
	const char *runs = getenv("FUZZ_RUNS"), *start = getenv("FUZZ_SEED");
	unsigned count = runs ? (unsigned)strtoul(runs, NULL, 10) : RUNS;
	uint32_t random = start ? (uint32_t)strtoul(start, NULL, 10) | 1 : 20261122;

	load_seeds();
	must(seed_count > 0);
	if (getenv("FUZZ_WRITE")) {
		write_seeds(getenv("FUZZ_WRITE"));
		return 0;
	}
	printf("1..3\n");
	for (unsigned i = 0; i < seed_count; i++)
		LLVMFuzzerTestOneInput(seeds[i].bytes, seeds[i].length);
	printf("ok 1 - %s: %u seeds\n", fuzz_name, seed_count);
	fflush(stdout);
	for (unsigned i = 0; i < count; i++)
		LLVMFuzzerTestOneInput(input, mutate(&random));
	printf("ok 2 - %s: %u mutations\n", fuzz_name, count);
	fflush(stdout);
	for (unsigned i = 0; i < count / 10; i++)
		LLVMFuzzerTestOneInput(input, noise(&random));
	printf("ok 3 - %s: %u inputs of noise\n", fuzz_name, count / 10);
	for (unsigned i = 0; i < seed_count; i++)
		free(seeds[i].bytes);
	return 0;
}
