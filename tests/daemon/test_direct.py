# SPDX-License-Identifier: BSD-2-Clause
"""LUNs past the page cache that come and go while the daemon runs: their data, their locks, and the buffers that the
kernel knows beforehand, with as much memory as may be locked and with none.
"""
import os
import resource
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import initiator  # noqa: E402
import portcullis  # noqa: E402

NAME = "iqn.2026-11.example:direct"
MIB = 1 << 20
TURNS = 5


def can_be_direct():
    """Whether the file system of the tests has O_DIRECT."""
    with tempfile.NamedTemporaryFile(prefix="portcullis-test-") as probe:
        try:
            os.close(os.open(probe.name, os.O_RDONLY | os.O_DIRECT))
        except OSError:
            return False
    return True


def ask(daemon, operation, **members):
    status, _, reply = daemon.control(operation, dict(members, TargetARN=daemon.arn(NAME)))
    return status if status == 200 else (status, reply)


def turn(daemon, path):
    """Makes a LUN, writes and reads it in pieces of all sizes, and takes it away: (what was refused, pieces that differ)."""
    made = ask(daemon, "CreateLun", LunNumber=7, Path=path, SizeInBytes=8 * MIB, Cache="direct")
    wrong = []
    with initiator.Session(*daemon.portals[0], target=NAME).login() as session:
        session.ready()
        session.scsi([0], lun=7)
        for number, size in enumerate((512, 4096, 65536, 256 << 10, MIB)):
            data = os.urandom(size)
            wrote = session.write10(number * 2048, data, lun=7)[0]
            status, read, _ = session.read10(number * 2048, size // 512, lun=7)
            if wrote or status or read != data:
                wrong.append((size, wrote, status))
        session.logout()
    initiator.wait_until(lambda: not daemon.control("ListSessions", {"TargetARN": daemon.arn(NAME)})[2]["Sessions"])
    return made, ask(daemon, "DeleteLun", LunNumber=7), wrong


def check(tap, label):
    first = portcullis.target(NAME, luns=('path = "@DIR@/first"; size = "1M";',))
    text = portcullis.config([first], control='disk_directories = [ "@DIR@" ];')
    with portcullis.Daemon(text) as daemon:
        path = os.path.join(daemon.directory, "unit")
        for _ in range(TURNS):
            found = turn(daemon, path)
            if not tap.equal(found, (200, 200, []), label + ": a direct LUN is made, used, and let go with its lock"):
                break
        tap.equal(daemon.stop(), 0, label + ": and the daemon ends as it should")


def main():
    portcullis.require()
    if not can_be_direct():
        portcullis.skip_all("no O_DIRECT where temporary files are")
    tap = portcullis.Tap()
    check(tap, "memory may be locked")
    # Inherited. Root may lock more all the same; for others not even a ring is allowed, and threads serve.
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, resource.getrlimit(resource.RLIMIT_MEMLOCK)[1]))
    check(tap, "none may be locked")
    sys.exit(tap.finish())


main()
