#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The size budget: functions, branches, files, mutable globals, functions nobody may call.

There is no list of exceptions. What does not fit is split.
"""
import glob
import os
import re
import shutil
import subprocess

import tree

FUNCTION_MAX = {"proto/scsi": 60, "proto/iscsi": 60, "auth": 60}
FUNCTION_MAX_ELSEWHERE = 100
FUNCTION_P90 = 47
COMPLEXITY_MAX = 20
FILE_MAX = {".c": 700, ".h": 200}
GLOBALS_MAX = 5
FORBIDDEN = ("strcpy", "stpcpy", "strcat", "sprintf", "vsprintf", "atoi", "atol", "atoll", "atof",
             "gets", "strtok", "alloca")

BRANCH = re.compile(r"\b(?:if|for|while|case)\b|&&|\|\||\?")


def functions(paths):
    """(path, name, first line, last line) of every function, as ctags sees them."""
    if not paths:
        return []
    listing = subprocess.run(
        ["ctags", "--language-force=C", "--fields=+ne", "--c-kinds=f", "-o", "-",
         "-D", "START_TEST(n)=static void n(int _i)", "-D", "END_TEST="] + paths,
        cwd=tree.TOP, capture_output=True, text=True, check=True)
    found = []
    for line in listing.stdout.splitlines():
        fields = line.split("\t")
        numbers = dict(field.split(":", 1) for field in fields[3:] if ":" in field)
        found.append((fields[1], fields[0], int(numbers["line"]), int(numbers["end"])))
    return found


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0


def check_functions(tap, folder):
    paths = tree.files(folder, ".c", ".h")
    texts = {path: tree.code(path).split("\n") for path in paths}
    limit = FUNCTION_MAX.get(folder, FUNCTION_MAX_ELSEWHERE)
    lengths, long, tangled = [], [], []
    for path, name, first, last in functions(paths):
        length = last - first + 1
        lengths.append(length)
        if length > limit:
            long.append("%s:%d: %s has %d lines" % (path, first, name, length))
        branches = 1 + len(BRANCH.findall("\n".join(texts[path][first - 1:last])))
        if branches > COMPLEXITY_MAX:
            tangled.append("%s:%d: %s has complexity %d" % (path, first, name, branches))
    p90 = percentile(lengths, 0.9)
    tap.point("%s: functions have at most %d lines" % (folder, limit), long)
    tap.point("%s: nine in ten functions have at most %d lines" % (folder, FUNCTION_P90),
              ["the 90th percentile is %d" % p90] if p90 > FUNCTION_P90 else [])
    tap.point("%s: complexity is at most %d" % (folder, COMPLEXITY_MAX), tangled)
    tap.note("%s: %d functions, p50 %d, p90 %d, longest %d lines" % (
        folder, len(lengths), percentile(lengths, 0.5), p90, max(lengths, default=0)))


def check_files(tap, folder):
    problems, lines, comment_lines = [], 0, 0
    for path in tree.files(folder, ".c", ".h"):
        text = tree.read(path)
        length = text.count("\n")
        limit = FILE_MAX[path[-2:]]
        if length > limit:
            problems.append("%s: %d lines, %d are the limit" % (path, length, limit))
        lines += length
        comment_lines += sum(token.group(0).count("\n") + 1
                             for token in tree.TOKENS.finditer(text)
                             if token.group(0).startswith("/"))
    tap.point("%s: files have at most %d (.c) or %d (.h) lines" % (
        folder, FILE_MAX[".c"], FILE_MAX[".h"]), problems)
    if lines:
        tap.note("%s: %d lines, %.0f %% of them comments" % (
            folder, lines, 100 * comment_lines / lines))


def check_calls(tap, folder):
    calls = re.compile(r"(?<![\w.>])(%s)\s*\(" % "|".join(FORBIDDEN))
    problems = []
    for path in tree.files(folder, ".c", ".h"):
        text = tree.code(path)
        problems += ["%s:%d: %s()" % (path, tree.line_of(text, match.start()), match.group(1))
                     for match in calls.finditer(text)]
    tap.point("%s: none of %s" % (folder, ", ".join(FORBIDDEN)), problems)


def mutable_objects(path):
    """Names of the variables of an object file or archive that are not read-only once it runs."""
    listing = subprocess.run(["objdump", "-t", path], capture_output=True, text=True, check=True)
    for line in listing.stdout.splitlines():
        # value, seven flag characters, section, size, name
        match = re.match(r"[0-9a-f]{16} (.{7}) (\S+)\t[0-9a-f]+ +(?:\.hidden )?(\S+)", line)
        if not match or "O" not in match.group(1):
            continue
        section = match.group(2)
        if match.group(3).startswith("__odr_asan."):
            continue  # the sanitizer's own mark of a constant
        if re.match(r"\.(data|bss|tdata|tbss)\b|\*COM\*", section) and \
                not section.startswith(".data.rel.ro"):
            yield match.group(3)


def check_globals(tap):
    name = "at most %d mutable globals in the daemon" % GLOBALS_MAX
    objects = []
    for folder in tree.FOLDERS:
        if folder != "ctl":
            objects += glob.glob(os.path.join(tree.BUILD, folder, "*.o"))
    if not objects:
        tap.skip(name, "no objects in the build directory")
        return
    found = ["%s: %s" % (os.path.relpath(path, tree.BUILD), variable)
             for path in sorted(objects) for variable in mutable_objects(path)]
    tap.point(name, found if len(found) > GLOBALS_MAX else [])
    tap.note("%d mutable globals: %s" % (len(found), ", ".join(found)))


def note_test_share(tap):
    def lines(folder):
        return sum(tree.read(path).count("\n") for path in tree.files(folder, ".c", ".h", ".py"))
    for folder in tree.FOLDERS:
        if lines(folder):
            tap.note("%s: %.2f lines of tests to one of code" % (
                folder, lines("tests/" + folder) / lines(folder)))


def main():
    tap = tree.Tap()
    have_ctags = shutil.which("ctags") is not None
    for folder in tree.EVERYTHING:
        if have_ctags:
            check_functions(tap, folder)
        else:
            tap.skip("%s: lengths and complexity of functions" % folder, "no ctags")
        check_files(tap, folder)
        check_calls(tap, folder)
    check_globals(tap)
    note_test_share(tap)
    tap.end()


main()
