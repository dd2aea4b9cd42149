# The fault injector is a shared object, which automake builds for libtool alone: so by hand. It is
# never instrumented, since it is loaded before the sanitizers are.
tests/crash/shim.so: $(top_srcdir)/tests/crash/shim.c
	$(AM_V_CC)$(MKDIR_P) tests/crash && $(CC) -D_GNU_SOURCE -std=gnu17 -O1 -fPIC -shared \
		-Wall -Wextra -o $@ $(top_srcdir)/tests/crash/shim.c -ldl -lpthread
check_DATA = tests/crash/shim.so
EXTRA_DIST += tests/crash/shim.c
CLEANFILES += tests/crash/shim.so

check_PROGRAMS += tests/crash/store_step
tests_crash_store_step_SOURCES = tests/crash/store_step.c
tests_crash_store_step_CFLAGS = $(AM_CFLAGS) $(JANSSON_CFLAGS)
tests_crash_store_step_LDADD = libconf.a libauth.a libbase.a $(LIBCONFIG_LIBS) $(JANSSON_LIBS) \
	$(LIBCRYPTO_LIBS) -lpthread

dist_check_SCRIPTS += tests/crash/test_store.py tests/crash/test_live.py tests/crash/test_operations.py
TESTS += tests/crash/test_store.py tests/crash/test_live.py tests/crash/test_operations.py
