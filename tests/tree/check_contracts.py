#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a reader is owed: why a file exists, what a function promises, nothing left for later."""
import re

import tree

SPDX = "SPDX-License-Identifier: BSD-2-Clause"
# A declaration that ends a prototype: a name and a bracket, not a definition, not a macro.
PROTOTYPE = re.compile(r"^(?!static|struct \w+ \{|union \w+ \{|enum|#|\s|\}|_Static_assert|extern \"|"
                       r"[A-Z_]+\()"
                       r"[\w*][^;{}#]*\([^;{}]*\)[^;{}()]*(?:\(\([^;{}]*\)\))?;", re.M)
MACHINE = re.compile(r"(?<![\w.])/(?:work|farm|home)/|/tmp/[w]-")
LATER = re.compile(r"\b(?:TO" r"DO|FIX" r"ME|XX" r"X)\b")


def uncommented(path):
    """Prototypes without a comment above. Lines that follow each other share the first's."""
    text = tree.read(path)
    bare = tree.code(path)
    lines = text.split("\n")
    covered = set()
    for match in PROTOTYPE.finditer(bare):
        first = tree.line_of(bare, match.start()) - 1
        last = tree.line_of(bare, match.end()) - 1
        if first and (lines[first - 1].rstrip().endswith("*/") or first - 1 in covered):
            covered.update(range(first, last + 1))
        else:
            yield "%s:%d: %s" % (path, first + 1, lines[first])


def check_headers(tap, folder):
    problems = []
    for path in tree.files(folder, ".h"):
        problems += uncommented(path)
    tap.point("%s: every exported function has its contract" % folder, problems)


def check_beginnings(tap, folder):
    problems = []
    for path in tree.files(folder, ".c", ".h"):
        lines = tree.read(path).split("\n")
        if lines[0] != "/* %s */" % SPDX:
            problems.append("%s:1: the SPDX line is missing" % path)
        elif not lines[1].startswith("/*"):
            problems.append("%s:2: nothing says why the file exists" % path)
    for path in tree.files(folder, ".py", ".sh"):
        if SPDX not in "\n".join(tree.read(path).split("\n")[:2]):
            problems.append("%s:1: the SPDX line is missing" % path)
    tap.point("%s: files begin with their licence and their reason" % folder, problems)


def check_everywhere(tap, name, pattern):
    problems = []
    for path in tree.tracked():
        for number, line in enumerate(tree.read(path).split("\n"), 1):
            if pattern.search(line):
                problems.append("%s:%d: %s" % (path, number, line.strip()[:80]))
    tap.point(name, problems)


def main():
    tap = tree.Tap()
    for folder in tree.FOLDERS:
        check_headers(tap, folder)
    for folder in tree.EVERYTHING:
        check_beginnings(tap, folder)
    check_everywhere(tap, "no path of one machine", MACHINE)
    check_everywhere(tap, "nothing is left for later", LATER)
    tap.end()


main()
