# SPDX-License-Identifier: BSD-2-Clause
"""What the checks of the source tree share: TAP, the list of files, C text without its comments."""
import os
import re
import subprocess
import sys

TOP = os.environ.get("top_srcdir") or os.path.dirname(os.path.dirname(os.path.dirname(
    os.path.abspath(__file__))))
BUILD = os.environ.get("top_builddir") or os.getcwd()
# The floors of proto and of daemon have rules of their own, so each is a folder here.
FOLDERS = ["base", "auth", "store", "conf", "proto/scsi", "proto/iscsi", "daemon/core", "daemon/api",
           "daemon/control", "daemon", "ctl"]
EVERYTHING = FOLDERS + ["tests"]


class Tap:
    """Test points in order; the plan comes last, the exit status says whether all held."""

    def __init__(self):
        self.count = 0
        self.failed = 0

    def point(self, name, problems):
        """One check. `problems` are lines for the reader; none means that it holds."""
        self.count += 1
        self.failed += bool(problems)
        print("%s %d - %s" % ("not ok" if problems else "ok", self.count, name))
        for problem in problems:
            print("# " + problem)

    def skip(self, name, reason):
        self.count += 1
        print("ok %d - %s # SKIP %s" % (self.count, name, reason))

    def note(self, text):
        print("# " + text)

    def end(self):
        print("1..%d" % self.count)
        sys.exit(1 if self.failed else 0)


def files(folder, *endings):
    """Paths below `folder` but not below another of the folders, relative to the top, sorted."""
    found = []
    for where, below, names in os.walk(os.path.join(TOP, folder)):
        below[:] = [name for name in below
                    if os.path.relpath(os.path.join(where, name), TOP) not in FOLDERS]
        found += [os.path.relpath(os.path.join(where, name), TOP) for name in names
                  if name.endswith(endings)]
    return sorted(found)


def tracked():
    """What a reader of the repository sees: git's list, or in a tarball all that lies there."""
    git = subprocess.run(["git", "-C", TOP, "ls-files", "-z"], capture_output=True, check=False)
    if git.returncode == 0 and git.stdout:
        names = git.stdout.decode().split("\0")
    else:
        # Of a tarball's top level only the files of the project: configure and its helpers are
        # not ours, nor is a build directory.
        names = [name for name in os.listdir(TOP) if os.path.isfile(os.path.join(TOP, name))]
        names = [name for name in names if name not in
                 ("configure", "aclocal.m4", "Makefile.in", "config.h.in")]
        for folder in EVERYTHING + ["contrib", "doc"]:
            names += files(folder, "")
    # A file deleted but not yet committed is still in the index.
    return [name for name in names if name and os.path.isfile(os.path.join(TOP, name))]


def read(path):
    with open(os.path.join(TOP, path), encoding="utf-8", errors="replace") as file:
        return file.read()


TOKENS = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(match):
    text = match.group(0)
    # The quotes stay, so that what stood between them still is an operand.
    if text[0] in "\"'":
        return text[0] + " " * (len(text) - 2) + text[0]
    return re.sub(r"[^\n]", " ", text)


def code(path):
    """C text with comments and the insides of literals blanked; lines and columns stay."""
    return TOKENS.sub(blank, read(path))


def line_of(text, position):
    return text.count("\n", 0, position) + 1
