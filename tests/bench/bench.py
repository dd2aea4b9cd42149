# SPDX-License-Identifier: BSD-2-Clause
"""`make bench`: what portcullis costs, beside a ceiling that stores nothing and Debian's tgtd.

    make bench BENCH="--full --rounds 5 --write"

All targets run at once, each idle but when it is its turn, on one core; the load generator has another. What is
compared was measured within one round, in turn: a machine's mood moves all of them alike. CPU time is the target's
process, from the kernel's own account in nanoseconds.
"""
import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import time

import bench_report
import bench_targets
from bench_targets import FILE, LOAD_CORE, MEMORY, OTHER, SECRET, USER, on_core, portcullis

K = 1024


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


QUICK = [Case(4 * K, 1), Case(4 * K, 32), Case(4 * K, 32, writes=100), Case(4 * K, 32, writes=30),
         Case(4 * K, 32, digests=True), Case(4 * K, 32, writes=100, digests=True), Case(4 * K, 128),
         Case(4 * K, 32, writes=100, fua=True),
         Case(256 * K, 8), Case(256 * K, 8, writes=100), Case(256 * K, 8, digests=True),
         Case(4 * K, 8, sessions=16), Case(4 * K, 1, sessions=256), Case(4 * K, 1, sessions=2000)]
FULL = [Case(size, depth, sessions, writes, digests)
        for digests in (False, True) for writes in (0, 100, 30) for size in (4 * K, 16 * K, 256 * K, 1024 * K)
        for sessions in (1, 16, 256, 2000) for depth in (1, 8, 32, 128)
        if sessions * depth <= 4096 and sessions * depth * size <= 1 << 29]


def load(target, name, lun, *words, seconds=None, **options):
    """Starts the load generator against a unit."""
    command = [portcullis.binary("tests/bench/load"), "-c", target.port, "-t", name, "-l", lun, "-P", target.pid]
    command += ["-T", seconds] if seconds else []
    return subprocess.Popen([str(word) for word in command + list(words)], stdout=subprocess.PIPE, text=True,
                            preexec_fn=on_core(LOAD_CORE), **options)


def result(process, patience=120):
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


# --- commands ---

def measure_cases(targets, cases, rounds, seconds):
    """[{unit: [result of each round]} for each case]."""
    found = []
    for case in cases:
        say("  " + case.name())
        row = {}
        for _ in range(rounds):
            for target in targets:
                target.warm()
                for unit, (name, lun) in target.units.items():
                    one = result(load(target, name, lun, *case.arguments(), seconds=seconds))
                    if one:
                        row.setdefault(unit, []).append(one)
        found.append(row)
    return found


def summary(row):
    """{unit: its medians, with the ratio to the ceiling of the same round}."""
    out = {}
    for unit, results in row.items():
        cpu, cpu_spread = spread([one["cpu_us"] for one in results])
        ratios = [one["cpu_us"] / low["cpu_us"] for one, low in zip(results, row["ceiling"])]
        out[unit] = {"cpu": cpu, "spread": cpu_spread, "ratio": statistics.median(ratios),
                     "rate": statistics.median(one["per_second"] for one in results),
                     "p50": statistics.median(one["latency"]["p50"] for one in results),
                     "p99": statistics.median(one["latency"]["p99"] for one in results),
                     "p50_ratio": statistics.median(one["latency"]["p50"] / low["latency"]["p50"]
                                                    for one, low in zip(results, row["ceiling"]))}
    return out


def measure_fairness(target, seconds):
    """15 sessions at QD1 beside one at QD128, and 16 at QD1: what the 15 see."""
    alone = result(load(target, MEMORY, 0, "-s", 16, "-d", 1, seconds=seconds))
    beside = result(load(target, MEMORY, 0, "-s", 16, "-d", 1, "-D", 128, seconds=seconds))
    return {"alone": alone["latency"], "beside": beside["rest"], "deep": beside["first"]}


def measure_syscalls(target, seconds):
    """System calls of a command, by kind of command; None without strace."""
    found = {}
    for label, words in (("4K read", []), ("4K write", ["-w", "100"])):
        for unit, (name, lun) in target.units.items():
            counted = os.path.join(target.directory, "strace")
            try:
                tracer = subprocess.Popen(["strace", "-f", "-c", "-o", counted, "-p", str(target.pid)],
                                          stderr=subprocess.PIPE, text=True)
            except FileNotFoundError:
                return None
            tracer.stderr.readline()  # it has attached; the login is counted too, a few dozen calls
            one = result(load(target, name, lun, "-d", 32, "-W", 0, *words, seconds=seconds))
            tracer.send_signal(signal.SIGINT)
            tracer.communicate()
            with open(counted, encoding="ascii") as lines:
                total = [line.split() for line in lines if line.rstrip().endswith("total")]
            if total and one:
                found[label + ", " + unit] = int(total[0][3]) / one["commands"]
    return found


# --- sessions ---

def measure_logins(targets, rounds, seconds):
    found = {}
    for _ in range(rounds):
        for target in targets:
            lun = 1 if target.name == "tgt" else 0
            one = result(load(target, FILE, lun, "-m", "logins", "-u", USER + ":" + SECRET, seconds=seconds))
            if one:
                found.setdefault(target.name, []).append(one)
    return {name: {"rate": statistics.median(one["per_second"] for one in all_of),
                   "cpu": statistics.median(one["cpu_us"] for one in all_of)} for name, all_of in found.items()}


def hold(target, name, lun, count, *words):
    """Idle sessions; returns the process once all are logged in, None when the target takes no more."""
    holder = load(target, name, lun, "-m", "hold", "-s", count, *words, stdin=subprocess.PIPE)
    return holder if holder.stdout.readline() == "ready\n" else None


def measure_memory(targets, count):
    """KiB of each idle session, and the share of a core that they cost."""
    found = {}
    for target in targets:
        lun = 1 if target.name == "tgt" else 0
        before = target.resident()
        holder = hold(target, FILE, lun, count, "-u", USER + ":" + SECRET)
        if not holder:
            continue
        after = target.resident()
        time.sleep(2)
        one = result(holder)
        found[target.name] = {"sessions": count, "each": (after - before) / count, "share": one["cpu_share"]}
    return found


def measure_change(target, counts):
    """The credential of one target changes while another target's session works."""
    found = {}
    for count in counts:
        say("  %d sessions" % count)
        holder = hold(target, FILE, 0, count, "-u", USER + ":" + SECRET)
        if not holder:
            continue
        quiet = result(load(target, OTHER, 0, "-d", 1, seconds=1))
        busy = load(target, OTHER, 0, "-d", 1, seconds=3)
        time.sleep(1)
        reply = target.change(FILE)
        pause = result(busy)["pause_us"]
        ended = result(holder)["ended"]
        found[count] = {"reply_ms": reply * 1000, "pause_ms": pause / 1000, "quiet_ms": quiet["pause_us"] / 1000,
                        "ended": ended}
    return found


def measure_plot(targets, rounds, seconds):
    """Commands per second against queue depth and against sessions: {axis: [(x, {unit: rate})]}."""
    axes = {"depth": [Case(4 * K, depth) for depth in (1, 2, 4, 8, 16, 32, 64, 128)],
            "sessions": [Case(4 * K, 1, sessions=count) for count in (1, 4, 16, 64, 256, 1000, 2000)]}
    found = {}
    for axis, cases in axes.items():
        rows = measure_cases(targets, cases, rounds, seconds)
        found[axis] = [(getattr(case, axis), {unit: numbers["rate"] for unit, numbers in summary(row).items()})
                       for case, row in zip(cases, rows)]
    return found


# --- all of it ---

def start_targets(chap=False):
    targets = [] if chap else [bench_targets.Ceiling()]
    targets.append(bench_targets.Portcullis(chap=chap))
    try:
        targets.append(bench_targets.Tgt(chap=chap))
    except (FileNotFoundError, RuntimeError) as reason:
        say("without tgt: %s" % reason)
    return targets


def run(options):
    report = {"rounds": options.rounds, "seconds": options.seconds}
    cases = FULL if options.full else QUICK
    targets = start_targets()
    ours = [target for target in targets if target.name == "portcullis"][0]
    try:
        # Every page of the memory unit is touched: that the kernel fills it in is not what a command costs.
        name, lun = ours.units["memory"]
        result(load(ours, name, lun, "-b", 256 * K, "-d", 8, "-w", 100, seconds=1))
        say("commands")
        rows = measure_cases(targets, cases, options.rounds, options.seconds)
        report["cases"] = [(case.name(), summary(row)) for case, row in zip(cases, rows)]
        say("system calls, fairness")
        report["syscalls"] = measure_syscalls(ours, 1)
        report["fairness"] = measure_fairness(ours, options.seconds)
        if options.write:
            say("the plot")
            report["plot"] = measure_plot(targets, max(1, options.rounds // 3), options.seconds)
    finally:
        for target in targets:
            target.stop()
    # New processes: those before keep the memory that their work has taken.
    targets = start_targets(chap=True)
    try:
        say("memory")
        report["memory"] = measure_memory(targets, options.sessions)
        say("logins")
        report["logins"] = measure_logins(targets, options.rounds, options.seconds)
        say("credential changes")
        report["change"] = measure_change(targets[0], [10, 100, 1000] + ([10000] if options.sessions >= 10000 else []))
    finally:
        for target in targets:
            target.stop()
    return report


def main():
    parser = argparse.ArgumentParser(description="measures portcullis beside a ceiling and tgt")
    parser.add_argument("--full", action="store_true", help="the whole matrix: hours")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    parser.add_argument("--sessions", type=int, default=10000, help="idle ones, for memory and credential changes")
    parser.add_argument("--write", action="store_true", help="puts table and plot into doc/")
    options = parser.parse_args()
    report = run(options)
    text = bench_report.render(report)
    print(text)
    if options.write:
        bench_report.write(text, report.get("plot"))


main()
