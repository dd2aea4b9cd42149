# One block per test: two people add to this at the same time.
if HAVE_CHECK
LOGIN_TESTS = \
	tests/proto/iscsi/check_text \
	tests/proto/iscsi/check_keys \
	tests/proto/iscsi/check_keys_results \
	tests/proto/iscsi/check_login \
	tests/proto/iscsi/check_login_text \
	tests/proto/iscsi/check_login_admission \
	tests/proto/iscsi/check_login_peers \
	tests/proto/iscsi/check_login_mutations \
	tests/proto/iscsi/check_chap \
	tests/proto/iscsi/check_chap_proof \
	tests/proto/iscsi/check_discovery
check_PROGRAMS += $(LOGIN_TESTS)
TESTS += $(LOGIN_TESTS)
endif
LOGIN_BENCH = tests/proto/iscsi/login_bench.h tests/proto/iscsi/login_bench.c
LOGIN_TEST_LIBS = $(ENGINE_LIBS) $(CHECK_LIBS) $(ENGINE_SYSTEM_LIBS)
tests_proto_iscsi_check_text_SOURCES = tests/proto/iscsi/check_text.c
tests_proto_iscsi_check_text_CFLAGS = $(TEST_CFLAGS)
tests_proto_iscsi_check_text_LDADD = $(LOGIN_TEST_LIBS)
tests_proto_iscsi_check_keys_SOURCES = tests/proto/iscsi/check_keys.c tests/proto/iscsi/keys_trial.h
tests_proto_iscsi_check_keys_CFLAGS = $(TEST_CFLAGS)
tests_proto_iscsi_check_keys_LDADD = $(LOGIN_TEST_LIBS)
tests_proto_iscsi_check_keys_results_SOURCES = tests/proto/iscsi/check_keys_results.c tests/proto/iscsi/keys_trial.h
tests_proto_iscsi_check_keys_results_CFLAGS = $(TEST_CFLAGS)
tests_proto_iscsi_check_keys_results_LDADD = $(LOGIN_TEST_LIBS)
tests_proto_iscsi_check_login_SOURCES = tests/proto/iscsi/check_login.c $(LOGIN_BENCH)
tests_proto_iscsi_check_login_CFLAGS = $(TEST_CFLAGS)
tests_proto_iscsi_check_login_LDADD = $(LOGIN_TEST_LIBS)
tests_proto_iscsi_check_login_text_SOURCES = tests/proto/iscsi/check_login_text.c $(LOGIN_BENCH)
tests_proto_iscsi_check_login_text_CFLAGS = $(TEST_CFLAGS)
tests_proto_iscsi_check_login_text_LDADD = $(LOGIN_TEST_LIBS)
tests_proto_iscsi_check_login_admission_SOURCES = tests/proto/iscsi/check_login_admission.c $(LOGIN_BENCH)
tests_proto_iscsi_check_login_admission_CFLAGS = $(TEST_CFLAGS)
tests_proto_iscsi_check_login_admission_LDADD = $(LOGIN_TEST_LIBS)
tests_proto_iscsi_check_login_peers_SOURCES = tests/proto/iscsi/check_login_peers.c $(LOGIN_BENCH)
tests_proto_iscsi_check_login_peers_CFLAGS = $(TEST_CFLAGS)
tests_proto_iscsi_check_login_peers_LDADD = $(LOGIN_TEST_LIBS)
tests_proto_iscsi_check_login_mutations_SOURCES = tests/proto/iscsi/check_login_mutations.c $(LOGIN_BENCH)
tests_proto_iscsi_check_login_mutations_CFLAGS = $(TEST_CFLAGS)
tests_proto_iscsi_check_login_mutations_LDADD = $(LOGIN_TEST_LIBS)
tests_proto_iscsi_check_chap_SOURCES = tests/proto/iscsi/check_chap.c $(LOGIN_BENCH)
tests_proto_iscsi_check_chap_CFLAGS = $(TEST_CFLAGS)
tests_proto_iscsi_check_chap_LDADD = $(LOGIN_TEST_LIBS)
tests_proto_iscsi_check_chap_proof_SOURCES = tests/proto/iscsi/check_chap_proof.c $(LOGIN_BENCH)
tests_proto_iscsi_check_chap_proof_CFLAGS = $(TEST_CFLAGS)
tests_proto_iscsi_check_chap_proof_LDADD = $(LOGIN_TEST_LIBS)
tests_proto_iscsi_check_discovery_SOURCES = tests/proto/iscsi/check_discovery.c $(LOGIN_BENCH)
tests_proto_iscsi_check_discovery_CFLAGS = $(TEST_CFLAGS)
tests_proto_iscsi_check_discovery_LDADD = $(LOGIN_TEST_LIBS)

# The full feature phase, over a device server of the tests' own.
if HAVE_CHECK
FULL_TESTS = tests/proto/iscsi/check_sequence \
	tests/proto/iscsi/check_direction \
	tests/proto/iscsi/check_data \
	tests/proto/iscsi/check_command \
	tests/proto/iscsi/check_errors \
	tests/proto/iscsi/check_tmf \
	tests/proto/iscsi/check_close \
	tests/proto/iscsi/check_deadline \
	tests/proto/iscsi/check_ordered \
	tests/proto/iscsi/check_disk
check_PROGRAMS += $(FULL_TESTS)
TESTS += $(FULL_TESTS)
check_LIBRARIES += libtranscript.a
endif
libtranscript_a_SOURCES = tests/proto/iscsi/wire.h tests/proto/iscsi/wire.c \
	tests/proto/iscsi/transcript.h tests/proto/iscsi/transcript.c \
	tests/proto/iscsi/scenario.h tests/proto/iscsi/scenario.c \
	tests/proto/iscsi/device_double.h tests/proto/iscsi/device_double.c
libtranscript_a_CFLAGS = $(TEST_CFLAGS)
FULL_TEST_LIBS = libtranscript.a libiscsi-engine.a libauth.a libbase.a $(CHECK_LIBS) $(ENGINE_SYSTEM_LIBS)
tests_proto_iscsi_check_sequence_SOURCES = tests/proto/iscsi/check_sequence.c
tests_proto_iscsi_check_sequence_CFLAGS = $(TEST_CFLAGS)
tests_proto_iscsi_check_sequence_LDADD = $(FULL_TEST_LIBS)
tests_proto_iscsi_check_direction_SOURCES = tests/proto/iscsi/check_direction.c
tests_proto_iscsi_check_direction_CFLAGS = $(TEST_CFLAGS)
tests_proto_iscsi_check_direction_LDADD = $(FULL_TEST_LIBS)
tests_proto_iscsi_check_data_SOURCES = tests/proto/iscsi/check_data.c
tests_proto_iscsi_check_data_CFLAGS = $(TEST_CFLAGS)
tests_proto_iscsi_check_data_LDADD = $(FULL_TEST_LIBS)
tests_proto_iscsi_check_command_SOURCES = tests/proto/iscsi/check_command.c
tests_proto_iscsi_check_command_CFLAGS = $(TEST_CFLAGS)
tests_proto_iscsi_check_command_LDADD = $(FULL_TEST_LIBS)
tests_proto_iscsi_check_errors_SOURCES = tests/proto/iscsi/check_errors.c
tests_proto_iscsi_check_errors_CFLAGS = $(TEST_CFLAGS)
tests_proto_iscsi_check_errors_LDADD = $(FULL_TEST_LIBS)
tests_proto_iscsi_check_tmf_SOURCES = tests/proto/iscsi/check_tmf.c
tests_proto_iscsi_check_tmf_CFLAGS = $(TEST_CFLAGS)
tests_proto_iscsi_check_tmf_LDADD = $(FULL_TEST_LIBS)
tests_proto_iscsi_check_close_SOURCES = tests/proto/iscsi/check_close.c
tests_proto_iscsi_check_close_CFLAGS = $(TEST_CFLAGS)
tests_proto_iscsi_check_close_LDADD = $(FULL_TEST_LIBS)
tests_proto_iscsi_check_deadline_SOURCES = tests/proto/iscsi/check_deadline.c
tests_proto_iscsi_check_deadline_CFLAGS = $(TEST_CFLAGS)
tests_proto_iscsi_check_deadline_LDADD = $(FULL_TEST_LIBS)
tests_proto_iscsi_check_ordered_SOURCES = tests/proto/iscsi/check_ordered.c
tests_proto_iscsi_check_ordered_CFLAGS = $(TEST_CFLAGS)
tests_proto_iscsi_check_ordered_LDADD = $(FULL_TEST_LIBS)
tests_proto_iscsi_check_disk_SOURCES = tests/proto/iscsi/check_disk.c
tests_proto_iscsi_check_disk_CFLAGS = $(TEST_CFLAGS)
tests_proto_iscsi_check_disk_LDADD = libtranscript.a $(ENGINE_LIBS) $(CHECK_LIBS) $(ENGINE_SYSTEM_LIBS)
