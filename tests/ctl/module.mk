# portcullisctl against a control endpoint of the tests' own, and against the real one.
EXTRA_DIST += tests/ctl/fake.py tests/ctl/bench.py
dist_check_SCRIPTS += tests/ctl/test_help.py tests/ctl/test_errors.py tests/ctl/test_watch.py tests/ctl/test_completion.py tests/ctl/test_ctl.py tests/ctl/test_ctl_daemon.py tests/ctl/test_ctl_live.py tests/ctl/test_ctl_luns.py
TESTS += tests/ctl/test_help.py tests/ctl/test_errors.py tests/ctl/test_watch.py tests/ctl/test_completion.py tests/ctl/test_ctl.py tests/ctl/test_ctl_daemon.py tests/ctl/test_ctl_live.py tests/ctl/test_ctl_luns.py
if HAVE_CHECK
CTL_TESTS = tests/ctl/check_rates tests/ctl/check_nearest tests/ctl/check_print tests/ctl/check_wipe
check_PROGRAMS += $(CTL_TESTS)
TESTS += $(CTL_TESTS)
endif
tests_ctl_check_print_SOURCES = tests/ctl/check_print.c ctl/print.c
tests_ctl_check_print_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
tests_ctl_check_print_LDADD = libbase.a $(CHECK_LIBS) $(JANSSON_LIBS)
tests_ctl_check_wipe_SOURCES = tests/ctl/check_wipe.c ctl/http.c ctl/secret_input.c
tests_ctl_check_wipe_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS) $(LIBCURL_CFLAGS)
tests_ctl_check_wipe_LDADD = libbase.a $(CHECK_LIBS) $(JANSSON_LIBS) $(LIBCURL_LIBS)
tests_ctl_check_nearest_SOURCES = tests/ctl/check_nearest.c ctl/nearest.c
tests_ctl_check_nearest_CFLAGS = $(TEST_CFLAGS)
tests_ctl_check_nearest_LDADD = $(CHECK_LIBS)
tests_ctl_check_rates_SOURCES = tests/ctl/check_rates.c ctl/rates.c
tests_ctl_check_rates_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
tests_ctl_check_rates_LDADD = $(CHECK_LIBS) $(JANSSON_LIBS)
