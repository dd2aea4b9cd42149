# SPDX-License-Identifier: BSD-2-Clause
"""K4: a login that began before a change does not end after it, wherever it was. [CRED-02]"""
import sys

from common import HOST, OTHER, SECRETS, attempt, initiator, portcullis, session, two_targets, walk


def go_on(steps):
    """Tries to finish a login: what came of it."""
    try:
        for step in steps:
            if step == "full":
                return "full"
    except initiator.Refused as refused:
        return refused.status
    except (initiator.Closed, OSError):
        return "closed"
    return "ended"


def main():
    portcullis.require()
    tap = portcullis.Tap()
    with portcullis.Daemon(two_targets()) as daemon:
        # On an open target, the first update locks out those who began without CHAP.
        with session(daemon) as one:
            steps = walk(one.login_steps(), "operational")
            daemon.update(SECRETS[0], initiator=HOST)
            tap.equal(one.rest(), ([], False), "begun without CHAP: FIN and no PDU at the first update")
            tap.equal(go_on(steps), "closed", "and it cannot be finished")
        for stage, knows, offset in (("challenge", "old", 0), ("challenge", "new", 1), ("security", "old", 0),
                                     ("operational", "old", 0)):
            daemon.update(SECRETS[0], initiator=HOST)
            with session(daemon, SECRETS[offset]) as one:
                steps = walk(one.login_steps(), stage)
                daemon.update(SECRETS[1], initiator=HOST)
                tap.equal(go_on(steps), "closed", "paused at %s, then going on with the %s secret" % (stage, knows))
            tap.equal(attempt(daemon, SECRETS[1]), 0, "a new login with the new secret succeeds")
        # A change of another target's credentials disturbs no login.
        with session(daemon, SECRETS[1]) as one:
            steps = walk(one.login_steps(), "challenge")
            daemon.update(SECRETS[2], initiator=HOST, name=OTHER)
            tap.equal(go_on(steps), "full", "a change of another target does not disturb a login")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
