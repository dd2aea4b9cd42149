/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How threads talk: each has a mailbox that any other may post to. Mails are delivered in order on
 * the receiver's thread; nothing else crosses from thread to thread but what target.h guards.
 */
#ifndef PORTCULLIS_DAEMON_CORE_MAILBOX_H
#define PORTCULLIS_DAEMON_CORE_MAILBOX_H

struct event_base;
struct mailbox;

/* Embedded in whatever is sent. It belongs to the mailbox from mailbox_post() until `deliver` is called. */
struct mail {
	struct mail *next;
	void (*deliver)(struct mail *mail, void *receiver);
};

/* `receiver` is handed to every `deliver`. NULL with errno set. */
struct mailbox *mailbox_new(struct event_base *base, void *receiver);
/* Undelivered mails are dropped. NULL is fine. */
void mailbox_free(struct mailbox *mailbox);
/* Thread-safe; never blocks for long, never delivers inside the call. */
void mailbox_post(struct mailbox *mailbox, struct mail *mail);

#endif
