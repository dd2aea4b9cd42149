#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Every verb of portcullisctl has a help that is whole, and examples that would be understood."""
import os
import re
import shlex
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import portcullis  # noqa: E402

TOP = os.environ.get("top_srcdir") or os.path.join(HERE, "..", "..")
DONE, REFUSED, USAGE, UNREACHABLE = range(4)


def ctl(*words):
    done = subprocess.run([portcullis.binary("portcullisctl"), *words], stdin=subprocess.DEVNULL, capture_output=True,
                          text=True, timeout=30, check=False)
    return done.returncode, done.stdout, done.stderr


def table():
    """[(name, number of arguments)] of ctl/verbs.c."""
    with open(os.path.join(TOP, "ctl", "verbs.c"), encoding="utf-8") as file:
        rows = re.findall(r'\.name = "([^"]+)",(.*?)\n\t\},', file.read(), re.S)
    return [(name, int((re.search(r"\.argument_max = (\d)", body) or [0, 0])[1])) for name, body in rows]


def sections(text):
    """{title: lines below it}."""
    return {title: body for title, body in re.findall(r"^(\w[\w ]+):\n((?:  .*\n)+)", text, re.M)}


def test_verb(tap, name, arguments):
    code, text, err = ctl(*name.split(), "--help")
    tap.equal((code, err), (DONE, ""), name + " --help")
    tap.ok(re.match(r"Usage: portcullisctl %s \[OPTION\.\.\.\]( \S+)*\n\n[A-Z][^\n]*\.\n\n" % name, text),
           name + ": usage, and what it does", text)
    found = sections(text)
    titles = ["Options", "Example", "Exit status"]
    tap.ok(set(titles) <= set(found), name + ": options, an example, the exit status", sorted(found))
    tap.equal(len(re.findall(r"^  \S", found.get("Arguments", ""), re.M)), arguments, name + ": its arguments")
    tap.equal(re.findall(r"^  (\d)  ", found.get("Exit status", ""), re.M), list("0123"), name + ": each exit status")
    example = found.get("Example", "").strip().replace("\\\n", "")
    tap.ok(re.match(r"portcullisctl .*\b%s\b" % name, example), name + ": the example is of it", example)
    tap.equal(ctl(*shlex.split(example)[1:], "--help")[1], text, name + ": and would be understood")
    tap.equal(ctl("--socket", "/no/where", *shlex.split(example)[1:])[0] == USAGE, name in NEEDS_MORE,
              name + ": and is complete")
    tap.ok(max(len(line) for line in text.splitlines()) <= 80, name + ": fits a terminal")
    tap.equal(ctl("help", *name.split())[1], text, "help " + name)


# Those that look at something first: the terminal for a secret, a file.
NEEDS_MORE = ("config check",)


def main():
    if not portcullis.binary("portcullisctl"):
        portcullis.skip_all("portcullisctl is not built")
    tap = portcullis.Tap()
    verbs = table()
    tap.ok(len(verbs) > 20, "the table is found", verbs)
    for name, arguments in verbs:
        test_verb(tap, name, arguments)
    code, text, _ = ctl("--help")
    found = sections(text)
    listed = [verb for body in found.values() for verb in re.findall(r"^  ([a-z]\S*(?: [a-z]+)?)  ", body, re.M)]
    tap.equal((code, sorted(listed)), (DONE, sorted(name for name, _ in verbs)), "--help lists every verb once, in groups")
    tap.ok(len(found) >= 6 and "Configuration" in found, "of some titles", sorted(found))
    tap.equal(ctl("help"), ctl("--help"), "help is --help")
    for words in (("help", "open-gate"), ("help", "drain", "it"), ("help", "config")):
        code, out, err = ctl(*words)
        tap.ok(code == USAGE and "no such verb" in err and out == "", " ".join(words), code, out, err)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
