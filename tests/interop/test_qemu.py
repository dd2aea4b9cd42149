#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""QEMU's own iSCSI driver against a running daemon, with CHAP: images into the LUN and out again, patterns, and a
change of the credentials under QEMU's hands: with the old secret it does not come back, nothing is torn, and the moment
its secret is right again it goes on.

[CRED-01 CRED-09 CRED-10 CRED-13 CRED-14 SCSI-07..09 SCSI-11 LIBI-02]
"""
import json
import os
import re
import subprocess
import sys
import threading
import time

from common import ENVIRONMENT, SECRETS, make_image, portcullis, run, sha256, url

NAME = "iqn.2008-11.org.linux-kvm"  # the initiator name of qemu-img, which a URL cannot change
OTHER = "iqn.2026-11.example:guest"
SIZE = 64 << 20
LUNS = ('path = "@DIR@/disk.img"; size = "64M"; physical_block_size = 4096;',
        'path = "memory:"; size = "64M"; block_size = 4096;')


def qemu_url(daemon, secret, lun=0):
    return url(daemon, lun, secret=secret, user=NAME)


def options(daemon, secret, lun=0, name=OTHER):
    """The same for --image-opts, with the secret in a file: (arguments of --object, the image)."""
    file = os.path.join(daemon.directory, "secret")
    with open(file, "w", encoding="ascii") as out:
        out.write(secret)
    return (["--object", "secret,id=chap,file=" + file],
            "driver=iscsi,transport=tcp,portal=%s:%d,target=%s,lun=%d,user=%s,password-secret=chap,initiator-name=%s"
            % (*daemon.portals[0], portcullis.IQN, lun, name, name))


def convert(daemon, tap, source, lun, *arguments):
    """Into the LUN, and out of it: the same bytes."""
    out = os.path.join(daemon.directory, "out.img")
    name = "qemu-img convert %s LUN %d" % (" ".join(arguments), lun)
    image = qemu_url(daemon, SECRETS[0], lun)
    status, said = run("qemu-img", "convert", "-n", *arguments, "-f", "raw", "-O", "raw", source, image)
    tap.ok(status == 0, name + ": into", said)
    status, said = run("qemu-img", "convert", "-f", "raw", "-O", "raw", image, out)
    tap.ok(status == 0 and sha256(out) == sha256(source), name + ": and out again", said)
    os.unlink(out)
    status, said = run("qemu-img", "compare", "-f", "raw", "-F", "raw", image, source)
    tap.ok(status == 0 and "Images are identical." in said, name + ": compared", said)


def images(daemon, tap):
    first, second = (os.path.join(daemon.directory, name) for name in ("first.img", "second.img"))
    make_image(first, SIZE, 1)
    make_image(second, SIZE, 2)
    convert(daemon, tap, first, 0)
    # The second one's holes are holes over the first one's data: written zeros, or given back blocks.
    convert(daemon, tap, second, 0, "-W", "-m", "8", "-S", "4k")
    convert(daemon, tap, first, 0, "-t", "none", "-T", "none")
    convert(daemon, tap, first, 1)
    convert(daemon, tap, second, 1, "-t", "writethrough")
    status, said = run("qemu-img", "info", qemu_url(daemon, SECRETS[0]))
    tap.ok(status == 0 and "(%d bytes)" % SIZE in said, "qemu-img info", said)
    objects, image = options(daemon, SECRETS[1])
    out = os.path.join(daemon.directory, "out.img")
    status, said = run("qemu-img", "convert", *objects, "--image-opts", image, "-O", "raw", out)
    tap.ok(status == 0 and sha256(out) == sha256(first), "another initiator, its secret from a file", said)


# Each must succeed; `-P` on a read compares.
PATTERNS = (
    "write -P 0xaa 0 1M", "read -P 0xaa 0 1M", "write -P 0xbb 512 4096", "read -P 0xaa 0 512", "read -P 0xbb 512 4096",
    "read -P 0xaa 4608 65536", "write -P 0xcc 12345 54321", "read -P 0xcc 12345 54321", "write -f -P 0xdd 8M 64k",
    "read -P 0xdd 8M 64k", "write -z 1M 3M", "read -P 0 1M 3M", "write -P 0xee 2M 1M", "write -z -u 2M 1M",
    "read -P 0 2M 1M", "write -P 0xf1 20M 16M", "read -P 0xf1 20M 16M", "discard 20M 8M", "read -P 0 20M 8M",
    "read -P 0xf1 28M 8M", "aio_write -P 0x11 40M 1M", "aio_write -P 0x12 41M 1M", "aio_write -P 0x13 42M 1M",
    "aio_flush", "read -P 0x11 40M 1M", "read -P 0x12 41M 1M", "read -P 0x13 42M 1M", "flush",
    "write -P 0x77 %d 512" % (SIZE - 512), "read -P 0x77 %d 512" % (SIZE - 512))


def complaints(said):
    """What QEMU says of failures."""
    return [line for line in said.splitlines() if re.search("(?i)fail|error", line)]


def patterns(daemon, tap):
    for lun in range(len(LUNS)):
        commands = [word for pattern in PATTERNS for word in ("-c", pattern)]
        status, said = run("qemu-io", "-f", "raw", *commands, qemu_url(daemon, SECRETS[0], lun))
        tap.ok(status == 0 and not complaints(said), "qemu-io: %d commands on LUN %d" % (len(PATTERNS), lun), said)
    status, said = run("qemu-io", "-f", "raw", "-c", "read %d 512" % SIZE, qemu_url(daemon, SECRETS[0]))
    tap.ok(status == 1, "qemu-io beyond the end", said)


def holes(daemon, tap):
    """Where QEMU sees data after the patterns: what nobody wrote, or was discarded, it does not even read."""
    for lun in range(len(LUNS)):
        status, said = run("qemu-img", "map", "-f", "raw", "--output=json", qemu_url(daemon, SECRETS[0], lun))
        pieces = json.loads(said) if status == 0 else []
        tap.ok(pieces and sum(piece["length"] for piece in pieces) == SIZE, "qemu-img map of LUN %d" % lun, said)
        for at, data in ((20 << 20, False), (28 << 20, True), (SIZE - 512, True)):
            found = [piece["data"] for piece in pieces if piece["start"] <= at < piece["start"] + piece["length"]]
            tap.equal(found, [data], "there is %s at %d" % ("data" if data else "nothing", at))


def refusals(daemon, tap):
    for name, image in (("a wrong secret", qemu_url(daemon, SECRETS[2])), ("no secret", url(daemon, 0))):
        status, said = run("qemu-img", "info", image)
        tap.ok(status == 1 and "Authentication failure" in said, "qemu-img info with %s" % name, said)


class Qemu:
    """A qemu-io that keeps the LUN open and takes commands one after the other."""

    def __init__(self, image, log):
        self.log = log
        with open(log, "wb") as out:
            self.process = subprocess.Popen(["qemu-io", "-f", "raw", image], stdin=subprocess.PIPE, stdout=out, stderr=out,
                                            env=ENVIRONMENT)

    def say(self, command):
        self.process.stdin.write(command.encode() + b"\n")
        self.process.stdin.flush()

    def said(self):
        with open(self.log, "rb") as out:
            return out.read().decode("utf-8", "replace")

    def wait(self, text, times=1, seconds=60):
        """Whether it says that within the time."""
        end = time.monotonic() + seconds
        while self.said().count(text) < times:
            if time.monotonic() > end or self.process.poll() is not None:
                return False
            time.sleep(0.05)
        return True

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()


def sessions_of(daemon, name):
    _, _, reply = daemon.control("ListSessions", {"TargetARN": daemon.arn()})
    return [row for row in reply["Sessions"] if row["InitiatorName"] == name]


def refused_logins(daemon):
    return len(re.findall(r"initiator=%s\b.*\b0x0201\b" % re.escape(NAME), daemon.log()))


def wait_until(condition, seconds=60):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.05)
    return True


def open_disk(daemon, tap):
    """QEMU has the disk open while its secret is replaced, and later is the right one again."""
    qemu = Qemu(qemu_url(daemon, SECRETS[0]), os.path.join(daemon.directory, "qemu.log"))
    try:
        qemu.say("write -P 0x21 0 1M")
        qemu.say("flush")
        tap.ok(qemu.wait("wrote 1048576/1048576") and len(sessions_of(daemon, NAME)) == 1, "QEMU has the disk open", qemu.said())
        before = refused_logins(daemon)
        daemon.update(SECRETS[1], initiator=NAME)
        tap.equal(sessions_of(daemon, NAME), [], "the change closed its session")
        qemu.say("write -P 0x22 0 1M")
        tap.ok(wait_until(lambda: refused_logins(daemon) >= before + 2), "it comes back with the old secret and is refused",
               qemu.said(), daemon.log())
        tap.ok(qemu.process.poll() is None and qemu.said().count("wrote") == 1 and not sessions_of(daemon, NAME),
               "its write waits", qemu.said())
        status, said = run("qemu-io", "-f", "raw", "-c", "read -P 0x21 0 1M", qemu_url(daemon, SECRETS[1]))
        tap.ok(status == 0 and "verification failed" not in said, "with the new secret: the old data, all of it", said)
        daemon.update(SECRETS[0], initiator=NAME)
        tap.ok(qemu.wait("wrote 1048576/1048576", 2), "the moment its secret is right again the write is done", qemu.said())
        qemu.say("read -P 0x22 0 1M")
        tap.ok(qemu.wait("read 1048576/1048576") and "verification failed" not in qemu.said(), "and reads back", qemu.said())
    finally:
        qemu.close()


def drained(daemon, tap):
    """The target is drained under QEMU's hands: it logs out as it is asked to, and goes on when the target is resumed. [ASY-03 OUT-06]"""
    arn = {"TargetARN": daemon.arn()}
    qemu = Qemu(qemu_url(daemon, SECRETS[0]), os.path.join(daemon.directory, "drained.log"))
    try:
        qemu.say("write -P 0x31 0 1M")
        tap.ok(qemu.wait("wrote 1048576/1048576") and len(sessions_of(daemon, NAME)) == 1, "QEMU has the disk open", qemu.said())
        # Either way of its own accord: sometimes its connection is gone, for a new login, before it has logged out.
        def left():
            return sum(len(daemon.events("session-end", initiator=NAME, why=why)) for why in ("logout", "the peer has gone"))
        before = left()
        drain = threading.Thread(target=lambda: daemon.control("DrainTarget", arn))
        drain.start()
        # qemu-io hears the target while it is at something: so it is given something, one command after the other.
        writes = 1
        while drain.is_alive() and qemu.process.poll() is None:
            if qemu.said().count("wrote") == writes:
                qemu.say("write -P 0x32 0 1M")
                writes += 1
            drain.join(0.2)
        if qemu.said().count("wrote") == writes:
            qemu.say("write -P 0x32 0 1M")
            writes += 1
        tap.ok(left() == before + 1 and not sessions_of(daemon, NAME),
               "it logs out when it is asked to", qemu.said(), daemon.log()[-2000:])
        tap.ok(daemon.wait_event("login-refused", initiator=NAME, status="0x0301", timeout=60), "it comes back and is told to wait",
               qemu.said(), daemon.log()[-2000:])
        tap.ok(qemu.process.poll() is None, "which it does", qemu.said())
        daemon.control("ResumeTarget", arn)
        tap.ok(qemu.wait("wrote 1048576/1048576", writes), "when the target is resumed its write is done", qemu.said())
        qemu.say("read -P 0x32 0 1M")
        tap.ok(qemu.wait("read 1048576/1048576") and "verification failed" not in qemu.said(), "and reads back", qemu.said())
    finally:
        daemon.control("ResumeTarget", arn)
        qemu.close()


def is_patchwork(path, source, before):
    """Whether each block of `path` is the new one or what was there before."""
    with open(path, "rb") as found, open(source, "rb") as new, open(before, "rb") as old:
        while True:
            blocks = [file.read(512) for file in (found, new, old)]
            if not blocks[0]:
                return True
            if blocks[0] not in blocks[1:]:
                return False


def half_an_image(daemon, tap):
    """The change comes in the middle of a qemu-img convert."""
    paths = [os.path.join(daemon.directory, name) for name in ("before.img", "source.img", "after.img")]
    before, source, after = paths
    make_image(source, SIZE, 3)
    status, said = run("qemu-img", "convert", "-f", "raw", "-O", "raw", qemu_url(daemon, SECRETS[0]), before)
    tap.ok(status == 0, "the disk as it is before", said)
    refused = refused_logins(daemon)
    with open(os.path.join(daemon.directory, "convert.log"), "wb") as log:
        convert_process = subprocess.Popen(
            ["qemu-img", "convert", "-n", "-r", "16M", "-f", "raw", "-O", "raw", source, qemu_url(daemon, SECRETS[0])],
            stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=ENVIRONMENT)
    try:
        moving = wait_until(lambda: any(row["BytesWritten"] > 8 << 20 for row in sessions_of(daemon, NAME)))
        daemon.update(SECRETS[1], initiator=NAME)
        tap.ok(moving and not sessions_of(daemon, NAME), "a convert is closed in the middle")
        tap.ok(wait_until(lambda: refused_logins(daemon) > refused) and convert_process.poll() is None,
               "it is refused with the old secret")
    finally:
        convert_process.kill()
        convert_process.wait()
    status, said = run("qemu-img", "convert", "-f", "raw", "-O", "raw", qemu_url(daemon, SECRETS[1]), after)
    tap.ok(status == 0 and is_patchwork(after, source, before), "every block is the new one or the old one", said)
    status, said = run("qemu-img", "convert", "-n", "-f", "raw", "-O", "raw", source, qemu_url(daemon, SECRETS[1]))
    tap.ok(status == 0, "the convert repeated with the new secret", said)
    status, said = run("qemu-img", "compare", "-f", "raw", "-F", "raw", qemu_url(daemon, SECRETS[1]), source)
    tap.ok(status == 0, "is the image", said)


def has_driver():
    """qemu-img without its iSCSI module knows no such protocol."""
    _, said = run("qemu-img", "info", "iscsi://127.0.0.1:1/iqn.2026-11.example:none/0")
    return "Unknown protocol" not in said


def main():
    portcullis.require("qemu-img", "qemu-io")
    if not has_driver():
        portcullis.skip_all("qemu-img has no iSCSI driver: qemu-block-extra is missing")
    tap = portcullis.Tap()
    with portcullis.Daemon(portcullis.config([portcullis.target(luns=LUNS)])) as daemon:
        daemon.update(SECRETS[0], initiator=NAME)
        daemon.update(SECRETS[1], initiator=OTHER)
        images(daemon, tap)
        patterns(daemon, tap)
        holes(daemon, tap)
        refusals(daemon, tap)
        open_disk(daemon, tap)
        with open(portcullis.binary(), "rb") as program:
            slow = b"__tsan_init" in program.read()
        if slow:
            tap.skip("a drain under QEMU's hands", "under ThreadSanitizer the 5 s to log out are too few for qemu-io")
        else:
            drained(daemon, tap)
        half_an_image(daemon, tap)
        tap.equal(daemon.stop(), 0, "the daemon ends well")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
