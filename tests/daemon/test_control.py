#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The control endpoint of a running portcullisd: its socket over the daemon's life, the project's own
lists with real sessions in them, many clients at once, and clients that behave badly."""
import json
import os
import socket
import stat
import subprocess
import sys
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import initiator  # noqa: E402
import portcullis  # noqa: E402

OPEN = "iqn.1997-05.com.amazon:open"
ALICE, BOB = "iqn.2026-11.test:alice", "iqn.2026-11.test:bob"
FIRST, SECOND, THIRD = "first-secret", "second-secret", "third-secret"
PARALLEL = 100


def raw(daemon):
    """A plain connection to the control socket."""
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(30)
    connection.connect(daemon.socket)
    return connection


def check_life(tap):
    """The socket file from start to stop, over a kill, and against a second daemon."""
    with portcullis.Daemon() as daemon:
        found = os.stat(daemon.socket)
        tap.ok(stat.S_ISSOCK(found.st_mode), "it is a socket")
        tap.equal(stat.S_IMODE(found.st_mode), 0o660, "its mode is 0660")
        other = portcullis.Daemon(start=False)
        other.configure(other.text.replace(other.socket, daemon.socket))
        second = subprocess.run(other.command(), capture_output=True, timeout=30, text=True)
        last = second.stderr.strip().split("\n")[-1]
        tap.equal(second.returncode, 1, "a second daemon on a live socket ends with 1")
        tap.ok(daemon.socket in last and "another process is listening" in last,
               "and with one clear line", second.stderr)
        other.close()
        daemon.update(FIRST)
        daemon.kill()
        tap.ok(os.path.exists(daemon.socket), "kill -9 leaves the file")
        daemon.start()
        status, _, reply = daemon.control("DescribeChapCredentials", {"TargetARN": daemon.arn()})
        tap.ok(status == 200 and len(reply["ChapCredentials"]) == 1,
               "the next start replaces it", status, reply)
        lorises = [raw(daemon) for _ in range(5)]
        for loris in lorises:
            loris.sendall(b"POST / HTTP/1.1\r\nHos")
        tap.equal(daemon.stop(), 0, "SIGTERM ends it with 0, whoever is connected")
        tap.ok(not os.path.exists(daemon.socket), "and the file is gone")
        for loris in lorises:
            loris.close()


def check_targets(tap):
    text = portcullis.config([
        portcullis.target(luns=('path = "memory:"; size = "16M";',
                                'path = "@DIR@/b.img"; size = "1M"; block_size = 4096;')),
        portcullis.target(OPEN, authentication="none")])
    with portcullis.Daemon(text) as daemon:
        status, _, reply = daemon.control("ListTargets", {})
        first, second = reply["Targets"]
        tap.equal(status, 200, "ListTargets answers")
        tap.equal(first, {
            "TargetName": portcullis.IQN, "TargetARN": daemon.arn(), "Authentication": "auto",
            "ChapEnabled": False, "State": "ok", "CredentialCount": 0, "SessionCount": 0,
            "Luns": [{"LunNumber": 0, "SizeInBytes": 16 << 20, "BlockSize": 512, "ReadOnly": False,
                      "Path": "memory:"},
                     {"LunNumber": 1, "SizeInBytes": 1 << 20, "BlockSize": 4096, "ReadOnly": False,
                      "Path": daemon.directory + "/b.img"}]}, "with the whole of a target")
        tap.equal(second["Authentication"], "none", "in the file's order")
        status, _, reply = daemon.control("UpdateChapCredentials", {
            "TargetARN": daemon.arn(OPEN), "InitiatorName": ALICE,
            "SecretToAuthenticateInitiator": FIRST})
        tap.ok(status == 400 and reply["error"] == {"errorCode": "NotSupported"},
               "an update under \"none\" is refused", status, reply)
        daemon.update(FIRST)
        enabled = daemon.control("ListTargets", {})[2]["Targets"][0]["ChapEnabled"]
        tap.equal(enabled, True, "a credential enables CHAP")


def check_broken(tap):
    """A target whose state cannot be trusted says so, and tells nothing [K9]."""
    with portcullis.Daemon() as daemon:
        daemon.update(FIRST)
        daemon.stop()
        for folder, _, files in os.walk(os.path.join(daemon.directory, "state")):
            for name in files:
                path = os.path.join(folder, name)
                with open(path, "rb") as file:
                    holds_secret = FIRST.encode() in file.read()
                if holds_secret or portcullis.IQN in name:
                    os.truncate(path, 10)
        daemon.start()
        state = daemon.control("ListTargets", {})[2]["Targets"][0]["State"]
        tap.equal(state, "broken", "a broken target is listed as such")
        pair = {"TargetARN": daemon.arn(), "InitiatorName": portcullis.INITIATOR}
        for operation, members in (
                ("DescribeChapCredentials", {"TargetARN": daemon.arn()}),
                ("UpdateChapCredentials", dict(pair, SecretToAuthenticateInitiator=SECOND)),
                ("DeleteChapCredentials", pair)):
            status, _, reply = daemon.control(operation, members)
            tap.ok(status == 500 and reply["error"] == {"errorCode": "InternalError"},
                   operation + " on it is an internal error", status, reply)


def check_sessions(tap):
    text = portcullis.config([portcullis.target(), portcullis.target(OPEN, "none")])
    with portcullis.Daemon(text) as daemon:
        host, port = daemon.portals[0]
        daemon.update(FIRST, SECOND, initiator=ALICE)
        tap.equal(daemon.control("ListSessions", {})[2], {"Sessions": []}, "no sessions at first")
        with initiator.Session(host, port, portcullis.IQN, name=ALICE, secret=FIRST,
                               target_secret=SECOND) as alice, \
                initiator.Session(host, port, OPEN, name=BOB) as bob:
            alice.login()
            bob.login()
            for session in (alice, bob):
                session.ready()
            alice.write10(0, b"x" * 8192)
            alice.read10(0, 8)
            rows = daemon.control("ListSessions", {})[2]["Sessions"]
            tap.equal([row["InitiatorName"] for row in rows], [ALICE, BOB], "both sessions, in order")
            row = rows[0]
            tap.ok(row["TargetARN"] == daemon.arn() and row["SessionType"] == "Normal"
                   and row["ChapAlgorithm"] in ("MD5", "SHA-1", "SHA-256", "SHA3-256")
                   and row["ChapMutual"] is True and row["AgeSeconds"] < 60
                   and row["PortalAddress"] == "%s:%d" % (host, port), "what the login settled", row)
            tap.ok(row["BytesWritten"] == 8192 and row["BytesRead"] >= 4096 and row["Commands"] >= 2,
                   "what went over it", row)
            tap.equal((rows[1]["ChapAlgorithm"], rows[1]["ChapMutual"]), ("none", False),
                      "one without CHAP")
            only = daemon.control("ListSessions", {"TargetARN": daemon.arn(OPEN)})[2]["Sessions"]
            tap.equal([row["InitiatorName"] for row in only], [BOB], "those of one target")
            counts = [t["SessionCount"] for t in daemon.control("ListTargets", {})[2]["Targets"]]
            tap.equal(counts, [1, 1], "ListTargets counts them")
            daemon.update(THIRD, initiator=ALICE)
            left = daemon.control("ListSessions", {})[2]["Sessions"]
            tap.equal([row["InitiatorName"] for row in left], [BOB], "after an update only the others'")


def check_crowd(tap):
    """Many clients at once, some of them never finish, some leave before their reply."""
    with portcullis.Daemon() as daemon:
        wrong = []

        def client(number):
            name = "iqn.2026-11.test:%d" % number
            connection = daemon.connection(60)
            for _ in range(3):
                pair = {"TargetARN": daemon.arn(), "InitiatorName": name}
                status, _, reply = portcullis.exchange(
                    connection, "UpdateChapCredentials",
                    dict(pair, SecretToAuthenticateInitiator="secret-%06d" % number))
                if (status, reply) != (200, pair):
                    wrong.append((status, reply))
            connection.close()

        for number in range(20):
            with raw(daemon) as impatient:
                body = json.dumps({"TargetARN": daemon.arn(), "InitiatorName": "iqn.left:%d" % number,
                                   "SecretToAuthenticateInitiator": FIRST})
                impatient.sendall(("POST / HTTP/1.1\r\nX-Amz-Target: StorageGateway_20130630."
                                   "UpdateChapCredentials\r\nContent-Length: %d\r\n\r\n%s"
                                   % (len(body), body)).encode())
        lorises = [raw(daemon) for _ in range(20)]
        for loris in lorises:
            loris.sendall(b"POST / HTTP/1.1\r\nContent-Length: 10\r\n\r\n")
        threads = [threading.Thread(target=client, args=(n,)) for n in range(PARALLEL)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        tap.equal(wrong, [], "%d clients in parallel get the right answers" % PARALLEL)
        rows = daemon.control("DescribeChapCredentials", {"TargetARN": daemon.arn()})[2]["ChapCredentials"]
        names = {row["InitiatorName"] for row in rows}
        tap.ok(all("iqn.2026-11.test:%d" % n in names for n in range(PARALLEL)),
               "and all their records are there")
        for loris in lorises:
            loris.close()
        tap.equal(daemon.stop(), 0, "the daemon ends well")
        tap.ok("secret-0" not in daemon.log() and FIRST not in daemon.log(), "no secret in the log")


def resident(daemon):
    with open("/proc/%d/statm" % daemon.process.pid, encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def check_flood(tap):
    """A body without end costs no memory, and nobody else's service."""
    with portcullis.Daemon() as daemon:
        before = resident(daemon)
        with raw(daemon) as flood:
            flood.sendall(b"POST / HTTP/1.1\r\nContent-Length: 1073741824\r\n\r\n")
            piece = b"x" * 65536
            for count in range(1024):
                flood.sendall(piece)
                if count % 128 == 0:
                    status = daemon.control("ListTargets", {})[0]
                    if status != 200:
                        tap.ok(False, "others are served meanwhile", status)
                        return
            grown = resident(daemon) - before
            tap.ok(grown < 16 << 20, "64 MiB of a body of 1 GiB leave no trace", grown)


def main():
    portcullis.require()
    tap = portcullis.Tap()
    check_life(tap)
    check_targets(tap)
    check_broken(tap)
    check_sessions(tap)
    check_crowd(tap)
    check_flood(tap)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
