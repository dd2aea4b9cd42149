# What the daemon costs: `make bench` measures it beside a ceiling and tgt (not part of make check).
EXTRA_PROGRAMS = tests/bench/load tests/bench/ceiling
BENCH_WIRE = tests/bench/bench_wire.h tests/bench/bench_wire.c
tests_bench_load_SOURCES = tests/bench/load.c tests/bench/load.h tests/bench/session.c $(BENCH_WIRE)
tests_bench_load_CFLAGS = $(TEST_CFLAGS) $(LIBCRYPTO_CFLAGS)
tests_bench_load_LDADD = $(ISAL_LIBS) $(LIBCRYPTO_LIBS)
tests_bench_ceiling_SOURCES = tests/bench/ceiling.c $(BENCH_WIRE)
tests_bench_ceiling_CFLAGS = $(TEST_CFLAGS)
tests_bench_ceiling_LDADD = $(ISAL_LIBS)
CLEANFILES += $(EXTRA_PROGRAMS)

bench: portcullisd $(EXTRA_PROGRAMS)
	top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' \
		$(PYTHON3) $(top_srcdir)/tests/bench/bench.py $(BENCH)
.PHONY: bench
EXTRA_DIST += tests/bench/bench.py tests/bench/bench_targets.py tests/bench/bench_report.py
