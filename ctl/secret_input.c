/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Secrets from the terminal, a file or stdin. They lie in secret memory throughout.
 */
#include "ctl/secret_input.h"

#include "base/secret.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

static void explain(char error[SECRET_INPUT_ERROR_SIZE], const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void explain(char error[SECRET_INPUT_ERROR_SIZE], const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(error, SECRET_INPUT_ERROR_SIZE, format, arguments);
	va_end(arguments);
}

/* Waits for input. -1 when a signal that ends the program is pending: the caller tidies up first. */
static int wait_for_input(int terminal, int signals)
{
	struct pollfd fds[] = { { .fd = terminal, .events = POLLIN },
		{ .fd = signals, .events = POLLIN } };

	while (poll(fds, 2, -1) < 0) {
		if (errno != EINTR)
			return -1;
	}
	return fds[1].revents ? -1 : 0;
}

/*
 * A byte at a time, so that what follows the line stays for the next reader of stdin. `signals` -1: none is waited for
 * beside it. A terminal also hands over what is no whole line (Ctrl-D).
 */
static char *read_line(
	int fd, int signals, const char *from, size_t *length, char error[SECRET_INPUT_ERROR_SIZE])
{
	char *line = secret_malloc(SECRET_LINE_MAX + 1);
	if (!line) {
		explain(error, "out of memory");
		return NULL;
	}
	for (*length = 0; *length <= SECRET_LINE_MAX;) {
		if (signals >= 0 && wait_for_input(fd, signals) != 0) {
			explain(error, "interrupted");
			goto bad;
		}
		ssize_t got = read(fd, line + *length, 1);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0) {
			explain(error, "%s: %s", from, strerror(errno));
			goto bad;
		}
		if (got == 0 || line[*length] == '\n') {
			line[*length] = '\0';
			if (*length > 0)
				return line;
			explain(error, "%s: the secret is empty", from);
			goto bad;
		}
		(*length)++;
	}
	explain(error, "%s: the first line is longer than %d bytes", from, SECRET_LINE_MAX);
bad:
	secret_free(line);
	return NULL;
}

char *secret_from_file(const char *file, size_t *length, char error[SECRET_INPUT_ERROR_SIZE])
{
	if (strcmp(file, "-") == 0)
		return read_line(STDIN_FILENO, -1, "stdin", length, error);

	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	struct stat status;
	char *line = NULL;
	if (fd < 0 || fstat(fd, &status) != 0)
		explain(error, "%s: %s", file, strerror(errno));
	else if (status.st_mode & (S_IRWXG | S_IRWXO))
		explain(error,
			"%s: is open to its group or to others (mode %04o); make it yours alone: "
			"chmod 600 FILE",
			file, (unsigned)status.st_mode & 07777);
	else
		line = read_line(fd, -1, file, length, error);
	if (fd >= 0)
		close(fd);
	return line;
}

/* One prompt and its line; the newline that was not echoed is made up for. */
static char *ask_once(int terminal, int signals, const char *what, const char *again,
	size_t *length, char error[SECRET_INPUT_ERROR_SIZE])
{
	dprintf(terminal, "%s%s: ", what, again);
	char *line = read_line(terminal, signals, "the terminal", length, error);
	dprintf(terminal, "\n");
	return line;
}

/* A secret that nobody sees while typing is easily mistyped, and then locks its owner out. */
static char *ask_twice(int terminal, int signals, const char *what, size_t *length,
	char error[SECRET_INPUT_ERROR_SIZE])
{
	size_t second_length;
	char *first = ask_once(terminal, signals, what, "", length, error);
	char *second = first ? ask_once(terminal, signals, what, ", again", &second_length, error)
			     : NULL;

	if (first && second && !secret_equal(first, *length, second, second_length)) {
		explain(error, "the two entries differ");
		secret_free(second);
		second = NULL;
	}
	secret_free(first);
	if (second)
		*length = second_length;
	return second;
}

char *secret_from_terminal(const char *what, size_t *length, char error[SECRET_INPUT_ERROR_SIZE])
{
	int terminal = open("/dev/tty", O_RDWR | O_CLOEXEC | O_NOCTTY);
	int signals = -1;
	char *secret = NULL;
	sigset_t ending, blocked, before;
	struct termios normal;

	if (terminal < 0 || tcgetattr(terminal, &normal) != 0) {
		explain(error, "there is no terminal to ask for a secret on: give --secret-file "
			       "FILE, or - for stdin");
		goto out;
	}
	sigemptyset(&ending);
	sigaddset(&ending, SIGINT);
	sigaddset(&ending, SIGQUIT);
	sigaddset(&ending, SIGTERM);
	sigaddset(&ending, SIGHUP);
	blocked = ending;
	sigaddset(&blocked, SIGTSTP); /* a stopped program would leave the terminal without echo */
	signals = signalfd(-1, &ending, SFD_CLOEXEC);
	if (signals < 0) {
		explain(error, "signalfd: %s", strerror(errno));
		goto out;
	}
	struct termios silent = normal;
	silent.c_lflag &= ~(tcflag_t)ECHO;
	silent.c_lflag |= ICANON;
	sigprocmask(SIG_BLOCK, &blocked, &before);
	if (tcsetattr(terminal, TCSAFLUSH, &silent) == 0)
		secret = ask_twice(terminal, signals, what, length, error);
	else
		explain(error, "/dev/tty: %s", strerror(errno));
	tcsetattr(terminal, TCSAFLUSH, &normal);
	/* A signal that came meanwhile ends the program here, with the terminal as it was. */
	sigprocmask(SIG_SETMASK, &before, NULL);
out:
	if (signals >= 0)
		close(signals);
	if (terminal >= 0)
		close(terminal);
	return secret;
}
