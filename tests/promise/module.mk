# The promise K1..K9 on a running daemon; each script is one of its letters.
EXTRA_DIST += tests/lib/initiator.py tests/promise/common.py
promise_tests = \
	tests/promise/test_k1_atomic.py \
	tests/promise/test_k2_durable.py \
	tests/promise/test_k3_no_survivor.py \
	tests/promise/test_k4_no_straggler.py \
	tests/promise/test_k4_pressure.py \
	tests/promise/test_k5_wire.py \
	tests/promise/test_k6_fence.py \
	tests/promise/test_k8_secrets.py \
	tests/promise/test_k9_closed.py \
	tests/promise/test_rotation.py \
	tests/promise/test_rotation_race.py \
	tests/promise/test_hosts.py \
	tests/promise/test_chaos.py
dist_check_SCRIPTS += $(promise_tests)
TESTS += $(promise_tests)

# The daemon with a store that fails and stalls on order.
check_PROGRAMS += tests/portcullisd-fault
tests_portcullisd_fault_SOURCES = daemon/main.c tests/store/kinds_fault.c tests/store/fault_store.c \
	tests/store/fault_store.h
tests_portcullisd_fault_CPPFLAGS = $(libdaemon_a_CPPFLAGS)
tests_portcullisd_fault_LDADD = $(DAEMON_LIBS) $(DAEMON_SYSTEM_LIBS)
