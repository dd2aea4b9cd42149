noinst_LIBRARIES += libauth.a
libauth_a_SOURCES = auth/chap.h auth/chap.c auth/credentials.h auth/credentials.c \
	auth/digest.h auth/digest.c
libauth_a_CFLAGS = $(AM_CFLAGS) $(LIBCRYPTO_CFLAGS)
