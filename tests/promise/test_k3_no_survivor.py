# SPDX-License-Identifier: BSD-2-Clause
"""K3 and K5: one update closes 220 sessions of every kind, with I/O in flight, before its reply leaves; each
sees Async event 3 as its last PDU and then FIN. Sessions of another target see nothing.

[CRED-01 CRED-03 CRED-04 CRED-06 CRED-12 ASY-01 ASY-04 ASY-07 TEXT-10]
"""
import struct
import sys
import threading

from common import HOST, OTHER, SECRETS, attempt, initiator, portcullis, session, sessions_of, two_targets, walk

NORMAL, DISCOVERY, LOGINS, LOGOUTS = 200, 10, 10, 5


class Bystander(threading.Thread):
    """A session of the other target that never rests; `failure` says what it should not have seen."""

    def __init__(self, daemon, block):
        super().__init__()
        self.block = block
        self.session = session(daemon, target=OTHER, name="iqn.1994-05.com.example:bystander").login()
        self.session.ready()
        self.stopped, self.commands, self.failure = threading.Event(), 0, None

    def run(self):
        try:
            while not self.stopped.is_set():
                data = struct.pack(">Q", self.commands) * 64
                for status, found, _ in (self.session.write10(self.block, data), self.session.read10(self.block, 1)):
                    if status or found not in (b"", data):
                        raise AssertionError("status %d" % status)
                self.commands += 1
        except Exception as error:  # whatever it is, it is the finding
            self.failure = repr(error)


def open_sessions(daemon, secret):
    """Sessions of every kind in a random-looking mix of portals: ([normal], [discovery], [login], [logout])."""
    normal = []
    for number in range(NORMAL):
        one = session(daemon, secret, name=HOST, portal=number % len(daemon.portals)).login()
        one.ready()
        normal.append(one)
    discovery = [session(daemon, secret, discovery=True).login() for _ in range(DISCOVERY)]
    logins = []
    for number in range(LOGINS):
        one = session(daemon, secret)
        one.steps = walk(one.login_steps(), "challenge" if number % 2 else "operational")
        logins.append(one)
    logouts = [session(daemon, secret).login() for _ in range(LOGOUTS)]
    return normal, discovery, logins, logouts


def drain(one):
    """What has already come: ([Pdu], how the stream ended). "open" = the end is not there yet."""
    pdus = []
    one.socket.setblocking(False)
    try:
        while True:
            pdus.append(one.receive())
    except BlockingIOError:
        return pdus, "open"
    except initiator.Closed as end:
        return pdus, "reset" if end.reset else "closed"


def event_3_is_last(pdus):
    """Exactly one Async Message, event 3 with both parameters 0, and nothing after it."""
    asyncs = [pdu for pdu in pdus if pdu.opcode == initiator.ASYNC]
    if len(asyncs) != 1 or pdus[-1] is not asyncs[0]:
        return False
    last = asyncs[0]
    event, _, one, two, three = struct.unpack(">BBHHH", last.header[36:44])
    return (event, two, three) == (3, 0, 0) and last.itt == initiator.NONE and last.final and not last.data


def stat_sn_is_exact(one, pdus):
    """Each status-bearing PDU has the StatSN after the last one's. [SEQ-08]"""
    expected = None
    for pdu in pdus:
        bears = pdu.opcode not in (initiator.R2T, initiator.DATA_IN) or pdu.flags & 1
        if not bears:
            continue
        if expected is not None and pdu.stat_sn != expected:
            return False
        expected = pdu.stat_sn + 1 & initiator.NONE
    return True


def main():
    portcullis.require()
    tap = portcullis.Tap()
    with portcullis.Daemon(two_targets(portals=("127.0.0.1", "127.0.0.2", "::1"))) as daemon:
        daemon.update(SECRETS[0], initiator=HOST)
        normal, discovery, logins, logouts = open_sessions(daemon, SECRETS[0])
        bystanders = [Bystander(daemon, block) for block in range(2)]
        for bystander in bystanders:
            bystander.start()
        tap.equal(len(sessions_of(daemon)), NORMAL + DISCOVERY + LOGOUTS, "all sessions are listed")

        for one in normal:  # in flight: four reads, a whole write, and a write that waits for its data
            for _ in range(4):
                one.send_read10(0, 8)
            one.send_write10(64, bytes(512))
            one.send_write10(128, b"\xee" * 131072, immediate=0)
        for one in logouts:
            one.send_logout()
        daemon.update(SECRETS[1], initiator=HOST)
        rows = sessions_of(daemon)
        ends = [drain(one) for one in normal]

        tap.equal(rows, [], "no session is listed when the reply is here")
        tap.equal([end for _, end in ends].count("closed"), NORMAL, "every session has its FIN by then, none a reset")
        tap.equal(sum(event_3_is_last(pdus) for pdus, _ in ends), NORMAL,
                  "Async event 3 with Parameter2 = Parameter3 = 0 is the last PDU of each")
        tap.equal(sum(stat_sn_is_exact(one, pdus) for one, (pdus, _) in zip(normal, ends)), NORMAL,
                  "StatSN is exact to the last PDU")
        ends = [drain(one) for one in discovery]
        tap.equal(ends, [([], "closed")] * DISCOVERY, "discovery sessions get their FIN and no PDU")
        ends = [drain(one) for one in logins]
        tap.equal(ends, [([], "closed")] * LOGINS, "logins on their way get their FIN and no PDU")
        ends = [drain(one) for one in logouts]
        tap.ok(all(end == "closed" and not any(p.opcode == initiator.ASYNC and pdus[0].opcode == initiator.LOGOUT_RESPONSE
                                               for p in pdus[1:]) for pdus, end in ends),
               "a session whose Logout Response is out gets no Async Message", ends)

        for bystander in bystanders:
            bystander.stopped.set()
        for bystander in bystanders:
            bystander.join()
        tap.equal([bystander.failure for bystander in bystanders], [None, None], "the other target's sessions saw nothing")
        tap.ok(all(bystander.commands for bystander in bystanders), "and had I/O all the time")

        tap.equal(attempt(daemon, SECRETS[0]), 0x0201, "the old secret is refused")
        with session(daemon, SECRETS[1]).login() as fresh:
            tap.equal(fresh.ready()[:1], [(6, 0x29, 0x00)], "a new nexus: power on")
            tap.equal(fresh.read10(64, 1)[1], bytes(512), "the new secret opens the target")
            tap.equal(fresh.read10(128, 1)[1], bytes(512), "nothing of a write without its data is on the medium")

        # The stored record once more is an update like any other.
        one = session(daemon, SECRETS[1]).login()
        daemon.update(SECRETS[1], initiator=HOST)
        tap.equal(drain(one)[1], "closed", "an update that repeats the stored record closes too")
        one = session(daemon, SECRETS[1]).login()
        daemon.control("DeleteChapCredentials", {"TargetARN": daemon.arn(), "InitiatorName": HOST})
        tap.equal(drain(one)[1], "closed", "so does a delete")
        tap.equal(attempt(daemon), 0, "with the last credential gone the target is open again")
        tap.ok("everybody may log in without CHAP" in daemon.log(), "which the log warns of")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
