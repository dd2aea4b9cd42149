# SPDX-License-Identifier: BSD-2-Clause
"""Where connections are placed: each new one on the worker with the fewest, whatever target it logs in to; so the
sessions of one target, and of its one LUN, are served by all workers at once.
"""
import collections
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import initiator  # noqa: E402
import portcullis  # noqa: E402
import prometheus  # noqa: E402

WORKERS, EACH = 4, 8


def metrics(daemon):
    connection = daemon.connection()
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return prometheus.parse(text)


def of_workers(daemon, name):
    """The values of a metric, by worker."""
    found = metrics(daemon)
    return [found.value(name, worker=str(number)) for number in range(WORKERS)]


def login(daemon, number):
    session = initiator.Session(*daemon.portals[0], target=portcullis.IQN,
                                name="iqn.2026-11.example:%d" % number).login()
    session.ready()
    return session


def placed(daemon):
    """{worker: number of sessions}, as ListSessions tells."""
    _, _, reply = daemon.control("ListSessions", {"TargetARN": daemon.arn()})
    return collections.Counter(session["Worker"] for session in reply["Sessions"])


def worker_of(daemon, number):
    _, _, reply = daemon.control("ListSessions", {"TargetARN": daemon.arn()})
    return [session["Worker"] for session in reply["Sessions"]
            if session["InitiatorName"] == "iqn.2026-11.example:%d" % number][0]


def check_spread(tap, daemon):
    even = {worker: EACH for worker in range(WORKERS)}
    tap.equal(dict(placed(daemon)), even, "the sessions of one target are spread evenly")
    tap.equal(of_workers(daemon, "portcullis_worker_connections"), [EACH] * WORKERS, "and the metrics say so")


def check_service(tap, daemon, sessions):
    """One LUN, all workers: what one session writes every other reads, each at its own worker."""
    before = of_workers(daemon, "portcullis_worker_turns_total")
    data = os.urandom(4096)
    sessions[0].write10(0, data)
    answers = [session.read10(0, 8) for session in sessions]
    tap.ok(all(status == 0 and read == data for status, read, _ in answers), "one LUN is served to all of them")
    # A turn is counted at its end, when what it sent may have arrived.
    after = []

    def have_turned():
        after[:] = of_workers(daemon, "portcullis_worker_turns_total")
        return all(late - early >= EACH for early, late in zip(before, after))
    tap.ok(initiator.wait_until(have_turned), "and by every worker", before, after)


def check_refill(tap, daemon, sessions):
    """A worker whose sessions have left gets the next ones."""
    left = [number for number in sorted(sessions) if worker_of(daemon, number) == 2]
    for number in left:
        session = sessions.pop(number)
        session.logout()
        session.close()
    tap.ok(initiator.wait_until(lambda: of_workers(daemon, "portcullis_worker_connections")[2] == 0),
           "a worker's sessions log out")
    for number in range(1000, 1000 + len(left)):
        sessions[number] = login(daemon, number)
    tap.equal([worker_of(daemon, number) for number in range(1000, 1000 + len(left))], [2] * len(left),
              "the next ones go where there is room")


def main():
    portcullis.require()
    tap = portcullis.Tap()
    text = portcullis.config().replace("workers = 2", "workers = %d" % WORKERS)
    with portcullis.Daemon(text) as daemon:
        sessions = {number: login(daemon, number) for number in range(WORKERS * EACH)}
        check_spread(tap, daemon)
        check_service(tap, daemon, list(sessions.values()))
        check_refill(tap, daemon, sessions)
        for session in sessions.values():
            session.close()
    sys.exit(tap.finish())


main()
