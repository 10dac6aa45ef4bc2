# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Targets of backups on real servers: what is sent is read back and compared, and only what is ours and no longer kept is removed."""

from __future__ import annotations

import datetime
import getpass
import json
import os

import boto3
import pytest
from _moto import KEYS, moto_running, new_bucket
from _sshd import sshd_running
from _swift import swift_running
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.cfcr.kubernetes.plugins.module_utils._backup.target import backups, retain, send
from ansible_collections.cfcr.kubernetes.plugins.module_utils._backup.targets import TARGETS, open_targets
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError

MARK = {"cluster": "prod", "id": "x"}
KEEP = {"last": 1, "daily": 0, "weekly": 0}


def opened(options):
    done = ArgumentSpecValidator({"targets": TARGETS}).validate({"targets": [options]})
    assert done.error_messages == []
    return open_targets(done.validated_parameters["targets"])[0]


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    """Return the options of a target at a server of OpenSSH, which accepts one key and nothing but SFTP."""
    with sshd_running(tmp_path_factory.mktemp("sshd"), "ForceCommand internal-sftp") as server:
        yield {
            "type": "sftp", "host": "127.0.0.1", "port": server.port, "user": getpass.getuser(), "key_path": str(server.key),
            "known_hosts_path": str(server.known_hosts),
        }  # fmt: skip


@pytest.fixture(scope="module")
def moto():
    with moto_running() as url:
        yield url


@pytest.fixture
def bucket(moto, request):
    return new_bucket(moto, f"bucket-{abs(hash(request.node.name))}")


@pytest.fixture(scope="module")
def swift(tmp_path_factory):
    with swift_running(tmp_path_factory.mktemp("swift")) as options:
        yield options


# moto only stands in for Amazon's locks and versions; Swift is a real server.
@pytest.fixture(params=["directory", "sftp", "swift", "moto"])
def target(request, tmp_path):
    if request.param == "moto":
        return opened(request.getfixturevalue("bucket"))
    if request.param == "swift":
        return opened({**request.getfixturevalue("swift"), "prefix": f"clusters/{tmp_path.name}"})
    (tmp_path / "a directory").mkdir()
    path = {"path": str(tmp_path / "a directory")}
    return opened({"type": "directory", **path} if request.param == "directory" else {**request.getfixturevalue("sshd"), **path})


@pytest.fixture
def file(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work/backup").write_bytes(os.urandom(9_000_000))  # boto3 sends more than 8 MiB in parts
    return tmp_path / "work/backup"


def name(day: int) -> str:
    return f"prod-202601{day:02}T010203Z.cfcr"


def sent(target, file, *days: int) -> None:
    for day in days:
        send(target, str(file), name(day), MARK, str(file.parent))


def test_a_backup_is_sent_read_back_and_marked(target, file):
    assert target.sizes() == {}
    sent(target, file, 1)
    assert target.sizes().keys() == {name(1), f"{name(1)}.json"} and target.sizes()[name(1)] == 9_000_000
    assert [(entry.name, entry.verified) for entry in backups(target, "prod", str(file.parent))] == [(name(1), True)]
    assert [path.name for path in file.parent.iterdir()] == ["backup"]
    back = file.parent / "back"
    target.get(name(1), str(back))
    assert back.read_bytes() == file.read_bytes() and back.stat().st_mode & 0o777 == 0o600


def test_a_file_is_never_replaced(target, file):
    sent(target, file, 1)
    file.write_bytes(b"another")
    with pytest.raises(HostError, match=name(1)):
        target.put(str(file), name(1))
    assert target.sizes()[name(1)] == 9_000_000


def test_only_old_backups_of_the_cluster_are_removed(target, file):
    file.write_bytes(b"small")
    sent(target, file, 1, 2)
    others = ["README", "staging-20260101T010203Z.cfcr", "staging-20260101T010203Z.cfcr.json", f"{name(1)}.txt"]
    for other in others:
        target.put(str(file), other)
    target.put(str(file), f"{name(9)}.json")  # a mark without its backup
    sent(target, file, 3)
    assert retain(target, KEEP, "prod", str(file.parent), name(3)) == ([name(1), name(2)], [])
    assert set(target.sizes()) == {*others, name(3), f"{name(3)}.json"}
    assert retain(target, KEEP, "prod", str(file.parent), name(3)) == ([], [])


def test_a_backup_that_is_damaged_on_its_way_gets_no_mark(target, file, monkeypatch):
    get = target.get

    def damaged(name, path):
        get(name, path)
        with open(path, "r+b") as stream:
            stream.write(b"x")

    monkeypatch.setattr(target, "get", damaged)
    with pytest.raises(HostError, match="was read back, expected"):
        sent(target, file, 1)
    monkeypatch.undo()
    assert [(entry.name, entry.verified) for entry in backups(target, "prod", str(file.parent))] == [(name(1), False)]


def test_a_damaged_mark_counts_for_nothing(target, file):
    file.write_bytes(b"small")
    target.put(str(file), name(1))
    target.put(str(file), f"{name(1)}.json")
    file.write_text(json.dumps({**MARK, "size": 1, "verified": True}))
    target.put(str(file), name(2))
    target.put(str(file), f"{name(2)}.json")
    assert [entry.verified for entry in backups(target, "prod", str(file.parent))] == [False, False]


def refused(options) -> str:
    with pytest.raises(HostError) as error:
        opened(options).sizes()
    return str(error.value)


def test_sftp_refuses_other_keys_and_says_why(sshd, tmp_path):
    assert "Permission denied" in refused({**sshd, "path": "/tmp", "key_path": sshd["key_path"].replace("user", "other")})
    (tmp_path / "known").write_text("")
    assert "Host key verification failed" in refused({**sshd, "path": "/tmp", "known_hosts_path": str(tmp_path / "known")})
    assert "No such file" in refused({**sshd, "path": "/nowhere/at/all"})
    assert "key_path: found no readable file /nowhere" in refused({**sshd, "path": "/tmp", "key_path": "/nowhere"})
    assert "Connection refused" in refused({**sshd, "path": "/tmp", "port": 1})
    assert "expected letters" in refused({**sshd, "path": "/tmp", "host": "-oProxyCommand=x"})
    assert "without quotes" in refused({**sshd, "path": '/tmp"\nrm *'})


def test_s3_says_why(bucket):
    said = refused({**bucket, "bucket": "no-such-bucket"})
    assert "cannot be listed" in said and "NoSuchBucket" in said and "hidden" not in said
    assert "expected an https:// URL" in refused({**bucket, "endpoint": "http://192.0.2.1:9000"})
    assert "expected an https:// URL without a login" in refused({**bucket, "endpoint": "https://user:word@192.0.2.1"})
    assert "expected both or none" in refused({**bucket, "secret_key": ""})
    assert "lock_days: found -1" in refused({**bucket, "lock_days": -1})


def test_s3_refuses_other_keys(swift):
    opened(swift).sizes()
    said = refused({**swift, "secret_key": "another secret"})
    assert "cannot be listed" in said and "SignatureDoesNotMatch" in said and "another secret" not in said
    assert "SignatureDoesNotMatch" in refused({**swift, "access_key": "backup:nobody"})
    assert "Could not connect" in refused({**swift, "endpoint": "http://127.0.0.1:1"})


def test_locked_backups_stay_until_their_lock_ends(bucket, file, moto):
    file.write_bytes(b"small")
    sent(opened({**bucket, "lock_days": 3}), file, 1)
    target = opened(bucket)
    sent(target, file, 2, 3)
    client = boto3.client("s3", endpoint_url=moto, **KEYS)
    lock = client.head_object(Bucket=bucket["bucket"], Key=f"clusters/prod/{name(1)}")
    left = lock["ObjectLockRetainUntilDate"] - datetime.datetime.now(datetime.timezone.utc)
    assert lock["ObjectLockMode"] == "GOVERNANCE" and datetime.timedelta(days=2.9) < left < datetime.timedelta(days=3.1)
    client.put_object_legal_hold(Bucket=bucket["bucket"], Key=f"clusters/prod/{name(2)}", LegalHold={"Status": "ON"})
    assert retain(target, KEEP, "prod", str(file.parent), name(3)) == ([], [name(1), name(2)])
    assert [entry.verified for entry in backups(target, "prod", str(file.parent))] == [True, True, True]
    client.put_object_legal_hold(Bucket=bucket["bucket"], Key=f"clusters/prod/{name(2)}", LegalHold={"Status": "OFF"})
    assert retain(target, KEEP, "prod", str(file.parent), name(3)) == ([name(2)], [name(1)])
    versions = client.list_object_versions(Bucket=bucket["bucket"])
    assert "DeleteMarkers" not in versions and not [version for version in versions["Versions"] if name(2) in version["Key"]]
