# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The files about registries."""

from __future__ import annotations

import base64
import json
import tomllib

import pytest
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._registries.registries import containerd_files, credentials, kubelet_file

DIRECTORY = "/etc/containerd/registries"
PRIVATE = {"host": "registry.example.com:5000", "ca": "PEM", "username": "cluster", "password": ""}
OPEN = {"host": "docker.io", "mirrors": ["https://mirror.example.com/v2/hub", "https://registry.example.com:5000"]}
STORED = {"registry-registry.example.com_5000": {"password": "hidden"}}
BASIC = base64.b64encode(b"cluster:hidden").decode()


@pytest.fixture
def rendered():
    return containerd_files([PRIVATE, OPEN], DIRECTORY, STORED)


def test_the_store_keeps_a_password_for_each_user_name():
    assert credentials([PRIVATE, OPEN]) == [{"name": "registry-registry.example.com_5000", "type": "password", "generate": False, "value": ""}]


def test_mirrors_keep_their_order_and_have_the_ca_and_the_password_of_their_entry(rendered):
    parsed = tomllib.loads(rendered["secrets"][f"{DIRECTORY}/docker.io/hosts.toml"])
    assert list(parsed["host"]) == OPEN["mirrors"]
    assert "header" not in parsed["host"]["https://mirror.example.com/v2/hub"]
    mirror = parsed["host"]["https://registry.example.com:5000"]
    assert mirror["ca"] == f"{DIRECTORY}/registry.example.com_5000_/ca.crt"
    assert mirror["header"] == {"Authorization": f"Basic {BASIC}"}


def test_only_files_with_a_password_are_secret(rendered):
    by_path = {entry["path"]: entry for entry in rendered["files"]}
    assert by_path[f"{DIRECTORY}/registry.example.com_5000_/ca.crt"] == {"path": f"{DIRECTORY}/registry.example.com_5000_/ca.crt", "content": "PEM\n"}
    assert {path for path, entry in by_path.items() if entry.get("secret")} == set(rendered["secrets"])
    assert all(by_path[path]["mode"] == "0600" for path in rendered["secrets"])
    assert "hidden" not in str(rendered["files"])
    assert BASIC not in str(rendered["files"])


def test_the_registry_itself_gets_no_header(rendered):
    """It would take precedence over the secrets of pods."""
    (own,) = [entry for entry in rendered["files"] if entry["path"].endswith("_5000_/hosts.toml")]
    assert tomllib.loads(own["content"]) == {"ca": f"{DIRECTORY}/registry.example.com_5000_/ca.crt"}


def test_kubelet_has_the_passwords():
    assert json.loads(kubelet_file([PRIVATE, OPEN], STORED)) == {"auths": {"registry.example.com:5000": {"auth": BASIC}}}
    assert json.loads(kubelet_file([], {})) == {"auths": {}}
