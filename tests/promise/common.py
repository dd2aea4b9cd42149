# SPDX-License-Identifier: BSD-2-Clause
"""What the tests of the promise K1..K9 share: names, secrets, and a target beside the one that changes."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import initiator  # noqa: E402
import portcullis  # noqa: E402

TARGET = portcullis.IQN
OTHER = "iqn.1997-05.com.amazon:othervolume"
HOST = "iqn.1994-05.com.example:host"
SECRETS = ["secret-%06d" % number for number in range(1100)]  # 13 bytes each


def two_targets(**options):
    """A configuration with the target that changes and one that must not notice."""
    return portcullis.config([portcullis.target(TARGET), portcullis.target(OTHER)], **options)


def session(daemon, secret=None, name=HOST, target=TARGET, portal=0, **options):
    """A connection to one of the daemon's portals, not logged in yet."""
    host, port = daemon.portals[portal]
    return initiator.Session(host, port, target=target, name=name, secret=secret, **options)


def attempt(daemon, secret=None, name=HOST, target=TARGET, portal=0, **options):
    """The outcome of a whole login: 0, a login status, "closed" or "reset"."""
    host, port = daemon.portals[portal]
    return initiator.attempt(host, port, target=target, name=name, secret=secret, **options)


def walk(steps, name):
    """Takes a login as far as the step of that name."""
    for step in steps:
        if step == name:
            return steps
    raise AssertionError("the login has no step %s" % name)


def sessions_of(daemon, target=TARGET):
    """The rows of ListSessions for one target."""
    status, _, reply = daemon.control("ListSessions", {"TargetARN": daemon.arn(target)})
    if status != 200:
        raise AssertionError("ListSessions: %d %r" % (status, reply))
    return reply["Sessions"]


def secrets_of(daemon, target=TARGET):
    """{initiator: (its secret, the target's secret or None)} as DescribeChapCredentials tells it."""
    status, _, reply = daemon.control("DescribeChapCredentials", {"TargetARN": daemon.arn(target)})
    if status != 200:
        raise AssertionError("DescribeChapCredentials: %d %r" % (status, reply))
    return {row["InitiatorName"]: (row["SecretToAuthenticateInitiator"], row.get("SecretToAuthenticateTarget"))
            for row in reply["ChapCredentials"]}
