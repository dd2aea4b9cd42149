# SPDX-License-Identifier: BSD-2-Clause
"""What hosts live through that come back by themselves: one close per change and no other, a login that is taken at
the first try, a mutual secret that they do not know yet, a response they never read, a second connection, and a crowd
of strangers at the door. [CRED-07 CRED-13 CRED-15 CRED-17 SES-10 SES-12]
"""
import resource
import socket
import struct
import sys
import threading
import time

from common import HOST, OTHER, SECRETS, attempt, initiator, portcullis, session, sessions_of, two_targets

STRANGERS = 1024  # of one address: daemon/core/limits.h


class Host(threading.Thread):
    """Writes all the time, and logs in again at once when it is closed, with the secret that it is told."""

    def __init__(self, daemon, secret):
        super().__init__()
        self.daemon_, self.secret, self.done = daemon, secret, threading.Event()
        self.written, self.closes, self.refusals, self.failure = 0, [], [], None

    def run(self):
        try:
            while not self.done.is_set():
                self.live()
        except Exception as error:  # whatever it is, it is the finding
            self.failure = repr(error)

    def live(self):
        with session(self.daemon_, self.secret) as one:
            try:
                one.login()
                one.ready()
                while not self.done.is_set():
                    self.written += one.write10(0, struct.pack(">Q", self.written + 1) * 64)[0] == 0
            except initiator.Refused as refused:
                self.refusals.append(refused.status)
            except (initiator.Closed, AssertionError, ConnectionError):  # the Async Message among what it waits for
                self.closes.append(time.monotonic())


def one_close_per_change(daemon, tap):
    daemon.update(SECRETS[0], initiator=HOST)
    host = Host(daemon, SECRETS[0])
    host.start()
    closes = 0
    for _ in range(6):
        tap.ok(initiator.wait_until(lambda: len(sessions_of(daemon)) == 1), "the host is there")
        before = host.written
        initiator.wait_until(lambda at=before: host.written > at + 5)
        daemon.update(SECRETS[0], initiator=HOST)
        closes += 1
        before = host.written
        initiator.wait_until(lambda at=before: host.written > at + 5)
        tap.equal((len(host.closes), host.refusals, host.failure), (closes, [], None),
                  "one change, one close, and the next login is the last")
    host.done.set()
    host.join()
    with session(daemon, SECRETS[0]).login() as one:
        one.ready()
        data = one.read10(0, 1)[1]
        tap.ok(struct.unpack(">Q", data[:8])[0] >= host.written, "no write that was acknowledged is lost", data[:8], host.written)


def mutual_secret_alone(daemon, tap):
    daemon.update(SECRETS[0], SECRETS[1], initiator=HOST)
    with session(daemon, SECRETS[0], target_secret=SECRETS[1]).login() as held:
        daemon.update(SECRETS[0], SECRETS[2], initiator=HOST)
        pdus, reset = held.rest()
        tap.ok(not reset and pdus[-1].opcode == initiator.ASYNC, "the session of the old mutual secret is closed", pdus)
    for _ in range(20):
        with session(daemon, SECRETS[0], target_secret=SECRETS[1]) as one:
            try:
                one.login()
                tap.ok(False, "the host sees that the target's proof is another")
            except AssertionError:
                pass
    tap.ok(initiator.wait_until(lambda: sessions_of(daemon) == []), "a host that leaves after our proof leaves no session")
    tap.equal(attempt(daemon, SECRETS[0], target_secret=SECRETS[2]), 0, "with the new one it is let in at once")


def response_never_read(daemon, tap):
    """The host does not know that its write is done, so it repeats it."""
    daemon.update(SECRETS[0], initiator=HOST)
    data = bytes(range(256)) * 16
    with session(daemon, SECRETS[0]).login() as one:
        one.ready()
        for number in range(20):
            one.send_write10(8 * number, data)
        daemon.update(SECRETS[1], initiator=HOST)
        with session(daemon, SECRETS[1], isid=one.isid).login() as again:
            tap.equal(again.ready(), [(6, 0x29, 7)], "back, it hears of a nexus loss once [CRED-16]")
            tap.equal([again.read10(8 * number, 8)[1] == data for number in range(20)], [True] * 20,
                      "what was complete is written, though no response was read")
            tap.equal([again.write10(8 * number, data)[0] for number in range(20)], [0] * 20, "and can be written again")
            tap.equal(again.read10(0, 160)[1], data * 20, "with the same outcome")
        pdus, reset = one.rest()
        tap.equal((len([pdu for pdu in pdus if pdu.opcode == initiator.RESPONSE]), pdus[-1].opcode, reset),
                  (20, initiator.ASYNC, False), "the responses were on their way, before the last word")


class SecondConnection(initiator.Session):
    """Of a session that there is: its TSIH, and a CID of its own."""

    def login_request(self, stage, next_stage, pairs, transit=True):
        flags = (0x80 if transit else 0) | stage << 2 | (next_stage if transit else 0)
        header = struct.pack(">BBBBI6sHIHHII", 0x40 | initiator.LOGIN, flags, 0, 0, 0, self.isid, self.requested_tsih,
                             self.itt, 1, 0, self.cmd_sn, self.exp_stat_sn)
        self.send(header, initiator.text(pairs))


def second_connection(daemon, tap):
    with session(daemon, target=OTHER, keys=[("MaxConnections", "4")]).login() as first:
        first.ready()
        tap.equal(first.answers.get("MaxConnections"), "1", "one connection a session is what is agreed")
        with SecondConnection(*daemon.portals[0], target=OTHER, name=HOST, isid=first.isid) as second:
            second.requested_tsih = first.tsih
            try:
                second.login()
                status = 0
            except initiator.Refused as refused:
                status = refused.status
        tap.equal(status, 0x0206, "a second one is too many")
        tap.equal(first.read10(0, 1)[0], 0, "and the first goes on")


def strangers(daemon, tap):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < STRANGERS + 200:
        tap.skip("a crowd of strangers", "too few descriptors")
        return
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, STRANGERS + 200), hard))
    with session(daemon, target=OTHER).login() as inside:
        inside.ready()
        crowd = [socket.create_connection(daemon.portals[0], 20) for _ in range(STRANGERS)]
        # One who was leaving when they came may have kept one of them out.
        while attempt(daemon, target=OTHER) == 0 and len(crowd) < STRANGERS + 20:
            crowd.append(socket.create_connection(daemon.portals[0], 20))
        tap.ok(len(crowd) < STRANGERS + 20, "%d strangers of one address are enough: the next is closed" % STRANGERS)
        tap.equal([inside.write10(0, b"i" * 512)[0] for _ in range(20)], [0] * 20, "who is logged in notices nothing")
        other = socket.create_connection(daemon.portals[0], 20, source_address=("127.0.0.2", 0))
        guest = session(daemon, target=OTHER, name=HOST + "-2")
        guest.socket.close()
        guest.socket = other
        tap.equal(guest.login().read10(0, 1)[0] in (0, 2), True, "and others come from elsewhere")
        guest.close()
        for one in crowd:
            one.close()
        tap.ok(initiator.wait_until(lambda: attempt(daemon, target=OTHER, name=HOST + "-3") == 0), "when they have left there is room")


def main():
    portcullis.require()
    tap = portcullis.Tap()
    with portcullis.Daemon(two_targets()) as daemon:
        one_close_per_change(daemon, tap)
        mutual_secret_alone(daemon, tap)
        response_never_read(daemon, tap)
        second_connection(daemon, tap)
        strangers(daemon, tap)
        tap.equal(daemon.stop(), 0, "the daemon ends in order")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
