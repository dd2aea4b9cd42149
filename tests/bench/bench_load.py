# SPDX-License-Identifier: BSD-2-Clause
"""What is measured and how: cases, the load generator, and rounds over several targets."""
import json
import statistics
import subprocess
import sys

from bench_targets import LOAD_CORE, on_core, portcullis

K = 1024
WARM_SECONDS = 0.3  # of random writes of 256 KiB: each of a few hundred is written several times


class Case:
    """One row: what the initiator does."""

    def __init__(self, size, depth, sessions=1, writes=0, digests=False, fua=False):
        self.size, self.depth, self.sessions, self.writes, self.digests = size, depth, sessions, writes, digests
        self.fua = fua

    def name(self):
        kind = {0: "read", 100: "write"}.get(self.writes, "%d/%d" % (100 - self.writes, self.writes))
        size = "%dM" % (self.size // K // K) if self.size >= K * K else "%dK" % (self.size // K)
        sessions = "" if self.sessions == 1 else ", %d sessions" % self.sessions
        return "%s %s QD%d%s%s%s" % (size, kind, self.depth, sessions, ", digests" if self.digests else "",
                                     ", FUA" if self.fua else "")

    def arguments(self):
        words = ["-b", self.size, "-d", self.depth, "-s", self.sessions, "-w", self.writes]
        return words + (["-g"] if self.digests else []) + (["-F"] if self.fua else [])


def load(target, name, lun, *words, seconds=None, **options):
    """Starts the load generator against a unit."""
    command = [portcullis.binary("tests/bench/load"), "-c", target.port, "-t", name, "-l", lun, "-P", target.pid]
    command += ["-T", seconds] if seconds else []
    return subprocess.Popen([str(word) for word in command + list(words)], stdout=subprocess.PIPE, text=True,
                            preexec_fn=on_core(LOAD_CORE), **options)


def result(process, patience=60):
    """What a load generator found; None when it could not do what it was to do."""
    try:
        out = process.communicate(timeout=patience)[0]
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
        return None
    if process.returncode:
        return None
    return json.loads(out.splitlines()[-1])


def spread(values):
    """(median, half the way from the lowest to the highest)."""
    return statistics.median(values), (max(values) - min(values)) / 2


def say(text):
    print(text, file=sys.stderr, flush=True)


def revive(target):
    """Whether it runs; one that has died is started anew."""
    if target.is_alive():
        return True
    say("  %s has died and is started anew" % target.name)
    try:
        target.restart()
    except (OSError, RuntimeError, ValueError) as reason:
        say("  it does not start: %s" % reason)
    return target.is_alive()


def warm(target):
    """Its files are in the page cache, as an initiator that writes all of them puts them there: how they are kept
    decides what a small write costs (doc/performance.md). Each time: some machines take out what is not used for
    seconds."""
    for unit, (name, lun) in target.units.items():
        if unit not in target.cached:
            continue
        result(load(target, name, lun, "-b", 256 * K, "-d", 8, "-w", 100, seconds=WARM_SECONDS))


def measure_case(targets, case, seconds):
    """One round: {unit: result}, without the units that failed. A target that has died is started anew."""
    found = {}
    for target in targets:
        if (case.digests and not target.knows_digests) or not revive(target):
            continue
        warm(target)
        for unit, (name, lun) in target.units.items():
            one = result(load(target, name, lun, *case.arguments(), seconds=seconds), patience=40)
            if one and one["commands"]:
                found[unit] = one
            else:
                say("  %s: %s answered nothing" % (case.name(), unit))
    return found


def measure_cases(targets, cases, rounds, seconds):
    """[[{unit: result} of each round] for each case]."""
    found = []
    for case in cases:
        say("  " + case.name())
        found.append([measure_case(targets, case, seconds) for _ in range(rounds)])
    return found


def summary(rounds):
    """{unit: its medians, with the ratio to the ceiling of the same round; None where that failed}."""
    out = {}
    for unit in sorted({unit for one in rounds for unit in one}):
        results = [one[unit] for one in rounds if unit in one]
        pairs = [(one[unit], one["ceiling"]) for one in rounds if unit in one and "ceiling" in one]
        cpu, cpu_spread = spread([one["cpu_us"] for one in results])
        out[unit] = {"cpu": cpu, "spread": cpu_spread,
                     "ratio": statistics.median(one["cpu_us"] / low["cpu_us"] for one, low in pairs) if pairs else None,
                     "rate": statistics.median(one["per_second"] for one in results),
                     "p50": statistics.median(one["latency"]["p50"] for one in results),
                     "p99": statistics.median(one["latency"]["p99"] for one in results)}
    return out
