#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The metrics of a running portcullisd: what they say of traffic that is known, over TCP and the
control socket, while sessions go on; and what else the endpoint is asked."""
import http.client
import json
import os
import re
import resource
import signal
import socket
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
import initiator  # noqa: E402
import portcullis  # noqa: E402
import prometheus  # noqa: E402

TOP = os.environ.get("top_srcdir") or os.path.join(HERE, "..", "..")
OPEN = "iqn.1997-05.com.amazon:open"
FIRST, SECOND = "first-secret", "second-secret"
SESSIONS, TARGETS = 1000, 100


def ask(connection, path, method="GET", body=None):
    connection.request(method, path, body)
    reply = connection.getresponse()
    return reply.status, reply.headers, reply.read().decode()


def endpoint(daemon):
    """A connection to the metrics endpoint, which the log names."""
    found = daemon.wait_log(r"metrics endpoint (\S+):(\d+)")
    return http.client.HTTPConnection(found.group(1).strip("[]"), int(found.group(2)), timeout=30)


def scrape(daemon):
    connection = endpoint(daemon)
    try:
        status, _, text = ask(connection, "/metrics")
    finally:
        connection.close()
    if status != 200:
        raise RuntimeError("scrape: %d %s" % (status, text))
    return prometheus.parse(text)


def check_reader(tap):
    """The reader itself refuses what is no such text."""
    good = '# HELP a_total A.\n# TYPE a_total counter\na_total{b="c\\"d"} 1\n'
    tap.equal(prometheus.parse(good).value("a_total", b='c\\"d'), 1, "the reader reads")
    bad = [good[:-1], good + good, good + "a_total 1 2\n", good.replace("} 1", "} x"), good.replace(' 1', '  1'),
           good.replace("counter", "gauge"), good + 'b{c="d"} 1\n', good.replace('"d"', '"d'),
           good.replace('b="c', 'b="c",b="c'), good.replace("}", ",}"),
           '# HELP h H.\n# TYPE h histogram\nh_bucket{le="+Inf"} 2\nh_sum 0\nh_count 1\n',
           '# HELP h H.\n# TYPE h histogram\nh_bucket{le="1"} 2\nh_sum 0\nh_count 2\n',
           '# HELP h H.\n# TYPE h histogram\nh_bucket{le="1"} 3\nh_bucket{le="+Inf"} 2\nh_sum 0\nh_count 2\n']
    for number, text in enumerate(bad):
        try:
            prometheus.parse(text)
            tap.ok(False, "bad text %d is refused" % number, text)
        except ValueError:
            tap.ok(True, "bad text %d is refused" % number)


def check_traffic(tap, daemon):
    """Every value after known traffic."""
    host, port = daemon.portals[0]
    before = scrape(daemon)
    tap.equal(before.value("portcullis_sessions", target=portcullis.IQN), 0, "no sessions at first")
    tap.equal(before.value("portcullis_commands_total", target=OPEN, lun="0", operation="read"), 0, "no reads")
    tap.ok({"target": OPEN, "lun": "1", "operation": "write"} in before.labels("portcullis_commands_total"),
           "but a series for each LUN")
    with initiator.Session(host, port, OPEN) as session:
        session.login()
        session.ready()
        for _ in range(5):
            session.write10(8, b"x" * 8192)
        for _ in range(3):
            session.read10(0, 8)
        session.scsi(bytes([0x28, 0, 0xff, 0xff, 0xff, 0xff, 0, 0, 1, 0]).ljust(16, b"\0"), read=512)
        session.scsi(bytes([0xc0]).ljust(16, b"\0"))
        session.scsi(bytes([0x00]).ljust(16, b"\0"), lun=99)
        now = scrape(daemon)
        tap.equal(now.value("portcullis_sessions", target=OPEN), 1, "one session")
        lun = {"target": OPEN, "lun": "0"}
        tap.equal([now.value("portcullis_commands_total", operation=o, **lun) for o in ("read", "write")], [4, 5],
                  "reads and writes are counted")
        tap.equal(now.value("portcullis_written_bytes_total", **lun), 5 * 8192, "bytes written")
        others = now.value("portcullis_commands_total", operation="other", **lun)
        read = now.value("portcullis_read_bytes_total", **lun)
        tap.ok(others >= 2 and 3 * 4096 <= read < 3 * 4096 + 8192, "bytes read, and other commands", others, read)
        tap.equal(now.value("portcullis_command_errors_total", sense_key="illegal_request", **lun), 2,
                  "errors by sense key")
        tap.ok(now.value("portcullis_command_errors_total", sense_key="unit_attention", **lun) >= 1,
               "the first attention too")
        tap.equal(now.value("portcullis_command_errors_total", sense_key="illegal_request", target=OPEN, lun="none"),
                  1, "a LUN that does not exist is none")
        tap.equal(now.value("portcullis_command_seconds_count", operation="write", **lun), 5,
                  "each write has a time")
        time = now.value("portcullis_command_seconds_sum", operation="write", **lun)
        tap.ok(0 < time < 60, "which is a real one", time)
        tap.equal(now.value("portcullis_commands_total", target=OPEN, lun="1", operation="read"), 0,
                  "another LUN has none of it")
        tap.equal(sum(now.value("portcullis_worker_connections", worker=str(w)) for w in range(2)), 1,
                  "one connection")
        tap.ok(sum(now.value("portcullis_worker_turns_total", worker=str(w)) for w in range(2)) > 10, "turns")
        tap.ok(sum(now.value("portcullis_worker_busy_seconds_total", worker=str(w)) for w in range(2)) > 0,
               "busy time")
    tap.equal(now.value("portcullis_info", version=re.search(
        r"AC_INIT\(\[[^]]*\], *\[([^]]*)\]", open(os.path.join(TOP, "configure.ac"), encoding="utf-8").read()).group(1)),
        1, "the version")


def login_fails(host, port, target, status, **more):
    with initiator.Session(host, port, target, **more) as session:
        try:
            session.login()
        except initiator.Refused as refused:
            return refused.status == status
    return False


def wait_sessions(daemon, target, count):
    """Sessions end a moment after their connection does."""
    for _ in range(500):
        if scrape(daemon).value("portcullis_sessions", target=target) == count:
            return True
    return False


def check_logins(tap, daemon):
    host, port = daemon.portals[0]
    tap.ok(wait_sessions(daemon, OPEN, 0), "a session that went is counted out")
    base = scrape(daemon)
    accepted = {"target": portcullis.IQN, "outcome": "accepted"}
    daemon.update(FIRST, initiator="iqn.2026-11.test:initiator")
    tap.ok(login_fails(host, port, portcullis.IQN, 0x0201, secret=SECOND), "a wrong secret")
    tap.ok(login_fails(host, port, "iqn.2026-11.test:none", 0x0203), "a target that is none")
    with initiator.Session(host, port, portcullis.IQN, secret=FIRST) as session:
        session.login()
        now = scrape(daemon)
        tap.equal(now.value("portcullis_logins_total", **accepted) -
                  base.value("portcullis_logins_total", **accepted), 1, "a login")
        tap.equal(now.value("portcullis_logins_total", target=portcullis.IQN, outcome="not_authenticated"), 1,
                  "a failed one")
        tap.equal(now.value("portcullis_logins_total", target="", outcome="no_target"), 1,
                  "and one to no target, without the name")
        tap.ok("iqn.2026-11.test:none" not in str(now.samples), "which a peer made up")
        daemon.update(SECOND, initiator="iqn.2026-11.test:initiator")
        tap.ok(scrape(daemon).value("portcullis_sessions", target=portcullis.IQN) == 0,
               "a change's reply leaves no session behind [K3]")
    daemon.control("DeleteChapCredentials", {"TargetARN": daemon.arn(), "InitiatorName": "iqn.nobody"})
    now = scrape(daemon)
    done = {"operation": "update"}
    tap.equal(now.value("portcullis_credential_changes_total", outcome="done", **done), 2, "changes are counted")
    tap.equal(now.value("portcullis_credential_change_seconds_count", **done), 2, "and timed")
    tap.ok(0 < now.value("portcullis_credential_change_seconds_sum", **done) < 60, "in seconds")
    tap.equal(now.value("portcullis_credential_changes_total", operation="delete", outcome="no_initiator"), 1,
              "those that were not done too")


def check_changes(tap, daemon):
    """Rotations, drains and other live changes: what is under way, and what came of them."""
    name, host = "iqn.2026-11.test:changes", "iqn.2026-11.test:initiator"

    def do(operation, **members):
        return daemon.control(operation, dict(members, TargetARN=daemon.arn(name)))[0]

    def live(operation, outcome="done"):
        return scrape(daemon).value("portcullis_live_changes_total", operation=operation, outcome=outcome)

    def credentials(operation):
        return scrape(daemon).value("portcullis_credential_changes_total", operation=operation, outcome="done")

    base = scrape(daemon)
    tap.equal([base.value("portcullis_live_changes_total", operation=kind, outcome="done")
               for kind in ("reload", "create_target", "drain", "resume", "resize_lun", "add_portal")], [0] * 6,
              "before there were any, done ones are 0")
    tap.equal(daemon.control("CreateTarget", {"TargetName": name, "Path": "memory:", "SizeInBytes": 1 << 20})[0], 200, "a target")
    tap.equal((live("create_target"), scrape(daemon).value("portcullis_live_change_seconds_count", operation="create_target")),
              (1, 1), "is counted and timed")
    daemon.update(FIRST, initiator=host, name=name)
    states = ("portcullis_rotations", "portcullis_target_drained", "portcullis_target_shut")
    tap.equal([scrape(daemon).value(state, target=name) for state in states], [0, 0, 0], "nothing is under way")

    rotate = {"InitiatorName": host, "SecretToAuthenticateInitiator": SECOND}
    before = [credentials(kind) for kind in ("rotate", "finish", "expire")]
    tap.equal(do("RotateChapCredentials", GraceSeconds=3600, **rotate), 200, "a rotation")
    tap.equal(scrape(daemon).value("portcullis_rotations", target=name), 1, "is under way")
    do("FinishChapRotation", InitiatorName=host)
    tap.equal(scrape(daemon).value("portcullis_rotations", target=name), 0, "until it is finished")
    do("RotateChapCredentials", GraceSeconds=1, **dict(rotate, SecretToAuthenticateInitiator=FIRST))
    tap.ok(initiator.wait_until(lambda: scrape(daemon).value("portcullis_rotations", target=name) == 0, 20), "or expires")
    tap.equal([credentials(kind) - old for kind, old in zip(("rotate", "finish", "expire"), before)], [2, 1, 1],
              "each is counted as what it was")

    do("DrainTarget")
    tap.equal((live("drain"), scrape(daemon).value("portcullis_target_drained", target=name)), (1, 1), "a drain, and what it left")
    do("ResumeTarget")
    do("ResumeTarget")
    tap.equal((live("resume"), live("resume", "same"), scrape(daemon).value("portcullis_target_drained", target=name)), (1, 1, 0),
              "its end, and one that changed nothing")
    do("ResizeLun", LunNumber=0, SizeInBytes=512)
    do("ResizeLun", LunNumber=9, SizeInBytes=512)
    tap.equal((live("resize_lun"), live("resize_lun", "refused"), live("resize_lun", "no_lun")), (0, 1, 1), "what is refused")
    daemon.reload()
    tap.ok(initiator.wait_until(lambda: live("reload") == 1), "a reload")
    tap.equal(do("DeleteTarget", Force=True), 200, "the target goes")
    tap.ok(live("delete_target") == 1 and not [key for key in scrape(daemon).samples if name in str(key)], "and all its lines")


def check_statistics(tap, daemon):
    """GetStatistics tells what the metrics do."""
    with initiator.Session(*daemon.portals[0], OPEN) as session:
        session.login()
        session.ready()
        status, _, reply = daemon.control("GetStatistics", {})
        now = scrape(daemon)
    tap.equal((status, sorted(reply)), (200, ["Nanoseconds", "Targets", "Workers"]), "GetStatistics")
    rows = {row["TargetName"]: row for row in reply["Targets"]}
    tap.equal(list(rows), [row["TargetName"] for row in daemon.control("ListTargets", {})[2]["Targets"]] + [""],
              "each target, and what is none")
    tap.equal([row.get("TargetARN") for row in reply["Targets"]][-2:], [daemon.arn(OPEN), None], "with its ARN")
    for name, row in rows.items():
        tap.equal(row["Sessions"], now.value("portcullis_sessions", target=name), "sessions of %r" % name)
        tap.equal(row["Logins"], {outcome: now.value("portcullis_logins_total", target=name, outcome=outcome)
                                  for outcome in row["Logins"]}, "its logins")
        tap.equal(len(row["Logins"]), 6, "by each outcome")
        for lun in row["Luns"]:
            labels = {"target": name, "lun": "none" if lun["LunNumber"] is None else str(lun["LunNumber"])}
            tap.equal([lun[kind.title()]["Commands"] for kind in ("read", "write", "other")],
                      [now.value("portcullis_commands_total", operation=kind, **labels)
                       for kind in ("read", "write", "other")], "commands of its LUN %s" % labels["lun"])
            tap.equal((lun["BytesRead"], lun["BytesWritten"], lun["Refused"]),
                      tuple(now.value("portcullis_" + what, **labels) for what in (
                          "read_bytes_total", "written_bytes_total", "commands_refused_total")), "bytes, and refusals")
            errors = {found["sense_key"]: now.value("portcullis_command_errors_total", **found)
                      for found in now.labels("portcullis_command_errors_total")
                      if found["target"] == name and found["lun"] == labels["lun"]}
            tap.equal(lun["Errors"], errors, "errors by sense key")
    first = rows[OPEN]["Luns"][0]
    tap.ok(first["Write"]["Commands"] and first["Errors"] and first["Write"]["Nanoseconds"] > 0, "there were some", first)
    tap.equal([worker["Worker"] for worker in reply["Workers"]], [0, 1], "and each worker")
    tap.ok(sum(worker["Connections"] for worker in reply["Workers"]) == 1 and
           all(worker["Turns"] and worker["BusyNanoseconds"] for worker in reply["Workers"]), "with its load",
           reply["Workers"])
    only = daemon.control("GetStatistics", {"TargetARN": daemon.arn(OPEN)})[2]["Targets"]
    tap.equal([row["TargetName"] for row in only], [OPEN], "of one target")
    status, _, reply = daemon.control("GetStatistics", {"TargetARN": daemon.arn(OPEN) + "x"})
    tap.equal((status, reply["error"]["errorCode"]), (400, "TargetNotFound"), "of a target that is none")


def check_http(tap, daemon):
    connection = endpoint(daemon)
    status, headers, text = ask(connection, "/metrics")
    tap.ok(status == 200 and headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8",
           "GET /metrics", status, headers)
    for secret in (FIRST, SECOND):
        tap.ok(secret not in text, "no secret in it [K8]")
    tap.equal(ask(connection, "/healthz")[::2], (200, "ok\n"), "GET /healthz, on the same connection")
    tap.equal(ask(connection, "/metrics", "HEAD")[::2], (200, ""), "HEAD has no body")
    for path in ("/", "/metrics/", "/metricsx", "/healthz/..", "//metrics"):
        tap.equal(ask(connection, path)[0], 404, "there is nothing at " + path)
    connection.close()
    for method in ("POST", "PUT", "DELETE", "OPTIONS"):
        connection = endpoint(daemon)
        status, headers, _ = ask(connection, "/metrics", method)
        tap.ok(status == 405 and headers["Allow"] == "GET, HEAD", method + " is refused", status)
        connection.close()
    connection = endpoint(daemon)
    connection.request("POST", "/", json.dumps({"TargetARN": daemon.arn()}), {
        "X-Amz-Target": "StorageGateway_20130630.DescribeChapCredentials"})
    reply = connection.getresponse()
    tap.ok(reply.status in (404, 413) and FIRST.encode() not in reply.read(), "no operation is carried out", reply.status)
    connection.close()
    unix = daemon.connection()
    status, _, text = ask(unix, "/metrics")
    tap.ok(status == 200 and prometheus.parse(text).types, "the control socket serves them too")
    tap.equal(ask(unix, "/healthz")[::2], (200, "ok\n"), "and the health")
    tap.equal(ask(unix, "/healthz", "POST", "{}")[0], 405, "by GET alone")
    tap.equal(portcullis.exchange(unix, "ListTargets", {})[0], 200, "and operations on the same connection")
    unix.close()


def check_end(tap, daemon):
    """While the daemon waits for a peer that does not close, it answers that it is not well."""
    connection, found = endpoint(daemon), []
    with initiator.Session(*daemon.portals[0], OPEN) as session:
        session.login()
        session.ready()
        found.append(ask(connection, "/healthz")[0])
        daemon.process.send_signal(signal.SIGTERM)
        try:
            while 503 not in found:
                found.append(ask(connection, "/healthz")[0])
        except (OSError, http.client.HTTPException):
            pass
    connection.close()
    tap.ok(set(found) == {200, 503}, "GET /healthz is 200 until the daemon is told to stop, then 503", found[-3:])


def check_signed(tap):
    """What is not signed gets no metrics from the endpoint whose requests must be."""
    with portcullis.Daemon(start=False) as daemon:
        keys = os.path.join(daemon.directory, "keys")
        with open(keys, "w", encoding="ascii") as file:
            file.write("AKIDEXAMPLE secret\n")
        os.chmod(keys, 0o600)
        daemon.configure(portcullis.config(
            control='listen = "127.0.0.1:0"; access_keys = "@DIR@/keys"; metrics = "127.0.0.1:0";'))
        daemon.start()
        found = daemon.wait_log(r"control endpoint (\S+):(\d+)")
        for path in ("/metrics", "/healthz"):
            connection = http.client.HTTPConnection(found.group(1), int(found.group(2)), timeout=30)
            status, _, text = ask(connection, path)
            tap.ok(status >= 400 and "portcullis_" not in text and text != "ok\n",
                   "the signed endpoint does not serve " + path, status, text)
            connection.close()
        tap.ok(scrape(daemon).types, "the other one does")


def check_many(tap):
    """Scrapes cost the processor little, however many sessions there are, and do not disturb them."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    targets = ["iqn.2026-11.test:t%d" % n for n in range(TARGETS)]
    text = portcullis.config([portcullis.target(name, luns=('path = "memory:"; size = "64K";',)) for name in targets],
                             control='metrics = "127.0.0.1:0";')
    with portcullis.Daemon(text) as daemon:
        sessions = []
        for number in range(SESSIONS):
            session = initiator.Session(*daemon.portals[0], targets[number % TARGETS],
                                        name="iqn.2026-11.test:host%d" % number)
            session.login()
            session.ready()
            session.write10(0, b"y" * 512)
            sessions.append(session)
        metrics = scrape(daemon)
        tap.equal(sum(metrics.value("portcullis_sessions", target=name) for name in targets), SESSIONS,
                  "%d sessions" % SESSIONS)
        tap.ok(all(metrics.value("portcullis_written_bytes_total", target=name, lun="0") == 512 * SESSIONS // TARGETS
                   for name in targets),
               "each with its traffic")
        connection = endpoint(daemon)
        ticks = cpu_ticks(daemon)
        for _ in range(20):
            ask(connection, "/metrics")
        spent = (cpu_ticks(daemon) - ticks) / os.sysconf("SC_CLK_TCK") / 20
        print("# %.1f ms of processor time for a scrape of %d sessions on %d targets" % (spent * 1000, SESSIONS, TARGETS))
        connection.close()
        for session in sessions:
            session.read10(0, 1)
        tap.ok(True, "all sessions go on")
        for session in sessions:
            session.close()


def cpu_ticks(daemon):
    """User and system time of the whole process, in clock ticks."""
    with open("/proc/%d/stat" % daemon.process.pid, encoding="ascii") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return int(fields[11]) + int(fields[12])


def check_start(tap):
    with portcullis.Daemon() as daemon:
        tap.ok("metrics endpoint" not in daemon.log(), "there is none unless it is asked for")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        daemon = portcullis.Daemon(portcullis.config(
            control='metrics = "127.0.0.1:%d";' % taken.getsockname()[1]), start=False)
        try:
            daemon.start()
            tap.ok(False, "a port in use is an error")
        except RuntimeError as error:
            tap.ok("cannot listen: Address already in use" in str(error), "a port in use is an error", error)
        daemon.close()


def check_dashboard(tap):
    """Every metric that the dashboard asks for is one that there is."""
    with portcullis.Daemon(portcullis.config(control='metrics = "[::1]:0";')) as daemon:
        metrics = scrape(daemon)
    known = {name + suffix for name, kind in metrics.types.items() for suffix in prometheus.SUFFIXES[kind]}
    with open(os.path.join(TOP, "contrib", "grafana", "portcullis.json"), encoding="utf-8") as file:
        dashboard = json.load(file)
    expressions = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    asked = {name for text in expressions for name in re.findall(r"portcullis_\w+", text)}
    tap.ok(len(expressions) >= 8 and asked <= known, "the dashboard asks for what there is", asked - known)
    with open(os.path.join(TOP, "doc", "portcullisd.8"), encoding="utf-8") as file:
        described = set(re.findall(r"^\.It Li (portcullis_\w+)", file.read(), re.M))
    tap.equal(described, set(metrics.types), "the manual has every metric, and no other")


def main():
    portcullis.require()
    tap = portcullis.Tap()
    check_reader(tap)
    check_start(tap)
    luns = ('path = "memory:"; size = "16M";', 'path = "memory:"; size = "1M";')
    text = portcullis.config([portcullis.target(), portcullis.target(OPEN, luns=luns)],
                             control='metrics = "127.0.0.1:0";')
    with portcullis.Daemon(text) as daemon:
        check_traffic(tap, daemon)
        check_logins(tap, daemon)
        check_changes(tap, daemon)
        check_statistics(tap, daemon)
        check_http(tap, daemon)
        check_end(tap, daemon)
        tap.equal(daemon.stop(), 0, "it ends as always")
    check_signed(tap)
    check_many(tap)
    check_dashboard(tap)
    return tap.finish()


sys.exit(main())
