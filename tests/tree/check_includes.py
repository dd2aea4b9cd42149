#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Who may include whom, which libraries each folder may know, and what the protocol never calls.

doc/architecture.md, "The house". All is denied that a table here does not permit.
"""
import os
import re
import subprocess

import tree

BELOW_DAEMON = ["base/", "auth/", "store/", "conf/", "proto/"]
DAEMON = {"daemon", "daemon/core", "daemon/api", "daemon/control"}
# Project headers by folder: a folder's name ends in "/", a single header does not.
OWN = {
    "base": ["base/"],
    "auth": ["base/", "auth/"],
    "store": ["base/", "store/"],
    "conf": ["base/", "auth/", "store/store.h", "conf/"],
    "proto/scsi": ["base/", "store/store.h", "proto/scsi/"],
    "proto/iscsi": ["base/", "auth/", "store/store.h", "proto/scsi/", "proto/iscsi/"],
    "daemon/core": BELOW_DAEMON + ["daemon/core/"],
    "daemon/api": BELOW_DAEMON + ["daemon/core/", "daemon/api/"],
    "daemon/control": BELOW_DAEMON + ["daemon/core/", "daemon/api/", "daemon/control/"],
    "daemon": BELOW_DAEMON + ["daemon/"],
    "ctl": ["base/", "conf/", "ctl/"],
}

# Computation only: neither input and output, nor clocks, nor threads.
PURE = {"assert.h", "ctype.h", "errno.h", "inttypes.h", "limits.h", "stdalign.h", "stdarg.h",
        "stdatomic.h", "stdbool.h", "stddef.h", "stdint.h", "stdio.h", "stdlib.h", "string.h",
        "strings.h", "sys/queue.h", "sys/types.h", "sys/uio.h"}
SYSTEM = {"arpa/inet.h", "dirent.h", "endian.h", "fcntl.h", "getopt.h", "grp.h", "libgen.h",
          "locale.h", "netinet/in.h", "pwd.h", "sched.h", "signal.h", "sys/file.h",
          "sys/ioctl.h", "sys/mman.h", "sys/mount.h", "sys/resource.h", "sys/stat.h",
          "sys/statvfs.h", "sys/sysinfo.h", "sys/syscall.h", "sys/time.h", "sys/vfs.h",
          "sysexits.h", "termios.h", "time.h", "unistd.h",
          "sys/utsname.h", "sys/random.h", "sys/xattr.h", "sys/sysmacros.h", "sys/prctl.h"}
NETWORK = {"ifaddrs.h", "net/if.h", "netdb.h", "netinet/tcp.h", "sys/epoll.h", "sys/select.h",
           "sys/signalfd.h", "sys/socket.h", "sys/timerfd.h"}

# Every system or library header: who may have it.
LIBRARIES = [
    (lambda h: h in PURE, set(tree.FOLDERS)),
    (lambda h: h in ("uthash.h", "utlist.h", "utarray.h"), set(tree.FOLDERS)),
    (lambda h: h in SYSTEM, DAEMON | {"base", "auth", "store", "conf", "ctl"}),
    (lambda h: h.startswith("linux/"), DAEMON | {"store"}),
    (lambda h: h in NETWORK, DAEMON | {"ctl"}),
    (lambda h: h == "sys/un.h", DAEMON | {"conf", "ctl"}),
    (lambda h: h in ("poll.h", "sys/eventfd.h"), DAEMON | {"store", "ctl"}),
    (lambda h: h == "pthread.h", DAEMON | {"base", "auth", "store", "proto/scsi"}),
    (lambda h: h.startswith("sanitizer/"), {"base"}),
    (lambda h: h.startswith("openssl/"), DAEMON - {"daemon/api"} | {"auth"}),
    (lambda h: h.startswith(("event2/", "event.h", "evhttp.h")), DAEMON),
    (lambda h: h.startswith("systemd/"), {"daemon/core"}),
    (lambda h: h.startswith("curl/"), {"ctl"}),
    (lambda h: h == "jansson.h", DAEMON - {"daemon/core"} | {"conf", "ctl"}),
    (lambda h: h == "libconfig.h", {"conf"}),
    (lambda h: h.startswith("liburing"), {"store"}),
    (lambda h: h.startswith(("isa-l", "crc.h")), {"proto/iscsi"}),
]

# Clocks, random sources, input and output, the log: what the engine is given instead.
FORBIDDEN_IN_PROTO = set("""
    time clock clock_gettime gettimeofday nanosleep sleep usleep
    rand rand_r srand random srandom drand48 getrandom getentropy arc4random RAND_bytes
    read write readv writev pread pwrite preadv pwritev preadv2 pwritev2 open openat creat close
    fopen fclose fread fwrite fgets fputs puts putchar printf fprintf vprintf vfprintf perror
    send sendto sendmsg recv recvfrom recvmsg socket accept accept4 bind listen connect shutdown
    poll ppoll select epoll_wait ioctl fcntl fsync fdatasync syscall getenv
    log_event log_configure""".split())

INCLUDE = re.compile(r'^[ \t]*#[ \t]*include[ \t]*([<"])([^>"]+)[>"]', re.M)


def includes(path):
    text = tree.read(path)
    for match in INCLUDE.finditer(text):
        yield tree.line_of(text, match.start()), match.group(1), match.group(2)


def own_allowed(folder, path, header):
    if header == "config.h":
        return True
    return any(header.startswith(own) if own.endswith("/") else header == own
               for own in OWN[folder])


def library_allowed(folder, header):
    return any(folder in folders for matches, folders in LIBRARIES if matches(header))


def check_folder(tap, folder):
    own, libraries, order = [], [], []
    for path in tree.files(folder, ".c", ".h"):
        first_own = None
        for line, kind, header in includes(path):
            where = "%s:%d: %s" % (path, line, header)
            if kind == "<":
                if not library_allowed(folder, header):
                    libraries.append(where)
                continue
            if first_own is None:
                first_own = header
            if not own_allowed(folder, path, header):
                own.append(where)
            elif header != "config.h" and not os.path.exists(os.path.join(tree.TOP, header)):
                own.append(where + " (no such file; paths begin at the top)")
        twin = path[:-2] + ".h"
        if path.endswith(".c") and os.path.exists(os.path.join(tree.TOP, twin)) and \
                first_own not in (twin, "config.h"):
            order.append("%s: its own header is not the first one" % path)
    tap.point("%s includes only what stands below it" % folder, own)
    tap.point("%s knows only its libraries" % folder, libraries)
    tap.point("%s: own header first" % folder, order)


def check_calls(tap, folder):
    """In the text, where a line can be named."""
    calls = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(sorted(FORBIDDEN_IN_PROTO)))
    problems = []
    for path in tree.files(folder, ".c", ".h"):
        text = tree.code(path)
        problems += ["%s:%d: %s()" % (path, tree.line_of(text, match.start()), match.group(1))
                     for match in calls.finditer(text)]
    tap.point("%s calls no clock, no random source, no input or output" % folder, problems)


def check_symbols(tap, folder, archive):
    """In what the compiler made of it, where no macro can hide a call."""
    name = "%s: no such symbol in %s" % (folder, archive)
    path = os.path.join(tree.BUILD, archive)
    if not os.path.exists(path):
        tap.skip(name, "not built")
        return
    listing = subprocess.run(["nm", "-A", "-u", path], capture_output=True, text=True, check=False)
    problems = []
    for line in listing.stdout.splitlines():
        symbol = re.sub(r"^__(\w+)_chk$", r"\1", line.split()[-1].split("@")[0])
        if symbol in FORBIDDEN_IN_PROTO:
            problems.append("%s: %s()" % (line.split(":")[1], symbol))
    tap.point(name, problems)


def main():
    tap = tree.Tap()
    for folder in tree.FOLDERS:
        check_folder(tap, folder)
    for folder, archive in (("proto/scsi", "libscsi.a"), ("proto/iscsi", "libiscsi-engine.a")):
        check_calls(tap, folder)
        check_symbols(tap, folder, archive)
    tap.end()


main()
