#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A live change while every single step of storing it fails or is the process's last: what is served afterwards, and
after a new start, is the old or the new configuration, and the new one if it was answered so (K2).
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import portcullis  # noqa: E402

SHIM = os.path.abspath(os.path.join(os.environ.get("top_builddir", "."), "tests/crash/shim.so"))
FIRST, SECOND = "iqn.2026-11.test:first", "iqn.2026-11.test:second"


def create(daemon, name):
    """Status of CreateTarget; None when the daemon ended over it."""
    try:
        return daemon.control("CreateTarget", {"TargetName": name, "Path": "memory:", "SizeInBytes": 1 << 20})[0]
    except OSError:
        return None


def served(daemon):
    return {row["TargetName"] for row in daemon.control("ListTargets", {})[2]["Targets"]}


class Scenario:
    """The creation of SECOND, on top of what has been made live before."""

    def __init__(self, before):
        self.before = before
        self.old = {portcullis.IQN, *before}
        self.new = self.old | {SECOND}

    def run(self, plan):
        """(status, what is served then or None, what is served after a start, the calls)"""
        with portcullis.Daemon(portcullis.config()) as daemon:
            for name in self.before:
                create(daemon, name)
            daemon.stop()
            state = os.path.realpath(os.path.join(daemon.directory, "state"))
            log, control = (os.path.join(daemon.directory, name) for name in ("calls", "control"))
            plain = daemon.environment
            daemon.environment = dict(plain, LD_PRELOAD=SHIM, SHIM_DIR=state, SHIM_CONTROL=control, SHIM_LOG=log,
                                      ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=0")
            daemon.start()
            if os.path.exists(log):
                os.unlink(log)
            with open(control + ".new", "w", encoding="utf-8") as file:
                file.write(plan + "\n")
            os.rename(control + ".new", control)
            status = create(daemon, SECOND)
            now = None
            if status is not None:
                now = served(daemon)
            with open(log, encoding="utf-8") as file:
                calls = [line.split()[1] for line in file]
            daemon.kill()
            daemon.environment = plain
            daemon.start()
            return status, now, served(daemon), calls


def judge(scenario, found, allowed):
    """What is wrong about a run."""
    status, now, after, _ = found
    if status not in allowed:
        return ["answered %s" % status]
    if status == 200 and (now != scenario.new or after != scenario.new):
        return ["answered 200, serves %s, after a start %s" % (now, after)]
    if status is not None and status != 200 and now != scenario.old:
        return ["answered %s, but serves %s" % (status, now)]
    if after not in (scenario.old, scenario.new):
        return ["after a start serves %s" % after]
    return []


def check(tap, name, scenario, steps):
    for action, allowed in (("kill %d", (None, 200)), ("tear %d", (None, 200)), ("fail %d EIO", (500, 200)),
                            ("fail %d+ EROFS", (500, 200))):
        problems, statuses, outcomes = [], set(), set()
        for step in range(1, steps + 1):
            found = scenario.run(action % step)
            statuses.add(found[0])
            outcomes.add(len(found[2]))
            if action == "fail %d EIO" and found[0] == 500 and found[2] != scenario.old:
                problems.append("%s: taken back, but after a start serves %s" % (action % step, found[2]))
            problems += ["%s: %s" % (action % step, problem) for problem in judge(scenario, found, allowed)]
        if allowed[0] not in statuses:
            problems.append("nothing was hit")
        if action.startswith("kill") and len(outcomes) != 2:
            problems.append("not both the old and the new were found")
        tap.ok(not problems, "%s: %s, for each of %d steps" % (name, action.replace("%d", "N"), steps), *problems)


def main():
    portcullis.require()
    if not os.path.exists(SHIM):
        portcullis.skip_all("tests/crash/shim.so is not built")
    tap = portcullis.Tap()
    for name, before in (("the first live change", ()), ("a later one", (FIRST,))):
        scenario = Scenario(before)
        status, now, after, calls = scenario.run("")
        tap.ok((status, now, after) == (200, scenario.new, scenario.new), name + " is stored and served", status, now, after)
        tap.ok("renameat" in calls and "fsync" in calls, "in steps that can be counted", calls)
        check(tap, name, scenario, len(calls))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
