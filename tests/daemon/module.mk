# The control endpoint: its dispatch, its socket, and both in a running daemon.
EXTRA_DIST += tests/lib/portcullis.py tests/daemon/cases.json
dist_check_SCRIPTS += tests/daemon/test_cases.py
TESTS += tests/daemon/test_cases.py

if HAVE_CHECK
CONTROL_TESTS = tests/daemon/check_api tests/daemon/check_control
check_PROGRAMS += $(CONTROL_TESTS)
TESTS += $(CONTROL_TESTS)
endif
CONTROL_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(LIBEVENT_CFLAGS) $(JANSSON_CFLAGS)
CONTROL_TEST_LIBS = libdaemon.a libauth.a libbase.a $(LIBEVENT_LIBS) $(JANSSON_LIBS) \
	$(LIBCRYPTO_LIBS) $(CHECK_LIBS)
tests_daemon_check_api_SOURCES = tests/daemon/check_api.c tests/daemon/double.h tests/daemon/double.c
tests_daemon_check_api_CPPFLAGS = $(CONTROL_TEST_CPPFLAGS)
tests_daemon_check_api_CFLAGS = $(TEST_CFLAGS)
tests_daemon_check_api_LDADD = $(CONTROL_TEST_LIBS)
tests_daemon_check_control_SOURCES = tests/daemon/check_control.c tests/daemon/double.h \
	tests/daemon/double.c
tests_daemon_check_control_CPPFLAGS = $(CONTROL_TEST_CPPFLAGS)
tests_daemon_check_control_CFLAGS = $(TEST_CFLAGS)
tests_daemon_check_control_LDADD = $(CONTROL_TEST_LIBS)

# The registry's rules and the small parts.
if HAVE_CHECK
DAEMON_TESTS = tests/daemon/check_target tests/daemon/check_parts
check_PROGRAMS += $(DAEMON_TESTS)
TESTS += $(DAEMON_TESTS)
endif
tests_daemon_check_target_SOURCES = tests/daemon/check_target.c
tests_daemon_check_target_CPPFLAGS = $(CONTROL_TEST_CPPFLAGS)
tests_daemon_check_target_CFLAGS = $(TEST_CFLAGS)
tests_daemon_check_target_LDADD = $(CONTROL_TEST_LIBS)
tests_daemon_check_parts_SOURCES = tests/daemon/check_parts.c
tests_daemon_check_parts_CPPFLAGS = $(CONTROL_TEST_CPPFLAGS)
tests_daemon_check_parts_CFLAGS = $(TEST_CFLAGS)
tests_daemon_check_parts_LDADD = $(CONTROL_TEST_LIBS)
