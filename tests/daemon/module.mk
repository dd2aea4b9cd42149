# The control endpoint: its operations, its socket, and both in a running daemon.
EXTRA_DIST += tests/lib/prometheus.py tests/lib/portcullis.py tests/lib/signed.py tests/lib/container.py tests/daemon/cases.json
dist_check_SCRIPTS += tests/daemon/test_reload.py tests/daemon/test_reload_files.py tests/daemon/test_live.py tests/daemon/test_portals.py
TESTS += tests/daemon/test_reload.py tests/daemon/test_reload_files.py tests/daemon/test_live.py tests/daemon/test_portals.py
dist_check_SCRIPTS += tests/daemon/test_start_stop.py tests/daemon/test_peer_gone.py tests/daemon/test_shorter.py \
	tests/daemon/test_hung_disk.py
TESTS += tests/daemon/test_start_stop.py tests/daemon/test_peer_gone.py tests/daemon/test_shorter.py \
	tests/daemon/test_hung_disk.py
dist_check_SCRIPTS += tests/daemon/test_cases.py tests/daemon/test_control.py tests/daemon/test_endpoint.py
TESTS += tests/daemon/test_cases.py tests/daemon/test_control.py tests/daemon/test_endpoint.py

dist_check_SCRIPTS += tests/daemon/test_metrics.py tests/daemon/test_log.py tests/daemon/test_drain.py tests/daemon/test_parallel.py tests/daemon/test_hostile.py
TESTS += tests/daemon/test_metrics.py tests/daemon/test_log.py tests/daemon/test_drain.py tests/daemon/test_parallel.py tests/daemon/test_hostile.py

dist_check_SCRIPTS += tests/daemon/test_volume.py tests/daemon/test_members.py tests/daemon/test_operations.py
TESTS += tests/daemon/test_volume.py tests/daemon/test_members.py tests/daemon/test_operations.py

if HAVE_CHECK
CONTROL_TESTS = tests/daemon/api/check_api tests/daemon/api/check_rotation tests/daemon/api/check_input tests/daemon/api/check_volume tests/daemon/api/check_volume_change \
	tests/daemon/control/check_control \
	tests/daemon/control/check_client tests/daemon/control/check_guard tests/daemon/control/check_socket
check_PROGRAMS += $(CONTROL_TESTS)
TESTS += $(CONTROL_TESTS)
endif
CONTROL_TEST_CPPFLAGS = $(AM_CPPFLAGS) $(LIBEVENT_CFLAGS) $(JANSSON_CFLAGS)
CONTROL_TEST_LIBS = libdaemon.a $(ENGINE_LIBS) libconf.a libauth.a libstore.a libbase.a \
	$(LIBEVENT_LIBS) $(LIBSSL_LIBS) $(JANSSON_LIBS) $(ENGINE_SYSTEM_LIBS) $(LIBCONFIG_LIBS) \
	$(LIBCRYPTO_LIBS) $(CHECK_LIBS)
API_DOUBLE = tests/daemon/double.h tests/daemon/double.c
CONTROL_WIRE = $(API_DOUBLE) tests/daemon/wire.h tests/daemon/wire.c
tests_daemon_api_check_api_SOURCES = tests/daemon/api/check_api.c $(API_DOUBLE)
tests_daemon_api_check_api_CPPFLAGS = $(CONTROL_TEST_CPPFLAGS)
tests_daemon_api_check_api_CFLAGS = $(TEST_CFLAGS)
tests_daemon_api_check_api_LDADD = $(CONTROL_TEST_LIBS)
tests_daemon_api_check_input_SOURCES = tests/daemon/api/check_input.c $(API_DOUBLE)
tests_daemon_api_check_input_CPPFLAGS = $(CONTROL_TEST_CPPFLAGS)
tests_daemon_api_check_input_CFLAGS = $(TEST_CFLAGS)
tests_daemon_api_check_input_LDADD = $(CONTROL_TEST_LIBS)
tests_daemon_api_check_rotation_SOURCES = tests/daemon/api/check_rotation.c $(API_DOUBLE)
tests_daemon_api_check_rotation_CPPFLAGS = $(CONTROL_TEST_CPPFLAGS)
tests_daemon_api_check_rotation_CFLAGS = $(TEST_CFLAGS)
tests_daemon_api_check_rotation_LDADD = $(CONTROL_TEST_LIBS)
tests_daemon_api_check_volume_SOURCES = tests/daemon/api/check_volume.c $(API_DOUBLE)
tests_daemon_api_check_volume_CPPFLAGS = $(CONTROL_TEST_CPPFLAGS)
tests_daemon_api_check_volume_CFLAGS = $(TEST_CFLAGS)
tests_daemon_api_check_volume_LDADD = $(CONTROL_TEST_LIBS)
tests_daemon_api_check_volume_change_SOURCES = tests/daemon/api/check_volume_change.c $(API_DOUBLE)
tests_daemon_api_check_volume_change_CPPFLAGS = $(CONTROL_TEST_CPPFLAGS)
tests_daemon_api_check_volume_change_CFLAGS = $(TEST_CFLAGS)
tests_daemon_api_check_volume_change_LDADD = $(CONTROL_TEST_LIBS)
tests_daemon_control_check_control_SOURCES = tests/daemon/control/check_control.c $(CONTROL_WIRE)
tests_daemon_control_check_control_CPPFLAGS = $(CONTROL_TEST_CPPFLAGS)
tests_daemon_control_check_control_CFLAGS = $(TEST_CFLAGS)
tests_daemon_control_check_control_LDADD = $(CONTROL_TEST_LIBS)
tests_daemon_control_check_client_SOURCES = tests/daemon/control/check_client.c $(CONTROL_WIRE)
tests_daemon_control_check_client_CPPFLAGS = $(CONTROL_TEST_CPPFLAGS)
tests_daemon_control_check_client_CFLAGS = $(TEST_CFLAGS)
tests_daemon_control_check_client_LDADD = $(CONTROL_TEST_LIBS)
tests_daemon_control_check_guard_SOURCES = tests/daemon/control/check_guard.c $(CONTROL_WIRE)
tests_daemon_control_check_guard_CPPFLAGS = $(CONTROL_TEST_CPPFLAGS)
tests_daemon_control_check_guard_CFLAGS = $(TEST_CFLAGS)
tests_daemon_control_check_guard_LDADD = $(CONTROL_TEST_LIBS)
tests_daemon_control_check_socket_SOURCES = tests/daemon/control/check_socket.c $(CONTROL_WIRE)
tests_daemon_control_check_socket_CPPFLAGS = $(CONTROL_TEST_CPPFLAGS)
tests_daemon_control_check_socket_CFLAGS = $(TEST_CFLAGS)
tests_daemon_control_check_socket_LDADD = $(CONTROL_TEST_LIBS)

# The registry's rules and the small parts.
if HAVE_CHECK
DAEMON_TESTS = tests/daemon/core/check_journal tests/daemon/core/check_metrics tests/daemon/core/check_target tests/daemon/core/check_parts \
	tests/daemon/core/check_portals
check_PROGRAMS += $(DAEMON_TESTS)
TESTS += $(DAEMON_TESTS)
endif
tests_daemon_core_check_target_SOURCES = tests/daemon/core/check_target.c
tests_daemon_core_check_target_CPPFLAGS = $(CONTROL_TEST_CPPFLAGS)
tests_daemon_core_check_target_CFLAGS = $(TEST_CFLAGS)
tests_daemon_core_check_target_LDADD = $(CONTROL_TEST_LIBS)
tests_daemon_core_check_journal_SOURCES = tests/daemon/core/check_journal.c
tests_daemon_core_check_journal_CPPFLAGS = $(CONTROL_TEST_CPPFLAGS)
tests_daemon_core_check_journal_CFLAGS = $(TEST_CFLAGS)
tests_daemon_core_check_journal_LDADD = $(CONTROL_TEST_LIBS) $(LIBSYSTEMD_LIBS)
tests_daemon_core_check_metrics_SOURCES = tests/daemon/core/check_metrics.c
tests_daemon_core_check_metrics_CPPFLAGS = $(CONTROL_TEST_CPPFLAGS)
tests_daemon_core_check_metrics_CFLAGS = $(TEST_CFLAGS)
tests_daemon_core_check_metrics_LDADD = $(CONTROL_TEST_LIBS)
tests_daemon_core_check_portals_SOURCES = tests/daemon/core/check_portals.c
tests_daemon_core_check_portals_CPPFLAGS = $(CONTROL_TEST_CPPFLAGS)
tests_daemon_core_check_portals_CFLAGS = $(TEST_CFLAGS)
tests_daemon_core_check_portals_LDADD = $(CONTROL_TEST_LIBS)
tests_daemon_core_check_parts_SOURCES = tests/daemon/core/check_parts.c
tests_daemon_core_check_parts_CPPFLAGS = $(CONTROL_TEST_CPPFLAGS)
tests_daemon_core_check_parts_CFLAGS = $(TEST_CFLAGS)
tests_daemon_core_check_parts_LDADD = $(CONTROL_TEST_LIBS)
dist_check_SCRIPTS += tests/daemon/test_busy_poll.py
TESTS += tests/daemon/test_busy_poll.py
dist_check_SCRIPTS += tests/daemon/test_placement.py
TESTS += tests/daemon/test_placement.py
dist_check_SCRIPTS += tests/daemon/test_direct.py
TESTS += tests/daemon/test_direct.py
