# SPDX-License-Identifier: BSD-2-Clause
"""A client of the signed TCP endpoint in plain Python: Signature Version 4 written down a second time, so that tests
can also sign wrongly, and certificates made by openssl(1)."""
import datetime
import hashlib
import hmac
import http.client
import os
import re
import ssl
import subprocess

import portcullis

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
READER, READER_SECRET = "AKIDREADER", "only-looks-at-things"
KEYS = "# keys of the tests\n%s %s\n%s %s read-only\n" % (KEY, SECRET, READER, READER_SECRET)


def authorization(key, secret, when, headers, body, region="us-east-1", service="storagegateway"):
    """The Authorization header of POST / with these headers, all of them signed."""
    def step(chain, text):
        return hmac.new(chain, text.encode(), hashlib.sha256).digest()
    names = sorted(name.lower() for name in headers)
    values = {name.lower(): value for name, value in headers.items()}
    canonical = "\n".join(["POST", "/", ""] + ["%s:%s" % (name, values[name]) for name in names]
                          + ["", ";".join(names), hashlib.sha256(body).hexdigest()])
    day = when.strftime("%Y%m%d")
    scope = "/".join((day, region, service, "aws4_request"))
    text = "\n".join(("AWS4-HMAC-SHA256", when.strftime("%Y%m%dT%H%M%SZ"), scope,
                      hashlib.sha256(canonical.encode()).hexdigest()))
    chain = ("AWS4" + secret).encode()
    for part in (day, region, service, "aws4_request"):
        chain = step(chain, part)
    return "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
        key, scope, ";".join(names), step(chain, text).hex())


def headers(host, operation, body, key=KEY, secret=SECRET, when=None, **more):
    """All headers of a signed request; `when` is a datetime in UTC."""
    when = when or datetime.datetime.now(datetime.timezone.utc)
    found = {"Host": host, "X-Amz-Target": operation, "Content-Type": "application/x-amz-json-1.1",
             "X-Amz-Date": when.strftime("%Y%m%dT%H%M%SZ")}
    found["Authorization"] = authorization(key, secret, when, found, body, **more)
    return found


class Endpoint:
    """The TCP endpoint of a portcullis.Daemon; `trust` is the file of the authority that signed its certificate."""

    def __init__(self, daemon, trust=None):
        found = re.findall(r"^control endpoint (\S+):(\d+) ", daemon.log(since_start=True), re.M)[-1]
        self.host, self.port = found[0].strip("[]"), int(found[1])
        self.name = "%s:%d" % (found[0], self.port)
        self.trust = trust
        self.url = "http%s://%s" % ("s" if trust else "", self.name)

    def connection(self, timeout=30):
        if not self.trust:
            return http.client.HTTPConnection(self.host, self.port, timeout=timeout)
        return http.client.HTTPSConnection(self.host, self.port, timeout=timeout,
                                           context=ssl.create_default_context(cafile=self.trust))

    def control(self, operation, members, connection=None, sign=True, tamper=None, **how):
        """As Daemon.control(), signed; `tamper` changes the body after it was signed, `how` is for headers()."""
        body = portcullis.body_of(members)
        operation = portcullis.full_name(operation)
        given = headers(self.name, operation, body, **how) if sign else {"X-Amz-Target": operation}
        used = connection or self.connection()
        try:
            return portcullis.reply_to(used, tamper(body) if tamper else body, given)
        finally:
            if not connection:
                used.close()


def configuration(directory, tls=False, control="", **more):
    """A configuration with the endpoint on a free port; writes its access keys, and certificates if `tls`."""
    path = os.path.join(directory, "access-keys")
    write_keys(path, KEYS)
    extra = 'listen = "127.0.0.1:0"; access_keys = "%s"; %s' % (path, control)
    if tls:
        extra += ' tls_certificate = "%s/chain.pem"; tls_key = "%s/key.pem";' % (directory, directory)
    return portcullis.config(control=extra, **more)


def write_keys(path, text):
    """Replaces the file of access keys."""
    with open(path + ".new", "w", encoding="ascii", opener=lambda name, flags: os.open(name, flags, 0o600)) as out:
        out.write(text)
    os.rename(path + ".new", path)


def make_authority(directory):
    """An authority of the tests' own; the path of its certificate."""
    certificate = os.path.join(directory, "authority.pem")
    openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
            "-subj", "/CN=authority of a test", "-keyout", os.path.join(directory, "authority.key"),
            "-out", certificate)
    return certificate


def make_certificate(directory, name):
    """A certificate for 127.0.0.1 signed by the authority: chain.pem and key.pem."""
    request, extensions = os.path.join(directory, "request.pem"), os.path.join(directory, "extensions")
    with open(extensions, "w", encoding="ascii") as out:
        out.write("subjectAltName = IP:127.0.0.1, DNS:localhost\nbasicConstraints = CA:FALSE\n")
    openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=" + name,
            "-keyout", os.path.join(directory, "key.pem"), "-out", request)
    openssl("x509", "-req", "-in", request, "-days", "2", "-CA", os.path.join(directory, "authority.pem"),
            "-CAkey", os.path.join(directory, "authority.key"), "-CAcreateserial", "-extfile", extensions,
            "-out", os.path.join(directory, "chain.pem"))


def openssl(*arguments):
    subprocess.run(("openssl",) + arguments, check=True, capture_output=True, timeout=60)
