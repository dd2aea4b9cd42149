# SPDX-License-Identifier: BSD-2-Clause
"""Live operations: targets and LUNs are created, grown, changed and deleted while the daemon serves; what was
made so survives a restart, and the configuration file wins for what it names. [SCSI-21 SCSI-20 ASY-02]
"""
import fcntl
import hashlib
import json
import os
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import initiator  # noqa: E402
import portcullis  # noqa: E402

HOST = "iqn.1994-05.com.example:host"
NAMED, MADE = "iqn.2026-11.test:named", "iqn.2026-11.test:made"
MIB = 1 << 20


def configuration(*targets):
    return portcullis.config(list(targets), control='disk_directories = [ "@DIR@" ];')


def named(more="", name=NAMED):
    return portcullis.target(name, luns=('path = "@DIR@/named"; size = "8M"; %s' % more,))


def log_in(daemon, name):
    session = initiator.Session(*daemon.portals[0], target=name, name=HOST).login()
    session.ready()
    return session


def attempt(daemon, name):
    return initiator.attempt(*daemon.portals[0], target=name, name=HOST)


def capacity(session, number=0):
    session.scsi([0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], read=256)  # REPORT LUNS: from now on no LUN is news
    if number:
        session.scsi([0], lun=number)  # nor is a nexus to it
    return struct.unpack(">I", session.scsi([0x25] + [0] * 9, read=8, lun=number)[1][:4])[0] + 1


def sense_of(session):
    status, _, sense = session.scsi([0])
    return (sense[2] & 15, sense[12], sense[13]) if status else None


class Asker:
    def __init__(self, daemon, tap):
        self.daemon, self.tap = daemon, tap

    def __call__(self, operation, name=None, **members):
        """(200, reply) or (status, errorCode or __type)."""
        if name:
            members["TargetARN"] = self.daemon.arn(name)
        status, _, reply = self.daemon.control(operation, members)
        self.message = reply.get("message", "")
        if status == 200:
            return status, reply
        return status, reply.get("error", {}).get("errorCode", reply["__type"])

    def done(self, what, operation, name=None, **members):
        status, reply = self(operation, name, **members)
        self.tap.ok(status == 200, what, reply, self.message)
        return reply

    def refused(self, code, what, operation, name=None, **members):
        found = self(operation, name, **members)
        self.tap.ok(found == (500 if code == "InternalError" else 400, code), what, found, self.message)


def make_target(daemon, tap, ask):
    made = os.path.join(daemon.directory, "made")
    reply = ask.done("a target is created", "CreateTarget", TargetName=MADE.upper(), Path=made, SizeInBytes=8 * MIB)
    tap.equal((reply.get("TargetARN"), reply.get("SizeInBytes")), (daemon.arn(MADE), 8 * MIB), "the reply names it")
    with log_in(daemon, MADE) as session:
        tap.equal((session.write10(1, b"m" * 512)[0], capacity(session)), (0, 8 * 2048), "it serves at once")
    ask.done("the same again is no error", "CreateTarget", TargetName=MADE.upper(), Path=made, SizeInBytes=8 * MIB)
    for code, what, members in (
            ("TargetAlreadyExists", "another of that name", {"TargetName": MADE, "Path": "memory:", "SizeInBytes": MIB}),
            ("TargetAlreadyExists", "one that the file names", {"TargetName": NAMED, "Path": made + "2"}),
            ("InvalidParameters", "a name that is none", {"TargetName": "disk one", "Path": made + "2"}),
            ("InvalidParameters", "a path outside of the disk directories", {"TargetName": MADE + "2", "Path": "/etc/passwd"}),
            ("InvalidParameters", "a path that climbs", {"TargetName": MADE + "2", "Path": daemon.directory + "/../x"}),
            ("InvalidParameters", "a file that another LUN has", {"TargetName": MADE + "2", "Path": made}),
            ("InvalidParameters", "a file that the configuration names",
             {"TargetName": MADE + "2", "Path": os.path.join(daemon.directory, "named")}),
            ("InvalidParameters", "a file that does not exist without a size", {"TargetName": MADE + "2", "Path": made + "2"}),
            ("InvalidParameters", "half a block", {"TargetName": MADE + "2", "Path": made + "2", "SizeInBytes": 513}),
            ("InvalidParameters", "an odd block size",
             {"TargetName": MADE + "2", "Path": made + "2", "SizeInBytes": MIB, "BlockSize": 513}),
            ("InvalidParameters", "an unknown authentication",
             {"TargetName": MADE + "2", "Path": made + "2", "SizeInBytes": MIB, "Authentication": "maybe"}),
            ("InvalidParameters", "a path that would leave its string",
             {"TargetName": MADE + "2", "Path": daemon.directory + '/x"; read_only = true; serial = "y', "Cache": "z"}),
            ("ValidationException", "no path", {"TargetName": MADE + "2"}),
            ("ValidationException", "an unknown member", {"TargetName": MADE + "2", "Path": made, "Color": "red"}),
            ("SerializationException", "a size in words", {"TargetName": MADE + "2", "Path": made, "SizeInBytes": "1G"})):
        ask.refused(code, "refused: " + what, "CreateTarget", **members)
    tap.equal((attempt(daemon, MADE + "2"), os.path.exists(made + "2")), (0x0203, False), "and nothing is left of those")


def change_luns(daemon, tap, ask):
    session = log_in(daemon, NAMED)
    ask.done("a LUN of the file grows", "ResizeLun", NAMED, LunNumber=0, SizeInBytes=12 * MIB)
    tap.equal((sense_of(session), capacity(session)), ((6, 0x2a, 0x09), 12 * 2048), "its session is told and sees it")
    ask.done("to the same size is no error", "ResizeLun", NAMED, LunNumber=0, SizeInBytes=12 * MIB)
    tap.equal(sense_of(session), None, "nor a change")
    ask.refused("InvalidParameters", "refused: it does not shrink", "ResizeLun", NAMED, LunNumber=0, SizeInBytes=MIB)
    ask.refused("InvalidParameters", "refused: half a block", "ResizeLun", NAMED, LunNumber=0, SizeInBytes=12 * MIB + 1)
    ask.refused("LunInvalid", "refused: no such LUN", "ResizeLun", NAMED, LunNumber=9, SizeInBytes=MIB)
    ask.refused("TargetNotFound", "refused: no such target", "ResizeLun", MADE + "9", LunNumber=0, SizeInBytes=MIB)
    ask.refused("ValidationException", "refused: a LUN of 256", "ResizeLun", NAMED, LunNumber=256, SizeInBytes=MIB)

    second = os.path.join(daemon.directory, "second")
    ask.done("a LUN is created", "CreateLun", NAMED, LunNumber=3, Path=second, SizeInBytes=4 * MIB)
    tap.equal((sense_of(session), capacity(session, 3)), ((6, 0x3f, 0x0e), 4 * 2048), "the session is told and sees it")
    ask.done("the same again is no error", "CreateLun", NAMED, LunNumber=3, Path=second, SizeInBytes=4 * MIB)
    ask.refused("LunAlreadyAllocated", "refused: another", "CreateLun", NAMED, LunNumber=3, Path=second + "2", SizeInBytes=MIB)
    tap.ok("out of memory" not in ask.message, "and not for want of memory", ask.message)
    ask.refused("LunAlreadyAllocated", "refused: one of the file's", "CreateLun", NAMED, LunNumber=0, Path="memory:", SizeInBytes=MIB)
    ask.refused("InvalidParameters", "refused: a file that does not exist", "CreateLun", NAMED, LunNumber=4, Path=second + "4")
    tap.ok("does not exist" in ask.message and "out of memory" not in ask.message, "and why", ask.message)
    ask.refused("LunInvalid", "nothing of it is left", "ResizeLun", NAMED, LunNumber=4, SizeInBytes=MIB)
    ask.refused("InvalidParameters", "refused: more than the file system takes", "ResizeLun", NAMED, LunNumber=0,
                SizeInBytes=1 << 59)
    tap.ok("cannot be enlarged" in ask.message and os.path.getsize(os.path.join(daemon.directory, "named")) == 12 * MIB,
           "and why", ask.message)
    ask.refused("VolumeInUse", "refused: deleted under a session", "DeleteLun", NAMED, LunNumber=3)
    tap.equal(session.read10(0, 1, lun=3)[0], 0, "which goes on")
    ask.refused("InvalidParameters", "refused: a LUN of the file", "DeleteLun", NAMED, LunNumber=0)

    ask.done("a LUN is made read-only", "SetLunReadOnly", NAMED, LunNumber=0, ReadOnly=True)
    tap.ok(session.rest()[0][-1].opcode == initiator.ASYNC, "its session is closed")
    session = log_in(daemon, NAMED)
    status, _, sense = session.write10(5, b"x" * 512)
    tap.equal((status, sense[2] & 15, sense[12]), (2, 7, 0x27), "and finds it so")
    ask.done("again is no error", "SetLunReadOnly", NAMED, LunNumber=0, ReadOnly=True)
    tap.equal(session.read10(0, 1)[0], 0, "nor a change")
    session.close()


def survive(daemon, tap, ask):
    for how in ("stop", "kill"):
        getattr(daemon, how)()
        daemon.start()
        with log_in(daemon, MADE) as session:
            tap.equal(session.read10(1, 1)[1], b"m" * 512, "after %s and start the target is there, with its data" % how)
        with log_in(daemon, NAMED) as session:
            tap.equal((capacity(session), capacity(session, 3), session.write10(0, bytes(512))[0]),
                      (12 * 2048, 4 * 2048, 2), "and so are the sizes, the LUN, and what is read-only")
    differences = {row["Key"]: (row["File"], row["Running"]) for row in ask("DiffConfiguration")[1]["Differences"]}
    tap.equal(differences, {"targets[%s]" % MADE: ("absent", "present"),
                            "targets[%s].luns[0].size" % NAMED: (str(8 * MIB), str(12 * MIB)),
                            "targets[%s].luns[0].read_only" % NAMED: ("false", "true"),
                            "targets[%s].luns[3]" % NAMED: ("absent", "present")}, "the difference from the file is told")
    text = ask("ShowConfiguration")[1]["Configuration"]
    ask.done("what is shown could stand in the file", "CheckConfiguration", Configuration=text)
    ask.refused("InvalidParameters", "another gateway could not", "CheckConfiguration",
                Configuration=text.replace("sgw-12A3456B", "sgw-99999999"))
    tap.ok(MADE in text and "read_only = true" in text, "the running configuration is shown", text)
    ask.done("nothing of it is lost in a reload", "ReloadConfiguration")
    tap.equal((attempt(daemon, MADE), attempt(daemon, NAMED)), (0, 0), "all is served")


def file_wins(daemon, tap, ask):
    daemon.configure(configuration(named("read_only = false;")))
    reply = ask.done("a reload is answered when it is done", "ReloadConfiguration")
    tap.equal((reply["TargetsChanged"], reply["TargetsAdded"], reply["TargetsRemoved"]), (1, 0, 0), "with what it came to")
    with log_in(daemon, NAMED) as session:
        tap.equal(session.write10(0, bytes(512))[0], 0, "what the file says now is not read-only")
    ask.refused("InvalidParameters", "refused: a key that the file has", "SetLunReadOnly", NAMED, LunNumber=0, ReadOnly=True)
    with open(daemon.file, "a", encoding="utf-8") as out:
        out.write("colour = 1;\n")
    for operation in ("ReloadConfiguration", "CheckConfiguration", "DiffConfiguration"):
        ask.refused("InvalidParameters", operation + " says what is wrong", operation)
        tap.ok("portcullis.conf:" in ask.message and "colour" in ask.message, "and where", ask.message)
    tap.equal(attempt(daemon, NAMED), 0, "the running configuration stays")
    daemon.configure(configuration(named("read_only = false;")))
    ask.done("CheckConfiguration of a file that is good", "CheckConfiguration")
    ask.refused("InvalidParameters", "of a text that is none", "CheckConfiguration", Configuration="targets = (")


def close_session(daemon, tap, ask):
    one = log_in(daemon, MADE)
    other = initiator.Session(*daemon.portals[0], target=MADE, name=HOST + "-other").login()
    other.ready()
    reply = ask.done("a session is closed", "CloseSession", MADE, InitiatorName=HOST)
    tap.ok(reply.get("SessionsClosed") == 1 and one.rest()[0][-1].opcode == initiator.ASYNC, "as K5 says", reply)
    tap.equal(other.read10(0, 1)[0], 0, "and no other")
    ask.refused("InitiatorNotFound", "refused: there is none", "CloseSession", MADE, InitiatorName=HOST)
    odd = initiator.Session(*daemon.portals[0], target=MADE, name=HOST + "_odd").login()
    reply = ask.done("one of a name that no record can have is closed", "CloseSession", MADE, InitiatorName=HOST + "_odd")
    tap.ok(reply.get("SessionsClosed") == 1 and odd.rest()[0][-1].opcode == initiator.ASYNC, "likewise", reply)
    close_one_of_two(daemon, tap, ask)
    ask.refused("TargetNotFound", "refused: no such target", "CloseSession", MADE + "9", InitiatorName=HOST)
    ask.refused("ValidationException", "refused: no initiator", "CloseSession", MADE)
    other.close()


def close_one_of_two(daemon, tap, ask):
    """Two sessions of one initiator, told apart by ISID and TSIH."""
    first, second = (initiator.Session(*daemon.portals[0], target=MADE, name=HOST, isid=isid).login()
                     for isid in (b"\x40\0\0\1\0\1", b"\x40\0\0\1\0\2"))
    for session in (first, second):
        session.ready()
    rows = [row for row in ask.done("sessions are listed", "ListSessions", MADE)["Sessions"] if row["InitiatorName"] == HOST]
    names = {row["ISID"]: row["TSIH"] for row in rows}
    tap.equal((sorted(names), len(set(names.values()))), (["400000010001", "400000010002"], 2), "each has its own numbers")
    one, two = names["400000010001"], names["400000010002"]
    for what, members in (("another ISID", {"ISID": "400000010003"}), ("another TSIH", {"TSIH": one + two + 1}),
                          ("one's ISID and the other's TSIH", {"ISID": "400000010001", "TSIH": two})):
        ask.refused("InitiatorNotFound", "refused: " + what, "CloseSession", MADE, InitiatorName=HOST, **members)
    for what, members in (("a short ISID", {"ISID": "40000001000"}), ("an ISID that is none", {"ISID": "40000001000g"}),
                          ("a TSIH of 0", {"TSIH": 0}), ("a TSIH of 65536", {"TSIH": 65536})):
        ask.refused("ValidationException", "refused: " + what, "CloseSession", MADE, InitiatorName=HOST, **members)
    tap.equal([session.read10(0, 1)[0] for session in (first, second)], [0, 0], "none of these closed any")
    reply = ask.done("one is closed by its ISID", "CloseSession", MADE, InitiatorName=HOST, ISID="400000010001")
    tap.ok(reply["SessionsClosed"] == 1 and first.rest()[0][-1].opcode == initiator.ASYNC, "as K5 says", reply)
    tap.equal(second.read10(0, 1)[0], 0, "and not the other")
    reply = ask.done("the other by its TSIH", "CloseSession", MADE, InitiatorName=HOST, TSIH=two)
    tap.ok(reply["SessionsClosed"] == 1 and second.rest()[0][-1].opcode == initiator.ASYNC, "likewise", reply)


def beside_a_broken_one(daemon, tap, ask):
    """A target that cannot be opened is its own affair: what is done to another one neither fails nor is undone."""
    ask.done("another target is created", "CreateTarget", TargetName=MADE + "2", Path="memory:", SizeInBytes=MIB)
    daemon.configure(configuration(portcullis.target(NAMED, luns=[twin + " read_only = false;" for twin in daemon.twins()])))
    ask.refused("InternalError", "a reload that leaves one target without its LUNs", "ReloadConfiguration")
    tap.equal(attempt(daemon, NAMED), 0x0301, "nobody is served by it")
    ask.done("the other one is deleted", "DeleteTarget", MADE + "2")
    daemon.configure(configuration(named("read_only = false;")))
    ask.done("a better file", "ReloadConfiguration")
    tap.equal(attempt(daemon, NAMED), 0, "is served again")


def beside_what_cannot_grow(daemon, tap, ask):
    """A size that cannot be had fails the reload that asks for it, and no later change; nor is a file left behind."""
    daemon.configure(configuration(portcullis.target(NAMED, luns=('path = "@DIR@/named"; size = "1024P"; read_only = false;',))))
    ask.refused("InvalidParameters", "refused: a reload that asks for more than a file can have", "ReloadConfiguration")
    tap.ok("portcullis.conf:" in ask.message, "with the line", ask.message)
    vain = os.path.join(daemon.directory, "vain")
    ask.refused("InvalidParameters", "refused: a LUN of that size", "CreateLun", NAMED, LunNumber=7, Path=vain, SizeInBytes=1 << 60)
    ask.refused("InvalidParameters", "refused: a target of that size", "CreateTarget", TargetName=MADE + "2", Path=vain,
                SizeInBytes=1 << 60)
    tap.ok(not os.path.exists(vain), "no file is left of them")
    for members, words in (({"Path": "memory:"}, "size of LUN 7 of %s is missing" % NAMED),
                           ({"Path": "memory:", "SizeInBytes": 1000}, "size of LUN 7 of %s is 1000" % NAMED)):
        ask.refused("InvalidParameters", "refused: a LUN without a good size", "CreateLun", NAMED, LunNumber=7, **members)
        tap.ok(words in ask.message, "and it is told of which LUN", ask.message)
    with log_in(daemon, NAMED) as session:
        ask.done("a LUN is created on that target", "CreateLun", NAMED, LunNumber=7, Path="memory:", SizeInBytes=MIB)
        session.scsi([0])
        tap.equal(session.read10(0, 1)[0], 0, "whose sessions go on")
    tap.equal((attempt(daemon, MADE + "2"), attempt(daemon, MADE)), (0x0203, 0), "it is gone, the rest serves")
    daemon.configure(configuration(named("read_only = false;")))
    ask.done("a file that asks for less", "ReloadConfiguration")
    ask.done("the LUN is deleted again", "DeleteLun", NAMED, LunNumber=7)


def lost_files(daemon, tap, ask):
    """A file behind what was made live is gone at a start: its target alone waits, and can be mended."""
    lost, gone = os.path.join(daemon.directory, "lost"), os.path.join(daemon.directory, "gone")
    ask.done("a target on a file", "CreateTarget", TargetName=MADE + "3", Path=lost, SizeInBytes=MIB)
    os.truncate(lost, 2 * MIB)
    for number, name in ((5, gone), (6, gone + "2")):
        with open(name, "wb") as file:
            file.truncate(MIB)
        ask.done("a LUN on a file without a size", "CreateLun", NAMED, LunNumber=number, Path=name)
    daemon.stop()
    os.unlink(gone)
    os.unlink(gone + "2")
    os.chmod(lost, 0)
    os.rename(lost, lost + "2")
    os.mkdir(lost)
    daemon.start()
    states = {row["TargetName"]: row["State"] for row in ask("ListTargets")[1]["Targets"]}
    tap.equal((states[NAMED], states[MADE + "3"], states[MADE]), ("broken", "broken", "ok"), "what cannot be opened is broken")
    tap.equal((attempt(daemon, NAMED), attempt(daemon, MADE + "3"), attempt(daemon, MADE)), (0x0301, 0x0301, 0),
              "and served to nobody; the rest is served [K9]")
    tap.ok("made live: " + gone in daemon.log(since_start=True), "the log says why")
    ask.done("one of its lost LUNs is deleted", "DeleteLun", NAMED, LunNumber=5)
    tap.equal(attempt(daemon, NAMED), 0x0301, "the other one is not there yet")
    ask.done("and so is that", "DeleteLun", NAMED, LunNumber=6)
    tap.equal(attempt(daemon, NAMED), 0, "and it serves again")
    os.rmdir(lost)
    os.rename(lost + "2", lost)
    os.chmod(lost, 0o600)
    ask.done("the file is back", "ReloadConfiguration")
    with log_in(daemon, MADE + "3") as session:
        tap.equal(capacity(session), 2 * 2 * MIB // 1024, "and after a reload its target serves")
    ask.done("it is deleted", "DeleteTarget", MADE + "3", Force=True)


def taken_over(daemon, tap, ask):
    """What the file names is the file's: when it drops that, nothing comes back of how it was made live, least of all
    a door that stood open."""
    name = MADE + "4"
    own = named("read_only = false;")
    for how in ("a reload", "a start"):
        def take(*targets):
            daemon.configure(configuration(*targets))
            if how == "a reload":
                ask.done("the file is read", "ReloadConfiguration")
            else:
                daemon.stop()
                daemon.start()
        ask.done("a target is created that anybody may log in to", "CreateTarget", TargetName=name, Path="memory:", SizeInBytes=MIB)
        tap.equal(attempt(daemon, name), 0, "and does")
        take(own, portcullis.target(name, authentication="chap", luns=("path = \"memory:\"; size = \"1M\";",)))
        tap.equal(attempt(daemon, name), 0x0201, "the file has taken it over, with CHAP, at " + how)
        take(own)
        tap.equal(attempt(daemon, name), 0x0203, "and has dropped it: it is gone")
        daemon.kill()
        daemon.start()
        tap.equal(attempt(daemon, name), 0x0203, "after a restart too")


def dropped(tap):
    """What was made live of a target that the file has dropped stands in nobody's way, neither now nor when it comes back."""
    both = (named(), portcullis.target(MADE, luns=('path = "memory:"; size = "1M";',)))
    with portcullis.Daemon(configuration(*both)) as daemon:
        ask = Asker(daemon, tap)
        disk = os.path.join(daemon.directory, "disk")
        ask.done("a LUN is added to a target of the file", "CreateLun", MADE, LunNumber=3, Path=disk, SizeInBytes=MIB)
        ask.done("which is drained", "DrainTarget", MADE)
        daemon.configure(configuration(named()))
        ask.done("and dropped", "ReloadConfiguration")
        ask.done("its disk is a live target's now", "CreateTarget", TargetName=MADE + "2", Path=disk)
        ask.done("and there is another target of its name", "CreateTarget", TargetName=MADE, Path="memory:", SizeInBytes=MIB)
        tap.equal(attempt(daemon, MADE), 0, "which is not drained")
        daemon.configure(configuration(*both))
        ask.done("the file names it again", "ReloadConfiguration")
        daemon.stop()
        daemon.start()
        tap.equal((attempt(daemon, MADE), attempt(daemon, MADE + "2")), (0, 0), "both are served, after a restart too")


def found_again(tap):
    """A LUN that is to be written is opened anew: nothing is closed that would not be there again. Those beside it stay open."""
    with portcullis.Daemon(configuration(named())) as daemon:
        ask = Asker(daemon, tap)
        first, second = (os.path.join(daemon.directory, name) for name in ("named", "second"))
        with open(second, "wb") as file:
            file.truncate(MIB)
        ask.done("a LUN is created that may only be read", "CreateLun", NAMED, LunNumber=1, Path=second, ReadOnly=True)
        session = log_in(daemon, NAMED)
        tap.equal(session.write10(0, b"k" * 512)[0], 0, "there is data on the LUN beside it")
        with open(second, "rb") as reader:
            fcntl.lockf(reader, fcntl.LOCK_SH)
            ask.refused("InvalidParameters", "refused: to write what somebody else reads", "SetLunReadOnly", NAMED, LunNumber=1, ReadOnly=False)
            tap.equal(session.read10(0, 1)[0], 0, "before any session was touched")
        os.rename(second, second + "2")
        ask.refused("InvalidParameters", "refused: to write what is not there", "SetLunReadOnly", NAMED, LunNumber=1, ReadOnly=False)
        tap.ok("second: cannot be opened again" in ask.message, "it says why", ask.message)
        tap.equal(session.read10(0, 1)[1], b"k" * 512, "and what is served is served on")
        os.rename(first, first + "2")
        ask.done("a LUN goes", "DeleteLun", NAMED, LunNumber=1, Force=True)
        with log_in(daemon, NAMED) as session:
            tap.equal((session.read10(0, 1)[1], os.path.exists(first)), (b"k" * 512, False), "the one beside it is not opened anew")


def blocks(tap):
    """Another block size in the file than that of a size set live keeps nobody from starting."""
    with portcullis.Daemon(configuration(named())) as daemon:
        ask = Asker(daemon, tap)
        ask.done("a LUN grows by a block", "ResizeLun", NAMED, LunNumber=0, SizeInBytes=8 * MIB + 512)
        daemon.stop()
        daemon.configure(configuration(named("block_size = 4096;")))
        daemon.start()
        tap.equal(attempt(daemon, NAMED), 0, "with larger blocks in the file it is served")
        tap.ok(daemon.wait_event("live-change-out-of-force", target=NAMED), "and the log says so")


def full(tap):
    """What is made live is never more than a start can read."""
    with portcullis.Daemon(configuration(named())) as daemon:
        ask = Asker(daemon, tap)
        ask.done("a target is drained", "DrainTarget", NAMED)
        daemon.stop()
        live = os.path.join(daemon.directory, "state", "live")
        with open(live, "rb") as file:
            sealed = json.loads(file.readline())
        key = next(key for key, value in sealed.items() if "drained" in str(value))
        sealed[key] = "drained = ( %s );" % ", ".join('{ name = "%s%d"; }' % (MADE, number) for number in range(4096))
        line = json.dumps(sealed).encode() + b"\n"
        with open(live, "wb") as file:
            file.write(line + hashlib.sha256(line).hexdigest().encode() + b"\n")
        daemon.start()
        ask.refused("InvalidParameters", "refused: one more than there may be", "DrainTarget", NAMED)
        daemon.stop()
        daemon.start()
        tap.equal(attempt(daemon, NAMED), 0, "it starts again, and nothing has changed")


def deletions(daemon, tap, ask):
    ask.done("a LUN is deleted when nobody is logged in", "DeleteLun", NAMED, LunNumber=3)
    ask.refused("LunInvalid", "refused: it is gone", "DeleteLun", NAMED, LunNumber=3)
    tap.ok(os.path.exists(os.path.join(daemon.directory, "second")), "its file stays")
    ask.refused("InvalidParameters", "refused: a target's only LUN", "DeleteLun", MADE, LunNumber=0)
    ask.refused("InvalidParameters", "refused: a target of the file", "DeleteTarget", NAMED)
    session = log_in(daemon, MADE)
    ask.refused("VolumeInUse", "refused: a target with a session", "DeleteTarget", MADE)
    tap.equal((session.read10(1, 1)[0], attempt(daemon, MADE)), (0, 0), "which goes on, and others log in")
    ask.done("by force it is deleted", "DeleteTarget", MADE, Force=True)
    tap.ok(session.rest()[0][-1].opcode == initiator.ASYNC, "its session is closed")
    tap.equal(attempt(daemon, MADE), 0x0203, "it is not known any more")
    ask.refused("TargetNotFound", "refused: it is gone", "DeleteTarget", MADE)
    daemon.kill()
    daemon.start()
    tap.equal((attempt(daemon, MADE), attempt(daemon, NAMED)), (0x0203, 0), "nor after a restart")
    tap.ok(os.path.exists(os.path.join(daemon.directory, "made")), "its file stays")
    memory = {"LunNumber": 1, "Path": "memory:", "SizeInBytes": MIB}
    ask.done("a LUN of memory is created", "CreateLun", NAMED, **memory)
    with log_in(daemon, NAMED) as session:
        session.scsi([0], lun=1)
        tap.equal(session.write10(5, b"m" * 512, lun=1)[0], 0, "and written")
    ask.done("another LUN is created", "CreateLun", NAMED, LunNumber=2, Path=os.path.join(daemon.directory, "second"))
    for what, change in (("the LUN beside it is deleted", ("DeleteLun", {"LunNumber": 2})),
                         ("it may only be read", ("SetLunReadOnly", {"LunNumber": 1, "ReadOnly": True})),
                         ("it may be written", ("SetLunReadOnly", {"LunNumber": 1, "ReadOnly": False}))):
        ask.done(what, change[0], NAMED, **change[1])
        with log_in(daemon, NAMED) as session:
            session.scsi([0], lun=1)
            tap.equal(session.read10(5, 1, lun=1)[:2], (0, b"m" * 512), "the memory keeps its data")
            status = session.write10(6, b"n" * 512, lun=1)[0]
            tap.equal(status == 2, change[1].get("ReadOnly", False), "and is written, or not")
    ask.refused("InvalidParameters", "refused: memory does not grow", "ResizeLun", NAMED, LunNumber=1, SizeInBytes=2 * MIB)
    ask.done("it is deleted", "DeleteLun", NAMED, LunNumber=1)
    ask.done("and another one created", "CreateLun", NAMED, **memory)
    with log_in(daemon, NAMED) as session:
        session.scsi([0], lun=1)
        tap.equal(session.read10(5, 1, lun=1)[:2], (0, bytes(512)), "which is empty")


def broken(daemon, tap):
    daemon.stop()
    live = os.path.join(daemon.directory, "state", "live")
    with open(live, "rb") as file:
        good = file.read()
    for what, spoil in (("is damaged", lambda: open(live, "wb").write(good[:20] + b"x" + good[21:])),
                        ("is missing", lambda: os.unlink(live))):
        spoil()
        said = ""
        try:
            daemon.start()
        except RuntimeError as error:
            said = str(error)
        tap.ok("state/live: " in said, "a start is refused when the file of what was made live %s [K9]" % what, said)


def main():
    portcullis.require()
    tap = portcullis.Tap()
    with portcullis.Daemon(configuration(named())) as daemon:
        ask = Asker(daemon, tap)
        for step in (make_target, change_luns, survive, file_wins, close_session,
                     beside_a_broken_one, beside_what_cannot_grow, lost_files, taken_over, deletions):
            step(daemon, tap, ask)
        broken(daemon, tap)
    dropped(tap)
    found_again(tap)
    blocks(tap)
    full(tap)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
