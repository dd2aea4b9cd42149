# SPDX-License-Identifier: BSD-2-Clause
"""K1, K3, K4 under pressure: 1,000 updates in a row while initiators log in with the current and older secrets.
No login with a replaced secret that begins after its update's reply succeeds; none with the current secret that
begins after a reply and ends before the next request fails; no session of an older generation outlives a reply.
"""
import json
import multiprocessing
import sys
import time

from common import HOST, SECRETS, initiator, portcullis, two_targets

UPDATES = 1000


def press(host, port, latest, stop, results):
    """Logs in again and again, three times of four with the newest secret it knows of, else with the one before."""
    rows, turn = [], 0
    while not stop.is_set():
        turn += 1
        number = max(0, latest.value - (turn % 4 == 0))
        began = time.monotonic()
        session, outcome, ended = None, None, None
        try:
            session = initiator.Session(host, port, target=portcullis.IQN, name=HOST, secret=SECRETS[number])
            session.login()
            outcome = 0
        except initiator.Refused as refused:
            outcome = refused.status
        except (initiator.Closed, OSError):
            outcome = -1
        ended = time.monotonic()
        if session:
            session.close()
        rows.append((number, began, ended, outcome))
    results.put(rows)


def judge(rows, changes):
    """The logins that break the promise, and how many of those that it speaks of there were."""
    broken, judged = [], [0, 0]
    for number, began, ended, outcome in rows:
        replied, replaced = changes[number][1], changes[number + 1] if number + 1 < len(changes) else None
        if replaced and began > replaced[1]:
            judged[0] += 1
            if outcome == 0:
                broken.append(("replaced secret accepted", number, began, ended))
        if began > replied and (not replaced or ended < replaced[0]):
            judged[1] += 1
            if outcome != 0:
                broken.append(("current secret refused: %d" % outcome, number, began, ended))
    return broken, judged


def main():
    portcullis.require()
    tap = portcullis.Tap()
    context = multiprocessing.get_context("fork")
    with portcullis.Daemon(two_targets()) as daemon:
        latest, stop, results = context.Value("i", -1), context.Event(), context.Queue()
        daemon.update(SECRETS[0], initiator=HOST)
        changes = [(0.0, time.monotonic())]
        latest.value = 0
        pressers = [context.Process(target=press, args=(*daemon.portals[0], latest, stop, results)) for _ in range(3)]
        for presser in pressers:
            presser.start()
        connection, refused = daemon.connection(), 0
        for number in range(1, UPDATES + 1):
            body = json.dumps({"TargetARN": daemon.arn(), "InitiatorName": HOST,
                               "SecretToAuthenticateInitiator": SECRETS[number]})
            time.sleep(0.002 if number % 3 else 0)  # some logins fit between two changes, some do not
            asked = time.monotonic()
            refused += portcullis.exchange(connection, "UpdateChapCredentials", body)[0] != 200
            changes.append((asked, time.monotonic()))
            latest.value = number
        stop.set()
        rows = [row for _ in pressers for row in results.get()]
        for presser in pressers:
            presser.join()
        broken, judged = judge(rows, changes)
        tap.equal(refused, 0, "%d updates in a row are answered 200" % UPDATES)
        tap.equal(broken, [], "of %d logins none breaks the promise" % len(rows))
        tap.ok(min(judged) > 20, "%d with a replaced secret and %d with the current one were judged" % tuple(judged))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
