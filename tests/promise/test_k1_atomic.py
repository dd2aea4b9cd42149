# SPDX-License-Identifier: BSD-2-Clause
"""K1 and K7: a change is one step; changes to one target follow one another, each with its own reply.

[CRED-01 CRED-09]
"""
import sys
import threading

from common import HOST, SECRETS, TARGET, attempt, initiator, portcullis, secrets_of, session, two_targets


def parallel(calls):
    """Runs the calls at once; their results in order."""
    results = [None] * len(calls)

    def run(number):
        results[number] = calls[number]()
    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def update(daemon, secret, name=HOST):
    def call():
        return daemon.control("UpdateChapCredentials", {
            "TargetARN": daemon.arn(), "InitiatorName": name, "SecretToAuthenticateInitiator": secret})[0]
    return call


def main():
    portcullis.require()
    tap = portcullis.Tap()
    with portcullis.Daemon(two_targets()) as daemon:
        names = ["iqn.1994-05.com.example:host%d" % number for number in range(8)]
        for round_ in range(10):
            results = parallel([update(daemon, SECRETS[8 * round_ + n], names[n]) for n in range(8)])
            if results != [200] * 8:
                break
        tap.equal(results, [200] * 8, "eight changes at once are all answered 200")
        tap.equal(secrets_of(daemon), {names[n]: (SECRETS[72 + n], None) for n in range(8)},
                  "none of them is lost")
        results = parallel([update(daemon, SECRETS[200 + n]) for n in range(8)])
        tap.equal(results, [200] * 8, "eight changes of one record at once are all answered 200")
        winner = secrets_of(daemon)[HOST][0]
        tap.ok(winner in SECRETS[200:208], "one of them is the last", winner)
        outcomes = {secret: attempt(daemon, secret) for secret in SECRETS[200:208]}
        tap.equal(outcomes, {s: 0 if s == winner else 0x0201 for s in SECRETS[200:208]},
                  "its secret alone opens the target")

        # A login sees one set: the pair of secrets it is judged by and answered with belong together.
        daemon.update(SECRETS[300], SECRETS[400], initiator=HOST)
        mixed, done = [], threading.Event()

        def log_in():
            while not done.is_set():
                for number in range(2):
                    try:
                        with session(daemon, SECRETS[300 + number], target_secret=SECRETS[400 + number]) as one:
                            one.login()
                    except (initiator.Refused, initiator.Closed):
                        pass
                    except AssertionError as error:
                        mixed.append(error)
        threads = [threading.Thread(target=log_in) for _ in range(3)]
        for thread in threads:
            thread.start()
        for number in range(100):
            daemon.update(SECRETS[300 + number % 2], SECRETS[400 + number % 2], initiator=HOST)
        done.set()
        for thread in threads:
            thread.join()
        tap.equal(mixed, [], "no login is ever answered from one set and judged by another")
        tap.ok("target=%s" % TARGET in daemon.log(), "the changes are in the log")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
