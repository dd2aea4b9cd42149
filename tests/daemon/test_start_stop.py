# SPDX-License-Identifier: BSD-2-Clause
"""Starting, reloading and stopping a daemon: what users do wrong gets one clear line and loses nothing; SIGTERM
closes every session as K5 says and exits 0. [ASY-07 CRED-16 LIBI-02]
"""
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import initiator  # noqa: E402
import portcullis  # noqa: E402

HOST = "iqn.1994-05.com.example:host"


def session(daemon, **options):
    return initiator.Session(*daemon.portals[0], target=portcullis.IQN, name=HOST, **options)


def refusal(text, directory, *arguments):
    """Starts a daemon that must not start: (exit status, lines on stderr)."""
    path = os.path.join(directory, "bad.conf")
    with open(path, "w", encoding="utf-8") as out:
        out.write(text.replace("@DIR@", directory))
    done = subprocess.run([portcullis.binary(), "-c", path, *arguments], capture_output=True, text=True, timeout=60,
                          check=False)
    return done.returncode, done.stderr.splitlines()


def bad_starts(tap):
    """(what, the change to a good configuration, what the line says)."""
    with portcullis.Daemon(portcullis.config([portcullis.target(luns=('path = "@DIR@/disk"; size = "4M";',))])) as daemon:
        directory = daemon.directory
        taken = daemon.portals[0][1]
        good = portcullis.config([portcullis.target(luns=('path = "@DIR@/disk2"; size = "4M";',))]).replace(
            "@DIR@/state", "@DIR@/state2").replace("@DIR@/control.sock", "@DIR@/control2.sock")
        os.mkdir(os.path.join(directory, "folder"))
        with open(os.path.join(directory, "other"), "wb") as out:
            out.truncate(1 << 20)
        cases = [
            ("a port in use", good.replace("port = 0", "port = %d" % taken), r"127\.0\.0\.1.*%d.*in use" % taken),
            ("a LUN file in use", good.replace("@DIR@/disk2", "@DIR@/disk"), r"bad\.conf:\d+: .*disk.*in use"),
            ("a LUN file that is a folder", good.replace("@DIR@/disk2", "@DIR@/folder"), r"bad\.conf:\d+: .*folder"),
            ("a LUN file in no folder", good.replace("@DIR@/disk2", "@DIR@/no/disk"), r"bad\.conf:\d+: .*no/disk"),
            ("the state directory of another daemon", good.replace("@DIR@/state2", "@DIR@/state"), r"state.*another|state.*in use|state.*lock"),
            ("the control socket of another daemon", good.replace("control2.sock", "control.sock"), r"control\.sock"),
            ("an unknown key", good.replace("workers", "wrokers"), r"bad\.conf:\d+: .*wrokers"),
            ("a syntax error", good + "}}", r"bad\.conf:\d+: "),
            ("no file", None, r"nothing\.conf"),
        ]
        for what, text, expected in cases:
            if text is None:
                done = subprocess.run([portcullis.binary(), "-c", directory + "/nothing.conf"], capture_output=True,
                                      text=True, timeout=60, check=False)
                status, lines = done.returncode, done.stderr.splitlines()
            else:
                status, lines = refusal(text, directory)
            errors = [line for line in lines if re.search(expected, line)]
            tap.ok(status == 1 and len(errors) == 1 and lines[-1] == errors[0], "%s: exit 1 and one clear line, the last" % what,
                   status, "\n".join(lines))
        twice = portcullis.config([portcullis.target(luns=('path = "@DIR@/other";', 'path = "@DIR@/link";'))]).replace(
            "@DIR@/state", "@DIR@/state2").replace("@DIR@/control.sock", "@DIR@/control2.sock")
        os.link(os.path.join(directory, "other"), os.path.join(directory, "link"))
        status, lines = refusal(twice, directory)
        tap.ok(status == 1 and "another LUN" in lines[-1] or "in use" in lines[-1], "one file by two names is refused", lines)
        with session(daemon).login() as one:
            one.ready()
            tap.equal(one.write10(0, b"x" * 512)[0], 0, "the running daemon did not notice any of them")


def usage(tap):
    for arguments, status, text in ((["--version"], 0, "portcullis "), (["-h"], 0, "usage:"), (["-x"], 1, "usage:"), (["more"], 1, "more")):
        done = subprocess.run([portcullis.binary(), *arguments], capture_output=True, text=True, timeout=60, check=False)
        tap.ok(done.returncode == status and text in done.stdout + done.stderr, "portcullisd %s" % arguments[0], done)


def closed_descriptors(tap):
    """Who closes stdin, stdout and stderr gets no log, and the log goes into nothing that is opened later."""
    with portcullis.Daemon(start=False) as daemon:
        daemon.process = subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *daemon.command()])
        served = initiator.wait_until(lambda: os.path.exists(daemon.socket) and daemon._answers())
        names = [os.readlink("/proc/%d/fd/%d" % (daemon.process.pid, number)) for number in range(3)]
        tap.equal((served, names, daemon.stop()), (True, ["/dev/null"] * 3, 0), "without descriptors it is served, and logs nowhere")


def reload(tap):
    with portcullis.Daemon(portcullis.config()) as daemon:
        with session(daemon).login() as one:
            one.ready()
            daemon.reload()
            tap.ok(daemon.wait_log(r"what=reload-done .* added=0 changed=0 removed=0 failed=0"), "SIGHUP with the same file says so")
            text = daemon.text
            daemon.configure(text.replace('workers = 2', 'workers = 3'))
            daemon.reload()
            tap.ok(daemon.wait_log(r"what=takes-a-restart .*key=workers"), "what cannot be applied live is logged", daemon.log())
            daemon.configure(text + "nonsense = 1;\n")
            daemon.reload()
            tap.ok(daemon.wait_log(r"what=reload-refused why=.*portcullis\.conf:\d+: .*nonsense"), "a mistake is logged with its line", daemon.log())
            tap.equal(one.write10(0, b"y" * 512)[0], 0, "and the running configuration stays")


def identity(one):
    """What an initiator compares after it came back: INQUIRY, VPD 80 and 83, capacity."""
    one.ready()
    return [one.scsi(bytes(cdb), read=255)[1] for cdb in
            ([0x12, 0, 0, 0, 255, 0], [0x12, 1, 0x80, 0, 255, 0], [0x12, 1, 0x83, 0, 255, 0], [0x25] + [0] * 9)]


def stop(tap):
    lun = ('path = "@DIR@/disk"; size = "8M";',)
    with portcullis.Daemon(portcullis.config([portcullis.target(luns=lun)])) as daemon:
        sessions = [session(daemon).login() for _ in range(40)]
        before = identity(sessions[0])
        for number, one in enumerate(sessions):
            one.ready()
            one.send_write10(number, bytes([number + 1]) * 512)
        half = sessions[0].send_write10(100, b"z" * 65536, immediate=512)
        idle = socket.create_connection(daemon.portals[0])
        ended = []

        def drain(one):
            ended.append(one.rest())
        threads = [threading.Thread(target=drain, args=(one,)) for one in sessions]
        for thread in threads:
            thread.start()
        status = daemon.stop()
        for thread in threads:
            thread.join()
        idle.close()
        tap.equal(status, 0, "SIGTERM ends it with status 0")
        good = [pdus[-1].opcode == initiator.ASYNC and not reset for pdus, reset in ended]
        tap.equal(good, [True] * 40, "every session sees the Async Message last, and FIN")
        tap.ok(not any(pdu.opcode == initiator.RESPONSE and pdu.itt == half for pdu in ended[0][0]), "no response is made up")
        tap.ok(not os.path.exists(daemon.socket), "the control socket is gone")
        daemon.start()
        with session(daemon).login() as one:
            tap.equal(identity(one), before, "after a restart the disk is the same disk")
            tap.equal([one.read10(n, 1)[1] for n in range(40)], [bytes([n + 1]) * 512 for n in range(40)],
                      "with all that was acknowledged on it")
        daemon.kill()
        daemon.start()
        tap.ok(os.path.exists(daemon.socket), "after a kill the dead socket is replaced")


def stop_with_a_change_under_way(tap):
    """A change that is being carried out at SIGTERM gets its reply."""
    with portcullis.Daemon(portcullis.config()) as daemon:
        daemon.update("secret-000000", initiator=HOST)
        deaf = session(daemon, secret="secret-000000").login()
        deaf.ready()
        for _ in range(64):  # it takes nothing: closing it takes its two seconds
            deaf.command([0x28, 0, 0, 0, 0, 0, 0, 8, 0, 0], read=2048 * 512)
        result = []
        thread = threading.Thread(target=lambda: result.append(daemon.control("UpdateChapCredentials", {
            "TargetARN": daemon.arn(), "InitiatorName": HOST, "SecretToAuthenticateInitiator": "secret-000001"})[0]))
        thread.start()
        time.sleep(0.3)
        daemon.process.send_signal(signal.SIGTERM)
        thread.join()
        tap.equal(result, [200], "a change under way at SIGTERM is answered")
        deaf.close()
        daemon.process.wait(20)
        tap.equal(daemon.process.returncode, 0, "and the daemon ends")
        daemon.process = None
        daemon.start()
        with session(daemon, secret="secret-000001") as one:
            tap.ok(one.login(), "the change is there after the restart")


def stop_of_a_broken_target(tap):
    """What a target has written is flushed, also when it is served to nobody by then."""
    name = "a disk of a target that is served to nobody is flushed"
    program = "tests/portcullisd-fault"
    if not portcullis.binary(program):
        tap.skip(name, program + " is not built")
        return
    disk = 'path = "/fault:@DIR@/orders:@DIR@/image"; size = "1M";'
    other = 'path = "@DIR@/other"; size = "1M";'
    with portcullis.Daemon(portcullis.config([portcullis.target(luns=(disk, other))]), program=program) as daemon:
        daemon.configure(portcullis.config([portcullis.target(luns=(disk, *daemon.twins()))]))
        status, _, reply = daemon.control("ReloadConfiguration", {})
        tap.ok(status == 500 and "twin" in reply["message"], "a target is left without one of its LUNs", status, reply)
        with open(os.path.join(daemon.directory, "orders"), "w", encoding="ascii") as orders:
            orders.write("eio-flush")
        tap.equal((daemon.stop(), len(daemon.events("flush-failed", lun="0"))), (1, 1), name)


def main():
    portcullis.require()
    tap = portcullis.Tap()
    usage(tap)
    bad_starts(tap)
    closed_descriptors(tap)
    reload(tap)
    stop(tap)
    stop_with_a_change_under_way(tap)
    stop_of_a_broken_target(tap)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
