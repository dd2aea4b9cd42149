# SPDX-License-Identifier: BSD-2-Clause
"""A machine of its own for tests: Debian's kernel and open-iscsi under QEMU, without privileges.

    files = guest.unpack(cache)                 Debian's packages, by apt-get, unpacked once
    initramfs = guest.build(files, "initramfs") what the guest runs from, all of it
    with guest.Guest(files.kernel, initramfs, directory) as linux:
        status, text = linux.run("iscsiadm -m session")

The guest's network is QEMU's own, 10.0.2.0/24: it reaches the host's loopback and nothing here sends it elsewhere.
"""
import glob
import os
import re
import select
import shutil
import stat
import subprocess
import time

HERE = os.path.dirname(os.path.abspath(__file__))
PACKAGES = ("open-iscsi", "libopeniscsiusr", "libisns0", "busybox-static")
KERNEL = "linux-image-cloud-amd64"  # depends on the package with the newest kernel
MODULES = ("virtio_pci", "virtio_net", "iscsi_tcp", "sd_mod")
PROGRAMS = ("iscsid", "iscsiadm")


class Unavailable(Exception):
    """What the guest is made of cannot be had here; says what."""


class Files:
    """Unpacked packages: root is a tree, kernel the boot image in it."""

    def __init__(self, root):
        self.root = root
        self.kernel = newest(os.path.join(root, "boot", "vmlinuz-*"))
        self.modules = newest(os.path.join(root, "lib", "modules", "*"))


def newest(pattern):
    found = sorted(glob.glob(pattern), key=os.path.getmtime)
    if not found:
        raise Unavailable("no " + pattern)
    return found[-1]


def capture(*command, **options):
    """The output of a command that must succeed."""
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=300, check=False, **options)
    except (OSError, subprocess.TimeoutExpired) as problem:
        raise Unavailable(str(problem)) from problem
    if done.returncode != 0:
        raise Unavailable("%s: %s" % (" ".join(command[:3]), done.stderr.decode("utf-8", "replace").strip()[-200:]))
    return done.stdout.decode("utf-8", "replace")


def unpack(cache):
    """Files of the packages, from `cache` if it has them; Unavailable without Debian's apt-get and its archive."""
    root = os.path.join(cache, "root")
    if not os.path.exists(root):
        kernel = re.search(r"Depends: (linux-image-\S+)", capture("apt-cache", "depends", KERNEL))
        if not kernel:
            raise Unavailable("apt-cache knows no kernel")
        fresh = os.path.join(cache, "fresh")
        shutil.rmtree(fresh, ignore_errors=True)
        os.makedirs(os.path.join(fresh, "root"))
        capture("apt-get", "-qq", "download", kernel.group(1), *PACKAGES, cwd=fresh)
        for package in glob.glob(os.path.join(fresh, "*.deb")):
            capture("dpkg-deb", "-x", package, os.path.join(fresh, "root"))
        os.rename(os.path.join(fresh, "root"), root)
        shutil.rmtree(fresh)
    return Files(root)


def module_order(files):
    """Paths of the wanted modules and of all they depend on, each after what it needs."""
    paths = {re.sub("-", "_", os.path.basename(path)[:-3]): path
             for path in glob.glob(os.path.join(files.modules, "kernel", "**", "*.ko"), recursive=True)}
    order = []

    def add(name):
        name = name.replace("-", "_")
        if name not in paths:
            raise Unavailable("the kernel has no module " + name)
        if paths[name] in order:
            return
        with open(paths[name], "rb") as module:
            depends = re.search(rb"\0depends=([^\0]*)\0", module.read())
        for other in depends.group(1).decode("ascii").split(",") if depends else ():
            if other:
                add(other)
        order.append(paths[name])

    for wanted in MODULES:
        add(wanted)
    return order


def libraries(files, program):
    """{path in the guest: path here} of the shared libraries of a program."""
    where = os.path.join(files.root, "usr", "lib", "x86_64-linux-gnu")
    found = {}
    for line in capture("ldd", program, env=dict(os.environ, LD_LIBRARY_PATH=where, LC_ALL="C")).splitlines():
        if "not found" in line:
            raise Unavailable("library " + line.strip())
        match = re.match(r"\s*(?:(\S+) => )?(/\S+)", line)
        if match:
            name = os.path.basename(match.group(1) or match.group(2))
            found["lib64/ld-linux-x86-64.so.2" if name.startswith("ld-linux") else
                  "lib/x86_64-linux-gnu/" + name] = match.group(2)
    return found


class Archive:
    """A cpio archive of the "newc" form, as the kernel reads it (Documentation/driver-api/early-userspace)."""

    def __init__(self, path):
        self.out = open(path, "wb")
        self.inodes = 0
        self.directories = set()

    def entry(self, name, mode, data=b""):
        self.inodes += 1
        fields = (self.inodes, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % field for field in fields) + name.encode("ascii") + b"\0"
        for part in (head, data):
            self.out.write(part + b"\0" * (-len(part) % 4))

    def add(self, name, data, mode=0o644):
        """A file, and the folders above it."""
        parts = name.split("/")[:-1]
        for depth in range(len(parts)):
            self.directory("/".join(parts[:depth + 1]))
        self.entry(name, stat.S_IFREG | mode, data)

    def directory(self, name):
        if name not in self.directories:
            self.directories.add(name)
            self.entry(name, stat.S_IFDIR | 0o755)

    def copy(self, name, path, mode=0o755):
        with open(path, "rb") as file:
            self.add(name, file.read(), mode)

    def close(self):
        self.entry("TRAILER!!!", 0)
        self.out.close()


def build(files, path, initiator):
    """Writes the initramfs: busybox, open-iscsi with its libraries, the modules, and ./init."""
    archive = Archive(path)
    for name in ("proc", "sys", "dev", "run", "var", "tmp"):
        archive.directory(name)
    archive.copy("init", os.path.join(HERE, "init"))
    archive.copy("bin/busybox", os.path.join(files.root, "bin", "busybox"))
    needed = {}
    for program in PROGRAMS:
        source = os.path.join(files.root, "sbin", program)
        archive.copy("sbin/" + program, source)
        needed.update(libraries(files, source))
    for name, source in needed.items():
        archive.copy(name, source)
    order = module_order(files)
    for module in order:
        archive.copy("modules/" + os.path.basename(module), module)
    archive.add("modules/order", "".join(os.path.basename(module) + "\n" for module in order).encode("ascii"))
    archive.add("etc/passwd", b"root::0:0:root:/:/bin/sh\n")  # whose commands iscsid takes
    archive.add("etc/iscsi/initiatorname.iscsi", b"InitiatorName=%s\n" % initiator.encode("ascii"))
    archive.copy("etc/iscsi/iscsid.conf", os.path.join(files.root, "etc", "iscsi", "iscsid.conf"))
    archive.close()


class Guest:
    """A running guest. console: the file with its kernel's messages."""

    def __init__(self, kernel, initramfs, directory, timeout=240):
        self.console = os.path.join(directory, "console.log")
        self.transcript = os.path.join(directory, "shell.log")
        self.buffer = b""
        self.count = 0
        self.errors = open(os.path.join(directory, "qemu.log"), "wb")
        self.process = subprocess.Popen(
            ["qemu-system-x86_64", "-accel", "tcg", "-machine", "q35", "-cpu", "max", "-m", "384", "-no-reboot",
             "-nodefaults", "-display", "none", "-serial", "stdio", "-serial", "file:" + self.console,
             "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile=",
             "-kernel", kernel, "-initrd", initramfs, "-append", "console=ttyS1 panic=-1 mitigations=off"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self.errors)
        try:
            self._until("ready", timeout)
        except BaseException:
            self.close()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def _until(self, mark, timeout):
        """(status, output) up to the line that ends the command `mark`; status None after the time."""
        end = time.monotonic() + timeout
        ending = re.compile(b"(?s)(.*?)@@%s (\\d+)\r?\n" % mark.encode("ascii"))
        while True:
            match = ending.match(self.buffer)
            if match:
                self.buffer = self.buffer[match.end():]
                return int(match.group(2)), match.group(1).decode("utf-8", "replace").replace("\r", "")
            left = end - time.monotonic()
            if left <= 0:
                return None, self.buffer.decode("utf-8", "replace")
            if select.select([self.process.stdout], [], [], left)[0]:
                data = os.read(self.process.stdout.fileno(), 1 << 16)
                if not data:
                    raise RuntimeError("the guest is gone:\n" + self.kernel())
                self.buffer += data

    def run(self, command, timeout=120):
        """(status, output) of a line of shell commands; status None when it did not end in time."""
        self.count += 1
        line = "{ %s; } </dev/null; echo \"@@%d $?\"\n" % (command, self.count)
        self.process.stdin.write(line.encode("utf-8"))
        self.process.stdin.flush()
        status, text = self._until(str(self.count), timeout)
        with open(self.transcript, "a", encoding="utf-8") as out:
            out.write("# %s\n%s[%s]\n" % (command, text, status))
        return status, text

    def kernel(self):
        """What the kernel has said so far."""
        with open(self.console, "rb") as console:
            return console.read().decode("utf-8", "replace").replace("\r", "")

    def close(self):
        """Switches it off."""
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()
        self.process.stdout.close()
        self.errors.close()
