if HAVE_CHECK
CONF_TESTS = tests/conf/check_config
check_PROGRAMS += $(CONF_TESTS)
TESTS += $(CONF_TESTS)
CONF_TEST_LIBS = libconf.a libauth.a libbase.a $(CHECK_LIBS) $(LIBCONFIG_LIBS) $(JANSSON_LIBS) \
	$(LIBCRYPTO_LIBS) -lpthread

tests_conf_check_config_SOURCES = tests/conf/check_config.c tests/conf/config_file.h
tests_conf_check_config_CFLAGS = $(TEST_CFLAGS)
tests_conf_check_config_LDADD = $(CONF_TEST_LIBS)
endif
