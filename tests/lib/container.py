# SPDX-License-Identifier: BSD-2-Clause
"""A machine of its own under a running systemd, as root: this machine's system in a container of systemd-nspawn.

    with container.Container(directory) as machine:
        machine.run("systemctl", "start", "portcullisd")
        machine.path("/run/portcullis/control.sock")  # seen from here
        machine.join_network()                        # this process, for good

What the container writes goes into memory and ends with it. Its network is its own, with a loopback alone. Mounts are
made in a namespace of the calling process's, control groups below its own, and both are gone at the end.
"""
import ctypes
import os
import re
import shutil
import signal
import subprocess
import time

CLONE_NEWNS, CLONE_NEWNET = 0x00020000, 0x40000000
PR_SET_PDEATHSIG = 1
LIBC = ctypes.CDLL(None, use_errno=True)
SECONDS = 120


class Unavailable(Exception):
    """No container can be had here; says why."""


def system(*command):
    """A command that must succeed."""
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        raise Unavailable("%s: %s" % (" ".join(command[:2]), done.stdout.strip()))


def own_mounts():
    """From now on what this process mounts is its own and its children's, and gone with them."""
    if os.geteuid() != 0:
        raise Unavailable("it takes root")
    if LIBC.unshare(CLONE_NEWNS):
        raise Unavailable("no mounts of one's own: " + os.strerror(ctypes.get_errno()))
    system("mount", "--make-rprivate", "/")


def own_groups():
    """The directories of this process's control groups that systemd cares for."""
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        found = re.findall(r" (/\S+) \S+ (?:\S+:\S+ )*- (cgroup2?) \S+ (\S+)", mounts.read())
    with open("/proc/self/cgroup", encoding="utf-8") as groups:
        mine = dict(re.findall(r"^\d+:(\S*?):(\S+)", groups.read(), re.M))
    for where, kind, options in found:
        name = "" if kind == "cgroup2" else "name=systemd"
        if name in mine and (kind == "cgroup2" or "name=systemd" in options.split(",")):
            yield where + mine[name].rstrip("/")


class Container:
    def __init__(self, directory):
        for program in ("systemd-nspawn", "nsenter"):
            if not shutil.which(program):
                raise Unavailable(program + " is not installed")
        self.console = os.path.join(directory, "console")
        self.process, self.leader = None, 0
        self.groups = [os.path.join(each, "portcullis-test-%d" % os.getpid()) for each in own_groups()]
        own_mounts()
        self.top = os.path.join(directory, "container")
        root, work, upper = (os.path.join(self.top, name) for name in ("root", "work", "upper"))
        os.mkdir(self.top)
        system("mount", "-t", "tmpfs", "tmpfs", self.top)
        for name in (root, work, upper):
            os.mkdir(name)
        system("mount", "-t", "overlay", "overlay", "-o", "lowerdir=/,upperdir=%s,workdir=%s" % (upper, work), root)
        self.root = root

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        if self.process:
            if self._leader():
                os.kill(self.leader, signal.SIGKILL)  # and with it all of its namespace
            else:
                self.process.terminate()
            self.process.wait()
        system("umount", "--recursive", self.top)
        for group in self.groups:
            for _ in range(100):
                for where, _, _ in os.walk(group, topdown=False):
                    try:
                        os.rmdir(where)
                    except OSError:
                        pass  # its last process has not quite gone
                if not os.path.exists(group):
                    break
                time.sleep(0.1)

    def _isolate(self):
        """In the child that becomes systemd-nspawn."""
        LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)  # then it takes the container down; SIGKILL would leave it alone
        for group in self.groups:
            os.mkdir(group)
            with open(os.path.join(group, "cgroup.procs"), "w", encoding="ascii") as processes:
                processes.write("0")

    def boot(self, unit="basic.target"):
        command = ["systemd-nspawn", "--quiet", "--directory=" + self.root, "--register=no", "--keep-unit", "--private-network",
                   "--link-journal=no", "--console=pipe", "--boot", "systemd.unit=" + unit]
        try:
            with open(self.console, "wb") as console:
                self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT,
                                                preexec_fn=self._isolate)
        except (OSError, subprocess.SubprocessError) as problem:
            raise Unavailable("no control group of one's own: %s" % problem) from problem
        end = time.monotonic() + SECONDS
        while self.run("systemctl", "is-active", unit)[1].strip() != "active":
            if self.process.poll() is not None or time.monotonic() > end:
                with open(self.console, encoding="utf-8", errors="replace") as console:
                    raise Unavailable("systemd does not start in a container: " + console.read()[-600:])
            time.sleep(0.1)

    def _leader(self):
        """The container's first process, seen from here; 0: not there yet."""
        if not self.leader:
            with open("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid), encoding="ascii") as children:
                for pid in children.read().split():
                    with open("/proc/%s/comm" % pid, encoding="ascii") as name:
                        if name.read().strip() == "systemd":
                            self.leader = int(pid)
        return self.leader

    def run(self, *command):
        """A command inside: (status, output)."""
        if not self._leader():
            return -1, ""
        done = subprocess.run(["nsenter", "--target=%d" % self.leader, "--mount", "--uts", "--ipc", "--net", "--pid", "--cgroup", "--root", "--wd"]
                              + list(command), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=SECONDS, check=False)
        return done.returncode, done.stdout

    def path(self, name):
        return "/proc/%d/root%s" % (self.leader, name)

    def join_network(self):
        """From now on this thread's new sockets are the container's."""
        with open("/proc/%d/ns/net" % self.leader, "rb") as network:
            if LIBC.setns(network.fileno(), CLONE_NEWNET):
                raise Unavailable("no way into the container's network: " + os.strerror(ctypes.get_errno()))
