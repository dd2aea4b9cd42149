#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""libiscsi's tools and the project's clients on libiscsi against a running daemon: without CHAP, with it one-way and
both ways, with wrong secrets, and what each tool reads of the disks.

[LIBI-01 LIBI-02 TEXT-01 SCSI-01..06 SCSI-12 SCSI-14 CHAP-01..05 LST-04]
"""
import re
import sys

from common import HOST, SECRETS, TARGET_SECRETS, portcullis, run, url

LUNS = ('path = "@DIR@/disk.img"; size = "64M"; physical_block_size = 4096; serial = "a-serial-number";',
        'path = "memory:"; size = "32M"; block_size = 4096;')
SESSION = "tests/interop/iscsi_session"


def discovery(daemon, tap, **chap):
    status, said = run("iscsi-ls", "-i", HOST, url(daemon, None, **chap))
    host, port = daemon.portals[0]
    tap.ok(status == 0 and "Target:%s Portal:%s:%d,1" % (portcullis.IQN, host, port) in said, "iscsi-ls", said)
    status, said = run("iscsi-ls", "-s", "-i", HOST, url(daemon, None, **chap))
    sizes = re.findall(r"Lun:(\d+) +Type:DIRECT_ACCESS \(Size:(\d+)M\)", said)  # from the last LBA, rounded down
    tap.ok(status == 0 and sizes == [("0", "63"), ("1", "31")], "iscsi-ls -s", said)


def inquiry(daemon, tap):
    """The standard data, and every page that page 00h names; one that it does not name is refused."""
    status, said = run("iscsi-inq", "-i", HOST, url(daemon))
    tap.ok(status == 0 and "Peripheral Device Type:DIRECT_ACCESS" in said and "Version:" in said, "iscsi-inq", said)
    status, said = run("iscsi-inq", "-i", HOST, "-e", 1, "-c", 0, url(daemon))
    pages = [int(code, 16) for code in re.findall(r"Page:(?:0x)?([0-9a-fA-F]{2})", said)]
    tap.equal(pages, [0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2], "iscsi-inq of page 00h names the pages")
    wanted = {0x80: "a-serial-number", 0x83: "Designator Type:(3) NAA", 0xb0: "maximum transfer length:8192",
              0xb1: "Medium rotation rate:", 0xb2: "lbprz:1"}
    for page, words in wanted.items():
        status, said = run("iscsi-inq", "-i", HOST, "-e", 1, "-c", page, url(daemon))
        tap.ok(status == 0 and words.lower() in said.lower(), "iscsi-inq of page %02Xh" % page, said)
    status, said = run("iscsi-inq", "-i", HOST, "-e", 1, "-c", 0x86, url(daemon))
    tap.ok(status not in (0, None) and "INVALID_FIELD_IN_CDB" in said, "iscsi-inq of a page that is not served", said)


def capacity(daemon, tap):
    for lun, size, block, exponent in ((0, 64 << 20, 512, 3), (1, 32 << 20, 4096, 0)):
        status, said = run("iscsi-readcapacity16", "-i", HOST, url(daemon, lun))
        wanted = ("RETURNED LOGICAL BLOCK ADDRESS:%d\n" % (size // block - 1),
                  "LOGICAL BLOCK LENGTH IN BYTES:%d\n" % block, "BLOCK EXPONENT:%d\n" % exponent,
                  "LBPME:1 LBPRZ:1", "Total size:%d" % size)
        tap.ok(status == 0 and all(words in said for words in wanted), "iscsi-readcapacity16 of LUN %d" % lun, said)
        status, said = run("iscsi-readcapacity16", "-s", "-i", HOST, url(daemon, lun))
        tap.equal((status, said.strip()), (0, str(size)), "iscsi-readcapacity16 -s of LUN %d" % lun)


def others(daemon, tap):
    status, said = run("iscsi-swp", "-i", HOST, url(daemon))
    tap.ok(status == 0 and "SWP:0" in said, "iscsi-swp reads the control mode page", said)
    status, said = run("iscsi-swp", "-s", "on", "-i", HOST, url(daemon))
    tap.ok(status not in (0, None), "iscsi-swp cannot set it: there is no MODE SELECT yet", said)
    status, said = run("iscsi-perf", "-i", HOST, "-t", 1, "-m", 16, "-b", 8, url(daemon))
    tap.ok(status == 0 and re.search(r"iops average \d+ \(\d+ MB/s\)", said), "iscsi-perf for a second", said)
    status, said = run("iscsi-perf", "-i", HOST, "-t", 1, "-m", 8, "-b", 256, "-r", url(daemon, 1))
    tap.ok(status == 0, "iscsi-perf of large random reads", said)


def sessions(daemon, tap, name, **chap):
    """The project's own client: its points are ours."""
    program = portcullis.binary(SESSION)
    if not program:
        tap.skip(SESSION, "it is not built: libiscsi-dev is missing")
        return
    status, said = run(program, HOST, url(daemon, **chap))
    points = re.findall(r"((?:^# .*\n)*)^(not ok|ok) \d+ - (.*)", said, re.MULTILINE)
    for details, verdict, point in points:
        tap.ok(verdict == "ok", "%s: %s" % (name, point), details)
    tap.ok(status == 0 and len(points) == int(re.search(r"1\.\.(\d+)", said).group(1)), name + ": all ran", said)


def refused(daemon, tap, name, words, **chap):
    """A login that must fail with these words of libiscsi's."""
    status, said = run("iscsi-readcapacity16", "-i", HOST, url(daemon, **chap), timeout=20)
    tap.ok(status not in (0, None) and re.search(words, said), name, status, said)


def chap(daemon, tap):
    one, two, wrong = SECRETS
    target_one, target_two, target_wrong = TARGET_SECRETS
    denied = "Authentication failure"
    daemon.update(one, initiator=HOST)
    discovery(daemon, tap, secret=one)
    sessions(daemon, tap, "CHAP one way", secret=one)
    refused(daemon, tap, "no CHAP", denied)
    refused(daemon, tap, "a wrong secret", denied, secret=wrong)
    refused(daemon, tap, "a wrong name", denied, secret=one, user=HOST + "x")
    refused(daemon, tap, "both ways where the target has no secret", denied, secret=one, target_secret=target_one)
    daemon.update(two, target_one, initiator=HOST)
    refused(daemon, tap, "the replaced secret", denied, secret=one)
    sessions(daemon, tap, "CHAP both ways", secret=two, target_secret=target_one)
    refused(daemon, tap, "a wrong secret in the other direction: libiscsi leaves",
            "Invalid CHAP_R response from the target", secret=two, target_secret=target_wrong)
    status, said = run("iscsi-readcapacity16", "-s", "-i", HOST, url(daemon, secret=two))
    tap.equal((status, said.strip()), (0, str(64 << 20)), "one way is enough if the initiator asks no more")
    daemon.update(two, target_two, initiator=HOST)
    refused(daemon, tap, "the target's replaced secret", "Invalid CHAP_R response from the target",
            secret=two, target_secret=target_one)
    status, said = run("iscsi-ls", "-i", HOST, url(daemon, None, secret=two, target_secret=target_two))
    tap.ok(status not in (0, None) and "CHAP_N" in said,
           "iscsi-ls that wants the target's proof leaves: discovery has no CHAP", said)


def main():
    portcullis.require("iscsi-ls", "iscsi-inq", "iscsi-readcapacity16", "iscsi-swp", "iscsi-perf")
    tap = portcullis.Tap()
    with portcullis.Daemon(portcullis.config([portcullis.target(luns=LUNS)])) as daemon:
        discovery(daemon, tap)
        inquiry(daemon, tap)
        capacity(daemon, tap)
        others(daemon, tap)
        sessions(daemon, tap, "no CHAP")
        chap(daemon, tap)
        tap.equal(daemon.stop(), 0, "the daemon ends well")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
