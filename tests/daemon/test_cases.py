#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The request → reply cases of the API (cases.json) against a real portcullisd over its control
socket: cases 1..23 as they stand, each with the state it speaks of, and what a reply must hold
beyond its status. Case 24 (signatures) is the TCP endpoint's, case 25 (a failing store) needs a
fault and stands with the state tests."""
import json
import os
import re
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import portcullis  # noqa: E402

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


def run(tap, daemon, case):
    name = "case %d: %s" % (case["n"], case["name"])
    prepare(daemon, case["n"])
    before = records(daemon)
    members = case["input"]
    if isinstance(members, str):  # bytes, one per character
        members = members.encode("latin-1")
    operation = case["options"].get("target", case["operation"])
    status, headers, reply = daemon.control(operation, members)
    expect = case["expect"]
    tap.ok(status == expect["status"] and right_body(case, reply, before), name, status, reply)
    tap.ok(headers["Content-Type"] == "application/x-amz-json-1.1"
           and UUID.match(headers["x-amzn-RequestId"] or ""), name + ": headers", headers)
    tap.equal(records(daemon), stored_after(case, before), name + ": what is stored")
    if expect["status"] != 200:
        text = json.dumps(reply, ensure_ascii=False)
        tap.ok(not any(secret in text for secret in secrets_of(case)), name + ": no secret echoed")


def main():
    portcullis.require()
    tap = portcullis.Tap()
    with open(os.path.join(HERE, "cases.json"), encoding="utf-8") as file:
        cases = [case for case in json.load(file) if case["n"] <= 23]
    with portcullis.Daemon() as daemon:
        for case in cases:
            run(tap, daemon, case)
        log = daemon.log()
        leaked = {s for case in cases for s in secrets_of(case) if s in log}
        tap.ok(not leaked, "no secret in the log", leaked)
        tap.ok(re.search(r"UpdateChapCredentials.*uid=%d " % os.getuid(), log)
               or re.search(r"uid=%d .*UpdateChapCredentials" % os.getuid(), log),
               "the log names who asked", log)
        tap.equal(daemon.stop(), 0, "the daemon ends well")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
