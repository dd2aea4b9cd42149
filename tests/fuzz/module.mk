# SPDX-License-Identifier: BSD-2-Clause
# Each target runs its seeds and a fixed sequence of mutations. With clang the same sources serve libFuzzer:
# compile with -fsanitize=fuzzer,address and without mutator.c.
if HAVE_CHECK
FUZZ_TESTS = tests/fuzz/fuzz_login tests/fuzz/fuzz_full
check_PROGRAMS += $(FUZZ_TESTS)
TESTS += $(FUZZ_TESTS)
endif
EXTRA_DIST += tests/fuzz/corpus
tests_fuzz_fuzz_login_SOURCES = tests/fuzz/fuzz_login.c tests/fuzz/mutator.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_login_CFLAGS = $(TEST_CFLAGS)
tests_fuzz_fuzz_login_LDADD = $(FULL_TEST_LIBS)
tests_fuzz_fuzz_full_SOURCES = tests/fuzz/fuzz_full.c tests/fuzz/mutator.c tests/fuzz/fuzz.h
tests_fuzz_fuzz_full_CFLAGS = $(TEST_CFLAGS)
tests_fuzz_fuzz_full_LDADD = $(FULL_TEST_LIBS)
