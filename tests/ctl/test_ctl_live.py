#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The verbs of portcullisctl that change a running portcullisd: each does what it says, and a mistake is told at once."""
import json
import os
import re
import socket
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import initiator  # noqa: E402
import portcullis  # noqa: E402
from bench import DONE, REFUSED, USAGE, Ctl  # noqa: E402

HOST = "iqn.2026-11.test:host"
MADE = "iqn.2026-11.test:made"
MIB = 1 << 20


def luns(daemon, name):
    rows = daemon.control("ListTargets", {})[2]["Targets"]
    return [(lun["LunNumber"], lun["SizeInBytes"], lun["ReadOnly"])
            for row in rows if row["TargetName"] == name for lun in row["Luns"]]


def test_targets(tap, ctl, daemon):
    path = os.path.join(daemon.directory, "disk")
    ctl.expect(DONE, MADE, "create-target", MADE, path, "--size", "4M", "--authentication", "chap")
    tap.equal(luns(daemon, MADE), [(0, 4 * MIB, False)], "it is there")
    ctl.expect(DONE, "larger", "resize-lun", MADE, "0", "8M")
    ctl.expect(REFUSED, "not exist", "create-lun", MADE, "7", path + "2", "--size", "1M", "--read-only")
    ctl.expect(DONE, "LUN", "create-lun", MADE, "7", path + "2", "--size", "1048576")
    ctl.expect(DONE, "LUN", "delete-lun", MADE, "7")
    ctl.expect(DONE, "LUN", "create-lun", MADE, "7", path + "2", "--read-only")
    tap.equal(luns(daemon, MADE), [(0, 8 * MIB, False), (7, MIB, True)], "and as asked for")
    ctl.expect(REFUSED, "only grows", "resize-lun", MADE, "0", "1M")
    ctl.expect(REFUSED, "list-targets", "resize-lun", MADE, "9", "16M")
    ctl.expect(REFUSED, "disk_directories", "create-lun", MADE, "8", "/etc/hostname")
    ctl.expect(DONE, "changed", "set-read-only", daemon.arn(MADE), "0", "on")
    tap.equal(luns(daemon, MADE), [(0, 8 * MIB, True), (7, MIB, True)], "a LUN is read-only")
    ctl.expect(DONE, "deleted", "delete-lun", MADE, "7")
    ctl.expect(DONE, "drained", "drain", MADE)
    ctl.expect(DONE, "logins", "resume", MADE)
    ctl.expect(REFUSED, "list-sessions", "close-session", MADE, portcullis.INITIATOR)
    code, out, _ = ctl("config", "diff")
    tap.ok(code == DONE and "targets[%s]" % MADE in out, "config diff shows it", out)
    ctl.expect(REFUSED, "configuration file", "delete-target", portcullis.IQN)
    ctl.expect(DONE, "deleted", "delete-target", MADE, "--force")
    ctl.expect(DONE, "the same", "config", "diff")


def test_sessions(tap, ctl, daemon):
    """What people see of sessions that do something, and how they close one of them."""
    first, second = (initiator.Session(*daemon.portals[0], target=portcullis.IQN, name=HOST).login() for _ in range(2))
    for session in (first, second):
        session.ready()
    first.write10(0, b"x" * 8192)
    code, out, _ = ctl("list-sessions", "--long", portcullis.IQN)
    blocks = out.split("\n\n")
    found = [re.search(r"^Session +(\d+)$", block, re.M) for block in blocks]
    tap.ok(code == DONE and len(blocks) == 2 and all(found) and "MaxBurstLength=1048576" in out
           and "HeaderDigest=None" in out and "ISID         " + first.isid.hex() in out, "list-sessions --long", out)
    code, out, _ = ctl("statistics", portcullis.IQN)
    tap.ok(code == DONE and "8.0 KiB" in out and "accepted=2" in out, "statistics", out)
    code, out, _ = ctl("watch", portcullis.IQN, "--interval", "1", "--count", "1", "--json")
    tap.equal((code, json.loads(out)["Targets"][0]["Sessions"]), (DONE, 2), "watch")
    number = next(match.group(1) for match, block in zip(found, blocks) if first.isid.hex() in block)
    ctl.expect(DONE, "1 session closed", "close-session", number)
    tap.equal((first.rest()[0][-1].opcode, second.read10(0, 1)[0]), (initiator.ASYNC, 0), "that one, and not the other")
    ctl.expect(REFUSED, "no session " + number, "close-session", number)
    ctl.expect(DONE, "1 session closed", "close-session", portcullis.IQN, HOST, second.isid.hex())
    tap.equal(ctl("list-sessions")[1], "No sessions.\n", "none is left")


def test_configuration(tap, ctl, daemon):
    code, text, _ = ctl("config", "show")
    kept = os.path.join(daemon.directory, "kept.conf")
    with open(kept, "w", encoding="utf-8") as file:
        file.write(text)
    tap.equal(code, DONE, "config show")
    ctl.expect(DONE, "good", "config", "check", kept)
    ctl.expect(DONE, "good", "config", "check")
    ctl.expect(DONE, "reloaded", "config", "reload")
    with open(kept, "a", encoding="utf-8") as file:
        file.write("\ncolour = 1;\n")
    ctl.expect(REFUSED, "colour", "config", "check", kept)
    daemon.configure(daemon.text + "colour = 1;\n")
    ctl.expect(REFUSED, "portcullis.conf:", "config", "reload")


def test_portals(tap, ctl, daemon):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        place = "127.0.0.1:%d" % probe.getsockname()[1]
        probe.listen()
        ctl.expect(REFUSED, "cannot listen on portal 127.0.0.1", "add-portal", place)
    ctl.expect(DONE, place + ": listens", "add-portal", place, "7")
    code, out, _ = ctl("list-portals")
    rows = [line.split() for line in out.splitlines()]
    tap.equal((code, rows), (DONE, [["PORTAL", "GROUP", "LISTENING", "SOURCE", "SESSIONS"],
                                    ["%s:%d" % daemon.portals[0], "1", "yes", "file", "0"], [place, "7", "yes", "live", "0"]]),
              "list-portals shows both")
    ctl.expect(REFUSED, "group 7", "add-portal", place, "8")
    ctl.expect(REFUSED, "configuration file", "remove-portal", "%s:%d" % daemon.portals[0])
    ctl.expect(DONE, "no portal any more", "remove-portal", place)
    ctl.expect(DONE, "no portal any more", "remove-portal", place, "--force")
    for words in (("add-portal", "127.0.0.1"), ("add-portal", "localhost:3260"), ("remove-portal", "::1:3260"),
                  ("add-portal", "127.0.0.1:65536"), ("add-portal", "")):
        ctl.expect(USAGE, "ADDRESS:PORT", *words)
    ctl.expect(USAGE, "GROUP", "add-portal", place, "one")
    ctl.expect(REFUSED, "group", "add-portal", place, "0")


def test_volumes(tap, ctl, daemon):
    disk = os.path.join(daemon.directory, "volume")
    with open(disk, "wb") as file:
        file.truncate(4 * MIB)
    ctl.expect(DONE, " (iqn.1997-05.com.amazon:made): created", "create-volume", "MADE", disk, "--empty")
    ctl.expect(DONE, "created", "create-volume", "iqn.1997-05.com.amazon:made", disk)
    code, out, _ = ctl("list-volumes")
    rows = [line.split() for line in out.splitlines()]
    found = [row for row in rows if row[-1] == disk]
    tap.ok(code == DONE and len(rows) == 3 and rows[0][0] == "VOLUME" and len(found) == 1, "list-volumes", out)
    volume = found[0][0]
    tap.equal(found[0][1:], ["4.0", "MiB", "AVAILABLE", "0", "iqn.1997-05.com.amazon:made", disk], "shows it")
    code, out, _ = ctl("--json", "list-volumes")
    ids = [row["VolumeId"] for row in json.loads(out)["StorediSCSIVolumes"]]
    tap.ok(code == DONE and len(ids) == 2 and volume in ids, "and with --json", out)
    ctl.expect(REFUSED, "list-volumes", "create-volume", "other", disk)
    ctl.expect(REFUSED, "disk_directories", "create-volume", "other", "/etc/hostname")
    ctl.expect(REFUSED, "another name", "create-volume", "made", os.path.join(daemon.directory, "portcullis.conf"))
    ctl.expect(REFUSED, "list-volumes", "delete-volume", "vol-00000000000000000")
    ctl.expect(REFUSED, "configuration file", "delete-volume", [one for one in ids if one != volume][0])
    ctl.expect(DONE, volume + ": deleted", "delete-volume", volume)
    ctl.expect(REFUSED, "not found", "delete-volume", volume)
    code, out, _ = ctl("--json", "create-volume", "made", disk)
    reply = json.loads(out)
    ctl.expect(DONE, volume + ": deleted", "delete-volume", reply["VolumeARN"])
    for number in range(120):
        daemon.control("CreateLun", {"TargetARN": daemon.arn(), "LunNumber": 100 + number, "Path": "memory:", "SizeInBytes": MIB})
    tap.equal(len(ctl("list-volumes")[1].splitlines()), 122, "list-volumes turns pages")


def test_mistakes(ctl):
    for words, part in ((("config",), "no such verb"), (("config", "shown"), "no such verb"),
                        (("resize-lun", MADE, "0"), "usage"), (("resize-lun", daemon_arn(ctl), "x", "8M"), "LUN"),
                        (("resize-lun", daemon_arn(ctl), "0", "much"), "SIZE"),
                        (("resize-lun", daemon_arn(ctl), "0", "-1"), "no such option"),
                        (("set-read-only", daemon_arn(ctl), "0", "maybe"), "on"),
                        (("drain", daemon_arn(ctl), "--force"), "does not take"),
                        (("config", "check", "/no/where"), "/no/where")):
        ctl.expect(USAGE, part, *words)


def daemon_arn(ctl):
    return ctl.daemon.arn()


def main():
    portcullis.require()
    if not portcullis.binary("portcullisctl"):
        portcullis.skip_all("portcullisctl is not built")
    tap = portcullis.Tap()
    with portcullis.Daemon(portcullis.config(control='disk_directories = [ "@DIR@" ];')) as daemon:
        ctl = Ctl(tap, daemon)
        test_targets(tap, ctl, daemon)
        test_portals(tap, ctl, daemon)
        test_volumes(tap, ctl, daemon)
        test_mistakes(ctl)
        test_sessions(tap, ctl, daemon)
        test_configuration(tap, ctl, daemon)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
