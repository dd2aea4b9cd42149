# SPDX-License-Identifier: BSD-2-Clause
"""`make bench BENCH="--direct"`: a loop device past the page cache, through portcullis and through fio on it.

fio (io_uring, direct, the same size, depth and mix) and the daemon have the same core; the load generator of the
daemon has another. The device is measured as it is, where the processor is the limit, and with a limit that the block
layer sets for both (cgroup), where the device is.
"""
import ctypes
import json
import os
import resource
import shutil
import statistics
import subprocess
import time

import bench_report
from bench_load import K, Case, measure_case, say
from bench_targets import SPAN, TARGET_CORE, Portcullis, on_core

CASES = [(Case(4 * K, 1), 0), (Case(4 * K, 32), 0), (Case(4 * K, 32, writes=100), 0), (Case(256 * K, 8), 0),
         (Case(256 * K, 8, writes=100), 0), (Case(4 * K, 32), 10000), (Case(4 * K, 32, writes=100), 10000),
         (Case(256 * K, 8), 500)]  # with the limit: operations of the device per second
REGISTRATIONS = [("nothing", []), ("files", ["--registerfiles=1"]), ("buffers", ["--fixedbufs=1"]),
                 ("both", ["--registerfiles=1", "--fixedbufs=1"])]
CAP_IPC_LOCK, PR_CAPBSET_DROP = 14, 24
LOCKED_MAX = 1 << 20  # bytes: enough for rings, too little for a piece of a worker's buffers


class Unavailable(Exception):
    """The machine does not let us; its text says why."""


class Device:
    """A loop device over a file of the tmpfs, so that no disk of the machine is the limit."""

    def __init__(self):
        if os.geteuid() != 0:
            raise Unavailable("loop devices are for root")
        for program in ("losetup", "fio"):
            if not shutil.which(program):
                raise Unavailable(program + " is not installed")
        place = "/dev/shm" if os.access("/dev/shm", os.W_OK) else os.environ.get("top_builddir", ".")
        self.file = os.path.join(place, "portcullis-bench-%d" % os.getpid())
        with open(self.file, "wb") as out:
            for _ in range(SPAN):
                out.write(os.urandom(1 << 20))
        made = subprocess.run(["losetup", "-f", "--show", self.file], capture_output=True, text=True, check=False)
        self.path = made.stdout.strip()
        if made.returncode:
            os.unlink(self.file)
            raise Unavailable("losetup: " + made.stderr.strip())

    def number(self):
        status = os.stat(self.path)
        return "%d:%d" % (os.major(status.st_rdev), os.minor(status.st_rdev))

    def close(self):
        subprocess.run(["losetup", "-d", self.path], check=False)
        os.unlink(self.file)


class Limit:
    """A cgroup whose processes get so many operations a second of a device. Of version 1 or 2, whichever is there."""

    def __init__(self, device):
        self.device = device
        self.is_old = os.path.exists("/sys/fs/cgroup/blkio/blkio.throttle.read_iops_device")
        parent = "/sys/fs/cgroup/blkio" if self.is_old else "/sys/fs/cgroup"
        self.path = os.path.join(parent, "portcullis-bench-%d" % os.getpid())
        os.mkdir(self.path)
        if not self.is_old and not os.path.exists(os.path.join(self.path, "io.max")):
            os.rmdir(self.path)
            raise Unavailable("no cgroup limits devices here")

    def set(self, operations):
        """0 = without a limit."""
        number = self.device.number()
        if self.is_old:
            for kind in ("read", "write"):
                self._put("blkio.throttle.%s_iops_device" % kind, "%s %d" % (number, operations))
        else:
            most = operations or "max"
            self._put("io.max", "%s riops=%s wiops=%s" % (number, most, most))

    def _put(self, name, text):
        with open(os.path.join(self.path, name), "w", encoding="ascii") as out:
            out.write(text)

    def enter(self):
        self._put("cgroup.procs", str(os.getpid()))

    def close(self):
        for _ in range(100):  # a process that has ended leaves it a moment later
            try:
                os.rmdir(self.path)
                return
            except OSError:
                time.sleep(0.05)


def open_limit(device):
    try:
        return Limit(device)
    except (OSError, Unavailable) as reason:
        say("without limits of the device: %s" % reason)
        return None


def may_lock_little():
    """In a child: io_uring may not pin the daemon's buffers, so it registers none."""
    ctypes.CDLL(None, use_errno=True).prctl(PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0)
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (LOCKED_MAX, LOCKED_MAX))


def fio(device, limit, case, seconds, words=()):
    """One run: commands per second, median latency and CPU per command in µs; None when it failed."""
    kind = {0: "randread", 100: "randwrite"}[case.writes]

    def prepare():
        on_core(TARGET_CORE)()
        if limit:
            limit.enter()
    done = subprocess.run(
        ["fio", "--name=direct", "--filename=" + device.path, "--ioengine=io_uring", "--direct=1", "--rw=" + kind,
         "--bs=%d" % case.size, "--iodepth=%d" % case.depth, "--runtime=%g" % seconds, "--ramp_time=0.2", "--time_based",
         "--allow_file_create=0", "--output-format=json", *words],
        capture_output=True, text=True, check=False, preexec_fn=prepare)
    if done.returncode:
        say("  fio: " + done.stderr.strip())
        return None
    job = json.loads(done.stdout[done.stdout.index("{"):])["jobs"][0]
    part = job["write" if case.writes else "read"]
    if not part["total_ios"]:
        return None
    return {"per_second": part["iops"], "p50": part["clat_ns"].get("percentile", {}).get("50.000000", 0) / 1000,
            "cpu_us": (job["usr_cpu"] + job["sys_cpu"]) / 100 * 1e6 / part["iops"]}


def measure_rows(device, limit, options):
    """[[name, ...cells]]: portcullis beside fio."""
    def prepare():
        if limit:
            limit.enter()
    plain = Portcullis(device=device.path, also=prepare)
    rows = []
    try:
        for case, operations in CASES:
            if operations and not limit:
                continue
            if limit:
                limit.set(operations)
            name = case.name() + (", at most %d/s" % operations if operations else "")
            say("  " + name)
            pairs = []
            for _ in range(options.rounds):
                low = fio(device, limit, case, options.seconds)
                ours = measure_case([plain], case, options.seconds).get("direct")
                if low and ours:
                    pairs.append((low, ours))
            if pairs:
                rows.append([name] + cells(pairs))
    finally:
        plain.stop()
    return rows


def cells(pairs):
    low, ours = zip(*pairs)
    ratios = [one["per_second"] / other["per_second"] for other, one in pairs]
    return ["%.0f / %.0f / %.1f" % tuple(statistics.median(one[key] for one in low)
                                         for key in ("per_second", "p50", "cpu_us")),
            "%.0f / %.0f / %.1f" % (statistics.median(one["per_second"] for one in ours),
                                    statistics.median(one["latency"]["p50"] for one in ours),
                                    statistics.median(one["cpu_us"] for one in ours)),
            "%.0f %%" % (100 * statistics.median(ratios))]


def least(values):
    """The least disturbed of several runs, and the median."""
    return "%.1f / %.1f" % (min(values), statistics.median(values)) if values else "–"


def measure_registration(device, options):
    """CPU of each command with what io_uring knows beforehand: in fio, and in the daemon."""
    rows = []
    for case in (Case(4 * K, 32), Case(256 * K, 8)):
        say("  what is registered: " + case.name())
        found = {label: [] for label, _ in REGISTRATIONS}
        ours = {"nothing": [], "buffers": []}
        for _ in range(options.rounds):
            for label, words in REGISTRATIONS:
                one = fio(device, None, case, options.seconds, words)
                if one:
                    found[label].append(one["cpu_us"])
            # One at a time: a block device has one owner.
            for label, also in (("nothing", may_lock_little), ("buffers", None)):
                target = Portcullis(device=device.path, also=also)
                try:
                    one = measure_case([target], case, options.seconds).get("direct")
                finally:
                    target.stop()
                if one:
                    ours[label].append(one["cpu_us"])
        rows.append([case.name() + ", fio"] + [least(found[label]) for label, _ in REGISTRATIONS])
        rows.append([case.name() + ", portcullis"] + [least(ours.get(label)) for label, _ in REGISTRATIONS])
    return rows


def render(rows, registration, options):
    text = "%s. %d rounds, %.1f s each; a loop device of %d MiB over a file in memory.\n\n" % (
        bench_report.machine(), options.rounds, options.seconds, SPAN)
    text += "Commands per second / median latency / CPU of the process per command, µs; and portcullis' rate by fio's " \
            "(median of the rounds' ratios).\n\n"
    text += "\n".join(bench_report.table(["", "fio on the device", "portcullis", "ratio"], rows))
    text += "\nCPU per command by what io_uring knows beforehand, µs: least / median of the rounds.\n\n"
    return text + "\n".join(bench_report.table([""] + [label for label, _ in REGISTRATIONS], registration))


def run(options):
    try:
        device = Device()
    except Unavailable as reason:
        say("left out: %s" % reason)
        return
    limit = None
    try:
        limit = open_limit(device)
        rows = measure_rows(device, limit, options)
        registration = measure_registration(device, options)
    finally:
        if limit:
            limit.close()
        device.close()
    text = render(rows, registration, options)
    print(text)
    if options.write:
        bench_report.write(text, "direct")
