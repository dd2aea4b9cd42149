#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The signed TCP endpoint of a running portcullisd: what it says of itself, bad starts and -t, keys and certificates
that change under it, clients that are not what they should be, and many at once."""
import datetime
import os
import re
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import portcullis  # noqa: E402
import signed  # noqa: E402

FIRST = "111111111111"
PARALLEL = 50


def describe(daemon, endpoint, **how):
    """(status, __type) of a signed DescribeChapCredentials."""
    status, _, reply = endpoint.control("DescribeChapCredentials", {"TargetARN": daemon.arn()}, **how)
    return status, reply.get("__type")


def started(tls=False, control=""):
    """A daemon with the endpoint, and the endpoint."""
    daemon = portcullis.Daemon(start=False)
    try:
        trust = signed.make_authority(daemon.directory) if tls else None
        if tls:
            signed.make_certificate(daemon.directory, "first")
        daemon.configure(signed.configuration(daemon.directory, tls, control))
        daemon.start()
        return daemon, signed.Endpoint(daemon, trust)
    except BaseException:
        daemon.close()
        raise


def reload(daemon, pattern):
    """SIGHUP, and the line that says it was heard, a new one."""
    before = len(re.findall(pattern, daemon.log()))
    daemon.reload()
    deadline = time.monotonic() + 20
    while len(re.findall(pattern, daemon.log())) == before and time.monotonic() < deadline:
        time.sleep(0.01)
    return len(re.findall(pattern, daemon.log())) > before


def check_keys(tap):
    """Keys are taken and taken away without a restart; a broken file changes nothing."""
    daemon, endpoint = started()
    path = os.path.join(daemon.directory, "access-keys")
    new = {"key": "AKIDNEW", "secret": "a-new-secret"}
    with daemon:
        tap.equal(describe(daemon, endpoint), (200, None), "a good signature passes")
        open_one = endpoint.connection()
        tap.equal(describe(daemon, endpoint, connection=open_one), (200, None), "also on a connection that stays")
        tap.equal(describe(daemon, endpoint, **new)[1], "UnrecognizedClientException", "a new key is not known yet")
        signed.write_keys(path, signed.KEYS + "AKIDNEW a-new-secret\n")
        tap.ok(reload(daemon, r"what=access-keys-read path=\S+ keys=3\n"), "SIGHUP reads the keys again")
        tap.equal(describe(daemon, endpoint, **new), (200, None), "now it is")
        tap.equal(describe(daemon, endpoint), (200, None), "beside the old one")
        signed.write_keys(path, "AKIDNEW a-new-secret\nAKIDOTHER\n")
        tap.ok(reload(daemon, r'what=access-keys-kept why="\S+access-keys:2: '), "a mistake is told with its line")
        tap.equal(describe(daemon, endpoint), (200, None), "and the keys stay")
        signed.write_keys(path, "AKIDNEW a-new-secret\n")
        os.chmod(path, 0o644)
        tap.ok(reload(daemon, r"what=access-keys-kept .*its mode is 0644, expected 0600"), "so is a file for all to read")
        os.chmod(path, 0o600)
        daemon.configure(daemon.text + "\nbroken\n")
        tap.ok(reload(daemon, r"what=access-keys-read path=\S+ keys=1\n"), "a mistake in the configuration keeps no key alive")
        tap.equal(describe(daemon, endpoint)[1], "UnrecognizedClientException", "the old key is gone")
        tap.equal(describe(daemon, endpoint, connection=open_one)[1], "UnrecognizedClientException",
                  "also on the connection that stayed")
        tap.equal(describe(daemon, endpoint, **new), (200, None), "the new one is good")
        signed.write_keys(path, "AKIDNEW a-new-secret\nAKIDTHIRD a-third-secret\n")
        status, _, reply = endpoint.control("ReloadConfiguration", {}, **new)
        tap.ok(status == 400 and re.search(r"portcullis\.conf:\d+: ", reply["message"]),
               "ReloadConfiguration tells the mistake with its line", reply)
        tap.equal(describe(daemon, endpoint, key="AKIDTHIRD", secret="a-third-secret"), (200, None),
                  "and has read the keys as SIGHUP does")
        open_one.close()
        tap.ok(not any(secret in daemon.log() for secret in (signed.SECRET, "a-new-secret", "AKIDOTHER")),
               "no key of the file in the log")


def check_certificate(tap):
    """A renewed certificate is what new connections see; a broken one changes nothing."""
    daemon, endpoint = started(tls=True)

    def subject():
        with ssl.create_default_context(cafile=endpoint.trust).wrap_socket(
                socket.create_connection((endpoint.host, endpoint.port), 30), server_hostname="127.0.0.1") as wire:
            return wire.getpeercert()["subject"][0][0][1]
    with daemon:
        tap.equal(subject(), "first", "the certificate of the configuration")
        open_one = endpoint.connection()
        tap.equal(describe(daemon, endpoint, connection=open_one), (200, None), "a request over TLS")
        signed.make_certificate(daemon.directory, "second")
        tap.ok(reload(daemon, r"what=certificate-read path=\S+chain.pem\n"), "SIGHUP reads the certificate again")
        tap.equal(subject(), "second", "and the next connection sees it")
        tap.equal(describe(daemon, endpoint, connection=open_one), (200, None), "an open connection goes on")
        open_one.close()
        shutil.copy(os.path.join(daemon.directory, "authority.key"), os.path.join(daemon.directory, "key.pem"))
        tap.ok(reload(daemon, r'what=certificate-kept why="\S+key.pem: '), "a key of another is told")
        os.truncate(os.path.join(daemon.directory, "chain.pem"), 40)
        tap.ok(reload(daemon, r'what=certificate-kept why="\S+chain.pem: '), "a broken certificate is told")
        tap.equal(subject(), "second", "and it stays")
        check_versions(tap, endpoint)
        with socket.create_connection((endpoint.host, endpoint.port), 30) as wire:
            wire.sendall(b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n")
            wire.settimeout(30)
            said = b"".join(iter(lambda: receive(wire), b""))
        tap.ok(b"HTTP/1" not in said, "what is not TLS gets no HTTP", said)
        tap.equal(describe(daemon, endpoint), (200, None), "and the endpoint serves on")
        tap.equal(daemon.stop(), 0, "the daemon ends well")


def receive(wire):
    try:
        return wire.recv(4096)
    except ConnectionError:
        return b""


def check_versions(tap, endpoint):
    for version, good in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True),
                          (ssl.TLSVersion.TLSv1_3, True)):
        context = ssl.create_default_context(cafile=endpoint.trust)
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = context.maximum_version = version
        try:
            with context.wrap_socket(socket.create_connection((endpoint.host, endpoint.port), 30),
                                     server_hostname="127.0.0.1") as wire:
                found = wire.version()
        except (ssl.SSLError, ConnectionError):
            found = None
        tap.equal(found is not None, good, "%s is %s" % (version.name, "taken" if good else "refused"))


def check_starts(tap):
    """A start that cannot serve what was asked for ends with one line; -t finds the same."""
    with portcullis.Daemon(start=False) as daemon, socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        text = signed.configuration(daemon.directory, tls=False)
        keys = os.path.join(daemon.directory, "access-keys")
        nobody = os.path.join(daemon.directory, "nobody")
        rows = (  # what is changed, the last line, whether -t sees it
            (text.replace(keys, nobody), "nobody: cannot be read", True),
            (text.replace("127.0.0.1:0", "127.0.0.1:%d" % taken.getsockname()[1]), "cannot listen: Address", False),
            (text.replace("127.0.0.1:0", "192.0.2.1:0"), "expected a loopback address", True),
            (text.replace("127.0.0.1:0", "192.0.2.1:0").replace("listen =", "insecure_listen = true; listen ="),
             "cannot listen: Cannot assign", False),
            (text.replace("listen =", 'tls_certificate = "%s"; tls_key = "%s"; listen =' % (nobody, nobody)),
             "nobody: No such file or directory", True),
            (text.replace("listen =", 'tls_certificate = "%s"; tls_key = "%s"; listen =' % (keys, keys)),
             "access-keys: no start line", True))
        for changed, words, seen in rows:
            daemon.configure(changed)
            for arguments in ((), ("-t",)):
                if arguments and not seen:
                    continue
                done = subprocess.run(daemon.command(*arguments), capture_output=True, text=True, timeout=60)
                last = done.stderr.strip().split("\n")[-1]
                tap.ok(done.returncode == 1 and words in last, "%s: %s" % (" ".join(arguments) or "start", words),
                       done.stderr)
        daemon.configure(text)
        done = subprocess.run(daemon.command("-t"), capture_output=True, text=True, timeout=60)
        tap.equal(done.returncode, 0, "-t takes what is good")
        daemon.configure(text.replace('socket = "@DIR@/control.sock"', 'socket = ""'))
        alone = subprocess.Popen(daemon.command(), stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        lines = iter(alone.stderr.readline, "")
        line = next((line for line in lines if "control endpoint" in line), "")
        tap.ok(re.search(r"^control endpoint 127\.0\.0\.1:\d+ ", line), "it serves without a Unix socket", line)
        alone.terminate()
        alone.communicate(timeout=60)
        tap.equal(alone.returncode, 0, "and ends well")


def check_replay(tap):
    """Two attempts of one second are the same bytes: both are answered, as clients that retry expect."""
    daemon, endpoint = started()
    with daemon:
        when = datetime.datetime.now(datetime.timezone.utc)
        members = {"TargetARN": daemon.arn(), "InitiatorName": portcullis.INITIATOR,
                   "SecretToAuthenticateInitiator": FIRST}
        replies = [endpoint.control("UpdateChapCredentials", members, when=when)[0] for _ in range(2)]
        tap.equal(replies, [200, 200], "the same request twice is answered twice")
        late = when - datetime.timedelta(hours=1)
        status, _, reply = endpoint.control("UpdateChapCredentials", members, when=late)
        tap.ok(status == 400 and reply["message"].startswith("Signature expired: "), "an hour later it is none", reply)
        status, headers, reply = endpoint.control("ListTargets", {}, key=signed.READER, secret=signed.READER_SECRET)
        tap.ok(status == 200 and reply["Targets"], "a read-only key may look", reply)
        status, _, reply = endpoint.control("UpdateChapCredentials", b"not even JSON", key=signed.READER,
                                            secret=signed.READER_SECRET)
        tap.equal((status, reply["__type"]), (400, "AccessDeniedException"), "and is told before its body is read")
        big = endpoint.control("ListTargets", b"x" * (65 << 10))
        tap.ok(big[0] == 413 and big[2]["__type"] == "RequestEntityTooLargeException", "65 KiB are too many", big)


def check_crowd(tap, tls):
    """Many clients at once, among them some that never finish their handshake or their request."""
    daemon, endpoint = started(tls)
    wrong = []
    with daemon:
        lorises = []
        for number in range(20):
            loris = socket.create_connection((endpoint.host, endpoint.port), 30)
            loris.sendall((b"\x16\x03\x01" if tls else b"POST / HT")[:1 + number % 3])
            lorises.append(loris)

        def client(number):
            connection = endpoint.connection(60)
            for _ in range(3):
                members = {"TargetARN": daemon.arn(), "InitiatorName": "iqn.2026-11.test:%d" % number,
                           "SecretToAuthenticateInitiator": FIRST}
                status, _, reply = endpoint.control("UpdateChapCredentials", members, connection=connection)
                if status != 200:
                    wrong.append((status, reply))
            connection.close()
        threads = [threading.Thread(target=client, args=(n,)) for n in range(PARALLEL)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        word = " over TLS" if tls else ""
        tap.equal(wrong, [], "%d clients at once are answered%s" % (PARALLEL, word))
        rows = daemon.control("DescribeChapCredentials", {"TargetARN": daemon.arn()})[2]["ChapCredentials"]
        tap.equal(len(rows), PARALLEL, "and all they stored is there" + word)
        tap.equal(daemon.stop(), 0, "SIGTERM ends it with 0, whoever is connected" + word)
        for loris in lorises:
            loris.close()
        tap.ok(FIRST not in daemon.log() and signed.SECRET not in daemon.log(), "no secret in the log" + word)


def check_descriptors(tap):
    """Connections leave nothing behind, however they end."""
    daemon, endpoint = started(tls=True)

    def held():
        return len(os.listdir("/proc/%d/fd" % daemon.process.pid))
    with daemon:
        describe(daemon, endpoint)
        before = held()
        for number in range(60):
            with socket.create_connection((endpoint.host, endpoint.port), 30) as wire:
                wire.sendall([b"", b"\x16", b"GET / HTTP/1.1\r\n\r\n", os.urandom(200)][number % 4])
            if number % 3 == 0:
                describe(daemon, endpoint)
        deadline = time.monotonic() + 20
        while held() > before and time.monotonic() < deadline:
            time.sleep(0.01)
        tap.ok(held() <= before, "no descriptor is left behind", before, held())


def main():
    portcullis.require()
    tap = portcullis.Tap()
    check_keys(tap)
    check_starts(tap)
    check_replay(tap)
    check_crowd(tap, False)
    if shutil.which("openssl"):
        check_certificate(tap)
        check_crowd(tap, True)
        check_descriptors(tap)
    else:
        tap.skip("TLS", "openssl is not installed")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
