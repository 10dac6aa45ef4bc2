# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Going back to the former state of a host's jobs, in a directory that stands for the host."""

from __future__ import annotations

import json

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import rollback
from ansible_collections.cfcr.kubernetes.plugins.modules import host_rollback

CONFIGURATION, SECRET, UNIT = "/etc/kubernetes/kubelet.yaml", "/etc/kubernetes/encryption.yaml", "/etc/systemd/system/kubelet.service"
KEY, BIN = "/etc/kubernetes/pki/kubelet.key", "opt/cfcr/bin/kubelet"


@pytest.fixture
def host(tmp_path):
    """Return a host with one job."""
    host = tmp_path / "host"
    for version in ("1.35.4", "1.36.3"):
        write(host, f"/opt/cfcr/releases/kubelet/{version}/kubelet", version)
    descriptor = {
        "name": "kubelet", "units": [{"name": "kubelet", "health": []}], "certificates": [KEY.replace(".key", ".crt")], "bundles": [], "sysctls": {},
        "directories": [], "files": [CONFIGURATION], "secret_files": [SECRET, KEY],
    }  # fmt: skip
    write(host, "/etc/cfcr/jobs/kubelet.json", json.dumps(descriptor))
    for path, content in ((CONFIGURATION, "old"), (SECRET, "key"), (KEY, "old key"), (UNIT, "[Unit]")):
        write(host, path, content)
    (host / CONFIGURATION[1:]).chmod(0o600)
    (host / BIN).parent.mkdir()
    link(host, "1.35.4")
    return host


def write(host, path, content):
    file = host / path[1:]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


def link(host, version):
    (host / BIN).unlink(missing_ok=True)
    (host / BIN).symlink_to(host / f"opt/cfcr/releases/kubelet/{version}/kubelet")


def test_files_and_releases_go_back(host):
    kept = rollback.collect(host)
    link(host, "1.36.3")
    write(host, CONFIGURATION, "new")
    (host / CONFIGURATION[1:]).chmod(0o644)
    (host / UNIT[1:]).unlink()
    write(host, KEY, "new key")
    write(host, SECRET, "key of a rotation")
    assert rollback.put_back(kept, host) == ["/opt/cfcr/bin/kubelet", CONFIGURATION, UNIT]
    assert (host / BIN).read_text() == "1.35.4" and (host / CONFIGURATION[1:]).read_text() == "old" and (host / UNIT[1:]).read_text() == "[Unit]"
    assert (host / CONFIGURATION[1:]).stat().st_mode & 0o777 == 0o600
    assert (host / KEY[1:]).read_text() == "new key", "a key stays with its certificate"
    assert (host / SECRET[1:]).read_text() == "key of a rotation", "the former one would decrypt nothing"
    assert not {KEY, SECRET} & {*kept["files"]}
    assert rollback.put_back(kept, host) == []


def test_what_is_new_is_removed(host):
    kept = rollback.collect(host)
    descriptor = json.loads((host / "etc/cfcr/jobs/kubelet.json").read_text())
    write(host, "/etc/cfcr/jobs/kubelet.json", json.dumps({**descriptor, "files": [CONFIGURATION, "/etc/new"]}))
    write(host, "/etc/new", "new")
    (host / "opt/cfcr/bin/new").symlink_to(host / BIN)
    assert rollback.put_back(kept, host) == ["/opt/cfcr/bin/new", "/etc/cfcr/jobs/kubelet.json", "/etc/new"]
    assert not (host / "etc/new").exists() and not (host / "opt/cfcr/bin/new").is_symlink()


def test_a_release_that_is_gone_is_an_error(host):
    kept = rollback.collect(host)
    link(host, "1.36.3")
    (host / "opt/cfcr/releases/kubelet/1.35.4/kubelet").unlink()
    with pytest.raises(HostError, match=r"found no .*/1\.35\.4/kubelet, the former release"):
        rollback.put_back(kept, host)


def test_the_releases_of_an_interrupted_change_are_those_from_before_it_began(monkeypatch):
    saved, now = ({"links": {"etcd": f"/opt/cfcr/releases/etcd/{version}/etcd"}} for version in ("3.6.16", "3.7.3"))
    monkeypatch.setattr(rollback, "collect", lambda: now)
    monkeypatch.setattr(rollback, "save", lambda owner: False)
    monkeypatch.setattr(rollback, "read_saved", lambda: saved)
    assert host_rollback.save("update-1", check_mode=False) == {"etcd": "3.6.16"}
    assert host_rollback.save("update-1", check_mode=True) == {"etcd": "3.7.3"}


def test_an_interrupted_change_keeps_the_state_from_before_it_began(host, tmp_path):
    path = tmp_path / "kept/rollback.json"
    assert rollback.read_saved(path) is None
    assert rollback.save("update-1", path, host)
    write(host, CONFIGURATION, "new")
    assert not rollback.save("update-1", path, host)
    assert rollback.put_back(rollback.read_saved(path), host) == [CONFIGURATION]
    write(host, CONFIGURATION, "newer")
    assert rollback.save("update-2", path, host) and rollback.put_back(rollback.read_saved(path), host) == []
    assert path.stat().st_mode & 0o777 == 0o600
    assert rollback.forget(path) and not rollback.forget(path)
