#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""A hundred clients at once, each of which checks every answer it gets, while initiators read back what they write to
a target beside: over the Unix socket, then over TCP with signatures. No answer may be wrong, no command may fail, and
what was answered is there after a start. PORTCULLIS_PARALLEL_SECONDS is how long each goes on. [CRED-02 CRED-18]
"""
import os
import random
import struct
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import initiator  # noqa: E402
import portcullis  # noqa: E402
import signed  # noqa: E402

BUSY, CHANGES = "iqn.2026-11.test:busy", "iqn.2026-11.test:changes"
HOST, HOST_SECRET = "iqn.1994-05.com.example:host", "host-secret-0001"
SECONDS = float(os.environ.get("PORTCULLIS_PARALLEL_SECONDS", "10"))


class Wrong(Exception):
    """An answer that should not be."""


class Client:
    """One of the hundred; `ask` is the way in."""

    def __init__(self, crowd, role, number):
        self.crowd, self.role, self.number = crowd, role, number
        self.luck = random.Random(number)
        self.connection, self.rounds, self.secret = None, 0, None
        self.name = "iqn.2026-11.test:%s-%d" % (crowd.word, number)

    def ask(self, operation, expected=200, **members):
        """The reply; Wrong if its status or its error is another than expected."""
        if not self.connection:
            self.connection = self.crowd.connection()
        status, _, reply = self.crowd.ask(self.connection, operation, members)
        if self.number % 10 == 0:  # some come anew each time
            self.connection.close()
            self.connection = None
        found = status if status == 200 else reply.get("error", {}).get("errorCode", reply.get("__type"))
        if found != expected:
            raise Wrong("%s: %s, expected %s: %r" % (operation, found, expected, reply))
        return reply

    def on(self, target, **more):
        return dict(more, TargetARN=self.crowd.daemon.arn(target))

    def record(self, target):
        """Its own record there, as Describe tells it; None if there is none."""
        rows = self.ask("DescribeChapCredentials", **self.on(target))["ChapCredentials"]
        mine = [row for row in rows if row["InitiatorName"] == self.name]
        return mine[0]["SecretToAuthenticateInitiator"] if mine else None

    def need(self, good, what, *details):
        if not good:
            raise Wrong("%s: %r" % (what, details))

    def update(self):
        pair = self.on(CHANGES, InitiatorName=self.name)
        self.secret = "s-%03d-%08d" % (self.number, self.rounds)
        self.need(self.ask("UpdateChapCredentials", SecretToAuthenticateInitiator=self.secret, **pair) == pair, "its pair")
        self.need(self.record(CHANGES) == self.secret, "the record just stored")
        if self.luck.random() < 0.3:
            self.need(self.ask("DeleteChapCredentials", **pair) == pair, "its pair")
            self.secret = None
            self.ask("DeleteChapCredentials", expected="InitiatorNotFound", **pair)
            self.need(self.record(CHANGES) is None, "the record just deleted")

    def rotate(self):
        pair = self.on(BUSY, InitiatorName=self.name)
        secret = "s-%03d-%08d" % (self.number, self.rounds)
        self.ask("RotateChapCredentials", SecretToAuthenticateInitiator=secret, GraceSeconds=3600, **pair)
        rows = self.ask("ListChapRotations", **self.on(BUSY))["Rotations"]
        self.need(self.name in [row["InitiatorName"] for row in rows], "its rotation is listed", rows)
        self.need(self.record(BUSY) == secret, "the new record", secret)
        self.need(self.ask("FinishChapRotation", **pair)["SessionsClosed"] == 0, "nobody used it")
        self.secret = secret

    def create(self):
        self.ask("CreateTarget", TargetName=self.name, Path="memory:", SizeInBytes=1 << 20)
        names = [row["TargetName"] for row in self.ask("ListTargets")["Targets"]]
        self.need(names.count(self.name) == 1, "its target is listed", names)
        outcome = initiator.attempt(*self.crowd.daemon.portals[0], target=self.name, name=self.name)
        self.need(outcome == 0, "and can be used", outcome)
        self.ask("ResizeLun", expected="InvalidParameters", LunNumber=0, SizeInBytes=1 << 19, **self.on(self.name))
        self.ask("DeleteTarget", Force=True, **self.on(self.name))
        self.ask("DeleteTarget", expected="TargetNotFound", **self.on(self.name))

    def look(self):
        busy = [row for row in self.ask("ListTargets")["Targets"] if row["TargetName"] == BUSY]
        self.need(len(busy) == 1 and busy[0]["SessionCount"] == 2 and busy[0]["State"] == "ok", "the busy target", busy)
        rows = self.ask("ListSessions", **self.on(BUSY))["Sessions"]
        self.need([row["InitiatorName"] for row in rows] == [HOST] * 2 and not any(row["UsesOldSecret"] for row in rows),
                  "its sessions", rows)
        self.ask("ListVolumes")

    def mistake(self):
        self.ask("DescribeChapCredentials", expected="TargetNotFound", **self.on(self.name))
        self.ask("DeleteChapCredentials", expected="InitiatorNotFound", **self.on(BUSY, InitiatorName="iqn.nobody"))
        self.ask("ListTargets", expected="ValidationException", Color="red")
        self.ask("Update", expected="UnknownOperationException")
        self.ask("UpdateChapCredentials", expected="InvalidParameters",
                 **self.on(BUSY, InitiatorName=self.name, SecretToAuthenticateInitiator="short"))

    def run(self):
        try:
            while time.monotonic() < self.crowd.end:
                self.role(self)
                self.rounds += 1
        except Exception as error:  # whatever it is, it is the finding
            self.crowd.findings.append("%s %d: %r" % (self.role.__name__, self.number, error))
        if self.connection:
            self.connection.close()


ROLES = [Client.update] * 40 + [Client.rotate] * 10 + [Client.create] * 20 + [Client.look] * 15 + [Client.mistake] * 15


class Crowd:
    def __init__(self, daemon, word, connection, ask):
        self.daemon, self.word, self.connection, self.ask = daemon, word, connection, ask
        self.findings, self.end = [], 0
        self.clients = [Client(self, role, number) for number, role in enumerate(ROLES)]
        for client in self.clients:
            if client.role is Client.rotate:
                daemon.update("first-%08d" % client.number, initiator=client.name, name=BUSY)

    def run(self):
        self.end = time.monotonic() + SECONDS
        threads = [threading.Thread(target=client.run) for client in self.clients]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


class Initiator(threading.Thread):
    """Writes, and reads back what it wrote, all the time."""

    def __init__(self, daemon, number):
        super().__init__()
        self.session = initiator.Session(*daemon.portals[0], target=BUSY, name=HOST, secret=HOST_SECRET).login()
        self.session.ready()
        self.number, self.count, self.failure, self.done = number, 0, None, threading.Event()

    def run(self):
        try:
            while not self.done.is_set():
                data = struct.pack(">QQ", self.number, self.count) * 1024
                at = 2048 * self.number + self.count % 64 * 32
                if self.session.write10(at, data)[0] or self.session.read10(at, 32)[:2] != (0, data):
                    raise AssertionError("a command failed, or read something else")
                self.count += 1
        except Exception as error:  # whatever it is, it is the finding
            self.failure = repr(error)


def check(tap, daemon, crowd, what):
    initiators = [Initiator(daemon, number) for number in range(2)]
    for one in initiators:
        one.start()
    crowd.run()
    for one in initiators:
        one.done.set()
        one.join()
        one.session.close()
    rounds = {role.__name__: sum(client.rounds for client in crowd.clients if client.role is role) for role in set(ROLES)}
    print("# %s: %r, %d writes" % (what, rounds, sum(one.count for one in initiators)))
    tap.equal(crowd.findings, [], "%d clients %s get no wrong answer" % (len(crowd.clients), what))
    tap.ok(all(client.rounds for client in crowd.clients), "and each of them gets some",
           [(client.role.__name__, client.number) for client in crowd.clients if not client.rounds])
    tap.ok(all(one.failure is None and one.count for one in initiators), "no command fails meanwhile",
           [one.failure for one in initiators])
    return [client for client in crowd.clients if client.role in (Client.update, Client.rotate)]


def main():
    portcullis.require()
    tap = portcullis.Tap()
    with portcullis.Daemon(start=False) as daemon:
        daemon.configure(signed.configuration(daemon.directory, targets=[
            portcullis.target(BUSY, luns=('path = "@DIR@/busy"; size = "16M";',)), portcullis.target(CHANGES)]))
        daemon.start()
        endpoint = signed.Endpoint(daemon)
        crowds = (Crowd(daemon, "unix", lambda: daemon.connection(60), portcullis.exchange),
                  Crowd(daemon, "tcp", lambda: endpoint.connection(60),
                        lambda connection, operation, members: endpoint.control(operation, members, connection=connection)))
        daemon.update(HOST_SECRET, initiator=HOST, name=BUSY)
        clients = check(tap, daemon, crowds[0], "on the Unix socket") + check(tap, daemon, crowds[1], "over TCP")
        tap.equal(daemon.stop(), 0, "the daemon ends in order")
        tap.ok(not any("s-%03d-" % client.number in daemon.log() for client in clients) and HOST_SECRET not in daemon.log(),
               "no secret in the log")
        daemon.start()
        kept = {(target, row["InitiatorName"]): row["SecretToAuthenticateInitiator"] for target in (BUSY, CHANGES)
                for row in daemon.control("DescribeChapCredentials", {"TargetARN": daemon.arn(target)})[2]["ChapCredentials"]}
        wanted = {(CHANGES if client.role is Client.update else BUSY, client.name): client.secret
                  for client in clients if client.secret}
        wanted[BUSY, HOST] = HOST_SECRET
        tap.equal(kept, wanted, "after a start every record is what was answered last")
        names = {row["TargetName"] for row in daemon.control("ListTargets", {})[2]["Targets"]}
        tap.equal(names, {BUSY, CHANGES}, "and no target is left over")
        tap.equal(daemon.control("ListChapRotations", {})[2]["Rotations"], [], "nor a rotation")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
