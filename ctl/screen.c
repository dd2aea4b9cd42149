/* SPDX-License-Identifier: BSD-2-Clause */
/* ECMA-48 sequences that every terminal of today knows; no library is needed for five of them. */
#include "ctl/screen.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <unistd.h>

#define ENTER      "\033[?1049h\033[?25l" /* the other screen, without a cursor */
#define LEAVE      "\033[?25h\033[?1049l"
#define HOME       "\033[H"
#define CLEAR_LINE "\033[K"
#define CLEAR_REST "\033[J"

static const int endings[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

void screen_init(struct screen *screen, bool plain)
{
	const char *terminal = getenv("TERM");
	const bool able = terminal && strcmp(terminal, "dumb") != 0;

	*screen = (struct screen){ .wanted = !plain && able && isatty(STDOUT_FILENO),
		.signals = -1 };
}

void screen_open(struct screen *screen)
{
	sigset_t watched;

	if (!screen->wanted || screen->is_open)
		return;
	sigemptyset(&watched);
	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
		sigaddset(&watched, endings[i]);
	sigaddset(&watched, SIGWINCH);
	screen->signals = signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK);
	if (screen->signals < 0)
		return;
	/* A stopped program would leave the terminal to the shell as it is. */
	sigaddset(&watched, SIGTSTP);
	sigprocmask(SIG_BLOCK, &watched, &screen->mask_before);
	screen->has_keys = tcgetattr(STDIN_FILENO, &screen->before) == 0;
	if (screen->has_keys) {
		struct termios keys = screen->before;
		keys.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
		keys.c_cc[VMIN] = 1;
		keys.c_cc[VTIME] = 0;
		tcsetattr(STDIN_FILENO, TCSANOW, &keys);
	}
	fputs(ENTER, stdout);
	fflush(stdout);
	screen->is_open = true;
}

void screen_close(struct screen *screen)
{
	if (!screen->is_open)
		return;
	fputs(LEAVE, stdout);
	fflush(stdout);
	if (screen->has_keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &screen->before);
	/* What came meanwhile has been heeded, and must not end the program twice. */
	struct signalfd_siginfo one;
	while (read(screen->signals, &one, sizeof(one)) > 0)
		continue;
	close(screen->signals);
	screen->signals = -1;
	sigprocmask(SIG_SETMASK, &screen->mask_before, NULL);
	screen->is_open = false;
}

void screen_show(const struct screen *screen, const char *text)
{
	struct winsize size = { 0 };
	int rows = 24, columns = 80;

	if (!screen->is_open) {
		fputs(text, stdout);
		fflush(stdout);
		return;
	}
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_row && size.ws_col) {
		rows = size.ws_row;
		columns = size.ws_col;
	}
	fputs(HOME, stdout);
	for (int row = 0; row < rows && *text; row++) {
		int length = (int)strcspn(text, "\n");
		printf("%s%.*s" CLEAR_LINE, row ? "\n" : "", length < columns ? length : columns,
			text);
		text += length;
		text += *text == '\n';
	}
	fputs(CLEAR_REST, stdout);
	fflush(stdout);
}

/* What a key or a signal asks for; SCREEN_TIME: nothing. */
static enum screen_event heed(const struct screen *screen, const struct pollfd fds[2])
{
	struct signalfd_siginfo one;
	char key = 0;

	if (fds[0].revents && read(screen->signals, &one, sizeof(one)) == sizeof(one))
		return one.ssi_signo == SIGWINCH ? SCREEN_RESIZED : SCREEN_QUIT;
	/* A terminal that went away ends it too. */
	if (fds[1].revents && (read(STDIN_FILENO, &key, 1) != 1 || key == 'q' || key == 'Q'))
		return SCREEN_QUIT;
	return SCREEN_TIME;
}

enum screen_event screen_wait(const struct screen *screen, int milliseconds)
{
	struct pollfd fds[2] = { { .fd = screen->signals, .events = POLLIN },
		{ .fd = screen->is_open && screen->has_keys ? STDIN_FILENO : -1,
			.events = POLLIN } };

	if (poll(fds, 2, milliseconds) <= 0)
		return SCREEN_TIME;
	return heed(screen, fds);
}
