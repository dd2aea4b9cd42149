# auth/ alone; the captured requests are JSON.
EXTRA_DIST += tests/auth/sigv4-vectors.json
if HAVE_CHECK
AUTH_TESTS = tests/auth/check_credentials tests/auth/check_chap tests/auth/check_digest \
	tests/auth/check_access_keys tests/auth/check_sigv4
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

tests_auth_check_access_keys_SOURCES = tests/auth/check_access_keys.c tests/auth/key_file.h
tests_auth_check_access_keys_CFLAGS = $(TEST_CFLAGS)
tests_auth_check_access_keys_LDADD = $(AUTH_TEST_LIBS)

tests_auth_check_sigv4_SOURCES = tests/auth/check_sigv4.c tests/auth/key_file.h
tests_auth_check_sigv4_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
tests_auth_check_sigv4_LDADD = $(AUTH_TEST_LIBS) $(JANSSON_LIBS)
endif
