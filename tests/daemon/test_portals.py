# SPDX-License-Identifier: BSD-2-Clause
"""Portals that come and go while the daemon serves: what listens, what discovery tells, who stays, what is stored,
and which of the file and of what was made live rules. [DISC-01 DISC-04]
"""
import errno
import os
import socket
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import initiator  # noqa: E402
import portcullis  # noqa: E402

HOST = "iqn.1994-05.com.example:host"


def free_port(host="127.0.0.1", family=socket.AF_INET):
    """A port that nobody listens on just now."""
    with socket.socket(family) as probe:
        probe.bind((host, 0))
        return probe.getsockname()[1]


def configuration(*portals, target=None):
    """A configuration with these (address, port, group)."""
    groups = ", ".join('{ address = "%s"; port = %d; group = %d; }' % portal for portal in portals)
    text = portcullis.config([target or portcullis.target()])
    begin = text.index("portals = (")
    return text[:begin] + "portals = ( %s );" % groups + text[text.index("\n", begin):]


def log_in(portal, **options):
    session = initiator.Session(*portal, target=portcullis.IQN, name=HOST, **options).login()
    session.ready()
    return session


def listens(portal):
    try:
        with socket.create_connection(portal, 5):
            return True
    except ConnectionRefusedError:
        return False


def addresses(found):
    return [value for key, value in found if key == "TargetAddress"]


def discover(portal):
    with initiator.Session(*portal, name=HOST, discovery=True).login() as session:
        return addresses(session.send_targets())


def port_of(session):
    """The target port that a session's designators name: (relative identifier, the end of its name). [SCSI-06]"""
    page = session.scsi(bytes.fromhex("12018300ff00"), read=255)[1]
    found, place = {}, 4
    while place < 4 + int.from_bytes(page[2:4], "big"):
        found[page[place + 1] & 0x3f] = page[place + 4:place + 4 + page[place + 3]]
        place += 4 + page[place + 3]
    return int.from_bytes(found[0x14], "big"), found[0x18].rstrip(b"\0")[-9:].decode()


def at(portal, group=1):
    return ("[%s]:%d,%d" if ":" in portal[0] else "%s:%d,%d") % (*portal, group)


class Asker:
    def __init__(self, daemon, tap):
        self.daemon, self.tap = daemon, tap

    def __call__(self, operation, portal=None, **members):
        """(200, reply) or (status, errorCode or __type)."""
        if portal:
            members.update(Address=portal[0], Port=portal[1])
        status, _, reply = self.daemon.control(operation, members)
        self.message = reply.get("message", "")
        if status == 200:
            return status, reply
        return status, reply.get("error", {}).get("errorCode", reply["__type"])

    def done(self, what, operation, portal=None, **members):
        status, reply = self(operation, portal, **members)
        self.tap.ok(status == 200, what, reply, self.message)
        return reply

    def refused(self, code, what, operation, portal=None, words="", **members):
        found = self(operation, portal, **members)
        self.tap.ok(found == (400, code) and words in self.message, what, found, self.message)

    def portals(self):
        """{(address, port): (group, listening, source, sessions)}"""
        return {(row["Address"], row["Port"]): (row["Group"], row["Listening"], row["Source"], row["SessionCount"])
                for row in self("ListPortals")[1]["Portals"]}


class Busy(threading.Thread):
    """A session by a portal that stays, never at rest."""

    def __init__(self, portal):
        super().__init__()
        self.session, self.done, self.failure, self.count = log_in(portal), threading.Event(), None, 0

    def run(self):
        try:
            while not self.done.is_set():
                if self.session.write10(self.count % 64, bytes(512))[0]:
                    raise AssertionError("a write failed")
                self.count += 1
        except Exception as error:  # whatever it is, it is the finding
            self.failure = repr(error)


def add(daemon, tap, ask, first, second):
    reply = ask.done("a portal is added", "AddPortal", second, Group=7)
    tap.equal(reply, {"Address": second[0], "Port": second[1], "Group": 7}, "the reply names it")
    tap.ok(daemon.wait_log("listening on 127.0.0.1:%d" % second[1]), "the log says that it listens")
    tap.equal(ask.portals(), {first: (1, True, "file", 1), second: (7, True, "live", 0)}, "ListPortals tells both")
    with log_in(second) as session:
        tap.equal(session.read10(0, 1)[0], 0, "an initiator logs in by it at once")
        tap.equal(ask.portals()[second][3], 1, "its session is counted there")
        with log_in(first) as other:
            tap.equal((port_of(session), port_of(other)), ((7, ",t,0x0007"), (1, ",t,0x0001")), "each portal group is a port of its own")
    tap.equal((discover(first), discover(second)), ([at(first), at(second, 7)], [at(second, 7), at(first)]),
              "discovery tells both, first the one that was used")
    ask.done("the same again is no error", "AddPortal", second, Group=7)
    ask.done("nor is one that the file names", "AddPortal", first)
    ask.refused("InvalidParameters", "refused: in another group", "AddPortal", second, words="group 7", Group=8)


def refusals(daemon, tap, ask, first):
    port, running = free_port(), set(ask.portals())
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        stored = os.path.join(daemon.directory, "state", "live")
        before = open(stored, "rb").read()
        place = taken.getsockname()
        for words, what, members in (
                (os.strerror(errno.EADDRINUSE), "a port that is taken", {"Address": place[0], "Port": place[1]}),
                (os.strerror(errno.EADDRNOTAVAIL), "an address that is not the host's", {"Address": "192.0.2.1", "Port": port}),
                (os.strerror(errno.EADDRINUSE), "the wildcard of a portal that there is", {"Address": "0.0.0.0", "Port": first[1]}),
                ("numeric", "a name", {"Address": "localhost", "Port": port}),
                ("numeric", "brackets", {"Address": "[::1]", "Port": port}),
                ("numeric", "words that would leave their string", {"Address": '1.2.3.4"; x = "', "Port": port})):
            ask.refused("InvalidParameters", "refused: " + what, "AddPortal", words=words, **members)
            tap.ok(words == "numeric" or "%s port %d" % (members["Address"], members["Port"]) in ask.message, "and where", ask.message)
        tap.equal(open(stored, "rb").read(), before, "nothing of those is stored")
    tap.equal((set(ask.portals()), listens(("127.0.0.1", port))), (running, False), "nor listens")
    for code, what, members in (
            ("ValidationException", "no address", {"Port": port}),
            ("ValidationException", "an empty address", {"Address": "", "Port": port}),
            ("InvalidParameters", "an address of 45 characters", {"Address": "1" * 45, "Port": port}),
            ("ValidationException", "an address of 46", {"Address": "1" * 46, "Port": port}),
            ("ValidationException", "port 0", {"Address": "127.0.0.1", "Port": 0}),
            ("ValidationException", "port 65536", {"Address": "127.0.0.1", "Port": 65536}),
            ("ValidationException", "group 0", {"Address": "127.0.0.1", "Port": port, "Group": 0}),
            ("ValidationException", "group 65536", {"Address": "127.0.0.1", "Port": port, "Group": 65536}),
            ("ValidationException", "an unknown member", {"Address": "127.0.0.1", "Port": port, "Color": "red"}),
            ("ValidationException", "force where none is", {"Address": "127.0.0.1", "Port": port, "Force": True}),
            ("SerializationException", "a port in words", {"Address": "127.0.0.1", "Port": str(port)})):
        ask.refused(code, "refused: " + what, "AddPortal", **members)
    ask.refused("InvalidParameters", "refused: to remove what the file names", "RemovePortal", first, words="configuration file")
    ask.refused("ValidationException", "refused: to remove without an address", "RemovePortal", Port=port)
    ask.refused("ValidationException", "refused: to remove with a group", "RemovePortal", first, Group=1)


def limits(tap, ask):
    """The largest numbers there may be."""
    for port, group in ((65535, 65535), (65535, 1)):
        found = ask("AddPortal", ("127.0.0.9", port), Group=group)
        if ask.portals().get(("127.0.0.9", port)) == (65535, True, "live", 0):
            break
    tap.ok(found[0] == 200 or "group 65535" in ask.message, "port and group 65535", found, ask.message)
    ask.done("it goes again", "RemovePortal", ("127.0.0.9", 65535))


def ipv6(daemon, tap, ask):
    if not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"):
        tap.skip("IPv6", "the host has none")
        return
    port = free_port("::1", socket.AF_INET6)
    ask.done("an IPv6 portal is added", "AddPortal", ("0:0:0:0:0:0:0:1", port))
    tap.equal(ask.portals().get(("::1", port)), (1, True, "live", 0), "in the shortest form of its address")
    ask.done("another form of it is the same", "AddPortal", ("0::1", port))
    tap.ok(at(("::1", port)) in discover(("::1", port)), "it is discovered")
    wildcard = free_port("::", socket.AF_INET6)
    ask.done("a wildcard is added", "AddPortal", ("::", wildcard))
    tap.equal((at(("::1", wildcard)) in discover(("::1", port)), any("[::]" in one for one in discover(daemon.portals[0]))),
              (True, False), "told as an address that the peer knows, and never as a wildcard")
    for portal in (("::", wildcard), ("::1", port)):
        ask.done("and removed", "RemovePortal", portal)


def survive(daemon, tap, ask, second):
    before = ask.portals()
    for how in ("stop", "kill"):
        getattr(daemon, how)()
        daemon.start()
        first = daemon.portals[0]
        tap.equal((ask.portals().get(second), ask.portals()[first], len(ask.portals())),
                  (before[second][:3] + (0,), (1, True, "file", 0), len(before)), "after %s and start it listens" % how)
        log_in(second).close()
    rows = ask("DiffConfiguration")[1]["Differences"]
    tap.equal([(row["Key"], row["Running"]) for row in rows if row["Key"].startswith("portals[")],
              [("portals[127.0.0.1:%d]" % second[1], "present")], "the difference is told")
    text = ask("ShowConfiguration")[1]["Configuration"]
    tap.ok("port = %d;" % second[1] in text, "and the running configuration", text)
    ask.done("nothing of it is lost in a reload", "ReloadConfiguration")
    tap.equal(ask.portals()[second][:3], (7, True, "live"), "it listens as before")


def remove(daemon, tap, ask, first, second):
    stays, discovering = log_in(second), initiator.Session(*second, name=HOST, discovery=True).login()
    reply = ask.done("a portal is removed", "RemovePortal", second)
    tap.equal(reply, {"Address": second[0], "Port": second[1], "SessionsClosed": 0}, "no session is closed")
    tap.ok(not listens(second), "nobody connects to it")
    tap.equal(stays.read10(0, 1)[0], 0, "who came by it goes on")
    tap.equal(addresses(discovering.send_targets()), [at(first)], "and is not told of it in discovery")
    tap.equal((discover(first), set(ask.portals())), ([at(first)], {first}), "nor is anybody else")
    ask.done("again is no error", "RemovePortal", second)
    tap.equal(stays.read10(0, 1)[0], 0, "nor a change")
    reply = ask.done("by force those who came by it are closed, though it is gone", "RemovePortal", second, Force=True)
    pdus, reset = stays.rest()
    tap.equal((reply.get("SessionsClosed"), pdus[-1].opcode, reset), (2, initiator.ASYNC, False), "as K5 says")
    tap.equal(discovering.rest(), ([], False), "discovery with a FIN")
    ask.done("it is added once more", "AddPortal", second)
    begun = initiator.Session(*second, target=portcullis.IQN, name=HOST + "-begun")
    steps = begun.login_steps()
    while next(steps) != "operational":
        pass
    session, by_first = log_in(second), log_in(first, isid=b"\x80\0\0\0\0\1")
    silent = socket.create_connection(second)
    initiator.wait_until(lambda: ask.portals()[second][3] == 1, 10)
    reply = ask.done("and removed by force", "RemovePortal", second, Force=True)
    tap.equal((reply["SessionsClosed"], session.rest()[0][-1].opcode, by_first.read10(0, 1)[0]), (3, initiator.ASYNC, 0),
              "which closes its session, and no other portal's")
    tap.equal((begun.rest(), silent.recv(1)), (([], False), b""), "and logins that had begun, and who had said nothing")
    by_first.close()
    daemon.kill()
    daemon.start()
    tap.equal(len(ask.portals()), 1, "it stays removed after a restart")


def down(daemon, tap, ask):
    """A portal made live that cannot listen at a start keeps nobody from starting."""
    port = free_port()
    place = ("127.0.0.1", port)
    ask.done("a portal is added", "AddPortal", place)
    daemon.stop()
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(place)
        taken.listen()
        daemon.start()
        tap.equal(ask.portals()[place], (1, False, "live", 0), "at a start somebody has its port: it is told that it does not listen")
        tap.ok(daemon.wait_event("portal-not-open", address="127.0.0.1", port=str(port)), "and why")
        tap.ok(at(place) not in discover(daemon.portals[0]), "it is not discovered")
        ask.refused("InvalidParameters", "to add it says why, too", "AddPortal", place, words=os.strerror(errno.EADDRINUSE))
        ask.done("a reload goes on without it", "ReloadConfiguration")
        other = ("127.0.0.1", free_port())
        ask.done("so does another portal", "AddPortal", other)
        ask.done("which goes again", "RemovePortal", other)
    ask.done("when the port is free it is added", "AddPortal", place)
    tap.equal((ask.portals()[place], listens(place)), ((1, True, "live", 0), True), "and listens")
    ask.done("and removed", "RemovePortal", place)


def reloads(tap):
    ports = [free_port("0.0.0.0") for _ in range(3)]
    one, two, three = (("127.0.0.1", port) for port in ports)
    with portcullis.Daemon(configuration((*one, 1))) as daemon:
        ask = Asker(daemon, tap)
        busy = Busy(one)
        busy.start()
        daemon.configure(configuration((*one, 1), (*two, 2)))
        reply = ask.done("a reload adds a portal", "ReloadConfiguration")
        tap.equal((reply["PortalsAdded"], reply["PortalsRemoved"]), (1, 0), "and says so")
        tap.equal((discover(one), listens(two)), ([at(one), at(two, 2)], True), "it is discovered and listens")
        session = log_in(two)
        daemon.configure(configuration((*one, 1), (*two, 5), (*three, 1)))
        daemon.reload()
        tap.ok(daemon.wait_log("listening on 127.0.0.1:%d" % three[1]), "SIGHUP does too")
        initiator.wait_until(lambda: len(ask.portals()) == 3, 10)
        tap.equal((ask.portals()[two], discover(one)), ((5, True, "file", 1), [at(one), at(two, 5), at(three)]),
                  "and gives another group to one")
        with log_in(two) as other:
            tap.equal((port_of(other), port_of(session)), ((5, ",t,0x0005"), (2, ",t,0x0002")), "which is the port of who comes by it now")
        daemon.configure(configuration((*one, 1)))
        reply = ask.done("a reload takes portals out", "ReloadConfiguration")
        tap.equal((reply["PortalsAdded"], reply["PortalsRemoved"], listens(two), listens(three)), (0, 2, False, False), "they listen no more")
        tap.equal((session.read10(0, 1)[0], discover(one)), (0, [at(one)]), "who came by them goes on")

        for what, portals in (("from an address to the wildcard", ("0.0.0.0",)), ("and back", ("127.0.0.1",)),
                              ("to two addresses", ("0.0.0.0",)), ("of the same port", ("127.0.0.1", "127.0.0.2"))):
            daemon.configure(configuration(*((host, one[1], 1) for host in portals)))
            ask.done("a portal changes " + what, "ReloadConfiguration")
            tap.equal((set(ask.portals()), log_in(one).read10(0, 1)[0]), ({(host, one[1]) for host in portals}, 0), "and serves")
        with socket.socket() as beside:
            beside.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                beside.bind(("0.0.0.0", one[1]))
                tap.ok(False, "its port is taken for all others")
            except OSError as error:
                tap.equal(error.errno, errno.EADDRINUSE, "its port is taken for all others")

        running = ask.portals()
        with socket.socket() as taken:
            taken.bind(("127.0.0.1", 0))
            taken.listen()
            daemon.configure(configuration((*two, 1), ("0.0.0.0", one[1], 1), (*taken.getsockname(), 1)))
            ask.refused("InvalidParameters", "a portal that cannot be bound refuses the whole file", "ReloadConfiguration",
                        words="cannot listen on portal 127.0.0.1 port %d" % taken.getsockname()[1])
            tap.ok("portcullis.conf:5: " in ask.message, "with its line", ask.message)
        tap.equal((ask.portals(), listens(two), log_in(one).read10(0, 1)[0]), (running, False, 0), "and all stays as it was")
        bad = portcullis.target("iqn.2026-11.test:bad", luns=('path = "@DIR@/no/where";',))
        daemon.configure(configuration((*two, 1), ("0.0.0.0", one[1], 1), target=portcullis.target() + ", " + bad))
        ask.refused("InvalidParameters", "so does a LUN that cannot be opened", "ReloadConfiguration", words="no/where")
        tap.equal((ask.portals(), listens(two), log_in(one).read10(0, 1)[0]), (running, False, 0), "and all stays as it was")

        live = ("127.0.0.3", one[1])
        ask.done("a portal made live", "AddPortal", live, Group=3)
        stays = log_in(live)
        daemon.configure(configuration(("0.0.0.0", one[1], 1)))
        ask.done("gives way to the wildcard of its port in the file", "ReloadConfiguration")
        tap.equal((ask.portals()[("0.0.0.0", one[1])][:3], ask.portals()[live][:3], log_in(live).read10(0, 1)[0], stays.read10(0, 1)[0]),
                  ((1, True, "file"), (3, False, "live"), 0, 0), "which serves there, and who came by it before goes on")
        daemon.configure(configuration((*one, 1)))
        ask.done("when the wildcard goes", "ReloadConfiguration")
        tap.equal((ask.portals()[live][:3], listens(live)), ((3, True, "live"), True), "it has its place again")
        stays.close()
        daemon.configure(configuration((*one, 1), (*live, 4)))
        ask.done("that the file names too, later", "ReloadConfiguration")
        tap.equal(ask.portals(), {one: (1, True, "file", ask.portals()[one][3]), live: (4, True, "file", 0)}, "is as the file says")
        tap.ok(daemon.wait_log(r'what=live-change-out-of-force portal=127.0.0.3:%d why="a portal made live is in the file now' % live[1]), "and the log says so")
        ask.refused("InvalidParameters", "and is the file's to remove", "RemovePortal", live)
        busy.done.set()
        busy.join()
        tap.ok(busy.failure is None and busy.count > 10, "a session by another portal noticed nothing in %d writes" % busy.count, busy.failure)


def many(tap):
    """64 portals and no more; free ports stay what they are."""
    with portcullis.Daemon(configuration(("127.0.0.1", 0, 1), ("127.0.0.1", 0, 1))) as daemon:
        ask = Asker(daemon, tap)
        chosen = set(daemon.portals)
        tap.equal({place for place in ask.portals() if place[0] == "127.0.0.1"}, chosen, "the ports that were taken are told")
        daemon.configure(configuration(("127.0.0.1", 0, 1), ("127.0.0.1", 0, 1), ("127.0.0.2", 0, 1)))
        ask.done("a reload", "ReloadConfiguration")
        tap.ok(chosen < set(ask.portals()) and len(ask.portals()) == 3, "leaves free ports as they were taken", ask.portals())
        ask.refused("InvalidParameters", "one with a free port is the file's too", "RemovePortal", min(chosen))
        ask.done("and is there already", "AddPortal", min(chosen))
        port = free_port()
        status = [ask("AddPortal", ("127.0.1.%d" % host, port))[0] for host in range(1, 62)]
        tap.equal((set(status), len(ask.portals())), ({200}, 64), "61 more make 64")
        ask.refused("InvalidParameters", "refused: one more", "AddPortal", ("127.0.2.1", port), words="64")
        tap.equal((discover(max(chosen))[0], len(discover(max(chosen)))), (at(max(chosen)), 64), "all are discovered")
        tap.equal(daemon.stop(), 0, "and the daemon ends in order")


def storm(tap):
    """Portals come and go while initiators do: nobody on another portal fails, and all ends as it was asked for."""
    with portcullis.Daemon(portcullis.config()) as daemon:
        ask = Asker(daemon, tap)
        first, place = daemon.portals[0], ("127.0.0.1", free_port())
        failures, done = [], threading.Event()

        def come_and_go():
            while not done.is_set():
                try:
                    log_in(place).close()
                except (OSError, initiator.Closed, initiator.Refused, AssertionError):
                    pass  # it comes and goes

        def stay():
            while not done.is_set():
                try:
                    log_in(first).close()
                    discover(first)
                except Exception as error:  # whatever it is, it is the finding
                    failures.append(repr(error))
                    return

        threads = [threading.Thread(target=run) for run in (come_and_go, come_and_go, stay)]
        for thread in threads:
            thread.start()
        statuses = [ask(operation, place, **more)[0] for _ in range(15) for operation, more in
                    (("AddPortal", {}), ("RemovePortal", {"Force": True}), ("AddPortal", {}), ("RemovePortal", {}))]
        done.set()
        for thread in threads:
            thread.join()
        tap.equal((set(statuses), failures), ({200}, []), "60 changes under logins and discoveries")
        tap.equal((set(ask.portals()), listens(place)), ({first}, False), "all are as the last one says")
        tap.equal(daemon.stop(), 0, "and the daemon ends in order")


def promise(tap):
    """A portal that is gone shelters nobody: a credential change closes who came by it. [K3]"""
    with portcullis.Daemon(portcullis.config()) as daemon:
        ask = Asker(daemon, tap)
        place = ("127.0.0.1", free_port())
        ask.done("a portal is added", "AddPortal", place)
        session = log_in(place)
        begun = initiator.Session(*place, target=portcullis.IQN, name=HOST + "-begun")
        steps = begun.login_steps()
        while next(steps) != "operational":
            pass
        ask.done("and removed", "RemovePortal", place)
        daemon.update("secret-000000", initiator=HOST)
        pdus, reset = session.rest()
        tap.equal((pdus[-1].opcode, reset, begun.rest()), (initiator.ASYNC, False, ([], False)),
                  "a credential change closes who came by it, logins too")
        tap.equal(ask("ListSessions")[1]["Sessions"], [], "nobody is left")


def main():
    portcullis.require()
    tap = portcullis.Tap()
    with portcullis.Daemon(portcullis.config()) as daemon:
        ask = Asker(daemon, tap)
        first, second = daemon.portals[0], ("127.0.0.1", free_port())
        busy = Busy(first)
        busy.start()
        add(daemon, tap, ask, first, second)
        refusals(daemon, tap, ask, first)
        limits(tap, ask)
        ipv6(daemon, tap, ask)
        busy.done.set()
        busy.join()
        tap.ok(busy.failure is None and busy.count > 10, "a session by another portal noticed nothing", busy.failure)
        survive(daemon, tap, ask, second)
        remove(daemon, tap, ask, daemon.portals[0], second)
        down(daemon, tap, ask)
    reloads(tap)
    many(tap)
    promise(tap)
    storm(tap)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
