noinst_LIBRARIES += libauth.a
libauth_a_SOURCES = auth/chap.h auth/chap.c auth/credentials.h auth/credentials.c \
	auth/digest.h auth/digest.c auth/access_keys.h auth/access_keys.c \
	auth/sigv4.h auth/sigv4.c
libauth_a_CFLAGS = $(AM_CFLAGS) $(LIBCRYPTO_CFLAGS)
