#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The log of a running daemon: each event is one line of fields with the right values, no peer can forge one, strangers do
not fill it, and under systemd the same fields are the journal's.
"""
import os
import pwd
import re
import socket
import struct
import subprocess
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import initiator  # noqa: E402
import portcullis  # noqa: E402
import signed  # noqa: E402

ONE, OPEN, HOST = "iqn.2026-11.test:one", "iqn.2026-11.test:open", "iqn.1994-05.com.example:host"
SECRET, WRONG = "111111111111", "999999999999"


def once(tap, daemon, what, name, missing=(), **fields):
    """There is one event of this name with these fields, and none of `missing` in it. Returns it, or {}."""
    daemon.wait_event(what, **fields)
    found = daemon.events(what, **fields)
    good = len(found) == 1 and not [key for key in missing if key in found[0]]
    tap.ok(good, name, "found %r" % found, "all of them: %r" % daemon.events(what))
    return found[0] if found else {}


def session(daemon, name=ONE, **options):
    return initiator.Session(*daemon.portals[0], target=name, name=HOST, **options)


def peer(one):
    return "%s:%d" % one.socket.getsockname()


def beginning(daemon, tap):
    once(tap, daemon, "first-start", "first-start", path=daemon.directory + "/state")
    once(tap, daemon, "target-added", "target-added", target=ONE, luns="1", credentials="0")
    once(tap, daemon, "workers-started", "workers-started", workers="2")
    once(tap, daemon, "control-socket", "control-socket", path=daemon.socket)
    once(tap, daemon, "listening", "listening", address="%s:%d" % daemon.portals[0], group="1")
    once(tap, daemon, "endpoint", "endpoint", address="127.0.0.1:%d" % daemon.endpoint.port)
    once(tap, daemon, "access-keys-read", "access-keys-read", path=daemon.directory + "/access-keys")
    tap.equal(len(re.findall(r"^listening on 127\.0\.0\.1:\d+ ", daemon.log(), re.M)), 1, "the fixed words")


def sessions(daemon, tap):
    daemon.update(SECRET, initiator=HOST, name=ONE)
    one = session(daemon, secret=SECRET).login()
    one.ready()
    who = {"target": ONE, "initiator": HOST, "peer": peer(one)}
    told = once(tap, daemon, "login", "login", session=str(one.tsih), type="normal", auth="SHA-256", mutual="no", **who)
    tap.equal(list(told), ["what", "target", "initiator", "peer", "session", "type", "auth", "mutual", "worker"],
              "in the order that all have")
    one.read10(0, 8)
    header = struct.pack(">BBHIQIIII", 0x40 | initiator.TMF, 0x80 | 5, 0, 0, 0, one.next_itt(), 0xffffffff, one.cmd_sn,
                         one.exp_stat_sn)
    one.send(header)
    while one.receive().opcode != initiator.TMF_RESPONSE:
        pass
    once(tap, daemon, "task-management", "task-management", function="5", session=str(one.tsih), **who)
    header = struct.pack(">BBHIQIIII", 0x40 | initiator.TMF, 0x80 | 9, 0, 0, 0, one.next_itt(), 0xffffffff, one.cmd_sn,
                         one.exp_stat_sn)
    one.socket.sendall(header.ljust(48, b"\0") * 1000)
    answers = [one.receive().opcode for _ in range(1000)]
    tap.equal(answers, [initiator.TMF_RESPONSE] * 1000, "a flood of functions is answered")
    told = [e for e in map(portcullis.event, daemon.log().splitlines()) if e and e["what"] == "task-management"]
    tap.ok(10 < len(told) <= 200, "but not all of it is logged", len(told))
    one.logout()
    one.rest()
    told = once(tap, daemon, "session-end", "session-end, by a logout", why="logout", session=str(one.tsih), **who)
    tap.ok(told.get("bytes_read") == "4096" and int(told["commands"]) >= 2 and told["bytes_written"] == "0",
           "with what it did", told)

    lost = session(daemon, secret=SECRET).login()
    lost.close()
    once(tap, daemon, "session-end", "session-end, the peer has gone", why="the peer has gone", initiator=HOST)
    broken = session(daemon, secret=SECRET).login()
    broken.send(struct.pack(">BB", initiator.NOP_IN, 0x80))
    broken.rest()
    once(tap, daemon, "protocol-error", "protocol-error", target=ONE, peer=peer(broken), session=str(broken.tsih))
    once(tap, daemon, "session-end", "session-end, by that", why="a protocol error or a timeout", peer=peer(broken))
    isid = b"\x80\x01\x02\x03\x04\x05"
    first = session(daemon, secret=SECRET, isid=isid).login()
    second = session(daemon, secret=SECRET, isid=isid).login()
    once(tap, daemon, "session-end", "session-end, replaced", why="a newer session takes its place", peer=peer(first))
    discovery = session(daemon, None, discovery=True).login()
    once(tap, daemon, "login", "login, discovery", ("target",), type="discovery", auth="none", peer=peer(discovery))
    discovery.close()
    return second


def refusals(daemon, tap):
    initiator.attempt(*daemon.portals[0], target=ONE, name=HOST, secret=WRONG)
    told = once(tap, daemon, "login-refused", "login-refused", ("session",), target=ONE, initiator=HOST, status="0x0201",
                why="wrong name or secret")
    tap.ok(re.fullmatch(r"127\.0\.0\.1:\d+", told.get("peer", "")), "with the peer", told)
    initiator.attempt(*daemon.portals[0], target="iqn.2026-11.test:none", name=HOST)
    once(tap, daemon, "login-refused", "login-refused, no such target", target="iqn.2026-11.test:none", status="0x0203",
         why="there is no such target")
    initiator.attempt(*daemon.portals[0], target=ONE, name=HOST)
    once(tap, daemon, "login-refused", "login-refused, without CHAP", target=ONE, status="0x0201",
         why="CHAP is demanded, and was not offered")
    daemon.control("DrainTarget", {"TargetARN": daemon.arn(ONE)})
    initiator.attempt(*daemon.portals[0], target=ONE, name=HOST, secret=WRONG)
    once(tap, daemon, "login-refused", "login-refused, drained", target=ONE, status="0x0301",
         why="the target is drained, held or served to nobody")
    daemon.control("ResumeTarget", {"TargetARN": daemon.arn(ONE)})
    forged = 'x\n2 what=login target=%s initiator=%s peer=1.2.3.4:5 session=9' % (ONE, HOST)
    lines = len(daemon.log().splitlines())
    for names in ((forged, ONE), (HOST, forged), (HOST + '" what="login', ONE), ("iqn.2026-11.test:\x1b[2J", ONE)):
        initiator.attempt(*daemon.portals[0], name=names[0], target=names[1])
    initiator.wait_until(lambda: len(daemon.log().splitlines()) >= lines + 4)
    new = [portcullis.event(line) for line in daemon.log().splitlines()[lines:]]
    tap.equal([one and one["what"] for one in new], ["login-refused"] * 4, "names that would be lines are none")
    tap.ok("\x1b" not in daemon.log(), "nor do they reach a terminal")


def control(daemon, tap):
    """Every operation leaves an audit line, and what it changes another one."""
    who = {"user": pwd.getpwuid(os.getuid()).pw_name, "uid": str(os.getuid()), "gid": str(os.getgid()), "pid": str(os.getpid())}
    update = portcullis.full_name("UpdateChapCredentials")
    told = once(tap, daemon, "audit", "audit", ("access_key", "peer", "code"), operation=update, target=ONE, initiator=HOST,
                result="done", status="200", **who)
    tap.ok(re.fullmatch(r"[-0-9a-f]{36}", told.get("request", "")) and told["ms"].isdigit(), "its id and its time", told)
    by = "uid=%(uid)s gid=%(gid)s pid=%(pid)s" % who
    once(tap, daemon, "credentials-changed", "credentials-changed", target=ONE, initiator=HOST, kind="update", by=by,
         generation="2", sessions_closed="0")
    _, headers, _ = daemon.control("DeleteChapCredentials", {"TargetARN": daemon.arn(ONE), "InitiatorName": HOST + "-none"})
    once(tap, daemon, "audit", "audit of what is refused", result="InvalidGatewayRequestException", code="InitiatorNotFound",
         status="400", initiator=HOST + "-none", request=headers["x-amzn-RequestId"], **who)
    once(tap, daemon, "credentials-not-changed", "credentials-not-changed", target=ONE, initiator=HOST + "-none",
         kind="delete", why="there is no record of the initiator")
    daemon.control("ResizeLun", {"TargetARN": daemon.arn(ONE), "LunNumber": 7, "SizeInBytes": 512})
    once(tap, daemon, "audit", "audit of a LUN", operation=portcullis.full_name("ResizeLun"), target=ONE, lun="7",
         code="LunInvalid", **who)
    daemon.control("CreateTarget", {"TargetName": OPEN, "Path": "memory:", "SizeInBytes": 1 << 20})
    once(tap, daemon, "audit", "audit of a new target", operation=portcullis.full_name("CreateTarget"), target=OPEN,
         result="done", **who)
    once(tap, daemon, "target-added", "target-added", target=OPEN)
    daemon.update(SECRET, initiator=HOST, name=OPEN)
    daemon.control("DeleteChapCredentials", {"TargetARN": daemon.arn(OPEN), "InitiatorName": HOST})
    once(tap, daemon, "target-open", "target-open", target=OPEN)
    daemon.control('No\tsuch" result=done', {})
    once(tap, daemon, "audit", "audit of an unknown operation", operation="unknown", result="UnknownOperationException")


def endpoint(daemon, tap):
    """Over TCP: the key and the address; who has none is not logged without end."""
    body = {"TargetARN": daemon.arn(ONE), "InitiatorName": HOST, "SecretToAuthenticateInitiator": SECRET}
    operation = portcullis.full_name("UpdateChapCredentials")
    daemon.endpoint.control("UpdateChapCredentials", body)
    told = once(tap, daemon, "audit", "audit of an access key", ("uid", "pid", "claimed_key"), access_key=signed.KEY,
                operation=operation, target=ONE, initiator=HOST, result="done")
    tap.ok(re.fullmatch(r"127\.0\.0\.1:\d+", told.get("peer", "")), "and its address", told)
    for name, result, options, fields in (
            ("a read-only key", "AccessDeniedException", {"key": signed.READER, "secret": signed.READER_SECRET},
             {"access_key": signed.READER}),
            ("an unknown key", "UnrecognizedClientException", {"key": "AKIDNOBODY"}, {"claimed_key": "AKIDNOBODY"}),
            ("a bad signature", "InvalidSignatureException", {"secret": "another"}, {"claimed_key": signed.KEY})):
        daemon.endpoint.control("UpdateChapCredentials", body, **options)
        told = once(tap, daemon, "audit", "audit of " + name, operation=operation, result=result, status="400", **fields)
        tap.ok("peer" in told and "target" not in told, "with its address", told)
    before = len(daemon.events("audit"))
    for _ in range(150):
        daemon.endpoint.control("ListTargets", {}, key="AKIDNOBODY")
    lines = len(daemon.events("audit")) - before
    tap.ok(0 < lines < 150, "150 strangers are fewer lines", lines)


def reloads(daemon, tap, last):
    text = daemon.text
    daemon.configure(text.replace("workers = 2", "workers = 3"))
    daemon.reload()
    once(tap, daemon, "takes-a-restart", "takes-a-restart", key="workers", running="2", file="3")
    once(tap, daemon, "reload-done", "reload-done", path=daemon.file, added="0", changed="0", removed="0", failed="0",
         portals_added="0", portals_removed="0")
    daemon.configure(text + "colour = 1;")
    daemon.reload()
    told = once(tap, daemon, "reload-refused", "reload-refused")
    tap.ok(re.search(r"portcullis\.conf:\d+: .*colour", told.get("why", "")), "with its line", told)
    daemon.configure(text)
    tap.equal(daemon.stop(), 0, "SIGTERM")
    once(tap, daemon, "stopping", "stopping", signal="15")
    once(tap, daemon, "session-end", "session-end, asked to", why="asked to", target=ONE, peer=peer(last))
    once(tap, daemon, "sessions-closed", "sessions-closed", ("target",), sessions_closed="1")
    once(tap, daemon, "stopped", "stopped")


def shape(daemon, tap):
    lines = daemon.log().splitlines()
    tap.equal([line for line in lines if not portcullis.event(line)], [], "each of %d lines is fields, nothing else" % len(lines))
    tap.ok(not any(secret in daemon.log() for secret in (SECRET, WRONG, signed.SECRET, signed.READER_SECRET)), "no secret")


def manual(tap):
    """The events of the source are those of the manual page."""
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
    with open(os.path.join(root, "doc", "portcullisd.8"), encoding="utf-8") as page:
        text = page.read()
    told = re.findall(r"^\.It Li ([-a-z , ]+)$", text[text.index(".Sh DIAGNOSTICS"):], re.M)
    made = set()
    for folder in ("base", "conf", "daemon"):
        for where, _, names in os.walk(os.path.join(root, folder)):
            for name in names:
                if name.endswith(".c"):
                    with open(os.path.join(where, name), encoding="utf-8") as file:
                        made |= set(re.findall(r'(?:LOG_WHAT\(|log_trouble\(connection, )"([-a-z]+)"', file.read()))
    tap.equal(sorted(made), sorted(" , ".join(told).split(" , ")), "the manual page tells of each event, and of no other")


# --- the journal ---

JOURNAL = "/run/systemd/journal"


def entries(reader):
    """Datagrams of the journal's native protocol, as dicts."""
    found = []
    try:
        while True:
            data, fields = reader.recv(1 << 17), {}
            while data:
                line, data = data.split(b"\n", 1)
                if b"=" in line:
                    name, value = line.split(b"=", 1)
                else:
                    name, size = line, struct.unpack("<Q", data[:8])[0]
                    value, data = data[8:8 + size], data[9 + size:]
                fields[name.decode()] = value.decode()
            found.append(fields)
    except (BlockingIOError, socket.timeout):
        return found


def journal():
    """In a mount namespace of its own: a journal's socket, and a daemon whose stderr JOURNAL_STREAM names."""
    tap = portcullis.Tap()
    os.makedirs("/run/systemd", exist_ok=True)
    subprocess.run(["mount", "-t", "tmpfs", "none", "/run/systemd"], check=True)
    os.makedirs(JOURNAL)
    reader = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    reader.bind(JOURNAL + "/socket")
    reader.setblocking(False)
    daemon = portcullis.Daemon(portcullis.config([portcullis.target(ONE)]), start=False)
    with open(daemon.log_file, "ab") as log:
        status = os.fstat(log.fileno())
    daemon.environment["JOURNAL_STREAM"] = "%d:%d" % (status.st_dev, status.st_ino)
    with daemon:
        process = subprocess.Popen(daemon.command(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=open(daemon.log_file, "ab"), env=daemon.environment)
        daemon.process, found, deadline = process, [], time.monotonic() + 30
        while not any("listening on" in one.get("MESSAGE", "") for one in found) and time.monotonic() < deadline:
            found += entries(reader)
            time.sleep(0.01)
        address = next(one["PORTCULLIS_ADDRESS"] for one in found if one["PORTCULLIS_EVENT"] == "listening")
        daemon.portals = [("127.0.0.1", int(address.split(":")[1]))]
        tap.equal([one["MESSAGE"].split()[:3] for one in found if one["PORTCULLIS_EVENT"] == "listening"],
                  [["listening", "on", address]], "the fixed words are in the message")
        daemon.update(SECRET, initiator=HOST, name=ONE)
        initiator.attempt(*daemon.portals[0], target=ONE, name=HOST, secret=WRONG)
        initiator.attempt(*daemon.portals[0], target="x\nPRIORITY=0", name=HOST)
        tap.equal(daemon.stop(), 0, "SIGTERM")
        found += entries(reader)
        tap.equal(daemon.log(), "", "nothing is left for stderr")
        refused = [one for one in found if one["PORTCULLIS_EVENT"] == "login-refused"]
        tap.equal([{key: one.get(key) for key in ("PRIORITY", "PORTCULLIS_TARGET", "PORTCULLIS_INITIATOR", "PORTCULLIS_STATUS",
                                                  "PORTCULLIS_WHY", "SYSLOG_IDENTIFIER")} for one in refused[:1]],
                  [{"PRIORITY": "4", "PORTCULLIS_TARGET": ONE, "PORTCULLIS_INITIATOR": HOST, "PORTCULLIS_STATUS": "0x0201",
                    "PORTCULLIS_WHY": "wrong name or secret", "SYSLOG_IDENTIFIER": "portcullisd"}], "a refused login's fields")
        tap.ok(refused[0]["PORTCULLIS_PEER"].startswith("127.0.0.1:"), "and its peer")
        tap.ok(all(one["PRIORITY"] in "3467" for one in found) and len(refused) == 2, "no peer chooses a field", refused)
        audit = [one for one in found if one["PORTCULLIS_EVENT"] == "audit"]
        tap.equal([(one["PORTCULLIS_RESULT"], one["PORTCULLIS_UID"]) for one in audit], [("done", str(os.getuid()))],
                  "and the audit's")
        tap.ok(not any(SECRET in value or WRONG in value for one in found for value in one.values()), "no secret")
        reader.close()
        os.unlink(JOURNAL + "/socket")
        daemon.start()
        tap.ok(re.search(r"^<6>listening on ", daemon.log(), re.M), "without the socket lines go to stderr, with priorities",
               daemon.log())
    return tap.finish()


def main():
    portcullis.require()
    if sys.argv[1:] == ["journal"]:
        return journal()
    tap = portcullis.Tap()
    manual(tap)
    daemon = portcullis.Daemon(start=False)
    with daemon:
        daemon.configure(signed.configuration(daemon.directory, False, targets=[portcullis.target(ONE)]))
        daemon.start()
        daemon.endpoint = signed.Endpoint(daemon, None)
        beginning(daemon, tap)
        last = sessions(daemon, tap)
        refusals(daemon, tap)
        control(daemon, tap)
        last = session(daemon, secret=SECRET).login()
        endpoint(daemon, tap)
        last = session(daemon, secret=SECRET).login()
        reloads(daemon, tap, last)
        shape(daemon, tap)
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        tap.skip("the journal's fields", "mount namespaces are not for us here")
    else:
        done = subprocess.run(["unshare", "-m", sys.executable, os.path.abspath(__file__), "journal"], capture_output=True,
                              text=True, timeout=120, check=False)
        tap.ok(done.returncode == 0, "the journal's fields", done.stdout, done.stderr)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
