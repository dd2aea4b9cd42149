# SPDX-License-Identifier: BSD-2-Clause
"""The regression guard of the fast path: what can be counted and does not depend on the machine's mood.

Budgets are what was counted when they were recorded, and an eighth. One that is broken says that a command has
become dearer: make it cheap again, or record the new price with the reason in the commit.
"""
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import portcullis  # noqa: E402

# Instructions of the tree's own code per command: login and warm-up included, libraries (copies, CRC) not.
INSTRUCTIONS = {
    "read-4k": 1664, "write-4k": 1903, "read-4k-digests": 2084, "write-4k-digests": 2133, "read-256k": 2183,
    "write-256k": 4139,
}
SLACK = 1.125
# System calls per command of one session at QD1: wait, receive, send; none to the file, which is sent from where the
# page cache has it. Writes to a file are not here: whether one goes inline depends on how long the last ones took, and
# so on the machine's mood.
SYSCALLS = {"memory write": 3, "memory read": 3, "file read": 3}
SYSCALL_SLACK = 0.2


def own_cost(path, program):
    """Instructions that callgrind saw in the program itself, calls excluded."""
    total, objects, inside, skip = 0, {}, False, False
    with open(path, encoding="ascii", errors="replace") as lines:
        for line in lines:
            named = re.match(r"(c?ob)=\((\d+)\)(?: (.*))?", line)
            if named:
                if named.group(3):
                    objects[named.group(2)] = named.group(3).strip()
                if named.group(1) == "ob":
                    inside = os.path.basename(objects[named.group(2)]) == program
            elif line.startswith("calls="):
                skip = True
            elif re.match(r"[+\-*\d]\S* \d+$", line):
                total += int(line.split()[1]) if inside and not skip else 0
                skip = False
    return total


def counted(kind):
    """What guard_engine prints: {word: number}."""
    run = subprocess.run([portcullis.binary("tests/bench/guard_engine"), kind], capture_output=True, text=True,
                         timeout=60, check=False)
    if run.returncode:
        raise RuntimeError(run.stderr)
    return {word: int(number) for word, number in (line.split() for line in run.stdout.splitlines())}


def instructions(kind, directory):
    out = os.path.join(directory, kind)
    subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=" + out, "--collect-atstart=no",
         "--toggle-collect=iscsi_conn_received", "--toggle-collect=iscsi_conn_output",
         "--toggle-collect=iscsi_conn_sent", portcullis.binary("tests/bench/guard_engine"), kind],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=110, check=True)
    return own_cost(out, "guard_engine") / 1000


def check_engine(tap, directory):
    for kind, budget in INSTRUCTIONS.items():
        found = counted(kind)
        tap.equal(found["mismatches"], 0, "%s: every command is answered in full" % kind)
        tap.equal(found["allocations"], 0, "%s: a warm worker allocates nothing" % kind)
        name = "%s: at most %.0f instructions per command" % (kind, budget * SLACK)
        if not shutil.which("valgrind") or not found["optimized"]:
            tap.skip(name, "no valgrind, or not the plain optimized build")
            continue
        count = instructions(kind, directory)
        tap.ok(count <= budget * SLACK, name, "%.1f" % count)
        print("# %s: %.1f" % (kind, count))


def attach(daemon, counts):
    """strace on all threads, once it counts; None where it may not."""
    tracer = subprocess.Popen(["strace", "-f", "-c", "-o", counts, "-p", str(daemon.process.pid)],
                              stderr=subprocess.PIPE, text=True)
    if "attached" in tracer.stderr.readline():
        return tracer
    tracer.wait()
    return None


def load(daemon, name, *arguments):
    """Some time of the load generator: what it found."""
    command = [portcullis.binary("tests/bench/load"), "-c", str(daemon.portals[0][1]), "-t", name, "-S", "16", "-W", "0"]
    run = subprocess.run(command + list(arguments), capture_output=True, text=True, timeout=60, check=False)
    if run.returncode:
        raise RuntimeError(run.stderr)
    return json.loads(run.stdout)


def system_calls(daemon, counts, name, arguments):
    """Calls per command at QD1, over a second; None where nothing can be counted."""
    # All of the unit is in memory, and known to be.
    load(daemon, name, "-b", "262144", "-d", "8", "-w", "100", "-T", "0.5")
    load(daemon, name, "-d", "32", "-T", "0.5")
    tracer = attach(daemon, counts)
    if not tracer:
        return None
    found = load(daemon, name, "-d", "1", "-T", "1", *arguments)
    tracer.send_signal(signal.SIGINT)
    tracer.communicate(timeout=60)
    with open(counts, encoding="ascii") as lines:
        total = [int(line.split()[3]) for line in lines if line.rstrip().endswith("total")]
    # The login's calls are few beside those of a second of commands.
    return total[0] / found["commands"]


def check_system_calls(tap, directory):
    names = {"memory": "iqn.2026-11.example:memory", "file": "iqn.2026-11.example:file"}
    targets = [portcullis.target(names["memory"]),
               portcullis.target(names["file"], luns=('path = "@DIR@/unit"; size = "16M";',))]
    with portcullis.Daemon(portcullis.config(targets)) as daemon:
        for label, budget in SYSCALLS.items():
            unit, kind = label.split()
            name = "%s: at most %.1f system calls per command at QD1" % (label, budget + SYSCALL_SLACK)
            arguments = ["-w", "100"] if kind == "write" else []
            count = None
            # A worker that had to wait goes by the dearer road for a while; so the best of three counts.
            for _ in range(3 if shutil.which("strace") else 0):
                found = system_calls(daemon, os.path.join(directory, "counts"), names[unit], arguments)
                count = found if count is None or found is not None and found < count else count
                if count is None or count <= budget + SYSCALL_SLACK:
                    break
            if count is None:
                tap.skip(name, "no strace, or it may not attach")
                continue
            tap.ok(count <= budget + SYSCALL_SLACK, name, "%.3f" % count)
            print("# %s: %.3f" % (label, count))


def main():
    portcullis.require()
    tap = portcullis.Tap()
    with tempfile.TemporaryDirectory() as directory:
        check_engine(tap, directory)
        check_system_calls(tap, directory)
    sys.exit(tap.finish())


main()
