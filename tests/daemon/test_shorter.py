# SPDX-License-Identifier: BSD-2-Clause
"""A LUN's file that somebody makes shorter while it is read from where the page cache has it: the reader loses its
connection or is told a medium error, on its next connection at the latest; everybody else is served on; and what is
there again is read again.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import initiator  # noqa: E402
import portcullis  # noqa: E402

OTHER = "iqn.1997-05.com.amazon:other"
SIZE = 4 << 20
BLOCKS = 256  # of a read: large enough to be sent from where it lies at the first sight
MEDIUM_ERROR = (3, 0x11, 0)


def session(daemon, name=portcullis.IQN):
    one = initiator.Session(*daemon.portals[0], target=name).login()
    one.ready()
    return one


def sense_of(answer):
    status, _, sense = answer
    return (sense[2] & 15, sense[12], sense[13]) if status else None


def outcome(one, lba):
    """What a read comes to: its data, the sense, or "lost"."""
    try:
        answer = one.read10(lba, BLOCKS)
    except (initiator.Closed, ConnectionError):
        return "lost"
    return sense_of(answer) or answer[1]


def check_read(tap, daemon, pattern):
    path = os.path.join(daemon.directory, "unit")
    other = session(daemon, OTHER)
    one = session(daemon)
    tap.equal(outcome(one, 0), pattern, "the file is read")
    os.truncate(path, 0)
    found = outcome(one, 0)
    tap.ok(found in ("lost", MEDIUM_ERROR), "what is not there any more is no data", found)
    if found == "lost":
        tap.ok(daemon.wait_event("read-failed"), "the log says why the connection was reset")
        one.close()
        one = session(daemon)
    tap.equal(outcome(one, 0), MEDIUM_ERROR, "then it is a medium error")
    tap.equal(other.read10(0, 8)[0], 0, "another LUN's reader notices nothing")
    with open(path, "r+b") as unit:
        unit.write(pattern)
        unit.truncate(SIZE)
    tap.equal(outcome(one, 0), pattern, "what is there again is read again")
    tap.equal(outcome(one, SIZE // 512 - BLOCKS), bytes(BLOCKS * 512), "up to its end")
    one.close()
    other.close()


def main():
    portcullis.require()
    tap = portcullis.Tap()
    targets = [portcullis.target(luns=('path = "@DIR@/unit";',)), portcullis.target(OTHER)]
    with portcullis.Daemon(portcullis.config(targets), start=False) as daemon:
        pattern = os.urandom(BLOCKS * 512)
        with open(os.path.join(daemon.directory, "unit"), "wb") as unit:
            unit.write(pattern)
            unit.truncate(SIZE)
        daemon.start()
        check_read(tap, daemon, pattern)
        tap.equal(daemon.process.poll(), None, "the daemon runs")
        tap.equal(daemon.stop(), 0, "and ends in order")
    sys.exit(tap.finish())


main()
