#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A real Linux, Debian's kernel with open-iscsi in a virtual machine of the test's own, against a running daemon: the
disk is found, written and read with digests; a change of the credentials closes the kernel's session, iscsid knocks with
what it has and is refused, and the disk comes back, whole, once the secret is right.

Asked for by PORTCULLIS_LINUX_TEST=1, because it takes the guest's packages from Debian's archive (once, into the build
directory).

[LNX-01 LNX-02 LNX-03 LNX-04 LNX-05 LNX-07 ASY-03 OUT-06 CRED-01 CRED-04 CRED-09 CRED-10 CRED-11 CRED-13 CRED-14 CRED-16]
"""
import hashlib
import os
import re
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "linux"))

from common import HOST, SECRETS, TARGET_SECRETS, portcullis  # noqa: E402
import guest  # noqa: E402

LUNS = ('path = "@DIR@/disk.img"; size = "64M"; physical_block_size = 4096;',)
SIZE = 64 << 20
OFFSET = 16 << 20  # of the streams on the disk, behind the partition table
STREAM = 16 << 20
ALGORITHMS = ("MD5", "SHA1", "SHA256", "SHA3-256")
CHANGES = 3  # of them that close a session
# What the kernel says when the target closes a connection (ISCSI_ERR_TCP_CONN_CLOSE), of the unit attention after it, and
# when the user logs out of a session that is refused: then there is nobody to send the flush to.
EXPECTED = re.compile(r"detected conn error \(1020\)|Power-on or device reset occurred"
                      r"|Synchronize Cache\(10\) failed: Result: hostbyte=DID_TRANSPORT_FAILFAST")



def wait_until(condition, seconds=180):
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.1)
    return True


class Scenario:
    """The daemon, the guest, and the points that both are good for."""

    def __init__(self, tap, daemon, linux):
        self.tap = tap
        self.daemon = daemon
        self.linux = linux
        self.portal = "%s:%d" % daemon.portals[0]
        self.disk = None

    def does(self, name, command, pattern=""):
        """One point: the command ends well and what it says matches. What it said."""
        status, text = self.linux.run(command)
        self.tap.ok(status == 0 and re.search(pattern, text), name, "$ " + command, text, "status %s" % status,
                    self.iscsid()[-2000:], self.linux.kernel()[-1000:], self.daemon.log()[-2000:])
        return text

    def node(self, action):
        return "iscsiadm -m node -T %s -p %s %s" % (portcullis.IQN, self.portal, action)

    def set(self, values):
        """Keys of the node record, without their "node."."""
        for name, value in values.items():
            status, text = self.linux.run(self.node("-o update -n node.%s -v %s" % (name, value)))
            if status != 0:
                raise RuntimeError("iscsiadm does not take node.%s: %s" % (name, text))

    def secrets(self, secret, target_secret=None):
        """The node record's half of UpdateChapCredentials."""
        self.set({"session.auth.authmethod": "CHAP", "session.auth.username": HOST, "session.auth.password": secret})
        if target_secret is not None:
            self.set({"session.auth.username_in": portcullis.IQN, "session.auth.password_in": target_secret})

    def login(self, name):
        self.does(name + ": login", self.node("--login"), "successful")
        self.disk = self.does(name + ": the disk is there", "disk", r"^/dev/sd[a-z]\n$").strip()

    def logout(self, name):
        self.does(name + ": logout", self.node("--logout"), "successful")

    def iscsid(self):
        return self.linux.run("cat /run/iscsid.log")[1]

    def sessions(self):
        _, _, reply = self.daemon.control("ListSessions", {"TargetARN": self.daemon.arn()})
        return reply["Sessions"]

    def refusals(self):
        return len(re.findall(r"initiator=%s\b.*\b0x0201\b" % re.escape(HOST), self.daemon.log()))

    def holds(self, name, stream):
        """Two points: the guest reads the stream from the disk, and the daemon's file has it."""
        _, text = self.linux.run("sha256sum </run/stream%d" % stream)
        self.does(name + ": the guest reads what it wrote",
                  "dd if=%s bs=64k skip=%d count=%d iflag=direct 2>/dev/null | sha256sum"
                  % (self.disk, OFFSET >> 16, STREAM >> 16), re.escape(text[:64]))
        with open(os.path.join(self.daemon.directory, "disk.img"), "rb") as image:
            image.seek(OFFSET)
            found = hashlib.sha256(image.read(STREAM)).hexdigest()
        self.tap.equal(found, text[:64], name + ": and so does the target's file")

    def change(self, name, *secrets):
        """UpdateChapCredentials under the guest's session: closed at once, and iscsid refused twice."""
        before = self.refusals()
        self.daemon.update(*secrets, initiator=HOST)
        self.tap.equal(self.sessions(), [], name + ": the change closed the kernel's session")
        self.tap.ok(wait_until(lambda: self.refusals() >= before + 2), name + ": iscsid knocks and gets 0x0201",
                    self.iscsid(), self.daemon.log())
        self.does(name + ": iscsid says so", "cat /run/iscsid.log", "login rejected: Initiator failed authentication with target")


def attach(on):
    """Without CHAP: discovery, login, and all that a disk is good for."""
    on.does("discovery", "iscsiadm -m discovery -t sendtargets -p " + on.portal,
            r"^%s,1 %s\n$" % (re.escape(on.portal), re.escape(portcullis.IQN)))
    on.set({"conn[0].iscsi.HeaderDigest": "CRC32C", "conn[0].iscsi.DataDigest": "CRC32C"})
    on.login("no CHAP")
    on.does("digests are agreed", "iscsiadm -m session -P 2", r"HeaderDigest: CRC32C\s+DataDigest: CRC32C")
    on.does("its size", "blockdev --getsize64 " + on.disk, r"^%d\n" % SIZE)
    on.does("two streams", "for i in 0 1; do head -c %d /dev/urandom >/run/stream$i; done" % STREAM)
    on.does("written past the cache", "dd if=/run/stream0 of=%s bs=64k seek=%d oflag=direct conv=notrunc,fsync"
            % (on.disk, OFFSET >> 16))
    on.holds("no CHAP", 0)
    on.does("through the cache, unaligned", "dd if=/run/stream1 of=%s bs=7000 count=100 seek=5500 conv=notrunc,fsync" % on.disk)
    on.does("blkdiscard", "blkdiscard -o %d -l %d %s" % (32 << 20, 16 << 20, on.disk))
    on.does("given back blocks are zeros", "dd if=%s bs=64k skip=%d count=256 iflag=direct 2>/dev/null | sha256sum"
            % (on.disk, (32 << 20) >> 16), hashlib.sha256(bytes(16 << 20)).hexdigest())
    on.does("a partition", "printf 'n\\np\\n1\\n2048\\n+8M\\nw\\n' | fdisk %s; blockdev --rereadpt %s; grep sd /proc/partitions"
            % (on.disk, on.disk), r"\b%s1\b" % os.path.basename(on.disk))
    on.does("CHAP is not there yet", "iscsiadm -m session -P 2", r"username: <empty>")


def from_open_to_chap(on):
    """The first secret: the open session is over, and no disk without it."""
    on.change("from no CHAP", SECRETS[0])
    on.logout("from no CHAP")
    status, text = on.linux.run(on.node("--login"))
    on.tap.ok(status == 24 and not on.sessions(), "no CHAP: fatal at a first login", text, on.iscsid())
    for algorithm in ALGORITHMS:
        on.secrets(SECRETS[0])
        on.set({"session.auth.chap_algs": algorithm})
        on.login("one way, " + algorithm)
        on.logout("one way, " + algorithm)
    on.secrets(SECRETS[2])
    status, text = on.linux.run(on.node("--login"))
    on.tap.ok(status == 24, "a wrong secret: refused", text, on.iscsid())
    on.secrets(SECRETS[0])
    on.set({"session.auth.chap_algs": ",".join(reversed(ALGORITHMS))})
    on.login("one way")
    on.does("one way: the partition is there", "grep sd /proc/partitions", r"\b%s1\b" % os.path.basename(on.disk))
    on.holds("one way", 0)


def from_one_way_to_mutual(on):
    on.change("from one way", SECRETS[1], TARGET_SECRETS[0])
    on.logout("from one way")
    on.secrets(SECRETS[1], TARGET_SECRETS[2])
    status, text = on.linux.run(on.node("--login"))
    on.tap.ok(status != 0 and not on.sessions(), "a target that cannot prove itself: the initiator leaves", text, on.iscsid())
    on.secrets(SECRETS[1], TARGET_SECRETS[0])
    on.login("mutual")
    on.holds("mutual", 0)


def written(on):
    """How often the writer has written a stream whole."""
    return int(on.linux.run("cat /run/pass")[1] or 0)


def while_writing(on):
    """The change comes while the guest writes: the writes wait, none fails, and none is lost or late."""
    on.does("the writer starts", "writer %s %d & writer=$!" % (on.disk, OFFSET >> 16))
    on.tap.ok(wait_until(lambda: written(on) >= 2), "the guest writes", on.linux.run("cat /run/writer.error")[1])
    on.change("while writing", SECRETS[0], TARGET_SECRETS[1])
    before = written(on)
    # The kernel keeps the secret of its session, so neither a new record nor a new iscsid helps the session.
    on.secrets(SECRETS[0], TARGET_SECRETS[1])
    on.does("iscsid starts anew, with the new secret in its record", "kill_iscsid; start_iscsid")
    refused = on.refusals()
    on.tap.ok(wait_until(lambda: on.refusals() >= refused + 2) and not on.sessions(), "it knocks with the old one all the same",
              on.iscsid(), on.daemon.log()[-2000:])
    on.tap.equal(written(on), before, "the writes wait")
    on.daemon.update(SECRETS[1], TARGET_SECRETS[0], initiator=HOST)
    on.tap.ok(wait_until(lambda: written(on) > before + 1), "the secret of the session is right again: the writes go on",
              on.iscsid(), on.linux.run("cat /run/writer.error")[1], on.linux.kernel()[-2000:])
    on.does("the writer ends well", "touch /run/stop; wait $writer")
    on.holds("after the writes", (written(on) - 1) % 2)
    on.logout("after the writes")
    on.daemon.update(SECRETS[0], TARGET_SECRETS[1], initiator=HOST)
    on.login("the new secret, after a logout")
    on.holds("the new secret, after a logout", (written(on) - 1) % 2)
    on.logout("at the end")


def drained(on):
    """The target is drained while the guest writes: iscsid logs out as it is asked to, is told to wait, and comes back."""
    target = {"TargetARN": on.daemon.arn()}
    on.login("before a drain")
    on.does("another writer starts", "rm -f /run/stop /run/pass; writer %s %d & writer=$!" % (on.disk, OFFSET >> 16))
    on.tap.ok(wait_until(lambda: written(on) >= 1), "the guest writes", on.linux.run("cat /run/writer.error")[1])
    logouts = len(on.daemon.events("session-end", why="logout"))
    status, _, reply = on.daemon.control("DrainTarget", target)
    on.tap.equal((status, reply.get("SessionsClosed"), on.sessions()), (200, 1, []), "a drain")
    on.tap.equal(len(on.daemon.events("session-end", why="logout")), logouts + 1, "ends with iscsid's logout")
    on.does("which it was asked for", "cat /run/iscsid.log", "(?i)target requests logout")
    on.tap.ok(wait_until(lambda: len(on.daemon.events("login-refused", initiator=HOST, status="0x0301")) >= 2),
              "it knocks, is told to wait, and knocks again", on.iscsid(), on.daemon.log()[-2000:])
    before = written(on)
    on.daemon.control("ResumeTarget", target)
    on.tap.ok(wait_until(lambda: written(on) > before + 1), "resumed, the writes go on", on.iscsid(),
              on.linux.run("cat /run/writer.error")[1], on.linux.kernel()[-2000:])
    on.does("and the writer ends well", "touch /run/stop; wait $writer")
    on.holds("after a drain", (written(on) - 1) % 2)
    on.logout("after a drain")


def peace(on):
    """What kernel and iscsid said: connections that the target closed, refused logins, and nothing else."""
    bad = [line for line in on.linux.kernel().splitlines()
           if re.search(r"iscsi|connection\d|scsi|\bsd\b|\bsd[a-z]\b|I/O", line, re.I)
           and re.search(r"error|fail|time[ds]? ?out|reset|offline|invalid|protocol|abort", line, re.I) and not EXPECTED.search(line)]
    on.tap.ok(not bad, "no error in the kernel's log", "\n".join(bad))
    on.tap.ok("detected conn error (1020)" in on.linux.kernel(), "but the closed connections", on.linux.kernel()[-2000:])
    said = on.iscsid()
    on.tap.ok(not re.search(r"(?i)recogni[sz]e|protocol|invalid|unexpected|digest", said), "iscsid understood all", said)
    on.tap.ok(len(re.findall("Target dropping all connections, reconnect min 0 max 0", said)) == CHANGES,
              "Async Message event 3 before each close", said)


def main():
    if os.environ.get("PORTCULLIS_LINUX_TEST") != "1":
        portcullis.skip_all("PORTCULLIS_LINUX_TEST is not 1")
    portcullis.require("qemu-system-x86_64")
    cache = os.path.abspath(os.path.join(os.environ.get("top_builddir", "."), "tests", "interop", "linux-cache"))
    os.makedirs(cache, exist_ok=True)
    tap = portcullis.Tap()
    with portcullis.Daemon(portcullis.config([portcullis.target(luns=LUNS)])) as daemon:
        initramfs = os.path.join(daemon.directory, "initramfs")
        try:
            files = guest.unpack(cache)
            guest.build(files, initramfs, HOST)
        except guest.Unavailable as problem:
            portcullis.skip_all("no Linux for the guest: " + " ".join(str(problem).split()))
        with guest.Guest(files.kernel, initramfs, daemon.directory) as linux:
            on = Scenario(tap, daemon, linux)
            for step in (attach, from_open_to_chap, from_one_way_to_mutual, while_writing, drained, peace):
                step(on)
            tap.equal(daemon.stop(), 0, "the daemon ends well")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
