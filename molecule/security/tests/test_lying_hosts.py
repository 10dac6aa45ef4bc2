# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Hosts whose Python lies (tests/liar.py) get nothing signed, and every playbook completes on the other hosts."""

from __future__ import annotations

import contextlib
import re
import sys
import tarfile
import typing as t

import pytest
from playbook import Run
from scenario import DIRECTORY, ROOT, addresses, on

sys.path.append(str(ROOT / "tests"))
from liar import CRASHES  # noqa: E402  the program that the hosts get

LIARS = ("worker-0", "worker-1", "worker-2", "proxy-0", "master-1")
PYTHON = "/usr/bin/python3.11"
SIGNED = "/etc/flannel/pki/etcd-client.crt"  # on each of LIARS
# One lie for each host.
ON_HOST_LIES = ("names", "later", "facts", "commands", "paths")
LIES = [
    ("names", "later", "facts", "types", "commands"),
    ("numbers", "more", "large", "nothing", "fewer"),
    ("deep", "prose", "paths", "half", "list"),
    ("twice", "long", "tags", *CRASHES),
]
RECAP = re.compile(r"^(\S+) +: ok=\d+ +changed=(\d+) +unreachable=(\d+) +failed=(\d+)", re.MULTILINE)
# By default, Ansible makes variables of facts, which override those of the inventory.
ENVIRONMENT = {"ANSIBLE_INJECT_FACT_VARS": "true", "ANSIBLE_FORCE_COLOR": "false", "NO_COLOR": "1"}
# The store is on host director-0. With a copy of it, the controller is the director.
ON_HOST: tuple[str, ...] = ()
ON_CONTROLLER = (
    "--extra-vars=cluster_director=localhost",
    f"--extra-vars=cluster_store_directory={DIRECTORY}/store",
    f"--extra-vars=cluster_kubeconfig={DIRECTORY}/kubeconfig",
)


@contextlib.contextmanager
def lying(*lies: str) -> t.Iterator[dict[str, str]]:
    """Take hosts over inside the block, one for each lie."""
    program = f"#!{PYTHON}\n{(ROOT / 'tests/liar.py').read_text(encoding='utf-8')}"
    liars = dict(zip(LIARS, lies))
    try:
        for host, lie in liars.items():
            on(host, "mkdir", "-p", "/opt/liar")
            for name, content in (("python3", program), ("python", PYTHON), ("lie", lie)):
                on(host, "tee", f"/opt/liar/{name}", input=content)
            on(host, "chmod", "+x", "/opt/liar/python3")
            on(host, "ln", "-sf", "/opt/liar/python3", "/usr/bin/python3")
        yield liars
    finally:
        for host in liars:
            on(host, "ln", "-sf", PYTHON, "/usr/bin/python3")


@contextlib.contextmanager
def unsigned(*hosts: str) -> t.Iterator[None]:
    """Remove a certificate inside the block, so that there is one to sign."""
    for host in hosts:
        on(host, "mv", SIGNED, "/opt/liar/signed")
    try:
        yield
    finally:
        for host in hosts:
            on(host, "mv", "/opt/liar/signed", SIGNED)


def play(playbook: str, *options: str, **environment: str) -> tuple[int, str, dict[str, tuple[int, int, int]]]:
    """Return the exit code and the output of a playbook, and for each host the counts changed, unreachable and failed."""
    running = Run(playbook, *options, environment={**ENVIRONMENT, **environment})
    code = running.end()
    return code, running.text, {host: tuple(map(int, counts)) for host, *counts in RECAP.findall(running.text)}


def configuration(host: str) -> str:
    """Return the digests of all configuration on a host, without the files that its services write."""
    return on(host, "sh", "-c", "find /etc /root /var/lib/cfcr /var/lib/powerdns -type f ! -name '*.log' ! -path '*/.ansible/*' | sort | xargs sha256sum")


def store() -> list[str]:
    return sorted(on("director-0", "find", "/var/lib/cfcr/molecule", "-type", "f").split())


def subjects(host: str) -> set[str]:
    """Return the subjects and SANs of the certificates on a host."""
    command = "for file in /etc/*/pki/*.crt /root/*.crt; do test ! -e $file || openssl x509 -in $file -noout -subject -ext subjectAltName; done"
    return set(on(host, "sh", "-c", command).splitlines())


@pytest.mark.parametrize(
    ("director", "lies"),
    [(ON_HOST, ON_HOST_LIES), *((ON_CONTROLLER, lies) for lies in LIES)],
    ids=lambda value: ("controller" if value else "host") if value in (ON_HOST, ON_CONTROLLER) else "-".join(value),
)
def test_a_lying_host_gets_no_certificate_and_stops_no_other_host(director, lies, default_settings):
    liars = dict(zip(LIARS, lies))
    honest = sorted(set(addresses()) - set(liars) - {"director-0"})
    before = {host: configuration(host) for host in honest}
    known, had = {host: subjects(host) for host in liars}, store()
    with lying(*lies), unsigned(*liars):
        code, said, recap = play("site.yml", *director, **({} if director else default_settings))
        assert code == 2, said
        assert {host for host, (_changed, unreachable, failed) in recap.items() if unreachable or failed} == set(liars), said
        assert {host for host, (changed, _unreachable, _failed) in recap.items() if changed} <= set(liars), said
        for host in liars:
            why = "expected" if liars[host] in CRASHES else "no valid answer: "  # a module that crashed: Ansible prints its output
            assert re.search(rf"fatal: \[{host}\]: FAILED!.{{0,1000}}?({why})", said, re.DOTALL), said
        code, said, _recap = play("health.yml", *director)
        assert code == 2
        assert f"{len(honest) + 1} healthy" in said and f"{len(liars)} failing" in said, said
        for host in liars:
            assert on(host, "sh", "-c", f"ls {SIGNED} /root/.ssh/authorized_keys.crt 2>/dev/null || true") == "", "a certificate was signed"
    assert {host: configuration(host) for host in honest} == before
    assert store() == had
    for host in liars:
        assert subjects(host) == known[host], "a certificate was signed that the controller did not ask for"


def test_other_playbooks_complete_on_honest_hosts():
    with lying("names", "facts", "archive"):
        code, said, _recap = play("instances.yml", *ON_CONTROLLER)
        assert code == 0
        assert re.search(r"master/0 .* healthy", said) and re.search(r"worker/1 .* failing", said), said
        code, said, recap = play("repair.yml", *ON_CONTROLLER)
        assert code == 2
        assert "worker-1: needs an operator; answer worker-1: found no valid answer" in said, said
        assert {host for host, (_changed, unreachable, failed) in recap.items() if unreachable or failed} <= {*LIARS, "etcd-0"}, said
        output = DIRECTORY / "logs.tar.gz"
        code, said, _recap = play("logs.yml", *ON_CONTROLLER, f"--extra-vars=output={output}")
        assert code == 2
        assert "worker-1" in said and "no valid answer" in said, said
    with tarfile.open(output) as archive:
        members = archive.getmembers()
    assert {member.name.split("/")[0] for member in members} >= {"etcd-0", "master-0", "master-1", "proxy-0", "worker-0"}
    assert all(member.isfile() and member.mode == 0o600 and ".." not in member.name and not member.name.startswith("/") for member in members)


def test_answers_that_never_arrive_or_never_end_are_cut_off():
    with lying("silence", "endless"):
        code, said, recap = play("site.yml", *ON_CONTROLLER, "--extra-vars=cluster_answer_seconds=15")
    assert code == 2, said
    assert {host for host, (_changed, unreachable, failed) in recap.items() if unreachable or failed} == {"worker-0", "worker-1"}, said
    # Whether the time or the size is exceeded first depends on how fast an endless answer arrives.
    late, large = "unreachable: no answer within 15 seconds", "no valid answer: found an answer that takes more than 512 MiB"
    for host, why in {"worker-0": late, "worker-1": f"{late}|{large}"}.items():
        assert re.search(rf"{host}: found ({why})", said), said


def test_hosts_with_an_honest_python_again_are_repaired():
    code, said, recap = play("site.yml", *ON_HOST)
    assert code == 0, said
    assert {host for host, (changed, _unreachable, _failed) in recap.items() if changed} <= set(LIARS)
    code, said, _recap = play("health.yml", *ON_HOST)
    assert code == 0 and "no findings" in said, said
