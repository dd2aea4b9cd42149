# SPDX-License-Identifier: BSD-2-Clause
"""Busy polling: off by default, on it looks for more instead of sleeping, and an idle daemon sleeps either way.
Counted in system calls, so that no clock decides.
"""
import os
import re
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import initiator  # noqa: E402
import portcullis  # noqa: E402

PINGS = 200
LONG = 10000        # us: longer than a ping under strace takes
IDLE_CALLS = 3      # in a second: timers


class Trace:
    """The waits of all threads of a daemon, as strace writes them."""

    def __init__(self, daemon, directory):
        self.path = os.path.join(directory, "trace")
        self.tracer = subprocess.Popen(["strace", "-f", "-e", "trace=epoll_wait,epoll_pwait", "-o", self.path, "-p",
                                        str(daemon.process.pid)], stderr=subprocess.PIPE, text=True)
        self.attached = "attached" in self.tracer.stderr.readline()

    def lines(self):
        with open(self.path, encoding="ascii") as trace:
            return trace.read().splitlines()

    def in_a_second(self):
        before = len(self.lines())
        time.sleep(1)
        return len(self.lines()) - before

    def stop(self):
        self.tracer.send_signal(signal.SIGINT)
        self.tracer.communicate(timeout=60)

    def looks(self):
        """Waits of no time at all that found nothing."""
        return sum(1 for line in self.lines() if re.search(r"\[\], \d+, 0(, NULL, \d+)?\) += 0", line))


def is_still(trace):
    before = len(trace.lines())
    time.sleep(0.2)
    return len(trace.lines()) == before


def check(tap, label, extra, spins):
    """Pings one after the other, then silence."""
    with portcullis.Daemon(portcullis.config(extra=extra)) as daemon, tempfile.TemporaryDirectory() as directory:
        with initiator.Session(*daemon.portals[0], target=portcullis.IQN).login() as session:
            trace = Trace(daemon, directory)
            if not trace.attached:
                trace.tracer.communicate()
                tap.skip(label, "strace may not attach")
                return
            for _ in range(PINGS):
                session.nop()
            tap.ok(initiator.wait_until(lambda: is_still(trace)), label + ": without traffic the workers sleep")
            calls = [trace.in_a_second() for _ in range(5)]  # what has been begun may end in one of them
            trace.stop()
            tap.ok(min(calls) <= IDLE_CALLS, label + ": an idle daemon is not woken", calls)
            tap.equal(trace.looks() > 0, spins, label + (": it looks before it sleeps" if spins else ": it never spins"))
            tap.equal(session.nop(b"still").data, b"still", label + ": and answers")


def main():
    portcullis.require("strace")
    tap = portcullis.Tap()
    check(tap, "by default", "", False)
    check(tap, "busy_poll = 0", "busy_poll = 0;", False)
    check(tap, "busy_poll = %d" % LONG, "busy_poll = %d;" % LONG, True)
    sys.exit(tap.finish())


main()
