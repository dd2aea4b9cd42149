# SPDX-License-Identifier: BSD-2-Clause
"""The targets that are measured: each starts one process on a core of its own and stops it by its pid."""
import os
import re
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import portcullis  # noqa: E402

MEMORY, FILE, OTHER, DIRECT = (
    "iqn.2026-11.example.portcullis:" + name for name in ("memory", "file", "other", "direct"))
USER, SECRET = "iqn.2026-11.example.portcullis:bench", "bench.secret"
SPAN = 64  # MiB of each unit
CORES = sorted(os.sched_getaffinity(0))
LOAD_CORE = CORES[0]
TARGET_CORE = CORES[-1] if len(CORES) > 1 else None


def on_core(core):
    """What a child does before it runs: one core if there is a choice, and all the descriptors it may have."""
    def prepare():
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        if core is not None:
            os.sched_setaffinity(0, {core})
    return prepare


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def make_file(path):
    """A unit whose blocks are all there, and none in the page cache: who serves it fills that (bench_load.warm())."""
    with open(path, "wb") as out:
        for _ in range(SPAN):
            out.write(os.urandom(1 << 20))
        out.flush()
        os.fsync(out.fileno())
        os.posix_fadvise(out.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


class Target:
    """name, pid, port once started; units: what is measured, {label: (target name, LUN)}; cached: those of them that
    are files in the page cache."""

    knows_digests = True
    cached = ()

    def __init__(self, name):
        self.name = name
        self.process = None
        self.port = 0
        self.units = {}
        self.directory = tempfile.mkdtemp(prefix="bench-", dir=os.path.abspath(os.environ.get("top_builddir", ".")))

    @property
    def pid(self):
        return self.process.pid

    def is_alive(self):
        return self.process is not None and self.process.poll() is None

    def start(self):
        raise NotImplementedError

    def end(self):
        if self.process:
            self.process.terminate()
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.process = None

    def restart(self):
        self.end()
        self.start()

    def stop(self):
        self.end()
        shutil.rmtree(self.directory, ignore_errors=True)

    def resident(self):
        """KiB of memory that the process holds."""
        with open("/proc/%d/status" % self.pid, encoding="ascii") as status:
            return int(re.search(r"VmRSS:\s+(\d+) kB", status.read()).group(1))


class Ceiling(Target):
    def __init__(self):
        super().__init__("ceiling")
        self.units = {"ceiling": ("any", 0)}
        self.start()

    def start(self):
        self.process = subprocess.Popen([portcullis.binary("tests/bench/ceiling")], stdout=subprocess.PIPE, text=True,
                                        preexec_fn=on_core(TARGET_CORE))
        self.port = int(self.process.stdout.readline().rsplit(":", 1)[1])


class Portcullis(Target):
    """With one worker: one core has room for no more. `device`: a block device that is a unit past the page cache,
    beside the others. `extra`: more of the configuration. `also`: what else the process does before it runs."""

    def __init__(self, chap=False, device=None, extra="", also=None):
        super().__init__("portcullis")
        self.device, self.extra, self.also = device, extra, also
        make_file(os.path.join(self.directory, "unit"))
        self.socket = os.path.join(self.directory, "control.sock")
        self.log = os.path.join(self.directory, "log")
        self.units = {"memory": (MEMORY, 0), "file": (FILE, 0)}
        self.cached = ("file",)
        if device:
            self.units, self.cached = {"direct": (DIRECT, 0)}, ()
        self.start()
        if chap:
            self.change(FILE)

    def _configuration(self):
        size = 'size = "%dM";' % SPAN
        targets = [portcullis.target(name, luns=('path = "%s"; %s' % (path, size),))
                   for name, path in ((MEMORY, "memory:"), (FILE, "@DIR@/unit"), (OTHER, "memory:"))]
        if self.device:
            targets.append(portcullis.target(DIRECT, luns=('path = "%s"; cache = "direct";' % self.device,)))
        text = portcullis.config(targets, extra=self.extra).replace("@DIR@", self.directory)
        return text.replace("workers = 2", "workers = 1")

    def _prepare(self):
        on_core(TARGET_CORE)()
        if self.also:
            self.also()

    def start(self):
        path = os.path.join(self.directory, "conf")
        with open(path, "w", encoding="utf-8") as out:
            out.write(self._configuration())
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen([portcullis.binary(), "-c", path], stdout=log, stderr=log,
                                            preexec_fn=self._prepare)
        for _ in range(1000):
            with open(self.log, encoding="utf-8") as log:
                found = re.search(r"listening on \S+:(\d+)", log.read())
            if found:
                self.port = int(found.group(1))
                return
            time.sleep(0.01)
        with open(self.log, encoding="utf-8") as log:
            text = log.read()
        self.end()
        raise RuntimeError("portcullisd did not start: " + text)

    def scrape(self, times=100):
        """Seconds of CPU, of all threads, that one GET /metrics takes."""
        clock = ~self.pid << 3 | 2  # what clock_getcpuclockid() makes of a process
        began = time.clock_gettime(clock)
        for _ in range(times):
            connection = portcullis.UnixConnection(self.socket, 60)
            connection.request("GET", "/metrics")
            status = connection.getresponse()
            status.read()
            connection.close()
            if status.status != 200:
                raise RuntimeError("no metrics: %d" % status.status)
        return (time.clock_gettime(clock) - began) / times

    def change(self, name):
        """One successful change of the credential; seconds until the reply."""
        connection = portcullis.UnixConnection(self.socket, 60)
        began = time.monotonic()
        status, _, reply = portcullis.exchange(connection, "UpdateChapCredentials", {
            "TargetARN": "%s/target/%s" % (portcullis.GATEWAY, name), "InitiatorName": USER,
            "SecretToAuthenticateInitiator": SECRET})
        took = time.monotonic() - began
        connection.close()
        if status != 200:
            raise RuntimeError("update refused: %d %r" % (status, reply))
        return took


class Tgt(Target):
    """Debian's tgtd, with what it takes in one segment raised to what the others take."""

    knows_digests = False  # as it comes

    def __init__(self, chap=False):
        super().__init__("tgt")
        make_file(os.path.join(self.directory, "unit"))
        self.chap = chap
        self.number = str(10000 + os.getpid() % 20000)
        self.environment = dict(os.environ, TGT_IPC_SOCKET=os.path.join(self.directory, "socket"))
        self.units = {"tgt": (FILE, 1)}
        self.cached = ("tgt",)
        self.start()

    def start(self):
        self.port = free_port()
        self.process = subprocess.Popen(
            ["tgtd", "-f", "-C", self.number, "--iscsi", "portal=127.0.0.1:%d" % self.port], env=self.environment,
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, preexec_fn=on_core(TARGET_CORE))
        try:
            self._set_up(self.chap)
        except BaseException:
            self.end()
            raise

    def _admin(self, words, attempts=1):
        for left in range(attempts, 0, -1):
            done = subprocess.run(["tgtadm", "-C", self.number, "--lld", "iscsi"] + words.split(), env=self.environment,
                                  capture_output=True, text=True, check=False)
            if done.returncode == 0:
                return
            if left == 1:
                raise RuntimeError("tgtadm: " + done.stderr)
            time.sleep(0.05)

    def _set_up(self, chap):
        self._admin("--op new --mode target --tid 1 -T " + FILE, attempts=100)
        self._admin("--op new --mode logicalunit --tid 1 --lun 1 -b " + os.path.join(self.directory, "unit"))
        self._admin("--op update --mode target --tid 1 --name MaxRecvDataSegmentLength --value 262144")
        self._admin("--op bind --mode target --tid 1 -I ALL")
        if chap:
            self._admin("--op new --mode account --user %s --password %s" % (USER, SECRET))
            self._admin("--op bind --mode account --tid 1 --user " + USER)


def start_targets(chap=False):
    """All that can be started; tgt may be missing. None is left behind when ours fails."""
    targets = []
    for make in [Ceiling, lambda: Portcullis(chap=chap), lambda: Tgt(chap=chap)]:
        try:
            targets.append(make())
        except (OSError, RuntimeError) as reason:
            if targets and targets[-1].name == "portcullis":
                print("without tgt: %s" % reason, file=sys.stderr)
                continue
            for target in targets:
                target.stop()
            raise
    return targets
