# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of portcullisctl share: the program run against a control endpoint of their own, with and without a
terminal, or against a daemon."""
import fcntl
import os
import pty
import select
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import termios
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import fake  # noqa: E402
import portcullis  # noqa: E402

FIRST, SECOND = "111111111111", "222222222222"
DONE, REFUSED, USAGE, UNREACHABLE = range(4)


def targets(*names):
    return {"Targets": [{"TargetName": name, "TargetARN": fake.ARN + name, "Authentication": "auto",
                         "ChapEnabled": True, "State": "ok", "CredentialCount": 2, "SessionCount": 30,
                         "Luns": [{"LunNumber": 0, "SizeInBytes": 1 << 30}]} for name in names]}


class Bench:
    """A fake endpoint, a directory, and portcullisctl run against them."""

    def __init__(self, tap):
        self.tap = tap
        self.program = portcullis.binary("portcullisctl")
        self.directory = tempfile.mkdtemp(prefix="portcullis-ctl-")
        self.server = fake.Server(os.path.join(self.directory, "control.sock"))
        self.reset()

    def reset(self):
        pair = {"TargetARN": fake.ARN + fake.IQN, "InitiatorName": fake.INITIATOR}
        self.server.asked.clear()
        self.server.answers = {fake.TARGETS: (200, targets(fake.IQN, fake.OTHER)),
                               fake.UPDATE: (200, pair), fake.DELETE: (200, pair)}

    def close(self):
        self.server.finish_all()
        shutil.rmtree(self.directory)

    def file(self, content, mode=0o600, name="secret"):
        path = os.path.join(self.directory, name)
        if os.path.exists(path):
            os.unlink(path)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as out:
            out.write(content if isinstance(content, bytes) else content.encode())
        os.chmod(path, mode)
        return path

    def run(self, *arguments, stdin=b"", socket=None):
        """(exit code, stdout, stderr); without a terminal, so that nothing can be asked there."""
        done = subprocess.run([self.program, "--socket", socket or self.server.path, *arguments],
                              input=stdin, capture_output=True, timeout=30, start_new_session=True)
        return done.returncode, done.stdout.decode(), done.stderr.decode(errors="backslashreplace")

    def run_bare(self, *arguments):
        """As run(), with nothing before the arguments."""
        done = subprocess.run([self.program, *arguments], stdin=subprocess.DEVNULL, capture_output=True, text=True,
                              timeout=30, check=False)
        return done.returncode, done.stdout, done.stderr

    def asked(self, operation):
        return [entry[1] for entry in self.server.asked if entry[0] == operation]


class Ctl:
    """portcullisctl run against a real daemon."""

    def __init__(self, tap, daemon):
        self.tap, self.daemon = tap, daemon

    def __call__(self, *words):
        done = subprocess.run([portcullis.binary("portcullisctl"), "--socket", self.daemon.socket, *words],
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stdout, done.stderr

    def expect(self, code, part, *words):
        """Exit code, and what stands on stdout (when done) or stderr."""
        found = self(*words)
        where = found[1] if code == DONE else found[2]
        self.tap.ok(found[0] == code and part in where and (code == DONE) == (found[2] == ""),
                    "%s: %s" % (" ".join(word.replace(self.daemon.directory, "DIR") for word in words),
                                ("done", "refused", "a mistake", "")[code]), *found)


class Terminal:
    """portcullisctl on a terminal of its own, typed at when it asks."""

    def __init__(self, bench, *arguments):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # ignored in what a shell put into the background
            os.execv(bench.program, [bench.program, "--socket", bench.server.path, *arguments])
        self.screen = ""

    def read(self, until=None, timeout=20):
        """Reads until `until` stands on the screen (True), or until the program ends."""
        deadline = time.monotonic() + timeout
        while until is None or until not in self.screen:
            if not select.select([self.fd], [], [], max(0, deadline - time.monotonic()))[0]:
                return False
            try:
                self.screen += os.read(self.fd, 4096).decode()
            except OSError:  # Linux answers EIO when the last process has left the terminal
                return until is None
        return True

    def answer(self, prompt, text):
        found = self.read(prompt)
        self.screen = self.screen.split(prompt, 1)[-1]
        os.write(self.fd, text.encode() + b"\n")
        return found

    def argv(self):
        with open("/proc/%d/cmdline" % self.pid, "rb") as file:
            return file.read().decode()

    def finish(self):
        """The exit status as os.waitstatus_to_exitcode() gives it."""
        self.read()
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        os.close(self.fd)
        return status

    def finish_on_signal(self):
        """Like finish(), and looks at the terminal before it goes (a second holder keeps it there)."""
        status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        self.echo_after = stty(self.fd)
        os.close(self.fd)
        return status


def stty(fd):
    return bool(termios.tcgetattr(fd)[3] & termios.ECHO)
