# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Records of the jobs that a host has been given."""

from __future__ import annotations

import json
import os
import pwd

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._files import write_atomically
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import records
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job.job import SPEC

OWNER = pwd.getpwuid(os.geteuid()).pw_name
PKI = {"key_type": "ecdsa-p256", "since": 12.5}


class Job:
    """A job in the state that the test sets, which stores its options."""

    given: list[dict] = []
    found: dict = {"files": {"/file": "content"}}
    units_with_an_old_digest: list[str] = []
    healthy = True

    def __init__(self, options):
        self.given.append(options)

    def wanted(self):
        return {"files": {"/file": "content"}}

    def actual(self):
        return self.found

    def outdated(self):
        return self.units_with_an_old_digest

    def is_healthy(self):
        return self.healthy


@pytest.fixture(autouse=True)
def job(tmp_path, monkeypatch):
    monkeypatch.setattr(records, "DIRECTORY", tmp_path / "jobs")
    monkeypatch.setattr(records, "Job", Job)
    monkeypatch.setattr(records, "write_atomically", lambda path, content, mode: write_atomically(path, content, mode, OWNER))
    monkeypatch.setattr(Job, "given", [])
    return Job


def options(**given):
    return ArgumentSpecValidator(SPEC).validate({"name": "a-job", "asked": "digest", **given}).validated_parameters


def test_an_unchanged_job_is_reported_with_its_digest(tmp_path):
    records.write(options())
    assert records.unchanged() == {"a-job": {"asked": "digest", "pki": None}}
    assert (tmp_path / "jobs").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "jobs/a-job.json").stat().st_mode & 0o777 == 0o600


def test_a_host_without_jobs_reports_none():
    assert records.unchanged() == {}


def test_recorded_options_keep_their_order(job):
    """The lines that are generated from flags and sysctls have the order of the options."""
    given = options(sysctls={"b": "1", "a": "2"}, files=[{"path": "/file", "content": "content", "mode": "0640"}])
    records.write(given)
    records.unchanged()
    (found,) = job.given
    assert json.dumps({name: found[name] for name in ("sysctls", "files")}) == json.dumps({name: given[name] for name in ("sysctls", "files")})


@pytest.mark.parametrize(
    "state",
    [{"found": {"files": {"/file": "changed"}}}, {"units_with_an_old_digest": ["kubelet"]}, {"healthy": False}],
    ids=["changed", "waits for a restart", "unhealthy"],
)
def test_a_job_in_another_state_is_not_reported(state, monkeypatch):
    records.write(options())
    for name, value in state.items():
        monkeypatch.setattr(Job, name, value)
    assert records.unchanged() == {}


def test_a_job_that_cannot_be_checked_is_not_reported(monkeypatch):
    def refuse(self):
        raise HostError("systemctl show: failed")

    records.write(options())
    monkeypatch.setattr(Job, "actual", refuse)
    assert records.unchanged() == {}


@pytest.mark.parametrize("content", ["{", "[]", '{"name": "a-job", "an_option_of_another_version": 1}'])
def test_an_invalid_record_is_ignored(content, tmp_path):
    records.write(options())
    (tmp_path / "jobs/a-job.json").write_text(content, encoding="utf-8")
    assert records.unchanged() == {}


def test_a_job_with_secrets_is_recorded_without_them_and_never_counts_as_unchanged(tmp_path):
    """The action sends no digest for it."""
    records.write(options(asked="", secrets={"password": "hidden"}))
    assert "hidden" not in (tmp_path / "jobs/a-job.json").read_text()
    assert records.unchanged() == {}
    assert records.drift() == {}


def test_drift_names_what_differs_but_not_a_unit_that_is_stopped(job, monkeypatch):
    records.write(options())
    wanted = {"enabled": True, "configuration": "current", "drop-ins": {}, "active": True}
    monkeypatch.setattr(job, "wanted", lambda self: {"files": {"/file": "content"}, "services": {"a": wanted, "b": wanted}})
    found = {"files": {"/file": None}, "services": {"a": {**wanted, "active": False}, "b": {**wanted, "enabled": False, "drop-ins": {"/x": "y"}}}}
    monkeypatch.setattr(job, "found", found)
    assert records.drift() == {"a-job": ["files /file", "services b: enabled", "services b: drop-ins"]}


def test_paths_of_certificates_are_recorded_and_the_files_are_read(tmp_path):
    path = str(tmp_path / "server")
    signed = {"path": path, "owner": OWNER, "public_key": "der", "certificate": "signed"}
    bundle = {"path": f"{path}-ca.crt", "content": "authority"}
    records.write(options(pki={**PKI, "phase": "write", "certificates": [signed], "bundles": [bundle]}))
    written = (tmp_path / "jobs/a-job.json").read_text(encoding="utf-8")
    records.write(options(pki={**PKI, "phase": "read", "certificates": [{"path": path, "owner": OWNER}], "bundles": [{"path": bundle["path"]}]}))
    assert (tmp_path / "jobs/a-job.json").read_text(encoding="utf-8") == written
    (tmp_path / "server.crt").write_text("on the host", encoding="utf-8")
    pki = records.unchanged()["a-job"]["pki"]
    assert pki["certificates"] == [{"path": path, "public_key": None, "certificate": "on the host"}]
    assert pki["bundles"] == [{"path": bundle["path"], "content": None}]
    assert not (tmp_path / "server.key").exists(), "a look makes no key"
