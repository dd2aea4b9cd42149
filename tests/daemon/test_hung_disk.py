# SPDX-License-Identifier: BSD-2-Clause
"""A disk that hangs with commands under way, here a frozen file system below a LUN past the page cache: its target is taken out
all the same, or stays as it is, within a bound; other changes go on; and when the disk is back so is all else.
"""
import os
import signal
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import container  # noqa: E402
import initiator  # noqa: E402
import portcullis  # noqa: E402
from test_live import MADE, MIB, NAMED, Asker, attempt, log_in  # noqa: E402

OTHER, CACHED = ("iqn.2026-11.test:%s" % name for name in ("other", "cached"))
GONE = 0x0203


class Disk:
    """A file system of the test's own that can be frozen."""

    def __init__(self, directory):
        self.at = os.path.join(directory, "disk")
        image = self.at + ".img"
        os.mkdir(self.at)
        with open(image, "wb") as file:
            file.truncate(64 * MIB)
        container.own_mounts()
        container.system("mkfs.ext4", "-q", image)
        container.system("mount", "-o", "loop", image, self.at)
        self.freeze()  # where that cannot be, nothing can be tested
        self.thaw()

    def freeze(self):
        container.system("fsfreeze", "--freeze", self.at)

    def thaw(self):
        subprocess.run(["fsfreeze", "--unfreeze", self.at], stderr=subprocess.DEVNULL, check=False)

    def end(self):
        self.thaw()
        subprocess.run(["umount", self.at], check=False)


def hang(ask, disk, name):
    """A session with a command that does not end."""
    session = log_in(ask.daemon, name)
    ask.tap.equal(session.write10(0, b"a" * 4096)[0], 0, "%s is written" % name)
    disk.freeze()
    session.send_write10(8, b"b" * 4096)
    return session


def removed(ask, disk, path):
    tap = ask.tap
    ask.done("a target is made", "CreateTarget", TargetName=MADE, Path=path, SizeInBytes=MIB, Cache="direct")
    session = hang(ask, disk, MADE)
    ask.done("it is deleted although its disk hangs", "DeleteTarget", MADE, Force=True)
    tap.ok(ask.daemon.events("target-lingers", target=MADE), "the log says what is left of it", ask.daemon.log()[-2000:])
    tap.equal((attempt(ask.daemon, MADE), session.rest()[0][-1].opcode), (GONE, initiator.ASYNC), "it is gone, and its session closed")
    ask.done("other targets are made meanwhile", "CreateTarget", TargetName=OTHER, Path="memory:", SizeInBytes=MIB)
    tap.equal(attempt(ask.daemon, OTHER), 0, "and served")
    ask.refused("InvalidParameters", "refused: its file is in use until the disk is back", "CreateTarget", TargetName=MADE, Path=path,
                SizeInBytes=MIB)
    tap.ok("in use" in ask.message, "and so it says", ask.message)
    disk.thaw()
    found = []

    def again():
        found[:] = ask("CreateTarget", TargetName=MADE, Path=path, SizeInBytes=MIB)
        return found[0] == 200
    tap.ok(initiator.wait_until(again, 60), "then it can be had again", found)
    with log_in(ask.daemon, MADE) as session:
        tap.equal(session.read10(0, 16)[:2], (0, b"a" * 4096 + b"b" * 4096), "with all that was written")
    ask.daemon.wait_idle(MADE)
    ask.done("it is deleted", "DeleteTarget", MADE)


def changed(ask, disk, before, after):
    tap = ask.tap
    session = hang(ask, disk, NAMED)
    ask.daemon.configure(after)
    ask.refused("InternalError", "a reload that takes a LUN out beside it", "ReloadConfiguration")
    tap.ok("its disk has not ended" in ask.message, "says what stands against it", ask.message)
    tap.equal(session.rest()[0][-1].opcode, initiator.ASYNC, "the session was closed")
    ask.done("other targets are changed meanwhile", "DeleteTarget", OTHER)
    disk.thaw()
    tap.ok(initiator.wait_until(lambda: attempt(ask.daemon, NAMED) == 0, 60), "the target serves on", ask.daemon.log()[-2000:])
    with log_in(ask.daemon, NAMED) as session:
        session.scsi([0], lun=1)
        tap.equal((session.read10(0, 16)[:2], session.read10(0, 1, lun=1)[0]), ((0, b"a" * 4096 + b"b" * 4096), 0), "as it was")
    ask.done("the same reload is done now", "ReloadConfiguration")
    with log_in(ask.daemon, NAMED) as session:
        tap.equal((session.read10(8, 8)[1], session.read10(0, 1, lun=1)[2][2] & 15), (b"b" * 4096, 5), "and the LUN is gone")
    ask.daemon.configure(before)


def cached(ask, disk):
    """Once a sync hangs, no worker waits inside a write to the page cache."""
    tap = ask.tap
    session, other = log_in(ask.daemon, CACHED), log_in(ask.daemon, OTHER)
    tap.equal(session.write10(0, b"c" * 4096)[0], 0, "a disk in the page cache is written")
    disk.freeze()
    tags = [session.command(bytes.fromhex("2a080000001000000800"), write=b"d" * 4096)]
    time.sleep(1.5)  # what the daemon thinks of a sync changes after a second
    tags += [session.send_write10(8 * number, b"e" * 4096) for number in range(3, 6)]
    tap.equal((other.nop().opcode, other.write10(0, bytes(512))[0]), (initiator.NOP_IN, 0), "others of the same worker are served")
    disk.thaw()
    tap.equal([session.finish(tag)[0] for tag in tags], [0] * 4, "and all writes end when the disk is back")
    for one in (session, other):
        one.logout()
        one.close()


def main():
    signal.signal(signal.SIGTERM, lambda *unused: sys.exit(1))
    portcullis.require("fsfreeze", "mkfs.ext4")
    tap = portcullis.Tap()
    with tempfile.TemporaryDirectory(prefix="portcullis-test-") as directory:
        try:
            disk = Disk(directory)
        except container.Unavailable as why:
            portcullis.skip_all(str(why).replace("\n", " "))
        luns = ('path = "%s/named"; size = "1M"; cache = "direct";' % disk.at, 'path = "memory:"; size = "1M";')
        more = portcullis.target(CACHED, luns=('path = "%s/cached"; size = "1M";' % disk.at,))
        before, after = (portcullis.config([portcullis.target(NAMED, luns=luns[:count]), more],
                                           control='disk_directories = [ "%s" ];' % disk.at).replace("workers = 2", "workers = 1")
                         for count in (2, 1))
        try:
            with portcullis.Daemon(before) as daemon:
                ask = Asker(daemon, tap)
                try:
                    removed(ask, disk, os.path.join(disk.at, "made"))
                    cached(ask, disk)
                    changed(ask, disk, before, after)
                finally:
                    disk.thaw()  # a process that waits for it cannot be ended
                tap.equal(daemon.stop(), 0, "the daemon ends in order")
                tap.ok("Sanitizer" not in daemon.log(), "and leaves nothing behind", daemon.log()[-2000:])
        finally:
            disk.end()
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
