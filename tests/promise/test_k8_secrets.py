# SPDX-License-Identifier: BSD-2-Clause
"""K8: wrong secrets lock nobody out and cost nothing but their connection; secrets are in no log, no error text,
no argument list and no core dump. [CRED-09 CHAP-18]
"""
import glob
import os
import shutil
import subprocess
import sys

from common import HOST, attempt, portcullis, session, two_targets

OURS, MUTUAL, WRONG = "Initiators-Key1", "TheTargets-Key2", "Not-The-Key-333"


def core_of(daemon):
    """The bytes of a core dump of the running daemon, or None where none can be had."""
    if not shutil.which("gcore") or portcullis.is_sanitized():
        return None  # a sanitizer's shadow is terabytes of address space
    prefix = os.path.join(daemon.directory, "core")
    subprocess.run(["gcore", "-o", prefix, str(daemon.process.pid)], check=False, capture_output=True, timeout=120)
    found = glob.glob(prefix + ".*")
    if not found:
        return None
    with open(found[0], "rb") as core:
        return core.read()


def forms(secret):
    """How a secret could show: itself, and its hexadecimal digits."""
    return [secret.encode(), secret.encode().hex().encode(), secret.encode().hex().upper().encode()]


def main():
    portcullis.require()
    tap = portcullis.Tap()
    with portcullis.Daemon(two_targets(), arguments=["-v"]) as daemon:
        daemon.update(OURS, MUTUAL, initiator=HOST)
        outcomes = {attempt(daemon, WRONG) for _ in range(200)}
        tap.equal(outcomes, {0x0201}, "200 logins with a wrong secret are refused alike")
        tap.equal({attempt(daemon, WRONG, name="iqn.1994-05.com.example:nobody") for _ in range(20)}, {0x0201},
                  "an unknown initiator cannot be told from a wrong secret")
        tap.equal(attempt(daemon, OURS), 0, "the right secret is let in at once")
        tap.equal(attempt(daemon, OURS, target_secret=MUTUAL), 0, "and so is the mutual login")
        with session(daemon, OURS, target_secret=MUTUAL) as held:
            held.login()
            for bad in ({"SecretToAuthenticateInitiator": OURS, "SecretToAuthenticateTarget": OURS},
                        {"SecretToAuthenticateInitiator": OURS + "x" * 100}, {"SecretToAuthenticateInitiator": OURS[:5]},
                        {"SecretToAuthenticateInitiator": [OURS]}, {"Secret": OURS}):
                reply = daemon.control("UpdateChapCredentials", {"TargetARN": daemon.arn(), "InitiatorName": HOST, **bad})
                if reply[0] == 200 or any(form in repr(reply).encode() for form in forms(OURS)):
                    tap.ok(False, "an error text echoes a secret or is none", reply)
            log = daemon.log().encode()
            tap.equal([s for s in (OURS, MUTUAL, WRONG) for form in forms(s) if form in log], [], "no secret is in the log")
            with open("/proc/%d/cmdline" % daemon.process.pid, "rb") as arguments:
                tap.ok(OURS.encode() not in arguments.read(), "nor in the argument list")
            core = core_of(daemon)
            if core is None:
                tap.skip("no secret is in a core dump", "no gcore, or a sanitizer is built in")
            else:
                tap.ok(HOST.encode() in core, "a core dump has the daemon's memory")
                tap.equal([s for s in (OURS, MUTUAL) for form in forms(s) if form in core], [], "but no secret")
        modes = {name: oct(os.stat(os.path.join(daemon.directory, "state", name)).st_mode & 0o777)
                 for name in os.listdir(os.path.join(daemon.directory, "state"))}
        tap.equal(set(modes.values()), {"0o600"}, "every state file is the owner's alone")
        tap.equal(oct(os.stat(os.path.join(daemon.directory, "state")).st_mode & 0o777), "0o700", "and so is their directory")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
