/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of portcullisctl share: the verbs' table, a parsed command line, and the exit
 * codes that scripts rely on (portcullisctl(1)).
 */
#ifndef PORTCULLIS_CTL_CTL_H
#define PORTCULLIS_CTL_CTL_H

#include "ctl/print.h"

#include <stdbool.h>
#include <stddef.h>

enum ctl_exit {
	CTL_DONE = 0,
	CTL_REFUSED = 1, /* the daemon said no; its message stands on stderr */
	CTL_USAGE = 2,   /* the command line, or the secrets given with it; nothing was changed */
	CTL_UNREACHABLE = 3, /* no daemon, or no answer that can be understood */
};

enum ctl_option {
	OPTION_SOCKET,
	OPTION_JSON,
	OPTION_HELP,
	OPTION_VERSION,
	OPTION_SECRET_FILE,
	OPTION_TARGET_SECRET_FILE,
	OPTION_MUTUAL,
	OPTION_SHOW_SECRETS,
	OPTION_GRACE,
	OPTION_LUN,
	OPTION_SIZE,
	OPTION_BLOCK_SIZE,
	OPTION_PHYSICAL_BLOCK_SIZE,
	OPTION_READ_ONLY,
	OPTION_CACHE,
	OPTION_SERIAL,
	OPTION_NAA,
	OPTION_AUTHENTICATION,
	OPTION_FORCE,
	OPTION_LONG,
	OPTION_INTERVAL,
	OPTION_COUNTED, /* --count */
	OPTION_TIMEOUT,
	OPTION_EMPTY,
	OPTION_SECRET,        /* refused with a reason: argv is public */
	OPTION_TARGET_SECRET, /* likewise */
	OPTION_COUNT,
};

#define ARGUMENT_MAX 3

/* What an argument is, and so how it becomes a member of the request. */
enum ctl_argument {
	ARGUMENT_TARGET = 1, /* TargetARN, of an IQN or ARN */
	ARGUMENT_INITIATOR,  /* InitiatorName, made lower case */
	ARGUMENT_NAME,       /* TargetName, of a target to be made; made lower case */
	ARGUMENT_LUN,        /* LunNumber */
	ARGUMENT_PATH,       /* Path */
	ARGUMENT_SIZE,       /* SizeInBytes, of "512M" or bytes */
	ARGUMENT_ON_OFF,     /* ReadOnly */
	ARGUMENT_FILE,       /* Configuration: the text of a file */
	ARGUMENT_SESSION,    /* a session's number, or an initiator */
	ARGUMENT_ISID,
	ARGUMENT_PORTAL,       /* Address and Port, of "192.0.2.1:3260" */
	ARGUMENT_PORTAL_GROUP, /* Group */
	ARGUMENT_VOLUME_NAME,
	ARGUMENT_DISK,
	ARGUMENT_VOLUME,
	ARGUMENT_VERB, /* a word of a verb; no member */
	ARGUMENT_KINDS,
};

/* Under which title the help lists a verb. */
enum ctl_group {
	GROUP_TARGETS,
	GROUP_CHAP,
	GROUP_SESSIONS,
	GROUP_PORTALS,
	GROUP_CONFIGURATION,
	GROUP_HELP,
	GROUPS
};

/* What is shown while the daemon works on it. */
enum ctl_progress { PROGRESS_NONE, PROGRESS_TIME, PROGRESS_SESSIONS };

struct ctl_command;

/* One verb: what it takes, what it asks of the daemon, and how the answer looks to people. */
struct ctl_verb {
	const char *name;
	const char *operation; /* X-Amz-Target */
	const char *arguments; /* as the help shows them */
	size_t argument_min, argument_max;
	enum ctl_argument takes[ARGUMENT_MAX];
	unsigned options; /* bits 1u << enum ctl_option, beside those that every verb takes */
	enum ctl_group group;
	enum ctl_progress progress;
	const char *summary;                              /* one line */
	const char *text;                                 /* the help's body */
	const char *example;                              /* the words after "portcullisctl " */
	enum ctl_exit (*run)(const struct ctl_command *); /* NULL: one request, and its answer */
	const char *list; /* the reply's member to print as a table; NULL: print `done` */
	const struct print_column *columns;
	size_t column_count;
	const struct print_column *long_columns; /* with --long, a line each */
	size_t long_count;
	const char *empty;       /* instead of a table without rows */
	const char *text_member; /* the reply's member to print as it is */
	const char *done;        /* printed after the first argument, or "INITIATOR on TARGET: " */
};

extern const struct ctl_verb ctl_verbs[];
extern const size_t ctl_verb_count;

/* A parsed command line; all pointers are borrowed from argv. */
struct ctl_command {
	const struct ctl_verb *verb; /* NULL only with --help or --version */
	const char *arguments[ARGUMENT_MAX];
	const char *options[OPTION_COUNT]; /* NULL: not given; "" for those without a value */
};

static inline bool ctl_given(const struct ctl_command *command, enum ctl_option option)
{
	return command->options[option] != NULL;
}

/* An option: one table serves the parser, the help and the completion. */
struct ctl_option_row {
	const char *name;
	const char *value; /* as the help shows it; NULL: takes none */
	const char *help;  /* NULL: not shown */
};
extern const struct ctl_option_row ctl_options[OPTION_COUNT];
/* Those that every verb takes, as bits. */
#define COMMON_OPTIONS                                                                             \
	(1u << OPTION_SOCKET | 1u << OPTION_JSON | 1u << OPTION_HELP | 1u << OPTION_VERSION |      \
		1u << OPTION_TIMEOUT | 1u << OPTION_SECRET | 1u << OPTION_TARGET_SECRET)

/*
 * The verb of one word or two ("config show") at `words`, of which there are `count`, and how many of
 * them it took; NULL if there is none.
 */
const struct ctl_verb *ctl_find_verb(const char *const *words, size_t count, size_t *taken);
/*
 * Parses argv. 0, or -1 after one line on stderr that says what is wrong and where help is; a
 * value that may be a secret is never repeated there.
 */
int ctl_parse(int argc, char **argv, struct ctl_command *command);
/* Prints the help of `verb`, or of the whole program for NULL, to stdout. */
void ctl_help(const struct ctl_verb *verb);
/* What verbs run that are more than one request and its answer. */
enum ctl_exit ctl_help_run(const struct ctl_command *command);
enum ctl_exit ctl_close_session_run(const struct ctl_command *command);
enum ctl_exit ctl_create_volume_run(const struct ctl_command *command);
enum ctl_exit ctl_delete_volume_run(const struct ctl_command *command);
enum ctl_exit ctl_list_volumes_run(const struct ctl_command *command);
enum ctl_exit ctl_statistics_run(const struct ctl_command *command);
enum ctl_exit ctl_watch_run(const struct ctl_command *command);
/* One line on stderr, after the program's name. */
void ctl_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Asks the daemon and prints. Returns the exit code. */
enum ctl_exit ctl_run(const struct ctl_command *command);

#endif
