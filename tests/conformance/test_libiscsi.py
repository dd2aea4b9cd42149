#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""libiscsi's test tool against a running portcullisd: every test alone, in a process and with a time limit of its own,
one TAP point each. What the tool skips is a TAP skip with the tool's reason. No test may fail; one that can pass on no
target is skipped with the reason, and only while it fails by that one assertion alone.

    test_libiscsi.py             TAP, for `make check`
    test_libiscsi.py --table     the same run as the table of doc/conformance.md, points on stderr

[LIBI-03 SCSI-01..17 SCSI-24 SCSI-25 TMF-01 SEQ-01 DATA-01 RES-01]
"""
import collections
import contextlib
import os
import re
import subprocess
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import portcullis  # noqa: E402

TOOL = "iscsi-test-cu"
LIMIT = 60  # seconds for one test
READING = ("Read6", "Read10", "Read12", "Read16")
FAMILIES = ("GetLBAStatus", "Inquiry", "Mandatory", "ModeSense6", *READING, "ReadCapacity10", "ReadCapacity16", "ReadOnly",
            "ReportSupportedOpcodes", "Reserve6", "StartStopUnit", "TestUnitReady", "Unmap", "Verify10", "Verify12", "Verify16",
            "Write10", "Write12", "Write16", "WriteSame10", "WriteSame16", "WriteVerify10", "WriteVerify12",
            "WriteVerify16", "NoMedia", "iSCSIResiduals", "iSCSITMF", "iSCSIcmdsn", "iSCSIdatasn")
LOCKED = ("Inquiry", "Mandatory", "ModeSense6", *READING, "ReadCapacity10", "ReadCapacity16", "ReadOnly",
          "ReportSupportedOpcodes", "TestUnitReady", "Verify10", "Verify12", "Verify16")
# What a medium is called, its LUN's keys, and the families it is asked.
MEDIA = (
    ("file", 'path = "@DIR@/disk.img"; size = "64M"; physical_block_size = 4096;', FAMILIES),
    ("memory", 'path = "memory:"; size = "64M";', FAMILIES),
    ("file, 4096-byte blocks", 'path = "@DIR@/disk4.img"; size = "64M"; block_size = 4096;', FAMILIES),
    ("read-only file", 'path = "@DIR@/locked.img"; size = "64M"; read_only = true;', LOCKED),
)

# Tests that assert what no target can give: the only assertion that may fail, and why.
IMPOSSIBLE = {
    "iSCSI.iSCSITMF.LUNResetSimpleAsync": (
        "CU_ASSERT_EQUAL(reconnect_succeeded,1)",
        "the tool looks at a variable that the reset's answer sets right after queueing the reset, before it was sent"),
    "SCSI.GetLBAStatus.UnmapSingle": (
        'CU_FAIL("[FAILED] GETLBASTATUS command: " "lba offset in first descriptor does not " "match request.")',
        "the tool asks for the block behind the unmapped ones and expects the answer to begin a physical block behind them"),
}

Result = collections.namedtuple("Result", "medium family name state reason details")


def tests_of(families):
    """[(family, test)] of the tool's own list, in its order; a family without a test is an error."""
    said = subprocess.run([TOOL, "--list"], capture_output=True, text=True, timeout=LIMIT, check=True).stdout
    names = [line.split(".") for line in said.split()]
    found = [(name[1], ".".join(name)) for name in names if len(name) == 3 and name[0] in ("SCSI", "iSCSI")]
    missing = set(families) - {family for family, _ in found}
    if missing:
        raise RuntimeError("%s has no family %s" % (TOOL, ", ".join(sorted(missing))))
    return [row for row in found if row[0] in families]


def judge(name, said, status):
    """(state, reason) of one run. Before and after the test the tool looks for reservations: what it skips then belongs
    to no test."""
    summary = re.search(r"^ +tests +(\d+) +(\d+) +(\d+) +(\d+) +(\d+)", said, re.MULTILINE)
    body = re.search(r"^  Test: \S+ \.\.\.(.*?)(?:passed|FAILED)$", said.replace("passed ", "passed\n"),
                     re.MULTILINE | re.DOTALL)
    if not summary or not body:
        return "fail", "the tool ended with status %s" % status
    total, ran, passed, failed, inactive = map(int, summary.groups())
    asserted, reason = IMPOSSIBLE.get(name, (None, None))
    if failed == 1 and re.findall(r"^ +\d+\. \S+ +- (CU_\w+\(.*\))", said, re.MULTILINE) == [asserted]:
        return "skip", reason
    if (status, total, ran, passed, failed, inactive) != (0, 1, 1, 1, 0, 0):
        return "fail", "status %s, %d tests, %d ran, %d failed" % (status, total, ran, failed)
    steps = [reason.strip() for reason in re.findall(r"\[SKIPPED\] (.*)", body.group(1))]
    asserts = int(re.search(r"^ +asserts +(\d+)", said, re.MULTILINE).group(1))
    if not steps:
        return "pass", ""
    # The tool counts each skipped step as an assertion too.
    return "skip", ("in part: " if asserts > len(steps) else "") + "; ".join(dict.fromkeys(steps)).replace(".;", ";")


def run_test(name, url):
    """(state, reason, what the tool said)"""
    try:
        done = subprocess.run([TOOL, "--dataloss", "--test=" + name, url], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT, check=False)
    except subprocess.TimeoutExpired as late:
        return "fail", "no end within %d s" % LIMIT, (late.stdout or b"").decode("utf-8", "replace")
    said = done.stdout.decode("utf-8", "replace")
    return (*judge(name, said, done.returncode), said[-10000:])


def run_medium(medium, keys, tests, results):
    """All tests of one medium, one after the other: they share its disk."""
    text = portcullis.config([portcullis.target(luns=(keys,))])
    with portcullis.Daemon(text, start=False) as daemon:
        with open(os.path.join(daemon.directory, "locked.img"), "wb") as locked:
            locked.truncate(64 << 20)
        try:
            daemon.start()
        except RuntimeError as why:
            results.append(Result(medium, "", "portcullisd's start", "fail", str(why), ""))
            return
        url = "iscsi://%s:%d/%s/0" % (*daemon.portals[0], portcullis.IQN)
        for family, name in tests:
            results.append(Result(medium, family, name, *run_test(name, url)))
        status = daemon.stop()
        if status != 0:
            results.append(Result(medium, "", "portcullisd's end", "fail", "status %s" % status, daemon.log()))


def run_all():
    """Every result, medium by medium; each medium has a daemon and a thread of its own."""
    lanes = [(medium, keys, tests_of(families), []) for medium, keys, families in MEDIA]
    threads = [threading.Thread(target=run_medium, args=lane) for lane in lanes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for medium, _, tests, results in lanes:
        ran = {result.name for result in results}
        results += [Result(medium, family, name, "fail", "never ran", "")
                    for family, name in tests if name not in ran]
    return [result for *_, results in lanes for result in results]


def report(results):
    """TAP; the exit status."""
    tap = portcullis.Tap()
    for result in results:
        name = "%s on %s" % (result.name, result.medium)
        if result.state == "skip":
            tap.skip(name, result.reason)
        else:
            tap.ok(result.state == "pass", name, result.reason, result.details)
    return tap.finish()


def table(results):
    """The results as doc/conformance.md shows them."""
    media = [medium for medium, *_ in MEDIA]
    counts = collections.Counter((result.family, result.medium, result.state) for result in results)
    states = ("pass", "skip", "fail")
    rows = [("family", *media), ("---",) * (1 + len(media))]
    for family in (*FAMILIES, ""):
        cells = [" / ".join(str(counts[family, medium, state]) for state in states) for medium in media]
        if any(counts[family, medium, state] for medium in media for state in states):
            rows.append((family or "daemon's end", *("–" if cell == "0 / 0 / 0" else cell for cell in cells)))
    total = collections.Counter((result.medium, result.state) for result in results)
    rows.append(("**all**", *(" / ".join(str(total[medium, state]) for state in states) for medium in media)))
    for row in rows:
        print("| " + " | ".join(row) + " |")
    reasons = collections.defaultdict(set)
    for result in results:
        if result.state == "skip":
            reasons[result.reason].add((result.name, result.medium))
    print("\n| skipped because the tool says | tests |\n| --- | --- |")
    for reason, cases in sorted(reasons.items()):
        where = collections.defaultdict(list)
        for name, medium in sorted(cases):
            where[name].append(medium)
        print("| %s | %s |" % (reason, ", ".join(
            name + ("" if len(on) == len(media) else " (%s)" % "; ".join(on)) for name, on in where.items())))


def main():
    portcullis.require(TOOL)
    results = run_all()
    if sys.argv[1:] != ["--table"]:
        return report(results)
    with contextlib.redirect_stdout(sys.stderr):
        status = report(results)
    table(results)
    return status


if __name__ == "__main__":
    sys.exit(main())
