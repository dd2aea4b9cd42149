#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The members of every operation, as AWS's service model and the manual have them, written down a second time: each at
and over each of its limits, of a wrong type, null, missing, and members that are none. An operation that is not in this
table fails the test. Nothing is changed by it: what passes the checks here names things that do not exist.
"""
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))

import portcullis  # noqa: E402

AWS, OWN = portcullis.AWS_PREFIX, portcullis.OWN_PREFIX
ELSEWHERE = "arn:aws:storagegateway:us-east-1:111122223333:gateway/sgw-99999999"
PARTITION = "arn:(aws(|-cn|-us-gov|-iso[A-Za-z0-9_-]*|-eusc)):"


class Member:
    """What a member may be. edges: values that pass; broken: (value, constraint[, place in a list]); mistyped: values."""

    secret = False

    def __init__(self, name, required):
        self.name, self.required = name, required
        self.edges, self.broken, self.mistyped = [], [], []

    @property
    def valid(self):
        return self.edges[0]

    def shown(self, place=0):
        return self.name[0].lower() + self.name[1:] + (".%d.member" % place if place else "")


class Text(Member):
    """From `least` to `most` characters (None: of any length); make(n) gives one of n that has the pattern."""

    def __init__(self, name, required=True, least=1, most=None, make=None, pattern=None, odd=(), secret=False):
        super().__init__(name, required)
        self.make = make or (lambda length: "x" * length)
        self.secret = secret
        self.edges = [self.make(least)] + ([self.make(most)] if most else [])
        if most and most < 5000 and not pattern:
            self.edges.append("\u00e9" * most)  # characters count, not bytes
        if least:
            self.broken.append((self.make(least - 1), "Member must have length greater than or equal to %d" % least))
        if most:
            self.broken.append((self.make(most + 1), "Member must have length less than or equal to %d" % most))
        self.broken += [(text, "Member must satisfy regular expression pattern: " + pattern) for text in odd]
        self.mistyped = [1, 1.5, True, [], {}, ["x"], "x\0y"]


class Number(Member):
    def __init__(self, name, required, least, most):
        super().__init__(name, required)
        self.edges = [least, most]
        low = "Member must have value greater than or equal to %d" % least
        high = "Member must have value less than or equal to %d" % most
        self.broken = [(least - 1, low), (-1 << 63, low), (most + 1, high), ((1 << 63) - 1, high)]
        self.mistyped = ["1", "", 1.5, float(most), True, [1], {}, 1 << 63, -(1 << 63) - 1, 1 << 64]


class Flag(Member):
    def __init__(self, name, required=False):
        super().__init__(name, required)
        self.edges = [True, False]
        self.mistyped = [0, 1, "true", "", [], {}]


class Texts(Member):
    """A list of what `element` is."""

    def __init__(self, name, element):
        super().__init__(name, True)
        self.edges = [[], [element.valid], element.edges]
        self.broken = [([element.valid, value], why, 2) for value, why in element.broken]
        self.broken.append(([None], "Member must not be null", 1))
        self.mistyped = ["x", {}, 1, True, [1], [element.valid, True], [[]], [{}]]


class Objects(Member):
    def __init__(self, name):
        super().__init__(name, False)
        self.edges = [[], [{}], [{"Key": "a", "Value": "b"}]]
        self.broken = [([{}, None], "Member must not be null", 2)]
        self.mistyped = ["x", {}, 1, True, ["x"], [{}, 1], [[]]]


def padded(head, tail=""):
    """make() for texts of that beginning and end."""
    return lambda length: (head + "p" * (length - len(head) - len(tail)) + tail)[:length]


def target_arn(required=True):
    return Text("TargetARN", required, 50, 800, padded(ELSEWHERE[:40] + "/target/"))


def gateway_arn(required=True):
    return Text("GatewayARN", required, 50, 500, padded(ELSEWHERE))


VOLUME_PATTERN = PARTITION + r"storagegateway:[a-z\-0-9]+:[0-9]+:gateway\/(.+)\/volume\/vol-(\S+)"
VOLUME_ARN = Text("VolumeARN", True, 50, 500, padded("arn:aws:storagegateway:a:1:gateway/", "/volume/vol-1"),
                  VOLUME_PATTERN, (ELSEWHERE, ELSEWHERE + "/volume/vol-", ELSEWHERE + "/volume/vol-1\n",
                                   ELSEWHERE.replace("aws", "awz", 1) + "/volume/vol-1"))
INITIATOR = Text("InitiatorName", True, 1, 255, pattern="[0-9a-z:.-]+", odd=("IQN.A", "a b", "a\n", "\u00e9"))
LUN, SIZE = Number("LunNumber", True, 0, 255), Number("SizeInBytes", True, 512, 1 << 60)
LUN_KEYS = [Text("Path", True, 1, 4095), Number("SizeInBytes", False, 512, 1 << 60), Number("BlockSize", False, 512, 4096),
            Number("PhysicalBlockSize", False, 512, 65536), Flag("ReadOnly"), Text("Cache", False, 1, 16),
            Text("Serial", False, 1, 36), Text("Naa", False, 1, 32)]
PORTAL = [Text("Address", True, 1, 45), Number("Port", False, 1, 65535)]
PAGE = [Text("Marker", False, 1, 2000), Number("Limit", False, 1, (1 << 31) - 1)]
CHAP = [target_arn(), Text("SecretToAuthenticateInitiator", True, 1, 100, secret=True), INITIATOR,
        Text("SecretToAuthenticateTarget", False, 1, 100, make=lambda length: "y" * length, secret=True)]
PORTAL = [Text("Address", True, 1, 45), Number("Port", False, 1, 65535)]  # none of which is an address
PAIR, FILTER, GATEWAY, TARGET = [target_arn(), INITIATOR], [target_arn(False)], [gateway_arn()], [target_arn()]

KMS_PATTERN = "(^" + PARTITION + r"kms:([a-zA-Z0-9-]+):([0-9]+):(key|alias)/(\S+)$)|(^alias/(\S+)$)"
VOLUME_KEYS = [
    gateway_arn(), Text("DiskId", True, 1, 300), Flag("PreserveExistingData", True),
    Text("TargetName", True, 1, 200, pattern=r"^[-\.;a-z0-9]+$", odd=("A", "a:b", "a_", "a\n", "\u00e9")),
    Text("NetworkInterfaceId", True, 0),
    Text("SnapshotId", False, 0, make=lambda length: "snap-0123abCD", pattern=r"\Asnap-([0-9A-Fa-f]{8}|[0-9A-Fa-f]{17})\z",
         odd=("", "snap-", "snap-0123456", "snap-012345678", "snap-0123456789abcdef0a", "snap-0123456g", "snap-01234567\n",
              "Snap-01234567", "snap-0123456789abcdef")),
    Flag("KMSEncrypted"),
    Text("KMSKey", False, 7, 2048, padded("alias/"), KMS_PATTERN,
         ("key/abcd", "alias/a b", "alias/a\n", "arn:aws:kms:a:1:key/", "arn:awz:kms:a:1:key/a", "arn:aws:kmz:a:1:key/a",
          "arn:aws:kms::1:key/a", "arn:aws:kms:a:x:key/a", "arn:aws:kms:a:1:kee/a")),
    Objects("Tags")]

OPERATIONS = {
    AWS + "UpdateChapCredentials": CHAP,
    AWS + "DescribeChapCredentials": TARGET,
    AWS + "DeleteChapCredentials": PAIR,
    AWS + "ListGateways": PAGE,
    AWS + "DescribeGatewayInformation": GATEWAY,
    AWS + "ListVolumes": [gateway_arn(False), *PAGE],
    AWS + "DescribeStorediSCSIVolumes": [Texts("VolumeARNs", VOLUME_ARN)],
    AWS + "ListVolumeInitiators": [VOLUME_ARN],
    AWS + "ListLocalDisks": GATEWAY,
    AWS + "CreateStorediSCSIVolume": VOLUME_KEYS,
    AWS + "DeleteVolume": [VOLUME_ARN],
    OWN + "RotateChapCredentials": [*CHAP, Number("GraceSeconds", False, 1, 30 * 86400)],
    OWN + "FinishChapRotation": PAIR,
    OWN + "ListChapRotations": FILTER,
    OWN + "CreateTarget": [Text("TargetName", True, 1, 223), Text("Authentication", False, 1, 16),
                           Number("LunNumber", False, 0, 255), *LUN_KEYS],
    OWN + "DeleteTarget": [target_arn(), Flag("Force")],
    OWN + "CreateLun": [target_arn(), LUN, *LUN_KEYS],
    OWN + "DeleteLun": [target_arn(), LUN, Flag("Force")],
    OWN + "ResizeLun": [target_arn(), LUN, SIZE],
    OWN + "SetLunReadOnly": [target_arn(), LUN, Flag("ReadOnly", True)],
    OWN + "DrainTarget": TARGET,
    OWN + "ResumeTarget": TARGET,
    OWN + "CloseSession": [target_arn(), Text("InitiatorName", True, 1, 255),
                           Text("ISID", False, 12, 12, make=lambda length: "0123abCDef45678"[:length],
                                pattern="[0-9A-Fa-f]+", odd=("0123abCDef4g", "0123abCDef4\n", " 123abCDef45")),
                           Number("TSIH", False, 1, 65535)],
    OWN + "AddPortal": [*PORTAL, Number("Group", False, 1, 65535)],
    OWN + "RemovePortal": [*PORTAL, Flag("Force")],
    OWN + "ListPortals": [],
    OWN + "AddPortal": [*PORTAL, Number("Group", False, 1, 65535)],
    OWN + "RemovePortal": [*PORTAL, Flag("Force")],
    OWN + "ListPortals": [],
    OWN + "ShowConfiguration": [],
    OWN + "CheckConfiguration": [Text("Configuration", False, 1, 60000)],
    OWN + "DiffConfiguration": [],
    OWN + "ReloadConfiguration": [],
    OWN + "ListTargets": [],
    OWN + "ListSessions": FILTER,
    OWN + "GetStatistics": FILTER,
}
UNCHECKED = ("ValidationException", "SerializationException")


def show(value):
    text = repr(value)
    return text if len(text) < 48 else "%s... of %d" % (text[:32], len(text))


class Prober:
    """Asks on one connection, and judges the answers."""

    def __init__(self, tap, daemon):
        self.tap, self.daemon = tap, daemon
        self.connection = daemon.connection()

    def ask(self, operation, members):
        status, _, reply = portcullis.exchange(self.connection, operation, members)
        return status, reply.get("__type"), reply.get("message", "")

    def probe(self, operation, table):
        good = {member.name: member.valid for member in table if member.required}
        problems, count = [], 0
        for members, kind, words, secret in self.requests(table, good):
            status, found, message = self.ask(operation, members)
            count += 1
            right = found not in UNCHECKED if not kind else status == 400 and found == kind and words in message
            if not right or (secret is not None and len(str(secret)) > 4 and str(secret) in message):
                problems.append("%s: %s %s %s, expected %s %s" % (show(members), status, found, show(message), kind, words))
        self.tap.ok(not problems, "%s: %d requests at and over its limits" % (operation, count), *problems)

    @staticmethod
    def requests(table, good):
        """(members, the error or None if they pass, words of the message, what the message must not hold)"""
        yield good, None, "", None
        for member in table:
            for value in member.edges:
                yield dict(good, **{member.name: value}), None, "", None
            for value, constraint, *place in member.broken:
                words = "1 validation error detected: Value%s at '%s' failed to satisfy constraint: %s"
                text = "" if member.secret else " '%s'" % (value[-1] if place else value)
                text = " null" if place and value[-1] is None else text
                yield (dict(good, **{member.name: value}), UNCHECKED[0], words % (text, member.shown(*place), constraint),
                       value if member.secret else None)
            for value in member.mistyped:
                yield dict(good, **{member.name: value}), UNCHECKED[1], "", None
            null = "1 validation error detected: Value null at '%s' failed to satisfy constraint: Member must not be null"
            yield dict(good, **{member.name: None}), UNCHECKED[0], null % member.shown(), None
            missing = {name: value for name, value in good.items() if name != member.name}
            yield missing, UNCHECKED[0] if member.required else None, null % member.shown() if member.required else "", None
        unknown = "Member must be one of the operation's members"
        for name in ("Color", "targetARN", "TargetArn", "Force ", "__proto__"):
            yield dict(good, **{name: "some text"}), UNCHECKED[0], unknown, "some text"
        many = len(good) + 1
        yield ({"Color": 1}, UNCHECKED[0], "%d validation error%s detected: " % (many, "s" if many > 1 else ""), None)
        for body in (b"", b"[]", b"null", b"1", b'"x"', b'{"Color":', b'{"\xff": 1}', b'{"a": "\\ud800"}', b"{} {}"):
            yield body, UNCHECKED[1], "", None


def served():
    """The names in the daemon's own table."""
    top = os.environ.get("top_srcdir") or os.path.join(HERE, "..", "..")
    with open(os.path.join(top, "daemon", "api", "api.c"), encoding="utf-8") as file:
        return set(re.findall(r'"((?:StorageGateway|Portcullis)_\d+\.\w+)"', file.read()))


def main():
    portcullis.require()
    tap = portcullis.Tap()
    tap.equal(served() ^ set(OPERATIONS), set(), "every operation of the daemon is tried here, and no other")
    with portcullis.Daemon() as daemon:
        prober = Prober(tap, daemon)
        before = prober.ask(OWN + "ShowConfiguration", {}), os.listdir(daemon.directory + "/state")
        for operation, table in OPERATIONS.items():
            prober.probe(operation, table)
        for name in (AWS + "CreateTarget", OWN + "ListVolumes", AWS + "Nothing", AWS, "ListVolumes", AWS.lower() + "ListVolumes",
                     "StorageGateway_20120630.ListVolumes", AWS + "listvolumes", "x" * 2000):
            connection = daemon.connection()
            status, _, reply = portcullis.reply_to(connection, b"{}", {"X-Amz-Target": name})
            connection.close()
            tap.equal((status, reply["__type"]), (400, "UnknownOperationException"), "unknown: " + show(name))
        after = prober.ask(OWN + "ShowConfiguration", {}), os.listdir(daemon.directory + "/state")
        tap.equal(after, before, "nothing was changed by any of it")
        tap.equal(daemon.stop(), 0, "the daemon ends well")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
