/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What is made live on top of the file: each change of an overlay and what it answers, that what was written is read
 * again, what the file and the overlay make together, and who wins. Copies of targets and LUNs beside.
 */
#include "conf/overlay.h"

#include "tests/conf/config_file.h"
#include "tests/suite.h"

#define A    "iqn.2026-01.org.example:a"
#define B    "iqn.2026-01.org.example:b"
#define LIVE "iqn.2026-01.org.example:live"
#define GONE "iqn.2026-01.org.example:gone"

/* The file: A with LUN 0 of 1 MiB and a read-only LUN 1 that says so; B with one LUN. */
#define FILE_TEXT                                                                                  \
	"targets = ( { name = \"" A "\"; luns = ( { lun = 0; path = \"/a0\"; size = \"1M\"; },"    \
	" { lun = 1; path = \"/a1\"; read_only = true; } ); },"                                    \
	" { name = \"" B "\"; luns = ( { path = \"/b\"; serial = \"of-b\"; } ); } ); "

/* The file, an overlay, and what they make, as the daemon holds them. */
struct stage {
	struct config *file;
	struct overlay *overlay;
	struct config merged;
};

static struct overlay *overlay_of(const char *text)
{
	char error[CONFIG_ERROR_SIZE];
	struct overlay *overlay = overlay_parse("overlay", text, error);

	if (!overlay)
		ck_abort_msg("%s", error);
	return overlay;
}

static void stage_merge(struct stage *stage)
{
	char error[CONFIG_ERROR_SIZE];

	overlay_merged_clear(&stage->merged);
	if (overlay_merge(stage->overlay, stage->file, &stage->merged, NULL, error))
		ck_abort_msg("%s", error);
}

static struct stage stage_new(const char *overlay)
{
	struct stage stage = { .file = config_of(FILE_TEXT), .overlay = overlay_of(overlay) };

	stage_merge(&stage);
	return stage;
}

static void stage_free(struct stage *stage)
{
	overlay_merged_clear(&stage->merged);
	overlay_free(stage->overlay);
	config_free(stage->file);
}

static struct overlay_view view_of(const struct stage *stage)
{
	return (struct overlay_view){ .named = stage->file->targets,
		.named_count = stage->file->target_count,
		.running = stage->merged.targets,
		.running_count = stage->merged.target_count };
}

/* --- single changes --- */

enum change {
	ADD_TARGET,
	REMOVE_TARGET,
	ADD_LUN,
	REMOVE_LUN,
	RESIZE,
	READ_ONLY,
	WRITABLE,
	DRAIN,
	RESUME
};

/* `words` is a target or an addition as the control endpoint would make it. */
static enum overlay_result change_make(struct stage *stage, enum change change, const char *target,
	unsigned lun, uint64_t size, const char *words)
{
	const struct overlay_view view = view_of(stage);
	struct overlay *overlay = stage->overlay, *wanted = words ? overlay_of(words) : NULL;
	enum overlay_result result = OVERLAY_OUT_OF_MEMORY;

	switch (change) {
	case ADD_TARGET:
		result = overlay_add_target(overlay, &view, wanted->targets);
		break;
	case REMOVE_TARGET:
		result = overlay_remove_target(overlay, &view, target);
		break;
	case ADD_LUN:
		result = overlay_add_lun(overlay, &view, target, wanted->additions->luns);
		break;
	case REMOVE_LUN:
		result = overlay_remove_lun(overlay, &view, target, lun);
		break;
	case RESIZE:
		result = overlay_resize_lun(overlay, &view, target, lun, size);
		break;
	case READ_ONLY:
	case WRITABLE:
		result = overlay_set_read_only(overlay, &view, target, lun, change == READ_ONLY);
		break;
	case DRAIN:
	case RESUME:
		result = overlay_set_drained(overlay, &view, target, change == DRAIN);
		break;
	}
	overlay_free(wanted);
	return result;
}

#define TARGET(name, luns)   "targets = ( { name = \"" name "\"; luns = ( " luns " ); } ); "
#define ADDITION(name, luns) "additions = ( { name = \"" name "\"; luns = ( " luns " ); } ); "
#define DRAINED(name)        "drained = ( { name = \"" name "\"; } ); "
#define CHANGE(name, luns)   "changes = ( { name = \"" name "\"; luns = ( " luns " ); } ); "
#define TWO_LUNS             "{ lun = 0; path = \"/l0\"; }, { lun = 4; path = \"/l4\"; }"

/* What an overlay is, what is asked for, and what comes of it: the answer, and the overlay in words. */
static const struct {
	const char *before;
	enum change change;
	const char *target;
	unsigned lun;
	uint64_t size;
	const char *words;
	enum overlay_result result;
	const char *after; /* NULL: as before */
} changes[] = {
	{ "", ADD_TARGET, NULL, 0, 0, TARGET(LIVE, "{ path = \"/l0\"; }"), OVERLAY_DONE,
		TARGET(LIVE, "{ path = \"/l0\"; }") },
	{ TARGET(LIVE, "{ path = \"/l0\"; }"), ADD_TARGET, NULL, 0, 0,
		TARGET(LIVE, "{ path = \"/l0\"; }"), OVERLAY_SAME, NULL },
	{ TARGET(LIVE, "{ path = \"/l0\"; }"), ADD_TARGET, NULL, 0, 0,
		TARGET(LIVE, "{ path = \"/other\"; }"), OVERLAY_EXISTS, NULL },
	/* Also if the words are the file's own: it is not the overlay's. */
	{ "", ADD_TARGET, NULL, 0, 0, TARGET(B, "{ path = \"/b\"; serial = \"of-b\"; }"),
		OVERLAY_EXISTS, NULL },
	{ TARGET(LIVE, "{ path = \"/l0\"; }") DRAINED(LIVE), REMOVE_TARGET, LIVE, 0, 0, NULL,
		OVERLAY_DONE, "" },
	{ "", REMOVE_TARGET, LIVE, 0, 0, NULL, OVERLAY_NO_TARGET, NULL },
	{ "", REMOVE_TARGET, A, 0, 0, NULL, OVERLAY_NAMED, NULL },

	{ "", ADD_LUN, A, 0, 0, ADDITION(A, "{ lun = 7; path = \"/a7\"; }"), OVERLAY_DONE,
		ADDITION(A, "{ lun = 7; path = \"/a7\"; }") },
	{ ADDITION(A, "{ lun = 7; path = \"/a7\"; }"), ADD_LUN, A, 0, 0,
		ADDITION(A, "{ lun = 7; path = \"/a7\"; }"), OVERLAY_SAME, NULL },
	{ ADDITION(A, "{ lun = 7; path = \"/a7\"; }"), ADD_LUN, A, 0, 0,
		ADDITION(A, "{ lun = 7; path = \"/a7\"; size = \"1M\"; }"), OVERLAY_EXISTS, NULL },
	{ "", ADD_LUN, A, 0, 0, ADDITION(A, "{ lun = 1; path = \"/a1\"; read_only = true; }"),
		OVERLAY_EXISTS, NULL },
	{ "", ADD_LUN, LIVE, 0, 0, ADDITION(LIVE, "{ lun = 1; path = \"/x\"; }"), OVERLAY_NO_TARGET,
		NULL },
	{ TARGET(LIVE, "{ lun = 0; path = \"/l0\"; }"), ADD_LUN, LIVE, 0, 0,
		ADDITION(LIVE, "{ lun = 4; path = \"/l4\"; }"), OVERLAY_DONE,
		TARGET(LIVE, TWO_LUNS) },
	/* What the file has taken over meanwhile was not in force, and makes room. */
	{ ADDITION(A, "{ lun = 7; path = \"/b\"; }"), ADD_LUN, A, 0, 0,
		ADDITION(A, "{ lun = 7; path = \"/a7\"; }"), OVERLAY_DONE,
		ADDITION(A, "{ lun = 7; path = \"/a7\"; }") },
	/* So does what it has dropped, and what comes back with it would be the same disk. */
	{ ADDITION(GONE, "{ lun = 3; path = \"/l0\"; }") DRAINED(LIVE), ADD_TARGET, NULL, 0, 0,
		TARGET(LIVE, "{ path = \"/l0\"; }"), OVERLAY_DONE,
		TARGET(LIVE, "{ path = \"/l0\"; }") },
	{ TARGET(LIVE, "{ path = \"/b\"; serial = \"s\"; }, { lun = 4; path = \"/l4\"; }"), ADD_LUN,
		A, 0, 0, ADDITION(A, "{ lun = 7; path = \"/a7\"; serial = \"s\"; }"), OVERLAY_DONE,
		TARGET(LIVE, "{ lun = 4; path = \"/l4\"; }")
			ADDITION(A, "{ lun = 7; path = \"/a7\"; serial = \"s\"; }") },
	{ TARGET(LIVE, "{ path = \"/b\"; serial = \"s\"; }"), ADD_LUN, A, 0, 0,
		ADDITION(A, "{ lun = 7; path = \"/a7\"; serial = \"s\"; }"), OVERLAY_DONE,
		ADDITION(A, "{ lun = 7; path = \"/a7\"; serial = \"s\"; }") },

	{ TARGET(LIVE, TWO_LUNS), REMOVE_LUN, LIVE, 0, 0, NULL, OVERLAY_DONE,
		TARGET(LIVE, "{ lun = 4; path = \"/l4\"; }") },
	{ TARGET(LIVE, "{ path = \"/l0\"; }"), REMOVE_LUN, LIVE, 0, 0, NULL, OVERLAY_LAST, NULL },
	{ TARGET(LIVE, TWO_LUNS), REMOVE_LUN, LIVE, 1, 0, NULL, OVERLAY_NO_LUN, NULL },
	{ "", REMOVE_LUN, LIVE, 0, 0, NULL, OVERLAY_NO_TARGET, NULL },
	{ "", REMOVE_LUN, A, 0, 0, NULL, OVERLAY_NAMED, NULL },
	{ "", REMOVE_LUN, A, 9, 0, NULL, OVERLAY_NO_LUN, NULL },

	{ "", RESIZE, A, 0, 4096, NULL, OVERLAY_DONE, CHANGE(A, "{ lun = 0; size = 4096; }") },
	{ CHANGE(A, "{ lun = 0; size = 4096; }"), RESIZE, A, 0, 8192, NULL, OVERLAY_DONE,
		CHANGE(A, "{ lun = 0; size = 8192; }") },
	{ CHANGE(A, "{ lun = 0; read_only = true; }"), RESIZE, A, 0, 8192, NULL, OVERLAY_DONE,
		CHANGE(A, "{ lun = 0; size = 8192; read_only = true; }") },
	{ TARGET(LIVE, "{ path = \"/l0\"; }"), RESIZE, LIVE, 0, 4096, NULL, OVERLAY_DONE,
		TARGET(LIVE, "{ path = \"/l0\"; size = 4096; }") },
	{ "", RESIZE, A, 9, 4096, NULL, OVERLAY_NO_LUN, NULL },
	{ "", RESIZE, LIVE, 0, 4096, NULL, OVERLAY_NO_TARGET, NULL },

	{ "", READ_ONLY, A, 0, 0, NULL, OVERLAY_DONE, CHANGE(A, "{ lun = 0; read_only = true; }") },
	{ CHANGE(A, "{ lun = 0; read_only = true; }"), READ_ONLY, A, 0, 0, NULL, OVERLAY_SAME,
		NULL },
	{ CHANGE(A, "{ lun = 0; read_only = true; }"), WRITABLE, A, 0, 0, NULL, OVERLAY_DONE,
		CHANGE(A, "{ lun = 0; read_only = false; }") },
	{ "", READ_ONLY, A, 1, 0, NULL, OVERLAY_SAME, NULL },
	{ "", WRITABLE, A, 1, 0, NULL, OVERLAY_NAMED, NULL },
	{ TARGET(LIVE, "{ path = \"/l0\"; }"), READ_ONLY, LIVE, 0, 0, NULL, OVERLAY_DONE,
		TARGET(LIVE, "{ path = \"/l0\"; read_only = true; }") },
	{ "", READ_ONLY, A, 9, 0, NULL, OVERLAY_NO_LUN, NULL },
	{ "", READ_ONLY, LIVE, 9, 0, NULL, OVERLAY_NO_TARGET, NULL },

	{ "", DRAIN, A, 0, 0, NULL, OVERLAY_DONE, DRAINED(A) },
	{ DRAINED(A), DRAIN, A, 0, 0, NULL, OVERLAY_SAME, NULL },
	{ DRAINED(A), RESUME, A, 0, 0, NULL, OVERLAY_DONE, "" },
	{ "", RESUME, A, 0, 0, NULL, OVERLAY_SAME, NULL },
	{ "", DRAIN, LIVE, 0, 0, NULL, OVERLAY_NO_TARGET, NULL },
};

/* The words of an overlay that has been read from words. */
static char *words_of(const char *text)
{
	struct overlay *overlay = overlay_of(text);
	char *words = overlay_write(overlay);

	overlay_free(overlay);
	ck_assert_ptr_nonnull(words);
	return words;
}

START_TEST(changes_are_made_or_refused)
{
	struct stage stage = stage_new(changes[_i].before);

	ck_assert_int_eq(change_make(&stage, changes[_i].change, changes[_i].target,
				 changes[_i].lun, changes[_i].size, changes[_i].words),
		changes[_i].result);
	char *found = overlay_write(stage.overlay);
	char *expected = words_of(changes[_i].after ? changes[_i].after : changes[_i].before);
	ck_assert_str_eq(found, expected);
	free(found);
	free(expected);
	stage_merge(&stage); /* whatever came of it can be served */
	stage_free(&stage);
}
END_TEST

/* What is written is read as the same, and a copy is one of its own. */
START_TEST(words_come_back)
{
	static const char all[] = TARGET(LIVE,
		"{ lun = 0; path = \"/l \\\"0\\\"\"; size = \"3M\"; block_size = 4096; cache = "
		"\"direct\"; "
		"serial = \"s\"; naa = \"6001405000000000000000000000abcd\"; }")
		ADDITION(A, "{ lun = 9; path = \"memory:\"; size = \"1M\"; read_only = true; }")
			CHANGE(A, "{ lun = 0; size = 2097152; read_only = true; }") DRAINED(B);
	char *first = words_of(all);
	char *second = words_of(first);
	struct overlay *overlay = overlay_of(all);
	struct overlay *copy = overlay_copy(overlay);

	ck_assert_str_eq(first, second);
	ck_assert_ptr_nonnull(copy);
	overlay_free(overlay);
	char *third = overlay_write(copy);
	ck_assert_str_eq(first, third);
	ck_assert_str_eq(copy->targets->luns->path, "/l \"0\"");
	ck_assert(overlay_is_drained(copy, B) && !overlay_is_drained(copy, A));
	overlay_free(copy);
	free(first);
	free(second);
	free(third);
}
END_TEST

/* Of a file that anybody may have written over: refused with its name and line. */
static const char *const bad[] = {
	"targets = (",
	"colour = 1;",
	"targets = ( { name = \"" LIVE "\"; } );",
	"targets = ( { luns = ( { path = \"/x\"; } ); } );",
	"additions = ( { name = \"no name\"; luns = ( { path = \"/x\"; } ); } );",
	"changes = ( { name = \"" A "\"; luns = ( { lun = 256; } ); } );",
	"changes = ( { name = \"" A "\"; luns = ( { lun = 0; path = \"/x\"; } ); } );",
	"drained = ( { name = \"" A "\"; lun = 1; } );",
	"drained = ( \"" A "\" );",
};

START_TEST(bad_words_are_refused)
{
	char error[CONFIG_ERROR_SIZE] = "";

	ck_assert_ptr_null(overlay_parse("state/live", bad[_i], error));
	ck_assert_msg(strncmp(error, "state/live:", strlen("state/live:")) == 0, "%s", error);
	ck_assert_ptr_null(strchr(error, '\n'));
}
END_TEST

/* --- merging --- */

static char drops[1024];

static void note_drop(const char *kind, const char *target, const char *what)
{
	size_t length = strlen(drops);

	snprintf(drops + length, sizeof(drops) - length, "%s %s: %s\n", kind, target, what);
}

/* A merged configuration in short: NAME[LUN path size r/w, ...] ... */
static char *summary(const struct config_target *targets, size_t count)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	for (size_t i = 0; i < count; i++) {
		fprintf(out, "%s[", strrchr(targets[i].name, ':') + 1);
		for (size_t n = 0; n < targets[i].lun_count; n++) {
			const struct config_lun *lun = &targets[i].luns[n];
			fprintf(out, "%s%u %s %lluK %s", n ? ", " : "", lun->lun, lun->path,
				(unsigned long long)lun->size >> 10, lun->read_only ? "r" : "w");
		}
		fprintf(out, "] ");
	}
	fclose(out);
	return text;
}

#define PLAIN_A  "a[0 /a0 1024K w, 1 /a1 0K r] "
#define PLAIN_B  "b[0 /b 0K w] "
#define LUN_GONE "a LUN made live has a number that the file names\n"
#define SHARED   "a LUN made live has the path, serial or naa of one that the file names\n"

static const struct {
	const char *overlay, *merged, *dropped;
} merges[] = {
	{ "", PLAIN_A PLAIN_B, "" },
	{ TARGET(LIVE, TWO_LUNS), PLAIN_A PLAIN_B "live[0 /l0 0K w, 4 /l4 0K w] ", "" },
	/* LUNs stand by number, wherever they come from. */
	{ ADDITION(B, "{ lun = 3; path = \"/b3\"; }, { lun = 2; path = \"/b2\"; }"),
		PLAIN_A "b[0 /b 0K w, 2 /b2 0K w, 3 /b3 0K w] ", "" },
	/* A size is a floor in both, the larger one holds; read_only is the file's if it says so. */
	{ CHANGE(A, "{ lun = 0; size = 2097152; read_only = true; }"),
		"a[0 /a0 2048K r, 1 /a1 0K r] " PLAIN_B, "" },
	{ CHANGE(A, "{ lun = 0; size = 4096; }"), PLAIN_A PLAIN_B, "" },
	/* The file's block size may be another since: that must keep nobody from starting. */
	{ CHANGE(A, "{ lun = 0; size = 1048577; }"), PLAIN_A PLAIN_B,
		"target " A ": a size set live is not of whole blocks of the file's block_size\n" },
	{ CHANGE(A, "{ lun = 1; read_only = false; }"), PLAIN_A PLAIN_B,
		"target " A ": read_only set live is in the file now\n" },
	/* Of LUNs and targets that the file no longer has nothing is left in force. */
	{ CHANGE(A, "{ lun = 5; size = 4096; }") DRAINED(LIVE), PLAIN_A PLAIN_B, "" },
	{ ADDITION(LIVE, "{ lun = 1; path = \"/x\"; }"), PLAIN_A PLAIN_B, "" },
	/* The file wins for what it names. */
	{ TARGET(B, "{ path = \"/x\"; }"), PLAIN_A PLAIN_B,
		"target " B ": a target made live is in the file now\n" },
	{ ADDITION(A, "{ lun = 1; path = \"/x\"; }"), PLAIN_A PLAIN_B, "target " A ": " LUN_GONE },
	{ ADDITION(A, "{ lun = 2; path = \"/b\"; }"), PLAIN_A PLAIN_B, "target " A ": " SHARED },
	{ ADDITION(A, "{ lun = 2; path = \"/x\"; serial = \"of-b\"; }"), PLAIN_A PLAIN_B,
		"target " A ": " SHARED },
	{ TARGET(LIVE, "{ lun = 0; path = \"/a0\"; }, { lun = 1; path = \"/l1\"; }"),
		PLAIN_A PLAIN_B "live[1 /l1 0K w] ", "target " LIVE ": " SHARED },
	{ TARGET(LIVE, "{ path = \"/a0\"; }"), PLAIN_A PLAIN_B, "target " LIVE ": " SHARED },
};

START_TEST(the_file_and_the_overlay_make_one)
{
	char error[CONFIG_ERROR_SIZE];
	struct stage stage = { .file = config_of(FILE_TEXT),
		.overlay = overlay_of(merges[_i].overlay) };

	drops[0] = '\0';
	ck_assert_int_eq(
		overlay_merge(stage.overlay, stage.file, &stage.merged, note_drop, error), 0);
	char *found = summary(stage.merged.targets, stage.merged.target_count);
	ck_assert_str_eq(found, merges[_i].merged);
	ck_assert_str_eq(drops, merges[_i].dropped);
	free(found);
	stage_free(&stage);
}
END_TEST

/* What the file names is the file's: it goes for good. What merely stands in its way does not. */
static const struct {
	const char *before, *after;
	size_t count;
} yields[] = {
	{ "", "", 0 },
	{ TARGET(B, "{ path = \"/x\"; }") DRAINED(B), DRAINED(B), 1 },
	{ TARGET(LIVE, "{ path = \"/a0\"; }"), TARGET(LIVE, "{ path = \"/a0\"; }"), 0 },
	{ ADDITION(A, "{ lun = 1; path = \"/x\"; }, { lun = 7; path = \"/a7\"; }"),
		ADDITION(A, "{ lun = 7; path = \"/a7\"; }"), 1 },
	{ ADDITION(A, "{ lun = 0; path = \"/x\"; }, { lun = 1; path = \"/y\"; }"), ADDITION(A, ""),
		2 },
	{ ADDITION(LIVE, "{ lun = 0; path = \"/x\"; }"),
		ADDITION(LIVE, "{ lun = 0; path = \"/x\"; }"), 0 },
	{ CHANGE(A, "{ lun = 0; size = 4096; read_only = true; }"),
		CHANGE(A, "{ lun = 0; size = 4096; read_only = true; }"), 0 },
	{ "portals = ( { address = \"0.0.0.0\"; port = 3260; group = 2; }, { port = 3261; } );",
		"portals = ( { port = 3261; } );", 1 },
};

START_TEST(what_the_file_names_is_forgotten)
{
	struct config *file = config_of(FILE_TEXT);
	struct overlay *overlay = overlay_of(yields[_i].before);

	ck_assert_uint_eq(overlay_yield(overlay, file), yields[_i].count);
	char *found = overlay_write(overlay);
	char *expected = words_of(yields[_i].after);
	ck_assert_str_eq(found, expected);
	ck_assert_uint_eq(overlay_yield(overlay, file), 0);
	free(found);
	free(expected);
	overlay_free(overlay);
	config_free(file);
}
END_TEST

/* What was made live stands in no file, and has its derived values like all others. */
START_TEST(lines_tell_where_a_lun_stands)
{
	struct stage stage = stage_new(
		TARGET(LIVE, "{ path = \"/l0\"; }") ADDITION(A, "{ lun = 7; path = \"/a7\"; }"));
	const struct config_target *a = config_target_find(
		stage.merged.targets, stage.merged.target_count, A);
	const struct config_target *live = config_target_find(
		stage.merged.targets, stage.merged.target_count, LIVE);

	ck_assert(a->line > 0 && config_lun_find(a, 0)->line > 0);
	ck_assert_int_eq(config_lun_find(a, 7)->line, 0);
	ck_assert(live->line == 0 && live->luns[0].line == 0);
	ck_assert_ptr_nonnull(strstr(live->arn, "/target/" LIVE));
	ck_assert_uint_gt(strlen(live->luns[0].serial), 0);
	ck_assert_uint_eq(live->luns[0].naa[0] >> 4, 6);
	ck_assert_str_ne(config_lun_find(a, 7)->serial, config_lun_find(a, 0)->serial);
	stage_free(&stage);
}
END_TEST

/* The whole is checked as a file would be. */
static const char *const misfits[] = {
	TARGET(LIVE, "{ lun = 0; path = \"/l\"; }, { lun = 1; path = \"/l\"; }"),
	TARGET(LIVE, "{ path = \"/l\"; size = 1000; }"),
	TARGET(LIVE, "{ path = \"memory:\"; }"),
	ADDITION(A, "{ lun = 7; path = \"/a7\"; block_size = 513; }"),
};

START_TEST(what_does_not_fit_is_refused_whole)
{
	char error[CONFIG_ERROR_SIZE] = "";
	struct stage stage = { .file = config_of(FILE_TEXT) };
	struct overlay *overlay = overlay_parse("overlay", misfits[_i], error);

	if (overlay)
		ck_assert_int_lt(overlay_merge(overlay, stage.file, &stage.merged, NULL, error), 0);
	ck_assert_str_ne(error, "");
	overlay_free(overlay);
	config_free(stage.file);
}
END_TEST

/* --- portals --- */

START_TEST(portals_come_behind_the_files)
{
	char here[] = "127.0.0.1", there[] = "::1", error[CONFIG_ERROR_SIZE];
	const struct config_portal made[] = {
		{ .address = here, .port = 3261, .group = 1 },
		{ .address = here, .port = 3261, .group = 2 }, /* instead of the first */
		{ .address = there, .port = 3260, .group = 3 },
	};
	struct config *file = config_of("portals = ( { address = \"127.0.0.1\"; port = 3260; },"
					" { address = \"::1\"; port = 3260; } ); " FILE_TEXT);
	struct config merged;
	struct overlay *overlay = overlay_new();

	for (size_t i = 0; i < 3; i++)
		ck_assert_int_eq(overlay_add_portal(overlay, &made[i]), OVERLAY_DONE);
	char *words = overlay_write(overlay);
	overlay_free(overlay);
	overlay = overlay_of(words);
	free(words);
	drops[0] = '\0';
	ck_assert_int_eq(overlay_merge(overlay, file, &merged, note_drop, error), 0);
	ck_assert_uint_eq(merged.portal_count, 3);
	ck_assert(config_portal_same(&merged.portals[0], &file->portals[0]));
	ck_assert(config_portal_same(&merged.portals[2], &made[1]));
	ck_assert_uint_eq(merged.portals[2].group, 2);
	ck_assert_str_eq(drops, "portal [::1]:3260: a portal made live is in the file now\n");
	overlay_merged_clear(&merged);
	overlay_remove_portal(overlay, &made[0]);
	overlay_remove_portal(overlay, &made[0]);
	ck_assert_uint_eq(overlay->portal_count, 1);
	ck_assert(config_portal_same(&overlay->portals[0], &made[2]));
	overlay_free(overlay);
	config_free(file);
}
END_TEST

/* --- copies --- */

START_TEST(a_copy_outlives_what_it_was_made_of)
{
	struct config *config = config_of(FILE_TEXT);
	struct config_target *copy = config_target_copy(&config->targets[0]);
	char *expected = summary(config->targets, 1);

	ck_assert_ptr_nonnull(copy);
	ck_assert_str_eq(copy->arn, config->targets[0].arn);
	ck_assert_int_eq(copy->line, config->targets[0].line);
	for (size_t i = 0; i < copy->lun_count; i++) {
		const struct config_lun *lun = &config->targets[0].luns[i];
		ck_assert_ptr_ne(copy->luns[i].path, lun->path);
		ck_assert_str_eq(copy->luns[i].serial, lun->serial);
		ck_assert_mem_eq(copy->luns[i].naa, lun->naa, sizeof(lun->naa));
		ck_assert_uint_eq(copy->luns[i].given, lun->given);
		ck_assert_uint_eq(copy->luns[i].block_size, lun->block_size);
	}
	config_free(config);
	char *found = summary(copy, 1);
	ck_assert_str_eq(found, expected);
	free(found);
	free(expected);
	config_target_free(copy);
	config_target_free(NULL);
	config_targets_free(NULL, 0);
}
END_TEST

/* As overlays hold them: with nothing derived, some without a path. */
START_TEST(bare_ones_are_copied_too)
{
	char name[] = A;
	struct config_lun bare = { .lun = 3, .size = 512 }, copy;
	struct config_target target = { .name = name, .luns = &bare, .lun_count = 1 };
	struct config_target *whole = config_target_copy(&target);

	ck_assert_ptr_nonnull(whole);
	ck_assert(!whole->arn && !whole->luns[0].path && !whole->luns[0].serial);
	ck_assert_uint_eq(config_lun_find(whole, 3)->size, 512);
	ck_assert_ptr_null(config_lun_find(whole, 0));
	ck_assert_ptr_null(config_target_find(whole, 1, B));
	config_target_free(whole);
	ck_assert_int_eq(config_lun_copy(&copy, &bare), 0);
	config_lun_give(&copy, "size");
	ck_assert(config_lun_has(&copy, "size") && !config_lun_has(&bare, "size"));
	config_lun_clear(&copy);
}
END_TEST

int main(void)
{
	Suite *suite = suite_create("conf/overlay");
	TCase *tests = tcase_create("overlay");

	tcase_add_rows(tests, changes_are_made_or_refused, changes);
	tcase_add_test(tests, words_come_back);
	tcase_add_rows(tests, bad_words_are_refused, bad);
	tcase_add_rows(tests, the_file_and_the_overlay_make_one, merges);
	tcase_add_rows(tests, what_the_file_names_is_forgotten, yields);
	tcase_add_test(tests, lines_tell_where_a_lun_stands);
	tcase_add_rows(tests, what_does_not_fit_is_refused_whole, misfits);
	tcase_add_test(tests, portals_come_behind_the_files);
	tcase_add_test(tests, a_copy_outlives_what_it_was_made_of);
	tcase_add_test(tests, bare_ones_are_copied_too);
	suite_add_tcase(suite, tests);
	return suite_main(suite);
}
