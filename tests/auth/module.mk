if HAVE_CHECK
AUTH_TESTS = tests/auth/check_credentials tests/auth/check_chap tests/auth/check_digest
check_PROGRAMS += $(AUTH_TESTS)
TESTS += $(AUTH_TESTS)
AUTH_TEST_LIBS = libauth.a libbase.a $(CHECK_LIBS) $(LIBCRYPTO_LIBS) -lpthread

tests_auth_check_credentials_SOURCES = tests/auth/check_credentials.c
tests_auth_check_credentials_CFLAGS = $(TEST_CFLAGS)
tests_auth_check_credentials_LDADD = $(AUTH_TEST_LIBS)

tests_auth_check_chap_SOURCES = tests/auth/check_chap.c
tests_auth_check_chap_CFLAGS = $(TEST_CFLAGS) $(LIBCRYPTO_CFLAGS)
tests_auth_check_chap_LDADD = $(AUTH_TEST_LIBS)

tests_auth_check_digest_SOURCES = tests/auth/check_digest.c
tests_auth_check_digest_CFLAGS = $(TEST_CFLAGS)
tests_auth_check_digest_LDADD = $(AUTH_TEST_LIBS)
endif
