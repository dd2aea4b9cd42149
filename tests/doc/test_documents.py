#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""What is written about portcullis agrees with what it is: the manual is complete and well-formed, the samples are
good, links lead somewhere."""
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

TOP = os.environ.get("top_srcdir") or os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(TOP, "tests", "lib"))
import portcullis  # noqa: E402

MANUAL = ("portcullisctl.1", "portcullis.conf.5", "portcullisd.8")


def read(*path):
    with open(os.path.join(TOP, *path), encoding="utf-8") as file:
        return file.read()


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, timeout=60, **more)


def plain(name):
    """A page of the manual without its macros' dashes and hyphens in the way."""
    return re.sub(r"\bFl -", "--", read("doc", name)).replace("Fl ", "-")


def test_lint(tap):
    for name in MANUAL:
        if not shutil.which("mandoc"):
            tap.skip(name + " is well-formed", "mandoc is not installed")
            continue
        done = run("mandoc", "-Tlint", "-W", "warning", os.path.join(TOP, "doc", name))
        tap.ok(done.returncode == 0, name + " is well-formed", done.stdout, done.stderr)


def keys(table):
    """The keys of one table of conf/config_table.c."""
    source = read("conf", "config_table.c")
    body = re.search(r"struct key %s_keys\[\] = \{(.*?)\n\};" % table, source, re.S).group(1)
    return re.findall(r'\{ "(\w+)", VALUE_', body)


def test_configuration_keys(tap):
    page, sample = read("doc", "portcullis.conf.5"), read("contrib", "portcullis.conf")
    for table in ("root", "gateway", "portal", "control", "target", "lun"):
        names = keys(table)
        tap.ok(names and all(re.search(r"^\.It Va %s\b" % name, page, re.M) for name in names),
               "portcullis.conf(5) has every key of %s" % table, names)
        tap.ok(all(re.search(r"^[\s#]*%s = " % name, sample, re.M) for name in names),
               "so has the sample", names)
    known = {name for table in ("root", "gateway", "portal", "control", "target", "lun") for name in keys(table)}
    described = set(re.findall(r"^\.It Va (\w+)", page, re.M))
    tap.equal(described - known, set(), "and neither has others")
    readme = read("README.md")
    tap.equal([name for name in sorted(known) if "`%s`" % name not in readme], [], "the README names every key")


def test_client(tap):
    program = portcullis.binary("portcullisctl")
    if not program:
        tap.skip("portcullisctl(1) has every verb and option", "portcullisctl is not built")
        return
    page = plain("portcullisctl.1")
    verbs = re.findall(r"^  (\S+(?: \S+)?)  +", run(program, "--help").stdout.split("Options:")[0], re.M)
    table = re.findall(r'\.name = "([^"]+)"', read("ctl", "verbs.c"))
    tap.equal(sorted(verbs), sorted(table), "the help has every verb")
    for verb in table:
        tap.ok(re.search(r"^\.It Cm %s( |$)" % verb, page, re.M), "portcullisctl(1) has " + verb)
        uses = re.findall(r"^\.Cm %s\n((?:\.(?!Nm|Sh).*\n)*)" % verb, page.split("Sh DESCRIPTION")[0], re.M)
        own = run(program, *verb.split(), "--help").stdout.split("Options of this verb:")
        own = re.findall(r"^  (--\S+)", own[1].split("Options:")[0], re.M) if len(own) > 1 else []
        tap.equal((len(uses), sorted(re.findall(r"(--[\w-]+)", uses[0] if uses else ""))), (1, sorted(own)),
                  "and its synopsis the options of " + verb)
    commands = " ".join(re.findall(r"^    .*|`[^`\n]+`", read("README.md"), re.M))
    tap.equal([verb for verb in table if not re.search(r"(?<![\w-])%s(?![\w-])" % verb, commands)], [],
              "the README has every verb")
    options = {o for verb in table for o in re.findall(r"^  (--\S+)", run(program, *verb.split(), "--help").stdout, re.M)}
    described = set(re.findall(r"^\.It (--\S+)", page, re.M))
    tap.equal(described, options, "and every option, and no other")
    codes = re.findall(r"^\.It (\d)$", page, re.M)
    tap.equal(codes, ["0", "1", "2", "3"], "and every exit status")


def test_daemon(tap):
    page = plain("portcullisd.8")
    for word in ("-c", "-t", "-v", "--version", "--help"):
        tap.ok(re.search(r"^\.It %s\b" % word, page, re.M), "portcullisd(8) has " + word)
        if portcullis.binary():
            tap.ok(re.search(r"^  %s " % word, run(portcullis.binary(), "--help").stdout, re.M), "so has portcullisd --help")
    for word in ("SIGHUP", "SIGTERM", "SIGINT", "/var/lib/portcullis", "control.sock", "0x0301"):
        tap.ok(word in page, "portcullisd(8) speaks of " + word)
    operations = set(re.findall(r"[A-Z]\w+_20\d{6}\.\w+", read("daemon", "api", "api.c")))
    tap.equal(set(re.findall(r"^\.It Em (\S+)", page, re.M)), operations, "and has every operation")
    errors = re.search(r"\} errors\[\] = \{(.*?)\n\};", read("daemon", "api", "api.c"), re.S).group(1)
    errors = set(re.findall(r'"([A-Z][A-Za-z]+)"', errors))
    tap.ok(len(errors) > 20 and all(re.search(r"^\.(It Li|Em) %s\b" % name, page, re.M) for name in errors),
           "and every error", errors)
    # AWS documents its own, and RFC 7143 the negotiated keys.
    known = set(re.findall(r"\w+", page))
    for name in ("list", "session", "live", "config", "portal", "statistics"):
        source = re.sub(r"describe_keys\(.*?\n}\n", "", read("daemon", "api", name + ".c"), flags=re.S)
        members = set(re.findall(r'"([A-Z][a-z]\w+|ISID|TSIH)"', source)) - {"None"}
        tap.equal(members - known, set(), "and the members of the operations in daemon/api/%s.c" % name)


def test_old_secret(tap):
    """[CRED-11]"""
    page = read("doc", "portcullisctl.1")
    for words in ("old secret", "node.session.auth.authmethod", "node.session.auth.password",
                  "node.session.auth.username_in", "node.session.auth.chap_algs", "--logout", "Connect-IscsiTarget",
                  "iscsicli", "12 to 16 bytes", "FreeBSD"):
        tap.ok(words in page, "the initiators' side: " + words)
    tap.ok("old one" in read("README.md"), "the README warns of the old secret")


def test_sample(tap):
    program = portcullis.binary()
    if not program:
        tap.skip("the sample configuration is accepted", "portcullisd is not built")
        return
    for name, text in (("as it is", read("contrib", "portcullis.conf")),
                       ("with what it leaves out", re.sub(r"# (physical_block_size)", r"\1",
                                                          read("contrib", "portcullis.conf")))):
        with tempfile.TemporaryDirectory(prefix="portcullis-doc-") as directory:
            path = os.path.join(directory, "portcullis.conf")
            with open(path, "w", encoding="utf-8") as out:
                out.write(text.replace("/var/lib/portcullis", os.path.join(directory, "state")))
            done = run(program, "-t", "-c", path)
            tap.ok(done.returncode == 0, "the sample configuration %s is accepted" % name, done.stderr)


def test_examples(tap):
    """The examples of the page, each a whole file."""
    program = portcullis.binary()
    examples = re.findall(r"^\.Bd -literal -offset indent\n(.*?)^\.Ed", read("doc", "portcullis.conf.5"), re.M | re.S)
    if not program:
        tap.skip("the examples of portcullis.conf(5) are accepted", "portcullisd is not built")
        return
    for number, text in enumerate(examples, 1):
        with tempfile.TemporaryDirectory(prefix="portcullis-doc-") as directory:
            path = os.path.join(directory, "portcullis.conf")
            with open(path, "w", encoding="utf-8") as out:
                out.write('state_directory = "%s/state";\n%s' % (directory, text))
            done = run(program, "-t", "-c", path)
            tap.ok(done.returncode == 0, "example %d of portcullis.conf(5) is accepted" % number, done.stderr)


def test_unit(tap):
    unit = os.path.join(os.environ.get("top_builddir", "."), "contrib", "portcullisd.service")
    if not shutil.which("systemd-analyze") or not os.path.exists(unit):
        tap.skip("portcullisd.service is accepted", "systemd-analyze, or the unit, is not there")
        return
    with open(unit, encoding="utf-8") as file:
        text = file.read()
    tap.ok(not re.search(r"@\w+@|\$\{", text), "portcullisd.service names real paths")
    families = re.search(r"^RestrictAddressFamilies=(.*)", text, re.M).group(1).split()
    tap.equal(set(families), {"AF_INET", "AF_INET6", "AF_UNIX", "AF_NETLINK"},
              "it may ask for portals, the control socket, and (getifaddrs) the host's addresses")
    with tempfile.TemporaryDirectory(prefix="portcullis-doc-") as directory:
        copy = os.path.join(directory, "portcullisd.service")
        with open(copy, "w", encoding="utf-8") as out:  # before it is installed its program is not there
            out.write(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", text, flags=re.M))
        done = run("systemd-analyze", "verify", "--man=no", copy)
        complaints = [line for line in done.stderr.splitlines() if "portcullisd.service" in line]
        tap.equal(complaints, [], "portcullisd.service is accepted")
        done = run("systemd-analyze", "security", "--offline=true", "--no-pager", copy)
        level = re.search(r"exposure level for \S+: ([\d.]+)", done.stdout)
        if not level:
            tap.skip("its sandbox is tight", "this systemd-analyze cannot tell")
            return
        tap.ok(float(level.group(1)) <= 2.0, "its sandbox is tight", level.group(0))


def test_links(tap):
    for name in ("README.md", "doc/architecture.md"):
        base = os.path.dirname(os.path.join(TOP, name))
        links = [link for link in re.findall(r"\]\(([^)]+)\)", read(name)) if "://" not in link]
        gone = [link for link in links if not os.path.exists(os.path.join(base, link))]
        tap.ok(links and not gone, name + ": links lead somewhere", gone)
        named = set(re.findall(r"`((?:[a-z]+/)+[a-z_]+\.(?:c|h|py|conf))`", read(name)))
        gone = [path for path in named if not os.path.exists(os.path.join(TOP, path))]
        tap.equal(gone, [], name + ": the files it names are there")
    svg = xml.etree.ElementTree.parse(os.path.join(TOP, "doc", "design.svg")).getroot()
    tap.ok(svg.tag.endswith("svg") and svg.get("viewBox"), "design.svg is a picture")


def main():
    tap = portcullis.Tap()
    for test in (test_lint, test_configuration_keys, test_client, test_daemon, test_old_secret, test_sample,
                 test_examples, test_unit, test_links):
        test(tap)
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
