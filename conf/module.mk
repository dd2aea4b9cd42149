noinst_LIBRARIES += libconf.a
libconf_a_SOURCES = conf/config.h conf/config.c conf/config_copy.c conf/config_read.h conf/config_text.c conf/config_table.h \
	conf/config_table.c conf/config_value.h conf/config_value.c conf/config_check.c \
	conf/config_diff.c conf/config_print.c conf/overlay.h conf/overlay.c conf/overlay_list.h \
	conf/overlay_edit.c conf/state.h conf/state.c conf/state_file.h conf/state_file.c \
	conf/state_text.h conf/state_text.c
libconf_a_CFLAGS = $(AM_CFLAGS) $(LIBCONFIG_CFLAGS) $(JANSSON_CFLAGS)
