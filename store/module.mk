noinst_LIBRARIES += libstore.a
libstore_a_SOURCES = store/store.h store/operations.h store/queue.h store/store.c store/kinds.c \
	store/file.h store/file.c store/file_open.c store/file_grow.c store/file_reopen.c store/file_sync.c \
	store/file_allocate.c \
	store/file_view.c store/memory.c \
	store/queue.c store/uring.c store/threads.c store/sync.c store/view.c
libstore_a_CFLAGS = $(AM_CFLAGS) $(LIBURING_CFLAGS)
