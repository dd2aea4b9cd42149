# One line per file: two people add to this at the same time.
noinst_LIBRARIES += libiscsi-engine.a
libiscsi_engine_a_CFLAGS = $(AM_CFLAGS) $(LIBCRYPTO_CFLAGS) $(ISAL_CFLAGS)
libiscsi_engine_a_SOURCES = proto/iscsi/iscsi.h
libiscsi_engine_a_SOURCES += proto/iscsi/host.h
libiscsi_engine_a_SOURCES += proto/iscsi/connection.h
libiscsi_engine_a_SOURCES += proto/iscsi/parameters.h
libiscsi_engine_a_SOURCES += proto/iscsi/pdu.h
libiscsi_engine_a_SOURCES += proto/iscsi/text.h proto/iscsi/text.c
libiscsi_engine_a_SOURCES += proto/iscsi/keys.h proto/iscsi/keys.c
libiscsi_engine_a_SOURCES += proto/iscsi/login.h proto/iscsi/login.c
libiscsi_engine_a_SOURCES += proto/iscsi/security.h proto/iscsi/security.c
libiscsi_engine_a_SOURCES += proto/iscsi/discovery.c
libiscsi_engine_a_SOURCES += proto/iscsi/full.h
libiscsi_engine_a_SOURCES += proto/iscsi/conn.c
libiscsi_engine_a_SOURCES += proto/iscsi/digest.c
libiscsi_engine_a_SOURCES += proto/iscsi/output.c
