#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Draining a target: its sessions are asked to log out (Async event 1), who does not is closed as K5 says, nobody logs in
until it is resumed, over restarts too, and other targets notice nothing. [ASY-03 ASY-07 OUT-06 CRED-05 TEXT-10]
"""
import os
import struct
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import initiator  # noqa: E402
import portcullis  # noqa: E402

ONE, OTHER = "iqn.2026-11.test:one", "iqn.2026-11.test:other"
HOST = "iqn.1994-05.com.example:host"


class Control(threading.Thread):
    """An operation that is under way; result() waits for its (status, reply)."""

    def __init__(self, daemon, operation, name=ONE, **members):
        super().__init__(daemon=True)
        self.call = lambda: daemon.control(operation, dict(members, TargetARN=daemon.arn(name)))
        self.found = None
        self.start()

    def run(self):
        status, _, reply = self.call()
        self.found = status, reply

    def result(self):
        self.join(30)
        return self.found

    def closed(self):
        status, reply = self.result()
        return status, reply.get("SessionsClosed")


def session(daemon, name=ONE, host=HOST, **options):
    one = initiator.Session(*daemon.portals[0], target=name, name=host, **options).login()
    if not options.get("discovery"):
        one.ready()
    return one


def attempt(daemon, name=ONE):
    return initiator.attempt(*daemon.portals[0], target=name, name=HOST)


def resume(daemon):
    return daemon.control("ResumeTarget", {"TargetARN": daemon.arn(ONE)})[0]


def asked(one):
    """Whether the next PDU asks for a logout, and in how many seconds."""
    pdu = one.receive()
    return pdu.opcode == initiator.ASYNC and (pdu.header[36], struct.unpack(">HHH", pdu.header[38:44]))


def kinds(pdus):
    return [(pdu.opcode, pdu.header[36] if pdu.opcode == initiator.ASYNC else None) for pdu in pdus]


REQUEST = (1, (0, 0, 5))
DROPPED = ([(initiator.ASYNC, 3)], False)


def obedient(daemon, tap):
    """One that logs out as it is asked to, after it has finished what it was at."""
    one, beside = session(daemon), session(daemon, OTHER)
    data = os.urandom(1 << 17)
    tag = one.send_write10(0, data, immediate=0)
    r2t = one.receive()
    drain = Control(daemon, "DrainTarget")
    tap.equal(asked(one), REQUEST, "a session is asked to log out within 5 s [ASY-03]")
    tap.ok(drain.found is None, "the operation waits for it")
    tap.equal(attempt(daemon), 0x0301, "while nobody logs in any more")
    one.data_out(r2t, data)
    tap.equal(one.finish(tag, data)[0], 0, "its write, which was accepted before, is finished")
    tap.equal(one.read10(0, 256)[1], data, "a command that it sends all the same is served")
    answer = one.logout()
    tap.equal((answer.opcode, answer.header[2]), (initiator.LOGOUT_RESPONSE, 0), "its Logout is answered [OUT-06]")
    tap.equal(one.rest(), ([], False), "and nothing follows but a FIN")
    tap.equal(drain.closed(), (200, 1), "then the operation is answered")
    tap.equal((attempt(daemon), beside.read10(0, 1)[0]), (0x0301, 0), "others notice nothing")
    beside.close()
    tap.equal(daemon.control("ListSessions", {})[2]["Sessions"], [], "nobody is left")


def again(daemon, tap):
    tap.equal(Control(daemon, "DrainTarget").closed(), (200, 0), "a target that is drained may be drained again")
    for how in ("kill", "stop"):
        getattr(daemon, how)()
        daemon.start()
        tap.equal((attempt(daemon), attempt(daemon, OTHER)), (0x0301, 0), "it stays so after %s and start" % how)
    states = [sorted(row["State"] for row in daemon.control("ListTargets", {})[2]["Targets"])]
    tap.equal((resume(daemon), attempt(daemon)), (200, 0), "resumed it takes logins")
    states.append(sorted(row["State"] for row in daemon.control("ListTargets", {})[2]["Targets"]))
    tap.equal(states, [["drained", "ok"], ["ok", "ok"]], "ListTargets shows which target is drained")
    tap.equal((resume(daemon), attempt(daemon)), (200, 0), "again is no error")
    for operation in ("DrainTarget", "ResumeTarget"):
        status, reply = Control(daemon, operation, ONE + "9").result()
        tap.equal((status, reply["error"]["errorCode"]), (400, "TargetNotFound"), operation + " of no target is refused")


def deaf(daemon, tap):
    """Beside one that logs out and a discovery session, one that does not hear: it is closed when its time is over."""
    ignoring, obeying = session(daemon), session(daemon, host=HOST + "-2")
    discovery = session(daemon, discovery=True)
    late = initiator.Session(*daemon.portals[0], target=ONE, name=HOST + "-3")
    steps = late.login_steps()
    next(steps)
    drain = Control(daemon, "DrainTarget")
    tap.equal((asked(ignoring), asked(obeying)), (REQUEST, REQUEST), "two sessions are asked")
    tap.equal(discovery.rest(), ([], False), "a discovery session gets its FIN alone [TEXT-10]")
    tap.equal(late.rest(), ([], False), "so does a login that is half done")
    obeying.logout()
    tap.equal(obeying.rest(), ([], False), "the obedient one goes")
    other = Control(daemon, "CreateLun", OTHER, LunNumber=1, Path="memory:", SizeInBytes=1 << 20)
    tap.equal((other.result()[0], drain.found), (200, None), "another live change does not wait for the other one")
    second = Control(daemon, "DrainTarget")
    pdus, reset = ignoring.rest()
    tap.equal((kinds(pdus), reset), DROPPED, "which is not asked twice, and told that it is dropped, event 3 [ASY-07]")
    tap.equal((drain.closed(), second.closed()), ((200, 4), (200, 1)), "both drains end with it")
    tap.ok("logout" in daemon.log(), "the log says what was waited for")
    resume(daemon)


def resumed_meanwhile(daemon, tap):
    """A target that is resumed while the drain still waits: who logs in then is none of the drain's."""
    ignoring = session(daemon)
    drain = Control(daemon, "DrainTarget")
    tap.equal(asked(ignoring), REQUEST, "a session is asked")
    tap.equal(resume(daemon), 200, "the target is resumed before it has answered")
    new = session(daemon, host=HOST + "-new")
    tap.equal(kinds(ignoring.rest()[0]), DROPPED[0], "the one that was asked is closed all the same")
    tap.equal((drain.closed(), new.read10(0, 1)[0]), ((200, 1), 0), "the new one goes on")
    new.close()


def hard_cut(daemon, tap):
    """A change of the credentials does not wait for logouts (K3); nor does the end of the daemon."""
    for what, cut in (("an update of the credentials", lambda: daemon.update("1" * 12, initiator=HOST, name=ONE)),
                      ("SIGTERM", daemon.stop)):
        one = session(daemon, secret="1" * 12 if cut == daemon.stop else None)
        drain = Control(daemon, "DrainTarget")
        tap.equal(asked(one), REQUEST, "a session is asked to log out")
        cut()
        one.socket.settimeout(2)  # less than the time that a logout has
        tap.equal(kinds(one.rest()[0]), DROPPED[0], "%s closes it at once" % what)
        if cut != daemon.stop:
            tap.equal(drain.closed(), (200, 1), "and the drain is over")
            resume(daemon)


def main():
    portcullis.require()
    tap = portcullis.Tap()
    targets = [portcullis.target(ONE), portcullis.target(OTHER)]
    with portcullis.Daemon(portcullis.config(targets)) as daemon:
        for step in (obedient, again, deaf, resumed_meanwhile, hard_cut):
            step(daemon, tap)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
