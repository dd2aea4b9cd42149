#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""AWS's own clients, unmodified, on gateways, volumes and disks: what the aws command prints on success and on each kind
of error, and how it and boto3 turn pages. Credentials are test_aws.py's."""
import json
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "lib"))
sys.path.insert(0, os.path.join(HERE, "..", "daemon"))
import initiator  # noqa: E402
import portcullis  # noqa: E402
import signed  # noqa: E402
import test_aws  # noqa: E402

GATEWAY = portcullis.GATEWAY
PREFIX = "iqn.1997-05.com.amazon:"
HOST = "iqn.1994-05.com.example:host"
MIB = 1 << 20
ERROR = "InvalidGatewayRequestException"
NO_VOLUME = GATEWAY + "/volume/vol-00000000000000000"
OTHER_GATEWAY = GATEWAY.replace("sgw-1", "sgw-2")
PAGES = 5  # volumes that the file names: two a page are three pages


def run_json(command, *arguments):
    """What it printed; None unless it ended well and said nothing else."""
    done = command.run(*arguments)
    return json.loads(done.stdout) if done.returncode == 0 and done.stdout and not done.stderr else None


def asked(daemon, operation):
    """How many such requests have been answered well."""
    return len(daemon.events("audit", operation=portcullis.AWS_PREFIX + operation, result="done"))


def check_gateway(tap, daemon, command):
    own = {"GatewayId": "sgw-12A3456B", "GatewayARN": GATEWAY, "GatewayType": "STORED", "GatewayName": "sgw-12A3456B",
           "HostEnvironment": "OTHER"}
    rows = (run_json(command, "list-gateways") or {}).get("Gateways", [])
    tap.ok(len(rows) == 1 and own.items() <= rows[0].items() and rows[0]["GatewayOperationalState"] == "ACTIVE",
           "list-gateways prints the one there is", rows)
    rows = run_json(command, "list-gateways", "--page-size", "1", "--max-items", "1")
    tap.ok(rows and "NextToken" not in rows, "and it is all", rows)
    found = run_json(command, "describe-gateway-information", "--gateway-arn", GATEWAY) or {}
    tap.ok(dict(own, GatewayState="RUNNING").items() <= found.items(), "describe-gateway-information prints it", found)
    tap.equal(found.get("GatewayNetworkInterfaces"), [{"Ipv4Address": "127.0.0.1"}], "with its address")
    found = run_json(command, "list-local-disks", "--gateway-arn", GATEWAY) or {}
    disks = {row["DiskNode"]: (row["DiskId"], row["DiskSizeInBytes"], row["DiskAllocationType"], row["DiskStatus"])
             for row in found.get("Disks", [])}
    tap.equal(disks, {"free": (daemon.directory + "/disks/free", 2 * MIB, "AVAILABLE", "present"),
                      "taken": (daemon.directory + "/disks/taken", MIB, "STORED iSCSI", "present")},
              "list-local-disks prints the disks")


def check_pages(tap, daemon, command):
    whole = run_json(command, "list-volumes") or {}
    rows = whole.get("VolumeInfos", [])
    tap.ok(len(rows) == PAGES and "NextToken" not in whole and all(
        row["GatewayARN"] == GATEWAY and row["VolumeARN"] == "%s/volume/%s" % (GATEWAY, row["VolumeId"])
        and row["VolumeType"] == "STORED iSCSI" and row["VolumeSizeInBytes"] >= MIB for row in rows),
        "list-volumes prints all volumes", whole)
    before = asked(daemon, "ListVolumes")
    found = run_json(command, "list-volumes", "--gateway-arn", GATEWAY, "--page-size", "2")
    tap.equal((found, asked(daemon, "ListVolumes") - before), (whole, 3), "--page-size 2: the same, in three requests")
    found = run_json(command, "list-volumes", "--max-items", "3") or {}
    tap.ok(found.get("VolumeInfos") == rows[:3] and found.get("NextToken"), "--max-items 3: three and a token", found)
    rest = run_json(command, "list-volumes", "--starting-token", found.get("NextToken", "")) or {}
    tap.ok(rest.get("VolumeInfos") == rows[3:] and "NextToken" not in rest, "--starting-token: the rest", rest)
    found = run_json(command, "list-volumes", "--page-size", "2", "--max-items", "4") or {}
    tap.ok(found.get("VolumeInfos") == rows[:4] and found.get("NextToken"), "--page-size 2 --max-items 4: four", found)
    rest = run_json(command, "list-volumes", "--starting-token", found.get("NextToken", ""), "--page-size", "1") or {}
    tap.equal(rest.get("VolumeInfos"), rows[4:], "and the last one")
    found = run_json(command, "list-volumes", "--no-paginate", "--limit", "2") or {}
    tap.ok(found.get("VolumeInfos") == rows[:2] and found.get("Marker"), "--no-paginate --limit 2: two and a marker", found)
    return {row["VolumeId"]: row["VolumeARN"] for row in rows}


def check_volumes(tap, daemon, command, arns):
    found = run_json(command, "describe-stored-iscsi-volumes", "--volume-arns", *arns.values()) or {}
    rows = {row["VolumeId"]: row for row in found.get("StorediSCSIVolumes", [])}
    tap.equal(set(rows), set(arns), "describe-stored-iscsi-volumes prints each")
    host, port = daemon.portals[0]
    attributes = [row["VolumeiSCSIAttributes"] for row in rows.values()]
    tap.equal(sorted((one["LunNumber"], one["TargetARN"], one["ChapEnabled"], one["NetworkInterfaceId"],
                      one["NetworkInterfacePort"]) for one in attributes),
              sorted([(0, daemon.arn(PREFIX + "chap"), True, host, port)]
                     + [(lun, daemon.arn(), False, host, port) for lun in range(PAGES - 1)]),
              "with its target, its number, and whether CHAP is demanded")
    with initiator.Session(host, port, target=portcullis.IQN, name=HOST).login() as session:
        session.ready()
        volume = next(row["VolumeARN"] for row in rows.values() if row["VolumeiSCSIAttributes"]["TargetARN"] == daemon.arn())
        test_aws.printed(tap, command.run("list-volume-initiators", "--volume-arn", volume), {"Initiators": [HOST]},
                         "list-volume-initiators prints who is logged in")
    return volume


def check_life(tap, daemon, command):
    """A volume is created, used, and deleted."""
    disk = os.path.join(daemon.directory, "disks", "free")
    create = ("create-stored-iscsi-volume", "--gateway-arn", GATEWAY, "--disk-id", disk, "--target-name", "new",
              "--network-interface-id", "127.0.0.1")
    made = run_json(command, *create, "--no-preserve-existing-data") or {}
    tap.ok(set(made) == {"VolumeARN", "VolumeSizeInBytes", "TargetARN"} and made["VolumeSizeInBytes"] == 2 * MIB
           and made["TargetARN"] == daemon.arn(PREFIX + "new"), "create-stored-iscsi-volume prints the volume", made)
    test_aws.printed(tap, command.run(*create, "--preserve-existing-data"), made, "again: the same")
    with initiator.Session(*daemon.portals[0], target=PREFIX + "new", name=HOST).login() as session:
        session.ready()
        tap.equal(session.write10(3, b"d" * 512)[0], 0, "it is served")
        test_aws.refused(tap, command.run("delete-volume", "--volume-arn", made["VolumeARN"]), ERROR, "DeleteVolume",
                         "logged in", "delete-volume under a session is refused")
    daemon.wait_idle(PREFIX + "new")
    test_aws.printed(tap, command.run("delete-volume", "--volume-arn", made["VolumeARN"]), {"VolumeARN": made["VolumeARN"]},
                     "delete-volume prints its ARN")
    tap.equal(initiator.attempt(*daemon.portals[0], target=PREFIX + "new", name=HOST), 0x0203, "and it is gone")
    refused_creations(tap, command, create)


def refused_creations(tap, command, create):
    def but(option, value):
        changed = list(create)
        changed[changed.index(option) + 1] = value
        return changed + ["--preserve-existing-data"]
    here = os.path.dirname(create[4])
    operation = "CreateStorediSCSIVolume"
    for arguments, error, words, name in (
            ([*create, "--no-preserve-existing-data"], ERROR, "not empty", "a disk with data that need not be preserved"),
            (but("--disk-id", here + "/none"), ERROR, "disk does not exist", "a disk that does not exist"),
            (but("--disk-id", here + "/taken"), ERROR, "volume's already", "a disk that is a volume"),
            (but("--target-name", "chap"), ERROR, "another target", "a name that is taken"),
            (but("--target-name", "UPPER"), "ValidationException", "at 'targetName'", "a name in upper case"),
            (but("--network-interface-id", "192.0.2.1"), ERROR, "NetworkInterfaceId", "another's address"),
            (but("--gateway-arn", OTHER_GATEWAY), ERROR, "gateway was not found", "another gateway"),
            (but("--disk-id", "x" * 301), "ValidationException", "less than or equal to 300", "a disk's name too long"),
            ([*create, "--preserve-existing-data", "--snapshot-id", "snap-01234567"], ERROR, "snapshots", "a snapshot"),
            ([*create, "--preserve-existing-data", "--kms-encrypted"], ERROR, "encrypted", "encryption"),
            ([*create, "--preserve-existing-data", "--tags", "Key=a,Value=b"], ERROR, "tags", "tags")):
        test_aws.refused(tap, command.run(*arguments), error, operation, words, "create-stored-iscsi-volume, %s: %s" % (name, error))


def check_errors(tap, command, volume):
    reader = {"key": signed.READER, "secret": signed.READER_SECRET}
    for arguments, error, operation, words in (
            (("delete-volume", "--volume-arn", NO_VOLUME), ERROR, "DeleteVolume", "volume was not found"),
            (("delete-volume", "--volume-arn", volume), ERROR, "DeleteVolume", "configuration file names it"),
            (("delete-volume", "--volume-arn", GATEWAY), "ValidationException", "DeleteVolume", "at 'volumeARN'"),
            (("describe-stored-iscsi-volumes", "--volume-arns", volume, NO_VOLUME), ERROR, "DescribeStorediSCSIVolumes",
             "volume was not found"),
            (("describe-stored-iscsi-volumes", "--volume-arns", volume, GATEWAY), "ValidationException",
             "DescribeStorediSCSIVolumes", "at 'volumeARNs.2.member'"),
            (("list-volume-initiators", "--volume-arn", NO_VOLUME), ERROR, "ListVolumeInitiators", "volume was not found"),
            (("list-volumes", "--gateway-arn", OTHER_GATEWAY), ERROR, "ListVolumes", "gateway was not found"),
            (("list-volumes", "--no-paginate", "--marker", "x"), ERROR, "ListVolumes", "Marker is none"),
            (("list-gateways", "--no-paginate", "--marker", "x"), ERROR, "ListGateways", "Marker is none"),
            (("describe-gateway-information", "--gateway-arn", volume), ERROR, "DescribeGatewayInformation",
             "gateway is invalid"),
            (("list-local-disks", "--gateway-arn", "x" * 501), "ValidationException", "ListLocalDisks",
             "less than or equal to 500")):
        test_aws.refused(tap, command.run(*arguments), error, operation, words, "%s, %s: %s" % (arguments[0], words, error))
    test_aws.refused(tap, command.run("delete-volume", "--volume-arn", volume, **reader), "AccessDeniedException", "DeleteVolume",
                     "read-only", "delete-volume with a read-only key")
    done = command.run("list-volumes", **reader)
    tap.ok(done.returncode == 0 and volume in done.stdout, "list-volumes with a read-only key", done)
    done = command.run("delete-volume", "--volume-arn", "short")
    tap.ok(done.returncode in (252, 254, 255) and "min" in done.stderr, "what the client refuses itself is not even asked", done)


def check_path(tap, daemon, command):
    """The client keeps the path of its endpoint."""
    place = signed.Endpoint(daemon)
    place.url += "/behind/a-proxy/"
    done = test_aws.Command(daemon, place).run("list-gateways")
    tap.ok(done.returncode == 0 and GATEWAY in done.stdout, "--endpoint-url with a path", done)
    place.url += "/twice"
    done = test_aws.Command(daemon, place).run("list-gateways")
    tap.ok(done.returncode != 0 and "nothing at this path" in done.stderr, "one that signatures write otherwise is refused", done)


PAGER = r"""
import json, sys
import boto3
url, key, secret, settings = json.load(sys.stdin)
client = boto3.client("storagegateway", endpoint_url=url, region_name="us-east-1", aws_access_key_id=key,
                      aws_secret_access_key=secret)
pages = client.get_paginator("list_volumes").paginate(PaginationConfig=settings)
json.dump([[row["VolumeId"] for row in page["VolumeInfos"]] for page in pages], sys.stdout)
"""


def check_boto_pages(tap, daemon, endpoint, names):
    for settings, sizes in (({"PageSize": 2}, [2, 2, 1]), ({"PageSize": PAGES}, [PAGES]), ({}, [PAGES]),
                            ({"PageSize": 3, "MaxItems": 4}, [3, 1])):
        done = subprocess.run([test_aws.SYSTEM_PYTHON, "-W", "ignore", "-c", PAGER], text=True, timeout=120,
                              env=test_aws.environment(daemon.directory), capture_output=True,
                              input=json.dumps([endpoint.url, signed.KEY, signed.SECRET, settings]))
        pages = json.loads(done.stdout) if done.returncode == 0 else []
        flat = [name for page in pages for name in page]
        tap.ok([len(page) for page in pages] == sizes and flat == names[:len(flat)], "boto3's paginator, %s" % settings, done)


def check(tap, daemon):
    endpoint = signed.Endpoint(daemon)
    command = test_aws.Command(daemon, endpoint)
    check_gateway(tap, daemon, command)
    arns = check_pages(tap, daemon, command)
    volume = check_volumes(tap, daemon, command, arns)
    check_life(tap, daemon, command)
    check_errors(tap, command, volume)
    check_path(tap, daemon, command)
    if os.access(test_aws.SYSTEM_PYTHON, os.X_OK) and subprocess.run([test_aws.SYSTEM_PYTHON, "-c", "import boto3"], timeout=60,
                                                                     capture_output=True).returncode == 0:
        check_boto_pages(tap, daemon, endpoint, list(arns))
    else:
        tap.skip("boto3's paginator", "python3-boto3 is not installed")


def main():
    portcullis.require("aws")
    tap = portcullis.Tap()
    luns = ('path = "@DIR@/disks/taken"; size = "1M";',) + ('path = "memory:"; size = "1M";',) * (PAGES - 2)
    with portcullis.Daemon(start=False) as daemon:
        disks = os.path.join(daemon.directory, "disks")
        os.mkdir(disks)
        with open(os.path.join(disks, "free"), "wb") as file:
            file.truncate(2 * MIB)
        daemon.configure(signed.configuration(daemon.directory, control='disk_directories = [ "@DIR@/disks" ];', targets=[
            portcullis.target(luns=luns), portcullis.target(PREFIX + "chap", "chap", ('path = "memory:"; size = "1M";',))]))
        daemon.start()
        check(tap, daemon)
        tap.equal(daemon.stop(), 0, "the daemon ends well")
    return tap.finish()


if __name__ == "__main__":
    sys.exit(main())
