#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""CreateStorediSCSIVolume and DeleteVolume: a target with a LUN is made live of a disk that is there, and goes again;
the disk is taken as it is and stays. What they refuse, and why, in AWS's words.
"""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import initiator  # noqa: E402
import portcullis  # noqa: E402

HOST = "iqn.1994-05.com.example:host"
PREFIX = "iqn.1997-05.com.amazon:"
MADE = "iqn.2026-11.test:made"
MIB = 1 << 20
HOLE = 128 * MIB  # larger than what is read to see that a disk is empty


class World:
    """A daemon with a directory of disks, and what is asked of it."""

    def __init__(self, daemon, tap):
        self.daemon, self.tap = daemon, tap
        self.disks = os.path.join(daemon.directory, "disks")

    def disk(self, name, size=MIB, data=b"", at=0):
        """A disk of that size, sparse but for its data."""
        path = os.path.join(self.disks, name)
        with open(path, "wb") as file:
            file.truncate(size)
            file.seek(at)
            file.write(data)
        return path

    def ask(self, operation, **members):
        """(200, reply) or (status, errorCode or __type)."""
        status, _, reply = self.daemon.control(operation, members)
        self.message = reply.get("message", "")
        if status == 200:
            return status, reply
        return status, reply.get("error", {}).get("errorCode", reply["__type"])

    def members(self, name, disk, preserve=True, **more):
        return dict({"GatewayARN": portcullis.GATEWAY, "DiskId": disk, "PreserveExistingData": preserve,
                     "TargetName": name, "NetworkInterfaceId": "127.0.0.1"}, **more)

    def create(self, name, disk, preserve=True, **more):
        return self.ask("CreateStorediSCSIVolume", **self.members(name, disk, preserve, **more))

    def done(self, what, found):
        self.tap.ok(found[0] == 200, what, found, self.message)
        return found[1] if found[0] == 200 else {}

    def refused(self, code, what, found):
        self.tap.ok(found == (400, code), "refused, %s: %s" % (code, what), found, self.message)

    def attempt(self, name):
        return initiator.attempt(*self.daemon.portals[0], target=PREFIX + name, name=HOST)

    def log_in(self, name):
        session = initiator.Session(*self.daemon.portals[0], target=PREFIX + name, name=HOST).login()
        session.ready()
        return session


def volumes(world):
    return {row["VolumeARN"]: row["VolumeSizeInBytes"] for row in world.ask("ListVolumes")[1]["VolumeInfos"]}


def create(world):
    tap, daemon = world.tap, world.daemon
    disk = world.disk("one", 8 * MIB, b"kept" * 128, 512)
    reply = world.done("a volume is created of a disk with data", world.create("one", disk))
    arn = reply.get("VolumeARN")
    tap.equal((reply.get("TargetARN"), reply.get("VolumeSizeInBytes"), set(reply)),
              (daemon.arn(PREFIX + "one"), 8 * MIB, {"VolumeARN", "VolumeSizeInBytes", "TargetARN"}), "the reply names it")
    with world.log_in("one") as session:
        tap.equal(session.read10(1, 1)[1], b"kept" * 128, "it serves at once, with its data")
    row = world.ask("DescribeStorediSCSIVolumes", VolumeARNs=[arn])[1]["StorediSCSIVolumes"][0]
    tap.equal((row["VolumeDiskId"], row["TargetName"], row["VolumeStatus"], row["VolumeiSCSIAttributes"]["LunNumber"]),
              (disk, "one", "AVAILABLE", 0), "DescribeStorediSCSIVolumes knows it")
    row = [row for row in world.ask("ListLocalDisks", GatewayARN=portcullis.GATEWAY)[1]["Disks"] if row["DiskId"] == disk][0]
    tap.equal(row["DiskAllocationType"], "STORED iSCSI", "and its disk is taken")
    tap.equal(world.done("the same again is no error", world.create("one", disk)), reply, "and has the same answer")
    tap.equal(world.done("also when it should have been empty", world.create("one", disk, False)), reply, "likewise")
    for how in ("stop", "kill"):
        getattr(daemon, how)()
        daemon.start()
        tap.equal((world.attempt("one"), volumes(world).get(arn)), (0, 8 * MIB), "after %s and start it is there" % how)
    daemon.update("111111111111", initiator=HOST, name=PREFIX + "one")
    tap.equal(world.attempt("one"), 0x0201, "its credentials can be set")
    daemon.control("DeleteChapCredentials", {"TargetARN": daemon.arn(PREFIX + "one"), "InitiatorName": HOST})
    return arn


def emptiness(world):
    hole = world.disk("hole", HOLE)
    world.done("an empty disk may be asked for", world.create("hole", hole, False))
    zeros = world.disk("zeros", 4 * MIB, bytes(4 * MIB))
    world.done("one of written zeros is empty", world.create("zeros", zeros, False))
    for name, size, data, at in (("first", MIB, b"x", 0), ("last", HOLE, b"x", HOLE - 1),
                                 ("behind", 2 * MIB, bytes(MIB) + b"x", 7), ("large", HOLE, bytes(HOLE), 0)):
        disk = world.disk(name, size, data, at)
        world.refused("InvalidParameters", "a disk that is not seen to be empty, " + name, world.create(name, disk, False))
        world.tap.ok("not empty" in world.message, "it says so", world.message)
        world.tap.equal(os.stat(disk).st_size, size, "and the disk is as it was")
        world.tap.equal(world.attempt(name), 0x0203, "no target is left of it")
    world.done("with PreserveExistingData it is taken", world.create("last", os.path.join(world.disks, "last")))


def refusals(world):
    tap, daemon = world.tap, world.daemon
    disk = world.disk("good")
    outside = os.path.join(daemon.directory, "outside")
    with open(outside, "wb") as file:
        file.truncate(MIB)
    os.mkdir(os.path.join(world.disks, "directory"))
    os.mkfifo(os.path.join(world.disks, "pipe"))
    os.link(os.path.join(world.disks, "one"), os.path.join(world.disks, "link"))
    os.symlink(os.path.join(world.disks, "one"), os.path.join(world.disks, "symlink"))
    for what, name in (("one that does not exist", os.path.join(world.disks, "none")), ("one outside", outside),
                       ("one that climbs out", world.disks + "/../outside"), ("a directory", world.disks + "/directory"),
                       ("a pipe", world.disks + "/pipe"), ("a bare name", "good"), ("memory", "memory:"),
                       ("the directory itself", world.disks), ("a slash too many", world.disks + "//good"),
                       ("another form", world.disks + "/./good"), ("more than its name", disk + '"; size = "1G')):
        world.refused("DiskDoesNotExist", what, world.create("new", name))
    for what, name in (("the same", "one"), ("a hard link to it", "link"), ("a symbolic link to it", "symlink")):
        world.refused("DiskAlreadyAllocated", what, world.create("new", os.path.join(world.disks, name)))
    world.refused("TargetAlreadyExists", "another disk", world.create("one", disk))
    world.refused("TargetAlreadyExists", "one that the file names", world.create("named", disk))
    world.refused("InvalidParameters", "an address that is none of ours",
                  world.create("new", disk, NetworkInterfaceId="192.0.2.1"))
    tap.ok("DescribeGatewayInformation" in world.message, "it says where to look", world.message)
    world.refused("InvalidParameters", "no address", world.create("new", disk, NetworkInterfaceId=""))
    world.refused("InvalidParameters", "a name that no initiator could say", world.create("a;b", disk))
    world.refused("InvalidParameters", "a disk without a size", world.create("new", world.disk("void", 0), False))
    world.refused("GatewayNotFound", "another gateway",
                  world.create("new", disk, GatewayARN=portcullis.GATEWAY.replace("sgw-1", "sgw-2")))
    world.refused("InvalidGateway", "what is no gateway", world.create("new", disk, GatewayARN=daemon.arn()))
    for members in ({"SnapshotId": "snap-01234567"}, {"SnapshotId": "snap-0123456789abcdefA"}, {"KMSEncrypted": True},
                    {"KMSKey": "alias/a"}, {"Tags": [{"Key": "a", "Value": "b"}]}):
        world.refused("NotSupported", "%s" % members, world.create("new", disk, **members))
    tap.equal((world.attempt("new"), os.path.exists(os.path.join(world.disks, "none"))), (0x0203, False),
              "nothing is left of those")
    world.done("what is not asked for is no hindrance", world.create("new", disk, KMSEncrypted=False, Tags=[]))


def at_once(world):
    """Two ask for one disk, and for one name, before the first is done."""
    disks = [world.disk("race%d" % i) for i in (0, 1)]
    asked = (world.members("race", disks[0]), world.members("race", disks[1]), world.members("race2", disks[0]),
             world.members("race", disks[0]))
    connections = [world.daemon.connection() for _ in asked]
    for connection, members in zip(connections, asked):
        connection.request("POST", "/", portcullis.body_of(members),
                           {"X-Amz-Target": portcullis.full_name("CreateStorediSCSIVolume")})
    found = [connection.getresponse().status for connection in connections]
    world.tap.equal(sorted(found)[2:], [400, 400], "of four at once the two that agree are done")
    rows = world.ask("ListLocalDisks", GatewayARN=portcullis.GATEWAY)[1]["Disks"]
    takers = [row["DiskAllocationResource"].split("::")[0] for row in rows
              if row["DiskId"] in disks and row["DiskAllocationType"] != "AVAILABLE"]
    world.tap.ok(len(takers) in (1, 2) and len(set(takers)) == len(takers), "and no target has two disks", takers)


def delete(world, arn):
    tap, daemon = world.tap, world.daemon
    session = world.log_in("one")
    world.refused("VolumeInUse", "an initiator is logged in", world.ask("DeleteVolume", VolumeARN=arn))
    tap.equal((session.read10(1, 1)[0], world.attempt("one")), (0, 0), "which goes on, and others log in")
    session.close()
    daemon.wait_idle(PREFIX + "one")
    tap.equal(world.done("without sessions it is deleted", world.ask("DeleteVolume", VolumeARN=arn)), {"VolumeARN": arn},
              "the reply names it")
    tap.equal((world.attempt("one"), arn in volumes(world)), (0x0203, False), "its target is gone with it")
    with open(os.path.join(world.disks, "one"), "rb") as file:
        tap.equal(file.read(1024)[512:], b"kept" * 128, "its disk stays, with the data")
    world.refused("VolumeNotFound", "it is gone", world.ask("DeleteVolume", VolumeARN=arn))
    daemon.kill()
    daemon.start()
    tap.equal(world.attempt("one"), 0x0203, "also after a restart")
    world.done("it can be created again", world.create("one", os.path.join(world.disks, "one")))
    named = [row["VolumeARN"] for row in world.ask("ListVolumes")[1]["VolumeInfos"]]
    kept = [one for one in named if world.ask("DescribeStorediSCSIVolumes", VolumeARNs=[one])[1]["StorediSCSIVolumes"][0]
            ["VolumeiSCSIAttributes"]["TargetARN"] == daemon.arn(PREFIX + "named")]
    world.refused("InvalidParameters", "one that the file names", world.ask("DeleteVolume", VolumeARN=kept[0]))
    tap.ok("configuration file names it" in world.message, "it says so", world.message)


def with_more_luns(world):
    """A LUN goes alone while the target has another, and the last one takes the target along."""
    tap, daemon = world.tap, world.daemon
    target = daemon.arn(MADE)
    for number, operation, members in ((0, "CreateTarget", {"TargetName": MADE}), (3, "CreateLun", {"TargetARN": target})):
        world.done("a LUN of our own is made", world.ask(operation, LunNumber=number, SizeInBytes=MIB,
                                                        Path=os.path.join(world.disks, "own%d" % number), **members))
    found = world.ask("DescribeStorediSCSIVolumes", VolumeARNs=list(volumes(world)))[1]["StorediSCSIVolumes"]
    arns = {row["VolumeiSCSIAttributes"]["LunNumber"]: row["VolumeARN"] for row in found
            if row["VolumeiSCSIAttributes"]["TargetARN"] == target}
    world.done("the first goes", world.ask("DeleteVolume", VolumeARN=arns[0]))
    tap.equal((initiator.attempt(*daemon.portals[0], target=MADE, name=HOST), arns[0] in volumes(world), arns[3] in volumes(world)),
              (0, False, True), "and leaves the other")
    world.done("the other goes", world.ask("DeleteVolume", VolumeARN=arns[3]))
    tap.equal(initiator.attempt(*daemon.portals[0], target=MADE, name=HOST), 0x0203, "with the target")
    tap.ok(all(os.path.exists(os.path.join(world.disks, "own%d" % number)) for number in (0, 3)), "the files stay")


def main():
    portcullis.require()
    tap = portcullis.Tap()
    text = portcullis.config([portcullis.target(PREFIX + "named")], control='disk_directories = [ "@DIR@/disks" ];')
    with portcullis.Daemon(text, start=False) as daemon:
        world = World(daemon, tap)
        os.mkdir(world.disks)
        daemon.start()
        arn = create(world)
        emptiness(world)
        refusals(world)
        at_once(world)
        delete(world, arn)
        with_more_luns(world)
        tap.equal(daemon.stop(), 0, "the daemon ends well")
    with portcullis.Daemon(portcullis.config()) as daemon:
        world = World(daemon, tap)
        os.mkdir(world.disks)
        world.refused("DiskDoesNotExist", "no disk directories are configured", world.create("new", world.disk("good")))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
