if HAVE_CHECK
STORE_TESTS = tests/store/check_store tests/store/check_open tests/store/check_grow tests/store/check_reopen tests/store/check_errors \
	tests/store/check_queue tests/store/check_fault tests/store/check_buffers tests/store/check_extent tests/store/check_sync \
	tests/store/check_view
check_PROGRAMS += $(STORE_TESTS)
TESTS += $(STORE_TESTS)
endif
STORE_RIG = tests/store/rig.c tests/store/rig.h
STORE_TEST_LIBS = libstore.a libbase.a $(LIBURING_LIBS) $(CHECK_LIBS) -lpthread
# The sources of a daemon whose stores fail on order: fault_store.h.
FAULT_STORE = tests/store/kinds_fault.c tests/store/fault_store.c tests/store/fault_store.h
tests_store_check_store_SOURCES = tests/store/check_store.c $(STORE_RIG)
tests_store_check_store_CFLAGS = $(TEST_CFLAGS)
tests_store_check_store_LDADD = $(STORE_TEST_LIBS)
tests_store_check_open_SOURCES = tests/store/check_open.c $(STORE_RIG)
tests_store_check_open_CFLAGS = $(TEST_CFLAGS)
tests_store_check_open_LDADD = $(STORE_TEST_LIBS)
tests_store_check_grow_SOURCES = tests/store/check_grow.c $(STORE_RIG)
tests_store_check_grow_CFLAGS = $(TEST_CFLAGS)
tests_store_check_grow_LDADD = $(STORE_TEST_LIBS)
tests_store_check_reopen_SOURCES = tests/store/check_reopen.c $(STORE_RIG)
tests_store_check_reopen_CFLAGS = $(TEST_CFLAGS)
tests_store_check_reopen_LDADD = $(STORE_TEST_LIBS)
tests_store_check_errors_SOURCES = tests/store/check_errors.c $(STORE_RIG)
tests_store_check_errors_CFLAGS = $(TEST_CFLAGS)
tests_store_check_errors_LDADD = $(STORE_TEST_LIBS)
tests_store_check_queue_SOURCES = tests/store/check_queue.c $(STORE_RIG)
tests_store_check_queue_CFLAGS = $(TEST_CFLAGS)
tests_store_check_queue_LDADD = $(STORE_TEST_LIBS)
tests_store_check_buffers_SOURCES = tests/store/check_buffers.c $(STORE_RIG)
tests_store_check_buffers_CFLAGS = $(TEST_CFLAGS)
tests_store_check_buffers_LDADD = $(STORE_TEST_LIBS)
tests_store_check_view_SOURCES = tests/store/check_view.c $(STORE_RIG)
tests_store_check_view_CFLAGS = $(TEST_CFLAGS)
tests_store_check_view_LDADD = $(STORE_TEST_LIBS)
tests_store_check_sync_SOURCES = tests/store/check_sync.c $(STORE_RIG)
tests_store_check_sync_CFLAGS = $(TEST_CFLAGS)
tests_store_check_sync_LDADD = $(STORE_TEST_LIBS)
tests_store_check_fault_SOURCES = tests/store/check_fault.c $(STORE_RIG) $(FAULT_STORE)
tests_store_check_fault_CFLAGS = $(TEST_CFLAGS)
tests_store_check_fault_LDADD = $(STORE_TEST_LIBS)
tests_store_check_extent_SOURCES = tests/store/check_extent.c $(STORE_RIG)
tests_store_check_extent_CFLAGS = $(TEST_CFLAGS)
tests_store_check_extent_LDADD = $(STORE_TEST_LIBS)
