# SPDX-License-Identifier: BSD-2-Clause
"""The report of a run: tables in Markdown, put between two marks of doc/performance.md, and the plot."""
import os
import platform
import re
import subprocess
import tempfile

DOC = os.path.join(os.environ.get("top_srcdir", "."), "doc")
UNITS = ("ceiling", "memory", "file", "tgt")


def machine():
    """What it ran on, without its name."""
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as lines:
        model = re.search(r"model name\s*: (.*)", lines.read())
    with open("/proc/loadavg", encoding="ascii") as line:
        busy = line.read().split()[0]
    return "%d cores of %s, Linux %s; load average at the end: %s" % (
        os.cpu_count(), model.group(1).strip() if model else platform.machine(),
        platform.release().split("-")[0], busy)


def table(head, rows):
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    return lines + ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows] + [""]


def cpu_table(cases):
    rows = []
    for name, units in cases:
        cells = []
        for unit in UNITS:
            one = units.get(unit)
            if not one:
                cells.append("–")
            elif unit == "ceiling":
                cells.append("%.2f ± %.2f" % (one["cpu"], one["spread"]))
            else:
                ratio = " (%.2f ×)" % one["ratio"] if one["ratio"] else ""
                cells.append("%.2f ± %.2f%s" % (one["cpu"], one["spread"], ratio))
        rows.append([name] + cells)
    return ["CPU time of the target's process per command, µs: median ± half the spread, and ratio to the ceiling "
            "(median of the rounds' ratios).", ""] + table(
                ["", "ceiling", "portcullis, memory", "portcullis, file", "tgt, file"], rows)


def rate_table(cases):
    def cell(units, unit):
        one = units.get(unit)
        return "%.0f / %.0f / %.0f" % (one["rate"], one["p50"], one["p99"]) if one else "–"
    return ["Commands per second / median latency / 99th percentile, µs.", ""] + table(
        ["", "ceiling", "portcullis, memory", "portcullis, file", "tgt, file"],
        [[name] + [cell(units, unit) for unit in UNITS] for name, units in cases])


def session_tables(report):
    lines = []
    if report.get("logins"):
        lines += ["CHAP logins (MD5) with logout, from one client in turn; the ceiling asks for the proof and does not "
                  "look at it.", ""] + table(
            ["", "per second", "CPU of each, µs"],
            [[name, "%.0f" % one["rate"], "%.0f (%.2f ×)" % (one["cpu"], one["ratio"])]
             for name, one in report["logins"].items()])
    if report.get("change"):
        lines += ["A credential change: time to the reply, and the longest time without an answer that a session of "
                  "another target sees (QD1) while it happens and in a second without a change, ms; and what a scrape of the metrics costs "
                  "with as many sessions, ms of CPU.", ""] + table(
                      ["sessions", "reply", "longest pause", "without a change", "sessions ended", "a scrape"],
                      [[count, "%.1f" % one["reply_ms"], "%.1f" % one["pause_ms"], "%.1f" % one["quiet_ms"],
                        one["ended"], "%.2f" % one["scrape_ms"]] for count, one in report["change"].items()])
    if report.get("memory"):
        lines += ["Idle sessions.", ""] + table(
            ["", "sessions", "resident memory of each, KiB", "share of a core"],
            [[name, one["sessions"], "%.1f" % one["each"], "%.4f" % one["share"]]
             for name, one in report["memory"].items()])
    return lines


def other_tables(report):
    lines = []
    if report.get("syscalls"):
        lines += ["System calls per command at QD32 (all threads, under strace).", ""] + table(
            ["", "calls"], [[name, "%.3f" % value] for name, value in report["syscalls"].items()])
    if report.get("fairness"):
        rows = [[label, "%.0f" % one["p50"], "%.0f" % one["p99"], "%.0f" % one["longest"]]
                for label, one in (("16 sessions at QD1", report["fairness"]["alone"]),
                                   ("15 at QD1 beside one at QD128", report["fairness"]["beside"]),
                                   ("that one", report["fairness"]["deep"]))]
        lines += ["Fairness, 4K reads: latency, µs.", ""] + table(["", "median", "99 %", "longest"], rows)
    return lines


def render(report):
    lines = ["%s. %d rounds, %.1f s each." % (machine(), report["rounds"], report["seconds"]), ""]
    lines += cpu_table(report["cases"]) + rate_table(report["cases"])
    lines += session_tables(report) + other_tables(report)
    return "\n".join(lines)


GNUPLOT = """
set terminal svg size 960,420 font "sans,12" background "white"
set output "%s"
set multiplot layout 1,2
set logscale x 2
set logscale y
set grid
set key bottom right
set ylabel "commands/s"
set yrange [1000:*]
set xlabel "queue depth, one session, 4K reads"
plot %s
set xlabel "sessions at QD1, 4K reads"
plot %s
unset multiplot
"""


def draw(curves_of, path):
    with tempfile.TemporaryDirectory() as directory:
        curves = []
        for axis in ("depth", "sessions"):
            data = os.path.join(directory, axis)
            with open(data, "w", encoding="ascii") as out:
                for x, rates in curves_of[axis]:
                    out.write(" ".join([str(x)] + [str(rates.get(unit, "?")) for unit in UNITS]) + "\n")
            names = ("ceiling", "portcullis, memory", "portcullis, file", "tgt, file")
            curves.append(", ".join('"%s" using 1:%d with linespoints lw 2 title "%s"' % (data, column + 2, name)
                                    for column, name in enumerate(names)))
        subprocess.run(["gnuplot"], input=GNUPLOT % (path, *curves), text=True, check=True)


def write(text, mark):
    """Replaces what stands between two marks of doc/performance.md; the words around are people's."""
    begin, end = "<!-- %s: begin -->" % mark, "<!-- %s: end -->" % mark
    path = os.path.join(DOC, "performance.md")
    with open(path, encoding="utf-8") as page:
        before, rest = page.read().split(begin)
    after = rest.split(end)[1]
    with open(path, "w", encoding="utf-8") as page:
        page.write(before + begin + "\n\n" + text + "\n" + end + after)


def plot(curves):
    try:
        draw(curves, os.path.join(DOC, "performance.svg"))
    except FileNotFoundError:
        print("no gnuplot: the plot stays as it was")
