#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Completion of portcullisctl in bash and zsh: every verb, every option of each, and the names that the daemon knows."""
import os
import re
import shlex
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import fake  # noqa: E402
import portcullis  # noqa: E402
from bench import DONE, Bench  # noqa: E402

TOP = os.environ.get("top_srcdir") or os.path.join(HERE, "..", "..")
FOLDER = os.path.join(TOP, "contrib", "completion")
HOST = "iqn.2026-11.test:host"
BASH = """
source "$1"; shift
%s
COMP_LINE=$1 COMP_POINT=${2:-${#1}} COMP_WORDS=($1) COMP_CWORD=$(( ${#COMP_WORDS[@]} - 1 ))
_portcullisctl
printf '%%s\\n' "${COMPREPLY[@]}"
"""
ZSH = """
_describe() { print -rl -- "${(@P)2}" }
_files() { print :files }
compset() { true }
words=("${(@)argv[2,-1]}") CURRENT=$#words PREFIX=$argv[-1]
source "$argv[1]"
"""


class Shell:
    """One of the two shells, asked what a command line could become."""

    def __init__(self, bench, name):
        self.bench, self.name = bench, name

    def __call__(self, *words, settings="", point=None, socket=None):
        line = [self.bench.program, "--socket", socket or self.bench.server.path, *words]
        if self.name == "bash":
            command = ["bash", "--norc", "-c", BASH % settings, "bash", os.path.join(FOLDER, "portcullisctl.bash"),
                       " ".join(line)] + ([str(point)] if point else [])
        else:
            command = ["zsh", "-f", "-c", ZSH, "zsh", os.path.join(FOLDER, "_portcullisctl"), *line]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False, cwd=self.bench.directory)
        if done.stderr:
            return ["stderr: " + done.stderr]
        lines = [found for found in done.stdout.splitlines() if found]
        if self.name == "zsh":
            lines = [re.split(r"(?<!\\):", found)[0].replace("\\:", ":") if found != ":files" else found for found in lines]
        return lines

    def ending(self, typed, whole):
        """What is put on the line for `whole`: bash keeps what stands before a colon or '='."""
        return whole[1 + max(map(typed.rfind, ":=")):] if self.name == "bash" else whole


def prepare(bench):
    bench.reset()
    luns = [{"LunNumber": number, "SizeInBytes": 1 << 30} for number in (0, 1, 7)]
    rows = [{"TargetName": name, "TargetARN": fake.ARN + name, "SessionCount": 1, "Luns": luns}
            for name in (fake.IQN, fake.OTHER, "iqn.evil;rm -rf")]
    sessions = [{"TargetName": target, "TargetARN": fake.ARN + target, "InitiatorName": name, "ISID": isid, "TSIH": tsih,
                 "SessionType": "Normal"}
                for target, name, isid, tsih in ((fake.IQN, HOST, "00023d000001", 3), (fake.IQN, HOST, "00023d000002", 12),
                                                 (fake.OTHER, "iqn.x:other", "00023d000001", 4),
                                                 (fake.IQN, "iqn.$(reboot)", "00023d000009", 5))]
    portals = [{"Portal": name} for name in ("192.0.2.1:3260", "[2001:db8::1]:3260")]
    bench.server.answers["Portcullis_20261122.ListPortals"] = (200, {"Portals": portals})
    volumes = [{"VolumeId": name, "VolumeSizeInBytes": 1 << 30} for name in ("vol-02", "vol-12")]
    bench.server.answers["StorageGateway_20130630.ListVolumes"] = (200, {"VolumeInfos": volumes})
    bench.server.answers.update({fake.TARGETS: (200, {"Targets": rows}), fake.SESSIONS: (200, {"Sessions": sessions}),
                                 fake.ROTATIONS: (200, {"Rotations": [{"TargetName": fake.IQN, "InitiatorName":
                                                                       "iqn.rotating:host"}]})})


def table(bench):
    """{verb: its options}, as the help has them."""
    verbs = re.findall(r"^  ([a-z][a-z-]*(?: [a-z]+)?)  +", bench.run("--help")[1].split("Options:")[0], re.M)
    return {verb: re.findall(r"^  (--\S+)", bench.run(*verb.split(), "--help")[1], re.M) for verb in verbs}


def test_table(tap, bench, shell):
    """What the tables have, the shell offers, and nothing else."""
    verbs = table(bench)
    tap.equal(sorted(shell("")), sorted({verb.split()[0] for verb in verbs}), shell.name + ": every verb")
    tap.equal(sorted(shell("config", "")), sorted(verb.split()[1] for verb in verbs if " " in verb), "the second words")
    for verb, options in verbs.items():
        tap.equal(sorted(shell(*verb.split(), "--")), sorted(options), verb + ": every option")
    tap.equal(sorted(shell("-")), ["--help", "--json", "--socket", "--timeout", "--version"], "options before a verb")
    tap.equal(shell("li"), [verb for verb in verbs if verb.startswith("li")], "what begins so")
    tap.equal(shell("nothing"), [], "what nothing begins with")
    tap.equal(shell("nothing", ""), [], "behind what is no verb")
    tap.equal(sorted(shell("help", "con")), ["config"], "help config")
    tap.equal(shell("help", "config", "d"), ["diff"], "help config diff")


def test_values(tap, bench, shell):
    first = "iqn.1997-05.com.amazon:"
    rows = (
        ("targets", ("drain", ""), [fake.IQN, fake.OTHER]),
        ("one target", ("drain", first + "my"), [fake.IQN]),
        ("behind an option", ("delete-target", "--force", first + "o"), [fake.OTHER]),
        ("behind an option with a value", ("create-lun", "--size", "1G", first + "o"), [fake.OTHER]),
        ("initiators of a target", ("delete-chap", fake.IQN, ""), ["iqn.rotating:host", HOST, HOST]),
        ("of another", ("update-chap", fake.OTHER, ""), ["iqn.x:other"]),
        ("LUNs", ("resize-lun", fake.IQN, ""), ["0", "1", "7"]),
        ("a new LUN's number", ("create-lun", fake.IQN, ""), ["2"]),
        ("on or off", ("set-read-only", fake.IQN, "0", "o"), ["on", "off"]),
        ("a session's number of a target", ("close-session", fake.IQN, "1"), ["12"]),
        ("or its initiator", ("close-session", fake.OTHER, "i"), ["iqn.x:other"]),
        ("a session's number", ("close-session", "4"), ["4"]),
        ("or its target", ("close-session", first), [fake.IQN, fake.OTHER]),
        ("ISIDs", ("close-session", fake.IQN, HOST, ""), ["00023d000001", "00023d000002"]),
        ("a policy", ("create-target", "--authentication", ""), ["auto", "chap", "none"]),
        ("a policy in one word", ("create-target", "--authentication=c"), ["--authentication=chap"]),
        ("block sizes", ("create-lun", "--block-size", ""), ["512", "1024", "2048", "4096"]),
        ("a larger physical one", ("create-target", "--physical-block-size="), ["--physical-block-size=4096"]),
        ("a cache", ("create-lun", "--cache", "d"), ["direct"]),
        ("nothing for what is its author's", ("create-lun", "--serial", ""), []),
        ("a new LUN's number behind its options", ("create-lun", "--naa", "6" * 32, fake.IQN, ""), ["2"]),
        ("a time", ("rotate-chap", "--grace", "1"), ["1h", "12h", "1d"]),
        ("portals", ("remove-portal", "192."), ["192.0.2.1:3260"]),
        ("portals of IPv6", ("remove-portal", "[2001:db8::1"), ["[2001:db8::1]:3260"]),
        ("volumes", ("delete-volume", "vol-1"), ["vol-12"]),
        ("no portal where one is added", ("add-portal", ""), []),
        ("nothing behind a flag's =", ("drain", "--json=x"), []),
        ("nothing for a size", ("resize-lun", fake.IQN, "0", ""), []),
        ("nothing behind the last argument", ("drain", fake.IQN, ""), []),
        ("nothing of a target that is none", ("resize-lun", "iqn.none", ""), []),
    )
    for name, words, expected in rows:
        prepare(bench)
        found = shell(*words)
        tap.equal(sorted(found), sorted(shell.ending(words[-1], word) for word in expected), "%s: %s" % (shell.name, name))


def test_silence(tap, bench, shell):
    """Without a daemon, or with one that refuses, there are no names, and no word about it."""
    prepare(bench)
    for words in (("drain", ""), ("delete-chap", fake.IQN, ""), ("resize-lun", fake.IQN, ""), ("close-session", "")):
        tap.equal(shell(*words, socket=os.path.join(bench.directory, "nobody.sock")), [], "%s: nobody is there: %s" % (
            shell.name, words[0]))
        bench.server.answers = {}
        tap.equal(shell(*words), [], "and when all is refused")
    prepare(bench)
    tap.ok(all(operation != fake.DESCRIBE for operation, *_ in bench.server.asked), "secrets are never asked for")


def test_bash(tap, bench):
    shell = Shell(bench, "bash")
    prepare(bench)
    bench.file("x", name="secret.txt")
    os.makedirs(os.path.join(bench.directory, "secrets.d"), exist_ok=True)
    tap.equal(sorted(shell("update-chap", "--secret-file", "secr")), ["secret.txt", "secrets.d"], "files")
    tap.equal(sorted(shell("update-chap", "--secret-file=secr")), ["secret.txt", "secrets.d"], "in one word")
    tap.equal(sorted(shell("config", "check", "secret.")), ["secret.txt"], "a configuration file")
    tap.equal(shell("create-target", fake.IQN, "mem"), ["memory:"], "a RAM disk")
    tap.equal(shell("drain", "iqn.1997-05.com.amazon:my", settings="COMP_WORDBREAKS=' '"), [fake.IQN],
              "where words are not broken at colons they are offered whole")
    line = "%s --socket %s dr and more" % (bench.program, bench.server.path)
    tap.equal(shell("dr", "and", "more", point=line.index(" and")), ["drain"], "in the middle of a line")
    done = subprocess.run(["bash", "--norc", "-c", "source %s; complete -p portcullisctl" % shlex.quote(
        os.path.join(FOLDER, "portcullisctl.bash"))], capture_output=True, text=True, timeout=30, check=False)
    tap.ok(done.returncode == 0 and "-F _portcullisctl portcullisctl" in done.stdout, "it is registered", done)


def test_zsh(tap, bench):
    shell = Shell(bench, "zsh")
    prepare(bench)
    tap.equal(shell("config", "check", "x"), [":files"], "zsh: files")
    with open(os.path.join(FOLDER, "_portcullisctl"), encoding="utf-8") as file:
        tap.equal(file.readline(), "#compdef portcullisctl\n", "it names its command")


def test_hidden(tap, bench):
    """`complete` itself, which the shells ask."""
    prepare(bench)
    tap.ok("complete" not in bench.run("--help")[1].split(), "it is not among the verbs")
    for words in ((), ("",) * 9, ("--",), ("--=",), ("--socket",), ("--nothing=",), ("--secret=x", "",), ("x" * 5000,)):
        code, out, err = bench.run_bare("complete", *words)
        tap.equal((code, err), (DONE, ""), "complete %r is silent" % (words,)[:60])
        tap.ok("evil" not in out and "reboot" not in out, "nothing that a shell would obey", out)


def main():
    if not portcullis.binary("portcullisctl"):
        portcullis.skip_all("portcullisctl is not built")
    tap = portcullis.Tap()
    bench = Bench(tap)
    try:
        for name in ("bash", "zsh"):
            if not shutil.which(name):
                tap.skip("completion in " + name, name + " is not installed")
                continue
            for test in (test_table, test_values, test_silence):
                prepare(bench)
                test(tap, bench, Shell(bench, name))
            (test_bash if name == "bash" else test_zsh)(tap, bench)
        if not shutil.which("zsh"):
            done = subprocess.run(["bash", "-n", os.path.join(FOLDER, "_portcullisctl")], capture_output=True, timeout=30,
                                  check=False)
            tap.equal((done.returncode, done.stderr), (0, b""), "the words of zsh's are well-formed for a shell")
        test_hidden(tap, bench)
    finally:
        bench.close()
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
