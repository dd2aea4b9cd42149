#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Clients of the HTTP endpoints that mean harm: requests byte by byte, headers, bodies and requests without end,
bodies of 1 GiB, replies that nobody reads; on the Unix socket, over TCP, over TLS, and on the metrics endpoint. They
cost the daemon no memory, and nobody else an answer. That a timer closes each is seen here of the metrics endpoint; check_control_client
and check_control_guard see it of the others, with shorter times.
"""
import http.client
import os
import re
import shutil
import socket
import ssl
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))
import initiator  # noqa: E402
import portcullis  # noqa: E402
import signed  # noqa: E402

MEMORY = 24 << 20  # bytes that may stay with the process, whatever is sent
LORISES = 30  # of each kind
GIB = 1 << 30
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: Portcullis_20261122.ListTargets\r\n"


def resident(daemon):
    """Bytes, or 0 where a sanitizer keeps what is freed."""
    with open("/proc/%d/maps" % daemon.process.pid, encoding="utf-8") as maps:
        if re.search("lib[at]san", maps.read()):
            return 0
    with open("/proc/%d/statm" % daemon.process.pid, encoding="ascii") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Way:
    """A way in: connect() gives a stream, good() whether somebody well-behaved is answered. `places`: how many
    connections it has; `flood`: how much of a body is really sent."""

    def __init__(self, daemon, name, address, good, places, flood, context=None):
        self.daemon, self.name, self.address, self.good = daemon, name, address, good
        self.places, self.flood, self.context = places, flood, context

    def connect(self):
        if isinstance(self.address, str):
            return portcullis.unix_stream(self.address, 30)
        wire = socket.create_connection(self.address, 30)
        return self.context.wrap_socket(wire, server_hostname="127.0.0.1") if self.context else wire


def send(wire, data):
    """Whether it could be sent: the other end may have closed."""
    try:
        wire.sendall(data)
        return True
    except OSError:
        return False


def is_closed(wire):
    """Reads what there is without waiting."""
    wire.settimeout(0)
    try:
        while wire.recv(65536):
            pass
        return True
    except (BlockingIOError, ssl.SSLWantReadError):
        return False
    except OSError:
        return True


def ended(wire):
    """Reads until the other end closes: what it said, or None if it does not within the time."""
    said = b""
    try:
        while True:
            piece = wire.recv(65536)
            if not piece:
                return said
            said += piece
    except (ConnectionError, ssl.SSLError):
        return said
    except socket.timeout:
        return None


def lorises(way):
    """Clients that have begun, and send a byte more each time they are asked to."""
    slow = []
    for number in range(LORISES):
        text = (HEAD + b"X: " + b"y" * 4000, HEAD + b"Content-Length: 60000\r\n\r\n" + b" " * 50000)[number % 2]
        wire = way.connect()
        begun = number % 3 * 40
        send(wire, text[:begun])
        slow.append((wire, text, begun))
    return slow


def one_byte_more(slow):
    """What is left of them; those that were closed for others are not."""
    return [(wire, text, at + 1) for wire, text, at in slow if send(wire, text[at:at + 1])]


def flood(way, head, piece, total, patience=60):
    """Sends without end, or until it is told that this is enough, or nothing is taken; how much."""
    sent = 0
    with way.connect() as wire:
        wire.settimeout(patience)
        if not send(wire, head):
            return 0
        while sent < total and send(wire, piece):
            sent += len(piece)
        return sent


def meanwhile(way, work):
    """Does something in another thread, and looks whether others are answered: (times, all of them)."""
    answers = []
    thread = threading.Thread(target=work)
    thread.start()
    while thread.is_alive() or not answers:
        answers.append(way.good())
        thread.join(0.02)
    return answers


def deaf(way, count):
    """Asks again and again and never reads a reply."""
    request = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n" if "metrics" in way.name else HEAD + b"Content-Length: 2\r\n\r\n{}"
    wire = way.connect()
    wire.settimeout(0.2)
    for _ in range(count):
        if not send(wire, request * 20):
            break
    return wire


def check(tap, way):
    for _ in range(20):
        way.good()
    before, fds = resident(way.daemon), descriptors(way.daemon)
    slow = lorises(way)
    for _ in range(30):
        slow = one_byte_more(slow)
    tap.ok(way.good(), way.name + ": others are answered beside %d slow ones" % LORISES)
    for what, head, piece, total in (
            ("headers", HEAD, b"X-Header: %s\r\n" % (b"x" * 1000), 64 << 20),
            ("a header", HEAD + b"X: ", b"x" * 65536, 64 << 20),
            ("a request line", b"POST /", b"x" * 65536, 64 << 20),
            ("1 GiB of body", HEAD + b"Content-Length: %d\r\n\r\n" % GIB, b"x" * (1 << 18), way.flood),
            ("chunks", HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"10000\r\n" + b"x" * 65536 + b"\r\n", 64 << 20),
            ("one chunk", HEAD + b"Transfer-Encoding: chunked\r\n\r\n7fffffffffffffff\r\n", b"x" * 65536, 64 << 20)):
        sent = []
        answers = meanwhile(way, lambda: sent.append(flood(way, head, piece, total)))
        grown = resident(way.daemon) - before
        print("# %s, %s: %d KiB were taken" % (way.name, what, sent[0] >> 10))
        tap.ok(all(answers) and grown < MEMORY, "%s: %s without end leave no trace" % (way.name, what),
               "%d of %d answers, %d bytes sent, %d bytes kept" % (answers.count(True), len(answers), sent[0], grown))
    sent = []
    answers = meanwhile(way, lambda: sent.append(flood(way, b"", (HEAD + b"Content-Length: 0\r\n\r\n") * 1000, 64 << 20, 2)))
    grown = resident(way.daemon) - before
    tap.ok(all(answers) and sent[0] < 64 << 20 and grown < MEMORY, way.name + ": requests without end are not taken",
           "%d of %d answers, %d bytes sent, %d bytes kept" % (answers.count(True), len(answers), sent[0], grown))
    ears = [deaf(way, 40) for _ in range(8)]
    grown = resident(way.daemon) - before
    tap.ok(way.good() and grown < MEMORY, way.name + ": replies that nobody reads are not kept by the thousand", grown)
    crowd = []
    for _ in range(2 * way.places):
        try:
            crowd.append(way.connect())
        except OSError:  # it may be the one that is closed before its handshake is done
            continue
        send(crowd[-1], b"P")
    tap.ok(way.good(), "%s: others are answered beside %d that only came" % (way.name, 2 * way.places))
    tap.ok(descriptors(way.daemon) <= fds + way.places + 4, "%s: not more than %d are kept" % (way.name, way.places),
           descriptors(way.daemon) - fds)
    for wire in [wire for wire, _, _ in slow] + ears + crowd:
        wire.close()
    tap.ok(initiator.wait_until(lambda: way.good() and descriptors(way.daemon) <= fds + 1, 20), way.name + ": nothing is kept of those that left",
           descriptors(way.daemon) - fds)
    grown = resident(way.daemon) - before
    tap.ok(grown < MEMORY, way.name + ": nor is memory", grown)


def descriptors(daemon):
    return len(os.listdir("/proc/%d/fd" % daemon.process.pid))


def is_served(daemon):
    return daemon.control("ListTargets", {})[0] == 200


def is_healthy(address):
    connection = http.client.HTTPConnection(*address, timeout=30)
    try:
        connection.request("GET", "/healthz")
        reply = connection.getresponse()
        return (reply.status, reply.read()) == (200, b"ok\n")
    finally:
        connection.close()


def in_the_clear(tap):
    with portcullis.Daemon(start=False) as daemon:
        daemon.configure(signed.configuration(daemon.directory, control='metrics = "127.0.0.1:0";'))
        daemon.start()
        endpoint = signed.Endpoint(daemon)
        found = daemon.wait_log(r"metrics endpoint (\S+):(\d+)")
        metrics = found.group(1), int(found.group(2))
        ways = (Way(daemon, "Unix socket", daemon.socket, lambda: is_served(daemon), 128, GIB),
                Way(daemon, "TCP", (endpoint.host, endpoint.port), lambda: endpoint.control("ListTargets", {})[0] == 200,
                    128, GIB),
                Way(daemon, "metrics", metrics, lambda: is_healthy(metrics), 32, 256 << 20))
        for way in ways:
            check(tap, way)
        quiet = [ways[2].connect() for _ in range(6)]
        for number, wire in enumerate(quiet):
            send(wire, (b"", b"GET /metrics HTTP/1.1\r\nX: ")[number % 2])
            wire.settimeout(60)
        tap.ok(all(ended(wire) is not None for wire in quiet), "metrics: a timer closes who sends no whole request")
        for wire in quiet:
            wire.close()
        tap.equal(daemon.stop(), 0, "the daemon ends in order")
        text = daemon.log()
        tap.ok("Sanitizer" not in text and "runtime error" not in text, "and no sanitizer complains", text[-4000:])


def over_tls(tap):
    with portcullis.Daemon(start=False) as daemon:
        trust = signed.make_authority(daemon.directory)
        signed.make_certificate(daemon.directory, "hostile")
        daemon.configure(signed.configuration(daemon.directory, tls=True))
        daemon.start()
        endpoint = signed.Endpoint(daemon, trust)
        check(tap, Way(daemon, "TLS", (endpoint.host, endpoint.port), lambda: endpoint.control("ListTargets", {})[0] == 200,
                       128, 256 << 20, ssl.create_default_context(cafile=trust)))
        tap.equal(daemon.stop(), 0, "the daemon ends in order")
        text = daemon.log()
        tap.ok("Sanitizer" not in text and "runtime error" not in text, "and no sanitizer complains", text[-4000:])


def main():
    portcullis.require()
    tap = portcullis.Tap()
    in_the_clear(tap)
    if shutil.which("openssl"):
        over_tls(tap)
    else:
        tap.skip("TLS", "openssl is not installed")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
