if HAVE_CHECK
CONF_TESTS = tests/conf/check_config tests/conf/check_config_check \
	tests/conf/check_config_diff tests/conf/check_config_value \
	tests/conf/check_overlay tests/conf/check_state tests/conf/check_state_file tests/conf/check_state_text
check_PROGRAMS += $(CONF_TESTS)
TESTS += $(CONF_TESTS)
CONF_TEST_LIBS = libconf.a libauth.a libbase.a $(CHECK_LIBS) $(LIBCONFIG_LIBS) $(JANSSON_LIBS) \
	$(LIBCRYPTO_LIBS) -lpthread

tests_conf_check_config_SOURCES = tests/conf/check_config.c tests/conf/config_file.h
tests_conf_check_config_CFLAGS = $(TEST_CFLAGS)
tests_conf_check_config_LDADD = $(CONF_TEST_LIBS)

tests_conf_check_config_check_SOURCES = tests/conf/check_config_check.c tests/conf/config_file.h
tests_conf_check_config_check_CFLAGS = $(TEST_CFLAGS)
tests_conf_check_config_check_LDADD = $(CONF_TEST_LIBS)

tests_conf_check_config_diff_SOURCES = tests/conf/check_config_diff.c tests/conf/config_file.h
tests_conf_check_config_diff_CFLAGS = $(TEST_CFLAGS)
tests_conf_check_config_diff_LDADD = $(CONF_TEST_LIBS)

tests_conf_check_config_value_SOURCES = tests/conf/check_config_value.c
tests_conf_check_config_value_CFLAGS = $(TEST_CFLAGS)
tests_conf_check_config_value_LDADD = $(CONF_TEST_LIBS)

tests_conf_check_overlay_SOURCES = tests/conf/check_overlay.c tests/conf/config_file.h
tests_conf_check_overlay_CFLAGS = $(TEST_CFLAGS)
tests_conf_check_overlay_LDADD = $(CONF_TEST_LIBS)

tests_conf_check_state_file_SOURCES = tests/conf/check_state_file.c
tests_conf_check_state_file_CFLAGS = $(TEST_CFLAGS)
tests_conf_check_state_file_LDADD = $(CONF_TEST_LIBS)

tests_conf_check_state_SOURCES = tests/conf/check_state.c
tests_conf_check_state_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
tests_conf_check_state_LDADD = $(CONF_TEST_LIBS)

tests_conf_check_state_text_SOURCES = tests/conf/check_state_text.c
tests_conf_check_state_text_CFLAGS = $(TEST_CFLAGS) $(JANSSON_CFLAGS)
tests_conf_check_state_text_LDADD = $(CONF_TEST_LIBS)
endif
