#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Header and data digests against a running daemon, with a CRC32C of the test's own: libiscsi 1.19 has no data digests,
so this initiator stands in for those that have. Every digest that the target sends is checked.

[KEY-01 LOGIN-22 ERR-01..04 DATA-07]
"""
import os
import struct
import sys

from common import HOST, portcullis

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import initiator  # noqa: E402


def crc_table():
    table = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82f63b78 if byte & 1 else 0)  # Castagnoli's polynomial, bits reversed
        table.append(byte)
    return table


TABLE = crc_table()


def crc32c(data):
    crc = 0xffffffff
    for byte in data:
        crc = crc >> 8 ^ TABLE[(crc ^ byte) & 0xff]
    return struct.pack("<I", crc ^ 0xffffffff)


class Digested(initiator.Session):
    """A session that uses the digests it negotiated, from the first PDU of the full feature phase on."""

    def __init__(self, daemon, header, data):
        host, port = daemon.portals[0]
        super().__init__(host, port, target=portcullis.IQN, name=HOST,
                         keys=[("HeaderDigest", "CRC32C" if header else "None"),
                               ("DataDigest", "CRC32C,None" if data else "None")])
        self.header = self.data = self.spoil = False
        self.checked = 0
        self.login()
        if self.answers.get("HeaderDigest") != ("CRC32C" if header else "None") or \
                self.answers.get("DataDigest") != ("CRC32C" if data else "None"):
            raise AssertionError("not negotiated: %r" % self.answers)
        self.header, self.data = header, data

    def send(self, header, data=b""):
        header = bytearray(header.ljust(48, b"\0"))
        header[5:8] = len(data).to_bytes(3, "big")
        whole = bytes(header) + (crc32c(header) if self.header else b"")
        if data:
            data += bytes(-len(data) % 4)
            whole += data + (crc32c(data) if self.data else b"")
        if self.spoil:  # the last digest of the PDU
            whole = whole[:-1] + bytes([whole[-1] ^ 1])
            self.spoil = False
        self.socket.sendall(whole)

    def _take(self, length, digested):
        size = length + (4 if digested else 0)
        self._fill(size)
        data, digest, self.pending = self.pending[:length], self.pending[length:size], self.pending[size:]
        if digested:
            if digest != crc32c(data):
                raise AssertionError("a wrong digest: %s" % digest.hex())
            self.checked += 1
        return data

    def receive(self):
        header = self._take(48, self.header)
        length = int.from_bytes(header[5:8], "big")
        pdu = initiator.Pdu(header, self._take(length + -length % 4, self.data)[:length] if length else b"")
        if pdu.opcode not in (initiator.R2T, initiator.DATA_IN) or pdu.flags & 1:
            self.exp_stat_sn = (pdu.stat_sn + 1) & initiator.NONE
        return pdu


def traffic(daemon, tap, header, data):
    """Pings of every padding; writes with immediate data alone and with R2Ts; reads of several PDUs."""
    name = "HeaderDigest %s, DataDigest %s: " % ("on" if header else "off", "on" if data else "off")
    with Digested(daemon, header, data) as session:
        session.ready()
        echoes = [session.nop(b"x" * length).data for length in range(6)]
        tap.equal(echoes, [b"x" * length for length in range(6)], name + "pings of 0 to 5 bytes")
        good = True
        for blocks in (1, 7, 128, 129, 500):
            written = bytes(range(256)) * 2 * blocks
            status, _, _ = session.write10(3, written)
            again, found, _ = session.read10(3, blocks)
            good = good and status == again == 0 and found == written
        tap.ok(good, name + "writes and reads")
        tap.ok((session.checked > 10) == (header or data), name + "every digest was right", session.checked)
        session.logout()


def spoiled_data(daemon, tap):
    """The target tells that it threw the PDU away; the session goes on, and the command can be sent again."""
    with Digested(daemon, True, True) as session:
        session.ready()
        session.write10(9, b"o" * 512)
        number = session.cmd_sn
        session.spoil = True
        session.send_write10(9, b"n" * 512)
        pdu = session.receive()
        tap.ok(pdu.opcode == initiator.REJECT and pdu.header[2] == 0x02 and len(pdu.data) == 48,
               "a wrong data digest: Reject, reason 02h, with the header", pdu)
        session.cmd_sn = number  # the command did not happen
        tap.equal(session.read10(9, 1)[1], b"o" * 512, "nothing of it was written")
        tap.equal(session.write10(9, b"n" * 512)[0], 0, "sent again, it is done")
        tap.equal(session.read10(9, 1)[1], b"n" * 512, "and reads back")


def spoiled_header(daemon, tap):
    """Nothing of the stream can be trusted any more: the connection ends."""
    with Digested(daemon, True, False) as session:
        session.ready()
        session.spoil = True
        session.send(struct.pack(">BBHIQIII", 0x40 | initiator.NOP_OUT, 0x80, 0, 0, 0, 77, initiator.NONE, session.cmd_sn))
        pdus, reset = session.rest()
        tap.ok(not reset and all(pdu.opcode != initiator.NOP_IN for pdu in pdus),
               "a wrong header digest: no answer, and the connection ends", pdus, reset)


def main():
    portcullis.require()
    tap = portcullis.Tap()
    tap.equal(crc32c(bytes(32)).hex(), "aa36918a", "the test's own CRC32C: 32 zeros as in RFC 3720, appendix B.4")
    with portcullis.Daemon() as daemon:
        for header in (False, True):
            for data in (False, True):
                traffic(daemon, tap, header, data)
        spoiled_data(daemon, tap)
        spoiled_header(daemon, tap)
        tap.equal(daemon.stop(), 0, "the daemon ends well")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
