# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Unit files and their digests."""

from __future__ import annotations

import subprocess

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import systemd

UNIT = {
    "name": "etcd",
    "description": "etcd",
    "program": "etcd",
    "arguments": [],
    "flags": {},
    "account": "root",
    "mode": "0644",
    "sandbox": False,
    "settings": {},
    "watch": [],
    "start": True,
}


@pytest.fixture(autouse=True)
def limits(monkeypatch):
    monkeypatch.setattr(systemd, "has_capability", lambda _capability, process: True)


def lines(**options) -> list[str]:
    return systemd.render({**UNIT, **options}).splitlines()


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"a": "b"}, "--a=b"),
        ({"a": True, "b": False}, "--a=true --b=false"),
        ({"a": ["x", 1]}, "--a=x,1"),
        ({"a": {"x": 1, "y": "z"}}, "--a=x=1,y=z"),
        ({"a": None}, ""),
        ({"a": "50%"}, "--a=50%%"),
        ({"a": "$x"}, "--a=$$x"),
        ({"a": 'say "hi"'}, '"--a=say \\"hi\\""'),
    ],
)
def test_flags_become_arguments(flags, expected):
    assert f"ExecStart=/opt/cfcr/bin/etcd {expected}".rstrip() in lines(flags=flags)


def test_settings_override_the_defaults():
    text = lines(settings={"Service": {"Type": "notify", "ReadWritePaths": ["/a", "/b"], "NoNewPrivileges": True}})
    assert {"Type=notify", "ReadWritePaths=/a", "ReadWritePaths=/b", "NoNewPrivileges=true", "Restart=always"} <= set(text)
    assert "Type=exec" not in text


def test_a_unit_names_its_account_unless_it_is_root():
    assert "User=etcd" in lines(account="etcd")
    assert not [line for line in lines() if line.startswith("User=")]


def test_the_digest_covers_the_unit_and_its_dependencies():
    plain = systemd.digest(systemd.render(UNIT))
    assert plain == systemd.digest(systemd.render(UNIT))
    assert plain != systemd.digest(systemd.render(UNIT, "another configuration"))
    assert plain != systemd.digest(systemd.render({**UNIT, "flags": {"a": "b"}}))


def test_the_digest_is_added_to_the_environment_of_the_unit():
    environment = [line for line in lines(settings={"Service": {"Environment": "PATH=/bin"}}) if line.startswith("Environment=")]
    assert environment[0] == "Environment=PATH=/bin"
    assert environment[1].startswith("Environment=CFCR_DIGEST=")


def test_limits_are_reduced_to_those_of_the_host(monkeypatch):
    monkeypatch.setattr(systemd, "has_capability", lambda _capability, process: False)
    monkeypatch.setattr(systemd.resource, "prlimit", lambda pid, what: (1024, 20000))
    text = lines(settings={"Service": {"LimitNOFILE": 1048576, "OOMScoreAdjust": -999}})
    assert "LimitNOFILE=20000" in text
    assert not [line for line in text if line.startswith("OOMScoreAdjust")]


EXEC_RELOAD = """ExecReload={ path=/bin/sh ; argv[]=/bin/sh -c true ; ignore_errors=no ; pid=7 ; code=exited ; status=0 }
ExecReload={ path=/usr/sbin/haproxy ; argv[]=/usr/sbin/haproxy -c ; ignore_errors=no ; pid=42 ; code=exited ; status=1 }
ExecReload={ path=/bin/kill ; argv[]=/bin/kill -USR2 $MAINPID ; ignore_errors=no ; pid=0 ; code=(null) ; status=0/0 }
"""


@pytest.mark.parametrize(
    ("shown", "reason"),
    [(EXEC_RELOAD, "unknown keyword"), ("ExecReload=\n", "Job type reload is not applicable")],
    ids=["output of the failed command", "no command"],
)
def test_a_refused_reload_has_a_reason(shown, reason, monkeypatch):
    def run(*arguments):
        if arguments[:2] == ("systemctl", "reload"):
            raise HostError("systemctl reload: Job type reload is not applicable")
        return {"systemctl": shown, "journalctl": "unknown keyword\n" if "_PID=42" in arguments else "a connection\n"}[arguments[0]]

    monkeypatch.setattr(systemd, "run", run)
    with pytest.raises(HostError, match=f"^haproxy is not reloaded and keeps its former configuration: .*{reason}$"):
        systemd.reload("haproxy")


def test_a_unit_without_a_process_has_no_digest():
    oneshot = {**UNIT, "settings": {"Service": {"Type": "oneshot"}}}
    assert systemd.has_process(UNIT)
    assert not systemd.has_process(oneshot)
    assert systemd.digest(systemd.render(oneshot, "a configuration")) is None


@pytest.mark.parametrize(
    ("name", "content", "overrides"),
    [
        ("a.conf", "[Service]\nNoNewPrivileges=no\n", True),
        ("a.conf", "# a proxy\n[Service]\nEnvironment=HTTPS_PROXY=http://192.0.2.1\nNice=5\n[Unit]\nAfter=other.service\n", False),
        ("a.conf", "[Service]\nEnvironment=\n", True),
        ("a.conf", "[Install]\nNoNewPrivileges=no\n", False),
        ("a.conf", "", False),
        ("operator-sandbox.conf", "[Service]\nNoNewPrivileges=no\n", False),
        ("a.conf.disabled", "[Service]\nNoNewPrivileges=no\n", False),
    ],
)
def test_a_drop_in_overrides_a_setting_of_the_unit(name, content, overrides, tmp_path):
    directory = tmp_path / "run/systemd/system.control/a.service.d"
    directory.mkdir(parents=True)
    (directory / name).write_text(content)
    found = systemd.overrides("a", systemd.render({**UNIT, "sandbox": True}), tmp_path)
    assert found == ({str(directory / name): content} if overrides else {})


def test_a_drop_in_that_is_set_aside_has_no_effect(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(systemd, "run", lambda *words: commands.append(words))
    (tmp_path / "a.conf").write_text("[Service]\n")
    systemd.set_aside([str(tmp_path / "a.conf")])
    assert [path.name for path in tmp_path.iterdir()] == ["a.conf.disabled"]
    assert commands == [("systemctl", "daemon-reload")]


def test_a_process_of_a_package_or_with_a_replaced_program_has_an_empty_digest(monkeypatch):
    monkeypatch.setenv(systemd.DIGEST, "a")
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        process.stdin.write(b"started\n")
        process.stdin.flush()
        assert process.stdout.readline() == b"started\n"  # the kernel has set up its environment
        assert systemd.running_digest(process.pid) == "a"
        monkeypatch.setattr(systemd.os, "readlink", lambda _path: "/usr/sbin/pdns_recursor (deleted)")
        assert systemd.running_digest(process.pid) == ""
        # Of a release that was installed again, since another one of its programs was missing.
        monkeypatch.setattr(systemd.os, "readlink", lambda _path: "/opt/cfcr/releases/etcd/3.6.16/etcd (deleted)")
        assert systemd.running_digest(process.pid) == "a"
        monkeypatch.setattr(systemd, "DIGEST", "CFCR_OTHER")
        assert systemd.running_digest(process.pid) == ""
    finally:
        process.kill()
        process.wait()
    assert systemd.running_digest(process.pid) is None
