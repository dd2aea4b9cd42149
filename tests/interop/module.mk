# Foreign initiators, and the project's own clients on libiscsi: one for the demo and the tests, one for the tests alone.
if HAVE_LIBISCSI
check_PROGRAMS += tests/interop/iscsi_io tests/interop/iscsi_session
endif
tests_interop_iscsi_io_SOURCES = tests/interop/iscsi_io.c
tests_interop_iscsi_io_CFLAGS = $(TEST_CFLAGS) $(LIBISCSI_CFLAGS)
tests_interop_iscsi_io_LDADD = $(LIBISCSI_LIBS)
tests_interop_iscsi_session_SOURCES = tests/interop/iscsi_session.c
tests_interop_iscsi_session_CFLAGS = $(TEST_CFLAGS) $(LIBISCSI_CFLAGS)
tests_interop_iscsi_session_LDADD = $(LIBISCSI_LIBS)
INTEROP_TESTS = tests/interop/test_libiscsi_tools.py tests/interop/test_qemu.py \
	tests/interop/test_tshark.py tests/interop/test_digests.py tests/interop/test_linux.py \
	tests/interop/test_aws.py tests/interop/test_aws_volumes.py tests/interop/test_field.py \
	tests/interop/test_systemd.py
EXTRA_DIST += tests/interop/common.py tests/interop/linux/guest.py tests/interop/linux/init
dist_check_SCRIPTS += $(INTEROP_TESTS)
TESTS += $(INTEROP_TESTS)

# What test_linux.py took from Debian's archive, if it was asked to run; `make clean` keeps it.
distclean-local:
	rm -rf tests/interop/linux-cache
