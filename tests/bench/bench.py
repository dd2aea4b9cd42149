# SPDX-License-Identifier: BSD-2-Clause
"""`make bench`: what portcullis costs, beside a ceiling that stores nothing and Debian's tgtd.

    make bench BENCH="--rounds 5 --write"
    make bench BENCH="--full"         # the whole matrix, in 25 minutes (bench_full.py)
    make bench BENCH="--direct"       # past the page cache, beside fio (bench_direct.py); needs root
    make bench BENCH="--busy-poll"    # with and without (bench_busy.py)

All targets run at once, each idle but when it is its turn, on one core; the load generator has another. What is
compared was measured within one round, in turn: a machine's mood moves all of them alike. CPU time is the target's
process, from the kernel's own account in nanoseconds.
"""
import argparse
import os
import signal
import statistics
import subprocess
import time

import bench_busy
import bench_direct
import bench_full
import bench_report
from bench_load import K, Case, load, measure_cases, result, say, summary
from bench_targets import FILE, MEMORY, OTHER, SECRET, USER, start_targets

QUICK = [Case(4 * K, 1), Case(4 * K, 32), Case(4 * K, 32, writes=100), Case(4 * K, 32, writes=30),
         Case(4 * K, 32, digests=True), Case(4 * K, 32, writes=100, digests=True), Case(4 * K, 128),
         Case(4 * K, 32, writes=100, fua=True),
         Case(256 * K, 8), Case(256 * K, 8, writes=100), Case(256 * K, 8, digests=True),
         Case(4 * K, 8, sessions=16), Case(4 * K, 1, sessions=256), Case(4 * K, 1, sessions=2000)]

# --- commands ---

def measure_fairness(target, seconds):
    """15 sessions at QD1 beside one at QD128, and 16 at QD1: what the 15 see."""
    alone = result(load(target, MEMORY, 0, "-s", 16, "-d", 1, seconds=seconds))
    beside = result(load(target, MEMORY, 0, "-s", 16, "-d", 1, "-D", 128, seconds=seconds))
    if not alone or not beside:
        return None
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
                   "cpu": statistics.median(one["cpu_us"] for one in all_of),
                   "ratio": statistics.median(one["cpu_us"] / low["cpu_us"]
                                              for one, low in zip(all_of, found["ceiling"]))}
            for name, all_of in found.items()}


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
        if not one:
            continue
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
        scrape = target.scrape()
        quiet = result(load(target, OTHER, 0, "-d", 1, seconds=1))
        busy = load(target, OTHER, 0, "-d", 1, seconds=3)
        time.sleep(1)
        reply = target.change(FILE)
        during, held = result(busy), result(holder)
        if quiet and during and held:
            found[count] = {"reply_ms": reply * 1000, "pause_ms": during["pause_us"] / 1000,
                            "quiet_ms": quiet["pause_us"] / 1000, "ended": held["ended"], "scrape_ms": scrape * 1000}
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

def run(options):
    report = {"rounds": options.rounds, "seconds": options.seconds}
    targets = start_targets()
    ours = [target for target in targets if target.name == "portcullis"][0]
    try:
        # Every page of the memory unit is touched: that the kernel fills it in is not what a command costs.
        name, lun = ours.units["memory"]
        result(load(ours, name, lun, "-b", 256 * K, "-d", 8, "-w", 100, seconds=1))
        say("commands")
        rows = measure_cases(targets, QUICK, options.rounds, options.seconds)
        report["cases"] = [(case.name(), summary(row)) for case, row in zip(QUICK, rows)]
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
    ours = [target for target in targets if target.name == "portcullis"][0]
    try:
        say("memory")
        report["memory"] = measure_memory([target for target in targets if target.name != "ceiling"], options.sessions)
        say("logins")
        report["logins"] = measure_logins(targets, options.rounds, options.seconds)
        say("credential changes")
        report["change"] = measure_change(ours, [10, 100, 1000] + ([10000] if options.sessions >= 10000 else []))
    finally:
        for target in targets:
            target.stop()
    return report


MODES = {"full": bench_full.run, "direct": bench_direct.run, "busy_poll": bench_busy.run}


def main():
    parser = argparse.ArgumentParser(description="measures portcullis beside a ceiling and tgt")
    parser.add_argument("--full", action="store_true", help="the whole matrix, into doc/performance-full.md")
    parser.add_argument("--direct", action="store_true", help="a block device past the page cache, beside fio")
    parser.add_argument("--busy-poll", action="store_true", help="latency with and without busy polling")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement")
    parser.add_argument("--minutes", type=float, default=25, help="that --full may take")
    parser.add_argument("--sessions", type=int, default=10000, help="idle ones, for memory and credential changes")
    parser.add_argument("--write", action="store_true", help="puts table and plot into doc/")
    options = parser.parse_args()
    for mode, run_mode in MODES.items():
        if getattr(options, mode):
            run_mode(options)
            return
    report = run(options)
    text = bench_report.render(report)
    print(text)
    if options.write:
        bench_report.write(text, "measured")
        bench_report.plot(report["plot"])


main()
