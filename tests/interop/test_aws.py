#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""AWS's own clients, unmodified, against a running portcullisd: the aws command and boto3 as Debian has them, and curl
with --aws-sigv4. What each prints on success and on each kind of error, in clear and over TLS."""
import json
import os
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, os.path.join(HERE, "..", "daemon"))
import portcullis  # noqa: E402
import signed  # noqa: E402
import test_cases  # noqa: E402

OPEN = "iqn.1997-05.com.amazon:open"
FIRST, SECOND = "111111111111", "222222222222"
SYSTEM_PYTHON = "/usr/bin/python3"  # the one that Debian's python3-boto3 is for
RECORD = {"InitiatorName": portcullis.INITIATOR, "SecretToAuthenticateInitiator": FIRST,
          "SecretToAuthenticateTarget": SECOND}


def environment(directory, key=signed.KEY, secret=signed.SECRET, **more):
    """Nothing of the user's own settings, no proxy, one attempt."""
    found = {name: value for name, value in os.environ.items()
             if not name.startswith("AWS_") and not name.lower().endswith("_proxy")}
    found.update(HOME=directory, AWS_CONFIG_FILE=os.devnull, AWS_SHARED_CREDENTIALS_FILE=os.devnull,
                 AWS_EC2_METADATA_DISABLED="true", AWS_PAGER="", AWS_DEFAULT_REGION="us-east-1", AWS_MAX_ATTEMPTS="1",
                 AWS_ACCESS_KEY_ID=key, AWS_SECRET_ACCESS_KEY=secret)
    return dict(found, **more)


class Command:
    """The aws command on one endpoint."""

    def __init__(self, daemon, endpoint):
        self.daemon, self.endpoint = daemon, endpoint

    def run(self, verb, *arguments, **settings):
        trust = ["--ca-bundle", self.endpoint.trust] if self.endpoint.trust else []
        return subprocess.run(["aws", "--endpoint-url", self.endpoint.url, *trust, "storagegateway", verb, *arguments],
                              env=environment(self.daemon.directory, **settings), stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=120)

    def update(self, arn, first=FIRST, second=SECOND, initiator=portcullis.INITIATOR, **settings):
        return self.run("update-chap-credentials", "--target-arn", arn, "--initiator-name", initiator,
                        "--secret-to-authenticate-initiator", first, "--secret-to-authenticate-target", second,
                        **settings)

    def describe(self, arn, *arguments, **settings):
        return self.run("describe-chap-credentials", "--target-arn", arn, *arguments, **settings)

    def delete(self, arn, initiator=portcullis.INITIATOR):
        return self.run("delete-chap-credentials", "--target-arn", arn, "--initiator-name", initiator)


def printed(tap, done, expected, name):
    try:
        found = json.loads(done.stdout)
    except ValueError:
        found = done.stdout
    tap.ok(done.returncode == 0 and found == expected and not done.stderr, name, done, expected)


def refused(tap, done, error, operation, words, name):
    """The command says so in its own form, and shows no secret."""
    said = "An error occurred (%s) when calling the %s operation" % (error, operation)
    tap.ok(done.returncode in (254, 255) and said in done.stderr and words in done.stderr and not done.stdout
           and FIRST not in done.stderr, name, done)


def check_command(tap, command, word):
    """One round of a record's life."""
    arn = command.daemon.arn()
    pair = {"TargetARN": arn, "InitiatorName": portcullis.INITIATOR}
    printed(tap, command.update(arn), pair, word + "update-chap-credentials prints the pair")
    printed(tap, command.describe(arn), {"ChapCredentials": [dict(RECORD, TargetARN=arn)]},
            word + "describe-chap-credentials prints the record")
    printed(tap, command.delete(arn), pair, word + "delete-chap-credentials prints the pair")
    printed(tap, command.describe(arn), {"ChapCredentials": []}, word + "and then there is none")


def check_command_errors(tap, command):
    arn, other = command.daemon.arn(), command.daemon.arn("iqn.1997-05.com.amazon:othervol")
    gateway = "InvalidGatewayRequestException"
    update, describe, delete = "UpdateChapCredentials", "DescribeChapCredentials", "DeleteChapCredentials"
    reader = {"key": signed.READER, "secret": signed.READER_SECRET}
    for done, error, operation, words, name in (
            (command.update(other), gateway, update, "The specified target was not found.", "an unknown target"),
            (command.describe(portcullis.GATEWAY), gateway, describe, "target is invalid", "an ARN of a gateway"),
            (command.delete(arn, "iqn.none:a"), gateway, delete, "initiator was not found", "an unknown pair"),
            (command.update(arn, "a" * 17), gateway, update, "12 to 16 bytes", "a secret too long"),
            (command.update(arn, FIRST, FIRST), gateway, update, "must differ", "one secret for both"),
            (command.update(command.daemon.arn(OPEN)), gateway, update, "not supported", "an open target"),
            (command.update(arn, initiator="IQN.A"), "ValidationException", update, "at 'initiatorName'",
             "a name in upper case"),
            (command.describe("a" * 801), "ValidationException", describe, "less than or equal to 800", "a long ARN"),
            (command.run("list-tapes"), "UnknownOperationException", "ListTapes", "unknown operation",
             "an operation that is not served"),
            (command.describe(arn, "--no-sign-request"), "MissingAuthenticationToken", describe, "signed",
             "an unsigned request"),
            (command.describe(arn, key="AKIDUNKNOWN"), "UnrecognizedClientException", describe, "is invalid",
             "an unknown access key"),
            (command.describe(arn, secret="x"), "InvalidSignatureException", describe, "does not match",
             "a wrong secret access key"),
            (command.update(arn, **reader), "AccessDeniedException", update, "read-only", "a read-only key"),
            (command.describe(arn, **reader), "AccessDeniedException", describe, "read-only",
             "secrets for a read-only key")):
        refused(tap, done, error, operation, words, "aws: %s, %s" % (name, error))


def check_command_retries(tap, command):
    """What fails inside is tried again by the client, byte for byte or signed anew: both are answered."""
    with test_cases.FullDisk(command.daemon):
        done = command.update(command.daemon.arn(), AWS_MAX_ATTEMPTS="2")
    refused(tap, done, "InternalServerError", "UpdateChapCredentials", "reached max retries: 1",
            "aws: a change that cannot be stored is an InternalServerError, and tried again")
    printed(tap, command.update(command.daemon.arn()),
            {"TargetARN": command.daemon.arn(), "InitiatorName": portcullis.INITIATOR}, "aws: and later it succeeds")


BOTO = r"""
import datetime, json, sys, types
import boto3, botocore.auth, botocore.config, botocore.exceptions
signers = [botocore.auth]
try:  # Debian's signs with this one
    import botocore.crt.auth
    signers.append(botocore.crt.auth)
except ImportError:
    pass
url, trust, calls = json.load(sys.stdin)
settings = botocore.config.Config(retries={"total_max_attempts": 1})
replies = []
for operation, members, how in calls:
    client = boto3.client("storagegateway", endpoint_url=url, verify=trust, config=settings,
                          region_name=how.get("region", "us-east-1"), aws_access_key_id=how["key"],
                          aws_secret_access_key=how["secret"], aws_session_token=how.get("token"))
    real = datetime
    if "minutes" in how:
        class Shifted(datetime.datetime):
            @classmethod
            def utcnow(cls):
                return real.datetime.utcnow() + datetime.timedelta(minutes=how["minutes"])
        for signer in signers:
            signer.datetime = types.SimpleNamespace(datetime=Shifted, timezone=real.timezone)
    try:
        reply = getattr(client, operation)(**members)
        status = reply.pop("ResponseMetadata")["HTTPStatusCode"]
        replies.append([status, reply, None])
    except botocore.exceptions.ClientError as error:
        reply = error.response
        replies.append([reply["ResponseMetadata"]["HTTPStatusCode"], reply["Error"]["Code"], reply["Error"]["Message"],
                        reply.get("error")])
    finally:
        for signer in signers:
            signer.datetime = real
json.dump(replies, sys.stdout)
"""


def check_boto(tap, daemon, endpoint):
    arn = daemon.arn()
    pair = {"TargetARN": arn, "InitiatorName": portcullis.INITIATOR}
    good = {"key": signed.KEY, "secret": signed.SECRET}
    update = dict(RECORD, TargetARN=arn)
    russian = "\u043f\u0430\u0440\u043e\u043b\u044c"
    gateway = "InvalidGatewayRequestException"
    rows = [  # operation, members, how it is signed, status, reply or error, error code
        ("update_chap_credentials", update, good, 200, pair),
        ("describe_chap_credentials", {"TargetARN": arn}, good, 200, {"ChapCredentials": [update]}),
        ("describe_chap_credentials", {"TargetARN": arn}, dict(good, token="Any+Token=="), 200,
         {"ChapCredentials": [update]}),
        ("describe_chap_credentials", {"TargetARN": arn}, dict(good, region="eu-central-1"), 200,
         {"ChapCredentials": [update]}),
        ("describe_chap_credentials", {"TargetARN": arn}, dict(good, minutes=-14), 200, {"ChapCredentials": [update]}),
        ("describe_chap_credentials", {"TargetARN": arn}, dict(good, minutes=14), 200, {"ChapCredentials": [update]}),
        ("update_chap_credentials", dict(update, SecretToAuthenticateTarget=russian), good, 200, pair),
        ("describe_chap_credentials", {"TargetARN": arn}, good, 200,
         {"ChapCredentials": [dict(update, SecretToAuthenticateTarget=russian)]}),
        ("update_chap_credentials", dict(update, SecretToAuthenticateInitiator=SECOND), good, 400, gateway,
         "InvalidParameters"),
        ("update_chap_credentials", dict(update, TargetARN=arn + "x"), good, 400, gateway, "TargetNotFound"),
        ("delete_chap_credentials", dict(pair, InitiatorName="iqn.none:a"), good, 400, gateway, "InitiatorNotFound"),
        ("delete_chap_credentials", dict(pair, InitiatorName="iqn.none:a\n"), good, 400, "ValidationException", None),
        ("list_tapes", {}, good, 400, "UnknownOperationException", None),
        ("describe_chap_credentials", {"TargetARN": arn}, dict(good, key="AKIDUNKNOWN"), 400,
         "UnrecognizedClientException", None),
        ("describe_chap_credentials", {"TargetARN": arn}, dict(good, secret="x"), 400, "InvalidSignatureException",
         None),
        ("describe_chap_credentials", {"TargetARN": arn}, dict(good, minutes=-20), 400, "InvalidSignatureException",
         None),
        ("describe_chap_credentials", {"TargetARN": arn}, dict(good, minutes=20), 400, "InvalidSignatureException",
         None),
        ("delete_chap_credentials", pair, {"key": signed.READER, "secret": signed.READER_SECRET}, 400,
         "AccessDeniedException", None),
        ("delete_chap_credentials", pair, good, 200, pair),
        ("describe_chap_credentials", {"TargetARN": arn}, good, 200, {"ChapCredentials": []}),
    ]
    done = subprocess.run([SYSTEM_PYTHON, "-W", "ignore", "-c", BOTO], env=environment(daemon.directory),
                          input=json.dumps([endpoint.url, endpoint.trust, [row[:3] for row in rows]]),
                          capture_output=True, text=True, timeout=120)
    if not tap.ok(done.returncode == 0, "boto3: the script ends well", done.stderr):
        return
    for row, reply in zip(rows, json.loads(done.stdout)):
        how = ", ".join("%s %s" % pair for pair in row[2].items() if good.get(pair[0]) != pair[1])
        name = "boto3: %s %s is %s" % (row[0], how, row[3] if row[3] == 200 else row[4])
        right = reply[0] == row[3] and reply[1] == row[4]
        if row[3] != 200:
            right = right and (row[5] is None or reply[3] == {"errorCode": row[5]}) and FIRST not in reply[2]
        tap.ok(right, name, reply, row)


def check_curl(tap, daemon, endpoint):
    """curl on both ways in; on the Unix socket a signature is not asked for, and harms nothing."""
    body = json.dumps({"TargetARN": daemon.arn()})
    for way, place, secret, expected in (
            ("over TCP", [endpoint.url + "/"], signed.SECRET, "200"),
            ("over TCP, at a path of one's own", [endpoint.url + "/behind/a-proxy"], signed.SECRET, "200"),
            ("over TCP with a wrong secret", [endpoint.url + "/"], "x", "400"),
            ("on the Unix socket", ["--unix-socket", daemon.socket, "http://localhost/"], signed.SECRET, "200")):
        trust = ["--cacert", endpoint.trust] if endpoint.trust else []
        settings = os.path.join(daemon.directory, "curl-settings")
        with open(settings, "w", encoding="ascii") as out:
            out.write('user = "%s:%s"\n' % (signed.KEY, secret))
        done = subprocess.run(["curl", "-q", "-sS", "--noproxy", "*", *trust, "-K", settings,
                               "--aws-sigv4", "aws:amz:us-east-1:storagegateway",
                               "-H", "Content-Type: application/x-amz-json-1.1",
                               "-H", "X-Amz-Target: StorageGateway_20130630.DescribeChapCredentials",
                               "--data", body, "-w", "\n%{http_code}", *place],
                              capture_output=True, text=True, timeout=60)
        status = done.stdout.split("\n")[-1]
        tap.ok(status == expected, "curl %s: %s" % (way, expected), done)


def check(tap, daemon, endpoint):
    word = "aws over TLS: " if endpoint.trust else "aws: "
    if shutil.which("aws"):
        command = Command(daemon, endpoint)
        check_command(tap, command, word)
        if endpoint.trust:
            done = Command(daemon, signed.Endpoint(daemon)).describe(daemon.arn())
            tap.ok(done.returncode != 0 and "An error occurred" not in done.stderr, "aws without TLS gets nothing from a TLS endpoint", done)
        else:
            check_command_errors(tap, command)
            check_command_retries(tap, command)
    else:
        tap.skip(word + "the aws command", "awscli is not installed")
    if os.access(SYSTEM_PYTHON, os.X_OK) and subprocess.run([SYSTEM_PYTHON, "-c", "import boto3"], capture_output=True,
                                                            timeout=60).returncode == 0:
        check_boto(tap, daemon, endpoint)
    else:
        tap.skip("boto3", "python3-boto3 is not installed")
    if shutil.which("curl"):
        check_curl(tap, daemon, endpoint)
    else:
        tap.skip("curl --aws-sigv4", "curl is not installed")


def main():
    portcullis.require()
    tap = portcullis.Tap()
    targets = [portcullis.target(), portcullis.target(OPEN, "none")]
    for tls in (False, True):
        if tls and not shutil.which("openssl"):
            tap.skip("the clients over TLS", "openssl is not installed")
            continue
        with portcullis.Daemon(start=False) as daemon:
            trust = signed.make_authority(daemon.directory) if tls else None
            if tls:
                signed.make_certificate(daemon.directory, "clients")
            daemon.configure(signed.configuration(daemon.directory, tls, targets=targets))
            daemon.start()
            check(tap, daemon, signed.Endpoint(daemon, trust))
            tap.equal(daemon.stop(), 0, "the daemon ends well")
            log = daemon.log()
            tap.ok(not any(word in log for word in (FIRST, SECOND, signed.SECRET, signed.READER_SECRET)),
                   "no secret in the log")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
