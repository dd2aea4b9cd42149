/* SPDX-License-Identifier: BSD-2-Clause */
/* A list under a mutex and an eventfd that wakes the receiver's event base. */
#include "daemon/core/mailbox.h"

#include <event2/event.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct mailbox {
	pthread_mutex_t lock;
	struct mail *first;
	struct mail **last;
	int fd;
	struct event *event;
	void *receiver;
};

static void mailbox_deliver(evutil_socket_t fd, short what, void *context)
{
	struct mailbox *mailbox = context;
	uint64_t count;
	(void)what;

	if (read(fd, &count, sizeof(count)) < 0)
		return; /* another wake-up took it */
	pthread_mutex_lock(&mailbox->lock);
	struct mail *mail = mailbox->first;
	mailbox->first = NULL;
	mailbox->last = &mailbox->first;
	pthread_mutex_unlock(&mailbox->lock);

	while (mail) {
		struct mail *next = mail->next;
		mail->deliver(mail, mailbox->receiver);
		mail = next;
	}
}

struct mailbox *mailbox_new(struct event_base *base, void *receiver)
{
	struct mailbox *mailbox = calloc(1, sizeof(*mailbox));
	if (!mailbox)
		return NULL;
	mailbox->last = &mailbox->first;
	mailbox->receiver = receiver;
	pthread_mutex_init(&mailbox->lock, NULL);
	mailbox->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (mailbox->fd >= 0)
		mailbox->event = event_new(
			base, mailbox->fd, EV_READ | EV_PERSIST, mailbox_deliver, mailbox);
	if (!mailbox->event || event_add(mailbox->event, NULL) < 0) {
		mailbox_free(mailbox);
		return NULL;
	}
	return mailbox;
}

void mailbox_free(struct mailbox *mailbox)
{
	if (!mailbox)
		return;
	if (mailbox->event)
		event_free(mailbox->event);
	if (mailbox->fd >= 0)
		close(mailbox->fd);
	pthread_mutex_destroy(&mailbox->lock);
	free(mailbox);
}

void mailbox_post(struct mailbox *mailbox, struct mail *mail)
{
	uint64_t one = 1;

	mail->next = NULL;
	pthread_mutex_lock(&mailbox->lock);
	*mailbox->last = mail;
	mailbox->last = &mail->next;
	pthread_mutex_unlock(&mailbox->lock);
	/* It can only fail when the counter is full: then the receiver is awake anyway. */
	if (write(mailbox->fd, &one, sizeof(one)) < 0)
		return;
}
