# SPDX-License-Identifier: BSD-2-Clause
"""K6: a store that stalls holds the reply no longer than K5's bounds, and what it writes late never lands behind
what the initiator's next session writes.

[CRED-08 CRED-13 CRED-14 CRED-16 SES-04 SES-05]
"""
import os
import sys
import threading
import time

from common import HOST, SECRETS, attempt, initiator, portcullis, session


class Store:
    """The switch of the test store below the LUN."""

    def __init__(self, daemon):
        self.path = os.path.join(daemon.directory, "store")
        self.set("ok")

    def set(self, words):
        with open(self.path + ".new", "w", encoding="ascii") as out:
            out.write(words + "\n")
        os.rename(self.path + ".new", self.path)


def stalled_update(daemon, store, old, new):
    """An update while a whole write is stalled: the session's last PDUs, and whether it was reset."""
    one = session(daemon, old, isid=b"\x80same\0").login()
    one.ready()
    store.set("stall")
    one.send_write10(0, b"A" * 512)
    time.sleep(0.2)  # it is at the store
    daemon.update(new, initiator=HOST, )
    ends = one.rest()
    one.close()
    return ends


def held_by_daemon(one):
    """Whether the daemon has not closed its end of this connection; an end without owner has inode 0."""
    ports = (one.socket.getpeername()[1], one.socket.getsockname()[1])
    with open("/proc/net/tcp", encoding="ascii") as table:
        rows = [row.split() for row in table][1:]
    return any(tuple(int(end.split(":")[1], 16) for end in row[1:3]) == ports and row[9] != "0" for row in rows)


def login_beside_socket(daemon, secret, new):
    """After an update whose old peer does not close: whether the login was let in while the old socket was still there."""
    with session(daemon, secret, isid=b"\x80same\0").login() as old:
        old.ready()
        daemon.update(new, initiator=HOST)
        with session(daemon, new, isid=b"\x80same\0").login() as fresh:
            beside = held_by_daemon(old)
            fresh.ready()
            return beside and fresh.write10(16, b"D" * 512)[0] == 0


def login_with(daemon, secret, isid):
    """The outcome of a login once the new secret is known: it is before the reply that tells so."""
    outcome = 0x0201
    while outcome in (0x0201, "closed"):
        outcome = attempt(daemon, secret, isid=isid)
    return outcome


def main():
    portcullis.require()
    if not portcullis.binary("tests/portcullisd-fault"):
        portcullis.skip_all("tests/portcullisd-fault is not built")
    tap = portcullis.Tap()
    lun = 'path = "/fault:@DIR@/store:@DIR@/image"; size = "16M";'
    daemon = portcullis.Daemon(portcullis.config([portcullis.target(luns=(lun,))]), start=False,
                               program="tests/portcullisd-fault")
    with daemon:
        store = Store(daemon)
        daemon.start()
        daemon.update(SECRETS[0], initiator=HOST)

        (pdus, reset) = stalled_update(daemon, store, SECRETS[0], SECRETS[1])
        tap.ok(not reset and [pdu.opcode for pdu in pdus] == [initiator.ASYNC],
               "the reply does not wait for the stalled write, which gets no response", pdus)
        tap.equal(attempt(daemon, SECRETS[1]), 0x0301, "a login that comes back is held and then told to try later")
        result = []
        fresh = session(daemon, SECRETS[1], isid=b"\x80same\0")
        thread = threading.Thread(target=lambda: result.append(fresh.login()))
        thread.start()
        time.sleep(0.5)
        tap.equal(result, [], "another one is held")
        store.set("ok")
        thread.join()
        tap.equal(len(result), 1, "and let in when the store has returned the old commands")
        tap.equal(fresh.ready(), [(6, 0x29, 0x07)], "its first unit attention is the nexus loss, once")
        tap.equal(fresh.write10(0, b"B" * 512)[0], 0, "it writes over the same block")
        tap.equal(fresh.read10(0, 1)[1], b"B" * 512, "the late write is not behind its own")
        time.sleep(0.5)
        tap.equal(fresh.read10(0, 1)[1], b"B" * 512, "nor does it come later")
        fresh.close()

        # By whatever path it returns: another ISID is the same initiator.
        stalled_update(daemon, store, SECRETS[1], SECRETS[2])
        tap.equal(attempt(daemon, SECRETS[2], isid=b"\x80other"), 0x0301, "another ISID of the initiator is held as well")
        store.set("ok")
        tap.ok(initiator.wait_until(lambda: attempt(daemon, SECRETS[2], isid=b"\x80other") == 0), "until the store returns")
        # While the old session is still being closed, it is old already.
        with session(daemon, SECRETS[2], isid=b"\x80same\0").login() as one:
            one.ready()
            store.set("stall")
            one.send_write10(8, b"C" * 512)
            time.sleep(0.2)  # it is at the store
            change = threading.Thread(target=lambda: daemon.update(SECRETS[3], initiator=HOST))
            change.start()
            outcome = []
            late = threading.Thread(target=lambda: outcome.append(login_with(daemon, SECRETS[3], isid=b"\x80other")))
            late.start()
            time.sleep(1)
            tap.ok(change.is_alive() and outcome == [], "while the change closes the old session, another ISID is held",
                   outcome)
            store.set("ok")
            change.join()
            late.join()
            tap.equal(outcome, [0], "and let in when the store has returned")

        # An old session's data outlives it: nothing acknowledged is lost.
        with session(daemon, SECRETS[3]).login() as last:
            last.ready()
            tap.equal(last.read10(0, 1)[1], b"A" * 512, "the stalled write came to its end before the login did")

        # What is waited for is the store, not a peer that does not close its socket.
        pairs = [(SECRETS[3], SECRETS[2]), (SECRETS[2], SECRETS[3])] * 5
        tap.ok(any(login_beside_socket(daemon, *pair) for pair in pairs),
               "a login does not wait for the lingering socket of a session with nothing at the store")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
