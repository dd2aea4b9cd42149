#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The tree's checks, checked: a small tree with one fault of each kind, each of which is found."""
import os
import shutil
import subprocess
import sys
import tempfile

import tree

HERE = os.path.dirname(os.path.abspath(__file__))
SPDX = "/* SPDX-License-Identifier: BSD-2-Clause */\n/* Here for a reason. */\n"
LONG = "static void f(void)\n{\n%s}\n"

GOOD = {
    "base/thing.h": SPDX + "/* Does it. */\nvoid thing_do(void);\n",
    "base/thing.c": SPDX + '#include "base/thing.h"\n\n#include <string.h>\n\n'
                           "void thing_do(void)\n{\n}\n",
    "proto/iscsi/engine.c": SPDX + '#include "base/thing.h"\n\n/* time(NULL) in a comment */\n'
                                   'static const char *words = "write(2)";\n',
}

# script, file, contents, the words of the complaint
FAULTS = [
    ("includes", "base/up.c", '#include "auth/chap.h"\n', "base/up.c:3: auth/chap.h"),
    ("includes", "base/thing.c", '#include <string.h>\n#include "base/other.h"\n',
     "own header is not the first"),
    ("includes", "proto/scsi/down.c", '#include "store/queue.h"\n', "store/queue.h"),
    ("includes", "proto/iscsi/net.c", "#include <sys/socket.h>\n", "net.c:3: sys/socket.h"),
    ("includes", "proto/iscsi/loop.c", "#  include <event2/event.h>\n", "event2/event.h"),
    ("includes", "proto/iscsi/lock.c", "#include <pthread.h>\n", "pthread.h"),
    ("includes", "conf/crypto.c", "#include <openssl/evp.h>\n", "openssl/evp.h"),
    ("includes", "store/new.c", "#include <unheard-of.h>\n", "unheard-of.h"),
    ("includes", "ctl/lost.c", '#include "ctl/nowhere.h"\n', "no such file"),
    ("includes", "proto/scsi/clock.c", "long now(void)\n{\n\treturn time (0);\n}\n",
     "clock.c:5: time()"),
    ("includes", "proto/iscsi/input.c", "void f(void)\n{\n\tread(0, 0, 0);\n}\n", "read()"),
    ("budget", "daemon/long.c", LONG % ("\t;\n" * 98), "long.c:3: f has 101 lines"),
    ("budget", "auth/long.c", LONG % ("\t;\n" * 58), "long.c:3: f has 61 lines"),
    ("budget", "tests/long.c", LONG % ("\t;\n" * 98), "f has 101 lines"),
    ("budget", "conf/wide.c", "\n".join("static void f%d(void)\n{\n%s}\n" % (n, "\t;\n" * 45)
                                        for n in range(5)), "the 90th percentile is 48"),
    ("budget", "store/tangle.c", "int f(int a)\n{\n\tif (" + "a && " * 19 + "a)\n"
                                 "\t\treturn 1;\n\treturn 0;\n}\n", "complexity 21"),
    ("budget", "ctl/file.c", "\n" * 699, "ctl/file.c: 701 lines"),
    ("budget", "ctl/file.h", "\n" * 199, "ctl/file.h: 201 lines"),
    ("budget", "ctl/copy.c", "void f(char *a)\n{\n\tstrcpy(a, a);\n}\n", "copy.c:5: strcpy()"),
    ("format", "base/wide.c", "int  wide;\n", "base/wide.c:3:4"),
    ("contracts", "base/bare.h", "\nvoid bare(int a,\n\tint b);\n", "base/bare.h:4: void bare"),
    ("contracts", "base/pointer.h", "\nstruct thing *bare(void);\n", "struct thing *bare"),
    ("contracts", "auth/path.c", "/* see /" "work/notes */\n", "auth/path.c:3"),
    ("contracts", "auth/later.c", "/* TO" "DO */\n", "auth/later.c:3"),
]

# Complaints that need ctags.
MEASURED = ("f has", "percentile", "complexity")


def plant(top, path, text):
    os.makedirs(os.path.dirname(os.path.join(top, path)), exist_ok=True)
    with open(os.path.join(top, path), "w", encoding="utf-8") as file:
        file.write(text)


def run(script, top, build):
    environment = dict(os.environ, top_srcdir=top, top_builddir=build)
    return subprocess.run([sys.executable, os.path.join(HERE, "check_%s.py" % script)],
                          env=environment, capture_output=True, text=True, check=False)


def complaint(script, faults):
    """What `script` says about the good tree with `faults` planted; its status must fit."""
    with tempfile.TemporaryDirectory() as top:
        for path, text in list(GOOD.items()) + faults:
            plant(top, path, text)
        shutil.copy(os.path.join(tree.TOP, ".clang-format"), top)
        result = run(script, top, top)
    bad = [line for line in result.stdout.splitlines() if line.startswith("#")] \
        if result.returncode else []
    return "\n".join(bad) or result.stderr


def check_globals(tap):
    """Six variables in six objects are one too many; tables of constants are none."""
    name = "the sixth mutable global is found"
    if not shutil.which("cc"):
        tap.skip(name, "no cc")
        return
    source = "static int v; int *f(void) { return &v; } const int *const table[] = { &v };\n"
    said = {}
    for count in (5, 6):
        with tempfile.TemporaryDirectory() as top:
            for number in range(count):
                path = "daemon/%d.c" % number
                plant(top, path, source.replace("f(", "f%d(" % number))
                subprocess.run(["cc", "-fPIE", "-c", path, "-o", path[:-2] + ".o"], cwd=top,
                               check=True)
            said[count] = [line for line in run("budget", top, top).stdout.splitlines()
                           if "mutable globals in the daemon" in line][0]
    tap.point(name, [said[count] for count, word in ((5, "ok"), (6, "not"))
                     if said[count].split()[0] != word])


def main():
    tap = tree.Tap()
    for script in ("includes", "budget", "format", "contracts"):
        said = complaint(script, [])
        tap.point("check_%s lets a good tree pass" % script, said.splitlines())
    for script, path, text, words in FAULTS:
        name = "check_%s: %s" % (script, words)
        tool = "clang-format" if script == "format" else "ctags"
        if (tool == "clang-format" or any(word in words for word in MEASURED)) and \
                not shutil.which(tool):
            tap.skip(name, "no " + tool)
            continue
        said = complaint(script, [(path, SPDX + text)])
        tap.point(name, [] if words in said else ["it said: %s" % said])
    check_globals(tap)
    tap.end()


main()
