# SPDX-License-Identifier: BSD-2-Clause
"""A raw, scripted iSCSI initiator: it sends whatever a test wants sent and shows every PDU that comes.

    with initiator.Session(host, port, target=IQN, name=NAME, secret="111111111111") as session:
        session.login()
        status, data, sense = session.read10(0, 8)

A login can be stopped half way (login_steps()), which is what the tests of the promise need.
"""
import hashlib
import os
import select
import socket
import struct
import time

NOP_OUT, COMMAND, TMF, LOGIN, TEXT, DATA_OUT, LOGOUT = range(7)
NOP_IN, RESPONSE, TMF_RESPONSE, LOGIN_RESPONSE, TEXT_RESPONSE, DATA_IN, LOGOUT_RESPONSE = range(0x20, 0x27)
R2T, ASYNC, REJECT = 0x31, 0x32, 0x3f
NONE = 0xffffffff
ALGORITHMS = {5: "md5", 6: "sha1", 7: "sha256", 8: "sha3_256"}


class Closed(Exception):
    """The target sent FIN (reset=False) or RST (reset=True)."""

    def __init__(self, reset):
        super().__init__("reset" if reset else "end of stream")
        self.reset = reset


class Refused(Exception):
    """A Login Response with a status other than success."""

    def __init__(self, status):
        super().__init__("login status 0x%04x" % status)
        self.status = status


class Pdu:
    """A received PDU: header fields that tests look at, and its data."""

    def __init__(self, header, data):
        self.header, self.data = header, data
        self.opcode = header[0] & 0x3f
        self.flags = header[1]
        self.final = bool(header[1] & 0x80)
        self.itt, self.ttt, self.stat_sn, self.exp_cmd_sn, self.max_cmd_sn = struct.unpack(">5I", header[16:36])

    def __repr__(self):
        return "Pdu(0x%02x, flags 0x%02x, itt 0x%x, %d bytes)" % (self.opcode, self.flags, self.itt, len(self.data))


def text(pairs):
    return b"".join(("%s=%s" % pair).encode() + b"\0" for pair in pairs)


def parse_text(data):
    return [tuple(pair.split("=", 1)) for pair in data.decode().split("\0") if pair]


class Session:
    """One connection. The defaults are those of a plain Linux initiator."""

    def __init__(self, host, port, target=None, name="iqn.2026-11.test:initiator", secret=None, target_secret=None,
                 algorithms="7,6,5", isid=None, discovery=False, timeout=20, keys=()):
        self.target, self.name = target, name
        self.secret, self.target_secret = secret, target_secret
        self.algorithms, self.discovery = algorithms, discovery
        self.keys = list(keys)
        self.isid = isid or bytes([0x80]) + os.urandom(5)
        self.timeout = timeout
        self.tsih = self.requested_tsih = 0
        self.itt, self.cmd_sn, self.exp_stat_sn = 1, 1, 0
        self.max_burst, self.immediate = 262144, True
        self.pending = b""
        self.socket = socket.create_connection((host, port), timeout)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.close()

    def close(self):
        self.socket.close()

    # --- PDUs ---

    def send(self, header, data=b""):
        header = bytearray(header.ljust(48, b"\0"))
        header[5:8] = len(data).to_bytes(3, "big")
        self.socket.sendall(bytes(header) + data + bytes(-len(data) % 4))

    def _fill(self, length):
        while len(self.pending) < length:
            try:
                got = self.socket.recv(1 << 18)
            except ConnectionResetError:
                raise Closed(True) from None
            if not got:
                raise Closed(False)
            self.pending += got

    def receive(self):
        """The next PDU; Closed at the end of the stream, socket.timeout when nothing comes."""
        self._fill(48)
        length = int.from_bytes(self.pending[5:8], "big")
        whole = 48 + length + -length % 4
        self._fill(whole)
        pdu = Pdu(self.pending[:48], self.pending[48:48 + length])
        self.pending = self.pending[whole:]
        if pdu.opcode not in (R2T, DATA_IN) or pdu.flags & 1:
            self.exp_stat_sn = (pdu.stat_sn + 1) & NONE
        return pdu

    def readable(self, seconds):
        return bool(self.pending) or bool(select.select([self.socket], [], [], seconds)[0])

    def rest(self):
        """All PDUs until the stream ends: ([Pdu], whether by RST)."""
        pdus = []
        try:
            while True:
                pdus.append(self.receive())
        except Closed as end:
            return pdus, end.reset

    # --- login ---

    def login_request(self, stage, next_stage, pairs, transit=True):
        flags = (0x80 if transit else 0) | stage << 2 | (next_stage if transit else 0)
        header = struct.pack(">BBBBI6sHIHHII", 0x40 | LOGIN, flags, 0, 0, 0, self.isid, self.requested_tsih,
                             self.itt, 0, 0, self.cmd_sn, self.exp_stat_sn)
        self.send(header, text(pairs))

    def login_response(self):
        pdu = self.receive()
        if pdu.opcode != LOGIN_RESPONSE:
            raise AssertionError("expected a Login Response, got %r" % pdu)
        status = struct.unpack(">H", pdu.header[36:38])[0]
        if status:
            raise Refused(status)
        return pdu, dict(parse_text(pdu.data))

    def login_steps(self):
        """A generator: each step is sent when it is asked for, so a login can be left half way. Yields the
        names of the steps done: "challenge" (CHAP_C is here), "security", "operational" (all but the end), "full"."""
        names = [("InitiatorName", self.name), ("SessionType", "Discovery" if self.discovery else "Normal")]
        if self.target:
            names.append(("TargetName", self.target))
        method = "CHAP,None" if self.secret else "None"
        self.login_request(0, 1, names + [("AuthMethod", method)])
        pdu, keys = self.login_response()
        if keys.get("AuthMethod") == "CHAP":
            self.login_request(0, 1, [("CHAP_A", self.algorithms)], transit=False)
            pdu, keys = self.login_response()
            yield "challenge"
            self._answer(keys)
            pdu, keys = self.login_response()
            self._check(keys)
        elif self.target_secret:
            raise AssertionError("the target did not ask for CHAP")
        while not pdu.flags & 0x80:
            self.login_request(0, 1, [])
            pdu, keys = self.login_response()
        yield "security"
        offers = [("HeaderDigest", "None"), ("DataDigest", "None"), ("MaxRecvDataSegmentLength", "262144"),
                  ("InitialR2T", "No"), ("ImmediateData", "Yes"), ("MaxBurstLength", "1048576"),
                  ("FirstBurstLength", "65536"), ("DefaultTime2Wait", "0"), ("DefaultTime2Retain", "0"),
                  ("ErrorRecoveryLevel", "0"), ("MaxConnections", "1"), ("MaxOutstandingR2T", "1")]
        if self.discovery:
            offers = offers[:3]
        taken = {key for key, _ in self.keys}
        self.login_request(1, 3, [o for o in offers if o[0] not in taken] + self.keys, transit=False)
        _, self.answers = self.login_response()
        yield "operational"
        self.login_request(1, 3, [])
        pdu, _ = self.login_response()
        self.tsih = struct.unpack(">H", pdu.header[14:16])[0]
        self.max_burst = int(self.answers.get("MaxBurstLength", 262144))
        yield "full"

    def _answer(self, keys):
        self.algorithm = int(keys["CHAP_A"])
        challenge = bytes.fromhex(keys["CHAP_C"][2:])
        response = self._digest(int(keys["CHAP_I"]), self.secret, challenge)
        pairs = [("CHAP_N", self.name), ("CHAP_R", "0x" + response.hex())]
        if self.target_secret:
            self.challenge = os.urandom(16)
            pairs += [("CHAP_I", "77"), ("CHAP_C", "0x" + self.challenge.hex())]
        self.login_request(0, 1, pairs)

    def _check(self, keys):
        if not self.target_secret:
            return
        expected = self._digest(77, self.target_secret, self.challenge)
        if keys.get("CHAP_N") != self.target or bytes.fromhex(keys["CHAP_R"][2:]) != expected:
            raise AssertionError("the target does not know its own secret: %r" % keys)

    def _digest(self, identifier, secret, challenge):
        secret = secret.encode() if isinstance(secret, str) else secret
        return hashlib.new(ALGORITHMS[self.algorithm], bytes([identifier]) + secret + challenge).digest()

    def login(self):
        """The whole login; Refused or Closed when it does not come to its end. Returns self."""
        for _ in self.login_steps():
            pass
        return self

    # --- full feature phase ---

    def next_itt(self):
        self.itt = self.itt + 1 & 0x7fffffff
        return self.itt

    def command(self, cdb, read=0, write=b"", immediate=None, lun=0):
        """Sends a SCSI Command, with as much immediate data as allowed (or `immediate` bytes); returns its tag."""
        tag = self.next_itt()
        length = len(write) or read
        data = write[:min(65536, len(write)) if immediate is None else immediate]
        flags = 0x80 | (0x40 if read else 0) | (0x20 if write else 0) | 1
        header = struct.pack(">BBHIQIIII", COMMAND, flags, 0, 0, lun << 48, tag, length, self.cmd_sn, self.exp_stat_sn)
        self.cmd_sn = self.cmd_sn + 1 & NONE
        self.send(header + bytes(cdb).ljust(16, b"\0"), data)
        return tag

    def data_out(self, r2t, write, final=True):
        """Answers an R2T, in one sequence of PDUs of at most 256 KiB."""
        offset, length = struct.unpack(">II", r2t.header[40:48])
        chunks = range(0, length, 262144)
        for number, at in enumerate(chunks):
            size = min(262144, length - at)
            last = final and at + size == length
            header = struct.pack(">BBHI8sIIIIIII", DATA_OUT, 0x80 if last else 0, 0, 0, r2t.header[8:16], r2t.itt,
                                 r2t.ttt, 0, self.exp_stat_sn, 0, number, offset + at)
            self.send(header, write[offset + at:offset + at + size])

    def finish(self, tag, write=b""):
        """Receives until the command's status: (status, data in, sense)."""
        data = bytearray()
        while True:
            pdu = self.receive()
            if pdu.opcode == NOP_IN and pdu.ttt != NONE:
                self.answer_ping(pdu)
            elif pdu.itt != tag:
                raise AssertionError("unexpected %r" % pdu)
            elif pdu.opcode == R2T:
                self.data_out(pdu, write)
            elif pdu.opcode == DATA_IN:
                data += pdu.data
                if pdu.flags & 1:
                    return pdu.header[3], bytes(data), b""
            elif pdu.opcode == RESPONSE:
                return pdu.header[3], bytes(data), pdu.data[2:]
            else:
                raise AssertionError("unexpected %r" % pdu)

    def scsi(self, cdb, read=0, write=b"", lun=0):
        return self.finish(self.command(cdb, read, write, lun=lun), write)

    def ready(self):
        """TEST UNIT READY until the unit attentions are told; the senses seen, as (key, asc, ascq)."""
        seen = []
        for _ in range(10):
            status, _, sense = self.scsi([0])
            if status == 0:
                break
            seen.append((sense[2] & 15, sense[12], sense[13]))
        return seen

    def read10(self, lba, blocks, lun=0):
        return self.scsi(struct.pack(">BBIBHB", 0x28, 0, lba, 0, blocks, 0), read=blocks * 512, lun=lun)

    def write10(self, lba, data, lun=0):
        return self.scsi(struct.pack(">BBIBHB", 0x2a, 0, lba, 0, len(data) // 512, 0), write=data, lun=lun)

    def send_read10(self, lba, blocks):
        return self.command(struct.pack(">BBIBHB", 0x28, 0, lba, 0, blocks, 0), read=blocks * 512)

    def send_write10(self, lba, data, immediate=None):
        return self.command(struct.pack(">BBIBHB", 0x2a, 0, lba, 0, len(data) // 512, 0), write=data,
                            immediate=immediate)

    def answer_ping(self, pdu):
        header = struct.pack(">BBHI8sIIII", 0x40 | NOP_OUT, 0x80, 0, 0, pdu.header[8:16], NONE, pdu.ttt, self.cmd_sn,
                             self.exp_stat_sn)
        self.send(header)

    def nop(self, data=b"ping"):
        """A ping; its answer."""
        header = struct.pack(">BBHI8sIIII", 0x40 | NOP_OUT, 0x80, 0, 0, bytes(8), self.next_itt(), NONE, self.cmd_sn,
                             self.exp_stat_sn)
        self.send(header, data)
        return self.receive()

    def send_logout(self):
        header = struct.pack(">BBHIQIHHII", 0x40 | LOGOUT, 0x80, 0, 0, 0, self.next_itt(), 0, 0, self.cmd_sn,
                             self.exp_stat_sn)
        self.send(header)

    def logout(self):
        self.send_logout()
        return self.receive()

    def send_targets(self, name="All"):
        """The answer's key=value pairs, over as many PDUs as it takes."""
        tag, ttt, data = self.next_itt(), NONE, b""
        request = text([("SendTargets", name)])
        while True:
            header = struct.pack(">BBHIQIIII", 0x40 | TEXT, 0x80, 0, 0, 0, tag, ttt, self.cmd_sn, self.exp_stat_sn)
            self.send(header, request)
            pdu = self.receive()
            data += pdu.data
            if pdu.final:
                return parse_text(data)
            request, ttt = b"", pdu.ttt


def attempt(*arguments, **options):
    """A login that may fail: 0 when it succeeded, the login status, or "closed"/"reset"."""
    try:
        with Session(*arguments, **options) as session:
            session.login()
            return 0
    except Refused as refused:
        return refused.status
    except Closed as end:
        return "reset" if end.reset else "closed"


def wait_until(condition, seconds=10):
    """Polls; whether the condition came true in time."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(0.01)
    return True
