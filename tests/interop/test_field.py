#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What initiators in the field count on beyond the standards' letter, shown by an initiator of the tests' own.

[ESX-01 ESX-02 ESX-03 SCSI-05 SCSI-06 SCSI-16 SCSI-23 SCSI-27 SES-10 SES-12 CRED-07 CRED-12 CRED-16 CRED-17 MAC-01 WIN-06]
"""
import os
import resource
import socket
import struct
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import initiator  # noqa: E402
import portcullis  # noqa: E402

HOST = "iqn.1994-05.com.example:host"
CROWD = 400
OLD, NEW, TARGET_OLD, TARGET_NEW = "initiator-one", "initiator-two", "the-target-one", "the-target-two"


def session(daemon, portal=0, **options):
    options.setdefault("name", HOST)
    return initiator.Session(*daemon.portals[portal], target=portcullis.IQN, **options)


def sessions_of(daemon):
    return daemon.control("ListSessions", {"TargetARN": daemon.arn()})[2]["Sessions"]


def crowd(daemon, tap):
    """All hosts come at once, as after an outage of the network: each takes a step when all others have taken theirs."""
    with session(daemon).login() as present:
        present.ready()
        hosts = [session(daemon, name="%s-%d" % (HOST, number)) for number in range(CROWD)]
        logins = [host.login_steps() for host in hosts]
        steps = [[next(login, "done") for login in logins] for _ in range(4)]
        tap.ok(all(set(step) == {name} for step, name in zip(steps, ("security", "operational", "full", "done"))),
               "%d hosts that log in side by side are all let in" % CROWD)
        tap.equal(len(sessions_of(daemon)), CROWD + 1, "and are all there")
        for host in hosts:
            host.ready()
        tap.ok(all(host.read10(0, 1)[0] == 0 for host in hosts), "each can work")
        tap.equal(present.read10(0, 1)[0], 0, "who was there before has not noticed")
        for host in hosts:
            host.close()


def strangers(daemon, tap):
    """Connections that never log in use up what their address may have, and nothing else."""
    with session(daemon).login() as present:
        present.ready()
        flood = []
        for _ in range(1100):
            one = socket.create_connection(daemon.portals[0])
            flood.append(one)
        tap.ok(daemon.wait_event("connection-refused", why="too many connections have not logged in yet"), "a flood of strangers is bounded")
        tap.equal(present.write10(0, b"x" * 512)[0], 0, "a session that is there goes on")
        for one in flood:
            one.close()
        tap.ok(initiator.wait_until(lambda: initiator.attempt(*daemon.portals[0], target=portcullis.IQN, name=HOST) == 0),
               "and when it is gone a login comes through again")


def identity(one):
    """Serial number, designators of the logical unit, capacity: what multipath and a reconnecting host compare."""
    one.ready()
    serial = one.scsi([0x12, 1, 0x80, 0, 255, 0], read=255)[1]
    page = one.scsi([0x12, 1, 0x83, 4, 0, 0], read=1024)[1]
    designators, at = [], 4
    while at < len(page):
        length = 4 + page[at + 3]
        if page[at + 1] & 0x30 == 0:
            designators.append(page[at:at + length])
        at += length
    capacity = one.scsi([0x9e, 0x10] + [0] * 11 + [32, 0, 0], read=32)[1]
    return serial, designators, capacity


def same_disk(daemon, tap):
    seen = []
    for portal in (0, 1):
        with session(daemon, portal).login() as one:
            seen.append(identity(one))
    tap.ok(seen[0] == seen[1] and len(seen[0][1]) == 2, "both paths show the same disk, by NAA and by T10 name")
    tap.equal(seen[0][1][0][1] & 0x0f, 3, "the NAA name comes first")
    tap.equal(daemon.stop(), 0, "a restart")
    daemon.start()
    with session(daemon).login() as one:
        tap.equal(identity(one), seen[0], "shows the same disk again")


def honest(daemon, tap):
    """What is not there is not announced, and is refused as unknown."""
    with session(daemon).login() as one:
        one.ready()
        data = one.scsi([0x12, 0, 0, 0, 96, 0], read=96)[1]
        tap.equal(data[5] & 0x38, 0, "INQUIRY announces neither ALUA nor EXTENDED COPY")
        tap.equal(one.scsi([0x12, 1, 0xb0, 0, 64, 0], read=64)[1][5], 0, "nor COMPARE AND WRITE")
        for name, cdb in (("COMPARE AND WRITE", [0x89]), ("EXTENDED COPY", [0x83]), ("RECEIVE COPY RESULTS", [0x84]),
                          ("REPORT TARGET PORT GROUPS", [0xa3, 0x0a]), ("SET TARGET PORT GROUPS", [0xa4, 0x0a]),
                          ("MODE SELECT(6)", [0x15]), ("MODE SELECT(10)", [0x55]), ("PERSISTENT RESERVE IN", [0x5e]),
                          ("PERSISTENT RESERVE OUT", [0x5f]), ("POPULATE TOKEN", [0x83, 0x10])):
            status, _, sense = one.scsi(cdb, read=0)
            tap.equal((status, sense[2] & 15, sense[12:14]), (2, 5, b"\x20\x00"), "%s is unknown" % name)


def one_connection(daemon, tap):
    """MaxConnections=1: a second one for the session is refused, and the first stays."""
    with session(daemon, keys=[("MaxConnections", "8")]).login() as first:
        first.ready()
        tap.equal(first.answers.get("MaxConnections"), "1", "MaxConnections is 1 whatever is offered")
        second = session(daemon, isid=first.isid)
        second.requested_tsih = first.tsih
        header_cid = struct.pack(">H", 7)
        send = second.send
        second.send = lambda header, data=b"": send(bytes(header[:20]) + header_cid + bytes(header[22:]), data)
        try:
            second.login()
            outcome = 0
        except initiator.Refused as refused:
            outcome = refused.status
        second.close()
        tap.equal(outcome, 0x0206, "a second connection is refused")
        tap.equal(first.write10(8, b"y" * 512)[0], 0, "the first goes on")


def mutual(daemon, tap):
    """The target's secret alone changes: the old session goes, and a host that expects the old one finds out by itself."""
    daemon.update(OLD, TARGET_OLD, initiator=HOST)
    with session(daemon, secret=OLD, target_secret=TARGET_OLD).login() as one:
        one.ready()
        daemon.update(OLD, TARGET_NEW, initiator=HOST)
        pdus, reset = one.rest()
        tap.ok(not reset and [pdu.opcode for pdu in pdus] == [initiator.ASYNC], "the session of the old one is closed")
    for _ in range(3):
        with session(daemon, secret=OLD, target_secret=TARGET_OLD) as late:
            try:
                late.login()
                tap.ok(False, "a host that expects the old secret is not satisfied")
            except AssertionError as why:
                tap.ok("does not know" in str(why), "a host that expects the old secret is not satisfied")
    tap.ok(initiator.wait_until(lambda: sessions_of(daemon) == []), "and leaves no session")
    with session(daemon, secret=OLD, target_secret=TARGET_NEW).login() as right:
        right.ready()
        tap.equal(right.read10(0, 1)[0], 0, "one that expects the new one works")


def one_close_per_change(daemon, tap):
    """A change closes a session once, and whoever came back with what is now right stays."""
    secrets = (OLD, NEW) * 3
    daemon.update(secrets[0], initiator=HOST)
    one = session(daemon, secret=secrets[0]).login()
    one.ready()
    closed = 0
    for secret in secrets[1:]:
        daemon.update(secret, initiator=HOST)
        pdus, reset = one.rest()
        closed += not reset and [pdu.opcode for pdu in pdus] == [initiator.ASYNC]
        one.close()
        one = session(daemon, secret=secret, isid=one.isid).login()
        one.ready()
        closed += one.write10(0, b"z" * 512)[0] == 0 and one.read10(0, 1)[1] == b"z" * 512
    tap.equal(closed, 2 * len(secrets[1:]), "each change closes the session once; each return lasts until the next")
    tap.equal(len(sessions_of(daemon)), 1, "one session is left")
    one.close()


def main():
    portcullis.require()
    # A crowd has more descriptors than a shell gives.
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    tap = portcullis.Tap()
    lun = 'path = "@DIR@/disk.img"; size = "16M";'
    with portcullis.Daemon(portcullis.config([portcullis.target(luns=(lun,))], portals=("127.0.0.1", "127.0.0.2"))) as daemon:
        for part in (crowd, strangers, same_disk, honest, one_connection, mutual, one_close_per_change):
            part(daemon, tap)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
