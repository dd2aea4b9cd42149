# portcullisctl, the client.
bin_PROGRAMS += portcullisctl
portcullisctl_SOURCES = ctl/ctl.h ctl/main.c ctl/options.c ctl/help.c ctl/verbs.c ctl/run.c ctl/client.h ctl/client.c ctl/advice.h ctl/advice.c ctl/nearest.h ctl/nearest.c \
	ctl/complete.h ctl/complete.c ctl/close_session.c ctl/statistics.c ctl/volume.c ctl/rates.h ctl/rates.c ctl/screen.h ctl/screen.c ctl/watch.c \
	ctl/progress.h ctl/progress.c ctl/arguments.h ctl/arguments.c \
	ctl/http.h ctl/http.c ctl/print.h ctl/print.c ctl/secret_input.h ctl/secret_input.c
portcullisctl_CFLAGS = $(AM_CFLAGS) $(LIBCURL_CFLAGS) $(JANSSON_CFLAGS)
portcullisctl_LDADD = libconf.a libbase.a $(LIBCURL_LIBS) $(JANSSON_LIBS) -lpthread
