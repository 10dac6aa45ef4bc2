# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules of the director, and of the hosts that were given their certificates by one."""

from __future__ import annotations

import pathlib
import re

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host.facts import BUNDLES
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight.director import DirectorHost, check_authorities, check_director, check_restore

ROLES = pathlib.Path(__file__).parents[5] / "roles"
FACTS = {
    **{"python_version": "3.11.2", "python": "/usr/bin/python3", "cryptography": "42.0.8"},
    **{"store": "/store", "authorities": {"etcd": ["e2", "e1"], "kubernetes": ["k"]}},
}


def director(**facts):
    """Return a director that keeps all rules, but for what is given."""
    return DirectorHost("boss", {**FACTS, **facts})


def test_right_director():
    assert not list(check_director(director()))


@pytest.mark.parametrize(
    ("facts", "found"),
    [
        ({"error": "unreachable: no route to host"}, "unreachable: no route to host"),
        ({"error": "/store/authorities: cannot be read: Permission denied"}, "/store/authorities: cannot be read: Permission denied"),
        ({"python_version": "3.8.10"}, "Python 3.8.10"),
        ({"cryptography": None}, "no library cryptography in Python 3.11.2 (/usr/bin/python3)"),
    ],
)
def test_director_is_wrong(facts, found):
    (problem,) = check_director(director(**facts))
    assert (problem.subject, problem.found) == ("boss", found)


@pytest.mark.parametrize(
    "bundles",
    [
        {},  # a new host
        {"/etc/etcd/pki/ca.crt": ["e1", "e2"], "/etc/kubernetes/pki/kubernetes-ca.crt": ["k"]},
        {"/etc/etcd/pki/ca.crt": ["e0", "e1"]},  # while the authority was replaced, or one phase behind
        {"/etc/etcd/pki/ca.crt": []},  # damaged
    ],
)
def test_hosts_of_this_store(bundles):
    assert not list(check_authorities(director(), {"a": {"authorities": bundles}}))


def test_hosts_of_another_store():
    strange = {"/etc/etcd/pki/ca.crt": ["x"], "/etc/kubernetes/pki/etcd-ca.crt": ["e1"], "/etc/kubernetes/pki/kubernetes-ca.crt": ["y", "z"]}
    hosts = {"a": {"authorities": strange}, "b": {"authorities": {}}, "c": {"error": "unreachable"}}
    (problem,) = check_authorities(director(), hosts)
    assert problem.subject == "a"
    assert problem.found == (
        "CAs in /etc/etcd/pki/ca.crt, /etc/kubernetes/pki/kubernetes-ca.crt that the store /store on boss does not have"
    )
    assert "cluster_store_*" in problem.expected and "Used hosts" in problem.expected


def test_the_store_is_not_there():
    (problem,) = check_authorities(director(authorities={}), {"a": {"authorities": {"/etc/etcd/pki/ca.crt": ["e1"]}}})
    assert problem.found.endswith("the store /store on boss does not have (it has none yet)")


def test_nothing_is_known_of_a_director_that_is_wrong():
    assert not list(check_authorities(director(error="unreachable"), {"a": {"authorities": {"/etc/etcd/pki/ca.crt": ["e1"]}}}))


def test_bundles_of_all_roles_are_looked_at():
    texts = [path.read_text() for path in ROLES.glob("*/vars/main.yml")]
    variables = dict(re.findall(r'^(\w+): "?([^"\n]+)"?$', "\n".join(texts), re.MULTILINE))

    def rendered(text: str) -> str:
        return re.sub(r"{{ (\w+) }}", lambda name: rendered(variables[name[1]]), text)

    paths = {rendered(path) for text in texts for path in re.findall(r'authority_path: "(.+)"', text)}
    assert len(paths) >= 5
    for path in paths:
        assert pathlib.PurePath(path).match(BUNDLES), path


def test_a_restore_that_is_unfinished():
    restore = {"id": "prod-20261129T010003Z.cfcr", "phase": "begun", "at": "2026-11-29T08:00:00Z"}
    (problem,) = check_restore(director(restore=restore))
    assert problem.subject == f"restore of {restore['id']}" and f"-e restore={restore['id']}" in problem.expected
    assert not list(check_restore(director(restore={}))) and not list(check_restore(DirectorHost("boss", {"error": "x"})))
