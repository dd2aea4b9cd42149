if HAVE_CHECK
BASE_TESTS = tests/base/check_bytes tests/base/check_encode tests/base/check_log \
	tests/base/check_pool tests/base/check_secret
check_PROGRAMS += $(BASE_TESTS)
TESTS += $(BASE_TESTS)
endif
tests_base_check_bytes_SOURCES = tests/base/check_bytes.c tests/suite.h
tests_base_check_bytes_CFLAGS = $(TEST_CFLAGS)
tests_base_check_bytes_LDADD = libbase.a $(CHECK_LIBS)
tests_base_check_encode_SOURCES = tests/base/check_encode.c
tests_base_check_encode_CFLAGS = $(TEST_CFLAGS)
tests_base_check_encode_LDADD = libbase.a $(CHECK_LIBS)
tests_base_check_log_SOURCES = tests/base/check_log.c
tests_base_check_log_CFLAGS = $(TEST_CFLAGS)
tests_base_check_log_LDADD = libbase.a $(CHECK_LIBS)
tests_base_check_pool_SOURCES = tests/base/check_pool.c
tests_base_check_pool_CFLAGS = $(TEST_CFLAGS)
tests_base_check_pool_LDADD = libbase.a $(CHECK_LIBS)
tests_base_check_secret_SOURCES = tests/base/check_secret.c
tests_base_check_secret_CFLAGS = $(TEST_CFLAGS)
tests_base_check_secret_LDADD = libbase.a $(CHECK_LIBS)
