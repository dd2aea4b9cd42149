# SPDX-License-Identifier: BSD-2-Clause
"""`make bench BENCH="--full"`: the whole matrix in a given time, one round, in slots as short as that asks for.

The table goes to doc/performance-full.md after every quarter of a minute, so that a run that is cut short has shown
something. Cases are taken in an order in which each mix and size comes early: what no time was left for is the deep
end of every table, and is named.
"""
import os
import time

from bench_load import K, Case, measure_case, say, summary
from bench_report import DOC, UNITS, machine, table
from bench_targets import start_targets

SIZES, DEPTHS, SESSIONS = (4 * K, 16 * K, 256 * K, 1024 * K), (1, 8, 32, 128), (1, 16, 256, 2000)
MIXES = ((0, "reads"), (100, "writes"), (30, "70 % reads, 30 % writes"))
COMMANDS_MAX, BYTES_MAX = 4096, 512 << 20
SLOT_MIN, SLOT_MAX, WARM_UP = 0.15, 1.0, 0.1  # s
SAVE_EVERY = 15                               # s
TEXT = """# The whole matrix

Every size, depth, number of sessions and mix, with and without digests, in one round of short slots: single numbers
are rough, their pattern counts. [performance.md](performance.md) says what is compared and how, and has the rows that
matter with more rounds. Repeat it, in 25 minutes or as many as you have, with

    make bench BENCH="--full"
    make bench BENCH="--full --minutes 60"

%s.

A cell is CPU time per command in µs, its ratio to the ceiling's in the same slot, thousands of commands/s, and median
latency in µs. Left out are more than %d commands or %d MiB under way at once (that measures nothing but memory):
%s.
%s
%s"""


def senseless(size, depth, sessions):
    return sessions * depth > COMMANDS_MAX or sessions * depth * size > BYTES_MAX


def words(size, depth, sessions):
    return "%s QD%d × %d" % (Case(size, depth).name().split()[0], depth, sessions)


def skipped():
    """The combinations that are left out, those of every size first."""
    pairs = [(depth, sessions) for sessions in SESSIONS for depth in DEPTHS]
    everywhere = [pair for pair in pairs if senseless(SIZES[0], *pair)]
    parts = ["QD%d × %d sessions" % pair for pair in everywhere]
    for size in SIZES[1:]:
        parts += [words(size, *pair) for pair in pairs if senseless(size, *pair) and pair not in everywhere]
    return ", ".join(parts)


def matrix():
    """All cases. Small numbers of commands under way first, and all mixes of each."""
    cases = [Case(size, depth, sessions, writes, digests)
             for sessions in SESSIONS for depth in DEPTHS for size in SIZES if not senseless(size, depth, sessions)
             for digests in (False, True) for writes, _ in MIXES]
    return sorted(cases, key=lambda case: (case.sessions * case.depth, case.sessions))


def cell(one):
    if not one:
        return "–"
    ratio = " (%.2f ×)" % one["ratio"] if one["ratio"] else ""
    return "%.1f%s %.1f k/s %.0f" % (one["cpu"], ratio, one["rate"] / 1000, one["p50"])


def tables(found):
    lines = []
    for digests in (False, True):
        for writes, title in MIXES:
            rows = [(case, units) for case, units in found if (case.digests, case.writes) == (digests, writes)]
            rows.sort(key=lambda row: (row[0].size, row[0].sessions, row[0].depth))
            lines += ["", "## %s%s" % (title[0].upper() + title[1:], ", with digests" if digests else ""), ""]
            lines += table(["size", "depth × sessions", "ceiling", "portcullis, memory", "portcullis, file", "tgt, file"],
                           [[words(case.size, case.depth, case.sessions).split()[0],
                             "%d × %d" % (case.depth, case.sessions)] + [cell(units.get(unit)) for unit in UNITS]
                            for case, units in rows])[:-1]
    return "\n".join(lines)


def save(found, left, slots):
    short = ""
    if left:
        short = "\nNot measured, for want of time: %s.\n" % ", ".join(case.name() for case in left)
    ran = "%s. Slots of %.2f to %.2f s" % (machine(), min(slots), max(slots)) if slots else machine()
    text = TEXT % (ran, COMMANDS_MAX, BYTES_MAX >> 20, skipped(), short, tables(found))
    path = os.path.join(DOC, "performance-full.md")
    with open(path + ".new", "w", encoding="utf-8") as out:
        out.write(text + "\n")
    os.rename(path + ".new", path)


class Clock:
    """How long the next slot may be, so that all that is left fits into the time that is left."""

    def __init__(self, minutes):
        self.began = time.monotonic()
        self.end = self.began + 60 * minutes
        self.overhead = 0.8  # s of a slot beside what is measured: logins, warm-up; learned as it goes

    def left(self):
        return self.end - time.monotonic()

    def slot(self, runs):
        return min(SLOT_MAX, max(SLOT_MIN, self.left() / max(1, runs) - self.overhead))

    def learn(self, took, runs, seconds):
        self.overhead += 0.1 * (took / max(1, runs) - seconds - self.overhead)


def run(options):
    cases, found, slots = matrix(), [], []
    clock = Clock(options.minutes)
    targets = start_targets()
    saved = clock.began
    try:
        units = sum(len(target.units) for target in targets)
        while cases and clock.left() > 0:
            seconds = clock.slot(len(cases) * units)
            case = cases.pop(0)
            began = time.monotonic()
            row = summary([measure_case(targets, case, seconds)])
            clock.learn(time.monotonic() - began, units, seconds)
            slots.append(seconds)
            found.append((case, row))
            say("  %s: %.2f s, %d cases and %.1f minutes left" % (case.name(), seconds, len(cases), clock.left() / 60))
            if time.monotonic() - saved > SAVE_EVERY:
                save(found, cases, slots)
                saved = time.monotonic()
    finally:
        for target in targets:
            target.stop()
        save(found, cases, slots)
