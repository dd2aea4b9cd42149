#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The wire as tshark sees it: discovery, logins with CHAP both ways and with digests, I/O, and a change of the
credentials while it runs. Its iSCSI dissector must find nothing malformed; each session that the change closed ends with
Async Message event 3, then FIN; the target sends no RST at all.

[CRED-03 CRED-04 CRED-06 ASY-01 LNX-04 SEQ-05 SEQ-08]
"""
import collections
import os
import re
import subprocess
import sys
import time

from common import ENVIRONMENT, HOST, SECRETS, TARGET_SECRETS, portcullis, run, url

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import initiator  # noqa: E402

OTHER = "iqn.2026-11.example:other"
HOLDERS = 3
IO = "tests/interop/iscsi_io"
# Opcodes of what a target sends, without the two upper bits.
NOP_IN, SCSI_RESPONSE, LOGIN_RESPONSE, DATA_IN, LOGOUT_RESPONSE, R2T, ASYNC, REJECT = \
    0x20, 0x21, 0x23, 0x25, 0x26, 0x31, 0x32, 0x3f


class Capture:
    """dumpcap on the loopback interface, one TCP port."""

    def __init__(self, directory, port):
        self.file, self.port = os.path.join(directory, "wire.pcapng"), port
        self.process = subprocess.Popen(["dumpcap", "-q", "-i", "lo", "-s", "0", "-B", "32", "-f", "tcp port %d" % port,
                                         "-w", self.file], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.PIPE, text=True)
        self.said = ""

    def started(self):
        """Whether it captures; it says so by naming its file."""
        for line in self.process.stderr:
            self.said += line
            if line.startswith("File:"):
                return True
        return False

    def stop(self):
        """How many packets it lost; None when it does not say."""
        time.sleep(0.5)  # the last packets are on their way from the kernel
        self.process.terminate()
        self.said += self.process.communicate(timeout=30)[1]
        dropped = re.search(r"received/dropped on interface.*?: (\d+)/(\d+)", self.said)
        return int(dropped.group(2)) if dropped else None

    def read(self, *arguments):
        """tshark's lines on the capture, all of the port dissected as iSCSI."""
        status, said = run("tshark", "-r", self.file, "-n", "-d", "tcp.port==%d,iscsi" % self.port,
                           "-o", "iscsi.target_ports:%d" % self.port, "-o", "iscsi.bogus_pdu_max_data_len:16777215",
                           "-o", "iscsi.demand_good_f_bit:TRUE", *arguments)
        if status != 0:
            raise RuntimeError("tshark: %s" % said)
        return [line for line in said.splitlines() if line and not line.startswith(("Running as", "tshark:"))]

    def fields(self, display, *names):
        """One tuple of the fields' texts for each packet that the display filter lets through."""
        wanted = [word for name in names for word in ("-e", name)]
        return [tuple(line.split("|")) for line in
                self.read("-Y", display, "-T", "fields", "-E", "separator=|", "-E", "occurrence=a", *wanted)]


def usual_traffic(daemon, tap):
    """What real initiators do, each in its own way, with nothing changed under their hands."""
    one, mutual = {"secret": SECRETS[0]}, {"secret": SECRETS[0], "target_secret": TARGET_SECRETS[0]}
    clients = [("iscsi-ls", "-s", "-i", HOST, url(daemon, None, **one)), ("iscsi-inq", "-i", HOST, url(daemon, **mutual)),
               ("iscsi-readcapacity16", "-i", HOST, url(daemon, query="header_digest=crc32c", **mutual))]
    program = portcullis.binary(IO)
    if program:
        clients += [(program, "-i", HOST, "write", url(daemon, **mutual), 5, 4),
                    (program, "-i", HOST, "verify", url(daemon, **mutual), 5, 4)]
    for client in clients:
        status, said = run(*client)
        tap.ok(status == 0, "a client: %s" % os.path.basename(client[0]), said)
    status, _ = run("iscsi-inq", "-i", HOST, url(daemon, secret=SECRETS[2]), timeout=20)
    tap.ok(status not in (0, None), "a client with a wrong secret")


def hold(daemon, name=HOST, number=0, secret=SECRETS[0]):
    program = portcullis.binary(IO)
    log = os.path.join(daemon.directory, "holder-%d" % number)
    with open(log, "wb") as out:
        return log, subprocess.Popen([program, "-i", name, "hold", url(daemon, secret=secret, user=name), "60"],
                                     stdin=subprocess.DEVNULL, stdout=out, stderr=out, env=ENVIRONMENT)


def is_holding(log):
    with open(log, "rb") as out:
        return b"holding" in out.read()


def change(daemon, tap):
    """The change, with I/O running in some sessions, none in one, and a discovery session on the same portal."""
    host, port = daemon.portals[0]
    if not portcullis.binary(IO):
        tap.skip("sessions with I/O running", "iscsi_io is not built: libiscsi-dev is missing")
    holders = [hold(daemon, number=number) for number in range(HOLDERS)] if portcullis.binary(IO) else []
    quiet = initiator.Session(host, port, target=portcullis.IQN, name=HOST, secret=SECRETS[0])
    try:
        quiet.login()
        quiet.ready()
        tap.ok(initiator.wait_until(lambda: all(is_holding(log) for log, _ in holders)), "sessions hold the disk")
        daemon.update(SECRETS[1], TARGET_SECRETS[1], initiator=HOST)
        pdus, reset = quiet.rest()
        tap.ok([pdu.opcode for pdu in pdus] == [initiator.ASYNC] and not reset, "the quiet session: Async Message and FIN")
    finally:
        quiet.close()
        for _, process in holders:
            process.wait(60)
    tap.ok(all(process.returncode == 0 for _, process in holders), "the others saw it too",
           *(open(log, encoding="utf-8").read() for log, _ in holders))


Stream = collections.namedtuple("Stream", "pdus flags last_from_target")


def streams_of(capture):
    """{stream: what the target sent: its PDUs' opcodes in order, all TCP flags, and what its last packets were}"""
    streams = {}
    for number, flags, opcodes in capture.fields("tcp.srcport==%d" % capture.port, "tcp.stream", "tcp.flags", "iscsi.opcode"):
        stream = streams.setdefault(int(number), Stream([], set(), []))
        pdus = [int(opcode, 0) & 0x3f for opcode in opcodes.split(",") if opcode]
        stream.pdus.extend(pdus)
        stream.flags.add(int(flags, 16) & 0x05)  # FIN and RST
        stream.last_from_target.append((int(flags, 16) & 0x05, bool(pdus)))
    return streams


def check_dissection(capture, tap):
    """The dissector's judgement. Of TCP's own remarks only the target's RST is an error here: loss does not happen, but
    a full window does when a peer is slow."""
    pdus = capture.fields("iscsi", "frame.number")
    tap.ok(len(pdus) > 100, "tshark dissects the traffic as iSCSI", len(pdus))
    bad = capture.read("-Y", "_ws.malformed || iscsi.opcode.invalid || _ws.expert.group == 0x07000000")
    tap.equal(bad, [], "nothing is malformed")
    bad = capture.read("-Y", "iscsi && _ws.expert.severity >= 0x00600000")
    tap.equal(bad, [], "no expert item of iSCSI or SCSI is a warning or an error")
    bad = capture.read("-2", "-Y", "tcp.srcport==%d && tcp.len > 0 && !iscsi && !tcp.reassembled_in && "
                       "!tcp.analysis.retransmission && !tcp.analysis.out_of_order" % capture.port)
    tap.equal(bad, [], "no byte from the target is outside of a PDU")
    rejects = capture.read("-Y", "iscsi.opcode == 0x3f")
    tap.equal(rejects, [], "the target rejects nothing")


def check_ends(capture, tap):
    streams = streams_of(capture)
    tap.ok(not any(flags & 0x04 for stream in streams.values() for flags in stream.flags), "no RST from the target",
           {number: stream.flags for number, stream in streams.items()})
    tap.ok(all(0x01 in stream.flags for stream in streams.values()), "a FIN from the target on every connection",
           {number: stream.flags for number, stream in streams.items()})
    closed = {number: stream for number, stream in streams.items() if ASYNC in stream.pdus}
    expected = 1 + (HOLDERS if portcullis.binary(IO) else 0)
    tap.equal(len(closed), expected, "as many Async Messages as sessions of the changed target")
    tap.ok(all(stream.pdus[-1] == ASYNC and stream.pdus.count(ASYNC) == 1 for stream in closed.values()),
           "it is the last PDU of its connection", {number: stream.pdus[-5:] for number, stream in closed.items()})
    ends = {number: [end for end in stream.last_from_target if end[0]] for number, stream in closed.items()}
    tap.ok(all(end for end in ends.values()), "and FIN follows", ends)
    last = [stream.last_from_target for stream in closed.values()]
    tap.ok(all(not any(has_pdu for _, has_pdu in packets[[flag for flag, _ in packets].index(1) + 1:]) for packets in last),
           "no PDU behind the FIN")
    events = capture.fields("iscsi.opcode == 0x32", "iscsi.asyncevent", "iscsi.parameter2", "iscsi.parameter3")
    tap.ok(len(events) == expected and all(int(word, 0) == wanted for event in events
                                           for word, wanted in zip(event, (3, 0, 0))),
           "event 3, Parameter2 and Parameter3 zero [CRED-04]", events)


def check_numbers(capture, tap):
    """StatSN of the answers that carry one goes up by one, and MaxCmdSN never comes back [SEQ-05] [SEQ-08]."""
    rows = capture.fields("tcp.srcport==%d && iscsi && !(iscsi.opcode in {0x20, 0x23, 0x25, 0x31})" % capture.port,
                          "tcp.stream", "iscsi.opcode", "iscsi.statsn")
    wrong, latest = [], {}
    for stream, opcodes, numbers in rows:
        numbers = [int(number, 0) for number in numbers.split(",") if number]
        for number in numbers if len(numbers) == len(opcodes.split(",")) else []:
            if stream in latest and (number - latest[stream]) & 0xffffffff >= 0x80000000:
                wrong.append((stream, latest[stream], number))
            latest[stream] = number
    tap.ok(latest and not wrong, "StatSN never comes back", wrong)
    wrong, latest = [], {}
    for stream, numbers in capture.fields("tcp.srcport==%d && iscsi.maxcmdsn" % capture.port, "tcp.stream", "iscsi.maxcmdsn"):
        for number in (int(number, 0) for number in numbers.split(",")):
            if stream in latest and (number - latest[stream]) & 0xffffffff >= 0x80000000:
                wrong.append((stream, latest[stream], number))
            latest[stream] = number
    tap.ok(latest and not wrong, "MaxCmdSN never comes back", wrong)


def main():
    portcullis.require("dumpcap", "tshark", "iscsi-ls", "iscsi-inq", "iscsi-readcapacity16")
    tap = portcullis.Tap()
    with portcullis.Daemon(portcullis.config([portcullis.target(luns=('path = "@DIR@/disk.img"; size = "64M";',))])) as daemon:
        capture = Capture(daemon.directory, daemon.portals[0][1])
        if not capture.started():
            capture.process.wait()
            portcullis.skip_all("no right to capture on lo")
        try:
            daemon.update(SECRETS[0], TARGET_SECRETS[0], initiator=HOST)
            usual_traffic(daemon, tap)
            change(daemon, tap)
            dropped = capture.stop()
        finally:
            if capture.process.poll() is None:
                capture.process.kill()
                capture.process.wait()
        if dropped != 0:
            tap.skip("the trace", "the kernel dropped packets of it: %s" % dropped)
        else:
            check_dissection(capture, tap)
            check_ends(capture, tap)
            check_numbers(capture, tap)
        tap.equal(daemon.stop(), 0, "the daemon ends well")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
