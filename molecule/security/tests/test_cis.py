# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The CIS Kubernetes Benchmark, asked of the living cluster. CFCR_WRITE_CIS=1 writes the table of docs/security.md instead of comparing it."""

from __future__ import annotations

import base64
import functools
import json
import os
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor

import pytest
import yaml
from cryptography import x509
from scenario import DIRECTORY, ROOT, addresses, inventory, kubectl, on

sys.path.insert(0, str(ROOT / "tests/cis"))

from _cluster import Cluster  # noqa: E402 (it lies in tests/cis)
from _table import PAGE, controls, filled, table  # noqa: E402

KUBECONFIG = "/root/kubeconfig"
ORGANIZATION = x509.oid.NameOID.ORGANIZATION_NAME


def administrator() -> list[str]:
    """Return the groups of the administrator's certificate."""
    user = yaml.safe_load((DIRECTORY / "kubeconfig").read_text(encoding="utf-8"))["users"][0]["user"]
    certificate = x509.load_pem_x509_certificate(base64.b64decode(user["client-certificate-data"]))
    return [attribute.value for attribute in certificate.subject.get_attributes_for_oid(ORGANIZATION)]


def create(manifest: dict) -> str:
    command = [DIRECTORY / "bin/kubectl", f"--kubeconfig={DIRECTORY}/kubeconfig", "create", "--dry-run=server", "--filename=-"]
    return subprocess.run(command, check=False, capture_output=True, text=True, input=json.dumps(manifest)).stderr.strip()


def anonymous(host: str) -> int:
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with urllib.request.urlopen(f"https://{addresses()[host]}:8443/api", context=context, timeout=5) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code


@functools.cache
def get(*arguments: str) -> dict:
    return json.loads(kubectl("get", *arguments, *([] if "--raw" in arguments else ["--output=json"])))


@pytest.fixture(scope="module")
def cluster():
    script = (ROOT / "tests/cis/_host.py").read_text(encoding="utf-8")
    groups = {name: list(group.get("hosts", {})) for name, group in inventory()["children"].items()}
    names = [host for hosts in groups.values() for host in hosts]
    with ThreadPoolExecutor() as pool:
        hosts = dict(zip(names, pool.map(lambda name: json.loads(on(name, "python3", "-", KUBECONFIG, input=script)), names)))
    for facts in hosts.values():
        facts["documents"] = {path: yaml.safe_load(text) for path, text in facts["documents"].items()}
    return Cluster(groups, hosts, KUBECONFIG, administrator(), get, create, anonymous)


def test_the_verdicts_are_those_of_the_table(cluster):
    verdicts, wrong = {}, []
    for control in controls():
        verdict, problems = cluster.verdict(control)
        verdicts[control["id"]] = verdict
        if verdict != control["verdict"]:
            wrong.append(f"{control['id']} {control['title']}: found {verdict}, expected {control['verdict']}; {'; '.join(problems[:3])}")
    assert not wrong, "\n".join(wrong)
    page = PAGE.read_text(encoding="utf-8")
    if os.environ.get("CFCR_WRITE_CIS"):
        PAGE.write_text(filled(page, table(verdicts)), encoding="utf-8")
    else:
        assert page == filled(page, table(verdicts)), "run scenario security with CFCR_WRITE_CIS=1"
