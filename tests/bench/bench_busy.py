# SPDX-License-Identifier: BSD-2-Clause
"""`make bench BENCH="--busy-poll"`: what a worker's spinning before it sleeps does to latency and CPU."""
import statistics

import bench_report
from bench_load import K, Case, measure_case, say
from bench_targets import Ceiling, Portcullis

MICROSECONDS = 100
CASES = [Case(4 * K, 1), Case(4 * K, 1, writes=100), Case(4 * K, 8), Case(4 * K, 1, sessions=16)]


def median(results, *path):
    values = []
    for one in results:
        for name in path:
            one = one[name]
        values.append(one)
    return statistics.median(values)


def row(case, rounds):
    cells = [case.name()]
    for unit in ("ceiling", "off", "on"):
        results = [one[unit] for one in rounds]
        cells.append("%.1f / %.1f / %.1f / %.0f %%" % (
            median(results, "latency", "p50"), median(results, "latency", "p99"), median(results, "cpu_us"),
            100 * median(results, "cpu_share")))
    ratios = [one["on"]["latency"]["p50"] / one["off"]["latency"]["p50"] for one in rounds]
    return cells + ["%.2f" % statistics.median(ratios)]


def run(options):
    targets = [Ceiling(), Portcullis(), Portcullis(extra="busy_poll = %d;" % MICROSECONDS)]
    for target, label in zip(targets[1:], ("off", "on")):
        target.units = {label: target.units["memory"]}
    rows = []
    try:
        for case in CASES:
            say("  " + case.name())
            rounds = [measure_case(targets, case, options.seconds) for _ in range(options.rounds)]
            rounds = [one for one in rounds if len(one) == len(targets)]
            if rounds:
                rows.append(row(case, rounds))
    finally:
        for target in targets:
            target.stop()
    text = "%s. %d rounds, %.1f s each.\n\n" % (bench_report.machine(), options.rounds, options.seconds)
    text += "A `memory:` LUN: median latency / 99th percentile / CPU per command, µs / share of the core; and the ratio " \
            "of the median latencies (median of the rounds' ratios).\n\n"
    text += "\n".join(bench_report.table(["", "ceiling", "off", "busy_poll = %d" % MICROSECONDS, "on : off"], rows))
    print(text)
    if options.write:
        bench_report.write(text, "busy-poll")
