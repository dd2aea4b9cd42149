# SPDX-License-Identifier: BSD-2-Clause
"""The service's sandbox lets the daemon make the system calls that it makes: those of a start, of discovery and CHAP,
of each kind of disk command, of a credential change, a reload and the way out are held against SystemCallFilter. One
that is refused is no crash but EPERM, so it would only be seen as something that works less well.
"""
import os
import re
import shutil
import signal
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import initiator  # noqa: E402
import portcullis  # noqa: E402

UNIT = os.path.join(os.environ.get("top_builddir", "."), "contrib", "portcullisd.service")
SECRET = "a.secret.of.16b"


class Traced(portcullis.Daemon):
    """Runs below strace, which counts all of its system calls by name."""

    def command(self, *arguments):
        counts = os.path.join(self.directory, "counts")
        return ["strace", "-f", "-c", "-o", counts] + super().command(*arguments)

    def pid(self):
        with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid), encoding="ascii") as children:
            return int(children.read().split()[0])

    def stop(self, timeout=30):
        """strace would let go of it and leave."""
        if self.process:
            os.kill(self.pid(), signal.SIGTERM)
            self.process.wait(timeout)
            self.process = None

    def calls(self):
        """Ends it; the names."""
        self.stop()
        with open(os.path.join(self.directory, "counts"), encoding="ascii") as counts:
            rows = [line.split() for line in counts]
        return {row[-1] for row in rows if len(row) >= 5 and row[0][0].isdigit()} - {"total"}


def members(group):
    """The system calls of a group of systemd's, through all groups that it names."""
    listed = subprocess.run(["systemd-analyze", "syscall-filter", group], capture_output=True, text=True, check=True)
    found = set()
    for word in re.findall(r"^ +([@\w-]+)$", listed.stdout, re.M):
        found |= members(word) if word.startswith("@") else {word}
    return found


def allowed(text):
    """What the lines of a unit come to: the first one permits, each other adds or, with ~, takes away."""
    found = set()
    for line in re.findall(r"^SystemCallFilter=(.*)", text, re.M):
        names = set()
        for word in line.lstrip("~").split():
            names |= members(word) if word.startswith("@") else {word}
        found = found - names if line.startswith("~") else found | names
    return found


def work(daemon):
    """A bit of everything."""
    daemon.update(SECRET)
    one = initiator.Session(*daemon.portals[0], target=portcullis.IQN, name=portcullis.INITIATOR, secret=SECRET)
    with one.login() as session:
        session.ready()
        session.write10(0, bytes(4096))
        for _ in range(3):
            session.read10(0, 8)
        session.read10(0, 512)
        session.scsi(bytes.fromhex("2a080000000000000800"), write=bytes(4096))      # WRITE, FUA
        session.scsi(bytes.fromhex("35000000000000000000"))                         # SYNCHRONIZE CACHE
        session.scsi(bytes.fromhex("93080000000000000000000000080000"), write=bytes(512))  # WRITE SAME, UNMAP
        session.scsi(bytes.fromhex("9e120000000000000000000000180000"), read=24)    # GET LBA STATUS
        session.scsi(bytes.fromhex("2f000000000000000800"))                         # VERIFY
        session.logout()
    daemon.control("ListSessions", {})
    os.kill(daemon.pid(), signal.SIGHUP)
    daemon.wait_event("reload-done")
    daemon.control("ResizeLun", {"TargetARN": daemon.arn(), "LunNumber": 0, "SizeInBytes": 32 << 20})
    daemon.control("DrainTarget", {"TargetARN": daemon.arn()})


def main():
    portcullis.require()
    tap = portcullis.Tap()
    name = "the sandbox permits every system call of the daemon"
    if not shutil.which("strace") or not shutil.which("systemd-analyze") or not os.path.exists(UNIT):
        tap.skip(name, "no strace, no systemd-analyze, or no unit")
        sys.exit(tap.finish())
    with open(UNIT, encoding="utf-8") as unit:
        permitted = allowed(unit.read())
    targets = [portcullis.target(luns=('path = "@DIR@/unit"; size = "16M";',))]
    with Traced(portcullis.config(targets), start=False) as daemon:
        try:
            daemon.start()
        except RuntimeError as reason:
            tap.skip(name, "strace may not trace here: %s" % str(reason).splitlines()[-1:])
            sys.exit(tap.finish())
        with open("/proc/%d/maps" % daemon.pid(), encoding="utf-8") as maps:
            if re.search("lib[at]san", maps.read()):
                tap.skip(name, "a sanitizer makes calls of its own")
                sys.exit(tap.finish())
        work(daemon)
        made = daemon.calls()
        tap.ok("mincore" in made or "preadv2" in made, "the disk's road was gone", sorted(made))
        tap.equal(sorted(made - permitted), [], name)
    sys.exit(tap.finish())


main()
