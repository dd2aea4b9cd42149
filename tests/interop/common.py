# SPDX-License-Identifier: BSD-2-Clause
"""What the tests with foreign initiators share: names, secrets, URLs of libiscsi, and running a client."""
import hashlib
import os
import random
import subprocess
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import portcullis  # noqa: E402

HOST = "iqn.1994-05.com.example:host"
SECRETS = ("one-secret-000", "two-secret-000", "wrong-secret-0")  # the last one is never right
TARGET_SECRETS = ("target-one-000", "target-two-000", "target-wrong-0")
LIMIT = 60  # seconds for one client
# Clients built with the daemon may run under AddressSanitizer; what libiscsi itself leaks is not ours.
ENVIRONMENT = dict(os.environ, ASAN_OPTIONS="detect_leaks=0", LC_ALL="C")


def url(daemon, lun=0, secret=None, target_secret=None, user=HOST, query=""):
    """libiscsi's URL of a LUN; of the portal alone with lun=None. CHAP names are those that portcullis expects."""
    host, port = daemon.portals[0]
    arguments = [query] if query else []
    if target_secret is not None:
        arguments += ["target_user=" + portcullis.IQN, "target_password=" + target_secret]
    login = "%s%%%s@" % (user, secret) if secret is not None else ""
    path = "" if lun is None else "/%s/%d" % (portcullis.IQN, lun)
    return "iscsi://%s%s:%d%s%s" % (login, host, port, path, "?" + "&".join(arguments) if arguments else "")


def run(*command, timeout=LIMIT):
    """(exit status, all that it printed); status None when it did not end in time."""
    try:
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, env=ENVIRONMENT, timeout=timeout, check=False)
    except subprocess.TimeoutExpired as late:
        return None, (late.stdout or b"").decode("utf-8", "replace")
    return done.returncode, done.stdout.decode("utf-8", "replace")


def sha256(path):
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for piece in iter(lambda: file.read(1 << 20), b""):
            digest.update(piece)
    return digest.hexdigest()


def make_image(path, size, seed):
    """A file of `size` bytes: random data with holes in between, so that clients write and give back blocks."""
    source = random.Random(seed)
    with open(path, "wb") as file:
        file.truncate(size)
        for offset in range(0, size, 1 << 18):
            if source.random() < 0.6:
                file.seek(offset)
                file.write(source.randbytes(min(1 << 18, size - offset)))
