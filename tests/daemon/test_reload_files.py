# SPDX-License-Identifier: BSD-2-Clause
"""The stores behind LUNs over a reload: what stays is not opened anew, what is and is not found again refuses the reload and
is never made anew, empty; a file goes from target to target in one reload. [SCSI-21 SCSI-20 ASY-02]
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import initiator  # noqa: E402
import portcullis  # noqa: E402

HOST = "iqn.1994-05.com.example:host"
ONE, TWO, THREE = ("iqn.2026-11.test:%s" % name for name in ("one", "two", "three"))
MIB = 1 << 20


def lun(name, more="", size="8M"):
    return 'path = "@DIR@/%s"; size = "%s"; %s' % (name, size, more)


def shape(**targets):
    """A configuration; one = ("a", ...) are the files of that target's LUNs, or their keys."""
    names = {"one": ONE, "two": TWO, "three": THREE}
    return portcullis.config([portcullis.target(names[name], luns=[each if "=" in each else lun(each) for each in luns])
                              for name, luns in targets.items()], control='disk_directories = [ "@DIR@" ];')


def log_in(daemon, name):
    session = initiator.Session(*daemon.portals[0], target=name, name=HOST).login()
    session.ready()
    return session


class Bench:
    """A daemon, and what is asked of it and its files."""

    def __init__(self, daemon, tap):
        self.daemon, self.tap, self.message = daemon, tap, ""

    def path(self, name):
        return os.path.join(self.daemon.directory, name)

    def move(self, name, other):
        os.rename(self.path(name), self.path(other))

    def attempt(self, name):
        return initiator.attempt(*self.daemon.portals[0], target=name, name=HOST)

    def reload(self, text=None, **targets):
        """(status, [added, changed, removed])"""
        self.daemon.configure(text or shape(**targets))
        status, _, reply = self.daemon.control("ReloadConfiguration", {})
        self.message = reply.get("message", "")
        return status, [reply.get(key) for key in ("TargetsAdded", "TargetsChanged", "TargetsRemoved")]

    def done(self, what, counts, **targets):
        found = self.reload(**targets)
        self.tap.ok(found == (200, counts), what, found, self.message, self.daemon.log()[-1500:])

    def refused(self, what, words, text=None, status=400, **targets):
        found = self.reload(text, **targets)
        self.tap.ok(found[0] == status and words in self.message, what, found, self.message)

    def mark(self, name, byte, number=0):
        with log_in(self.daemon, name) as session:
            session.scsi([0], lun=number)
            self.tap.equal(session.write10(0, byte * 512, lun=number)[0], 0, "there is data on LUN %d of %s" % (number, name))

    def marks(self, name, count=1):
        """What is on the first blocks of that target's LUNs."""
        with log_in(self.daemon, name) as session:
            for number in range(1, count):
                session.scsi([0], lun=number)
            return b"".join(session.read10(0, 1, lun=number)[1][:1] for number in range(count))


def lost(bench):
    """A reload that would open a LUN anew whose file is not there any more is refused, and touches nobody."""
    tap = bench.tap
    bench.mark(ONE, b"a")
    bench.mark(TWO, b"c")
    session = log_in(bench.daemon, ONE)
    bench.move("a", "away")
    for what, one in (("it is made read-only", (lun("a", "read_only = true;"), "b")), ("its blocks are larger", (lun("a", "block_size = 4096;"), "b"))):
        bench.refused("refused: " + what, "/a: cannot be opened again: No such file or directory", one=one, two=("c",))
        tap.ok("portcullis.conf:7: " in bench.message, "with its line", bench.message)
        tap.equal((os.path.exists(bench.path("a")), os.path.exists(bench.path("other")), session.read10(0, 1)[:2]),
                  (False, False, (0, b"a" * 512)), "nothing is made, and what is served is served on")
    bench.refused("so is all else that stands in that file", "/a: cannot be opened again", one=(lun("a", "read_only = true;"),),
                  three=("new",), two=(lun("c", size="16M"),))
    tap.equal((bench.attempt(THREE), os.path.exists(bench.path("new")), os.path.getsize(bench.path("c")), bench.marks(TWO)),
              (0x0203, False, 8 * MIB, b"c"), "none of it is done")
    tap.ok(bench.daemon.wait_event("reload-refused"), "the log says so")
    with open(bench.path("a"), "wb") as other:
        other.truncate(8 * MIB)
    bench.refused("refused: another file is there", "/a: is another file than the one that is served",
                  one=(lun("a", "read_only = true;"), "b"), two=("c",))
    bench.done("what opens nothing anew is done", [0, 1, 0], one=("a", "b", "new"), two=("c",))
    tap.equal((session.scsi([0])[0], session.read10(0, 1)[1]), (2, b"a" * 512), "under its session")
    os.unlink(bench.path("a"))
    bench.done("LUNs beside it are taken out", [0, 1, 0], one=("a",), two=("c",))
    tap.ok(session.rest()[0][-1].opcode == initiator.ASYNC, "its session is closed")
    tap.equal((bench.marks(ONE), os.path.exists(bench.path("a"))), (b"a", False), "and it is not opened anew")
    bench.done("a target whose file is gone is taken out", [0, 0, 1], two=("c",))
    bench.done("and put in again: then the file is made", [1, 0, 0], one=("a", "b"), two=("c",))
    tap.equal(bench.marks(ONE), b"\0", "as it is for every new LUN")
    bench.move("away", "a")
    bench.done("it is taken out once more", [0, 0, 1], two=("c",))
    bench.done("and has its old file again", [1, 0, 0], one=("a", "b"), two=("c",))
    tap.equal(bench.marks(ONE), b"a", "with its data")


def memory(bench):
    """A disk in memory keeps its data, whatever becomes of the LUNs beside it, for as long as its number and block size stay."""
    def disk(more="", size="1M"):
        return 'path = "memory:"; size = "%s"; %s' % (size, more)

    tap = bench.tap
    twin, other = bench.daemon.twins()
    keeps = (("a LUN beside it goes", (disk(), disk())), ("one comes, and the other is a file now", ("new", disk(), disk())),
             ("it may only be read", (disk(), disk("read_only = true;"))), ("it may be written again, and has another serial", (disk(), disk('serial = "x";'))),
             ("a LUN beside it cannot be opened", (twin, disk(), other)), ("that one is another file", ("new", disk())))
    bench.done("a target of memory", [1, 0, 0], one=("a", "b"), two=("c",), three=(disk(), disk(), disk()))
    bench.mark(THREE, b"m", 1)
    for what, three in keeps:
        if "cannot" in what:
            bench.refused(what, "twin: is already in use", status=500, one=("a", "b"), two=("c",), three=three)
            tap.equal(bench.attempt(THREE), 0x0301, "then nothing is served")
            continue
        bench.done(what, [0, 1, 0], one=("a", "b"), two=("c",), three=three)
        with log_in(bench.daemon, THREE) as session:
            session.scsi([0], lun=1)
            tap.equal(session.read10(0, 1, lun=1)[:2], (0, b"m" * 512), "it keeps its data")
    bench.refused("refused: it shall grow", "cannot grow", one=("a", "b"), two=("c",), three=("new", disk(size="2M")))
    bench.done("its blocks are larger", [0, 1, 0], one=("a", "b"), two=("c",), three=("new", disk("block_size = 4096;")))
    with log_in(bench.daemon, THREE) as session:
        session.scsi([0], lun=1)
        tap.equal(session.read10(0, 1, lun=1)[1][:512], bytes(512), "then it is a new one")
    bench.done("it goes", [0, 0, 1], one=("a", "b"), two=("c",))


def grows(bench):
    """A LUN that is kept open while one beside it goes grows all the same, also at another number."""
    bench.done("a LUN goes, the other ones grow and have other numbers", [0, 1, 0], one=(lun("b", size="12M"), lun("a", size="16M")), two=("c",))
    bench.tap.equal((bench.marks(ONE, 2)[1:], os.path.getsize(bench.path("a")), os.path.getsize(bench.path("b"))), (b"a", 16 * MIB, 12 * MIB),
                    "so it is, and the data stays")
    with log_in(bench.daemon, ONE) as session:
        session.scsi([0], lun=1)
        last = session.read10(16 * 2048 - 1, 1, lun=1)[:2]
        bench.tap.equal(last, (0, bytes(512)), "up to the last block")
    bench.done("back", [0, 1, 0], one=("a", "b"), two=("c",))


def made_live(bench):
    """A LUN that stands in no file stays open like any other."""
    status, _, reply = bench.daemon.control("CreateLun", {"TargetARN": bench.daemon.arn(TWO), "LunNumber": 7, "Path": bench.path("live"),
                                                          "SizeInBytes": MIB})
    bench.tap.equal((status, reply.get("LunNumber")), (200, 7), "a LUN is made live")
    bench.move("live", "away")
    bench.done("the LUN beside it may only be read", [0, 1, 0], one=("a", "b"), two=(lun("c", "read_only = true;"),))
    with log_in(bench.daemon, TWO) as session:
        session.scsi([0], lun=7)
        bench.tap.equal((session.write10(0, b"l" * 512, lun=7)[0], os.path.exists(bench.path("live"))), (0, False), "it is written as before")
    bench.done("or be written again", [0, 1, 0], one=("a", "b"), two=("c",))
    bench.move("away", "live")
    bench.tap.equal(bench.daemon.control("DeleteLun", {"TargetARN": bench.daemon.arn(TWO), "LunNumber": 7})[0], 200, "it is deleted")


def lost_later(bench):
    """What cannot be opened when its sessions are gone leaves a target without LUNs; no later reload makes what it had."""
    tap = bench.tap
    session = log_in(bench.daemon, ONE)
    for what, one in (("there is a new LUN", ("a", "b", lun("no/where"))), ("one goes beside it", (lun("no/where"),)),
                      ("one is opened anew beside it", (lun("a", "read_only = true;"), lun("no/where"))),
                      ("it takes the place of one", (lun("no/where"), "b"))):
        bench.refused("refused: %s and it cannot be opened" % what, "portcullis.conf:7: ", one=one, two=("c",))
        tap.ok("/no/where: no such directory" in bench.message, "and why", bench.message)
        tap.equal(session.read10(0, 1)[:2], (0, b"a" * 512), "no session is touched")
    os.symlink("a", bench.path("alias"))
    bench.done("a LUN's file by another name", [0, 1, 0], one=(lun("alias"), "b", "new"), two=("c",))
    tap.equal(bench.marks(ONE), b"a", "is the same")
    bench.done("and by its own again", [0, 1, 0], one=("a", "b"), two=("c",))
    bench.refused("LUNs beside one that is opened anew cannot be opened", "twin: is already in use", status=500,
                  one=(lun("a", "read_only = true;"), *bench.daemon.twins()), two=("c",))
    tap.equal(bench.attempt(ONE), 0x0301, "the target is served to nobody")
    bench.move("a", "away")
    for turn in ("a reload", "and another one"):
        bench.refused(turn + " does not make the file anew", "/a: is not there any more", status=500, one=("a", "b"), two=("c",))
        tap.ok("portcullis.conf:7: " in bench.message, "and tells the line", bench.message)
        tap.equal((os.path.exists(bench.path("a")), bench.attempt(ONE), bench.marks(TWO)), (False, 0x0301, b"c"),
                  "its target is served to nobody, the other one is")
    bench.move("away", "a")
    bench.done("with the file back", [0, 1, 0], one=("a", "b"), two=("c",))
    tap.equal(bench.marks(ONE), b"a", "it is served again, with its data")


def moves(bench):
    """A file goes from target to target in one reload."""
    tap = bench.tap
    bench.mark(ONE, b"b", 1)
    giver, taker = log_in(bench.daemon, ONE), log_in(bench.daemon, TWO)
    bench.move("b", "away")
    bench.refused("refused: it is not there", "/b: cannot be opened again", one=("a",), two=("c", "b"))
    tap.equal((giver.read10(0, 1)[0], taker.read10(0, 1)[0], os.path.exists(bench.path("b"))), (0, 0, False), "before any session was touched")
    bench.move("away", "b")
    bench.done("a LUN goes to another target", [0, 2, 0], one=("a",), two=("c", "b"))
    tap.ok(giver.rest()[0][-1].opcode == initiator.ASYNC, "the sessions of the one that had it are closed")
    status, _, sense = taker.scsi([0])
    tap.equal((status, sense[2] & 15, sense[12], sense[13]), (2, 6, 0x3f, 0x0e), "those of the one that gets it are told")
    tap.equal((bench.marks(ONE), bench.marks(TWO, 2)), (b"a", b"cb"), "the data went with it")
    taker.close()
    bench.done("to a new one", [1, 1, 0], one=("a",), two=("c",), three=(lun("b", "read_only = true;"), "more"))
    tap.equal((bench.marks(TWO), bench.marks(THREE, 2)), (b"c", b"b\0"), "likewise")
    bench.done("all of a target that goes, to another place of one that stays", [0, 1, 1], one=("more", "a", "b"), two=("c",))
    tap.equal((bench.attempt(THREE), bench.marks(ONE, 3)), (0x0203, b"\0ab"), "likewise")
    bench.done("targets change their files", [0, 2, 0], one=("c",), two=("more", "a", "b"))
    tap.equal((bench.marks(ONE), bench.marks(TWO, 3)), (b"c", b"\0ab"), "likewise")
    bench.done("a target has another name", [1, 0, 1], three=("c",), two=("more", "a", "b"))
    tap.equal((bench.attempt(ONE), bench.marks(THREE)), (0x0203, b"c"), "likewise")
    bench.refused("refused: to a new one that wants what cannot be had", "/no/where", three=("c",), two=("a", "b"),
                  one=("more", lun("no/where")))
    tap.equal((bench.attempt(ONE), bench.marks(TWO, 3), bench.marks(THREE)), (0x0203, b"\0ab", b"c"), "all is as it was")
    bench.done("back, and no LUN where it was", [1, 1, 1], two=("a",), one=("c", "b"))
    for turn in range(6):
        files = ("abc", "bca", "cab")[turn % 3]
        bench.done("three in a ring", [1, 2, 0] if turn == 0 else [0, 3, 0], one=files[0], two=files[1], three=files[2])
        tap.equal(b"".join(bench.marks(name) for name in (ONE, TWO, THREE)), files.encode(), "each has its own")


def main():
    portcullis.require()
    tap = portcullis.Tap()
    with portcullis.Daemon(shape(one=("a", "b"), two=("c",))) as daemon:
        bench = Bench(daemon, tap)
        lost(bench)
        memory(bench)
        grows(bench)
        made_live(bench)
        lost_later(bench)
        moves(bench)
        tap.equal(daemon.stop(), 0, "the daemon ends in order")
        tap.ok("Sanitizer" not in daemon.log(), "and leaves nothing behind", daemon.log()[-2000:])
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
