if HAVE_CHECK
STORE_TESTS = tests/store/check_store
check_PROGRAMS += $(STORE_TESTS)
TESTS += $(STORE_TESTS)
endif
STORE_TEST_LIBS = libstore.a libbase.a $(LIBURING_LIBS) $(CHECK_LIBS) -lpthread
tests_store_check_store_SOURCES = tests/store/check_store.c tests/store/rig.c tests/store/rig.h
tests_store_check_store_CFLAGS = $(TEST_CFLAGS)
tests_store_check_store_LDADD = $(STORE_TEST_LIBS)
