# SPDX-License-Identifier: BSD-2-Clause
"""Rotations that end, by request and by their time, while initiators log in with both secrets all the time: no login
with the old secret that begins after the end succeeds and no session of it is answered after it; those of the new one,
another initiator's and another target's notice nothing; and as long as both are good, both are taken. What overlaps
the end itself may go either way. [CRED-02 CRED-11 CRED-13]
"""
import random
import sys
import threading
import time

from common import HOST, OTHER, SECRETS, initiator, portcullis, session, two_targets
from test_rotation import finish, rotate

SECOND = "iqn.1994-05.com.example:second"
ROTATIONS, LOGGERS = 16, 8


class Course:
    """When each secret was good: by number, in seconds of the clock that all read."""

    def __init__(self):
        self.good_from = {0: 0.0}  # its first reply was here
        self.asked_end, self.over = {}, {}  # its end was asked for, its end was answered
        self.newest, self.done = 0, False

    def must_open(self, number, begun, ended):
        return self.good_from.get(number, 1e18) < begun and ended < self.asked_end.get(number, 1e18)

    def must_not_open(self, number, begun):
        return begun > self.over.get(number, 1e18)


class Logger(threading.Thread):
    """Logs in with one of the two secrets, pings until it is closed or tired, and keeps a record."""

    def __init__(self, daemon, course, number):
        super().__init__()
        self.daemon_, self.course, self.luck = daemon, course, random.Random(number)
        self.logins, self.pings, self.ends, self.failure = [], [], [], None

    def run(self):
        try:
            while not self.course.done:
                self.once(max(0, self.course.newest - self.luck.randrange(2)))
        except Exception as error:  # whatever it is, it is the finding
            self.failure = repr(error)

    def once(self, number):
        begun = time.time()
        with session(self.daemon_, SECRETS[number]) as one:
            outcome = 0
            try:
                one.login()
            except initiator.Refused as refused:
                outcome = refused.status
            except initiator.Closed as end:
                outcome = "reset" if end.reset else "closed"
            self.logins.append((number, begun, time.time(), outcome))
            if outcome == 0:
                self.stay(one, number)

    def stay(self, one, number):
        for _ in range(self.luck.randrange(25)):
            sent = time.time()
            try:
                pdu = one.nop()
                if pdu.opcode == initiator.ASYNC:
                    raise initiator.Closed(one.rest()[1])
            except (initiator.Closed, BrokenPipeError, ConnectionResetError) as end:
                self.ends.append((number, time.time(), isinstance(end, initiator.Closed) and not end.reset))
                return
            self.pings.append((number, sent))
            time.sleep(self.luck.random() / 40)


class Witness(threading.Thread):
    """Somebody whom all this does not concern, with I/O under way."""

    def __init__(self, one):
        super().__init__()
        self.session, self.count, self.failure, self.done = one, 0, None, threading.Event()
        one.ready()

    def run(self):
        try:
            while not self.done.is_set():
                data = bytes([self.count % 251]) * 4096
                if self.session.write10(8, data)[0] or self.session.read10(8, 8)[:2] != (0, data):
                    raise AssertionError("a command failed")
                self.count += 1
        except Exception as error:  # whatever it is, it is the finding
            self.failure = repr(error)


def turn(daemon, course, number, luck, problems):
    """From secret `number` to the next, by hand or by the clock."""
    new = number + 1
    by_itself = number % 4 == 3
    asked = time.time()
    status, reply = rotate(daemon, SECRETS[new], grace=1 if by_itself else 3600)
    if status != 200:
        problems.append("rotate %d: %r" % (number, reply))
        return
    course.good_from[new] = time.time()
    course.newest = new
    if by_itself:
        course.asked_end[number] = min(reply["EndTime"], asked + 1) - 0.01
        if not initiator.wait_until(lambda: len(daemon.events("credentials-changed", kind="expire")) > number // 4, 20):
            problems.append("rotation %d did not end by itself" % number)
    else:
        time.sleep(luck.random() / 3)
        course.asked_end[number] = time.time()
        status, reply = finish(daemon)
        if status != 200:
            problems.append("finish %d: %r" % (number, reply))
    course.over[number] = time.time()
    left = [row for row in daemon.control("ListSessions", {"TargetARN": daemon.arn()})[2]["Sessions"] if row["UsesOldSecret"]]
    if left:
        problems.append("sessions of secret %d are left: %r" % (number, left))
    time.sleep(luck.random() / 5)


def judge(tap, course, loggers):
    logins = [login for one in loggers for login in one.logins]
    pings = [ping for one in loggers for ping in one.pings]
    ends = [end for one in loggers for end in one.ends]
    open_ones = [login for login in logins if course.must_open(*login[:3])]
    shut_ones = [login for login in logins if course.must_not_open(*login[:2])]
    print("# %d logins, %d of them surely good and %d surely not, %d sessions closed" % (
        len(logins), len(open_ones), len(shut_ones), len(ends)))
    tap.ok(open_ones and all(login[3] == 0 for login in open_ones), "while a secret is good it opens the target",
           [login for login in open_ones if login[3] != 0][:5])
    tap.ok(all(login[3] != 0 for login in shut_ones), "after its end it does not",
           [login for login in shut_ones if login[3] == 0][:5])
    tap.ok({login[3] for login in logins} <= {0, 0x0201, "closed"}, "all are told so, or are closed in order",
           {login[3] for login in logins})
    late = [(number, sent - course.over[number]) for number, sent in pings if sent > course.over.get(number, 1e18)]
    tap.equal(late, [], "no session of a secret is answered after its end")
    early = [(number, at) for number, at, _ in ends if at < course.asked_end.get(number, 1e18)]
    tap.equal(early, [], "and none of a secret that is good is closed")
    tap.ok(ends and all(clean for _, _, clean in ends), "those that are, by event 3 and FIN", ends[:3])


def main():
    portcullis.require()
    tap = portcullis.Tap()
    luck, problems = random.Random(1), []
    with portcullis.Daemon(two_targets()) as daemon:
        daemon.update(SECRETS[0], initiator=HOST)
        daemon.update(SECRETS[1000], initiator=SECOND)
        course = Course()
        loggers = [Logger(daemon, course, number) for number in range(LOGGERS)]
        witnesses = [Witness(session(daemon, SECRETS[1000], name=SECOND).login()),
                     Witness(session(daemon, target=OTHER).login())]
        for one in loggers + witnesses:
            one.start()
        for number in range(ROTATIONS):
            turn(daemon, course, number, luck, problems)
        course.done = True
        for one in loggers:
            one.join()
        for one in witnesses:
            one.done.set()
            one.join()
            one.session.close()
        tap.equal(problems, [], "%d rotations, a quarter of which end by themselves" % ROTATIONS)
        tap.equal([one.failure for one in loggers if one.failure], [], "nobody sees what should not be")
        judge(tap, course, loggers)
        tap.ok(all(one.failure is None and one.count for one in witnesses), "another initiator and another target notice nothing",
               [one.failure for one in witnesses])
        tap.equal(daemon.stop(), 0, "the daemon ends in order")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
