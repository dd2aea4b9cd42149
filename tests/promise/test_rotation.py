# SPDX-License-Identifier: BSD-2-Clause
"""Rotation without an outage: both records are good until the end, then only who used the old one is closed; and
what the promise K1..K9 says of changes holds for its beginning and for its end. [CRED-02 CRED-11 CRED-18]
"""
import http.client
import os
import re
import shutil
import signal
import sys
import time

from common import HOST, OTHER, SECRETS, attempt, initiator, portcullis, secrets_of, session, sessions_of, two_targets, walk
from test_k2_durable import MUST_FAIL, Shim
from test_k3_no_survivor import drain, event_3_is_last
from test_k4_no_straggler import go_on
import prometheus

OLD, NEW, THIRD = SECRETS[:3]
OLD_TARGET, NEW_TARGET = "target-old-12", "target-new-12"
SECOND = "iqn.1994-05.com.example:second"


def rotate(daemon, secret=NEW, target_secret=None, grace=3600, name=HOST):
    """RotateChapCredentials: (status, reply); status 0 if the daemon died over it."""
    members = {"TargetARN": daemon.arn(), "InitiatorName": name, "SecretToAuthenticateInitiator": secret}
    if grace is not None:
        members["GraceSeconds"] = grace
    if target_secret:
        members["SecretToAuthenticateTarget"] = target_secret
    try:
        status, _, reply = daemon.control("RotateChapCredentials", members)
    except (OSError, http.client.HTTPException):
        return 0, None
    return status, reply


def finish(daemon, name=HOST):
    """FinishChapRotation: (status, reply), likewise."""
    try:
        status, _, reply = daemon.control("FinishChapRotation", {"TargetARN": daemon.arn(), "InitiatorName": name})
    except (OSError, http.client.HTTPException):
        return 0, None
    return status, reply


def code(answer):
    """The errorCode of an answer."""
    return answer[1].get("error", {}).get("errorCode")


def rotations(daemon):
    """{initiator: (seconds left, sessions of the old record)}"""
    status, _, reply = daemon.control("ListChapRotations", {"TargetARN": daemon.arn()})
    assert status == 200, reply
    return {row["InitiatorName"]: (row["SecondsLeft"], row["OldSessionCount"]) for row in reply["Rotations"]}


def both(daemon):
    """What logging in with the old and the new secret comes to."""
    return attempt(daemon, OLD), attempt(daemon, NEW)


def stored(daemon):
    """The text of the target's state file."""
    with open(os.path.join(daemon.directory, "state", portcullis.IQN + ".credentials"), encoding="utf-8") as file:
        return file.read()


def old_sessions(daemon):
    return sorted(row["UsesOldSecret"] for row in sessions_of(daemon))


def the_whole_course(daemon, tap):
    daemon.update(OLD, OLD_TARGET, initiator=HOST)
    daemon.update(THIRD, initiator=SECOND)
    before = [session(daemon, OLD, portal=n % 2).login() for n in range(5)]
    before.append(session(daemon, OLD, discovery=True).login())
    second = session(daemon, THIRD, name=SECOND).login()
    stranger = session(daemon, target=OTHER).login()
    tap.equal(code(rotate(daemon, name="iqn.x:none")), "InitiatorNotFound", "who has no record has nothing to rotate")
    for secret, target_secret, what in ((OLD, NEW_TARGET, "the same initiator's secret"),
                                        (OLD_TARGET, NEW_TARGET, "the old target's as the initiator's"),
                                        (NEW, OLD, "the old initiator's as the target's")):
        tap.equal(code(rotate(daemon, secret, target_secret)), "InvalidParameters", "refused: " + what)
    tap.equal(stored(daemon).startswith('{"format":1,'), True, "and nothing was stored")

    asked = time.time()
    status, reply = rotate(daemon, NEW, NEW_TARGET, grace=3600)
    tap.equal((status, reply["InitiatorName"]), (200, HOST), "a rotation begins")
    tap.ok(asked + 3599 <= reply["EndTime"] <= time.time() + 3600, "the reply tells when it ends", reply)
    tap.ok(all(one.nop().opcode == initiator.NOP_IN for one in before + [second, stranger]), "nobody is closed")
    tap.equal(secrets_of(daemon)[HOST], (NEW, NEW_TARGET), "Describe shows the new record")
    tap.equal(rotate(daemon, NEW, NEW_TARGET, grace=7200)[1]["EndTime"] > reply["EndTime"], True,
              "asked again it gets its new end")
    tap.equal(code(rotate(daemon, SECRETS[5])), "InvalidParameters", "to another record it must be finished first")

    tap.equal(both(daemon), (0, 0), "both secrets open the target")
    tap.equal((attempt(daemon, THIRD), attempt(daemon, THIRD, name=SECOND), attempt(daemon)), (0x0201, 0, 0x0201),
              "and no others do")
    tap.equal((attempt(daemon, OLD, target_secret=OLD_TARGET), attempt(daemon, NEW, target_secret=NEW_TARGET)), (0, 0),
              "the record that was proved answers the mutual challenge")
    old = [session(daemon, OLD, portal=n % 2).login() for n in range(3)]
    new = [session(daemon, NEW, portal=n % 2).login() for n in range(4)]
    new.append(session(daemon, NEW, discovery=True).login())
    tap.equal(old_sessions(daemon), [False] * 6 + [True] * 9, "ListSessions tells who used the old secret")
    left, count = rotations(daemon)[HOST]
    tap.ok(3600 < left <= 7200 and count == 9, "so does ListChapRotations", left, count)

    logins = []  # on their way when it ends: (session, what it had done, the secret it knows)
    for stage in ("challenge", "security", "operational"):
        for secret in (OLD, NEW):
            one = session(daemon, secret)
            logins.append((one, walk(one.login_steps(), stage), secret))
    for one in old + before[:5]:
        one.send_read10(0, 8)
        one.send_write10(64, b"\xee" * 131072, immediate=0)
    status, reply = finish(daemon)
    tap.equal((status, reply.get("SessionsClosed")), (200, 9 + 2),
              "it is finished: nine sessions, and two logins that had proved the old secret, are closed")
    ends = [drain(one) for one in old + before[:5]]
    tap.equal([end for _, end in ends], ["closed"] * 8, "each of the old secret has its FIN by then")
    tap.equal(sum(event_3_is_last(pdus) for pdus, _ in ends), 8, "after Async event 3")
    tap.equal(drain(before[5]), ([], "closed"), "the discovery session its FIN alone")
    tap.ok(all(one.nop().opcode == initiator.NOP_IN for one in new + [second, stranger]), "and nobody else noticed")
    tap.equal(old_sessions(daemon), [False] * 6, "no session of the old secret is left")
    tap.equal([go_on(steps) for _, steps, secret in logins if secret == OLD], ["closed"] * 3,
              "no login with the old secret ends")
    tap.equal([go_on(steps) for _, steps, secret in logins if secret == NEW], ["full"] * 3, "those with the new do")
    tap.equal(both(daemon), (0x0201, 0), "the old secret is refused")
    tap.equal(new[0].ready()[-1:] and new[0].read10(64, 1)[1], bytes(512), "an old write without its data left no trace")
    told = len(daemon.events("credentials-changed"))
    tap.equal((finish(daemon)[0], finish(daemon)[1]["SessionsClosed"]), (200, 0), "finishing again is no error")
    tap.equal(len(daemon.events("credentials-changed")), told, "nor a change")
    tap.equal(code(finish(daemon, "iqn.x:none")), "InitiatorNotFound", "but for who has no record")
    tap.equal((rotations(daemon), '"retiring"' in stored(daemon)), ({}, False), "nothing of it is left")
    for one in new + [second, stranger] + [one for one, _, _ in logins]:
        one.close()


def logins_on_their_way(daemon, tap):
    daemon.update(OLD, initiator=HOST)
    for stage in ("challenge", "security", "operational"):
        with session(daemon, OLD) as one:
            steps = walk(one.login_steps(), stage)
            rotate(daemon)
            tap.equal(go_on(steps), "full", "a login paused at %s while a rotation begins goes on" % stage)
            tap.equal(old_sessions(daemon), [True], "as one of the old secret")
            tap.equal(finish(daemon)[1]["SessionsClosed"], 1, "and is closed as such")
        daemon.update(OLD, initiator=HOST)


def hard_cuts(daemon, tap):
    for what, cut, outcomes in (
            ("an update", lambda: daemon.update(THIRD, initiator=HOST), (0x0201, 0x0201)),
            ("an update back", lambda: daemon.update(OLD, initiator=HOST), (0, 0x0201)),
            ("an update that repeats the new record", lambda: daemon.update(NEW, initiator=HOST), (0x0201, 0)),
            ("a delete", lambda: daemon.control("DeleteChapCredentials", {
                "TargetARN": daemon.arn(), "InitiatorName": HOST}), (0x0201, 0x0201))):
        daemon.update(OLD, initiator=HOST)
        daemon.update(THIRD, initiator=SECOND)
        rotate(daemon)
        three = [session(daemon, OLD).login(), session(daemon, NEW).login(), session(daemon, THIRD, name=SECOND).login()]
        cut()
        tap.equal([drain(one)[1] for one in three], ["closed"] * 3, what + " in the middle closes everybody")
        tap.equal((both(daemon), rotations(daemon)), (outcomes, {}), what + " ends the rotation")
    daemon.update(OLD, initiator=HOST)
    rotate(daemon)
    daemon.update(SECRETS[4], initiator=SECOND)
    tap.equal((both(daemon), HOST in rotations(daemon)), ((0, 0), True), "another initiator's update leaves it its rotation")
    daemon.update(OLD, initiator=HOST)


def restarts(daemon, tap):
    daemon.update(OLD, OLD_TARGET, initiator=HOST)
    end = rotate(daemon, NEW, NEW_TARGET)[1]["EndTime"]
    for how in (daemon.stop, daemon.kill):
        how()
        daemon.start()
        outcomes = attempt(daemon, OLD, target_secret=OLD_TARGET), attempt(daemon, NEW, target_secret=NEW_TARGET)
        tap.equal((outcomes, secrets_of(daemon)[HOST]), ((0, 0), (NEW, NEW_TARGET)), "both secrets survive a restart")
    listed = daemon.control("ListChapRotations", {})[2]["Rotations"]
    tap.equal([row["EndTime"] for row in listed], [end], "so does the end of the time")
    with session(daemon, OLD).login() as old, session(daemon, NEW).login() as new:
        tap.equal(finish(daemon)[1]["SessionsClosed"], 1, "a rotation is finished after a restart")
        tap.equal((drain(old)[1], new.nop().opcode), ("closed", initiator.NOP_IN), "as if there had been none")
    daemon.kill()
    daemon.start()
    tap.equal(both(daemon), (0x0201, 0), "and stays finished")


def expiry(daemon, tap):
    daemon.update(OLD, initiator=HOST)
    with session(daemon, OLD).login() as old, session(daemon, NEW if rotate(daemon, grace=1)[0] == 200 else OLD).login() as new:
        tap.ok(daemon.wait_log(r"what=credentials-changed target=\S+ initiator=%s kind=expire .*sessions_closed=1 " % re.escape(HOST)),
               "its time ends it by itself")
        tap.equal((drain(old)[1], new.nop().opcode), ("closed", initiator.NOP_IN), "and closes who used the old secret")
    tap.equal((both(daemon), '"retiring"' in stored(daemon)), ((0x0201, 0), False), "which opens nothing any more")
    # More time in time; whether it was in time is known afterwards only.
    begun = 0
    while time.time() - begun > 0.9:
        daemon.update(OLD, initiator=HOST)
        begun = time.time()
        rotate(daemon, grace=1)
        rotate(daemon, grace=3600)
    while daemon.control("ListChapRotations", {})[2]["Rotations"][0]["SecondsLeft"] > 3597:
        time.sleep(0.05)
    tap.equal(both(daemon), (0, 0), "given more time it goes on")
    # Its time ends while nobody runs.
    daemon.update(OLD, initiator=HOST)
    end = rotate(daemon, grace=1)[1]["EndTime"]
    daemon.kill()
    while time.time() < end:
        time.sleep(0.05)
    daemon.start()
    tap.equal((both(daemon), '"retiring"' in stored(daemon)), ((0x0201, 0), False), "it is finished at once by the next start")


def many_at_once(daemon, tap):
    """The times of many end together, as after a host was suspended: each is ended once."""
    names = ["iqn.1994-05.com.example:host%d" % number for number in range(24)]
    before = expired(daemon)
    for name in names:
        daemon.update(OLD, initiator=name)
    for name in names:
        rotate(daemon, grace=2, name=name)
    daemon.process.send_signal(signal.SIGSTOP)
    time.sleep(3)
    daemon.process.send_signal(signal.SIGCONT)
    tap.ok(initiator.wait_until(lambda: not rotations(daemon), 20), "all that are over are ended")
    tap.equal(expired(daemon) - before, len(names), "each of them once")


def expired(daemon):
    """How many ends the gate has been asked for."""
    connection = daemon.connection()
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return prometheus.parse(text).value("portcullis_credential_changes_total", operation="expire", outcome="done")


def broken_state(daemon, tap):
    daemon.update(OLD, initiator=HOST)
    rotate(daemon)
    daemon.stop()
    path = os.path.join(daemon.directory, "state", portcullis.IQN + ".credentials")
    with open(path, "r+b") as file:
        text = file.read()
        file.seek(text.index(b'"until":') + 8)
        file.write(b"9")
    daemon.start()
    tap.equal(both(daemon), (0x0301, 0x0301), "a rotation's damaged file closes the target [K9]")
    tap.equal(rotate(daemon)[0], 500, "which can then begin no rotation")


def dying(shim, tap):
    """kill -9 at each step of storing the beginning, and the end."""
    with shim.daemon() as daemon:
        for what, act, outcomes in (("rotate", rotate, ((0, 0x0201), (0, 0))), ("finish", finish, ((0, 0), (0x0201, 0)))):
            for action in ("kill", "tear"):
                for number, name in enumerate(shim.steps(daemon), 1):
                    daemon.update(OLD, initiator=HOST)
                    if act is finish:
                        rotate(daemon)
                    shim.plan("%s %d" % (action, number))
                    status, _ = act(daemon)
                    daemon.kill()
                    shim.plan("")
                    daemon.start()
                    found = both(daemon)
                    tap.ok(status == 0 and found in outcomes, "%s: %s at step %d (%s): as before, or done" %
                           (what, action, number, name), status, found)


def dying_at_the_end(shim, tap):
    """kill -9 at each step of storing that its time is over, and at each step of the start that finds it over."""
    with shim.daemon() as daemon:
        steps = shim.steps(daemon)
        for number, name in enumerate(steps, 1):
            daemon.update(OLD, initiator=HOST)
            # Planned before the beginning, which takes as many steps: its time may be over before we go on here.
            shim.plan("kill %d" % (len(steps) + number))
            rotate(daemon, grace=1)
            daemon.process.wait(60)
            daemon.kill()
            shim.plan("")
            daemon.start()
            tap.equal(both(daemon), (0x0201, 0), "expire: kill at step %d (%s): it is over" % (number, name))
        daemon.update(OLD, initiator=HOST)
        end = rotate(daemon, grace=1)[1]["EndTime"]
        daemon.kill()
        while time.time() < end:
            time.sleep(0.05)
        state, copy = os.path.join(daemon.directory, "state"), os.path.join(daemon.directory, "copy")
        shutil.copytree(state, copy)
        open(shim.calls, "w", encoding="ascii").close()
        daemon.start()
        with open(shim.calls, encoding="utf-8") as calls:
            steps = [line.split()[1] for line in calls]
        tap.ok("renameat" in steps, "the start stores that it is over", steps)
        for number, name in enumerate(steps, 1):
            daemon.kill()
            shutil.rmtree(state)
            shutil.copytree(copy, state)
            shim.plan("kill %d" % number)
            try:
                daemon.start()
                died = False
            except RuntimeError:
                died = True
            shim.plan("")
            daemon.start()
            tap.ok(died and both(daemon) == (0x0201, 0), "start: kill at step %d (%s): it is over" % (number, name), died)


def failing(shim, tap):
    """Storing fails at each step: nothing has changed, nobody was touched."""
    with shim.daemon() as daemon:
        for what, act, before, after in (("rotate", rotate, (0, 0x0201), (0, 0)), ("finish", finish, (0, 0), (0x0201, 0))):
            for number, name in enumerate(shim.steps(daemon), 1):
                daemon.update(OLD, initiator=HOST)
                if act is finish:
                    rotate(daemon)
                with session(daemon, OLD).login() as held:
                    shim.plan("fail %d EIO" % number)
                    status, _ = act(daemon)
                    shim.plan("")
                    good = both(daemon) == (after if status == 200 else before)
                    if status != 200 or act is rotate:
                        good = good and held.nop().opcode == initiator.NOP_IN
                tap.ok(good and status == (500 if name in MUST_FAIL else status), "%s: step %d (%s) fails: answered %s, and so it is" %
                       (what, number, name, status), daemon.log()[-600:])
        # The end of its time is on the disk: that the disk is full does not make an old secret good for longer.
        daemon.update(OLD, initiator=HOST)
        with session(daemon, OLD).login() as held:
            rotate(daemon, grace=1)
            shim.plan("fail 1+ EIO")
            tap.ok(daemon.wait_log(r"what=credentials-changed .*kind=expire .*sessions_closed=1 "), "its time ends it though storing fails")
            tap.equal((drain(held)[1], both(daemon)), ("closed", (0x0201, 0)), "on the wire")
            daemon.kill()
            shim.plan("")
            daemon.start()
            tap.equal(both(daemon), (0x0201, 0), "and after a restart")


def tell_nothing(daemon, tap):
    """No secret of either record in the log. [K8]"""
    text = daemon.log()
    tap.equal([s for s in (OLD, NEW, THIRD, OLD_TARGET, NEW_TARGET) if s in text or s.encode().hex() in text], [],
              "the log tells no secret")
    tap.ok(all(daemon.events("credentials-changed", kind=kind) for kind in ("rotate", "finish")), "but who did what", text[-500:])


def main():
    portcullis.require()
    tap = portcullis.Tap()
    with portcullis.Daemon(two_targets(portals=("127.0.0.1", "::1"))) as daemon:
        for test in (the_whole_course, logins_on_their_way, hard_cuts, restarts, expiry, many_at_once, tell_nothing, broken_state):
            test(daemon, tap)
    with portcullis.Daemon(portcullis.config([portcullis.target(authentication="none")])) as daemon:
        tap.equal(code(rotate(daemon)), "NotSupported", "an open gate has no lock to rotate")
    shim = Shim()
    dying(shim, tap)
    dying_at_the_end(shim, tap)
    failing(shim, tap)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
