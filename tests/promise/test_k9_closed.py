# SPDX-License-Identifier: BSD-2-Clause
"""K9: a target whose stored credentials cannot be trusted is served to nobody, and the others are served.
[CRED-18]
"""
import glob
import os
import subprocess
import sys

from common import HOST, OTHER, SECRETS, TARGET, attempt, portcullis, secrets_of, two_targets


def state_file(daemon, name=TARGET):
    """The file that holds a target's credentials: the one that names it."""
    for path in glob.glob(os.path.join(daemon.directory, "state", "*")):
        with open(path, "rb") as file:
            content = file.read()
        if b"redential" in os.path.basename(path).encode() and name.encode() in content:
            return path
    raise AssertionError("no state file of %s in %r" % (name, os.listdir(os.path.join(daemon.directory, "state"))))


def check(daemon):
    """portcullisd -t: (exit status, what it said)."""
    done = subprocess.run(daemon.command("-t"), capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr


def closed_target(daemon, tap, what):
    """All that must hold while TARGET's state is broken."""
    tap.equal(attempt(daemon, SECRETS[0]), 0x0301, "%s: the right secret is told to try later" % what)
    tap.equal(attempt(daemon), 0x0301, "%s: nobody is let in without CHAP" % what)
    for operation, more in (("DescribeChapCredentials", {}), ("DeleteChapCredentials", {"InitiatorName": HOST}),
                            ("UpdateChapCredentials", {"InitiatorName": HOST, "SecretToAuthenticateInitiator": SECRETS[5]})):
        status, _, reply = daemon.control(operation, {"TargetARN": daemon.arn(), **more})
        tap.equal((status, reply.get("__type")), (500, "InternalServerError"), "%s: %s" % (what, operation))
    tap.equal(attempt(daemon, SECRETS[9], target=OTHER), 0, "%s: the other target is served" % what)
    status, said = check(daemon)
    tap.ok(status == 1 and TARGET in said, "%s: -t says so" % what, status, said)


def main():
    portcullis.require()
    tap = portcullis.Tap()
    with portcullis.Daemon(two_targets()) as daemon:
        tap.ok("what=first-start" in daemon.log(), "an empty state directory is a first start, and the log says so")
        tap.equal(check(daemon)[0], 0, "-t is content, also while the daemon runs")
        daemon.update(SECRETS[0], initiator=HOST)
        daemon.update(SECRETS[9], initiator=HOST, name=OTHER)
        path = state_file(daemon)
        with open(path, "rb") as file:
            good = file.read()

        def restart(content):
            daemon.stop()
            if content is None:
                os.unlink(path)
            else:
                with open(path, "wb") as out:
                    out.write(content)
                os.chmod(path, 0o600)
            daemon.start()

        restart(good)
        tap.equal(attempt(daemon, SECRETS[0]), 0, "credentials survive a restart")
        tap.ok("what=first-start" not in daemon.log(since_start=True), "which is no first start")
        for what, content in (("a torn file", good[:len(good) // 2]), ("an empty file", b""), ("a missing file", None),
                              ("a changed byte", good.replace(b"1", b"2", 1)), ("a byte too many", good + b"\n")):
            restart(content)
            closed_target(daemon, tap, what)
        restart(good)
        tap.equal(secrets_of(daemon), {HOST: (SECRETS[0], None)}, "with the right file back it is served again")
        tap.equal(attempt(daemon, SECRETS[0]), 0, "to who knows the secret")

    with portcullis.Daemon(portcullis.config([portcullis.target(OTHER)])) as daemon:
        daemon.control("CreateTarget", {"TargetName": TARGET, "Path": "memory:", "SizeInBytes": 1 << 20})
        daemon.update(SECRETS[0], initiator=HOST)
        daemon.update(SECRETS[9], initiator=HOST, name=OTHER)
        daemon.stop()
        path = state_file(daemon)
        os.truncate(path, os.path.getsize(path) // 2)
        daemon.start()
        closed_target(daemon, tap, "a torn file of a target made live")

    text = portcullis.config([portcullis.target(TARGET, authentication="none"), portcullis.target(OTHER, authentication="chap")])
    with portcullis.Daemon(text) as daemon:
        status, _, reply = daemon.control("UpdateChapCredentials", {
            "TargetARN": daemon.arn(), "InitiatorName": HOST, "SecretToAuthenticateInitiator": SECRETS[0]})
        tap.equal((status, reply["error"]["errorCode"]), (400, "NotSupported"), "under \"none\" an update is refused")
        tap.equal(attempt(daemon), 0, "and the target stays open")
        tap.equal(attempt(daemon, target=OTHER), 0x0201, "under \"chap\" nobody gets in without a record")
        daemon.update(SECRETS[0], initiator=HOST, name=OTHER)
        tap.equal(attempt(daemon, SECRETS[0], target=OTHER), 0, "with one, its holder does")
        daemon.control("DeleteChapCredentials", {"TargetARN": daemon.arn(OTHER), "InitiatorName": HOST})
        tap.equal((attempt(daemon, target=OTHER), attempt(daemon, SECRETS[0], target=OTHER)), (0x0201, 0x0201),
                  "and with the last one gone nobody does")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
