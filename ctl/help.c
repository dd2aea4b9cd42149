/* SPDX-License-Identifier: BSD-2-Clause */
/* The help, out of the tables of verbs and options: nothing is written twice, so nothing differs. */
#include "ctl/ctl.h"

#include <stdio.h>
#include <string.h>

#define EXAMPLE_WIDTH 78

static const char *const group_titles[GROUPS] = {
	[GROUP_TARGETS] = "Targets and LUNs",
	[GROUP_CHAP] = "CHAP credentials",
	[GROUP_SESSIONS] = "Sessions",
	[GROUP_PORTALS] = "Portals",
	[GROUP_CONFIGURATION] = "Configuration",
	[GROUP_HELP] = "Help",
};

static const char *const argument_texts[ARGUMENT_KINDS] = {
	[ARGUMENT_TARGET] = "a target's IQN or its ARN; list-targets shows both",
	[ARGUMENT_INITIATOR] = "the initiator's IQN, which is its CHAP user name too",
	[ARGUMENT_NAME] = "the new target's IQN",
	[ARGUMENT_LUN] = "the LUN's number, 0 to 255",
	[ARGUMENT_PATH] = "\"memory:\", or a file directly in one of control.disk_directories",
	[ARGUMENT_SIZE] = "bytes, or 512M, 8G",
	[ARGUMENT_ON_OFF] = "\"on\" or \"off\"",
	[ARGUMENT_FILE] = "a configuration file; without it, the daemon's own",
	[ARGUMENT_SESSION] =
		"the session's number, as list-sessions shows it; or the initiator's IQN",
	[ARGUMENT_ISID] = "which of the initiator's sessions, as list-sessions --long shows it",
	[ARGUMENT_PORTAL] = "192.0.2.1:3260 or [2001:db8::1]:3260, as list-portals shows it",
	[ARGUMENT_PORTAL_GROUP] = "the target portal group tag, 1 to 65535; without it 1",
	[ARGUMENT_VOLUME_NAME] = "the target's IQN behind \"iqn.1997-05.com.amazon:\"",
	[ARGUMENT_DISK] = "a file or device directly in one of control.disk_directories",
	[ARGUMENT_VOLUME] = "a volume's identifier, as list-volumes shows it, or its ARN",
	[ARGUMENT_VERB] = "a verb, or one of its words; without it, the help is of all verbs",
};

/* A title, then what stands below it, indented as all of the help is. */
static void put_entry(const char *name, const char *value, const char *text)
{
	printf("  %s%s%s\n        %s\n", name, value ? " " : "", value ? value : "", text);
}

/* The arguments by the names under which the usage line has them. */
static void help_arguments(const struct ctl_verb *verb)
{
	const char *word = verb->arguments;

	for (size_t i = 0; i < verb->argument_max; i++) {
		word += strspn(word, " []");
		int length = (int)strcspn(word, " []");
		char name[32];
		snprintf(name, sizeof(name), "%.*s", length, word);
		word += length;
		printf("%s", i == 0 ? "\nArguments:\n" : "");
		put_entry(name, NULL, argument_texts[verb->takes[i]]);
	}
}

/* The options among `which`, under a title; nothing if there are none. */
static void help_options(const char *title, unsigned which)
{
	bool any = false;

	for (size_t i = 0; i < OPTION_COUNT; i++) {
		char name[32];
		if (!(which & 1u << i) || !ctl_options[i].help)
			continue;
		if (!any)
			printf("\n%s:\n", title);
		any = true;
		snprintf(name, sizeof(name), "--%s", ctl_options[i].name);
		put_entry(name, ctl_options[i].value, ctl_options[i].help);
	}
}

static void help_verbs(void)
{
	for (size_t group = 0; group < GROUPS; group++) {
		printf("\n%s:\n", group_titles[group]);
		for (size_t i = 0; i < ctl_verb_count; i++) {
			if (ctl_verbs[i].group == group)
				printf("  %-16s %s\n", ctl_verbs[i].name, ctl_verbs[i].summary);
		}
	}
}

/* A command that a shell would take, in lines that a terminal holds. */
static void put_example(const char *words)
{
	size_t column = (size_t)printf("  portcullisctl");

	while (*words) {
		size_t length = strcspn(words, " ");
		if (column + 1 + length > EXAMPLE_WIDTH)
			column = (size_t)printf(" \\\n     ") - 3;
		column += (size_t)printf(" %.*s", (int)length, words);
		words += length;
		words += strspn(words, " ");
	}
	putchar('\n');
}

void ctl_help(const struct ctl_verb *verb)
{
	if (verb) {
		printf("Usage: portcullisctl %s [OPTION...]%s%s\n\n%c%s.\n%s%s", verb->name,
			verb->arguments[0] ? " " : "", verb->arguments,
			verb->summary[0] - 'a' + 'A', verb->summary + 1, verb->text[0] ? "\n" : "",
			verb->text);
		help_arguments(verb);
		help_options("Options of this verb", verb->options);
	} else {
		printf("Usage: portcullisctl [--socket PATH] [--json] VERB ...\n\n"
		       "Looks after the targets of a running portcullisd. portcullisctl VERB "
		       "--help "
		       "says more.\n");
		help_verbs();
	}
	help_options("Options", COMMON_OPTIONS);
	if (verb) {
		printf("\nExample:\n");
		put_example(verb->example);
	}
	printf("\nExit status:\n"
	       "  0  done\n"
	       "  1  refused: the daemon said no\n"
	       "  2  usage: the command line is wrong, or a secret could not be had\n"
	       "  3  the daemon was not reached, or did not answer in time\n");
}

enum ctl_exit ctl_help_run(const struct ctl_command *command)
{
	const char *const *words = command->arguments;
	size_t count = words[1] ? 2 : words[0] ? 1 : 0, taken = 0;
	const struct ctl_verb *verb = NULL;

	if (count > 0) {
		verb = ctl_find_verb(words, count, &taken);
		if (!verb || taken < count) {
			ctl_complain("%s%s%s: no such verb", words[0], count > 1 ? " " : "",
				count > 1 ? words[1] : "");
			return CTL_USAGE;
		}
	}
	ctl_help(verb);
	return CTL_DONE;
}
