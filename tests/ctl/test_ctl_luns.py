#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What a LUN may be given when it is made: each option of portcullisctl reaches the initiators, and what is none of the
values that it takes is told with those that are."""
import os
import re
import struct
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import fake  # noqa: E402
import initiator  # noqa: E402
import portcullis  # noqa: E402
from bench import DONE, REFUSED, USAGE, Bench, Ctl  # noqa: E402

TOP = os.environ.get("top_srcdir") or os.path.join(HERE, "..", "..")
MADE = "iqn.2026-11.test:made"
SECOND = "iqn.2026-11.test:second"
NAA = ("6" + "0123456789abcdef" * 2)[:32]
LONGEST = "S/N " + "9" * 32  # 36 characters
MIB = 1 << 20
DATA_PROTECT = (7, 0x27, 0)


def api_members():
    """{operation of our own: its members} as the table has them, macros put out in full."""
    with open(os.path.join(TOP, "daemon", "api", "api.c"), encoding="utf-8") as file:
        source = file.read()
    macros = dict(re.findall(r"^#define (\w+)(?:\([\w, ]*\))?\s((?:.*\\\n)*.*)", source, re.M))
    tables = dict(re.findall(r"struct api_member (\w+)\[\] = \{(.*?)\};\n", source, re.S))

    def names(text):
        found = set(re.findall(r'(?:TEXT|NUMBER|FLAG|CHAP_SECRET)\("(\w+)"|\.name = "(\w+)"', text))
        below = [macros[word] for word in set(re.findall(r"[A-Z_]{4,}", text)) & set(macros)]
        return {name for pair in found for name in pair if name}.union(*map(names, below))
    return {name: names(tables[table]) for name, table in
            re.findall(r'"Portcullis_\d+\.(\w+)",\s+MEMBERS\((\w+)\)', source)}


def test_members(tap, bench):
    """What the API takes, a command line can give."""
    operations = api_members()
    tap.ok({"LunNumber", "Naa", "Authentication"} <= operations["CreateTarget"] and len(operations) > 15,
           "the API's members are found", operations)
    source = ""
    for name in os.listdir(os.path.join(TOP, "ctl")):
        with open(os.path.join(TOP, "ctl", name), encoding="utf-8") as file:
            source += file.read()
    for name, members in operations.items():
        tap.equal({member for member in members if '"%s"' % member not in source}, set(), name + " has no member unknown here")
    for verb, arguments in (("create-target", (MADE, "memory:")), ("create-lun", (fake.IQN, "3", "memory:"))):
        bench.reset()
        operation = "".join(word.capitalize() for word in verb.split("-"))
        bench.server.answers["Portcullis_20261122." + operation] = (200, {})
        own = bench.run(verb, "--help")[1].split("Options of this verb:")[1].split("\nOptions:")[0]
        options = [word for name, value in re.findall(r"^  (--\S+)( \S+)?$", own, re.M)
                   for word in ((name, "1024") if value else (name,))]
        options = ["7" if options[i - 1] == "--lun" else word for i, word in enumerate(options)]
        code, _, err = bench.run(verb, *options, *arguments)
        tap.equal((code, err), (DONE, ""), verb + " with all of its options")
        asked = bench.asked("Portcullis_20261122." + operation)[0]
        tap.equal(set(asked), operations[operation], "asks for all that %s takes" % operation)
        tap.equal([asked[name] for name in ("SizeInBytes", "BlockSize", "PhysicalBlockSize", "ReadOnly", "Serial")],
                  [1024, 1024, 1024, True, "1024"], "as what each is")


def shown(ctl, name, number):
    """{key: value} of a LUN in `config show`."""
    targets = ctl("config", "show")[1].split("name = ")
    text = [part for part in targets if part.startswith('"%s"' % name)][0]
    group = [part for part in re.findall(r"\{([^{}]*)\}", text) if re.search(r"\blun = %d;" % number, part)][0]
    return {key: value.strip('"') for key, value in re.findall(r"(\w+) = (.*);", group)}


class Seen:
    """A LUN as an initiator sees it."""

    def __init__(self, daemon, name, number):
        with initiator.Session(*daemon.portals[0], target=name, name="iqn.2026-11.test:host").login() as session:
            for _ in range(4):
                if session.scsi([0], lun=number)[0] == 0:
                    break
            capacity = session.scsi([0x9e, 0x10] + [0] * 11 + [32, 0, 0], read=32, lun=number)[1]
            last, self.block_size = struct.unpack(">QI", capacity[:12])
            self.size = (last + 1) * self.block_size
            self.physical_block_size = self.block_size << (capacity[13] & 15)
            self.serial = self.page(session, number, 0x80).decode()
            self.designators = self.page(session, number, 0x83)
            status, _, sense = session.scsi(struct.pack(">BBIBHB", 0x2a, 0, 0, 0, 1, 0), write=b"x" * self.block_size,
                                            lun=number)
            self.refuses = (sense[2] & 15, sense[12], sense[13]) if status else None

    @staticmethod
    def page(session, number, code):
        data = session.scsi([0x12, 1, code, 1, 0, 0], read=256, lun=number)[1]
        return data[4:4 + struct.unpack(">H", data[2:4])[0]]


def test_given(tap, ctl, daemon):
    disk = os.path.join(daemon.directory, "disk")
    ctl.expect(DONE, MADE, "create-target", MADE, disk, "--lun", "5", "--size", "4M", "--block-size", "4K",
               "--physical-block-size", "16384", "--serial", LONGEST, "--naa", NAA, "--cache", "page")
    seen, kept = Seen(daemon, MADE, 5), shown(ctl, MADE, 5)
    tap.equal((seen.size, seen.block_size, seen.physical_block_size, seen.refuses), (4 * MIB, 4096, 16384, None),
              "an initiator sees its size and blocks, and may write")
    tap.equal(seen.serial, LONGEST, "its serial number")
    tap.ok(bytes.fromhex(NAA) in seen.designators, "its NAA", seen.designators)
    tap.equal(kept, {"lun": "5", "path": disk, "size": str(4 * MIB), "block_size": "4096", "physical_block_size": "16384",
                     "read_only": "false", "cache": "page", "serial": LONGEST, "naa": NAA}, "config show has it all")
    ctl.expect(DONE, "LUN", "create-lun", MADE, "255", "memory:", "--size", "1M", "--block-size", "1024", "--read-only",
               "--cache", "direct")
    seen, kept = Seen(daemon, MADE, 255), shown(ctl, MADE, 255)
    tap.equal((seen.block_size, seen.physical_block_size, seen.refuses), (1024, 1024, DATA_PROTECT),
              "a LUN more: with blocks of its own, and nobody writes to it")
    tap.ok(kept["cache"] == "direct" and kept["read_only"] == "true", "past the page cache", kept)
    tap.ok(seen.serial == kept["serial"] != "" and bytes.fromhex(kept["naa"]) in seen.designators and kept["naa"][0] == "6",
           "serial and NAA are made when none are given", kept)
    before = shown(ctl, MADE, 5)
    daemon.stop()
    daemon.start()
    tap.equal((shown(ctl, MADE, 5), shown(ctl, MADE, 255)), (before, kept), "a restart changes nothing")
    tap.equal(Seen(daemon, MADE, 5).serial, LONGEST, "for initiators neither")


def test_limits(tap, ctl, daemon):
    for option, good, key in (("--block-size", "512", "block_size"), ("--block-size", "4096", "block_size"),
                              ("--physical-block-size", "512", "physical_block_size"),
                              ("--physical-block-size", "64K", "physical_block_size"), ("--cache", "page", "cache"),
                              ("--serial", "x", "serial"), ("--serial", "a b\\\"c", "serial"),
                              ("--naa", "6" + "F" * 31, "naa"), ("--lun", "0", "lun"), ("--lun", "255", "lun")):
        ctl.expect(DONE, "created", "create-target", SECOND, "memory:", "--size", "1M", option, good)
        number = int(good) if key == "lun" else 0
        found = shown(ctl, SECOND, number)[key].replace("\\\"", '"').replace("\\\\", "\\")
        tap.equal(found, good.replace("64K", "65536").lower() if key != "serial" else good, "%s %s is kept" % (option, good))
        if key == "serial":
            tap.equal(Seen(daemon, SECOND, 0).serial, good, "and seen")
        ctl.expect(DONE, "deleted", "delete-target", SECOND)


def test_wrong(tap, ctl, daemon):
    """(option, value, exit, what is said to be right)"""
    blocks, physical = "512, 1024, 2048 or 4096", "a power of two"
    rows = (("--block-size", "", USAGE, blocks), ("--block-size", "big", USAGE, blocks), ("--block-size", "-1", USAGE, blocks),
            ("--block-size", "4k", USAGE, blocks), ("--block-size", "99999999999999999999", USAGE, blocks),
            ("--block-size", "3000", REFUSED, blocks), ("--block-size", "511", REFUSED, "greater than or equal to 512"),
            ("--block-size", "8K", REFUSED, "less than or equal to 4096"),
            ("--physical-block-size", "x", USAGE, physical), ("--physical-block-size", "3000", REFUSED, physical),
            ("--physical-block-size", "0", REFUSED, "greater than or equal to 512"),
            ("--physical-block-size", "128K", REFUSED, "less than or equal to 65536"),
            ("--cache", "fast", REFUSED, '"page" or "direct"'), ("--cache", "PAGE", REFUSED, '"page" or "direct"'),
            ("--cache", b"\xff", USAGE, "page or direct"),
            ("--serial", "9" * 37, REFUSED, "less than or equal to 36"),
            ("--serial", "", REFUSED, "greater than or equal to 1"), ("--serial", " 1", REFUSED, "without blanks at the ends"),
            ("--serial", "ü", REFUSED, "printable ASCII"), ("--serial", "a\nb", REFUSED, "printable ASCII"),
            ("--serial", b"\xff", USAGE, "printable ASCII"),
            ("--naa", "12", REFUSED, "32 hexadecimal digits of which the first is 6"),
            ("--naa", "5" + NAA[1:], REFUSED, "32 hexadecimal digits of which the first is 6"),
            ("--naa", NAA[:31] + "g", REFUSED, "32 hexadecimal digits of which the first is 6"),
            ("--naa", NAA + "0", REFUSED, "less than or equal to 32"), ("--naa", b"\xff", USAGE, "32 hexadecimal digits"),
            ("--size", "1000", REFUSED, "a multiple of block_size (512)"), ("--size", "1MB", USAGE, "K, M, G, T or P"),
            ("--serial", LONGEST, REFUSED, "expected one of its own"), ("--naa", NAA, REFUSED, "expected one of its own"))
    for option, value, code, right in rows:
        for words in (("create-target", SECOND, "memory:"), ("create-lun", MADE, "9", "memory:")):
            found = ctl(*words, *(() if option == "--size" else ("--size", "1M")), option, value)
            name = "%s %s %r" % (words[0], option, value)
            where = words[0] + " --help" if code == REFUSED else option + " is "
            tap.ok(found[0] == code and right in found[2] and where in found[2], "%s: expected %s" % (name, right), *found)
    ctl.expect(REFUSED, "at least block_size (4096)", "create-lun", MADE, "9", "memory:", "--size", "1M", "--block-size", "4096",
               "--physical-block-size", "2048")
    ctl.expect(REFUSED, "less than or equal to 255", "create-target", SECOND, "memory:", "--size", "1M", "--lun", "256")
    for number in ("", "one", "-1", "1000", "0x1"):
        ctl.expect(USAGE, "--lun is a number from 0 to 255", "create-target", SECOND, "memory:", "--lun", number)
    for words in (("create-lun", MADE, "9", "memory:", "--lun", "9"), ("resize-lun", MADE, "5", "8M", "--block-size", "512"),
                  ("create-lun", MADE, "9", "memory:", "--authentication", "chap")):
        ctl.expect(USAGE, "does not take", *words)
    ctl.expect(REFUSED, "another number", "create-lun", MADE, "5", "memory:", "--size", "1M")
    rows = daemon.control("ListTargets", {})[2]["Targets"]
    tap.equal({row["TargetName"]: [lun["LunNumber"] for lun in row["Luns"]] for row in rows},
              {portcullis.IQN: [0], MADE: [5, 255]}, "nothing was made")


def main():
    portcullis.require()
    if not portcullis.binary("portcullisctl"):
        portcullis.skip_all("portcullisctl is not built")
    tap = portcullis.Tap()
    bench = Bench(tap)
    try:
        test_members(tap, bench)
    finally:
        bench.close()
    with portcullis.Daemon(portcullis.config(control='disk_directories = [ "@DIR@" ];')) as daemon:
        ctl = Ctl(tap, daemon)
        test_given(tap, ctl, daemon)
        test_limits(tap, ctl, daemon)
        test_wrong(tap, ctl, daemon)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
