# An initiator on libiscsi for the demo and the tests beside it.
if HAVE_LIBISCSI
check_PROGRAMS += tests/interop/iscsi_io
endif
tests_interop_iscsi_io_SOURCES = tests/interop/iscsi_io.c
tests_interop_iscsi_io_CFLAGS = $(TEST_CFLAGS) $(LIBISCSI_CFLAGS)
tests_interop_iscsi_io_LDADD = $(LIBISCSI_LIBS)
if HAVE_LIBISCSI
check_PROGRAMS += tests/interop/iscsi_session
endif
tests_interop_iscsi_session_SOURCES = tests/interop/iscsi_session.c
tests_interop_iscsi_session_CFLAGS = $(TEST_CFLAGS) $(LIBISCSI_CFLAGS)
tests_interop_iscsi_session_LDADD = $(LIBISCSI_LIBS)
