# SPDX-License-Identifier: BSD-2-Clause
if HAVE_CHECK
SCSI_TESTS = tests/proto/scsi/check_rw \
	tests/proto/scsi/check_sense \
	tests/proto/scsi/check_attention \
	tests/proto/scsi/check_device \
	tests/proto/scsi/check_commands \
	tests/proto/scsi/check_inquiry \
	tests/proto/scsi/check_vpd \
	tests/proto/scsi/check_modes \
	tests/proto/scsi/check_capacity \
	tests/proto/scsi/check_report \
	tests/proto/scsi/check_reserve \
	tests/proto/scsi/check_unit \
	tests/proto/scsi/check_verify \
	tests/proto/scsi/check_write_same \
	tests/proto/scsi/check_unmap \
	tests/proto/scsi/check_lba_status \
	tests/proto/scsi/check_changes \
	tests/proto/scsi/check_task \
	tests/proto/scsi/check_attach \
	tests/proto/scsi/check_mutator
check_PROGRAMS += $(SCSI_TESTS)
TESTS += $(SCSI_TESTS)
check_LIBRARIES += libscsi-bench.a
endif
libscsi_bench_a_SOURCES = tests/proto/scsi/bench.h tests/proto/scsi/bench.c \
	tests/proto/scsi/fake_store.h tests/proto/scsi/fake_store.c
libscsi_bench_a_CFLAGS = $(TEST_CFLAGS)
tests_proto_scsi_check_rw_SOURCES = tests/proto/scsi/check_rw.c
tests_proto_scsi_check_rw_CFLAGS = $(TEST_CFLAGS)
tests_proto_scsi_check_rw_LDADD = libscsi-bench.a libscsi.a $(CHECK_LIBS)
tests_proto_scsi_check_sense_SOURCES = tests/proto/scsi/check_sense.c
tests_proto_scsi_check_sense_CFLAGS = $(TEST_CFLAGS)
tests_proto_scsi_check_sense_LDADD = libscsi-bench.a libscsi.a $(CHECK_LIBS)
tests_proto_scsi_check_attention_SOURCES = tests/proto/scsi/check_attention.c
tests_proto_scsi_check_attention_CFLAGS = $(TEST_CFLAGS)
tests_proto_scsi_check_attention_LDADD = libscsi-bench.a libscsi.a $(CHECK_LIBS)
tests_proto_scsi_check_device_SOURCES = tests/proto/scsi/check_device.c
tests_proto_scsi_check_device_CFLAGS = $(TEST_CFLAGS)
tests_proto_scsi_check_device_LDADD = libscsi-bench.a libscsi.a $(CHECK_LIBS)
tests_proto_scsi_check_commands_SOURCES = tests/proto/scsi/check_commands.c
tests_proto_scsi_check_commands_CFLAGS = $(TEST_CFLAGS)
tests_proto_scsi_check_commands_LDADD = libscsi-bench.a libscsi.a $(CHECK_LIBS)
tests_proto_scsi_check_inquiry_SOURCES = tests/proto/scsi/check_inquiry.c
tests_proto_scsi_check_inquiry_CFLAGS = $(TEST_CFLAGS)
tests_proto_scsi_check_inquiry_LDADD = libscsi-bench.a libscsi.a $(CHECK_LIBS)
tests_proto_scsi_check_vpd_SOURCES = tests/proto/scsi/check_vpd.c
tests_proto_scsi_check_vpd_CFLAGS = $(TEST_CFLAGS)
tests_proto_scsi_check_vpd_LDADD = libscsi-bench.a libscsi.a $(CHECK_LIBS)
tests_proto_scsi_check_modes_SOURCES = tests/proto/scsi/check_modes.c
tests_proto_scsi_check_modes_CFLAGS = $(TEST_CFLAGS)
tests_proto_scsi_check_modes_LDADD = libscsi-bench.a libscsi.a $(CHECK_LIBS)
tests_proto_scsi_check_capacity_SOURCES = tests/proto/scsi/check_capacity.c
tests_proto_scsi_check_capacity_CFLAGS = $(TEST_CFLAGS)
tests_proto_scsi_check_capacity_LDADD = libscsi-bench.a libscsi.a $(CHECK_LIBS)
tests_proto_scsi_check_reserve_SOURCES = tests/proto/scsi/check_reserve.c
tests_proto_scsi_check_reserve_CFLAGS = $(TEST_CFLAGS)
tests_proto_scsi_check_reserve_LDADD = libscsi-bench.a libscsi.a $(CHECK_LIBS) -lpthread
tests_proto_scsi_check_report_SOURCES = tests/proto/scsi/check_report.c
tests_proto_scsi_check_report_CFLAGS = $(TEST_CFLAGS)
tests_proto_scsi_check_report_LDADD = libscsi-bench.a libscsi.a $(CHECK_LIBS)
tests_proto_scsi_check_unit_SOURCES = tests/proto/scsi/check_unit.c
tests_proto_scsi_check_unit_CFLAGS = $(TEST_CFLAGS)
tests_proto_scsi_check_unit_LDADD = libscsi-bench.a libscsi.a $(CHECK_LIBS)
tests_proto_scsi_check_verify_SOURCES = tests/proto/scsi/check_verify.c
tests_proto_scsi_check_verify_CFLAGS = $(TEST_CFLAGS)
tests_proto_scsi_check_verify_LDADD = libscsi-bench.a libscsi.a $(CHECK_LIBS)
tests_proto_scsi_check_write_same_SOURCES = tests/proto/scsi/check_write_same.c
tests_proto_scsi_check_write_same_CFLAGS = $(TEST_CFLAGS)
tests_proto_scsi_check_write_same_LDADD = libscsi-bench.a libscsi.a $(CHECK_LIBS)
tests_proto_scsi_check_changes_SOURCES = tests/proto/scsi/check_changes.c
tests_proto_scsi_check_changes_CFLAGS = $(TEST_CFLAGS)
tests_proto_scsi_check_changes_LDADD = libscsi-bench.a libscsi.a $(CHECK_LIBS)
tests_proto_scsi_check_lba_status_SOURCES = tests/proto/scsi/check_lba_status.c
tests_proto_scsi_check_lba_status_CFLAGS = $(TEST_CFLAGS)
tests_proto_scsi_check_lba_status_LDADD = libscsi-bench.a libscsi.a $(CHECK_LIBS)
tests_proto_scsi_check_unmap_SOURCES = tests/proto/scsi/check_unmap.c
tests_proto_scsi_check_unmap_CFLAGS = $(TEST_CFLAGS)
tests_proto_scsi_check_unmap_LDADD = libscsi-bench.a libscsi.a $(CHECK_LIBS)
tests_proto_scsi_check_task_SOURCES = tests/proto/scsi/check_task.c
tests_proto_scsi_check_task_CFLAGS = $(TEST_CFLAGS)
tests_proto_scsi_check_task_LDADD = libscsi-bench.a libscsi.a $(CHECK_LIBS)
tests_proto_scsi_check_attach_SOURCES = tests/proto/scsi/check_attach.c
tests_proto_scsi_check_attach_CFLAGS = $(TEST_CFLAGS)
tests_proto_scsi_check_attach_LDADD = libscsi-bench.a libscsi.a $(CHECK_LIBS)
tests_proto_scsi_check_mutator_SOURCES = tests/proto/scsi/check_mutator.c
tests_proto_scsi_check_mutator_CFLAGS = $(TEST_CFLAGS)
tests_proto_scsi_check_mutator_LDADD = libscsi-bench.a libscsi.a $(CHECK_LIBS)
