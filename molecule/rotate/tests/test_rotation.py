# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Rotation of everything in a cluster's store under load; the former certificates and tokens are refused afterwards."""

from __future__ import annotations

import base64
import json
import re
import sys
import typing as t

import pytest
from load import Load
from playbook import Run
from scenario import DIRECTORY, ROOT, addresses, ask, get, host, kubeconfig, kubectl, wait

sys.path.insert(0, str(ROOT / "collections"))
from ansible_collections.cfcr.kubernetes.plugins.module_utils._credentials.authorities import to_authority  # noqa: E402  as the hosts' modules find it
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki.bundle import fingerprints  # noqa: E402
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki.certificate import wanted_names  # noqa: E402
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki.x509 import new_private_key, now, public_half, read_public_key, sign  # noqa: E402
from ansible_collections.cfcr.kubernetes.plugins.module_utils._store.options import find_store  # noqa: E402

AUTHORITIES = ("kubernetes", "etcd", "front-proxy")
CREDENTIALS = ("service-account", "encryption-at-rest", "etcd-root")
EVERYTHING = [
    "--extra-vars=rotate=kubernetes,etcd,front-proxy,service-account,encryption,passwords,certificates",
    "--extra-vars=rotate_token_hours=0 rotate_trust_minutes=0",
]
LONGEST_SECONDS = 10  # without an answer; the test prints the measured time
REFUSED = ("000", "401", "403")  # 000: TLS refused the connection, so there is no HTTP status


def store():
    return find_store({"backend": "local", "directory": str(DIRECTORY / "store"), "passphrase": None, "versions": 10})


def phases() -> dict[str, str]:
    names = [f"authorities/{name}" for name in AUTHORITIES] + [f"credentials/{name}" for name in CREDENTIALS]
    return {name: store().get(name).public.get("rotation", "") for name in names}


def signed(record, common_name: str, *organizations: str) -> str:
    """Return a certificate that a stolen CA key can sign, and its key; the CA is the one in the record."""
    authority, key = to_authority("", record), new_private_key("ecdsa-p256")
    names = wanted_names(
        {"common_name": common_name, "organizations": list(organizations), "alternative_names": [], "usages": ["client_auth"]}
    )
    signing = record.secret()["private_keys"][authority.signing]
    return sign(names, read_public_key(public_half(key)), 30, authority, signing, now()) + key


def pods_trust() -> list[str]:
    """Return the fingerprints of the CAs that pods trust."""
    return fingerprints(get("configmap", "kube-root-ca.crt", "--namespace=default")["data"]["ca.crt"])


ADDRESSES = addresses()


class Before(t.NamedTuple):
    """The CAs and a token from before the rotation."""

    authorities: dict[str, t.Any]
    token: str


@pytest.fixture(scope="module", autouse=True)
def load(request):
    """Read and write during all tests, and check at the end that no acknowledged write is lost."""
    # The rotation rewrites the kubeconfig, so each request reads it again.
    running = Load(lambda *asked: ask(*kubeconfig(), *asked))
    yield running
    lost = running.end()
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\nUnder load: {json.dumps({**running.figures, 'acknowledged': len(running.acknowledged), 'lost': lost})}")
    assert lost == []
    assert len(running.acknowledged) > 200
    assert running.figures["longest_without_an_answer"] < LONGEST_SECONDS


@pytest.fixture(scope="module")
def before(load):
    for number in range(20):
        kubectl("create", "secret", "generic", f"kept-{number}", f"--from-literal=number={number}")
    return Before({name: store().get(f"authorities/{name}") for name in AUTHORITIES}, kubectl("create", "token", "default", "--duration=24h"))


@pytest.fixture(scope="module")
def rotated(before):
    """Kill a rotation while the masters switch to the new credentials, and resume it with a second run."""
    first = Run("rotate.yml", *EVERYTHING)
    first.kill_at("PLAY [Advance to the second phase]", "PLAY [Run the control plane]", "master : Configure the control plane")
    killed, at = phases(), first.seconds
    second = Run("rotate.yml", *EVERYTHING)
    assert second.end() == 0, second.text
    return {"killed_after": at, "killed_in": killed, "resumed": second.seconds, "text": second.text}


@pytest.fixture
def status(rotated):
    """Return a function that sends a request from a master with a client certificate, and returns the HTTP status."""

    def status_with(pem: str, url: str, *headers: str) -> str:
        master = host("master-0")
        words = [f"--header '{header}'" for header in headers]
        command = f"umask 077; base64 -d > /run/client.pem <<< {base64.b64encode(pem.encode()).decode()}; "
        command += f"curl --silent --insecure --output /dev/null --write-out '%{{http_code}}' --cert /run/client.pem {' '.join(words)} {url}; "
        return master.run("bash -c %s", command + "rm /run/client.pem").stdout.strip()

    return status_with


def test_check_mode_prints_the_phases_and_changes_nothing(before):
    check = Run("rotate.yml", *EVERYTHING, "--check")
    assert check.end() == 0, check.text
    assert "kubernetes: begins with phase trust" in check.text
    assert set(phases().values()) == {""}


def test_a_rotation_with_limit_is_refused(before):
    refused = Run("rotate.yml", "--extra-vars=rotate=etcd", "--limit=etcd-0")
    assert refused.end() != 0
    assert re.search(r"expected\s+all\s+hosts", refused.text), refused.text


def test_no_rotation_starts_if_preflight_fails(before):
    refused = Run("rotate.yml", "--extra-vars=rotate=etcd", '--extra-vars={"preflight_memory_mib": {"worker": 99999999}}')
    assert refused.end() != 0
    assert "expected 99999999 MiB or more for worker" in refused.text, refused.text
    assert set(phases().values()) == {""}


def test_a_new_ca_waits_for_pods_and_can_be_rolled_back(before, figures):
    old = before.authorities["kubernetes"]
    held = Run("rotate.yml", "--extra-vars=rotate=kubernetes")
    assert held.end() == 0, held.text
    took = held.seconds
    assert phases()["authorities/kubernetes"] == "trust"
    assert "it stays for another 15 minutes" in " ".join(held.text.split()), held.text
    assert len(pods_trust()) == 2
    back = Run("rotate.yml", "--extra-vars=rotate=kubernetes", "--extra-vars=rotate_back=true")
    assert back.end() == 0, back.text
    assert set(phases().values()) == {""}
    assert store().get("authorities/kubernetes").public == old.public
    assert pods_trust() == fingerprints(old.public["certificates"][0])
    figures("New CA kubernetes", trusted=took, rolled_back=back.seconds)


def test_a_killed_rotation_resumes_in_its_phase(rotated, figures):
    assert set(rotated["killed_in"].values()) == {"use", "drop"}, "the password is one phase ahead of the rest"
    assert set(phases().values()) == {""}
    assert "kubernetes: goes on in phase use" in rotated["text"]
    report = re.findall(r"in (\d+) s on all hosts", rotated["text"])
    figures("Rotation of everything", killed_after=rotated["killed_after"], resumed=rotated["resumed"], phases_of_resumed_run=report)


@pytest.mark.parametrize(
    "authority, user, url, headers",
    [
        ("kubernetes", ("admin", "system:masters"), "https://{master-1}:8443/api/v1/nodes", []),
        ("kubernetes", ("kube-apiserver-kubelet-client",), "https://{worker-0}:10250/pods", []),
        ("kubernetes", ("admin", "system:masters"), "https://127.0.0.1:10257/metrics", []),
        ("kubernetes", ("admin", "system:masters"), "https://127.0.0.1:10259/metrics", []),
        ("kubernetes", ("admin", "system:masters"), "https://{metrics-server}:10250/apis/metrics.k8s.io/v1beta1/nodes", []),
        ("etcd", ("kube-apiserver",), "https://{etcd-0}:2379/health", []),
        (
            "front-proxy",
            ("front-proxy-client",),
            "https://{metrics-server}:10250/apis/metrics.k8s.io/v1beta1/nodes",
            ["X-Remote-User: admin", "X-Remote-Group: system:masters"],
        ),
        ("front-proxy", ("front-proxy-client",), "https://{master-1}:8443/api/v1/nodes", ["X-Remote-User: admin", "X-Remote-Group: system:masters"]),
    ],
)
def test_a_certificate_of_the_old_ca_is_refused(authority, user, url, headers, before, status):
    pods = get("pods", "--namespace=kube-system", "--selector=k8s-app=metrics-server")["items"]
    running = next(pod["status"]["podIP"] for pod in pods if not pod["metadata"].get("deletionTimestamp"))
    for name, place in {**ADDRESSES, "metrics-server": running}.items():
        url = url.replace(f"{{{name}}}", place)
    assert status(signed(store().get(f"authorities/{authority}"), *user), url, *headers) == "200"
    assert status(signed(before.authorities[authority], *user), url, *headers) in REFUSED


@pytest.mark.parametrize("name", ADDRESSES)
def test_no_host_has_the_old_cas(name, rotated):
    found = fingerprints(host(name).check_output("find /etc -name '*ca.crt' -path '*/pki/*' -exec cat {} +"))
    assert found
    assert set(found) <= {one for name in AUTHORITIES for one in fingerprints(store().get(f"authorities/{name}").public["certificates"][0])}


def test_pods_have_the_new_ca_and_work(rotated):
    bundle = store().get("authorities/kubernetes").public["certificates"][0]
    roots = get("configmaps", "--all-namespaces", "--field-selector=metadata.name=kube-root-ca.crt")["items"]
    assert {one["data"]["ca.crt"].strip() for one in roots} == {bundle.strip()}
    wait(lambda: get("nodes.metrics.k8s.io")["items"], 60)


def test_every_secret_is_encrypted_with_the_new_key_and_can_be_read(rotated):
    assert re.search(r"Secrets in etcd: \{''secretbox:v1:key-2'': \d+\}", rotated["text"])
    found = get("secrets", "--namespace=default")["items"]
    values = {one["metadata"]["name"]: base64.b64decode(one["data"]["number"]).decode() for one in found if one["metadata"]["name"].startswith("kept-")}
    assert values == {f"kept-{number}": str(number) for number in range(20)}


def test_a_token_signed_with_the_old_key_is_refused(before, rotated):
    def status_with_token(token: str) -> str:
        command = f"curl --silent --insecure --output /dev/null --write-out '%{{http_code}}' --config - https://{ADDRESSES['master-1']}:8443/api"
        return host("master-0").run("bash -c %s", f"{command} <<< 'header = \"Authorization: Bearer {token}\"'").stdout

    assert status_with_token(kubectl("create", "token", "default")) == "200"
    assert status_with_token(before.token) == "401"


def test_certificates_of_one_host_are_reissued(rotated):
    def keys() -> dict[str, str]:
        return {name: host(name).check_output("cat $(find /etc -path '*/pki/*.key') | sha256sum") for name in ("worker-0", "proxy-0")}

    old = keys()
    run = Run("rotate.yml", "--extra-vars=rotate=certificates", "--limit=worker-0")
    assert run.end() == 0, run.text
    new = keys()
    assert new["worker-0"] != old["worker-0"]
    assert new["proxy-0"] == old["proxy-0"]
