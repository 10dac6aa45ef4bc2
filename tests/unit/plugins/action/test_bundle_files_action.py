# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Action bundle_files sends a host what it lacks, and hosts that lack the same share one archive."""

from __future__ import annotations

import hashlib
import pathlib
import tarfile
import types

import pytest
from ansible.errors import AnsibleActionFail
from ansible_collections.cfcr.kubernetes.plugins.action import bundle_files
from ansible_collections.cfcr.kubernetes.plugins.module_utils._bundle.lock import blob

TEXTS = {"etcd/x": "etcd", "runc/x": "runc"}
FILES = {path: hashlib.sha256(text.encode()).hexdigest() for path, text in TEXTS.items()}


@pytest.fixture
def send(tmp_path, monkeypatch):
    """Run the action for a host that lacks these files; return its result, the modules' arguments, and the archive that was sent."""
    monkeypatch.setattr(bundle_files.C, "DEFAULT_LOCAL_TMP", str(tmp_path))
    for path, sha256 in FILES.items():
        blob(tmp_path, sha256).parent.mkdir(parents=True, exist_ok=True)
        blob(tmp_path, sha256).write_text(TEXTS[path])

    def run(missing, check_mode=False, **answer):
        action = bundle_files.ActionModule.__new__(bundle_files.ActionModule)
        action._task = types.SimpleNamespace(args={"source": str(tmp_path), "files": FILES}, check_mode=check_mode)
        action._connection = types.SimpleNamespace(_shell=types.SimpleNamespace(join_path=lambda *parts: "/".join(parts)))
        action._templar = types.SimpleNamespace(template=lambda value: value)
        asked, sent = [], []

        def execute(module_args=None, task_vars=None):
            asked.append(module_args or {})
            return {"changed": bool(missing), "missing": missing, "diff": {"before": {}, "after": {"round": len(asked)}}, **answer}

        monkeypatch.setattr(action, "_execute_module", execute)
        monkeypatch.setattr(action, "_make_tmp_path", lambda: "/tmp/host")
        monkeypatch.setattr(action, "_fixup_perms2", lambda paths: None)
        monkeypatch.setattr(action, "_remove_tmp_path", lambda path: sent.append(f"removed {path}"))
        monkeypatch.setattr(action, "_transfer_file", lambda local, remote: sent.append((pathlib.Path(local), remote)))
        return action.answer({}), asked, sent

    run.directory = tmp_path
    return run


def test_a_host_that_lacks_nothing_gets_nothing(send):
    result, asked, sent = send([])
    assert not result["changed"] and len(asked) == 1 and sent == []


def test_check_mode_sends_nothing(send):
    result, asked, sent = send(["etcd/x"], check_mode=True)
    assert result["changed"] and len(asked) == 1 and sent == []


def test_a_host_gets_what_it_lacks(send):
    result, asked, sent = send(["etcd/x"])
    (archive, remote), removed = sent
    assert removed == "removed /tmp/host" and asked[1]["archive"] == remote == "/tmp/host/bundle.tar"
    assert result["diff"]["after"] == {"round": 1}
    with tarfile.open(archive) as content:
        assert {entry.name: content.extractfile(entry).read() for entry in content} == {FILES["etcd/x"]: b"etcd"}


def test_hosts_that_lack_the_same_share_an_archive(send):
    assert send(["runc/x", "etcd/x"])[2][0][0] == send(["etcd/x", "runc/x"])[2][0][0] != send(["etcd/x"])[2][0][0]
    assert len(list(send.directory.glob("bundle-*.tar"))) == 2


def test_a_failure_of_the_host_is_its_result(send):
    result, asked, _sent = send(["etcd/x"], failed=True, msg="disk is full")
    assert result["msg"] == "disk is full" and len(asked) == 1


def test_a_blob_that_changed_after_preflight_is_not_sent(send):
    blob(send.directory, FILES["etcd/x"]).write_text("fake")
    with pytest.raises(AnsibleActionFail, match="found other content, expected that of its name"):
        send(["etcd/x"])
    assert list(send.directory.glob("bundle-*.tar")) == []
