#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The request → reply cases of the API (cases.json) against a real portcullisd, as they stand, each with the state
it speaks of, and what a reply must hold beyond its status: over its control socket all but 24 (signatures), and all
of them over TCP and over TLS."""
import datetime
import json
import os
import re
import resource
import shutil
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import portcullis  # noqa: E402
import signed  # noqa: E402

PAIR = portcullis.INITIATOR
OTHER = "iqn.1993-08.org.debian:01:other"
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")


def records(daemon):
    """What is stored, by initiator: (SecretToAuthenticateInitiator, SecretToAuthenticateTarget)."""
    status, _, reply = daemon.control("DescribeChapCredentials", {"TargetARN": daemon.arn()})
    assert status == 200, reply
    assert all(row["TargetARN"] == daemon.arn() for row in reply["ChapCredentials"])
    return {row["InitiatorName"]: (row["SecretToAuthenticateInitiator"],
                                   row.get("SecretToAuthenticateTarget"))
            for row in reply["ChapCredentials"]}


def prepare(daemon, number):
    """Brings the target into the state that the case begins with."""
    for initiator in records(daemon):
        daemon.control("DeleteChapCredentials",
                       {"TargetARN": daemon.arn(), "InitiatorName": initiator})
    if number in (4, 5, 6, 7, 8) or number > 8:
        daemon.update("oldoldoldold", "newnewnewnew")
    if number == 6:
        daemon.update("444444444444", initiator=OTHER)


def stored_after(case, before):
    """The records that must stand after the case."""
    members = case["input"]
    if case["expect"]["status"] != 200 or case["operation"] == "DescribeChapCredentials":
        return before
    after = dict(before)
    if case["operation"] == "DeleteChapCredentials":
        del after[members["InitiatorName"]]
    else:
        after[members["InitiatorName"]] = (members["SecretToAuthenticateInitiator"],
                                           members.get("SecretToAuthenticateTarget"))
    return after


def right_body(case, reply, before):
    """Whether the reply's body is what the case asks for, the whole of it."""
    expect = case["expect"]
    if expect["status"] == 200:
        if case["operation"] == "DescribeChapCredentials":
            return len(reply["ChapCredentials"]) == len(before)
        return reply == {name: case["input"][name] for name in ("TargetARN", "InitiatorName")}
    if not isinstance(reply, dict) or reply.get("__type") != expect["type"]:
        return False
    if expect["message_contains"].lower() not in reply.get("message", "").lower():
        return False
    if expect["errorCode"] is None:
        return "error" not in reply
    return reply["error"] == {"errorCode": expect["errorCode"]}


def secrets_of(case):
    if not isinstance(case["input"], dict):
        return []
    return [text for name, text in case["input"].items() if name.startswith("Secret")]


def asker(daemon, endpoint, case):
    """How a case's request is sent: a function of operation and members."""
    options = case["options"]
    if not endpoint:
        return daemon.control
    how = {"sign": "nosign" not in options}
    if "ak" in options:
        how["key"] = options["ak"]
    if "sk" in options:
        how["secret"] = options["sk"]
    if "when" in options:  # 20 minutes old, in the words of the case
        how["when"] = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(minutes=20)
    if "tamper" in options:
        how["tamper"] = lambda body: body.replace(b"111111111111", b"111111111112")
    return lambda operation, members: endpoint.control(operation, members, **how)


class FullDisk:
    """While it lasts, the daemon can write no byte to any file: case 25."""

    def __init__(self, daemon):
        self.pid = daemon.process.pid

    def __enter__(self):
        self.before = resource.prlimit(self.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, (0, self.before[1]))

    def __exit__(self, *unused):
        resource.prlimit(self.pid, resource.RLIMIT_FSIZE, self.before)


def send(daemon, endpoint, case, operation, members):
    ask = asker(daemon, endpoint, case)
    if case["n"] != 25:
        return ask(operation, members)
    with FullDisk(daemon):
        return ask(operation, members)


def run(tap, daemon, endpoint, case):
    name = "%s, case %d: %s" % (endpoint.url if endpoint else "socket", case["n"], case["name"])
    name = re.sub(r":\d+,", ",", name)  # a free port is another each time
    prepare(daemon, case["n"])
    before = records(daemon)
    members = case["input"]
    if isinstance(members, str):  # bytes, one per character
        members = members.encode("latin-1")
    operation = case["options"].get("target", case["operation"])
    status, headers, reply = send(daemon, endpoint, case, operation, members)
    expect = case["expect"]
    tap.ok(status == expect["status"] and right_body(case, reply, before), name, status, reply)
    tap.ok(headers["Content-Type"] == "application/x-amz-json-1.1"
           and UUID.match(headers["x-amzn-RequestId"] or ""), name + ": headers", headers)
    tap.equal(records(daemon), stored_after(case, before), name + ": what is stored")
    if expect["status"] != 200:
        text = json.dumps(reply, ensure_ascii=False)
        tap.ok(not any(secret in text for secret in secrets_of(case)), name + ": no secret echoed")


def check_log(tap, daemon, cases, who):
    log = daemon.log()
    leaked = {s for case in cases for s in secrets_of(case) + [signed.SECRET] if s in log}
    tap.ok(not leaked, "no secret in the log", leaked)
    tap.ok(re.search(r"what=audit operation=\S+UpdateChapCredentials .*%s.* result=done" % who, log), "the log names who asked", log)


def main():
    portcullis.require()
    tap = portcullis.Tap()
    with open(os.path.join(HERE, "cases.json"), encoding="utf-8") as file:
        cases = json.load(file)
    tap.equal(len(cases), 34, "all cases are there")
    with portcullis.Daemon() as daemon:
        unsigned = [case for case in cases if case["n"] != 24]
        for case in unsigned:
            run(tap, daemon, None, case)
        check_log(tap, daemon, unsigned, " uid=%d" % os.getuid())
        tap.equal(daemon.stop(), 0, "the daemon ends well")
    for tls in (False, True):
        if tls and not shutil.which("openssl"):
            tap.skip("the cases over TLS", "openssl is not installed")
            continue
        with portcullis.Daemon(start=False) as daemon:
            trust = signed.make_authority(daemon.directory) if tls else None
            if tls:
                signed.make_certificate(daemon.directory, "cases")
            daemon.configure(signed.configuration(daemon.directory, tls))
            daemon.start()
            endpoint = signed.Endpoint(daemon, trust)
            for case in cases:
                run(tap, daemon, endpoint, case)
            check_log(tap, daemon, cases, r" peer=127.0.0.1:\d+ access_key=%s" % signed.KEY)
            tap.equal(daemon.stop(), 0, "the daemon ends well")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
