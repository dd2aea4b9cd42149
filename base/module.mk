noinst_LIBRARIES += libbase.a
libbase_a_SOURCES = base/bytes.h base/encode.h base/encode.c base/secret.h base/secret.c \
	base/pool.h base/pool.c base/log.h base/log.c base/sanitize.h
