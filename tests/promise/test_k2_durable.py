# SPDX-License-Identifier: BSD-2-Clause
"""K2: durable before visible. Storing fails, stalls or dies at each of its steps, on a running daemon: what the
reply says holds, on the wire and on the disk. [CRED-18]
"""
import http.client
import os
import shutil
import subprocess
import sys
import threading

from common import HOST, SECRETS, attempt, initiator, portcullis, secrets_of, session, two_targets

MUST_FAIL = ("write", "pwrite", "fsync", "fdatasync", "rename", "renameat", "renameat2")


class Shim:
    """The fault injector below the daemon's state directory."""

    def __init__(self):
        self.library = portcullis.binary("tests/crash/shim.so") or portcullis.skip_all("tests/crash/shim.so is not built")
        self.turn = 0

    def daemon(self):
        """A daemon under it, with a record of HOST in place."""
        daemon = portcullis.Daemon(two_targets(), start=False)
        self.control, self.calls = os.path.join(daemon.directory, "plan"), os.path.join(daemon.directory, "calls")
        daemon.environment.update(LD_PRELOAD=self.library, SHIM_DIR=os.path.realpath(daemon.directory) + "/state",
                                  SHIM_CONTROL=self.control, SHIM_LOG=self.calls,
                                  ASAN_OPTIONS="verify_asan_link_order=0:detect_leaks=0")
        daemon.start()
        daemon.update(SECRETS[0], initiator=HOST)
        return daemon

    def plan(self, words):
        self.turn += 1
        with open(self.control + ".new", "w", encoding="ascii") as out:
            out.write("%s #%d\n" % (words, self.turn) if words else "\n")
        os.rename(self.control + ".new", self.control)

    def steps(self, daemon):
        """The names of the calls that one update makes."""
        open(self.calls, "w", encoding="ascii").close()
        daemon.update(SECRETS[0], initiator=HOST)
        with open(self.calls, encoding="utf-8") as calls:
            return [line.split()[1] for line in calls]


def ask(daemon, secret):
    """An update: its status, or 0 if the daemon died over it."""
    try:
        return daemon.control("UpdateChapCredentials", {"TargetARN": daemon.arn(), "InitiatorName": HOST,
                                                        "SecretToAuthenticateInitiator": secret})[0]
    except (OSError, http.client.HTTPException):
        return 0


def holds(daemon, secret):
    """Whether exactly this secret of the two opens the target, and Describe tells the same."""
    other = SECRETS[1] if secret == SECRETS[0] else SECRETS[0]
    return (attempt(daemon, secret), attempt(daemon, other), secrets_of(daemon)) == (0, 0x0201, {HOST: (secret, None)})


def fail_each_step(shim, tap):
    with shim.daemon() as daemon:
        steps = shim.steps(daemon)
        for number, name in enumerate(steps, 1):
            with session(daemon, SECRETS[0]).login() as held:
                shim.plan("fail %d EIO" % number)
                status = ask(daemon, SECRETS[1])
                shim.plan("")
                if status == 200 and name not in MUST_FAIL:  # tidying up failed: the change stands
                    good = holds(daemon, SECRETS[1])
                    daemon.update(SECRETS[0], initiator=HOST)
                else:
                    untouched = held.nop().opcode == initiator.NOP_IN if status == 500 else False
                    good = status == 500 and untouched and holds(daemon, SECRETS[0])
                tap.ok(good, "step %d (%s) fails: answered %s, and so it is" % (number, name, status), daemon.log()[-800:])
        daemon.stop()
        daemon.start()
        tap.ok(holds(daemon, SECRETS[0]), "and after a restart")
        tap.ok(daemon.log().count("what=credentials-not-stored") >= 4, "the log says what failed")


def fail_from_each_step(shim, tap):
    """Also the way back fails: the old set rules, or nobody is served."""
    with shim.daemon() as daemon:
        for number, name in enumerate(shim.steps(daemon), 1):
            shim.plan("fail %d+ EIO" % number)
            status = ask(daemon, SECRETS[1])
            outcomes = (attempt(daemon, SECRETS[0]), attempt(daemon, SECRETS[1]))
            shim.plan("")
            allowed = ((0, 0x0201), (0x0301, 0x0301)) if status == 500 else ((0x0201, 0),)
            good = outcomes in allowed and (status == 500 or name not in MUST_FAIL)
            tap.ok(good, "from step %d (%s) on all fails: answered %s" % (number, name, status), outcomes)
            daemon.stop()
            daemon.start()
            after = [attempt(daemon, SECRETS[0]), attempt(daemon, SECRETS[1])]
            tap.ok(sorted(after) in ([0, 0x0201], [0x0301, 0x0301]), "then a restart: one of the two, or nobody", after)
            if after != [0, 0x0201]:
                shutil.rmtree(os.path.join(daemon.directory, "state"))
                daemon.stop()
                daemon.start()
                daemon.update(SECRETS[0], initiator=HOST)


def die_at_each_step(shim, tap):
    with shim.daemon() as daemon:
        old = SECRETS[0]
        for number, name in enumerate(shim.steps(daemon), 1):
            for action in ("kill", "tear"):
                new = SECRETS[1] if old == SECRETS[0] else SECRETS[0]
                shim.plan("%s %d" % (action, number))
                status = ask(daemon, new)
                daemon.kill()
                shim.plan("")
                daemon.start()
                now = secrets_of(daemon).get(HOST, (None,))[0]
                good = status == 0 and now in (old, new) and holds(daemon, now)
                tap.ok(good, "%s at step %d (%s): exactly the %s set" % (action, number, name, "new" if now == new else "old"),
                       status, now)
                old = now


def die_at_the_first(shim, tap):
    """The same where there was no record before: open as it was, or closed by the new one."""
    with shim.daemon() as daemon:
        for number in range(1, len(shim.steps(daemon)) + 8):
            daemon.stop()
            shutil.rmtree(os.path.join(daemon.directory, "state"))
            daemon.start()
            shim.plan("kill %d" % number)
            status = ask(daemon, SECRETS[1])
            daemon.kill()
            shim.plan("")
            daemon.start()
            outcome = (attempt(daemon), attempt(daemon, SECRETS[1]))
            if not tap.ok(outcome in ((0, 0), (0x0201, 0)) and (status == 0 or outcome == (0x0201, 0)),
                          "dying at step %d of a first record: %s" % (number, "as before" if outcome[0] == 0 else "closed"),
                          status, outcome):
                break
            if status == 200:
                break


def storing_stalls(shim, tap):
    with shim.daemon() as daemon:
        number = shim.steps(daemon).index("fsync") + 1
        shim.plan("stall %d 2" % number)
        statuses = []
        thread = threading.Thread(target=lambda: statuses.append(ask(daemon, SECRETS[1])))
        thread.start()
        initiator.wait_until(lambda: "fsync" in open(shim.calls, encoding="utf-8").read())
        during = attempt(daemon, SECRETS[0]), attempt(daemon, SECRETS[1])
        early = list(statuses)
        thread.join()
        tap.equal((during, early), ((0, 0x0201), []), "while storing stalls the old set rules and logins do not wait")
        tap.ok(statuses == [200] and holds(daemon, SECRETS[1]), "then the new one")


def mounted(tap, name, options, spoil, mend):
    """A state directory on a file system of its own that takes nothing any more."""
    daemon = portcullis.Daemon(two_targets(), start=False)
    with daemon:
        state = os.path.join(daemon.directory, "state")
        os.mkdir(state, 0o700)
        if subprocess.run(["mount", "-t", "tmpfs", "-o", options, "none", state], check=False, capture_output=True).returncode:
            tap.skip(name, "file systems cannot be mounted here")
            return
        try:
            daemon.start()
            daemon.update(SECRETS[0], initiator=HOST)
            with session(daemon, SECRETS[0]).login() as held:
                spoil(state)
                tap.equal(ask(daemon, SECRETS[1]), 500, "%s: InternalServerError" % name)
                tap.equal(held.nop().opcode, initiator.NOP_IN, "%s: no session is touched" % name)
            tap.ok(holds(daemon, SECRETS[0]), "%s: the old set rules" % name)
            mend(state)
            tap.equal(ask(daemon, SECRETS[1]), 200, "%s: mended, the same request succeeds" % name)
            tap.ok(holds(daemon, SECRETS[1]), "%s: and holds" % name)
        finally:
            daemon.stop()
            subprocess.run(["umount", state], check=False)


def fill(state):
    with open(os.path.join(state, "filler"), "wb", buffering=0) as out:
        try:
            while out.write(b"\0" * 4096):
                pass
        except OSError:
            pass


def remount(how):
    return lambda state: subprocess.run(["mount", "-o", "remount," + how, state], check=True)


def main():
    portcullis.require()
    tap, shim = portcullis.Tap(), Shim()
    fail_each_step(shim, tap)
    fail_from_each_step(shim, tap)
    die_at_each_step(shim, tap)
    die_at_the_first(shim, tap)
    storing_stalls(shim, tap)
    mounted(tap, "a full file system", "mode=700,size=128k", fill, lambda state: os.unlink(os.path.join(state, "filler")))
    mounted(tap, "a read-only directory", "mode=700,size=1m", remount("ro"), remount("rw"))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
