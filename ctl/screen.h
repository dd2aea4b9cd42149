/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A view that is drawn again and again: in place on a terminal, which is given back as it was whatever ends
 * the program in order; one text after the other anywhere else.
 */
#ifndef PORTCULLIS_CTL_SCREEN_H
#define PORTCULLIS_CTL_SCREEN_H

#include <signal.h>
#include <stdbool.h>
#include <termios.h>

struct screen {
	bool wanted; /* stdout is a terminal, and may be used as one */
	bool is_open;
	bool has_keys; /* stdin is one too */
	int signals;   /* signalfd; -1: none */
	struct termios before;
	sigset_t mask_before;
};

enum screen_event { SCREEN_TIME, SCREEN_RESIZED, SCREEN_QUIT };

/* `plain`: no terminal's control, even on one. Nothing is touched before screen_open(). */
void screen_init(struct screen *screen, bool plain);
/* Takes the terminal, if it is one; again after screen_close(). */
void screen_open(struct screen *screen);
/* Gives it back. */
void screen_close(struct screen *screen);
/* Shows the text, cut to the terminal's size, in place of the last one; else prints it. */
void screen_show(const struct screen *screen, const char *text);
/* Waits so many milliseconds, or until the terminal changed its size, or somebody wants to leave (q, a signal). */
enum screen_event screen_wait(const struct screen *screen, int milliseconds);

#endif
