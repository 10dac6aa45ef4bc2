# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Desired and actual state of a job."""

from __future__ import annotations

import pytest
from ansible.module_utils.common.arg_spec import ArgumentSpecValidator
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import job as job_module

OPTIONS = {"name": "etcd", "kernel_modules": [], "sysctls": {}, "files": [], "secrets": {}}


def test_the_diff_has_only_differences():
    actual = {"files": {"/a": "1", "/b": "2"}, "sysctls": {}}
    wanted = {"files": {"/a": "1", "/b": "3", "/c": "4"}, "sysctls": {"x": "1"}}
    assert job_module.differences(actual, wanted) == (
        {"files": {"/b": "2", "/c": None}, "sysctls": {"x": None}},
        {"files": {"/b": "3", "/c": "4"}, "sysctls": {"x": "1"}},
    )


def test_the_diff_of_a_job_in_the_desired_state_is_empty():
    assert job_module.differences({"files": {"/a": "1", "/more": "x"}}, {"files": {"/a": "1"}}) == ({}, {})


def test_kernel_modules_and_sysctls_persist_across_reboots():
    files = job_module.all_files({**OPTIONS, "kernel_modules": ["vxlan", "overlay"], "sysctls": {"net.ipv4.ip_forward": "1"}})
    assert [(entry["path"], entry["content"]) for entry in files] == [
        ("/etc/modules-load.d/cfcr-etcd.conf", "vxlan\noverlay\n"),
        ("/etc/sysctl.d/60-cfcr-etcd.conf", "net.ipv4.ip_forward = 1\n"),
    ]


def test_the_diff_names_a_secret_without_its_value():
    entry = {"path": "/key", "content": "the key", "secret": True, "mode": "0600", "owner": "root"}
    (file,) = job_module.all_files({**OPTIONS, "files": [entry], "secrets": {"the key": "hidden"}})
    assert file["content"] == "hidden"
    assert "hidden" not in str(job_module.Job._shown(file, "hidden"))
    assert job_module.Job._shown(file, "hidden") != job_module.Job._shown(file, "something else")


def test_an_unknown_secret_is_an_error():
    entry = {"path": "/key", "content": "the key", "secret": True, "mode": "0600", "owner": "root"}
    with pytest.raises(HostError, match="/key.*the secret the key, expected one of another"):
        job_module.all_files({**OPTIONS, "files": [entry], "secrets": {"another": "x"}})


def test_the_digest_of_a_unit_covers_its_program_and_watched_files(tmp_path):
    artifact = {"component": "etcd", "version": "3.6.16", "architectures": {name: {"files": {"etcd": ""}} for name in ("amd64", "arm64")}}
    unit = {"program": "etcd", "watch": [str(tmp_path / "certificate")]}
    before = job_module.digest_of_dependencies(unit, [artifact], {})
    (tmp_path / "certificate").write_text("new")
    after = job_module.digest_of_dependencies(unit, [artifact], {})
    assert before != after
    assert job_module.digest_of_dependencies(unit, [artifact], {str(tmp_path / "certificate"): "new"}) == after
    assert job_module.digest_of_dependencies(unit, [{**artifact, "version": "3.6.17"}], {}) != after
    assert "3.6.16" not in job_module.digest_of_dependencies({**unit, "program": "another"}, [artifact], {})


def test_files_for_a_reload_do_not_cause_a_restart(tmp_path):
    unit = {"program": "/usr/sbin/haproxy", "watch": [], "reload": {"watch": ["/haproxy.cfg", str(tmp_path / "missing")], "url": "http://127.0.0.1/"}}
    assert job_module.digest_of_dependencies(unit, [], {"/haproxy.cfg": "a"}) == job_module.digest_of_dependencies(unit, [], {"/haproxy.cfg": "b"})
    first, second = (job_module.digests_of_loaded(unit, {"/haproxy.cfg": content}) for content in "ab")
    assert {path for path in first if first[path] != second[path]} == {"/haproxy.cfg"}
    assert first[str(tmp_path / "missing")] == ""
    assert job_module.digests_of_loaded({**unit, "reload": None}, {}) == {}


@pytest.fixture
def job(monkeypatch):
    """Create a job with one unit that runs with this configuration; return the job and the actions on the unit."""
    monkeypatch.setattr(job_module.systemd, "has_capability", lambda _capability, process: True)
    monkeypatch.setattr(job_module.system, "loaded_kernel_modules", lambda _names: [])

    def make(running="current", not_loaded: str | None = None, active=True, start=True, lost=(), overrides=None, reload=True):
        done = []
        unit = {"name": "a", "description": "a", "program": "/a", "start": start, "kernel": {"tables": ["ip a"]}}
        unit |= {"reload": {"watch": [], "url": "http://127.0.0.1/"}} if reload else {}
        options = ArgumentSpecValidator(job_module.SPEC).validate({"name": "a-job", "units": [unit]}).validated_parameters
        state = job_module.systemd.State(active=active, enabled=True, failed=False, pid=1, stale=False, restarts=0)
        monkeypatch.setattr(job_module.systemd, "state", lambda names: dict.fromkeys(names, state))
        monkeypatch.setattr(job_module.systemd, "digest", lambda text: "current")
        monkeypatch.setattr(job_module.systemd, "running_digest", lambda pid: running)
        monkeypatch.setattr(job_module.reload, "problem", lambda url, wanted: not_loaded)
        monkeypatch.setattr(job_module.kernel, "is_settled", lambda started: True)
        monkeypatch.setattr(job_module.kernel, "lost", lambda kernel: list(lost))
        monkeypatch.setattr(job_module.systemd, "overrides", lambda name, text: overrides or {})
        monkeypatch.setattr(job_module.systemd, "set_aside", lambda drop_ins: done.append("set aside"))
        for verb in ("reload", "restart", "start"):
            monkeypatch.setattr(job_module.systemd, verb, lambda name, verb=verb: done.append(verb))
        monkeypatch.setattr(job_module, "run", lambda *words: "")
        monkeypatch.setattr(job_module.Job, "_wait_healthy", lambda self, unit: done.append("waited"))
        return job_module.Job(options), done

    return make


@pytest.mark.parametrize(
    ("state", "pending", "expected"),
    [
        ({}, {}, []),
        ({"not_loaded": "has not loaded /a.cfg"}, {"a": "reload"}, ["reload", "waited"]),
        # The reload refuses a wrong configuration before the restart would fail.
        ({"running": "former", "not_loaded": "has not loaded /a.cfg"}, {"a": "restart"}, ["reload", "restart", "waited"]),
        ({"running": "former"}, {"a": "restart"}, ["reload", "restart", "waited"]),
        ({"active": False, "running": None, "not_loaded": "refused"}, {}, []),
        ({"active": False, "running": "current", "not_loaded": "refused"}, {}, []),
        ({"active": False, "running": "former", "not_loaded": "refused"}, {"a": "restart"}, ["restart", "waited"]),
        ({"lost": ["table"]}, {"a": "reload"}, ["reload", "waited"]),
        ({"lost": ["table"], "reload": False}, {"a": "restart"}, ["restart", "waited"]),
        ({"overrides": {"/a.conf": ""}, "reload": False}, {"a": "restart"}, ["set aside", "restart", "waited"]),
    ],
    ids=[
        "desired state", "other files", "another unit and other files", "another unit", "not running", "starting", "starting with another unit",
        "lost a table, can reload", "lost a table", "a drop-in",
    ],
)
def test_a_unit_is_reloaded_if_no_restart_is_needed(state, pending, expected, job):
    made, done = job(**state)
    assert made.pending == pending
    assert made.outdated() == list(pending)
    made.restart()
    assert done == expected


def test_a_unit_that_has_not_loaded_its_files_is_unhealthy(job):
    assert job()[0].is_healthy()
    made, _done = job(not_loaded="has not loaded /a.cfg")
    assert made._problem(made.options["units"][0], made.states["a"]) == "has not loaded /a.cfg"


@pytest.mark.parametrize(("running", "restart"), [("current", []), ("former", ["a"])])
@pytest.mark.parametrize("start", [True, False])
def test_a_later_run_reports_a_unit_with_its_former_configuration(start, running, restart, job):
    """A task notifies its handler only if it has changed something, and the run that wrote the files may have failed before its handlers."""
    made, _done = job(running=running, start=start)
    assert made.outdated() == restart
    services = {side: values()["services"]["a"] for side, values in (("actual", made.actual), ("wanted", made.wanted))}
    assert services["wanted"]["configuration"] == "current"
    assert (services["actual"] != services["wanted"]) is bool(restart)


def test_a_unit_without_start_may_be_stopped(job):
    """Only etcd_member starts etcd."""
    made, _done = job(active=False, running=None, start=False)
    assert made.actual()["services"] == made.wanted()["services"]
    assert made.outdated() == []


def test_a_purged_directory_keeps_only_the_files_of_the_job(tmp_path):
    for name in ("ours/hosts.toml", "ours/ca.crt", "theirs/hosts.toml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    kept = {str(tmp_path / "ours/hosts.toml")}
    found = job_module._leftovers([{"path": str(tmp_path), "purge": True}, {"path": "/etc", "purge": False}], kept)
    assert found == [str(tmp_path / "ours/ca.crt"), str(tmp_path / "theirs/hosts.toml")]
    for path in found:
        job_module._remove(path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["hosts.toml", "ours"]


@pytest.mark.parametrize("running", ["former", ""])
def test_a_unit_that_crashed_and_was_started_again_too_early_is_restarted(job, monkeypatch, running):
    """Its certificates have expired, or its package's configuration takes a used port. With the new files it stays up, but as its former unit."""
    made, done = job(active=False, running=None)
    monkeypatch.setattr(job_module.systemd, "running_digest", lambda pid: running)
    made._run_units({})
    assert made.outdated() == [] and done == ["start", "restart"]


@pytest.mark.parametrize(("active", "own", "refused"), [(True, None, True), (True, "its certificate has expired", False), (False, None, False)])
def test_a_healthy_unit_is_restarted_only_if_its_peers_are_healthy(job, monkeypatch, active, own, refused):
    """With all certificates expired, no peer is healthy, and nothing is lost by a restart."""
    made, done = job(running="former", active=active)
    made.options["peers"] = {"urls": ["https://peer/"], "required": 1}
    made.options["units"][0]["health"] = [{"url": "https://own/"}]
    monkeypatch.setattr(job_module.probe, "problem", lambda health: own if health["url"] == "https://own/" else "no answer")
    if refused:
        with pytest.raises(HostError, match="a is not restarted: found 0 healthy peers, expected 1: no answer"):
            made.restart()
    else:
        made.restart()
    assert ("restart" in done) is not refused
