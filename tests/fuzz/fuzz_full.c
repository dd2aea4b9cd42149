/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The full feature phase under any bytes: framing, commands, data, task management, and every way to
 * end, while the store answers now or later. What comes back is judged by the wire's rules.
 *
 * Input: four bytes of what was negotiated, four that seed everything else, then the stream. The seeds
 * are the streams of the transcripts (tests/fuzz/corpus/full, written by TRANSCRIPT_CORPUS).
 */
#include "tests/fuzz/fuzz.h"
#include "tests/proto/iscsi/transcript.h"

#include <dirent.h>

const char fuzz_name[] = "full";

static struct transcript t;
static struct iscsi_management elsewhere;
static unsigned elsewhere_released;

static void released_elsewhere(struct iscsi_management *management)
{
	(void)management;
	elsewhere_released++;
}

/* A reset that another session asked for. */
static void manage_from_elsewhere(uint8_t function)
{
	if (elsewhere.released)
		return;
	elsewhere = (struct iscsi_management){
		.function = function,
		.lun = function >= 6 ? -1 : 0,
		.holds = 1,
		.released = released_elsewhere,
	};
	iscsi_conn_manage(t.conn, &elsewhere, t.now);
	iscsi_management_release(&elsewhere);
}

static void pass_time(uint32_t milliseconds)
{
	t.now += milliseconds;
	if (iscsi_conn_deadline(t.conn) <= t.now)
		iscsi_conn_tick(t.conn, t.now);
}

/* Once in a while something happens beside the stream. */
static void happen(uint32_t dice)
{
	uint32_t which = (dice >> 8) % 64;

	if (which < 20)
		the_double.pending = !the_double.pending;
	else if (which < 40 && the_double.held_count > 0)
		double_finish_at((dice >> 16) % the_double.held_count);
	else if (which < 56)
		pass_time((dice >> 16) % 4000);
	else if (which < 59)
		manage_from_elsewhere((uint8_t)(4 + (dice >> 16) % 4));
	else if (which == 59)
		iscsi_conn_close(t.conn, ISCSI_CLOSE_CLEAN, t.now);
	else if (which == 60 && (dice >> 16) % 8 == 0)
		iscsi_conn_close(t.conn, ISCSI_CLOSE_REINSTATED, t.now);
	else if (which == 62)
		iscsi_conn_close(t.conn, ISCSI_CLOSE_REQUESTED, t.now);
	else if (which == 61 && (dice >> 16) % 8 == 0)
		iscsi_conn_lost(t.conn, t.now);
	else
		wire_take(&t.wire, t.now);
}

static void begin(const uint8_t *data)
{
	struct iscsi_parameters parameters = transcript_parameters();

	parameters.header_digest = data[0] & 1;
	parameters.data_digest = data[0] & 2;
	parameters.initial_r2t = data[0] & 4;
	parameters.immediate_data = data[0] & 8;
	parameters.max_outstanding_r2t = 1u + data[1] % 16;
	parameters.max_burst_length = 512u << data[2] % 8;
	parameters.first_burst_length = 512u << (data[2] >> 4) % 8;
	if (parameters.first_burst_length > parameters.max_burst_length)
		parameters.first_burst_length = parameters.max_burst_length;
	parameters.initiator_max_recv = 512u + data[3] * 16u;
	double_forget();
	the_double.small = data[4] % 16 == 0;
	memset(&elsewhere, 0, sizeof(elsewhere));
	elsewhere_released = 0;
	transcript_begin(
		&t, &parameters, data[0] & 16, data[0] & 32 ? 0xfffffff0u : 0, CHUNK_RANDOM_DIRECT);
	t.untracked = true;
	t.seed = get_be32(data + 4) | 1;
}

static void end(void)
{
	if (t.seed & 2)
		iscsi_conn_close(t.conn, ISCSI_CLOSE_CLEAN, t.now);
	for (unsigned i = 0; i < 8; i++) {
		pass_time(1500);
		wire_take(&t.wire, t.now);
	}
	the_double.pending = false;
	transcript_end(&t);
	must(!elsewhere.released || elsewhere_released == 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 8)
		return 0;
	begin(data);
	for (size_t at = 8; at < size;) {
		uint32_t dice = wire_random(&t.seed);
		if (dice % 16 == 0) {
			happen(dice);
			continue;
		}
		size_t piece = 1 + dice % 7 * (dice >> 20) % 300;
		if (piece > size - at)
			piece = size - at;
		put_bytes(&t, data + at, piece);
		deliver(&t);
		at += piece;
	}
	end();
	return 0;
}

size_t fuzz_seed(unsigned index, uint8_t input[FUZZ_INPUT_MAX])
{
	static struct dirent **names;
	static int count;
	const char *source = getenv("top_srcdir");
	char path[4096];

	if (!names) {
		snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/full", source ? source : ".");
		count = scandir(path, &names, NULL, alphasort);
		must(count > 2);
	}
	if (index + 2 >= (unsigned)count) { /* after "." and ".." */
		for (int i = 0; i < count; i++)
			free(names[i]);
		free(names);
		names = NULL;
		return 0;
	}
	snprintf(path, sizeof(path), "%s/tests/fuzz/corpus/full/%s", source ? source : ".",
		names[index + 2]->d_name);
	FILE *file = fopen(path, "rb");
	must(file);
	size_t length = fread(input, 1, FUZZ_INPUT_MAX, file);
	fclose(file);
	return length;
}
