#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""portcullisctl against a control endpoint of the test's own: what it asks, what it prints, how it
takes secrets, its exit codes."""
import json
import os
import signal
import subprocess
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import fake  # noqa: E402
import portcullis  # noqa: E402
from bench import (DONE, FIRST, REFUSED, SECOND, UNREACHABLE, USAGE, Bench, Terminal, stty, targets)  # noqa: E402


def test_wire(bench, tap):
    bench.reset()
    path = bench.file(FIRST + "\n")
    code, out, err = bench.run("update-chap", fake.ARN + fake.IQN, fake.INITIATOR, "--secret-file", path)
    tap.equal((code, err), (DONE, ""), "update-chap by ARN")
    tap.ok(fake.INITIATOR in out and "closed" in out, "it says what was done", out)
    tap.equal(len(bench.server.asked), 1, "an ARN needs no ListTargets")
    operation, members, url, headers, body = bench.server.asked[0]
    tap.equal(operation, fake.UPDATE, "X-Amz-Target")
    tap.equal(url, "/", "the path")
    tap.equal(headers["Content-Type"], "application/x-amz-json-1.1", "Content-Type")
    tap.equal(members, {"TargetARN": fake.ARN + fake.IQN, "InitiatorName": fake.INITIATOR,
                        "SecretToAuthenticateInitiator": FIRST}, "the members, one-way")
    tap.ok("Expect" not in headers and "Transfer-Encoding" not in headers, "a plain body", headers)

    bench.reset()
    code, _, err = bench.run("update-chap", fake.IQN, "IQN.1991-05.com.Microsoft:HOST", "--secret-file",
                             bench.file("пароль"), "--target-secret-file", bench.file(SECOND, name="second"))
    tap.equal((code, err), (DONE, ""), "update-chap, mutual")
    tap.equal(bench.asked(fake.UPDATE), [{"TargetARN": fake.ARN + fake.IQN,
                                          "InitiatorName": "iqn.1991-05.com.microsoft:host",
                                          "SecretToAuthenticateInitiator": "пароль",
                                          "SecretToAuthenticateTarget": SECOND}],
              "both secrets, the initiator's name in lower case")
    tap.ok(bench.server.asked[-1][4].isascii(), "the body is ASCII as the AWS clients send it")

    bench.reset()
    code, out, _ = bench.run("delete-chap", fake.IQN, fake.INITIATOR)
    tap.equal((code, bench.asked(fake.DELETE)),
              (DONE, [{"TargetARN": fake.ARN + fake.IQN, "InitiatorName": fake.INITIATOR}]), "delete-chap")
    tap.ok("removed" in out, "it says what was done", out)


def test_resolution(bench, tap):
    bench.reset()
    code, _, _ = bench.run("delete-chap", fake.IQN.upper(), fake.INITIATOR)
    tap.equal((code, [entry[0] for entry in bench.server.asked]), (DONE, [fake.TARGETS, fake.DELETE]),
              "an IQN is looked up, in any case")
    bench.reset()
    code, out, err = bench.run("delete-chap", fake.IQN[:-1], fake.INITIATOR)
    tap.equal((code, out, bench.asked(fake.DELETE)), (REFUSED, "", []), "a beginning is no name")
    tap.ok("did you mean %s?" % fake.IQN in err, "it says what to do next", err)
    bench.server.answers[fake.TARGETS] = (200, targets(fake.IQN, fake.IQN))
    code, _, err = bench.run("delete-chap", fake.IQN, fake.INITIATOR)
    tap.equal((code, bench.asked(fake.DELETE)), (REFUSED, []), "two targets of one name: nothing is done")
    tap.ok("ARN" in err, "it asks for the ARN", err)
    bench.server.answers[fake.TARGETS] = (500, fake.refusal("InternalError", "An internal error occurred.",
                                                            "InternalServerError"))
    code, _, err = bench.run("update-chap", fake.IQN, fake.INITIATOR, "--secret-file", "-", stdin=b"x\n")
    tap.equal((code, bench.asked(fake.UPDATE)), (REFUSED, []), "a refused ListTargets ends it")


def test_stdin(bench, tap):
    bench.reset()
    arguments = ("update-chap", fake.IQN, fake.INITIATOR, "--secret-file", "-", "--target-secret-file", "-")
    code, _, err = bench.run(*arguments, stdin=b"111111111111\n222222222222\n333333333333\n")
    members = bench.asked(fake.UPDATE)
    tap.equal((code, err), (DONE, ""), "both secrets from stdin")
    tap.equal([(m["SecretToAuthenticateInitiator"], m["SecretToAuthenticateTarget"]) for m in members],
              [(FIRST, SECOND)], "the first line, then the second")
    rows = (
        ("an empty stdin", b"", USAGE),
        ("an empty line", b"\n", USAGE),
        ("no newline at the end", b"111111111111", DONE),
        ("blanks belong to the secret", b" 1111111111 \n", DONE),
        ("bytes that are no UTF-8", b"\xff\xfe1111111111\n", USAGE),
        ("512 bytes go to the daemon, who refuses them", b"x" * 512 + b"\n", DONE),
        ("513 bytes", b"x" * 513 + b"\n", USAGE),
    )
    for name, stdin, expected in rows:
        bench.reset()
        code, out, err = bench.run("update-chap", fake.IQN, fake.INITIATOR, "--secret-file", "-", stdin=stdin)
        sent = [m["SecretToAuthenticateInitiator"].encode() for m in bench.asked(fake.UPDATE)]
        want = [stdin.rstrip(b"\n")] if expected == DONE else []
        tap.equal((code, sent), (expected, want), name)
        tap.ok("1111" not in out + err and "xxx" not in out + err, name + ": not repeated", out, err)


def test_files(bench, tap):
    rows = ((0o600, DONE), (0o400, DONE), (0o640, USAGE), (0o604, USAGE), (0o620, USAGE), (0o602, USAGE))
    for mode, expected in rows:
        bench.reset()
        code, _, err = bench.run("update-chap", fake.IQN, fake.INITIATOR, "--secret-file",
                                 bench.file("%s\nmore\n" % FIRST, mode))
        sent = [m["SecretToAuthenticateInitiator"] for m in bench.asked(fake.UPDATE)]
        tap.equal((code, sent), (expected, [FIRST] if expected == DONE else []), "a file of mode %o" % mode)
        tap.ok(expected == DONE or "chmod 600" in err and FIRST not in err, "mode %o: the message" % mode, err)
    for path in (os.path.join(bench.directory, "missing"), bench.directory, "/dev/null"):
        bench.reset()
        code, _, err = bench.run("update-chap", fake.IQN, fake.INITIATOR, "--secret-file", path)
        tap.equal((code, bench.asked(fake.UPDATE)), (USAGE, []), "no secret in a %s" % type_of(path))
        tap.ok(path in err, "the message names it", err)
    good = bench.file(FIRST)
    code, _, _ = bench.run("update-chap", fake.IQN, fake.INITIATOR, "--secret-file", good,
                           "--target-secret-file", bench.file(SECOND, 0o644, "second"))
    tap.equal((code, bench.asked(fake.UPDATE)), (USAGE, []), "the second file is looked at as well")


def type_of(path):
    return "directory" if os.path.isdir(path) else "device" if os.path.exists(path) else "missing file"


PROMPTS = ("Secret that the initiator proves: ", "Secret that the initiator proves, again: ",
           "Secret that the target proves: ", "Secret that the target proves, again: ")


def test_terminal(bench, tap):
    rows = (
        ("one-way", (), (FIRST, FIRST), DONE, {"SecretToAuthenticateInitiator": FIRST}),
        ("mutual", ("--mutual",), (FIRST, FIRST, SECOND, SECOND), DONE,
         {"SecretToAuthenticateInitiator": FIRST, "SecretToAuthenticateTarget": SECOND}),
        ("two entries that differ", (), (FIRST, FIRST[:-1] + "2"), USAGE, None),
        ("a longer second entry", (), (FIRST, FIRST + "1"), USAGE, None),
        ("an empty entry", (), ("",), USAGE, None),
        ("the second pair differs", ("--mutual",), (FIRST, FIRST, SECOND, FIRST), USAGE, None),
    )
    for name, options, typed, expected, secrets in rows:
        bench.reset()
        terminal = Terminal(bench, "update-chap", fake.IQN, fake.INITIATOR, *options)
        prompted = all([terminal.answer(prompt, text) for prompt, text in zip(PROMPTS, typed)])
        code = terminal.finish()
        sent = [{m: v for m, v in entry.items() if m.startswith("Secret")}
                for entry in bench.asked(fake.UPDATE)]
        tap.ok(prompted, "terminal, %s: asks in words" % name)
        tap.equal((code, sent), (expected, [secrets] if secrets else []), "terminal, %s" % name)
        tap.ok(not any(text and text in terminal.screen for text in typed), "terminal, %s: no echo" % name,
               terminal.screen)

    bench.reset()
    terminal = Terminal(bench, "update-chap", fake.IQN, fake.INITIATOR)
    terminal.read(PROMPTS[0])
    tap.ok(FIRST not in terminal.argv(), "argv carries no secret")
    echo_while_asking = stty(terminal.fd)
    os.write(terminal.fd, b"\x03")
    code = terminal.finish_on_signal()
    tap.equal(code, -signal.SIGINT, "^C at the prompt ends it by SIGINT")
    tap.equal((echo_while_asking, terminal.echo_after), (False, True), "and gives the terminal its echo back")
    tap.equal(bench.asked(fake.UPDATE), [], "and nothing was asked of the daemon")

    terminal = Terminal(bench, "update-chap", fake.IQN, fake.INITIATOR)
    terminal.read(PROMPTS[0])
    os.write(terminal.fd, b"part\x04")  # handed over without a newline
    time.sleep(0.3)
    os.write(terminal.fd, b"\x03")
    tap.equal(terminal.finish_on_signal(), -signal.SIGINT, "so does ^C after ^D within a line")

    code, _, err = bench.run("update-chap", fake.IQN, fake.INITIATOR)
    tap.equal(code, USAGE, "no terminal and no file")
    tap.ok("--secret-file" in err, "it says how else", err)


def test_argv(bench, tap):
    for option in ("--secret", "--target-secret"):
        for words in ((option, FIRST), (option + "=" + FIRST,)):
            bench.reset()
            code, out, err = bench.run("update-chap", fake.IQN, fake.INITIATOR, *words)
            tap.equal((code, bench.server.asked), (USAGE, []), "%s on the command line is refused" % option)
            tap.ok(option + "-file" in err and FIRST not in out + err, "with the way that is right", err)
    code, out, err = bench.run("update-chap", fake.IQN, fake.INITIATOR, FIRST)
    tap.equal(code, USAGE, "a third word is refused")
    tap.ok(FIRST not in out + err, "and not repeated", err)
    code, out, err = bench.run("update-chap", fake.IQN, fake.INITIATOR, "--chap-password=" + FIRST)
    tap.ok(code == USAGE and FIRST not in out + err, "nor is the value of an unknown option", err)


def test_rotation(bench, tap):
    bench.reset()
    pair = {"TargetARN": fake.ARN + fake.IQN, "InitiatorName": fake.INITIATOR}
    bench.server.answers.update({fake.ROTATE: (200, dict(pair, EndTime=1795000000)),
                                 fake.FINISH: (200, dict(pair, SessionsClosed=2))})
    path = bench.file(FIRST + "\n")
    rows = ((None, None), ("1", 1), ("90", 90), ("90s", 90), ("15m", 900), ("12h", 43200), ("30d", 2592000))
    for text, seconds in rows:
        bench.server.asked.clear()
        words = ("--grace", text) if text else ()
        code, out, err = bench.run("rotate-chap", fake.IQN, fake.INITIATOR, "--secret-file", path, *words)
        members = dict(pair, SecretToAuthenticateInitiator=FIRST, **({"GraceSeconds": seconds} if seconds else {}))
        tap.equal((code, err, bench.asked(fake.ROTATE)), (DONE, "", [members]), "rotate-chap, --grace %s" % text)
        tap.ok(fake.INITIATOR in out and "old ones are good" in out, "it says what was done", out)
    for text in ("", "0", "-1", "1.5", "1w", "1dd", "d", "1 d", "0x10", "9999999999", "+1", "00"):
        bench.server.asked.clear()
        code, out, err = bench.run("rotate-chap", fake.IQN, fake.INITIATOR, "--secret-file", path, "--grace", text)
        tap.ok(code == USAGE and "--grace" in err and out == "" and not bench.asked(fake.ROTATE),
               "--grace %r is no time" % text, code, err)
    code, out, err = bench.run("finish-rotation", fake.IQN, fake.INITIATOR)
    tap.equal((code, err, bench.asked(fake.FINISH)), (DONE, "", [pair]), "finish-rotation")
    tap.ok("closed" in out, "it says what was done", out)
    bench.server.answers[fake.ROTATIONS] = (200, {"Rotations": []})
    tap.equal(bench.run("list-rotations"), (DONE, "No rotations are under way.\n", ""), "list-rotations, none")
    bench.server.answers[fake.ROTATIONS] = (200, {"Rotations": [
        dict(pair, TargetName=fake.IQN, EndTime=1795000000, SecondsLeft=3700, OldSessionCount=7)]})
    code, out, err = bench.run("list-rotations", fake.IQN)
    tap.equal((code, out.splitlines()[1].split(), err), (DONE, [fake.IQN, fake.INITIATOR, "1", "h", "1", "min", "7"], ""),
              "list-rotations")
    tap.equal(bench.asked(fake.ROTATIONS)[-1], {"TargetARN": fake.ARN + fake.IQN}, "of one target")


def test_usage(bench, tap):
    rows = (
        ((), "a verb is missing"), (("open-gate",), "no such verb"), (("update-chap",), "usage"),
        (("update-chap", fake.IQN), "usage"), (("delete-chap", fake.IQN), "usage"),
        (("describe-chap",), "usage"), (("list-targets", "x"), "usage"), (("list-sessions", fake.IQN, "x"), "usage"),
        (("list-targets", "--mutual"), "does not take"), (("list-sessions", "--show-secrets"), "does not take"),
        (("update-chap", fake.IQN, fake.INITIATOR, "--grace", "1d"), "does not take"), (("rotate-chap", fake.IQN), "usage"),
        (("finish-rotation", fake.IQN), "usage"), (("list-rotations", fake.IQN, "x"), "usage"),
        (("delete-chap", "--secret-file", "x", fake.IQN, fake.INITIATOR), "does not take"),
        (("--wrong", "list-targets"), "no such option"), (("-x", "list-targets"), "no such option"),
        (("--json=1", "list-targets"), "no value"), (("list-targets", "--socket"), "a value is missing"),
        (("delete-chap", b"iqn.\xff", fake.INITIATOR), None), (("delete-chap", fake.IQN, b"iqn.\xff"), "UTF-8"),
        (("delete-chap", b"arn:\xff", fake.INITIATOR), "UTF-8"),
    )
    for words, message in rows:
        bench.reset()
        code, out, err = bench.run(*words)
        name = " ".join(str(word) for word in words) or "no words"
        if message is None:  # a name that no target can have
            tap.equal(code, REFUSED, name)
        else:
            tap.ok(code == USAGE and message in err and out == "", name, code, out, err)
        tap.equal(bench.asked(fake.DELETE), [], name + ": nothing was changed")


VERBS = ("update-chap", "describe-chap", "delete-chap", "rotate-chap", "finish-rotation", "list-rotations", "list-targets",
         "list-sessions")


def test_help(bench, tap):
    code, out, err = bench.run("--help")
    tap.ok(code == DONE and err == "" and all(verb in out for verb in VERBS), "--help names every verb", out)
    for verb in VERBS:
        code, out, err = bench.run(verb, "--help")
        tap.ok(code == DONE and err == "" and out.startswith("Usage: portcullisctl " + verb), verb + " --help")
        tap.ok("--json" in out and max(map(len, out.splitlines())) <= 90, verb + " --help: options, width")
    code, out, _ = bench.run("update-chap", "--help")
    tap.ok("--target-secret-file" in out and "--secret " not in out, "the options of the verb", out)
    code, out, _ = bench.run("--version")
    tap.ok(code == DONE and out.startswith("portcullisctl "), "--version", out)
    tap.equal(bench.server.asked, [], "help asks nobody")


def test_unreachable(bench, tap):
    nobody = os.path.join(bench.directory, "nobody.sock")
    for path, name in ((nobody, "no socket"), (bench.file("x", name="plain"), "a plain file"),
                       ("/" + "x" * 200, "a path that is too long")):
        code, out, err = bench.run("list-targets", socket=path)
        tap.ok(code == UNREACHABLE and out == "" and path[:20] in err, name + " is exit 3", code, err)
    tap.ok("portcullisd" in bench.run("list-targets", socket=nobody)[2], "it asks whether the daemon runs")
    rows = (
        ("an answer that is not JSON", (200, b"<html>")), ("no body", (200, b"")), ("a list", (200, b"[]")),
        ("half an object", (200, b'{"Targets":[')), ("an object without the list", (200, b"{}")),
        ("a list of the wrong type", (200, b'{"Targets":{}}')), ("a connection that closes", None),
        ("HTML and an error", (413, b"<html>too large</html>")),
    )
    for name, answer in rows:
        bench.server.answers[fake.TARGETS] = answer
        code, out, err = bench.run("list-targets")
        tap.ok(code == UNREACHABLE and out == "" and err, name + " is exit 3", code, out, err)
    os.environ["http_proxy"] = "http://127.0.0.1:1/"
    bench.reset()
    tap.equal(bench.run("list-targets")[0], DONE, "the environment's proxy is not for us")
    del os.environ["http_proxy"]


def columns_of(text):
    """A table as a list of rows; two blanks end a cell."""
    return [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in text.splitlines()]


def test_describe(bench, tap):
    bench.reset()
    both = {"TargetARN": fake.ARN + fake.IQN, "InitiatorName": "iqn.a", "SecretToAuthenticateInitiator": FIRST,
            "SecretToAuthenticateTarget": SECOND}
    one = {"TargetARN": fake.ARN + fake.IQN, "InitiatorName": fake.INITIATOR,
           "SecretToAuthenticateInitiator": "\x1bпароль"}
    bench.server.answers[fake.DESCRIBE] = (200, {"ChapCredentials": [both, one]})
    code, out, err = bench.run("describe-chap", fake.IQN)
    tap.equal((code, err), (DONE, ""), "describe-chap")
    tap.equal(columns_of(out), [["INITIATOR", "INITIATOR'S SECRET", "TARGET'S SECRET"], ["iqn.a", "set", "set"],
                                [fake.INITIATOR, "set", "none"]], "hides the secrets")
    starts = {line.index(word) for line, word in zip(out.splitlines(), ("INITIATOR'S", "set", "set"))}
    tap.equal(len(starts), 1, "the columns are aligned")
    tap.ok(all(line == line.rstrip() for line in out.splitlines()), "no blanks at the end of lines")
    code, out, _ = bench.run("describe-chap", fake.IQN, "--show-secrets")
    tap.ok(FIRST in out and SECOND in out and "\x1b" not in out, "--show-secrets shows them", repr(out))
    code, out, _ = bench.run("describe-chap", fake.IQN, "--json")
    tap.equal(json.loads(out), {"ChapCredentials": [both, one]}, "--json is the answer as it came")
    bench.server.answers[fake.DESCRIBE] = (200, {"ChapCredentials": []})
    tap.equal(bench.run("describe-chap", fake.IQN), (DONE, "No initiator has credentials on this target.\n", ""),
              "none")


def test_lists(bench, tap):
    bench.reset()
    code, out, _ = bench.run("list-targets")
    rows = columns_of(out)
    tap.equal((code, len(rows)), (DONE, 3), "list-targets")
    tap.equal(rows[1], [fake.IQN, "auto", "yes", "ok", "2", "30", "1", fake.ARN + fake.IQN], "a target's row")
    sessions = [session(AgeSeconds=age, BytesRead=size) for age, size in
                ((0, 0), (59, 999), (60, 1024), (3599, 1536), (3600, (1 << 20) - 1), (90061, 1 << 30),
                 (8640000, (1 << 64) // 3))]
    bench.server.answers[fake.SESSIONS] = (200, {"Sessions": sessions})
    code, out, _ = bench.run("list-sessions")
    rows = columns_of(out)
    tap.equal([row[8] for row in rows[1:]], ["0 s", "59 s", "1 min 0 s", "59 min 59 s", "1 h 0 min", "1 d 1 h",
                                             "100 d 0 h"], "ages")
    tap.equal([row[10] for row in rows[1:]], ["0 B", "999 B", "1.0 KiB", "1.5 KiB", "1.0 MiB", "1.0 GiB",
                                             "5.3 EiB"], "sizes")
    tap.equal(len({len(line) for line in out.splitlines()}), 1, "the last column is aligned to the right")
    bench.server.answers[fake.SESSIONS] = (200, {"Sessions": [session(InitiatorName="evil\x1b[2J\nname"), {}]})
    code, out, _ = bench.run("list-sessions")
    tap.equal(len(out.splitlines()), 3, "a name cannot add a line")
    tap.ok("\x1b" not in out, "nor command the terminal", repr(out))
    tap.equal(set(columns_of(out)[2]), {"-"}, "what is missing shows as a dash")
    bench.server.answers[fake.SESSIONS] = (200, {"Sessions": []})
    tap.equal(bench.run("list-sessions"), (DONE, "No sessions.\n", ""), "no sessions")
    bench.server.asked.clear()
    bench.run("list-sessions", fake.OTHER)
    bench.run("list-sessions")
    tap.equal(bench.asked(fake.SESSIONS), [{"TargetARN": fake.ARN + fake.OTHER}, {}], "of one target, of all")
    bench.server.answers[fake.SESSIONS] = (200, {"Sessions": [session() for _ in range(2000)]})
    code, out, _ = bench.run("list-sessions")
    tap.equal((code, len(out.splitlines())), (DONE, 2001), "2,000 sessions")
    with open("/dev/full", "wb") as full:
        codes = [subprocess.run([bench.program, "--socket", bench.server.path, word], stdout=full,
                                stderr=subprocess.DEVNULL, timeout=30).returncode
                 for word in ("list-sessions", "--version", "--help", "help")]
    tap.ok(DONE not in codes, "a full disk under stdout is no success", codes)


def session(**changes):
    row = {"TargetName": fake.IQN, "InitiatorName": fake.INITIATOR, "Address": "[::1]:51234",
           "SessionType": "Normal", "TSIH": 7, "ISID": "00023d000001", "ChapAlgorithm": "SHA-256", "ChapMutual": True, "UsesOldSecret": False, "AgeSeconds": 3,
           "Commands": 17, "BytesRead": 4096, "BytesWritten": 0}
    return dict(row, **changes)


def main():
    if not portcullis.binary("portcullisctl"):
        portcullis.skip_all("portcullisctl is not built")
    tap = portcullis.Tap()
    bench = Bench(tap)
    try:
        for test in (test_wire, test_resolution, test_stdin, test_files, test_terminal, test_argv, test_rotation, test_usage,
                     test_help, test_unreachable, test_describe, test_lists):
            test(bench, tap)
    finally:
        bench.close()
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
