# SPDX-License-Identifier: BSD-2-Clause
"""What the end-to-end tests share: a portcullisd of their own, its control socket, and TAP.

    with portcullis.Daemon(portcullis.config()) as daemon:
        status, headers, reply = daemon.control("DescribeChapCredentials", {"TargetARN": daemon.arn()})
        host, port = daemon.portals[0]

Each daemon lives in a fresh directory that is removed at the end; the word @DIR@ in a
configuration stands for it.
"""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import time

IQN = "iqn.1997-05.com.amazon:myvolume"
INITIATOR = "iqn.1991-05.com.microsoft:computername.domain.example.com"
GATEWAY = "arn:aws:storagegateway:us-east-1:111122223333:gateway/sgw-12A3456B"
AWS_PREFIX = "StorageGateway_20130630."
OWN_PREFIX = "Portcullis_20261122."
OWN_OPERATIONS = ("ListTargets", "ListSessions", "RotateChapCredentials", "FinishChapRotation",
                  "ListChapRotations", "CreateTarget", "DeleteTarget", "CreateLun", "DeleteLun", "ResizeLun",
                  "SetLunReadOnly", "DrainTarget", "ResumeTarget", "CloseSession", "ShowConfiguration",
                  "CheckConfiguration", "AddPortal", "RemovePortal", "ListPortals", "DiffConfiguration", "ReloadConfiguration", "GetStatistics")


def binary(name="portcullisd"):
    """The path of a built program, or None if it was not built."""
    path = os.path.join(os.environ.get("top_builddir", "."), name)
    return path if os.access(path, os.X_OK) else None


def is_sanitized():
    """Whether a sanitizer is built in: memory and system calls are then not only the daemon's own."""
    with open(binary(), "rb") as program:
        content = program.read()
    return b"__asan_init" in content or b"__tsan_init" in content


def target(name=IQN, authentication="auto", luns=('path = "memory:"; size = "16M";',)):
    """One target group of a configuration; `luns` are the keys of each LUN but its number."""
    groups = ", ".join("{ lun = %d; %s }" % pair for pair in enumerate(luns))
    return '{ name = "%s"; authentication = "%s"; luns = ( %s ); }' % (name, authentication, groups)


def config(targets=None, portals=("127.0.0.1",), extra="", control=""):
    """A whole configuration: free ports on the given addresses, state and socket below @DIR@.
    `extra` is put at the end, `control` into the control group."""
    addresses = ", ".join('{ address = "%s"; port = 0; group = 1; }' % a for a in portals)
    return """
gateway = { partition = "aws"; region = "us-east-1"; account = "111122223333"; id = "sgw-12A3456B"; };
state_directory = "@DIR@/state";
workers = 2;
portals = ( %s );
control = { socket = "@DIR@/control.sock"; %s };
targets = ( %s );
%s
""" % (addresses, control, ",\n  ".join(targets or [target()]), extra)


def unix_stream(path, timeout):
    """A Unix stream connected to `path`. Its connect() waits for a place in the backlog, which one with a timeout of
    Python's, and so without waiting of the kernel's, does not: it fails with EAGAIN."""
    wire = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, struct.pack("ll", int(timeout), 0))
    wire.connect(path)
    wire.settimeout(timeout)
    return wire


class UnixConnection(http.client.HTTPConnection):
    """http.client over a Unix stream socket."""

    def __init__(self, path, timeout=30):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = unix_stream(self.path, self.timeout)


class Daemon:
    """A portcullisd with a directory of its own.

    directory  where it lives                  socket   path of its control socket
    portals    [(host, port)] once started     process  the subprocess.Popen, None when stopped
    """

    def __init__(self, text=None, arguments=(), environment=None, start=True, program="portcullisd"):
        self.directory = tempfile.mkdtemp(prefix="portcullis-test-")
        self.socket = os.path.join(self.directory, "control.sock")
        self.file = os.path.join(self.directory, "portcullis.conf")
        self.log_file = os.path.join(self.directory, "log")
        self.program = program
        self.arguments = list(arguments)
        self.environment = dict(os.environ, **(environment or {}))
        self.process = None
        self.portals = []
        self.configure(text or config())
        if start:
            try:
                self.start()
            except BaseException:
                self.close()
                raise

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def configure(self, text):
        """Writes the configuration file; a running daemon reads it at reload()."""
        self.text = text.replace("@DIR@", self.directory)
        with open(self.file, "w", encoding="utf-8") as out:
            out.write(self.text)

    def command(self, *arguments):
        """The argument list that runs the daemon with this configuration."""
        return [binary(self.program), "-c", self.file, *self.arguments, *arguments]

    def start(self, timeout=30):
        """Starts it and waits for every portal and the control socket; RuntimeError if it ends first."""
        self.log_offset = os.path.getsize(self.log_file) if os.path.exists(self.log_file) else 0
        with open(self.log_file, "ab") as log:
            self.process = subprocess.Popen(self.command(), stdin=subprocess.DEVNULL,
                                            stdout=log, stderr=log, env=self.environment)
        expected = len(re.findall(r"\baddress\s*=", self.text))
        deadline = time.monotonic() + timeout
        while True:
            found = re.findall(r"listening on (\S+):(\d+)", self.log(since_start=True))
            self.portals = [(host.strip("[]"), int(port)) for host, port in found]
            if len(self.portals) >= expected and self._answers():
                return
            if self.process.poll() is not None or time.monotonic() > deadline:
                text = self.log(since_start=True)
                self.kill()
                raise RuntimeError("portcullisd did not start:\n" + text)
            time.sleep(0.01)

    def _answers(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
            try:
                probe.connect(self.socket)
            except OSError:
                return False
            return True

    def control(self, operation, members, timeout=30):
        """One control operation: (status, headers, reply). `operation` may carry its own prefix;
        `members` is a dict, or bytes or str to be sent as they are. The reply is the JSON value,
        or bytes if it is none. A list of one's own connections is connection()'s business."""
        connection = self.connection(timeout)
        try:
            return exchange(connection, operation, members)
        finally:
            connection.close()

    def connection(self, timeout=30):
        """A connection to the control socket, for exchange()."""
        return UnixConnection(self.socket, timeout)

    def arn(self, name=IQN):
        return "%s/target/%s" % (GATEWAY, name)

    def update(self, initiator_secret, target_secret=None, initiator=INITIATOR, name=IQN):
        """UpdateChapCredentials that must succeed."""
        members = {"TargetARN": self.arn(name), "InitiatorName": initiator,
                   "SecretToAuthenticateInitiator": initiator_secret}
        if target_secret is not None:
            members["SecretToAuthenticateTarget"] = target_secret
        status, _, reply = self.control("UpdateChapCredentials", members)
        if status != 200:
            raise RuntimeError("update refused: %d %r" % (status, reply))
        return reply

    def twins(self, size="1M"):
        """The keys of two LUNs that can be opened, but not both: one file of two names."""
        paths = [os.path.join(self.directory, name) for name in ("twin", "other-twin")]
        if not os.path.exists(paths[0]):
            open(paths[0], "wb").close()
            os.symlink(*paths)
        return tuple('path = "%s"; size = "%s";' % (path, size) for path in paths)

    def wait_idle(self, name=IQN, timeout=10):
        """Waits until nobody is logged in to a target: a connection that was closed is noticed a moment later."""
        deadline = time.monotonic() + timeout
        while self.control("ListSessions", {"TargetARN": self.arn(name)})[2]["Sessions"]:
            if time.monotonic() > deadline:
                raise RuntimeError("sessions are left on " + name)
            time.sleep(0.01)

    def log(self, since_start=False):
        """What it has logged, over all its starts or since the last one."""
        if not os.path.exists(self.log_file):
            return ""
        with open(self.log_file, "rb") as log:
            log.seek(self.log_offset if since_start else 0)
            return log.read().decode("utf-8", "backslashreplace")

    def events(self, what=None, **fields):
        """The log's lines as dicts; only those of this event and with these fields."""
        found = [event(line) for line in self.log().splitlines()]
        wanted = dict(fields, what=what) if what else fields
        return [one for one in found if one and all(one.get(key) == value for key, value in wanted.items())]

    def wait_event(self, what, timeout=10, **fields):
        """Waits for such an event; the last one, or None after the time."""
        deadline = time.monotonic() + timeout
        while True:
            found = self.events(what, **fields)
            if found or time.monotonic() > deadline:
                return found[-1] if found else None
            time.sleep(0.01)

    def wait_log(self, pattern, timeout=10):
        """Waits for a line that matches; the match object, or None after the time."""
        deadline = time.monotonic() + timeout
        while True:
            found = re.search(pattern, self.log())
            if found or time.monotonic() > deadline:
                return found
            time.sleep(0.01)

    def reload(self):
        self.process.send_signal(signal.SIGHUP)

    def stop(self, timeout=20):
        """SIGTERM; its exit status (kills it and returns None when it does not end in time)."""
        if not self.process:
            return None
        self.process.terminate()
        try:
            status = self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.kill()
            return None
        self.process = None
        return status

    def kill(self):
        """SIGKILL, and the process is reaped; fine when it does not run."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def close(self):
        """Stops it and removes its directory."""
        self.stop()
        shutil.rmtree(self.directory, ignore_errors=True)


FIELD = r'([a-z_]+)=("(?:[^"\\]|\\["\\]|\\x[0-9a-f]{2})*"|[-A-Za-z0-9._:/@,+%\[\]*]+)'
EVENT = re.compile(r"(?:(listening on|[a-z]+ endpoint) \S+ )?" + FIELD + "(?: " + FIELD + ")*")


def event(line):
    """A line of the log as a dict of its fields, values as they were; None if it is not one."""
    if not EVENT.fullmatch(line):
        return None
    fields = {}
    for key, value in re.findall(FIELD, line):
        if value.startswith('"'):
            value = re.sub(r'\\(x([0-9a-f]{2})|["\\])',
                           lambda m: chr(int(m.group(2), 16)) if m.group(2) else m.group(1), value[1:-1])
        fields[key] = value
    return fields


def exchange(connection, operation, members):
    """One operation on an http.client connection that stays open: (status, headers, reply)."""
    return reply_to(connection, body_of(members), {"X-Amz-Target": full_name(operation),
                                                   "Content-Type": "application/x-amz-json-1.1"})


def full_name(operation):
    """An operation's name with its prefix, which it may have already."""
    if "." in operation:
        return operation
    return (OWN_PREFIX if operation in OWN_OPERATIONS else AWS_PREFIX) + operation


def body_of(members):
    """The bytes of a request: a dict as JSON, bytes and str as they are."""
    body = members if isinstance(members, (bytes, str)) else json.dumps(members)
    return body.encode("utf-8") if isinstance(body, str) else body


def reply_to(connection, body, headers):
    """One POST on an http.client connection that stays open: (status, headers, reply)."""
    connection.request("POST", "/", body, headers)
    reply = connection.getresponse()
    data = reply.read()
    try:
        value = json.loads(data)
    except ValueError:
        value = data
    return reply.status, reply.headers, value


class Tap:
    """TAP on stdout. finish() prints the plan and gives the exit status."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def ok(self, good, name, *details):
        self.count += 1
        self.failed += not good
        print("%sok %d - %s" % ("" if good else "not ", self.count, name.replace("#", "\\#")))
        if not good:
            for detail in details:
                for line in str(detail).splitlines():
                    print("# " + line)
        sys.stdout.flush()
        return good

    def equal(self, found, expected, name):
        return self.ok(found == expected, name, "found    %r" % (found,), "expected %r" % (expected,))

    def skip(self, name, reason):
        self.count += 1
        print("ok %d - %s # SKIP %s" % (self.count, name, reason))

    def finish(self):
        print("1..%d" % self.count)
        return 1 if self.failed else 0


def skip_all(reason):
    """Ends a test script that cannot run here."""
    print("1..0 # SKIP " + reason)
    sys.exit(0)


def require(*programs):
    """Skips the whole script when portcullisd was not built or a program is not installed."""
    if not binary():
        skip_all("portcullisd is not built")
    for program in programs:
        if not shutil.which(program):
            skip_all(program + " is not installed")
