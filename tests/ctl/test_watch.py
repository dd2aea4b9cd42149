#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What portcullisctl shows of sessions: naming one to close it, statistics, and watch, on a terminal and elsewhere."""
import fcntl
import json
import os
import re
import signal
import struct
import subprocess
import sys
import termios

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import fake  # noqa: E402
import portcullis  # noqa: E402
from bench import (DONE, REFUSED, UNREACHABLE, USAGE, Bench, Terminal)  # noqa: E402

HOST = "iqn.2026-11.test:host"
SECOND = 1000000000


def session(target=fake.IQN, tsih=1, isid="00023d000001", initiator=HOST, **more):
    return dict({"TargetName": target, "TargetARN": fake.ARN + target, "InitiatorName": initiator, "ISID": isid,
                 "TSIH": tsih, "Address": "192.0.2.7:1", "SessionType": "Normal", "AgeSeconds": 60, "Commands": 0,
                 "BytesRead": 0, "BytesWritten": 0}, **more)


def test_close(tap, bench):
    one, two = session(), session(fake.OTHER, 1)
    three, four = session(tsih=2, isid="00023d000002"), session(tsih=7, isid="00023d000003", initiator="iqn.evil\x1b[2J")
    old = session(tsih=2, isid="00023d0000ff")
    discovery = {"TargetName": "", "InitiatorName": HOST, "ISID": "0", "TSIH": 9}

    def named(row):
        return {member: row[member] for member in ("TargetARN", "InitiatorName", "ISID", "TSIH")}
    pair = {"TargetARN": fake.ARN + fake.IQN, "InitiatorName": HOST}
    rows = (
        ("its number", ("7",), (one, two, three, four), DONE, named(four)),
        ("its number and target", (fake.IQN, "1"), (one, three), DONE, named(one)),
        ("an initiator", (fake.IQN, HOST.upper()), (), DONE, pair),
        ("an initiator and an ISID", (fake.IQN, HOST, "00023D000001"), (), DONE, dict(pair, ISID="00023d000001")),
        ("a number that two targets have", ("1",), (one, two, three), REFUSED, "close-session TARGET SESSION"),
        ("a number that two sessions of the target have", (fake.IQN, "2"), (three, old), REFUSED, "INITIATOR ISID"),
        ("a number that nobody has", ("8",), (one, two), REFUSED, "list-sessions"),
        ("a discovery session", ("9",), (discovery,), REFUSED, "discovery"),
        ("an initiator without a target", (HOST,), (one,), USAGE, "TARGET INITIATOR"),
        ("number 0", ("0",), (one,), USAGE, "no session's number"),
        ("number 65536", ("65536",), (one,), USAGE, "no session's number"),
        ("a target that is none", ("iqn.nowhere:at-all", "1"), (one,), REFUSED, "list-targets"),
        ("a name that is no UTF-8", (fake.IQN, b"iqn.\xff"), (), USAGE, "UTF-8"),
    )
    for name, words, sessions, code, expected in rows:
        bench.reset()
        bench.server.answers[fake.SESSIONS] = (200, {"Sessions": list(sessions)})
        bench.server.answers[fake.CLOSE] = (200, dict(pair, SessionsClosed=1))
        found = bench.run("close-session", *words)
        asked = bench.asked(fake.CLOSE)
        if code == DONE:
            tap.equal((found[0], found[2], asked), (DONE, "", [expected]), "close-session by " + name)
            tap.ok("1 session closed" in found[1] and fake.IQN in found[1] and "\x1b" not in found[1], "and says so", found)
        else:
            tap.ok(found[0] == code and expected in found[2] and not asked, "close-session by " + name, found, asked)
    bench.server.answers[fake.CLOSE] = (200, dict(pair, SessionsClosed=2))
    tap.ok("2 sessions closed" in bench.run("close-session", fake.IQN, HOST)[1], "several")
    tap.equal(json.loads(bench.run("--json", "close-session", fake.IQN, HOST)[1]), dict(pair, SessionsClosed=2), "--json")
    bench.server.answers[fake.SESSIONS] = None
    tap.equal(bench.run("close-session", "1")[0], UNREACHABLE, "no list, no closing")


def lun(number, commands, nanoseconds, read=0, written=0, **more):
    kind = {"Commands": commands, "Nanoseconds": nanoseconds}
    return dict({"LunNumber": number, "Read": kind, "Write": {"Commands": 0, "Nanoseconds": 0},
                 "Other": {"Commands": 0, "Nanoseconds": 0}, "BytesRead": read, "BytesWritten": written, "Errors": {},
                 "Refused": 0}, **more)


def statistics(seconds, luns, sessions=1):
    logins = {"accepted": 3, "not_authenticated": 1, "refused": 0}
    return {"Nanoseconds": int(seconds * SECOND),
            "Targets": [{"TargetName": fake.IQN, "TargetARN": fake.ARN + fake.IQN, "Sessions": sessions, "Logins": logins,
                         "Luns": luns},
                        {"TargetName": "", "Sessions": 0, "Logins": {"no_target": 0}, "Luns": []}],
            "Workers": [{"Worker": 0, "Connections": 1, "Turns": 10, "BusyNanoseconds": 5000000}]}


def cells(text):
    return [[cell for cell in re.split("  +", line.strip()) if cell] for line in text.splitlines()]


def test_statistics(tap, bench):
    bench.reset()
    body = statistics(5, [lun(0, 10, 40000, 4096, 1 << 20, Errors={"medium_error": 2, "unit_attention": 1}), lun(None, 0, 0)])
    bench.server.answers[fake.STATISTICS] = (200, body)
    code, out, err = bench.run("statistics")
    tap.equal((code, err), (DONE, ""), "statistics")
    rows = cells(out)
    tap.equal(rows[1], [fake.IQN, "1", "accepted=3 not_authenticated=1"], "a target, and none that is not there")
    tap.equal(rows[4], [fake.IQN, "0", "10", "0", "0", "4.0 KiB", "1.0 MiB", "4.0 us", "-", "0",
                        "medium_error=2 unit_attention=1"], "its LUN")
    tap.equal(rows[5][:3], [fake.IQN, "-", "0"], "commands to LUNs that do not exist")
    tap.equal(rows[8], ["0", "1", "10", "5.0 ms"], "a worker")
    tap.equal(json.loads(bench.run("--json", "statistics")[1]), body, "--json")
    bench.server.asked.clear()
    bench.run("statistics", fake.OTHER)
    tap.equal(bench.asked(fake.STATISTICS), [{"TargetARN": fake.ARN + fake.OTHER}], "of one target")
    body["Targets"][1]["Logins"]["no_target"] = 4
    tap.ok("no_target=4" in bench.run("statistics")[1], "logins to what is no target, if there were some")
    bench.server.answers[fake.STATISTICS] = (200, {})
    tap.equal(bench.run("statistics")[0], DONE, "an empty answer is no crash")


class Growing:
    """Counters that grow at a known rate: each look comes two of the daemon's seconds after the last."""

    def __init__(self, bench):
        self.looks = 0
        bench.server.answers[fake.STATISTICS] = self.statistics
        bench.server.answers[fake.SESSIONS] = self.sessions

    def statistics(self, members):
        self.looks += 1
        n = self.looks
        return 200, statistics(2 * n, [lun(0, 200 * n, 200 * n * 5000, 4096 * n, 8192 * n), lun(1, 100 * n, 100 * n * 2000)])

    def sessions(self, members):
        n = self.looks
        rows = [session(Commands=300 * n, BytesRead=4096 * n, BytesWritten=8192 * n)]
        if n >= 2:
            rows.append(session(tsih=2, initiator="iqn.new\x1b[2J", Commands=50))
        return 200, {"Sessions": rows}


def test_watch_plain(tap, bench):
    bench.reset()
    Growing(bench)
    code, out, err = bench.run("watch", "--interval", "1", "--count", "2")
    tap.equal((code, err), (DONE, ""), "watch, twice")
    tap.ok("\x1b" not in out, "without a terminal's control", repr(out))
    blocks = out.split("portcullis  ")[1:]
    tap.equal(len(blocks), 2, "one block after the other")
    rows = cells(blocks[0])
    tap.equal(rows[3], [fake.IQN, "1", "150", "2.0 KiB", "4.0 KiB", "4.0 us", "0"], "a target's rates")
    tap.equal(rows[6], ["1", HOST, "192.0.2.7:1", "150", "2.0 KiB", "4.0 KiB", "1 min 0 s", fake.IQN], "a session's")
    tap.equal(rows[7][3], "25", "a new session's are those since its login")
    code, out, _ = bench.run("--json", "watch", fake.IQN, "--interval", "1", "--count", "1")
    found = json.loads(out)
    tap.equal((code, len(out.splitlines())), (DONE, 1), "with --json a line")
    tap.equal((found["Seconds"], found["Targets"][0]["CommandsPerSecond"], found["Sessions"][0]["BytesReadPerSecond"]),
              (2, 150, 2048), "of rates")
    tap.equal(bench.asked(fake.STATISTICS)[-1], {"TargetARN": fake.ARN + fake.IQN}, "of one target")

    answers = iter([statistics(1, [lun(0, 500, 500)]), statistics(2, [lun(0, 7, 70)])])
    bench.server.answers[fake.STATISTICS] = lambda members: (200, next(answers))
    bench.server.answers[fake.SESSIONS] = (200, {"Sessions": []})
    code, out, _ = bench.run("watch", "--interval", "1", "--count", "1")
    tap.ok(code == DONE and cells(out)[3][2] == "7" and "No sessions." in out, "a counter that fell began anew", out)
    for words in (("--interval", "0"), ("--interval", "2d"), ("--interval", "x"), ("--count", "0"), ("--count", "-1"),
                  ("--count", "1x"), ("--count", "9999999999")):
        code, out, err = bench.run("watch", *words)
        tap.ok(code == USAGE and words[0] in err and out == "", " ".join(words), code, err)
    bench.server.answers[fake.STATISTICS] = (400, fake.refusal("TargetNotFound", "m"))
    tap.equal(bench.run("watch")[0], REFUSED, "a refusal ends it")
    answers = iter([(200, statistics(1, []))])
    bench.server.answers[fake.STATISTICS] = lambda members: next(answers, None)
    tap.equal(bench.run("watch", "--interval", "1")[0], UNREACHABLE, "and so does a daemon that goes away")


def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))


def local_modes(fd):
    return termios.tcgetattr(fd)[3]


def last_frame(screen):
    """The lines of what was drawn last."""
    return re.sub("\x1b\\[[KJ]", "", screen.split("\x1b[H")[-1].split("\x1b[?25h")[0]).split("\r\n")


def test_watch_terminal(tap, bench):
    os.environ["TERM"] = "xterm"
    for name, end, code in (("q", b"q", DONE), ("^C", b"\x03", DONE)):
        bench.reset()
        Growing(bench)
        terminal = Terminal(bench, "watch", "--interval", "1")
        resize(terminal.fd, 24, 120)
        tap.ok(terminal.read("(q ends)"), "watch begins at once")
        before_echo = local_modes(terminal.fd) & (termios.ECHO | termios.ICANON)
        tap.ok(terminal.read(HOST), "and draws", repr(terminal.screen))
        os.write(terminal.fd, b"x")  # any other key is nothing
        os.write(terminal.fd, end)
        held = os.dup(terminal.fd)
        status = terminal.finish()
        screen = terminal.screen
        tap.equal((status, before_echo), (code, 0), name + " ends it")
        tap.ok("\x1b[?1049h" in screen and screen.rstrip().endswith("\x1b[?1049l") and "\x1b[?25h" in screen,
               name + ": on the other screen, which is left", repr(screen[-60:]))
        tap.equal("\x1b[2J" in screen, False, name + ": a name cannot command the terminal")
        os.close(held)

    bench.reset()
    Growing(bench)
    terminal = Terminal(bench, "watch", "--interval", "1", "--count", "3")
    resize(terminal.fd, 6, 40)
    terminal.read("iqn.1997")
    terminal.read("\x1b[J", 1)
    code = terminal.finish()
    frame = last_frame(terminal.screen)
    tap.ok(code == DONE and len(frame) <= 6 and max(map(len, frame)) <= 40, "it is cut to a small terminal", frame)

    bench.reset()
    Growing(bench)
    terminal = Terminal(bench, "watch", "--interval", "3600")
    tap.ok(terminal.read("(q ends)"), "a long interval")
    os.kill(terminal.pid, signal.SIGTERM)
    tap.equal(terminal.finish(), DONE, "SIGTERM ends it at once")
    tap.ok("\x1b[?1049l" in terminal.screen, "in order")


def test_watch_resize(tap, bench):
    """What was drawn is drawn anew, for the new size, without waiting for the next look."""
    bench.reset()
    growing = Growing(bench)
    terminal = Terminal(bench, "watch", "--interval", "2")
    resize(terminal.fd, 24, 120)
    terminal.read(HOST)
    terminal.read("iqn.1997-05.com.amazon:myvolume\x1b[K")
    looks, frames = growing.looks, terminal.screen.count("\x1b[H")
    resize(terminal.fd, 24, 50)
    os.kill(terminal.pid, signal.SIGWINCH)
    while terminal.screen.count("\x1b[H") == frames and terminal.read("\x00", 0.2) is False and growing.looks == looks:
        pass
    terminal.read("\x00", 0.1)
    tap.equal((growing.looks, terminal.screen.count("\x1b[H") > frames), (looks, True), "a new size is drawn at once")
    tap.ok(max(map(len, last_frame(terminal.screen))) <= 50, "and fits", last_frame(terminal.screen))
    os.write(terminal.fd, b"q")
    tap.equal(terminal.finish(), DONE, "and q ends it")

    bench.reset()
    answers = iter([(200, statistics(1, [])), (200, statistics(2, []))])
    bench.server.answers[fake.STATISTICS] = lambda members: next(answers, None)
    bench.server.answers[fake.SESSIONS] = (200, {"Sessions": []})
    terminal = Terminal(bench, "watch", "--interval", "1")
    code = terminal.finish()
    left = terminal.screen.rfind("\x1b[?1049l")
    tap.ok(code == UNREACHABLE and 0 < left < terminal.screen.rfind("portcullisctl: "),
           "a daemon that goes away is told on the terminal as it was", code, repr(terminal.screen[-200:]))


def test_dumb(tap, bench):
    os.environ["TERM"] = "dumb"
    bench.reset()
    Growing(bench)
    terminal = Terminal(bench, "watch", "--interval", "1", "--count", "1")
    tap.ok(terminal.finish() == DONE and "\x1b" not in terminal.screen, "a dumb terminal gets blocks", repr(terminal.screen))
    with open("/dev/full", "wb") as full:
        code = subprocess.run([bench.program, "--socket", bench.server.path, "watch", "--interval", "1", "--count", "1"],
                              stdout=full, stderr=subprocess.DEVNULL, timeout=30, check=False).returncode
    tap.ok(code != DONE, "a full disk under stdout is no success", code)


def main():
    if not portcullis.binary("portcullisctl"):
        portcullis.skip_all("portcullisctl is not built")
    tap = portcullis.Tap()
    bench = Bench(tap)
    try:
        for test in (test_close, test_statistics, test_watch_plain, test_watch_terminal, test_watch_resize, test_dumb):
            test(tap, bench)
    finally:
        bench.close()
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
