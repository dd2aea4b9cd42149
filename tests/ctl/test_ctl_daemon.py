#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""portcullisctl and portcullisd together: each verb does what it says, and each refusal is the daemon's."""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import portcullis  # noqa: E402

OPEN = "iqn.1997-05.com.amazon:open"
FIRST, SECOND = "111111111111", "222222222222"
DONE, REFUSED, USAGE, UNREACHABLE = range(4)


def ctl(daemon, *arguments, stdin=""):
    """(exit code, stdout, stderr)."""
    done = subprocess.run([portcullis.binary("portcullisctl"), "--socket", daemon.socket, *arguments],
                          input=stdin.encode(), capture_output=True, timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


def stored(daemon):
    """What DescribeChapCredentials answers, by initiator, straight from the daemon."""
    _, _, reply = daemon.control("DescribeChapCredentials", {"TargetARN": daemon.arn()})
    return {row["InitiatorName"]: (row["SecretToAuthenticateInitiator"], row.get("SecretToAuthenticateTarget"))
            for row in reply["ChapCredentials"]}


def test_changes(tap, daemon):
    code, out, err = ctl(daemon, "update-chap", portcullis.IQN, portcullis.INITIATOR, "--secret-file", "-",
                         stdin=FIRST + "\n")
    tap.equal((code, err), (DONE, ""), "update-chap by IQN")
    tap.equal(stored(daemon), {portcullis.INITIATOR: (FIRST, None)}, "one-way")
    code, _, _ = ctl(daemon, "update-chap", daemon.arn(), portcullis.INITIATOR.upper(), "--secret-file", "-",
                     "--target-secret-file", "-", stdin="%s\n%s\n" % (FIRST, SECOND))
    tap.equal((code, stored(daemon)), (DONE, {portcullis.INITIATOR: (FIRST, SECOND)}), "by ARN, mutual")
    code, out, _ = ctl(daemon, "describe-chap", portcullis.IQN)
    tap.ok(code == DONE and portcullis.INITIATOR in out and FIRST not in out, "describe-chap", out)
    code, out, _ = ctl(daemon, "describe-chap", portcullis.IQN, "--show-secrets")
    tap.ok(FIRST in out and SECOND in out, "describe-chap --show-secrets", out)
    code, out, _ = ctl(daemon, "--json", "describe-chap", portcullis.IQN)
    _, _, reply = daemon.control("DescribeChapCredentials", {"TargetARN": daemon.arn()})
    tap.equal(json.loads(out), reply, "describe-chap --json")


def test_refusals(tap, daemon):
    before = stored(daemon)
    rows = (
        ("a secret of 11 bytes", ("update-chap", portcullis.IQN, portcullis.INITIATOR), "1" * 11, "InvalidParameters"),
        ("a secret of 17 bytes", ("update-chap", portcullis.IQN, portcullis.INITIATOR), "1" * 17, "InvalidParameters"),
        ("a secret of 101 characters", ("update-chap", portcullis.IQN, portcullis.INITIATOR), "1" * 101,
         "ValidationException"),
        ("equal secrets", ("update-chap", portcullis.IQN, portcullis.INITIATOR, "--target-secret-file", "-"),
         "%s\n%s" % (FIRST, FIRST), "InvalidParameters"),
        ("a bad initiator's name", ("update-chap", portcullis.IQN, "host_7"), FIRST, "ValidationException"),
        ("a target that is never locked", ("update-chap", OPEN, portcullis.INITIATOR), FIRST, "NotSupported"),
        ("an unknown ARN", ("update-chap", daemon.arn("iqn.1997-05.com.amazon:nowhere"), portcullis.INITIATOR),
         FIRST, "TargetNotFound"),
        ("an unknown IQN", ("update-chap", "iqn.1997-05.com.amazon:nowhere", portcullis.INITIATOR), FIRST,
         "list-targets"),
        ("another ARN", ("update-chap", portcullis.GATEWAY, portcullis.INITIATOR), FIRST, "TargetInvalid"),
        ("an unknown pair", ("delete-chap", portcullis.IQN, "iqn.2026-11.example:unknown"), None, "InitiatorNotFound"),
    )
    for name, words, secret, message in rows:
        words += ("--secret-file", "-") if secret else ()
        code, out, err = ctl(daemon, *words, stdin=secret or "")
        tap.ok(code == REFUSED and out == "" and message in err, name + " is refused", code, out, err)
        tap.ok(not secret or not set(secret.split()) & set(err.split()), name + ": not repeated", err)
    tap.equal(stored(daemon), before, "refusals change nothing")


def test_lists(tap, daemon):
    code, out, _ = ctl(daemon, "list-targets")
    lines = [line.split() for line in out.splitlines()]
    tap.equal((code, lines[1:]), (DONE, [
        [portcullis.IQN, "auto", "yes", "ok", "1", "0", "1", daemon.arn()],
        [OPEN, "none", "no", "ok", "0", "0", "1", daemon.arn(OPEN)]]), "list-targets")
    tap.equal(ctl(daemon, "list-sessions"), (DONE, "No sessions.\n", ""), "list-sessions, nobody")
    client = portcullis.binary("tests/interop/iscsi_io")
    if not client:
        tap.skip("list-sessions", "libiscsi is not installed")
        return
    host, port = daemon.portals[0]
    holder = subprocess.Popen([client, "-i", "iqn.2026-11.example:holder", "hold",
                               "iscsi://%s:%d/%s/0" % (host, port, OPEN), "30"], stdout=subprocess.PIPE)
    try:
        tap.ok(holder.stdout.readline().startswith(b"holding"), "a session is held")
        code, out, _ = ctl(daemon, "list-sessions", OPEN)
        row = out.splitlines()[1].split()
        tap.equal((code, row[:3], row[4:7]), (DONE, [OPEN, "1", "iqn.2026-11.example:holder"], ["Normal", "none", "no"]), "list-sessions")
        tap.ok(row[3].startswith("127.0.0.1:"), "the initiator's address", row)
        tap.equal(ctl(daemon, "list-sessions", portcullis.IQN), (DONE, "No sessions.\n", ""), "of the other target")
        _, out, _ = ctl(daemon, "--json", "list-sessions")
        session = json.loads(out)["Sessions"][0]
        tap.ok(session["Commands"] > 0 and session["BytesRead"] > 0, "--json counts", session)
    finally:
        holder.kill()
        holder.wait()


def test_rotation(tap, daemon):
    words = (portcullis.IQN, portcullis.INITIATOR)
    code, out, err = ctl(daemon, "rotate-chap", *words, "--grace", "2h", "--secret-file", "-", stdin="a-new-secret\n")
    tap.equal((code, err, stored(daemon)[portcullis.INITIATOR][0]), (DONE, "", "a-new-secret"), "rotate-chap")
    code, out, _ = ctl(daemon, "list-rotations", portcullis.IQN)
    row = out.splitlines()[1].split()
    tap.equal((code, row[:2], row[-1]), (DONE, list(words), "0"), "list-rotations")
    tap.equal(ctl(daemon, "list-rotations", OPEN), (DONE, "No rotations are under way.\n", ""), "none of the other target")
    code, out, err = ctl(daemon, "rotate-chap", *words, "--secret-file", "-", stdin="yet-another1\n")
    tap.ok(code == REFUSED and "under way" in err and "yet-another1" not in err, "one at a time", err)
    code, out, err = ctl(daemon, "rotate-chap", *words, "--grace", "31d", "--secret-file", "-", stdin="a-new-secret\n")
    tap.ok(code == REFUSED and "2592000" in err, "the daemon knows the limits", err)
    for name in ("ends", "has ended"):
        code, out, err = ctl(daemon, "finish-rotation", *words)
        tap.equal((code, err), (DONE, ""), "finish-rotation when one " + name)
    tap.equal(ctl(daemon, "list-rotations"), (DONE, "No rotations are under way.\n", ""), "list-rotations, none")


def test_delete_and_end(tap, daemon):
    code, out, err = ctl(daemon, "delete-chap", portcullis.IQN, portcullis.INITIATOR)
    tap.equal((code, err, stored(daemon)), (DONE, "", {}), "delete-chap")
    tap.equal(ctl(daemon, "describe-chap", portcullis.IQN)[1], "No initiator has credentials on this target.\n",
              "describe-chap, none")
    tap.ok(not any(secret in daemon.log() for secret in (FIRST, SECOND)), "no secret in the daemon's log")
    tap.equal(daemon.stop(), 0, "the daemon ends well")
    code, _, err = ctl(daemon, "list-targets")
    tap.ok(code == UNREACHABLE and "portcullisd" in err, "without a daemon: exit 3", code, err)


def main():
    portcullis.require()
    if not portcullis.binary("portcullisctl"):
        portcullis.skip_all("portcullisctl is not built")
    tap = portcullis.Tap()
    targets = [portcullis.target(), portcullis.target(OPEN, "none")]
    with portcullis.Daemon(portcullis.config(targets)) as daemon:
        for test in (test_changes, test_refusals, test_lists, test_rotation, test_delete_and_end):
            test(tap, daemon)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
