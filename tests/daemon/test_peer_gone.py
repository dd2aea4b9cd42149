# SPDX-License-Identifier: BSD-2-Clause
"""A peer that resets its connection while it is owed more than the socket takes: the daemon first learns of it
when it sends, and everybody else is served on.
"""
import os
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import initiator  # noqa: E402
import portcullis  # noqa: E402

ROUNDS = 20
READS = 40          # of 256 KiB: beyond what the engine queues before it stops listening
BLOCKS = 512


def session(daemon):
    return initiator.Session(*daemon.portals[0], target=portcullis.IQN)


def count_sessions(daemon):
    _, _, reply = daemon.control("ListSessions", {"TargetARN": daemon.arn()})
    return len(reply["Sessions"])


def leave_at_once(daemon):
    """Asks for 10 MiB, takes the first bytes, and resets the connection."""
    one = session(daemon).login()
    one.ready()
    for _ in range(READS):
        one.send_read10(0, BLOCKS)
    one.receive()
    one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    one.close()


def main():
    portcullis.require()
    tap = portcullis.Tap()
    with portcullis.Daemon() as daemon:
        with session(daemon).login() as other:
            other.ready()
            for _ in range(ROUNDS):
                leave_at_once(daemon)
            tap.ok(initiator.wait_until(lambda: count_sessions(daemon) == 1),
                   "the sessions that were reset are gone")
            tap.equal(other.read10(0, 8)[0], 0, "a session of another initiator goes on")
        tap.equal(daemon.process.poll(), None, "the daemon runs")
    sys.exit(tap.finish())


main()
