#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""The installed service under a running systemd, in a container of its own: it is made and started as README.md says, serves
from inside its sandbox, and is reloaded, watched, started anew and stopped by systemd; the journal has its events.
"""
import http.client
import json
import os
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "lib"))

import container  # noqa: E402
import initiator  # noqa: E402
import portcullis  # noqa: E402
import signed  # noqa: E402

BUILD = os.environ.get("top_builddir", ".")
OTHER = "iqn.2026-11.test:other"
HOST = "iqn.1994-05.com.example:host"
SECRETS = ("first.secret.16b", "second.secret.16", "third.secret.16b")
PORTAL = ("127.0.0.1", 3260)
SERVICE = "portcullisd.service"

CONFIGURATION = """
gateway = { partition = "aws"; region = "us-east-1"; account = "111122223333"; id = "sgw-12A3456B"; };
workers = 2;
portals = ( { address = "127.0.0.1"; } );
control = { %s };
targets = ( %s );
"""
# What LoadCredential= brings is there for the service alone, so not for a check by hand.
ENDPOINT = 'listen = "127.0.0.1:8260"; access_keys = "/run/credentials/portcullisd.service/access-keys";'
OWN = portcullis.target(luns=('path = "/var/lib/portcullis/disk.img"; size = "16M";',))
ELSEWHERE = portcullis.target(OTHER, luns=('path = "/srv/portcullis/disk.img"; size = "16M"; cache = "direct";',))


def until(condition):
    return initiator.wait_until(condition, 60)


class Service:
    """What is installed, in the machine it is installed on."""

    def __init__(self, machine, tap):
        self.machine, self.tap = machine, tap
        with open(os.path.join(BUILD, "contrib", SERVICE), encoding="utf-8") as unit:
            self.prefix, self.configuration = re.search(r"^ExecStart=(\S*)/sbin/portcullisd -c (\S+)$", unit.read(), re.M).groups()

    def does(self, what, *command, pattern=""):
        status, text = self.machine.run(*command)
        self.tap.ok(status == 0 and re.search(pattern, text), what, "$ " + " ".join(command), text, "status %d" % status, self.journal_text())
        return text

    def write(self, name, text, mode=0o644):
        path = self.machine.path(name)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(path, mode)

    def configure(self, *targets, control=ENDPOINT):
        self.write(self.configuration, CONFIGURATION % (control, ",\n".join(targets)))

    def show(self, name):
        return self.machine.run("systemctl", "show", "--value", "--property=" + name, SERVICE)[1].strip()

    def active(self):
        return self.show("ActiveState") == "active"

    def journal_text(self):
        return self.machine.run("journalctl", "--no-pager", "-o", "cat", "-u", SERVICE)[1][-3000:]

    def journal(self, *fields):
        text = self.machine.run("journalctl", "--no-pager", "-o", "json", "-u", SERVICE, *fields)[1]
        return [json.loads(line) for line in text.splitlines() if line.startswith("{")]

    def control(self, operation, members, name=portcullis.IQN):
        members = dict(members, TargetARN="%s/target/%s" % (portcullis.GATEWAY, name))
        connection = portcullis.UnixConnection(self.machine.path("/run/portcullis/control.sock"))
        try:
            return portcullis.exchange(connection, operation, members)[0]
        finally:
            connection.close()

    def update(self, secret):
        return self.control("UpdateChapCredentials", {"InitiatorName": HOST, "SecretToAuthenticateInitiator": secret})

    def log_in(self, secret=None, name=portcullis.IQN):
        session = initiator.Session(*PORTAL, target=name, name=HOST, secret=secret).login()
        session.ready()
        return session

    def attempt(self, secret=None, name=portcullis.IQN):
        return initiator.attempt(*PORTAL, target=name, name=HOST, secret=secret)


def install(service):
    """As README.md says."""
    environment = {name: value for name, value in os.environ.items() if name not in ("MAKEFLAGS", "MFLAGS", "MAKELEVEL", "TESTS")}
    done = subprocess.run(["make", "-s", "-C", BUILD, "install", "DESTDIR=" + service.machine.path("")], env=environment,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    service.tap.equal((done.returncode, done.stdout[-2000:] if done.returncode else ""), (0, ""), "it is installed")
    service.does("its user is made", "systemd-sysusers")
    service.write("/etc/portcullis/access-keys", signed.KEYS, 0o600)
    service.configure(OWN, ELSEWHERE, control="")
    service.does("the configuration is checked", service.prefix + "/sbin/portcullisd", "-t", "-c", service.configuration)
    service.configure(OWN, ELSEWHERE)
    service.does("a place for disks is made", "install", "-d", "-o", "portcullis", "-g", "portcullis", "-m", "0700", "/srv/portcullis")
    service.does("the sandbox is told of it", "install", "-D", "-m", "0644",
                 service.prefix + "/share/doc/portcullis/examples/lun-paths.conf", "/etc/systemd/system/%s.d/lun-paths.conf" % SERVICE)
    service.write("/etc/systemd/system/%s.d/keys.conf" % SERVICE,
                  "[Service]\nLoadCredential=access-keys:/etc/portcullis/access-keys\n")
    service.does("systemd reads it", "systemctl", "daemon-reload")
    service.does("it is enabled and started", "systemctl", "enable", "--now", SERVICE)
    service.tap.equal((service.active(), service.show("StatusText")), (True, "serving 2 targets on 1 portals"), "it has said that it is ready")


def sandbox(service):
    tap = service.tap
    with open(service.machine.path("/proc/%s/status" % service.show("MainPID")), encoding="utf-8") as file:
        status = dict(re.findall(r"^(\w+):\s+(.*)$", file.read(), re.M))
    user = service.machine.run("id", "-u", "portcullis")[1].strip()
    tap.equal((status["Uid"].split()[1], int(status["CapEff"], 16), int(status["CapBnd"], 16), status["NoNewPrivs"], status["Seccomp"]),
              (user, 0, 0, "1", "2"), "it runs as its own user, without any privilege, below a filter")
    found = service.does("it owns its state", "stat", "-c", "%U %a", "/var/lib/portcullis", "/var/lib/portcullis/disk.img",
                         "/srv/portcullis/disk.img", "/run/portcullis/control.sock").split("\n")
    tap.equal(found, ["portcullis 700", "portcullis 600", "portcullis 600", "portcullis 660", ""], "and nobody else")
    started = service.journal("PORTCULLIS_EVENT=workers-started")
    tap.equal([entry.get("PORTCULLIS_DISK_REQUESTS") for entry in started], ["io_uring"], "the sandbox lets it have io_uring")


def served(service):
    """A disk in the state directory, through the page cache, and one elsewhere, past it."""
    tap = service.tap
    tap.equal(service.update(SECRETS[0]), 200, "credentials are set")
    for name, secret in ((portcullis.IQN, SECRETS[0]), (OTHER, None)):
        with service.log_in(secret, name) as session:
            data = os.urandom(65536)
            tap.equal((session.write10(64, data)[0], session.read10(64, 128)[:2]), (0, (0, data)), "%s is written and read" % name)
            tap.equal(session.scsi(bytes.fromhex("35000000000000000000"))[0], 0, "and flushed")
    held = service.log_in(SECRETS[0])
    tap.equal((service.update(SECRETS[1]), held.rest()[0][-1].opcode), (200, initiator.ASYNC), "a change closes the session")
    tap.equal((service.attempt(SECRETS[0]), service.attempt(SECRETS[1])), (0x0201, 0), "and the new secret is asked for")
    name, body = "127.0.0.1:8260", portcullis.body_of({})
    connection = http.client.HTTPConnection(name, timeout=30)
    answer = portcullis.reply_to(connection, body, signed.headers(name, portcullis.full_name("ListGateways"), body))
    connection.close()
    tap.equal(answer[0], 200, "the keys that systemd handed over open the TCP endpoint")


def reload(service):
    tap = service.tap
    service.configure(OWN, ELSEWHERE, portcullis.target("iqn.2026-11.test:third"))
    with service.log_in(SECRETS[1]) as session:
        service.does("systemctl reload", "systemctl", "reload", SERVICE)
        tap.ok(until(lambda: service.attempt(name="iqn.2026-11.test:third") == 0), "serves what is new", service.journal_text())
        tap.equal(session.read10(0, 1)[0], 0, "and disturbs nobody")
        service.write(service.configuration, "targets = (\n  { nonsense = 1; }\n);\n")
        service.does("a reload of what has an error", "systemctl", "reload", SERVICE)
        tap.ok(until(lambda: service.journal("PORTCULLIS_EVENT=reload-refused")), "is refused", service.journal_text())
        tap.equal((session.read10(0, 1)[0], service.active(), service.attempt(name=OTHER)), (0, True, 0), "and all is as it was")
    service.configure(OWN, ELSEWHERE)
    service.does("and it is taken back", "systemctl", "reload", SERVICE)
    tap.ok(until(lambda: service.attempt(name="iqn.2026-11.test:third") == 0x0203), "what is not named is gone", service.journal_text())


def journal(service):
    """Each event's keys are fields."""
    tap = service.tap
    entries = service.journal("PORTCULLIS_EVENT=login-refused", "PORTCULLIS_TARGET=" + portcullis.IQN)
    tap.equal([entry["PORTCULLIS_INITIATOR"] for entry in entries], [HOST], "a refused login is found by its fields")
    tap.ok(entries and re.fullmatch(r"127\.0\.0\.1:\d+", entries[0]["PORTCULLIS_PEER"]) and entries[0]["SYSLOG_IDENTIFIER"] == "portcullisd"
           and entries[0]["MESSAGE"].startswith("what=login-refused target="), "with all it has to tell", entries)
    audits = service.journal("PORTCULLIS_EVENT=audit", "PORTCULLIS_OPERATION=StorageGateway_20130630.UpdateChapCredentials")
    tap.equal([(entry["PORTCULLIS_UID"], entry["PORTCULLIS_STATUS"]) for entry in audits], [("0", "200")] * 2, "so is who changed a secret")
    refused = service.journal("PORTCULLIS_EVENT=reload-refused")
    tap.ok(refused and int(refused[0]["PRIORITY"]) <= 4 and ":2: " in refused[0]["PORTCULLIS_WHY"], "an error has its priority, and says where", refused)
    text = service.machine.run("journalctl", "--no-pager", "-o", "export")[1]
    tap.equal([secret for secret in SECRETS + (signed.SECRET, signed.READER_SECRET) if secret in text], [], "and no secret is in any field [K8]")


def watched(service):
    """systemd's watchdog is fed, and ends one that hangs; whatever ends it, it is started anew with what it knew."""
    tap = service.tap
    service.write("/etc/systemd/system/%s.d/watchdog.conf" % SERVICE, "[Service]\nWatchdogSec=6\n")
    service.does("a shorter time of the watchdog", "systemctl", "daemon-reload")
    service.does("is in force from the next start on", "systemctl", "restart", SERVICE)
    tap.equal((service.show("WatchdogUSec"), service.show("NRestarts")), ("6s", "0"), "it is watched")
    time.sleep(7)
    tap.equal((service.active(), service.show("NRestarts")), (True, "0"), "and goes on beyond the watchdog's time")
    for count, (what, signal) in enumerate((("hangs", "STOP"), ("is killed", "KILL")), 1):
        before = service.show("MainPID")
        service.does("it " + what, "kill", "-" + signal, before)
        back = until(lambda: service.show("NRestarts") == str(count) and service.show("MainPID") not in ("0", before) and service.active())
        tap.ok(back, "it is started anew", service.show("NRestarts"), service.journal_text())
        tap.equal((service.attempt(SECRETS[0]), service.attempt(SECRETS[1])), (0x0201, 0), "with the credentials it had")


def stopped(service):
    tap = service.tap
    held = service.log_in(SECRETS[1])
    service.does("it is stopped", "systemctl", "stop", SERVICE)
    tap.equal(held.rest()[0][-1].opcode, initiator.ASYNC, "its session is closed in order")
    tap.equal((service.show("Result"), service.show("ExecMainStatus"), service.show("ActiveState")), ("success", "0", "inactive"), "and it ends well")
    service.does("it is started once more", "systemctl", "start", SERVICE)
    tap.equal((service.attempt(SECRETS[1]), service.attempt(name=OTHER)), (0, 0), "and serves")


def main():
    portcullis.require("make")
    if portcullis.is_sanitized():
        portcullis.skip_all("a sanitizer does not run in the sandbox")
    tap = portcullis.Tap()
    with tempfile.TemporaryDirectory(prefix="portcullis-test-") as directory:
        try:
            with container.Container(directory) as machine:
                machine.boot()
                machine.join_network()
                service = Service(machine, tap)
                for step in (install, sandbox, served, reload, journal, watched, stopped):
                    step(service)
        except container.Unavailable as why:
            if tap.count:
                raise
            portcullis.skip_all(str(why).replace("\n", " "))
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
