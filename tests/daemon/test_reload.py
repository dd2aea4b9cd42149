# SPDX-License-Identifier: BSD-2-Clause
"""SIGHUP applies a new configuration: targets and LUNs are added, grown, changed and taken out, and sessions of
what did not change notice nothing. [SCSI-21 SCSI-20 ASY-02 SCSI-02]
"""
import os
import random
import re
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import initiator  # noqa: E402
import portcullis  # noqa: E402

HOST = "iqn.1994-05.com.example:host"
STAYS, CHANGES, COMES = ("iqn.2026-11.test:%s" % name for name in ("stays", "changes", "comes"))


def lun(name, size="8M", more=""):
    return 'path = "@DIR@/%s"; size = "%s"; %s' % (name, size, more)


def log_in(daemon, name, secret=None, **options):
    session = initiator.Session(*daemon.portals[0], target=name, name=HOST, secret=secret, **options).login()
    session.ready()
    return session


def attempt(daemon, name, secret=None):
    return initiator.attempt(*daemon.portals[0], target=name, name=HOST, secret=secret)


def targets(*found):
    return portcullis.config(list(found))


def reload(daemon, text):
    """Applies a configuration; the log's line about what came of it."""
    finished = r"what=reload-\S+ .*$"
    done = len(re.findall(finished, daemon.log(), re.M))
    daemon.configure(text)
    daemon.reload()
    initiator.wait_until(lambda: len(re.findall(finished, daemon.log(), re.M)) > done, 20)
    return re.findall(finished, daemon.log(), re.M)[-1]


def sense_of(session):
    status, _, sense = session.scsi([0])
    return (sense[2] & 15, sense[12], sense[13]) if status else None


def capacity(session, number=0):
    return struct.unpack(">I", session.scsi([0x25] + [0] * 9, read=8, lun=number)[1][:4])[0] + 1


def luns(session):
    data = session.scsi([0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0], read=256)[1]
    return [data[at + 1] for at in range(8, 8 + struct.unpack(">I", data[:4])[0], 8)]


class Busy(threading.Thread):
    """A session of the target that stays, never at rest."""

    def __init__(self, daemon):
        super().__init__()
        self.session, self.done, self.failure, self.count = log_in(daemon, STAYS), threading.Event(), None, 0

    def run(self):
        try:
            while not self.done.is_set():
                data = struct.pack(">Q", self.count) * 64
                if self.session.write10(3, data)[0] or self.session.read10(3, 1)[:2] != (0, data):
                    raise AssertionError("a command failed")
                self.count += 1
        except Exception as error:  # whatever it is, it is the finding
            self.failure = repr(error)


def lun_changes(daemon, tap, stays):
    one = log_in(daemon, CHANGES)
    one.write10(5, b"k" * 512)
    line = reload(daemon, targets(stays, portcullis.target(CHANGES, luns=(lun("changes", "12M"),))))
    tap.ok("changed=1" in line and "failed=0" in line, "a LUN grows", line)
    tap.equal(sense_of(one), (6, 0x2a, 0x09), "its session is told that the capacity changed")
    tap.equal(capacity(one), 12 * 2048, "and sees it")
    tap.equal(one.write10(12 * 2048 - 1, b"e" * 512)[0], 0, "the last new block can be written")
    tap.equal(one.read10(10 * 2048, 1)[1], bytes(512), "new blocks read as zeros")
    line = reload(daemon, targets(stays, portcullis.target(CHANGES, luns=(lun("changes", "4M"),))))
    tap.equal((sense_of(one), capacity(one)), (None, 12 * 2048), "a smaller size is a floor that is reached: nothing shrinks")

    line = reload(daemon, targets(stays, portcullis.target(CHANGES, luns=(lun("changes", "4M"), lun("second")))))
    tap.ok("changed=1" in line and "failed=0" in line, "a LUN is added", line)
    tap.equal(sense_of(one), (6, 0x3f, 0x0e), "the session is told that the LUNs changed")
    tap.equal((luns(one), capacity(one, 1)), ([0, 1], 8 * 2048), "and sees the new one")
    tap.equal(one.write10(1, b"n" * 512, lun=1)[0], 0, "and writes to it")

    line = reload(daemon, targets(stays, portcullis.target(CHANGES, luns=(lun("changes", "4M"),))))
    pdus, reset = one.rest()
    tap.ok(not reset and pdus[-1].opcode == initiator.ASYNC, "a LUN is taken out: the target's sessions are closed", pdus)
    one = log_in(daemon, CHANGES)
    tap.equal((luns(one), one.read10(5, 1)[1]), ([0], b"k" * 512), "and come back to what is left, with its data")
    reload(daemon, targets(stays, portcullis.target(CHANGES, luns=(lun("changes", "4M", "read_only = true;"),))))
    one.rest()
    one = log_in(daemon, CHANGES)
    status, _, sense = one.write10(5, b"x" * 512)
    tap.equal((status, sense[2] & 15, sense[12]), (2, 7, 0x27), "a LUN made read-only refuses writes")
    reload(daemon, targets(stays, portcullis.target(CHANGES, luns=(lun("changes", "4M"),))))
    one.close()


def policy_changes(daemon, tap, stays):
    def policy(word):
        return targets(stays, portcullis.target(CHANGES, authentication=word, luns=(lun("changes", "4M"),)))
    daemon.update("secret-000000", initiator=HOST, name=CHANGES)
    reload(daemon, policy("none"))
    one = log_in(daemon, CHANGES)
    tap.ok(one, "under \"none\" no CHAP is asked for")
    begun = initiator.Session(*daemon.portals[0], target=CHANGES, name=HOST)
    steps = begun.login_steps()
    while next(steps) != "operational":
        pass
    reload(daemon, policy("chap"))
    tap.ok(one.rest()[0][-1].opcode == initiator.ASYNC, "a stricter policy closes who came in without")
    tap.equal(begun.rest(), ([], False), "and ends logins that began before")
    tap.equal((attempt(daemon, CHANGES), attempt(daemon, CHANGES, "secret-000000")), (0x0201, 0), "then it is asked for")
    two = log_in(daemon, CHANGES, "secret-000000")
    reload(daemon, policy("auto"))
    tap.equal(two.read10(0, 1)[0], 0, "a change that locks nobody out closes nobody")
    daemon.control("DeleteChapCredentials", {"TargetARN": daemon.arn(CHANGES), "InitiatorName": HOST})


def coming_and_going(daemon, tap, stays, changes):
    comes = portcullis.target(COMES, luns=(lun("comes"),))
    line = reload(daemon, targets(stays, changes, comes))
    tap.ok("added=1" in line, "a target is added", line)
    one = log_in(daemon, COMES)
    tap.equal(one.write10(0, b"c" * 512)[0], 0, "it serves at once")
    with initiator.Session(*daemon.portals[0], name=HOST, discovery=True).login() as found:
        names = {value for key, value in found.send_targets() if key == "TargetName"}
    tap.equal(names, {STAYS, CHANGES, COMES}, "and is discovered")
    daemon.update("secret-000001", initiator=HOST, name=COMES)
    one.close()
    one = log_in(daemon, COMES, "secret-000001")
    line = reload(daemon, targets(stays, changes))
    tap.ok("removed=1" in line and one.rest()[0][-1].opcode == initiator.ASYNC, "taken out, its sessions are closed", line)
    tap.equal(attempt(daemon, COMES, "secret-000001"), 0x0203, "and it is not known any more")
    reload(daemon, targets(stays, changes, comes))
    tap.equal((attempt(daemon, COMES), attempt(daemon, COMES, "secret-000001")), (0x0201, 0),
              "added again, its credentials are still in force")
    with log_in(daemon, COMES, "secret-000001") as again:
        tap.equal(again.read10(0, 1)[1], b"c" * 512, "and its data is there")
    reload(daemon, targets(stays, changes))
    bad = portcullis.target(COMES, luns=('path = "@DIR@/no/where";',))
    also = portcullis.target("iqn.2026-11.test:also", luns=(lun("also"),))
    line = reload(daemon, targets(stays, also, bad))
    tap.ok(re.search(r"portcullis\.conf:\d+: .*no/where", line), "a LUN that cannot be opened keeps all as it was", line)
    tap.equal((attempt(daemon, CHANGES), attempt(daemon, "iqn.2026-11.test:also")), (0, 0x0203), "as it was indeed")
    line = reload(daemon, targets(stays, changes, also))
    tap.ok("added=1" in line, "what was opened for nothing is free for the next one", line)
    reload(daemon, targets(stays, changes))


def a_rebuild_that_fails(daemon, tap, stays, changes):
    """Its sessions are gone before its LUNs can be opened anew: it waits, served to nobody, for a better file."""
    def told():
        status, _, reply = daemon.control("ListTargets", {})
        return status, [row for row in reply["Targets"] if row["TargetName"] == CHANGES]
    one = log_in(daemon, CHANGES)
    line = reload(daemon, targets(stays, portcullis.target(CHANGES, luns=daemon.twins())))
    tap.ok("failed=1" in line and one.rest()[0][-1].opcode == initiator.ASYNC, "LUNs that cannot be opened anew", line)
    tap.equal(attempt(daemon, CHANGES), 0x0301, "leave a target that is served to nobody")
    status, rows = told()
    tap.equal((status, rows and rows[0]["State"]), (200, "broken"), "and is listed as broken")
    tap.equal(daemon.control("ListVolumes", {})[0], 200, "its volumes are listed too")
    reload(daemon, targets(stays, changes))
    tap.equal((attempt(daemon, CHANGES), told()[1][0]["State"]), (0, "ok"), "until a reload that can")


def every_nexus(daemon, tap, stays):
    """What a reload changes of a LUN is told once on each nexus of it, and on no other."""
    def shape(second, third=False):
        return targets(stays, portcullis.target(CHANGES, luns=(lun("changes", "4M"), lun("second", second)) +
                                                ((lun("third", "1M"),) if third else ())))

    def senses(session, number):
        status, _, sense = session.scsi([0], lun=number)
        return (sense[2] & 15, sense[12], sense[13]) if status else None
    reload(daemon, shape("8M"))
    nexuses = [initiator.Session(*daemon.portals[0], target=CHANGES, name="%s-%d" % (HOST, number // 2)).login()
               for number in range(12)]
    for one in nexuses:
        one.ready()
        one.scsi([0], lun=1)
        tag = one.send_write10(0, b"w" * 4096)  # its answer comes in the middle
        one.pending_tag = tag
    line = reload(daemon, shape("16M"))
    tap.ok("changed=1" in line and "failed=0" in line, "a LUN grows under %d nexuses with commands" % len(nexuses), line)
    tap.equal([one.finish(one.pending_tag)[0] for one in nexuses], [0] * len(nexuses), "whose commands end well")
    tap.equal([senses(one, 0) for one in nexuses], [None] * len(nexuses), "the LUN beside it says nothing")
    tap.equal([senses(one, 1) for one in nexuses], [(6, 0x2a, 0x09)] * len(nexuses), "the LUN says 2A/09 on every nexus")
    tap.equal([senses(one, 1) for one in nexuses], [None] * len(nexuses), "once")
    tap.equal([capacity(one, 1) for one in nexuses], [16 * 2048] * len(nexuses), "and shows its size")
    reload(daemon, shape("16M", True))
    tap.equal([senses(one, 0) for one in nexuses], [(6, 0x3f, 0x0e)] * len(nexuses), "a new LUN is 3F/0E on every nexus")
    tap.equal([luns(one) for one in nexuses], [[0, 1, 2]] * len(nexuses), "and is reported")
    for one in nexuses:
        one.close()


def a_long_row(daemon, tap, stays):
    """One reload after the other, each some other shape; what is served is what the last file says."""
    luck, wrong = random.Random(5), []
    names = ["iqn.2026-11.test:row-%d" % number for number in range(6)]
    for turn in range(40):
        chosen = {name: (luck.choice(["none", "chap", "auto"]), luck.randrange(1, 4)) for name in names if luck.random() < 0.6}
        line = reload(daemon, targets(stays, *(portcullis.target(name, authentication=policy, luns=[
            lun("%s-%d" % (name[-1], number), "%dM" % (1 + turn // 8)) for number in range(count)])
            for name, (policy, count) in chosen.items())))
        if luck.random() < 0.5:
            continue  # the next one comes while initiators are still where they were
        rows = {row["TargetName"]: (row["Authentication"], len(row["Luns"]), row["State"])
                for row in daemon.control("ListTargets", {})[2]["Targets"] if row["TargetName"] != STAYS}
        wanted = {name: shape + ("ok",) for name, shape in chosen.items()}
        logins = {name: attempt(daemon, name) for name in names}
        expected = {name: 0x0203 if name not in chosen else 0x0201 if chosen[name][0] == "chap" else 0 for name in names}
        if rows != wanted or logins != expected or "failed=0" not in line + "failed=0" * ("as they were" in line):
            wrong.append((line, rows, wanted, logins, expected))
    tap.equal(wrong, [], "a row of reloads under I/O, each as its file says")


def stop_in_a_reload(tap):
    """A reload that waits for the last commands of what it takes out is brought to its end."""
    stays = portcullis.target(STAYS, luns=(lun("stays"),))
    more = [portcullis.target("iqn.2026-11.test:%d" % number, luns=(lun("more%d" % number),)) for number in range(8)]
    with portcullis.Daemon(targets(stays, *more)) as daemon:
        open_ones = [log_in(daemon, "iqn.2026-11.test:%d" % number) for number in range(8)]
        daemon.configure(targets(stays))
        daemon.reload()
        daemon.wait_log("sessions_closed")
        tap.equal(daemon.stop(), 0, "SIGTERM in the middle of a reload")
        tap.ok(re.search(r"what=reload-done .*removed=8", daemon.log()), "which ends first", daemon.log()[-1000:])
        for one in open_ones:
            one.close()


def stop_after_a_refusal(tap):
    """Nothing of a reload that was refused is left to wait for."""
    stays = portcullis.target(STAYS, luns=(lun("stays"),))
    more = [portcullis.target("iqn.2026-11.test:%d" % number, luns=(lun("more%d" % number),)) for number in range(8)]
    bad = portcullis.target(COMES, luns=('path = "@DIR@/no/where";',))
    with portcullis.Daemon(targets(stays)) as daemon:
        daemon.configure(targets(stays, *more, bad))
        daemon.reload()
        daemon.wait_log("what=reload-refused")
        tap.equal(daemon.stop(), 0, "SIGTERM right after a refused reload")
        tap.ok("Sanitizer" not in daemon.log(), "leaves nothing behind", daemon.log()[-2000:])


def main():
    portcullis.require()
    tap = portcullis.Tap()
    stays = portcullis.target(STAYS, luns=(lun("stays"),))
    changes = portcullis.target(CHANGES, luns=(lun("changes", "8M"),))
    with portcullis.Daemon(targets(stays, changes)) as daemon:
        busy = Busy(daemon)
        busy.start()
        lun_changes(daemon, tap, stays)
        policy_changes(daemon, tap, stays)
        coming_and_going(daemon, tap, stays, portcullis.target(CHANGES, luns=(lun("changes", "4M"),)))
        a_rebuild_that_fails(daemon, tap, stays, portcullis.target(CHANGES, luns=(lun("changes", "4M"),)))
        every_nexus(daemon, tap, stays)
        a_long_row(daemon, tap, stays)
        busy.done.set()
        busy.join()
        tap.ok(busy.failure is None and busy.count > 10, "the target that stayed noticed nothing in %d writes" % busy.count, busy.failure)
        tap.equal(daemon.stop(), 0, "and the daemon ends in order")
    stop_in_a_reload(tap)
    stop_after_a_refusal(tap)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
