# What the daemon costs: `make bench` measures it beside a ceiling and tgt (not part of make check).
EXTRA_PROGRAMS = tests/bench/ceiling tests/bench/roads tests/bench/folios
BENCH_WIRE = tests/bench/bench_wire.h tests/bench/bench_wire.c
tests_bench_load_SOURCES = tests/bench/load.c tests/bench/load.h tests/bench/session.c $(BENCH_WIRE)
tests_bench_load_CFLAGS = $(TEST_CFLAGS) $(LIBCRYPTO_CFLAGS)
tests_bench_load_LDADD = $(ISAL_LIBS) $(LIBCRYPTO_LIBS)
tests_bench_ceiling_SOURCES = tests/bench/ceiling.c $(BENCH_WIRE)
tests_bench_ceiling_CFLAGS = $(TEST_CFLAGS)
tests_bench_ceiling_LDADD = $(ISAL_LIBS)
# From the page cache to a socket: which road is the cheapest (doc/performance.md).
tests_bench_roads_SOURCES = tests/bench/roads.c $(BENCH_WIRE)
tests_bench_roads_CFLAGS = $(TEST_CFLAGS) $(LIBURING_CFLAGS)
tests_bench_roads_LDADD = $(LIBURING_LIBS) $(ISAL_LIBS) -lpthread
# What a write costs by what brought its file into the page cache (likewise).
tests_bench_folios_SOURCES = tests/bench/folios.c $(BENCH_WIRE)
tests_bench_folios_CFLAGS = $(TEST_CFLAGS)
tests_bench_folios_LDADD = $(ISAL_LIBS)
CLEANFILES += $(EXTRA_PROGRAMS)

bench: portcullisd tests/bench/load $(EXTRA_PROGRAMS)
	top_srcdir='$(abs_top_srcdir)' top_builddir='$(abs_top_builddir)' \
		$(PYTHON3) $(top_srcdir)/tests/bench/bench.py $(BENCH)
.PHONY: bench
EXTRA_DIST += tests/bench/bench.py tests/bench/bench_busy.py tests/bench/bench_direct.py \
	tests/bench/bench_full.py tests/bench/bench_load.py tests/bench/bench_report.py \
	tests/bench/bench_targets.py

# What does not depend on the machine's mood is guarded by make check.
check_PROGRAMS += tests/bench/guard_engine tests/bench/load
dist_check_SCRIPTS += tests/bench/guard.py
TESTS += tests/bench/guard.py
tests_bench_guard_engine_SOURCES = tests/bench/guard_engine.c $(BENCH_WIRE)
tests_bench_guard_engine_CFLAGS = $(TEST_CFLAGS)
tests_bench_guard_engine_LDFLAGS = $(AM_LDFLAGS) -Wl,--wrap=malloc -Wl,--wrap=calloc \
	-Wl,--wrap=realloc -Wl,--wrap=aligned_alloc
tests_bench_guard_engine_LDADD = $(ENGINE_LIBS) $(ENGINE_SYSTEM_LIBS)
