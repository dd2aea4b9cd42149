#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every operation once with success, and with each error that is documented for it: what the reply's members are, what a
read-only access key may ask for, what happens when nothing can be stored. Values and limits are test_members.py's.
"""
import os
import socket
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import initiator  # noqa: E402
import portcullis  # noqa: E402
import signed  # noqa: E402
import test_cases  # noqa: E402
import test_members  # noqa: E402

AWS, OWN, GATEWAY = portcullis.AWS_PREFIX, portcullis.OWN_PREFIX, portcullis.GATEWAY
NAMED, OPEN, MADE = portcullis.IQN, "iqn.1997-05.com.amazon:open", "iqn.2026-11.test:made"
HOST, OTHER = "iqn.1994-05.com.example:host", "iqn.1994-05.com.example:other"
FIRST, SECOND, THIRD = "111111111111", "222222222222", "333333333333"
MIB = 1 << 20
LOOKING = {AWS + name for name in ("ListGateways", "DescribeGatewayInformation", "ListVolumes",
                                   "DescribeStorediSCSIVolumes", "ListVolumeInitiators", "ListLocalDisks")} | {
           OWN + name for name in ("ListChapRotations", "ShowConfiguration", "CheckConfiguration", "DiffConfiguration",
                                   "ListTargets", "ListSessions", "GetStatistics", "ListPortals")}


def arn(name):
    return "%s/target/%s" % (GATEWAY, name)


NO_TARGET = arn("iqn.2026-11.test:none")
NO_VOLUME = GATEWAY + "/volume/vol-00000000000000000"
PAIR = {"TargetARN": arn(NAMED), "InitiatorName": HOST}
SECRETS = dict(PAIR, SecretToAuthenticateInitiator=FIRST)
TARGET_ERRORS = (("TargetNotFound", {"TargetARN": NO_TARGET}), ("TargetNotFound", {"TargetARN": arn(NAMED).replace("sgw-1", "sgw-2")}),
                 ("TargetInvalid", {"TargetARN": GATEWAY + "/volume/vol-012"}), ("TargetInvalid", {"TargetARN": "x" * 50}))
SECRET_ERRORS = tuple(("InvalidParameters", members) for members in (
    {"SecretToAuthenticateInitiator": "a" * 11}, {"SecretToAuthenticateInitiator": "a" * 17},
    {"SecretToAuthenticateTarget": "a" * 11}, {"SecretToAuthenticateTarget": "a" * 17},
    {"SecretToAuthenticateTarget": FIRST}, {"SecretToAuthenticateInitiator": "a" * 15 + "\u00e9"}))
GATEWAY_ERRORS = (("GatewayNotFound", {"GatewayARN": GATEWAY.replace("sgw-1", "sgw-2")}),
                  ("InvalidGateway", {"GatewayARN": arn(NAMED)}), ("InvalidGateway", {"GatewayARN": "x" * 50}))
MARKER_ERRORS = (("InvalidParameters", {"Marker": "elsewhere"}),)
LUN_ERRORS = TARGET_ERRORS + (("LunInvalid", {"LunNumber": 200}),)


class Round:
    """All operations on one daemon, in an order in which each finds what it needs."""

    def __init__(self, tap, daemon, endpoint):
        self.tap, self.daemon, self.endpoint = tap, daemon, endpoint
        self.seen = set()
        self.disks = daemon.directory

    def ask(self, operation, members, how=None):
        """(status, the reply or errorCode or __type)"""
        status, _, reply = self.endpoint.control(operation, members, **how) if how else self.daemon.control(operation, members)
        return status, reply if status == 200 else reply.get("error", {}).get("errorCode", reply["__type"])

    def carry_out(self, operation, members, answers, errors=(), storing=False):
        """Errors first, so that the operation's own effect is the last thing; then success. Returns the reply."""
        tap = self.tap
        short = operation.split(".")[1]
        for code, wrong in errors:
            found = self.ask(operation, dict(members, **wrong))
            tap.ok(found == (400, code), "%s: %s for %s" % (short, code, test_members.show(wrong)), found)
        found = self.ask(operation, members, {"key": signed.READER, "secret": signed.READER_SECRET})
        reader = 200 if operation in LOOKING else (400, "AccessDeniedException")
        tap.ok(found in (reader, (reader, found[1])), "%s: with a read-only key" % short, found)
        if storing:
            with test_cases.FullDisk(self.daemon):
                found = self.ask(operation, members)
            tap.equal(found, (500, "InternalError"), "%s: InternalError when nothing can be stored" % short)
        status, reply = self.ask(operation, members, {"key": signed.KEY} if len(self.seen) % 2 else None)
        tap.ok(status == 200 and set(reply) == set(answers.split()), "%s: success" % short, reply, answers)
        self.seen.add(operation)
        return reply if status == 200 else {}

    def disk(self, name, size=MIB):
        path = os.path.join(self.disks, name)
        with open(path, "wb") as file:
            file.truncate(size)
        return path


def log_in(daemon, target, name=HOST):
    session = initiator.Session(*daemon.portals[0], target=target, name=name).login()
    session.ready()
    return session


def credentials(one):
    record = "TargetARN InitiatorName"
    not_supported = (("NotSupported", {"TargetARN": arn(OPEN)}),)
    one.carry_out(AWS + "UpdateChapCredentials", SECRETS, record, TARGET_ERRORS + SECRET_ERRORS + not_supported, True)
    reply = one.carry_out(AWS + "DescribeChapCredentials", {"TargetARN": arn(NAMED)}, "ChapCredentials", TARGET_ERRORS)
    one.tap.equal(reply["ChapCredentials"], [SECRETS], "and that is the record")
    rotate = dict(SECRETS, SecretToAuthenticateInitiator=SECOND, GraceSeconds=600)
    same = ("InvalidParameters", {"SecretToAuthenticateInitiator": FIRST})
    one.carry_out(OWN + "RotateChapCredentials", rotate, record + " EndTime",
                  TARGET_ERRORS + SECRET_ERRORS[:4] + (same, ("InitiatorNotFound", {"InitiatorName": OTHER})), True)
    found = one.ask(OWN + "RotateChapCredentials", dict(rotate, SecretToAuthenticateInitiator=THIRD))
    one.tap.equal(found, (400, "InvalidParameters"), "another while it lasts is refused")
    reply = one.carry_out(OWN + "ListChapRotations", {"TargetARN": arn(NAMED)}, "Rotations", TARGET_ERRORS)
    one.tap.equal(len(reply["Rotations"]), 1, "it is listed")
    one.carry_out(OWN + "FinishChapRotation", PAIR, record + " SessionsClosed",
                  TARGET_ERRORS + (("InitiatorNotFound", {"InitiatorName": OTHER}),), True)
    one.carry_out(AWS + "DeleteChapCredentials", PAIR, record,
                  TARGET_ERRORS + (("InitiatorNotFound", {"InitiatorName": OTHER}),), True)


def looking(one):
    one.carry_out(AWS + "ListGateways", {"Limit": 1}, "Gateways", MARKER_ERRORS)
    one.carry_out(AWS + "DescribeGatewayInformation", {"GatewayARN": GATEWAY},
                  "GatewayARN GatewayId GatewayName GatewayTimezone GatewayState GatewayType HostEnvironment EndpointType "
                  "SoftwareVersion GatewayNetworkInterfaces", GATEWAY_ERRORS)
    reply = one.carry_out(AWS + "ListVolumes", {"GatewayARN": GATEWAY, "Limit": 1}, "GatewayARN VolumeInfos Marker",
                          GATEWAY_ERRORS + MARKER_ERRORS)
    volume = reply["VolumeInfos"][0]["VolumeARN"]
    no_volume = (("VolumeNotFound", {"VolumeARN": NO_VOLUME}),
                 ("VolumeNotFound", {"VolumeARN": volume.replace("sgw-1", "sgw-2")}), ("VolumeNotFound", {"VolumeARN": volume + "0"}))
    one.carry_out(AWS + "DescribeStorediSCSIVolumes", {"VolumeARNs": [volume]}, "StorediSCSIVolumes",
                  [(code, {"VolumeARNs": [volume, wrong["VolumeARN"]]}) for code, wrong in no_volume])
    one.carry_out(AWS + "ListVolumeInitiators", {"VolumeARN": volume}, "Initiators", no_volume)
    one.carry_out(AWS + "ListLocalDisks", {"GatewayARN": GATEWAY}, "GatewayARN Disks", GATEWAY_ERRORS)
    one.carry_out(OWN + "ListTargets", {}, "Targets")
    one.carry_out(OWN + "GetStatistics", {"TargetARN": arn(NAMED)}, "Targets Workers Nanoseconds", TARGET_ERRORS)
    return no_volume


def volumes(one, no_volume):
    disk = one.disk("volume")
    create = {"GatewayARN": GATEWAY, "DiskId": disk, "PreserveExistingData": False, "TargetName": "new",
              "NetworkInterfaceId": "127.0.0.1"}
    errors = GATEWAY_ERRORS + (
        ("DiskDoesNotExist", {"DiskId": disk + "2"}), ("DiskDoesNotExist", {"DiskId": "/etc/passwd"}),
        ("DiskAlreadyAllocated", {"DiskId": os.path.join(one.disks, "named")}), ("TargetAlreadyExists", {"TargetName": "open"}),
        ("NotSupported", {"SnapshotId": "snap-01234567"}), ("NotSupported", {"KMSEncrypted": True}),
        ("NotSupported", {"KMSKey": "alias/a"}), ("NotSupported", {"Tags": [{}]}),
        ("InvalidParameters", {"NetworkInterfaceId": "192.0.2.1"}), ("InvalidParameters", {"TargetName": ";"}))
    volume = one.carry_out(AWS + "CreateStorediSCSIVolume", create, "VolumeARN VolumeSizeInBytes TargetARN", errors, True)
    with log_in(one.daemon, "iqn.1997-05.com.amazon:new"):
        found = one.ask(AWS + "DeleteVolume", {"VolumeARN": volume["VolumeARN"]})
        one.tap.equal(found, (400, "VolumeInUse"), "DeleteVolume: VolumeInUse")
    one.daemon.wait_idle("iqn.1997-05.com.amazon:new")
    one.carry_out(AWS + "DeleteVolume", {"VolumeARN": volume["VolumeARN"]}, "VolumeARN", no_volume, True)


def targets(one):
    lun = {"Path": one.disk("made"), "SizeInBytes": MIB}  # it is there: else a full disk would refuse to make it
    answers, target = "TargetName TargetARN LunNumber SizeInBytes", arn(MADE)
    wrong_lun = (("InvalidParameters", {"Path": "/etc/passwd"}), ("InvalidParameters", {"SizeInBytes": 513}),
                 ("InvalidParameters", {"BlockSize": 513}), ("InvalidParameters", {"Cache": "none"}),
                 ("InvalidParameters", {"Naa": "x"}), ("InvalidParameters", {"Path": os.path.join(one.disks, "named")}))
    one.carry_out(OWN + "CreateTarget", dict(lun, TargetName=MADE), answers,
                  wrong_lun + (("TargetAlreadyExists", {"TargetName": NAMED}), ("InvalidParameters", {"TargetName": "disk"}),
                               ("InvalidParameters", {"Authentication": "maybe"})), True)
    lun["Path"] = one.disk("made2")
    one.carry_out(OWN + "CreateLun", dict(lun, TargetARN=target, LunNumber=2), answers,
                  TARGET_ERRORS + wrong_lun + (("LunAlreadyAllocated", {"LunNumber": 0}),), True)
    one.disk("made2", 2 * MIB)  # it has grown by itself: likewise
    one.carry_out(OWN + "ResizeLun", {"TargetARN": target, "LunNumber": 2, "SizeInBytes": 2 * MIB}, answers,
                  LUN_ERRORS + (("InvalidParameters", {"SizeInBytes": 512}),), True)
    one.carry_out(OWN + "SetLunReadOnly", {"TargetARN": target, "LunNumber": 2, "ReadOnly": True}, answers, LUN_ERRORS, True)
    one.carry_out(OWN + "DrainTarget", {"TargetARN": target}, "TargetName TargetARN SessionsClosed", TARGET_ERRORS, True)
    one.carry_out(OWN + "ResumeTarget", {"TargetARN": target}, "TargetName TargetARN", TARGET_ERRORS, True)
    session = log_in(one.daemon, MADE)
    for operation, members in (("DeleteLun", {"LunNumber": 2}), ("DeleteTarget", {})):
        found = one.ask(OWN + operation, dict(members, TargetARN=target))
        one.tap.equal(found, (400, "VolumeInUse"), operation + ": VolumeInUse")
    reply = one.carry_out(OWN + "ListSessions", {"TargetARN": target}, "Sessions", TARGET_ERRORS)
    one.tap.equal([row["InitiatorName"] for row in reply["Sessions"]], [HOST], "it is listed")
    one.carry_out(OWN + "CloseSession", {"TargetARN": target, "InitiatorName": HOST}, "TargetARN InitiatorName SessionsClosed",
                  TARGET_ERRORS + (("InitiatorNotFound", {"InitiatorName": OTHER}), ("InitiatorNotFound", {"TSIH": 65535})))
    session.close()
    one.daemon.wait_idle(MADE)
    one.carry_out(OWN + "DeleteLun", {"TargetARN": target, "LunNumber": 2}, "TargetName TargetARN",
                  LUN_ERRORS + (("InvalidParameters", {"TargetARN": arn(NAMED), "LunNumber": 0}),), True)
    one.carry_out(OWN + "DeleteTarget", {"TargetARN": target}, "TargetName TargetARN",
                  TARGET_ERRORS + (("InvalidParameters", {"TargetARN": arn(NAMED)}),), True)


def portals(one):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        place = {"Address": "127.0.0.1", "Port": probe.getsockname()[1]}
    named = dict(zip(("Address", "Port"), one.daemon.portals[0]))
    mistakes = (("InvalidParameters", {"Address": "localhost"}), ("InvalidParameters", {"Address": "192.0.2.1"}),
                ("InvalidParameters", {"Address": "[::1]"}), ("InvalidParameters", dict(named, Group=2)))
    one.carry_out(OWN + "AddPortal", place, "Address Port Group", mistakes, True)
    reply = one.carry_out(OWN + "ListPortals", {}, "Portals")
    one.tap.equal([row["Source"] for row in reply["Portals"]], ["file", "live"], "both are listed")
    one.carry_out(OWN + "RemovePortal", place, "Address Port SessionsClosed",
                  (("InvalidParameters", {"Address": "localhost"}), ("InvalidParameters", named)), True)


def configuration(one):
    reply = one.carry_out(OWN + "ShowConfiguration", {}, "File Configuration")
    one.carry_out(OWN + "CheckConfiguration", {"Configuration": reply["Configuration"]}, "TargetCount",
                  (("InvalidParameters", {"Configuration": "targets = ("}),))
    one.carry_out(OWN + "DiffConfiguration", {}, "Differences")
    one.carry_out(OWN + "ReloadConfiguration", {}, "TargetsAdded TargetsChanged TargetsRemoved PortalsAdded PortalsRemoved")
    with open(one.daemon.file, "a", encoding="utf-8") as out:
        out.write("colour = 1;\n")
    for operation in ("CheckConfiguration", "DiffConfiguration", "ReloadConfiguration"):
        found = one.ask(OWN + operation, {})
        one.tap.equal(found, (400, "InvalidParameters"), "%s: InvalidParameters for a file with an error" % operation)


def main():
    portcullis.require()
    tap = portcullis.Tap()
    with portcullis.Daemon(start=False) as daemon:
        daemon.configure(signed.configuration(daemon.directory, control='disk_directories = [ "@DIR@" ];', targets=[
            portcullis.target(luns=('path = "@DIR@/named"; size = "1M";',)), portcullis.target(OPEN, "none")]))
        daemon.start()
        one = Round(tap, daemon, signed.Endpoint(daemon))
        credentials(one)
        volumes(one, looking(one))
        targets(one)
        portals(one)
        configuration(one)
        tap.equal(one.seen ^ set(test_members.OPERATIONS), set(), "every operation was carried out")
        tap.equal(daemon.stop(), 0, "the daemon ends well")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
