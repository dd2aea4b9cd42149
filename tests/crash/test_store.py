#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Storing credentials while every single step of it fails or is the process's last (K2, K9, CRED-18).

A crash at any step leaves exactly the old or exactly the new set. A step that fails leaves the old
set and says so. If everything fails from a step on, the old set stands or nobody is served.
Also on file systems that are really full or really read-only, where this may mount some.
"""
import ctypes
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import portcullis  # noqa: E402

TOP = os.environ.get("top_builddir", ".")
STEP = os.path.join(TOP, "tests/crash/store_step")
SHIM = os.path.abspath(os.path.join(TOP, "tests/crash/shim.so"))
TARGET, OTHER = "iqn.2026-01.org.example:disk", "iqn.2026-01.org.example:other"
OLD = ("iqn.2026-01.org.example:a=old-secret-one:old-target-1", "iqn.2026-01.org.example:b=old-secret-two")
NEW = ("iqn.2026-01.org.example:a=new-secret-one", "iqn.2026-01.org.example:c=new-secret-two")
CLONE_NEWNS = 0x00020000


def point(tap, name, problems):
    tap.ok(not problems, name, *problems[:20])


def environment(directory, plan, log):
    changed = dict(os.environ, LD_PRELOAD=SHIM, SHIM_DIR=directory)
    # Under AddressSanitizer the shim must stand before it, and a killed program leaks.
    changed["ASAN_OPTIONS"] = "verify_asan_link_order=0:detect_leaks=0"
    for name, value in (("SHIM_PLAN", plan), ("SHIM_LOG", log)):
        if value:
            changed[name] = value
    return changed


def step(directory, target, records=(), plan=None, log=None):
    """Runs store_step to its end; the lines it printed."""
    done = subprocess.run([STEP, directory, target, *records], stdout=subprocess.PIPE, text=True,
                          env=environment(directory, plan, log), timeout=60, check=False)
    if done.returncode not in (0, 1, -9):
        return ["store_step ended with %d" % done.returncode] + done.stdout.splitlines()
    return done.stdout.splitlines()


def found(directory, target=TARGET):
    """The set that a new start finds, as one line."""
    lines = step(directory, target)
    return lines[1] if len(lines) > 1 else " ".join(lines)


def leftovers(directory):
    return [name for name in os.listdir(directory) if name.endswith((".new", ".old"))]


def unnamed(directory):
    """Credential files that the index does not name: were they lost, nobody would notice."""
    with open(os.path.join(directory, "index"), encoding="utf-8") as index:
        named = json.loads(index.readline())["files"]
    return ["the index does not name %s" % name for name in os.listdir(directory)
            if name.endswith(".credentials") and name not in named]


class Scenario:
    """A directory to begin with, and what may be found after storing NEW in it."""

    def __init__(self, work, name, prepare):
        self.name = name
        self.work = work
        self.template = os.path.join(work, name.replace(" ", "-"))
        prepare(self.template)
        self.old, _ = self.look(self.copy())
        directory = self.copy()
        log = os.path.join(work, "calls")
        if os.path.exists(log):
            os.unlink(log)
        self.stored = step(directory, TARGET, NEW, log=log)
        self.new, _ = self.look(directory)
        with open(log, encoding="utf-8") as lines:
            self.calls = [line.split()[1:] for line in lines]

    def copy(self):
        directory = os.path.join(self.work, "run")
        shutil.rmtree(directory, ignore_errors=True)
        if os.path.isdir(self.template):
            shutil.copytree(self.template, directory)
        return directory

    def look(self, directory):
        """(what is found for the target, problems with everything else) after a new start."""
        problems = []
        line = found(directory)
        if leftovers(directory):
            problems.append("left over: %s" % leftovers(directory))
        problems += unnamed(directory)
        if found(directory) != line:
            problems.append("the next start finds something else: %s" % found(directory))
        if self.name == "second target" and "old-secret-one" not in found(directory, OTHER):
            problems.append("another target lost its set: %s" % found(directory, OTHER))
        return line, problems


def check_kills(tap, scenario, action):
    problems, outcomes = [], []
    for n in range(1, len(scenario.calls) + 2):
        directory = scenario.copy()
        lines = step(directory, TARGET, NEW, plan="%s %d" % (action, n))
        line, others = scenario.look(directory)
        problems += ["%s %d: %s" % (action, n, other) for other in others]
        if line not in (scenario.old, scenario.new):
            problems.append("%s %d: %s" % (action, n, line))
        if "stored" in lines and line != scenario.new:
            problems.append("%s %d: what was said to be stored is not: %s" % (action, n, line))
        outcomes.append(line == scenario.new)
    if outcomes != sorted(outcomes) or outcomes[0] or not outcomes[-1]:
        problems.append("the new set does not appear at one step: %s" % outcomes)
    point(tap, "%s: %s at each of %d steps leaves the old or the new set [CRED-18]" % (
        scenario.name, action, len(outcomes)), problems)


def check_failures(tap, scenario, error):
    """One step fails, the next ones succeed."""
    problems, successes = [], 0
    for n, (call, path) in enumerate(scenario.calls, 1):
        directory = scenario.copy()
        lines = step(directory, TARGET, NEW, plan="fail %d %s" % (n, error))
        line, others = scenario.look(directory)
        said = lines[2] if len(lines) > 2 else " ".join(lines)
        where = "fail %d (%s %s): said %s; " % (n, call, os.path.basename(path), said)
        problems += [where + other for other in others]
        if said == "stored":
            # Only what cleans up behind a finished change may fail without a word.
            successes += 1
            expected = scenario.new
            if call != "unlinkat" or not path.endswith((".old", ".new")):
                problems.append(where + "although a step failed")
        elif said.startswith(("not stored: ", "unusable: ")):
            expected = scenario.old
            if len(lines) > 3 and lines[3] != scenario.old:
                problems.append(where + "but found " + lines[3])
        else:
            problems.append(where + "neither stored nor refused")
            continue
        if line != expected:
            problems.append(where + "a new start finds " + line)
    if successes > 5:
        problems.append("%d steps may fail unnoticed" % successes)
    point(tap, "%s: a failure (%s) of each of %d steps changes nothing" % (
        scenario.name, error, len(scenario.calls)), problems)


def check_breakdowns(tap, scenario, error):
    """A step and everything after it fail."""
    problems, broken = [], 0
    for n in range(1, len(scenario.calls) + 1):
        directory = scenario.copy()
        lines = step(directory, TARGET, NEW, plan="fail %d+ %s" % (n, error))
        said = lines[2] if len(lines) > 2 else " ".join(lines)
        where = "fail %d+: said %s; " % (n, said)
        line, _ = scenario.look(directory)
        if said == "stored":
            if line != scenario.new:
                problems.append(where + "a new start finds " + line)
        elif said.startswith("broken: "):
            broken += 1
            if not lines[3].startswith("broken: "):
                problems.append(where + "but still serves " + lines[3])
            if line not in (scenario.old, scenario.new):
                problems.append(where + "a new start finds " + line)
        elif said.startswith(("not stored: ", "unusable: ")):
            if line != scenario.old:
                problems.append(where + "a new start finds " + line)
        else:
            problems.append(where + "an unknown answer")
    if not broken:
        problems.append("no step from which on a breakdown closes the target")
    point(tap, "%s: a breakdown (%s) from each step on: the old set, or nobody is served [K9]" % (
        scenario.name, error), problems)


def check_syncs(tap, scenario):
    """No sync of the directory works once the set is renamed: what was put back is not durable."""
    problems = []
    renames = [n for n, (call, path) in enumerate(scenario.calls, 1)
               if call == "renameat" and path.endswith(".credentials")]
    directory = scenario.copy()
    lines = step(directory, TARGET, NEW, plan="fail %d+ EIO fsync" % renames[0])
    if not lines[2].startswith("broken: ") or not lines[3].startswith("broken: "):
        problems.append("said %s" % lines)
    if scenario.look(directory)[0] not in (scenario.old, scenario.new):
        problems.append("a new start finds %s" % found(directory))
    point(tap, "%s: nobody is served when no sync works any more [K9]" % scenario.name, problems)


def check_order(tap, scenario):
    """A process that is killed proves nothing about a power cut: the order of the syncs does."""
    problems = []
    calls = [(call, os.path.basename(path)) for call, path in scenario.calls]
    for i, (call, name) in enumerate(calls):
        if call != "renameat":
            continue
        if ("fsync", name + ".new") not in calls[:i]:
            problems.append("%s is renamed before it is synced" % name)
        if calls[i + 1:i + 2] != [("fsync", "run")]:
            problems.append("the directory is not synced after %s is renamed" % name)
    if not any(call == "renameat" for call, _ in calls):
        problems.append("nothing is renamed")
    point(tap, "%s: contents are synced before, the directory after each rename" % scenario.name,
              problems)


def check_stored(tap, scenario):
    problems = [] if scenario.stored[2:3] == ["stored"] else ["said %s" % scenario.stored]
    for word in ("new-secret-one", "iqn.2026-01.org.example:c"):
        if word not in scenario.new:
            problems.append("%s is not in %s" % (word, scenario.new))
    if "old-secret" in scenario.new:
        problems.append("the old set is still there: %s" % scenario.new)
    point(tap, "%s: what is stored is found" % scenario.name, problems)


def check_after_breakdown(tap, work):
    """The control file: a fault that comes and goes while one process lives."""
    directory = os.path.join(work, "switched")
    step(directory, TARGET, OLD)
    control = os.path.join(work, "control")
    changed = dict(environment(directory, None, None), SHIM_CONTROL=control, STEP_WAIT="1")
    with subprocess.Popen([STEP, directory, TARGET, *NEW], stdin=subprocess.PIPE, text=True,
                          stdout=subprocess.PIPE, env=changed) as process:
        process.stdout.readline()
        process.stdout.readline()
        with open(control, "w", encoding="utf-8") as plan:
            plan.write("fail 8+ EIO\n")
        said = process.communicate("\n", timeout=60)[0].splitlines()
    problems = []
    if not said[0].startswith("broken: ") or not said[1].startswith("broken: "):
        problems.append("said %s" % said)
    if "secret-one" not in found(directory):
        problems.append("a new start finds %s" % found(directory))
    point(tap, "a plan given at run time counts from there on", problems)


def may_mount():
    """Whether this process can have mounts of its own; it then has."""
    library = ctypes.CDLL(None, use_errno=True)
    if os.geteuid() != 0 or library.unshare(CLONE_NEWNS) != 0:
        return False
    return subprocess.run(["mount", "--make-rprivate", "/"], stderr=subprocess.DEVNULL,
                          check=False).returncode == 0


def mount(*arguments):
    subprocess.run(["mount", *arguments], check=True)


class Mounted:
    """A small file system with a state directory in which OLD is stored, and a waiting store_step."""

    def __init__(self, work):
        self.place = os.path.join(work, "mounted")
        os.makedirs(self.place, exist_ok=True)
        mount("-t", "tmpfs", "-o", "size=128k,nr_inodes=32,mode=0700", "tmpfs", self.place)
        self.directory = os.path.join(self.place, "state")
        step(self.directory, TARGET, OLD)
        self.old = found(self.directory)

    def store(self, meanwhile):
        changed = dict(os.environ, STEP_WAIT="1")
        with subprocess.Popen([STEP, self.directory, TARGET, *NEW], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, text=True, env=changed) as process:
            process.stdout.readline()
            process.stdout.readline()
            meanwhile()
            return process.communicate("\n", timeout=60)[0].splitlines()

    def close(self):
        subprocess.run(["umount", self.place], check=True)


def check_real(tap, work, name, words, spoil, repair):
    fs = Mounted(work)
    problems = []
    said = fs.store(lambda: spoil(fs))
    if not said[0].startswith("not stored: ") or words not in said[0]:
        problems.append("said %s" % said)
    if said[1:2] != [fs.old]:
        problems.append("found %s" % said[1:])
    if found(fs.directory) != fs.old:
        problems.append("a new start meanwhile finds %s" % found(fs.directory))
    repair(fs)
    if found(fs.directory) != fs.old:
        problems.append("a new start finds %s" % found(fs.directory))
    if fs.store(lambda: None)[0] != "stored":
        problems.append("nothing can be stored afterwards")
    fs.close()
    point(tap, name, problems)


def fill(fs):
    with open(os.path.join(fs.place, "ballast"), "wb", buffering=0) as ballast:
        try:
            while True:
                ballast.write(bytes(4096))
        except OSError:
            pass


def use_up_inodes(fs):
    try:
        for n in range(100):
            with open(os.path.join(fs.place, "ballast%d" % n), "wb"):
                pass
    except OSError:
        pass


def drop_ballast(fs):
    for name in os.listdir(fs.place):
        if name.startswith("ballast"):
            os.unlink(os.path.join(fs.place, name))


def check_file_systems(tap, work):
    cases = [
        ("a read-only file system changes nothing", "Read-only file system",
         lambda fs: mount("-o", "remount,ro", fs.place),
         lambda fs: mount("-o", "remount,rw", fs.place)),
        ("a full file system changes nothing", "No space left", fill, drop_ballast),
        ("a file system without inodes changes nothing", "No space left", use_up_inodes,
         drop_ballast),
    ]
    mountable = may_mount()
    for name, words, spoil, repair in cases:
        if mountable:
            check_real(tap, work, name, words, spoil, repair)
        else:
            tap.skip(name, "this takes root and a mount namespace")


def second_target(directory):
    step(directory, OTHER, OLD)


def replacement(directory):
    step(directory, TARGET, OLD)


def opened(directory):
    step(directory, TARGET)


def main():
    tap = portcullis.Tap()
    work = os.path.realpath(tempfile.mkdtemp(prefix="portcullis-crash-"))
    try:
        for name, prepare in (("no directory", lambda directory: None), ("first set", opened),
                              ("second target", second_target), ("replacement", replacement)):
            scenario = Scenario(work, name, prepare)
            check_stored(tap, scenario)
            check_order(tap, scenario)
            check_kills(tap, scenario, "kill")
            check_kills(tap, scenario, "tear")
            check_failures(tap, scenario, "EIO")
            check_breakdowns(tap, scenario, "EROFS")
            check_syncs(tap, scenario)
        check_after_breakdown(tap, work)
        check_file_systems(tap, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    sys.exit(tap.finish())


main()
