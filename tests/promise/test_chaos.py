# SPDX-License-Identifier: BSD-2-Clause
"""Everything at once: initiators that log in half way, vanish, reset, return and abort, while credentials change,
the configuration is reloaded and the disk stalls. What must hold is little: the daemon lives, answers every change,
forgets everybody who is gone, and still serves.

PORTCULLIS_CHAOS_SEED repeats a run's choices, PORTCULLIS_CHAOS_SECONDS makes it longer.
[CRED-01 CRED-08 CRED-13 CRED-16 SES-04 SES-05 TMF-01]
"""
import os
import random
import re
import socket
import struct
import sys
import threading
import time

from common import HOST, SECRETS, TARGET, attempt, initiator, portcullis, session

OPEN = "iqn.1997-05.com.amazon:open"
GUEST = "iqn.1997-05.com.amazon:guest"
MADE = "iqn.1997-05.com.amazon:made-"
INITIATORS = 10
NAMES = [HOST, HOST + "-2"]  # few, so that they meet
ISIDS = [b"\x80chao" + bytes([number]) for number in range(3)]
RSS_BOUND = 160 << 20  # the pools of the workers, filled
ORDERS = ["ok", "ok", "ok", "stall", "stall-write", "delay 30", "eio-write", "ok"]
IGNORED = (initiator.Closed, initiator.Refused, OSError, AssertionError, ValueError, struct.error, KeyError)


def configuration(guest, block, size):
    """One of the shapes that the reloads go through."""
    targets = [portcullis.target(TARGET, luns=('path = "/fault:@DIR@/store:@DIR@/image"; size = "16M";',)),
               portcullis.target(OPEN, authentication="none", luns=(
                   'path = "@DIR@/open"; size = "%dM"; block_size = %d;' % (size, block),))]
    if guest:
        targets.append(portcullis.target(GUEST, authentication="none", luns=(
            'path = "@DIR@/guest"; size = "8M";',)))
    return portcullis.config(targets)


class Chaos:
    """The daemon, what is known of it, and who has come to grief."""

    def __init__(self, daemon, seed, seconds):
        self.daemon, self.seed, self.end = daemon, seed, time.monotonic() + seconds
        self.secret = SECRETS[0]
        self.updates, self.reloads, self.logins = 0, 0, 0
        self.operations = {200: 0, 400: 0}
        self.failures = []

    def running(self):
        return time.monotonic() < self.end

    def thread(self, role, number):
        def body():
            luck = random.Random("%s %s %d" % (self.seed, role.__name__, number))
            while self.running():
                try:
                    role(self, luck)
                except Exception as failure:  # pylint: disable=broad-except
                    self.failures.append("%s: %r" % (role.__name__, failure))
                    return
        result = threading.Thread(target=body, daemon=True)
        result.start()
        return result

    # --- what is done to the daemon ---

    def change(self, luck):
        new = luck.choice(SECRETS)
        for name in NAMES:
            status, _, reply = self.daemon.control("UpdateChapCredentials", {
                "TargetARN": self.daemon.arn(), "InitiatorName": name, "SecretToAuthenticateInitiator": new})
            if status != 200:
                raise RuntimeError("update: %d %r" % (status, reply))
            self.updates += 1
        self.secret = new
        time.sleep(luck.random() / 2)

    def reload(self, luck):
        before = self.daemon.log().count("what=reload-")
        self.daemon.configure(configuration(luck.random() < 0.5, luck.choice([512, 4096]), luck.choice([8, 8, 12])))
        self.daemon.reload()
        self.reloads += 1
        time.sleep(luck.random())
        if self.daemon.log().count("what=reload-") == before and self.running():
            time.sleep(1)

    def disk(self, luck):
        order(self.daemon, luck.choice(ORDERS))
        time.sleep(luck.random())

    def operate(self, luck):
        """Live operations on targets of its own and on those of the file, reloads or not; 400 is an answer, 500 is none."""
        made, arn = MADE + luck.choice("ab"), self.daemon.arn
        operation, members = luck.choice([
            ("CreateTarget", {"TargetName": made, "Path": "memory:", "SizeInBytes": 1 << 20}),
            ("DeleteTarget", {"TargetARN": arn(made), "Force": luck.random() < 0.7}),
            ("CreateLun", {"TargetARN": arn(luck.choice([made, OPEN])), "LunNumber": luck.randrange(1, 4), "Path": "memory:",
                           "SizeInBytes": 1 << 20}),
            ("DeleteLun", {"TargetARN": arn(luck.choice([made, OPEN])), "LunNumber": luck.randrange(1, 4)}),
            ("ResizeLun", {"TargetARN": arn(OPEN), "LunNumber": 0, "SizeInBytes": luck.choice([8, 12, 16]) << 20}),
            ("SetLunReadOnly", {"TargetARN": arn(luck.choice([made, OPEN])), "LunNumber": 0, "ReadOnly": luck.random() < 0.3}),
            ("DrainTarget", {"TargetARN": arn(luck.choice([made, GUEST]))}),
            ("ResumeTarget", {"TargetARN": arn(luck.choice([made, GUEST]))}),
            ("CloseSession", {"TargetARN": arn(luck.choice([made, OPEN, TARGET])), "InitiatorName": luck.choice(NAMES)}),
            ("RotateChapCredentials", {"TargetARN": arn(luck.choice([made, GUEST])), "InitiatorName": HOST + "-3",
                                       "SecretToAuthenticateInitiator": luck.choice(SECRETS), "GraceSeconds": 1}),
            ("UpdateChapCredentials", {"TargetARN": arn(made), "InitiatorName": HOST + "-3",
                                       "SecretToAuthenticateInitiator": luck.choice(SECRETS)}),
            ("DeleteChapCredentials", {"TargetARN": arn(made), "InitiatorName": HOST + "-3"})])
        status, _, reply = self.daemon.control(operation, members)
        if status not in (200, 400):
            raise RuntimeError("%s %r: %d %r" % (operation, members, status, reply))
        self.operations[status] += 1
        time.sleep(luck.random() / 10)

    def look(self, luck):
        for operation in ("ListTargets", "ListSessions"):
            status, _, reply = self.daemon.control(operation, {})
            if status != 200:
                raise RuntimeError("%s: %d %r" % (operation, status, reply))
        time.sleep(luck.random() / 2)

    # --- what initiators do ---

    def initiate(self, luck):
        try:
            target = luck.choice([TARGET, TARGET, TARGET, OPEN, GUEST, MADE + "a", None])
            one = session(self.daemon, self.secret if target == TARGET else None, name=luck.choice(NAMES),
                          target=target, isid=luck.choice(ISIDS), discovery=target is None, timeout=3)
        except OSError:
            return
        try:
            self.live(luck, one)
        except IGNORED:
            pass
        if luck.random() < 0.4:
            one.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        one.close()

    def live(self, luck, one):
        last = luck.choice(["challenge", "security", "operational"] + 9 * ["full"])
        for step in one.login_steps():
            if step == last:
                break
        if last != "full":
            return
        self.logins += 1
        for _ in range(luck.randrange(1, 8)):
            DEEDS[luck.randrange(2) if one.discovery else luck.randrange(len(DEEDS))](one, luck)


def order(daemon, words):
    path = os.path.join(daemon.directory, "store")
    with open(path + ".new", "w", encoding="ascii") as out:
        out.write(words + "\n")
    os.rename(path + ".new", path)


def deed_logout(one, luck):
    one.send_logout()
    if luck.random() < 0.5:
        one.receive()


def deed_text(one, luck):
    if luck.random() < 0.5:
        one.send_targets("All" if one.discovery else "")
    else:  # C=1, and never the rest
        one.send(struct.pack(">BBHIQIIII", 0x40 | initiator.TEXT, 0x40, 0, 0, 0, one.next_itt(), initiator.NONE,
                             one.cmd_sn, one.exp_stat_sn), b"SendTar")


def deed_io(one, luck):
    one.ready()
    one.write10(luck.randrange(64), bytes(4096 * luck.randrange(1, 64)))
    one.read10(luck.randrange(64), 8 * luck.randrange(1, 64))


def deed_send(one, luck):
    """Commands whose ends nobody waits for; writes whose data never comes."""
    for _ in range(luck.randrange(1, 20)):
        one.send_write10(luck.randrange(64), bytes(4096 * luck.randrange(1, 64)), luck.choice([None, 0, 4096]))
        one.send_read10(luck.randrange(64), 8 * luck.randrange(1, 64))


def deed_ahead(one, luck):
    """Ahead of its turn: held until the connection ends, or the one before comes."""
    first = one.cmd_sn
    one.cmd_sn += luck.randrange(1, 8)
    one.send_write10(0, bytes(4096))
    if luck.random() < 0.5:
        one.cmd_sn = first
        one.send_write10(1, bytes(4096))


def deed_half(one, luck):
    one.socket.sendall(bytes([0x01, 0x80]) + bytes(luck.randrange(40)))
    time.sleep(luck.random() / 4)
    raise initiator.Closed(False)


def deed_noise(one, luck):
    one.socket.sendall(luck.randbytes(luck.randrange(1, 200)))


def deed_manage(one, luck):
    """ABORT TASK SET, CLEAR TASK SET, LOGICAL UNIT RESET, TARGET WARM and COLD RESET, or ABORT TASK of the last."""
    function = luck.choice([1, 2, 4, 5, 5, 6, 7])
    if luck.random() < 0.7:
        deed_send(one, luck)
    one.send(struct.pack(">BBHIQIIIIIIQ", 0x40 | initiator.TMF, 0x80 | function, 0, 0, 0, one.next_itt(),
                         one.itt - 1 if function == 1 else initiator.NONE, one.cmd_sn, one.exp_stat_sn,
                         one.cmd_sn - 1, 0, 0))
    end = time.monotonic() + luck.random()
    while time.monotonic() < end and one.readable(0.05):
        one.receive()


def deed_wait(one, luck):
    end = time.monotonic() + luck.random()
    while time.monotonic() < end and one.readable(0.05):
        one.receive()


DEEDS = [deed_logout, deed_text, deed_io, deed_io, deed_send, deed_ahead, deed_half, deed_noise, deed_manage,
         deed_manage, deed_wait]


def descriptors(daemon):
    return len(os.listdir("/proc/%d/fd" % daemon.process.pid))


def resident(daemon):
    """Bytes, or 0 where a sanitizer keeps what is freed."""
    with open("/proc/%d/maps" % daemon.process.pid, encoding="utf-8") as maps:
        if re.search("lib[at]san", maps.read()):
            return 0
    with open("/proc/%d/statm" % daemon.process.pid, encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def everything_at_once(chaos):
    roles = [Chaos.change, Chaos.reload, Chaos.disk, Chaos.look, Chaos.operate] + [Chaos.initiate] * INITIATORS
    threads = [chaos.thread(role, number) for number, role in enumerate(roles)]
    for thread in threads:
        thread.join(60)
    order(chaos.daemon, "ok")
    return not any(thread.is_alive() for thread in threads)


def main():
    portcullis.require()
    if not portcullis.binary("tests/portcullisd-fault"):
        portcullis.skip_all("tests/portcullisd-fault is not built")
    seed = os.environ.get("PORTCULLIS_CHAOS_SEED") or str(random.randrange(1 << 32))
    print("# PORTCULLIS_CHAOS_SEED=" + seed)
    tap = portcullis.Tap()
    daemon = portcullis.Daemon(configuration(False, 512, 8), start=False, program="tests/portcullisd-fault")
    with daemon:
        order(daemon, "ok")
        daemon.start()
        for name in NAMES:
            daemon.update(SECRETS[0], initiator=name)
        tap.equal(attempt(daemon, SECRETS[0]), 0, "before, a login works")
        fds, memory = descriptors(daemon), resident(daemon)

        chaos = Chaos(daemon, seed, float(os.environ.get("PORTCULLIS_CHAOS_SECONDS", "15")))
        tap.ok(everything_at_once(chaos), "everybody came to an end")
        tap.equal(chaos.failures, [], "every change and every question was answered")
        seen = "%d updates, %d reloads, %d logins, %d operations done and %d refused" % (
            chaos.updates, chaos.reloads, chaos.logins, chaos.operations[200], chaos.operations[400])
        tap.ok(chaos.updates > 4 and chaos.reloads > 4 and chaos.logins > 20 and min(chaos.operations.values()) > 4,
               "there was something to see", seen)
        print("# " + seen)
        alive = tap.ok(daemon.process.poll() is None, "the daemon lives", daemon.log()[-4000:])
        if alive:
            # The shape of the beginning, so that what is open can be compared.
            for letter in "ab":
                daemon.control("DeleteTarget", {"TargetARN": daemon.arn(MADE + letter), "Force": True})
            for number in range(1, 4):
                daemon.control("DeleteLun", {"TargetARN": daemon.arn(OPEN), "LunNumber": number, "Force": True})
            daemon.configure(configuration(False, 512, 8))
            daemon.reload()
            tap.ok(initiator.wait_until(lambda: daemon.control("ListSessions", {})[2]["Sessions"] == [], 20),
                   "nobody is logged in any more", daemon.control("ListSessions", {})[2])
            tap.ok(initiator.wait_until(lambda: descriptors(daemon) <= fds, 20), "no descriptor was kept",
                   "%d before, %d after" % (fds, descriptors(daemon)))
            tap.ok(resident(daemon) - memory < RSS_BOUND, "memory is bounded",
                   "%d before, %d after" % (memory, resident(daemon)))
            daemon.update(SECRETS[1], initiator=HOST)
            with session(daemon, SECRETS[1]).login() as last:
                last.ready()
                tap.equal(last.write10(0, b"Z" * 4096)[0], 0, "a login and a write work")
                tap.equal(last.read10(0, 8)[1], b"Z" * 4096, "and so does a read")
            tap.equal(daemon.stop(), 0, "SIGTERM ends it in order")
            text = daemon.log()
            found = re.search(r"Sanitizer|runtime error", text)
            tap.ok(not found, "no sanitizer complains", found and text[found.start():][:8000])
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
