/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How a secret comes in: from the terminal without echo, from a file that only its owner reads,
 * or from stdin. Never from argv, which every user of the host can see.
 */
#ifndef PORTCULLIS_CTL_SECRET_INPUT_H
#define PORTCULLIS_CTL_SECRET_INPUT_H

#include <stddef.h>

/* More than the API takes, so that the daemon can say what is wrong with a secret that is too long. */
#define SECRET_LINE_MAX 512

#define SECRET_INPUT_ERROR_SIZE 512

/*
 * The first line of `file` without its newline; "-" reads the next line of stdin. A file that its
 * group or others may touch is refused. Returns the line, NUL-terminated, owned by the caller
 * (secret_free()), and its length; NULL with one line in `error` that repeats none of it.
 */
char *secret_from_file(const char *file, size_t *length, char error[SECRET_INPUT_ERROR_SIZE]);

/* Asks twice on the controlling terminal, without echo; `what` is the prompt. Returns as secret_from_file(). */
char *secret_from_terminal(const char *what, size_t *length, char error[SECRET_INPUT_ERROR_SIZE]);

#endif
