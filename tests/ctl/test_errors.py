#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Each error of portcullisctl says what to do next: those of the daemon, of the way to it, and of the command line.
And how long work is waited for, and what is seen of it meanwhile."""
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import fake  # noqa: E402
import portcullis  # noqa: E402
from bench import (DONE, FIRST, REFUSED, UNREACHABLE, USAGE, Bench, Terminal, targets)  # noqa: E402

TOP = os.environ.get("top_srcdir") or os.path.join(HERE, "..", "..")
OWN = "Portcullis_20261122."
# Those of the signed endpoint, which portcullisctl does not speak to, and of a broken request.
NOT_ASKED = {"MissingAuthenticationToken", "IncompleteSignatureException", "UnrecognizedClientException",
             "InvalidSignatureException", "AccessDeniedException"}

# What the verbs on volumes look up first.
GATEWAY = {"StorageGateway_20130630.ListGateways": (200, {"Gateways": [{"GatewayARN": "arn:x"}]}),
           "StorageGateway_20130630.DescribeGatewayInformation":
               (200, {"GatewayNetworkInterfaces": [{"Ipv6Address": "2001:db8::1"}]})}

# (error, verb and its words, what it says to do)
ADVICE = (
    ("TargetNotFound", ("delete-chap", fake.IQN, fake.INITIATOR), "portcullisctl list-targets"),
    ("TargetInvalid", ("drain", "arn:wrong"), "portcullisctl list-targets"),
    ("TargetAlreadyExists", ("create-target", fake.IQN, "memory:"), "portcullisctl create-lun %s LUN PATH" % fake.IQN),
    ("InitiatorNotFound", ("close-session", fake.IQN, fake.INITIATOR), "portcullisctl list-sessions %s" % fake.IQN),
    ("InitiatorNotFound", ("delete-chap", fake.IQN, fake.INITIATOR), "portcullisctl describe-chap %s" % fake.IQN),
    ("LunAlreadyAllocated", ("create-lun", fake.IQN, "0", "memory:", "--size", "1M"), "another number"),
    ("LunInvalid", ("resize-lun", fake.IQN, "9", "1G"), "--json list-targets"),
    ("VolumeInUse", ("delete-lun", fake.IQN, "1"), "--force"),
    ("VolumeNotFound", ("delete-volume", "vol-1"), "portcullisctl list-volumes"),
    ("VolumeInUse", ("delete-volume", "vol-1"), "portcullisctl list-volumes"),
    ("DiskDoesNotExist", ("create-volume", "x", "/srv/x"), "control.disk_directories"),
    ("DiskAlreadyAllocated", ("create-volume", "x", "/srv/x"), "portcullisctl list-volumes"),
    ("InvalidParameters", ("remove-portal", "127.0.0.1:3260"), "config reload"),
    ("GatewayNotFound", ("drain", fake.ARN + "iqn.x"), "another gateway"),
    ("InvalidGateway", ("drain", fake.ARN + "iqn.x"), "another gateway"),
    ("InvalidParameters", ("update-chap", fake.IQN, fake.INITIATOR, "--secret-file", "-"), "12 to 16 bytes"),
    ("InvalidParameters", ("rotate-chap", fake.IQN, fake.INITIATOR, "--secret-file", "-"), "finish-rotation"),
    ("InvalidParameters", ("resize-lun", fake.IQN, "0", "1"), "only grows"),
    ("InvalidParameters", ("delete-target", fake.IQN), "config reload"),
    ("InvalidParameters", ("delete-lun", fake.IQN, "0"), "portcullisctl delete-target"),
    ("InvalidParameters", ("create-target", "iqn.x", "/srv/x"), "takes a restart"),
    ("InvalidParameters", ("create-volume", "x", "/srv/x"), "portcullisctl create-volume --help"),
    ("InvalidParameters", ("add-portal", "192.0.2.1:3260"), "an address of this host"),
    ("InvalidParameters", ("config", "reload"), "config check"),
    ("InvalidParameters", ("create-lun", fake.IQN, "1", "/etc/passwd"), "portcullisctl create-lun --help"),
    ("NotSupported", ("update-chap", fake.IQN, fake.INITIATOR, "--secret-file", "-"), "authentication"),
    ("InternalError", ("drain", fake.IQN), "journalctl -u portcullisd"),
    ("ValidationException", ("delete-chap", fake.IQN, "host_7"), "portcullisctl delete-chap --help"),
    ("RequestEntityTooLargeException", ("config", "check"), "portcullisd -t -c FILE"),
    ("SerializationException", ("config", "check"), "differ in version"),
    ("UnknownOperationException", ("config", "diff"), "portcullisd is older"),
)


def errors_of_the_daemon():
    """{name} as clients tell errors apart: the errorCode, or else the type."""
    with open(os.path.join(TOP, "daemon", "api", "api.c"), encoding="utf-8") as file:
        table = re.search(r"errors\[\] = \{(.*?)\n\};", file.read(), re.S).group(1)
    rows = re.findall(r'\{ \d+, "(\w+)", (?:NULL|"(\w+)"),', table)
    return {code or kind for kind, code in rows}


def test_refusals(tap, bench):
    found = errors_of_the_daemon()
    tap.ok(len(found) > 15, "the daemon's errors are found", found)
    tap.equal(found - NOT_ASKED - {code for code, _, _ in ADVICE}, set(), "each has an advice here")
    for code, words, advice in ADVICE:
        bench.reset()
        is_type = code.endswith("Exception")
        reply = fake.refusal(None if is_type else code, "What was wrong.",
                             code if is_type else "InvalidGatewayRequestException")
        operations = re.findall(r"\.name = \"%s\",\s+\.operation = (AWS|OWN)\(\"(\w+)\"\)" % verb_of(words), VERBS)
        tap.equal(len(operations), 1, verb_of(words) + " is a verb")
        prefix = OWN if operations[0][0] == "OWN" else "StorageGateway_20130630."
        bench.server.answers.update(GATEWAY)
        bench.server.answers[prefix + operations[0][1]] = (500 if code == "InternalError" else 400, reply)
        code_, out, err = bench.run(*words, stdin=FIRST.encode() + b"\n")
        tap.equal((code_, out), (REFUSED, ""), "%s of %s is exit 1" % (code, verb_of(words)))
        lines = err.splitlines()
        tap.ok(len(lines) == 2 and "What was wrong." in lines[0] and code in lines[0] and advice in lines[1],
               "its message, its name, and what to do", err)
        tap.ok("VERB" not in err and "TARGET" not in err, "in words that can be copied", err)
        code_, out, _ = bench.run("--json", *words, stdin=FIRST.encode() + b"\n")
        tap.equal((code_, json.loads(out)), (REFUSED, reply), "and as it came with --json")


with open(os.path.join(TOP, "ctl", "verbs.c"), encoding="utf-8") as _file:
    VERBS = _file.read()


def verb_of(words):
    return " ".join(words[:2]) if words[0] == "config" else words[0]


def test_unknown_refusals(tap, bench):
    for status, reply in ((400, fake.refusal("Unheard", "something new")), (503, {})):
        bench.reset()
        bench.server.answers[fake.DELETE] = (status, reply)
        code, _, err = bench.run("delete-chap", fake.IQN, fake.INITIATOR)
        tap.ok(code == REFUSED and reply.get("message", "refused") in err, "an error that nobody knows", code, err)
    bench.server.answers[fake.DELETE] = (400, fake.refusal("X", "evil \x1b[2J\nline"))
    _, _, err = bench.run("delete-chap", fake.IQN, fake.INITIATOR)
    tap.ok("\x1b" not in err, "a message cannot command the terminal", repr(err))
    bench.server.answers[fake.DELETE] = (400, fake.refusal("X", 'it is "a\\x09b", expected "x"' + "y" * 2000))
    _, _, err = bench.run("delete-chap", fake.IQN, fake.INITIATOR)
    tap.ok('it is "a\\x09b", expected "x"yyy' in err and "yyy (Inv" in err, "its quotes stay, and its end is cut", err)
    bench.server.answers[fake.DELETE] = (400, fake.refusal("TargetAlreadyExists", "m"))
    _, _, err = bench.run("delete-chap", fake.ARN + "\x1b[2J", fake.INITIATOR)
    tap.ok("\x1b" not in err, "nor can an argument", repr(err))


def test_targets(tap, bench):
    names = ("iqn.2026-11.example:disk1", "iqn.2026-11.example:disk22", "iqn.2026-11.example:backup")
    rows = (("iqn.2026-11.exmaple:backup", names[2]), ("backup", names[2]), ("IQN.2026-11.EXAMPLE:BACKUPS", names[2]),
            ("iqn.2026-11.example:disk", names[0]), ("disk1", names[0]), ("iqn.2026-11.example:disk2", None),
            ("iqn.1999-01.com.other:thing", None), ("x", None), ("", None))
    for typed, meant in rows:
        bench.reset()
        bench.server.answers[fake.TARGETS] = (200, targets(*names))
        code, _, err = bench.run("drain", typed)
        tap.ok(code == REFUSED and ("did you mean %s?" % meant if meant else "list-targets") in err,
               "%r: %s" % (typed, meant), code, err)
    bench.server.answers[fake.TARGETS] = (200, {"Targets": []})
    tap.ok("create-target" in bench.run("drain", fake.IQN)[2], "without any target")
    bench.server.answers[fake.TARGETS] = (200, targets("iqn.evil\x1b[2J"))
    _, _, err = bench.run("drain", "iqn.evil\x1b[1J")
    tap.ok("\x1b" not in err, "names cannot command the terminal", repr(err))


def test_command_line(tap, bench):
    for words, text in ((("list-session",), "did you mean list-sessions?"), (("drian",), "did you mean drain?"),
                        (("open-gate",), "no such verb\n"), (("config", "chow"), "config show, config diff"),
                        (("config",), "config show, config diff"), (("list-targets", "x"), "list-targets [OPTION...]\n"),
                        (("drain", "--forse"), "did you mean --force?"), (("drain", "--colour"), "no such option\n"),
                        (("drain", "--tmeout=hunter2222222"), "did you mean --timeout?"),
                        (("list-targets", "--timeout", "soon"), "--timeout"), (("list-targets", "--timeout", "0"), "--timeout"),
                        (("drain",), "usage: portcullisctl drain")):
        code, out, err = bench.run(*words)
        tap.ok(code == USAGE and out == "" and text in err and "--help" in err.splitlines()[-1], " ".join(words), code, err)
        tap.ok("hunter" not in err, "without what may be a secret", err)


def test_way(tap, bench):
    """What is wrong with the socket."""
    nobody = os.path.join(bench.directory, "nobody.sock")
    _, _, err = bench.run("list-targets", socket=nobody)
    tap.ok("systemctl status portcullisd" in err and "--socket" in err, "there is no socket", err)
    left = socket.socket(socket.AF_UNIX)
    left.bind(nobody)
    code, _, err = bench.run("list-targets", socket=nobody)
    tap.ok(code == UNREACHABLE and "journalctl" in err, "nobody listens", code, err)
    left.listen()
    bench.server.answers[fake.TARGETS] = None
    code, _, err = bench.run("list-targets")
    tap.ok(code == UNREACHABLE and "not known what was done" in err, "it ends without an answer", code, err)
    left.listen(0)
    with socket.socket(socket.AF_UNIX) as one, socket.socket(socket.AF_UNIX) as two:
        one.connect(nobody)
        two.setblocking(False)
        tap.ok(two.connect_ex(nobody) != 0, "a queue is full")
        code, _, err = bench.run("list-targets", socket=nobody)
        tap.ok(code == UNREACHABLE and "try again" in err, "there is no room", code, err)
    code, _, err = bench.run("list-targets", socket="/" + "x" * 200)
    tap.ok(code == UNREACHABLE and "so long a name" in err, "a name that is too long", code, err)
    left.close()
    os.unlink(nobody)
    test_permission(tap, bench)


def test_permission(tap, bench):
    if os.geteuid() != 0:
        tap.skip("permission denied names the group", "only root can become somebody else")
        return
    directory = tempfile.mkdtemp(prefix="portcullis-ctl-")
    try:
        os.chmod(directory, 0o755)
        program = shutil.copy(bench.program, directory)
        path = os.path.join(directory, "sock")
        with socket.socket(socket.AF_UNIX) as listening:
            listening.bind(path)
            listening.listen()
            for group, mode, text in ((2, 0o660, 'group "bin" (sudo'), (2, 0o660, "usermod -aG bin nobody"),
                                      (0, 0o660, "root alone"), (2, 0o600, "control.group")):
                os.chown(path, 0, group)
                os.chmod(path, mode)
                done = subprocess.run([program, "--socket", path, "list-targets"], capture_output=True, text=True,
                                      user=65534, group=65534, extra_groups=[], timeout=30, check=False)
                if "error while loading" in done.stderr or "leak" in done.stderr:
                    tap.skip("permission denied", "the program does not start elsewhere")
                    return
                tap.ok(done.returncode == UNREACHABLE and "permission denied" in done.stderr and text in done.stderr,
                       "permission denied, mode %o: %s" % (mode, text), done.returncode, done.stderr)
    finally:
        shutil.rmtree(directory)


def test_timeout(tap, bench):
    """The daemon is waited for as long as asked, and not longer."""
    bench.reset()
    end = threading.Event()
    bench.server.answers[fake.DRAIN] = lambda members: end.wait(30) and (200, {})
    code, out, err = bench.run("drain", fake.IQN, "--timeout", "1")
    tap.ok(code == UNREACHABLE and out == "" and "no answer within 1 s" in err and "goes on" in err
           and "list-sessions" in err, "--timeout ends the waiting, and says what goes on", code, out, err)
    tap.ok("left" not in err.replace("who is left", ""), "no progress where there is no terminal", err)
    end.set()


def test_progress(tap, bench):
    """On a terminal work that takes long shows how far it is."""
    bench.reset()
    left, end = [3, 2, 1], threading.Event()

    def sessions(members):
        count = left.pop(0) if len(left) > 1 else left[0]
        if len(left) == 1:
            end.set()
        return 200, {"Sessions": [{}] * count}
    bench.server.answers[fake.SESSIONS] = sessions
    bench.server.answers[fake.DRAIN] = lambda members: end.wait(20) and (200, {})
    terminal = Terminal(bench, "drain", fake.IQN)
    code = terminal.finish()
    shown = [re.sub("\x1b\\[K", "", part) for part in terminal.screen.split("\r")]
    tap.equal(code, DONE, "drain")
    tap.ok([part.split(", ")[-1] for part in shown if "left" in part][:2] == ["3 sessions left", "2 sessions left"],
           "counts who is left", shown)
    tap.ok(terminal.screen.rstrip().endswith("lets initiators in again.") and "\r\x1b[K" in terminal.screen,
           "and clears the line for what was done", repr(terminal.screen))
    tap.equal(bench.asked(fake.SESSIONS)[0], {"TargetARN": fake.ARN + fake.IQN}, "of its target alone")

    bench.reset()
    bench.server.answers[fake.RESIZE] = lambda members: threading.Event().wait(1.2) or (200, {})
    terminal = Terminal(bench, "resize-lun", fake.IQN, "0", "1G")
    code = terminal.finish()
    tap.ok(code == DONE and re.search(r"\rresize-lun: \d s\x1b\[K", terminal.screen), "a resize shows its time",
           repr(terminal.screen))
    tap.equal(bench.asked(fake.SESSIONS), [], "and counts nobody")

    bench.reset()
    bench.server.answers[fake.SESSIONS] = None
    end = threading.Event()
    bench.server.answers[fake.DRAIN] = lambda members: threading.Event().wait(1.2) or (200, {})
    terminal = Terminal(bench, "drain", fake.IQN)
    tap.ok(terminal.finish() == DONE and "drain: " in terminal.screen and "left" not in terminal.screen,
           "what cannot be counted is not", repr(terminal.screen))


def main():
    if not portcullis.binary("portcullisctl"):
        portcullis.skip_all("portcullisctl is not built")
    tap = portcullis.Tap()
    bench = Bench(tap)
    try:
        for test in (test_refusals, test_unknown_refusals, test_targets, test_command_line, test_way, test_timeout,
                     test_progress):
            test(tap, bench)
    finally:
        bench.close()
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
