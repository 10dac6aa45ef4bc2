# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Kubeconfigs of users: refused requests, the file, renewal, and the list."""

from __future__ import annotations

import base64
import datetime
import json
import pathlib
import stat

import pytest
import yaml
from _store import local_store
from ansible_collections.cfcr.kubernetes.plugins.module_utils._credentials import user_kubeconfigs
from ansible_collections.cfcr.kubernetes.plugins.module_utils._credentials.authorities import get_authority, make_authority
from ansible_collections.cfcr.kubernetes.plugins.module_utils._credentials.rotation import advanced, begun
from ansible_collections.cfcr.kubernetes.plugins.module_utils._credentials.user_kubeconfigs import check, issue, issued, state_of
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki.bundle import fingerprints
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki.x509 import now, public_half, read, serial_number
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.backup import export_records, import_plan, import_records

ROLES = pathlib.Path(__file__).parents[5] / "roles"
SERVER = "https://10.0.0.91:8443"
OTHER_SERVER = "https://api.example.com:8443"
AUTHORITY = "authorities/kubernetes"


@pytest.fixture
def store(request, tmp_path):
    store = local_store(tmp_path / "store", getattr(request, "param", None))
    store.put(AUTHORITY, *make_authority("prod kubernetes", 3650, "ecdsa-p256", now()), version=0)
    return store


@pytest.fixture
def call(store, tmp_path):
    def issue_one(check_mode=False, **changes):
        options = {
            "user": "alice", "groups": ["ops", "dev", "ops"], "days": 30, "path": str(tmp_path / "users/alice"), "cluster": "prod", "server": SERVER,
            "key_type": "ecdsa-p256",
        }  # fmt: skip
        return issue(store, {**options, **changes}, check_mode)

    return issue_one


@pytest.fixture
def path(tmp_path):
    return tmp_path / "users/alice"


def later(monkeypatch, days):
    monkeypatch.setattr(user_kubeconfigs, "now", lambda: now() + datetime.timedelta(days=days))


def rotate(store, steps):
    """Bring the CA into a phase of its rotation: 1 is trust, 2 use, 3 drop, 4 its end."""
    for step in range(steps):
        record = store.get(AUTHORITY)
        parts = record.public, record.secret()
        changed = advanced(parts) if step else begun(parts, make_authority("prod kubernetes", 3650, "ecdsa-p256", now()))
        store.put(AUTHORITY, *changed, version=record.version)


def parts(path):
    """Return server, CA bundle, certificate and key of a kubeconfig."""
    config = json.loads(path.read_text())
    (cluster,), (user,), (context,) = config["clusters"], config["users"], config["contexts"]
    assert context["context"] == {"cluster": cluster["name"], "user": user["name"]} and config["current-context"] == context["name"]
    encoded = cluster["cluster"]["certificate-authority-data"], user["user"]["client-certificate-data"], user["user"]["client-key-data"]
    return (cluster["cluster"]["server"], *(base64.b64decode(value).decode() for value in encoded))


@pytest.mark.parametrize("name", ["alice", "alice@example.com", "Zoë Müller", "oidc:alice", "cn=a,b", "x" * 64])
def test_a_good_name_is_accepted(name):
    assert check(name, [name, "cfcr:administrators"], 30, "/a") == []


@pytest.mark.parametrize("name", ["", " ", "a ", " a", "a\nb", "a\u202eb", "x" * 65, "system:masters", "system:", "System:Masters", "SYSTEM:nodes"])
def test_a_bad_name_is_refused_for_users_and_groups(name):
    user, group = check(name, [name], 30, "/a")
    assert user.startswith(f"user: found {name!r}, expected ") and group.startswith(f"groups: found {name!r}, expected ")


@pytest.mark.parametrize("name", ["cfcr:binding", "admin", "kube-apiserver-kubelet-client"])
def test_the_name_of_a_component_is_refused_for_users(name):
    assert check(name, [], 30, "/a") == [f"user: found {name!r}, expected a name that no component of the cluster uses"]


def test_no_user_gets_the_common_name_of_a_certificate_of_the_cluster():
    found = set()
    for file in ROLES.glob("*/vars/main.yml"):
        stack = [yaml.safe_load(file.read_text())]
        while stack:
            node = stack.pop()
            if isinstance(node, dict) and node.get("authority") == "kubernetes" and node.get("common_name"):
                found.add(node["common_name"])
            stack += node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
    assert {"admin", "kube-apiserver-kubelet-client"} <= found
    assert [name for name in found if not check(name, [], 30, "/a")] == []


@pytest.mark.parametrize("days", [-1, 0, 366])
def test_days_have_limits(days):
    assert check("alice", [], days, "/a") == [f"days: found {days}, expected 1 to 365, since nothing revokes the certificate earlier"]


@pytest.mark.parametrize("path", ["", "alice", "../alice", "/a/../b", "/a/"])
def test_the_path_is_absolute_and_normalized(path):
    assert check("alice", [], 30, path) == [f"path: found {path!r}, expected an absolute, normalized path on the director"]


def test_a_refused_request_touches_nothing(call, store, path):
    with pytest.raises(HostError, match=r"^user: found 'system:masters'.*; groups: found 'system:masters'.*; days: found 0"):
        call(user="system:masters", groups=["system:masters"], days=0)
    assert issued(store) == [] and not path.parent.exists()


def test_a_store_without_the_ca_is_refused(tmp_path):
    with pytest.raises(HostError, match="has no CA kubernetes; run site.yml first"):
        issue(local_store(tmp_path / "empty"), {"user": "a", "groups": [], "days": 1, "path": "/a"}, False)


def test_check_mode_predicts_and_writes_nothing(call, store, path):
    foretold = call(check_mode=True)
    assert foretold["changed"] and foretold["kubeconfig"]["serial"] == "" and issued(store) == [] and not path.parent.exists()
    done = call()
    for result in (foretold, done):
        del result["diff"]["after"]["certificate"]["not_after"]
    assert done["diff"] == foretold["diff"]


@pytest.mark.parametrize("store", [None, "a long passphrase"], indirect=True, ids=["plain", "encrypted"])
def test_the_file_has_everything_and_the_store_no_key(call, store, path, tmp_path):
    done = call()
    server, bundle, certificate, key = parts(path)
    authority = get_authority(store, "kubernetes")
    names = read(certificate, authority).names
    assert (names.common_name, names.organizations, names.usages) == ("alice", ("dev", "ops"), ("client_auth",))
    assert server == SERVER and bundle == authority.bundle() and authority.has_signed(certificate) and public_half(key)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    (entry,) = issued(store)
    assert (entry["user"], entry["groups"], entry["state"], entry["days_left"]) == ("alice", ["dev", "ops"], "valid", 29)
    assert entry["serial"] == serial_number(certificate)
    assert [entry["authority"]] == fingerprints(bundle)
    assert [done["kubeconfig"][name] for name in ("serial", "issued_at", "not_after")] == [entry[name] for name in ("serial", "issued_at", "not_after")]
    encoded = json.loads(path.read_text())["users"][0]["user"]["client-key-data"]
    for text in (json.dumps(done), *(file.read_text() for file in (tmp_path / "store").rglob("*.json"))):
        assert key not in text and encoded not in text


def test_a_second_run_changes_nothing_until_a_third_of_the_days_is_left(call, store, path, monkeypatch):
    call()
    content = path.read_bytes()
    for days in (0, 19.9):
        later(monkeypatch, days)
        again = call()
        assert not again["changed"] and again["kubeconfig"]["reasons"] == [] and again["diff"]["before"] == again["diff"]["after"]
    assert path.read_bytes() == content
    later(monkeypatch, 20.1)
    assert call()["changed"] and path.read_bytes() != content
    assert [entry["state"] for entry in issued(store)] == ["valid", "valid"]
    later(monkeypatch, 30.5)
    assert [(entry["state"], entry["days_left"]) for entry in issued(store)] == [("expired", -1), ("valid", 19)]


@pytest.mark.parametrize(
    ("changes", "reason"), [({"groups": ["dev"]}, "other organizations"), ({"days": 10}, "lasts longer than 10 days"), ({"days": 300}, "expires at")]
)
def test_other_options_issue_another_certificate(call, store, changes, reason):
    call()
    assert call(**changes)["kubeconfig"]["reasons"][0].startswith(reason)
    assert len(issued(store)) == 2 and not call(**changes)["changed"]


def test_another_server_or_mode_keeps_the_certificate(call, store, path):
    call()
    before = parts(path)
    path.chmod(0o644)
    assert call(check_mode=True, server=OTHER_SERVER)["changed"] and parts(path) == before
    moved = call(server=OTHER_SERVER)
    assert moved["changed"] and moved["kubeconfig"]["reasons"] == [] and parts(path) == (OTHER_SERVER, *before[1:])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600 and len(issued(store)) == 1


@pytest.mark.parametrize("kind", ["text", "empty", "yaml", "of another user", "unknown", "of another key", "symlink", "directory"])
def test_another_file_is_never_replaced(call, store, path, tmp_path, kind):
    call()
    config = json.loads(path.read_text())
    if kind == "of another user":
        call(user="bob", path=str(tmp_path / "bob"))
        path.write_bytes((tmp_path / "bob").read_bytes())
    elif kind == "of another key":
        call(path=str(tmp_path / "second"))
        config["users"][0]["user"]["client-key-data"] = json.loads((tmp_path / "second").read_text())["users"][0]["user"]["client-key-data"]
        path.write_text(json.dumps(config, indent=2) + "\n")
    elif kind == "symlink":
        path.rename(tmp_path / "target")
        path.symlink_to(tmp_path / "target")
    elif kind == "directory":
        path.unlink()
        path.mkdir()
    elif kind == "unknown":  # as after the restore of an older backup
        (record,) = (tmp_path / "store/kubeconfigs").iterdir()
        record.unlink()
        store._read.clear()
    else:
        path.write_text({"text": "somebody's\n", "empty": "", "yaml": yaml.safe_dump(config)}[kind])
    before, known = path.lstat(), len(issued(store))
    for check_mode in (True, False):
        with pytest.raises(HostError, match="is not the kubeconfig of alice as it was issued, expected no file; nothing was issued"):
            call(check_mode=check_mode)
    assert (path.lstat().st_ino, path.lstat().st_mtime_ns) == (before.st_ino, before.st_mtime_ns) and len(issued(store)) == known


def test_a_file_that_cannot_be_written_is_an_error(call, path):
    path.parent.write_text("")
    with pytest.raises(HostError, match="cannot be read: Not a directory"):
        call()


@pytest.mark.parametrize(("steps", "state", "reasons"), [(1, "rotating", []), (2, "rotating", ["another CA"]), (3, "untrusted", ["another CA"])])
def test_rotation_of_the_ca(call, store, path, steps, state, reasons):
    call()
    rotate(store, steps)
    assert [entry["state"] for entry in issued(store)] == [state]
    again = call()
    assert again["changed"] and again["kubeconfig"]["reasons"] == reasons  # in phase trust, only the CA bundle changes
    assert parts(path)[1] == get_authority(store, "kubernetes").bundle()
    assert sorted(entry["state"] for entry in issued(store)) == sorted([state, *(["valid"] if reasons else [])])


def test_a_certificate_ends_with_its_ca(store, call, monkeypatch):
    later(monkeypatch, 3645)
    assert call()["kubeconfig"]["not_after"] == get_authority(store, "kubernetes").not_after().strftime("%Y-%m-%dT%H:%M:%SZ")
    assert not call()["changed"]


def test_the_list_is_sorted_and_part_of_a_backup(call, store, tmp_path):
    for user in ("bob", "alice"):
        call(user=user, path=str(tmp_path / user))
    assert [entry["user"] for entry in issued(store)] == ["alice", "bob"]
    target = local_store(tmp_path / "target")
    records = export_records(store)
    import_records(target, import_plan(target, records, force=False, all_of_them=True))
    assert issued(target) == issued(store)


def test_states():
    moment = now()
    soon, past = moment + datetime.timedelta(seconds=1), moment
    assert [state_of(soon, "a", moment, trusted) for trusted in (["a"], ["a", "b"], ["b", "a"], ["b"], [])] == [
        "valid", "rotating", "valid", "untrusted", "untrusted",
    ]  # fmt: skip
    assert state_of(past, "a", moment, ["a"]) == "expired"
