# SPDX-License-Identifier: BSD-2-Clause
"""K5 on one connection: what is complete finishes and answers, what waits for data leaves no trace, Data-Out that
still streams in is drained so that no RST throws answers away, and a peer that takes nothing holds nobody up.

[CRED-03 CRED-04 CRED-06 CRED-13 ASY-01 DATA-18]
"""
import struct
import sys
import threading

from common import HOST, SECRETS, initiator, portcullis, session, two_targets


def statuses(pdus):
    """{task tag: SCSI status}"""
    found = {}
    for pdu in pdus:
        if pdu.opcode == initiator.RESPONSE or (pdu.opcode == initiator.DATA_IN and pdu.flags & 1):
            found[pdu.itt] = pdu.header[3]
    return found


def complete_and_incomplete(daemon, tap):
    with session(daemon, SECRETS[0]).login() as one:
        one.ready()
        whole = [one.send_write10(8 * n, bytes([n]) * 4096) for n in range(1, 17)]
        half = one.send_write10(1000, b"\xaa" * 65536, immediate=32768)
        none = one.send_write10(2000, b"\xbb" * 1048576, immediate=0)
        reads = [one.send_read10(0, 8) for _ in range(16)]
        while True:  # both that wait have been asked for their data
            pdu = one.receive()
            if pdu.opcode == initiator.R2T and pdu.itt == none:
                break
        first = struct.pack(">BBHI8sIIIIIII", initiator.DATA_OUT, 0, 0, 0, pdu.header[8:16], none, pdu.ttt, 0, 0, 0, 0, 0)
        one.send(first, b"\xbb" * 65536)
        thread = threading.Thread(target=daemon.update, args=(SECRETS[1],), kwargs={"initiator": HOST})
        thread.start()
        pdus, reset = one.rest()
        thread.join()
        found = statuses(pdus)
        tap.ok(not reset and pdus[-1].opcode == initiator.ASYNC, "the stream ends with the Async Message and FIN", pdus[-3:])
        tap.ok(half not in found and none not in found, "commands that wait for data get no response")
        del whole, reads
    with session(daemon, SECRETS[1]).login() as after:
        after.ready()
        good = all(after.read10(8 * n, 8)[1] == bytes([n]) * 4096 for n in range(1, 17))
        tap.ok(good, "every write that was complete is on the medium")
        tap.equal(after.read10(1000, 128)[1], bytes(65536), "nothing of the half write is")
        tap.equal(after.read10(2000, 128)[1], bytes(65536), "nor of the one whose Data-Out streamed")


def streaming(daemon, tap):
    """Data-Out in full stream at the moment of the change."""
    with session(daemon, SECRETS[1]).login() as one:
        one.ready()
        done = threading.Event()

        def stream():
            try:
                while not done.is_set():
                    one.send_write10(0, b"\xcc" * 65536)
            except OSError:
                pass
        sender = threading.Thread(target=stream)
        sender.start()
        pdus = [one.receive() for _ in range(50)]
        thread = threading.Thread(target=daemon.update, args=(SECRETS[2],), kwargs={"initiator": HOST})
        thread.start()
        rest, reset = one.rest()
        done.set()
        thread.join()
        sender.join()
        pdus += rest
        tap.ok(not reset and pdus[-1].opcode == initiator.ASYNC, "the Async Message arrives although writes stream in", rest[-2:])


def deaf_peer(daemon, tap):
    """A peer that asks for much and reads nothing."""
    with session(daemon, SECRETS[2]) as one:
        one.login()
        one.ready()
        for _ in range(100):
            one.command(struct.pack(">BBIBHB", 0x28, 0, 0, 0, 2048, 0), read=2048 * 512)
        daemon.update(SECRETS[3], initiator=HOST)
        tap.ok(True, "a peer that takes nothing does not hold the reply")
        tap.ok(initiator.wait_until(lambda: one.rest()[1]), "it is reset")


def main():
    portcullis.require()
    tap = portcullis.Tap()
    with portcullis.Daemon(two_targets()) as daemon:
        daemon.update(SECRETS[0], initiator=HOST)
        complete_and_incomplete(daemon, tap)
        streaming(daemon, tap)
        deaf_peer(daemon, tap)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
