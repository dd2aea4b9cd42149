#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every live operation while every single step of it fails, is torn or is the process's last: what is served then, and
after a new start, is the old or the new configuration, whole; the daemon starts, and later changes work. Counted are
the calls below the state directory and below the one where the disks lie. (K2) [CRED-18 SCSI-20]
"""
import http.client
import os
import random
import shutil
import socket
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import initiator  # noqa: E402
import portcullis  # noqa: E402

SHIM = os.path.abspath(os.path.join(os.environ.get("top_builddir", "."), "tests/crash/shim.so"))
HOST = "iqn.1994-05.com.example:host"
NAMED, MADE, RESTS, NEW = ("iqn.2026-11.test:%s" % name for name in ("named", "made", "rests", "new"))
MIB = 1 << 20


def free_ports(count):
    """Ports that nobody listens on just now, and that no client is given while the daemon is away."""
    ports = []
    while len(ports) < count:
        with socket.socket() as probe:
            port = random.randrange(20000, 32000)
            if port not in ports and probe.connect_ex(("127.0.0.1", port)) != 0:
                ports.append(port)
    return ports


def listens(portal):
    with socket.socket() as probe:
        return probe.connect_ex((portal["Address"], portal["Port"])) == 0


class Place:
    """A daemon under the fault injector, and a copy of what it kept when all had been prepared."""

    def __init__(self):
        self.turn = 0
        text = portcullis.config([portcullis.target(NAMED, luns=('path = "@DIR@/kept/disks/named"; size = "1M";',))],
                                 control='disk_directories = [ "@DIR@/kept/disks" ];')
        self.daemon = portcullis.Daemon(text.replace("@DIR@/state", "@DIR@/kept/state"), start=False)
        top = os.path.realpath(self.daemon.directory)
        self.kept, self.copy, self.control, self.calls = (os.path.join(top, name) for name in ("kept", "copy", "plan", "calls"))
        self.state = os.path.join(self.kept, "state")
        os.makedirs(os.path.join(self.kept, "disks"))
        with open(self.disk("volume"), "wb") as file:
            file.truncate(MIB)
        self.portals = [{"Address": "127.0.0.1", "Port": port} for port in free_ports(2)]
        self.daemon.environment.update(LD_PRELOAD=SHIM, SHIM_DIR=self.kept, SHIM_CONTROL=self.control, SHIM_LOG=self.calls,
                                       ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=0")
        self.daemon.start()
        for operation, members in (
                ("CreateTarget", {"TargetName": MADE, "Path": self.disk("made"), "SizeInBytes": MIB}),
                ("CreateLun", {"TargetARN": self.daemon.arn(MADE), "LunNumber": 1, "Path": self.disk("more"), "SizeInBytes": MIB}),
                ("CreateTarget", {"TargetName": RESTS, "Path": "memory:", "SizeInBytes": MIB}),
                ("DrainTarget", {"TargetARN": self.daemon.arn(RESTS)}),
                ("AddPortal", self.portals[0])):
            status, _, reply = self.daemon.control(operation, members)
            if status != 200:
                raise RuntimeError("%s: %r" % (operation, reply))
        self.old = self.view()
        self.daemon.stop()
        shutil.copytree(self.kept, self.copy)
        self.files = self.stored()

    def disk(self, name):
        return os.path.join(self.daemon.directory, "kept", "disks", name)

    def restart(self, afresh=True):
        """Kills it and starts it again, with everything as it was prepared or as it was left."""
        self.daemon.kill()
        self.plan("")
        if afresh:
            shutil.rmtree(self.kept)
            shutil.copytree(self.copy, self.kept)
        self.daemon.start()

    def plan(self, words):
        self.turn += 1
        with open(self.control + ".new", "w", encoding="ascii") as out:
            out.write("%s #%d\n" % (words, self.turn) if words else "\n")
        os.rename(self.control + ".new", self.control)

    def ask(self, operation, members):
        """Its status; None if the daemon died over it. The logins of view() may not have been seen to leave yet."""
        end = time.monotonic() + 5
        try:
            while True:
                status, _, reply = self.daemon.control(operation, members)
                in_use = status == 400 and reply.get("error", {}).get("errorCode") == "VolumeInUse"
                if not in_use or time.monotonic() > end:
                    return status
        except (OSError, http.client.HTTPException):
            return None

    def view(self):
        """What initiators and operators are shown."""
        rows = self.daemon.control("ListTargets", {})[2]["Targets"]
        shown = {row["TargetName"]: (row["State"], [sorted(lun.items()) for lun in row["Luns"]]) for row in rows}
        return shown, [initiator.attempt(*self.daemon.portals[0], target=name, name=HOST)
                       for name in (NAMED, MADE, RESTS, NEW)], [listens(portal) for portal in self.portals]

    def stored(self):
        """What a start would find, but for what it throws away."""
        found = {}
        for name in os.listdir(self.state):
            if not name.endswith((".new", ".old")):
                with open(os.path.join(self.state, name), "rb") as file:
                    found[name] = file.read()
        return found

    def steps(self, operation, members):
        """The names of the calls that it makes, and what is shown afterwards."""
        self.restart()
        open(self.calls, "w", encoding="ascii").close()
        status = self.ask(operation, members)
        with open(self.calls, encoding="utf-8") as calls:
            names = [line.split()[1] for line in calls]
        return status, names, self.view()


def check_deaths(place, operation, members, names, new):
    """Killed instead of each call, or half way in it."""
    problems, outcomes = [], []
    plans = [("kill", n) for n in range(1, len(names) + 1)]
    plans += [("tear", n) for n, name in enumerate(names, 1) if "write" in name]
    for action, number in plans:
        place.restart()
        place.plan("%s %d" % (action, number))
        status = place.ask(operation, members)
        where = "%s %d (%s): " % (action, number, names[number - 1])
        if status is not None:
            problems.append(where + "answered %d" % status)
        place.restart(afresh=False)
        found = place.view()
        outcomes.append(found == new)
        if found not in (place.old, new):
            problems.append(where + "a start serves %r" % (found,))
        elif found == place.old and (place.ask(operation, members), place.view()) != (200, new):
            problems.append(where + "asked again it is not done")
    if True not in outcomes or False not in outcomes:
        problems.append("not both the old and the new were found")
    return problems


def check_failures(place, operation, members, names, new):
    """Each call fails alone: refused and nothing changed, or done; and nobody else notices."""
    problems, refused = [], 0
    place.restart()
    for number, name in enumerate(names, 1):
        where = "fail %d (%s): " % (number, name)
        place.plan("fail %d EIO" % number)
        status = place.ask(operation, members)
        place.plan("")
        found = place.view()
        if status == 200:
            if found != new:
                problems.append(where + "done, but serves %r" % (found,))
            place.restart(afresh=False)
            if place.view() != new:
                problems.append(where + "done, but a start serves %r" % (place.view(),))
            place.restart()
            continue
        refused += 1
        if status not in (400, 500) or found != place.old:
            problems.append(where + "answered %s, serves %r" % (status, found))
        if place.stored() != place.files:
            problems.append(where + "answered %s, but something else is stored" % status)
    if (place.ask(operation, members), place.view()) != (200, new):
        problems.append("afterwards it is not done")
    if refused < 4:
        problems.append("hardly anything was hit")
    return problems


def closed(place, found):
    """The old configuration, but for a target whose disks could not be opened again: it is served to nobody (K9)."""
    old_rows, old_logins, old_portals = place.old
    rows, logins, portals = found
    broken = {name for name, (state, _) in rows.items() if state == "broken"}
    same = {name: luns for name, (_, luns) in rows.items()} == {name: luns for name, (_, luns) in old_rows.items()}
    return same and portals == old_portals and all(
        login == (0x0301 if name in broken else old)
        for name, login, old in zip((NAMED, MADE, RESTS, NEW), logins, old_logins))


def check_breakdowns(place, operation, members, names, new):
    """From each call on everything fails, the way back too."""
    problems = []
    for number, name in enumerate(names, 1):
        where = "fail %d+ (%s): " % (number, name)
        place.restart()
        place.plan("fail %d+ EROFS" % number)
        status = place.ask(operation, members)
        found = place.view()
        place.plan("")
        if status not in (200, 400, 500) or not (found == new if status == 200 else closed(place, found)):
            problems.append(where + "answered %s, serves %r" % (status, found))
        if status != 200 and place.ask(operation, members) == 200:
            if place.view() != new:
                problems.append(where + "asked again, serves %r" % (place.view(),))
            continue
        place.restart(afresh=False)
        after = place.view()
        if after not in ((new,) if status == 200 else (place.old, new)):
            problems.append(where + "answered %s, a start serves %r" % (status, after))
        elif after == place.old and place.ask(operation, members) != 200:
            problems.append(where + "nothing can be changed after a start")
    return problems


def main():
    portcullis.require()
    if not os.path.exists(SHIM):
        portcullis.skip_all("tests/crash/shim.so is not built")
    tap = portcullis.Tap()
    place = Place()
    with place.daemon as daemon:
        file = {"Path": place.disk("new"), "SizeInBytes": MIB}
        daemon.start()
        volumes = daemon.control("ListVolumes", {})[2]["VolumeInfos"]
        rests = [row["VolumeARN"] for row in daemon.control("DescribeStorediSCSIVolumes", {
            "VolumeARNs": [row["VolumeARN"] for row in volumes]})[2]["StorediSCSIVolumes"]
                 if row["VolumeiSCSIAttributes"]["TargetARN"] == daemon.arn(RESTS)][0]
        for operation, name, members in (
                ("CreateTarget", None, dict(file, TargetName=NEW)),
                ("DeleteTarget", MADE, {}),
                ("CreateLun", NAMED, dict(file, LunNumber=1)),
                ("DeleteLun", MADE, {"LunNumber": 1}),
                ("ResizeLun", NAMED, {"LunNumber": 0, "SizeInBytes": 2 * MIB}),
                ("SetLunReadOnly", NAMED, {"LunNumber": 0, "ReadOnly": True}),
                ("DrainTarget", NAMED, {}),
                ("ResumeTarget", RESTS, {}),
                ("AddPortal", None, place.portals[1]),
                ("RemovePortal", None, place.portals[0]),
                ("CreateStorediSCSIVolume", None, {
                    "GatewayARN": portcullis.GATEWAY, "DiskId": place.disk("volume"), "PreserveExistingData": True,
                    "TargetName": "new", "NetworkInterfaceId": "127.0.0.1"}),
                ("DeleteVolume", None, {"VolumeARN": rests})):
            if name:
                members["TargetARN"] = daemon.arn(name)
            status, names, new = place.steps(operation, members)
            tap.ok(status == 200 and new != place.old and "renameat" in names, "%s in %d steps" % (operation, len(names)),
                   status, names)
            for what, check in (("killed at each", check_deaths), ("each fails", check_failures),
                                ("all fail from each on", check_breakdowns)):
                problems = check(place, operation, members, names, new)
                tap.ok(not problems, "%s: %s" % (operation, what), *problems[:20])
        # Refused before it is stored: a crash leaves nothing that a start cannot serve.
        for operation, name, members in (
                ("CreateLun", NAMED, {"LunNumber": 1, "Path": place.disk("nowhere")}),
                ("ResizeLun", NAMED, {"LunNumber": 0, "SizeInBytes": 1 << 59})):
            place.restart()
            open(place.calls, "w", encoding="ascii").close()
            status = place.ask(operation, dict(members, TargetARN=daemon.arn(name)))
            with open(place.calls, encoding="utf-8") as calls:
                stored = [line for line in calls if place.state in line]
            tap.equal((status, stored, place.view()), (400, [], place.old), "%s of what cannot be is never stored" % operation)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
