# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Collected logs contain everything that helps, and no secret."""

from __future__ import annotations

import base64
import json

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host import logs
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki import x509

PASSWORD = "Zk4nP9wQ2rT7yU1x"


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Return a host with a job, its secrets, and a journal to which one of its services has logged all of them."""
    key = x509.new_private_key("ecdsa-p256")
    certificate = x509.new_authority("cfcr", 10, key, x509.now())
    encoded = base64.b64encode(key.encode()).decode()
    files = {
        "/etc/x/config.yaml": f"listen: 127.0.0.1\npassword: {PASSWORD}\nclient-key-data: {encoded}\nalso: {PASSWORD}\n",
        "/etc/x/password": PASSWORD,
        "/etc/x/pki/x.crt": certificate + key,  # both in one file
        "/etc/x/pki/x.key": key,
        "/etc/x/pki/ca.crt": certificate,
        "/etc/x/pki/account.pub": x509.public_half(key),
        "/etc/x/pki/other.pem": key,
        "/etc/systemd/system/x.service": "[Service]\nExecStart=/opt/cfcr/bin/x --config=/etc/x/config.yaml\n",
    }
    for path, content in files.items():
        (tmp_path / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path[1:]).write_text(content)
    job = {
        "name": "x",
        "units": [{"name": "x", "health": []}],
        "certificates": ["/etc/x/pki/x.crt"],
        "bundles": ["/etc/x/pki/ca.crt"],
        "directories": [],
        "files": ["/etc/x/config.yaml", "/etc/x/pki/account.pub", "/etc/x/pki/other.pem", "/etc/x/gone.yaml"],
        "secret_files": ["/etc/x/password", "/etc/x/pki/x.key"],
    }
    journal = f"started\nlogin with {PASSWORD}\n{key}\n" + "\n".join(f"debug {line}" for line in key.splitlines())
    monkeypatch.setattr(logs, "run", lambda *command: journal if command[0] == "journalctl" else "fine")
    return tmp_path, [job], key


def collected(host):
    root, jobs, _key = host
    return logs.collect(jobs, "-1h", root)


def test_logs_configuration_and_states_are_collected(host):
    texts = collected(host)
    assert sorted(texts) == [
        "configuration/etc/cfcr/jobs/x.json",
        "configuration/etc/systemd/system/x.service",
        "configuration/etc/x/config.yaml",
        "configuration/etc/x/pki/ca.crt",
        "configuration/etc/x/pki/x.crt",
        "journal/kernel.log",
        "journal/warnings.log",
        "journal/x.log",
        *(f"state/{name}" for name in sorted(logs._STATES)),
    ]
    assert texts["journal/x.log"].startswith("started\n")
    assert "listen: 127.0.0.1" in texts["configuration/etc/x/config.yaml"]
    assert json.loads(texts["configuration/etc/cfcr/jobs/x.json"]) == host[1][0]


def test_no_secret_is_collected(host):
    everything = "".join(collected(host).values())
    key = host[2]
    assert PASSWORD not in everything
    assert "PRIVATE KEY" not in everything
    assert base64.b64encode(key.encode()).decode() not in everything
    # The certificate contains the public half of the key, too.
    public = "".join(collected(host)[f"configuration/etc/x/pki/{name}.crt"] for name in ("x", "ca"))
    secret = [line for line in key.splitlines()[1:-1] if line not in public]
    assert secret
    assert not [line for line in secret if line in everything]
