# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An unpacked bundle on the controller: its signature, what hosts need of it, and what preflight refuses."""

from __future__ import annotations

import hashlib
import subprocess

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._bundle import lock as locks
from ansible_collections.cfcr.kubernetes.plugins.module_utils._bundle import signature
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._bundle import opened as module
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._bundle.opened import needed, opened, source_of
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._catalog.catalog import CatalogError, Source, artifacts, downloads, images, load
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._preflight.bundle import check_bundle, check_content, check_parts

CATALOG = load("1.36")
PACKAGES = tuple(f"packages/bookworm/amd64/{name}" for name in ("Packages", *(f"{name}_2.6_amd64.deb" for name in module.PACKAGES), "libc6_2.36_amd64.deb"))
WHEELS = ("wheels/index.html", "wheels/aiohttp-3.13.5-cp311-cp311-manylinux_2_17_x86_64.manylinux2014_x86_64.whl", "wheels/idna-3.10-py3-none-any.whl")
FACTS = {"python_version": "3.11.2", "architecture": "amd64", "operating_system": "debian", "operating_system_version": "12"}
SIGNER = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEq5i1jYZUJkT3GvIlNCsGLKbKbLUPqmm6gDCvLg6UQq"


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    directory = tmp_path_factory.mktemp("keys")
    for name in ("ours", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(directory / name)], check=True)
    return {name: (directory / name, (directory / f"{name}.pub").read_text().strip()) for name in ("ours", "other")}


@pytest.fixture(autouse=True)
def run(tmp_path_factory, monkeypatch):
    """A run of Ansible with a temporary directory."""
    monkeypatch.setattr(module.C, "DEFAULT_LOCAL_TMP", str(tmp_path_factory.mktemp("run")))


@pytest.fixture
def bundle(tmp_path, keys):
    """The directory of an unpacked bundle with all files of a release for amd64. The content of each file is its path."""
    paths = [file["path"] for file in downloads(CATALOG, Source("upstream"), ["amd64"])] + [*PACKAGES, *WHEELS]
    files = {path: locks.File(hashlib.sha256(path.encode()).hexdigest(), len(path), "", "Apache-2.0", "component") for path in paths}
    lock = locks.Lock("cfcr-1.36.3", "2026-11-30T02:00:00Z", "0.10.0", ["amd64"], ["bookworm"], ["1.36"], "", files)
    (tmp_path / locks.BLOBS).mkdir(parents=True)
    for path, file in files.items():
        locks.blob(tmp_path, file.sha256).write_text(path)
    write(tmp_path, lock, keys)
    return tmp_path


def write(directory, lock, keys):
    (directory / locks.LOCK).write_bytes(locks.render(lock))
    (directory / signature.SIGNATURE).write_bytes(signature.sign(locks.render(lock), str(keys["ours"][0])))


def values(bundle, keys, **changes):
    """Return the variables of a host with this bundle."""
    return {
        "cluster_artifact_source": "bundle", "cluster_bundle": str(bundle), "cluster_bundle_signers": [keys["ours"][1]], "cluster_artifact_mirror": "",
        "cluster_http_proxy": "", "cf_routing_wheels": "", "cluster_registries": [], "cluster_topology": "proxy", **changes,
    }  # fmt: skip


def test_hosts_download_from_their_own_files(bundle, keys):
    source = source_of(opened(str(bundle), [keys["ours"][1]]), {})
    (kubelet,) = artifacts(CATALOG, ["kubelet"], source)
    path = f"kubelet/{kubelet['version']}/amd64/kubelet"
    assert kubelet["architectures"].keys() == {"amd64"}
    assert kubelet["architectures"]["amd64"]["url"] == f"file:///var/cache/cfcr/bundle/{path}"
    assert kubelet["architectures"]["amd64"]["sha256"] == hashlib.sha256(path.encode()).hexdigest()
    (pause,) = images(CATALOG, ["pause"], source)
    assert pause["reference"].startswith("registry.k8s.io/pause:")
    assert pause["archive"]["architectures"]["amd64"]["url"].startswith("file:///var/cache/cfcr/bundle/images/pause/")


def test_the_signature_is_verified_once_in_a_run(bundle, keys, monkeypatch):
    calls = []
    monkeypatch.setattr(module, "verify", lambda *arguments: calls.append(arguments))
    for signers in (keys["ours"][1], keys["ours"][1], keys["other"][1]):
        opened(str(bundle), [signers])
    (bundle / locks.LOCK).write_bytes((bundle / locks.LOCK).read_bytes() + b"\n")
    opened(str(bundle), [keys["ours"][1]])
    assert len(calls) == 3


def test_pins_of_the_operator_hold_for_a_bundle(bundle, keys):
    lock = opened(str(bundle), [keys["ours"][1]])
    with pytest.raises(CatalogError, match=f"cluster_artifact_checksums, {PACKAGES[0]}: found a+, expected {lock.files[PACKAGES[0]].sha256}"):
        source_of(lock, {PACKAGES[0]: "a" * 64})


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        (["etcd"], {"etcd"}),
        (["master"], {"flannel", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}),
        (["proxy", "iaas"], {"flannel", "kube-proxy"}),
        (["worker"], {"flannel", "containerd", "runc", "cni-plugins", "kubelet", "kube-proxy", "images"}),
        ([], set()),
    ],
)
def test_a_host_needs_what_its_groups_need(bundle, keys, groups, expected):
    found = needed(opened(str(bundle), [keys["ours"][1]]), CATALOG, groups, "amd64", "bookworm")
    assert {path.split("/")[0] for path in found} == expected | {"packages"}
    assert found.keys() >= set(PACKAGES)


def test_only_some_hosts_need_wheels(bundle, keys):
    lock = opened(str(bundle), [keys["ours"][1]])
    assert not {*WHEELS} & needed(lock, CATALOG, ["master"], "amd64", "bookworm").keys()
    assert needed(lock, CATALOG, ["master"], "amd64", "bookworm", "3.11.2").keys() >= {*WHEELS, *PACKAGES}


@pytest.mark.parametrize(
    ("left_out", "facts", "message"),
    [
        (PACKAGES[0], {}, "without Packages for bookworm on amd64, expected apt's index and all packages that hosts install"),
        ("packages/bookworm/amd64/socat_2.6_amd64.deb", {}, "without socat for bookworm on amd64, expected apt's index"),
        ("packages/", {}, f"without Packages, {', '.join(module.PACKAGES)} for bookworm on amd64"),
        (WHEELS[0], {}, "without wheels for Python 3.11 on amd64, expected them for cf_routing on masters"),
        (WHEELS[1], {}, "without wheels for Python 3.11 on amd64"),
        ("nothing", {"python_version": "3.13.5"}, "without wheels for Python 3.13 on amd64"),
    ],
)
def test_a_bundle_without_packages_or_wheels_is_refused(bundle, keys, left_out, facts, message):
    lock = opened(str(bundle), [keys["ours"][1]])
    write(bundle, lock._replace(files={path: file for path, file in lock.files.items() if not path.startswith(left_out)}), keys)
    its = values(bundle, keys, cluster_topology="cf_routing")
    (problem,) = told(check_parts({"m": (its, ["master"], {**FACTS, **facts})}, CATALOG["versions"]))
    assert problem.startswith(f"cluster_bundle: found cfcr-1.36.3 {message}")


def test_a_whole_bundle_has_no_problem(bundle, keys):
    its = values(bundle, keys)
    assert list(check_bundle(its)) == []
    assert check_content(str(bundle), its["cluster_bundle_signers"]) == []
    hosts = {"w": (its, ["worker"], FACTS), "e": (its, ["etcd"], FACTS), "m": ({**its, "cluster_topology": "cf_routing"}, ["master"], FACTS)}
    assert check_parts(hosts, CATALOG["versions"]) == []


def told(problems):
    return [f"{problem.subject}: found {problem.found}, expected {problem.expected}" for problem in problems]


def test_one_flipped_bit_is_refused_by_name(bundle, keys):
    path = "runc/1.5.2/amd64/runc.amd64"
    blob = locks.blob(bundle, hashlib.sha256(path.encode()).hexdigest())
    blob.write_bytes(bytes([blob.read_bytes()[0] ^ 1]) + blob.read_bytes()[1:])
    (problem,) = told(check_content(str(bundle), [keys["ours"][1]]))
    assert problem.startswith(f"cluster_bundle, {path}: found {hashlib.sha256(blob.read_bytes()).hexdigest()}, expected the content with SHA-256 {blob.name}")


def test_a_bit_of_the_lock_is_refused(bundle, keys):
    path = bundle / locks.LOCK
    path.write_bytes(path.read_bytes().replace(b"1.5.2", b"1.5.3"))
    (problem,) = told(check_content(str(bundle), [keys["ours"][1]]))
    assert "bundle.json.sig: found no signature of the lock by a key in cluster_bundle_signers, expected one" in problem


def test_a_wrong_signer_is_refused(bundle, keys):
    (problem,) = told(check_content(str(bundle), [keys["other"][1]]))
    assert "bundle.json.sig: found no signature of the lock by a key in cluster_bundle_signers, expected one" in problem


def test_a_delta_without_its_older_bundle_is_refused_in_a_few_lines(bundle, keys):
    for path in (bundle / locks.BLOBS).iterdir():
        path.unlink()
    problems = told(check_content(str(bundle), [keys["ours"][1]]))
    assert len(problems) == 6
    assert "found no readable blob (No such file or directory)" in problems[0]
    files = len(locks.parse((bundle / locks.LOCK).read_bytes()).files)
    assert f"{files} such files, expected none. Unpack the bundle again, and the older one first if it is a delta" in problems[-1]


def test_no_bundle_is_refused(tmp_path, keys):
    (problem,) = told(check_content(str(tmp_path), [keys["ours"][1]]))
    assert problem.startswith(f"cluster_bundle: found {tmp_path} (No such file or directory), expected the directory of an unpacked bundle")


def test_a_missing_image_is_refused_by_name(bundle, keys):
    lock = opened(str(bundle), [keys["ours"][1]])
    write(bundle, lock._replace(files={path: file for path, file in lock.files.items() if "coredns" not in path}), keys)
    (problem,) = told(check_parts({"w": (values(bundle, keys), ["worker"], FACTS)}, CATALOG["versions"]))
    assert problem.startswith("cluster_bundle: found none of images/coredns/")


@pytest.mark.parametrize(
    ("facts", "message"),
    [
        ({"architecture": "arm64"}, "cluster_bundle: found cfcr-1.36.3 for amd64, expected one for arm64"),
        ({"operating_system_version": "13"}, "cluster_bundle: found cfcr-1.36.3 with packages for bookworm, expected trixie"),
        ({"operating_system": "arch"}, "cluster_bundle: found cfcr-1.36.3 with packages for bookworm, expected those of the host"),
    ],
)
def test_a_bundle_for_other_hosts_is_refused(bundle, keys, facts, message):
    hosts = {name: (values(bundle, keys), ["worker"], {**FACTS, **facts}) for name in ("w0", "w1")}
    assert told(check_parts({**hosts, "dead": (values(bundle, keys), ["etcd"], {"error": "unreachable"})}, CATALOG["versions"])) == [message]


def test_a_bundle_of_another_version_is_refused(bundle, keys):
    (problem,) = told(check_parts({"e": (values(bundle, keys), ["etcd"], FACTS)}, load("1.35")["versions"]))
    assert problem.startswith("cluster_bundle: found none of kube-apiserver/1.35.4/amd64/kube-apiserver")


def test_other_sources_have_no_rule(keys):
    its = values("", keys, cluster_artifact_source="upstream", cluster_http_proxy="http://proxy:3128")
    assert list(check_bundle(its)) == [] == check_parts({"w": (its, ["worker"], FACTS)}, CATALOG["versions"])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"cluster_bundle": ""}, "cluster_bundle: found nothing, expected the absolute path of an unpacked bundle"),
        ({"cluster_bundle": "bundle"}, "cluster_bundle: found bundle, expected the absolute path"),
        ({"cluster_bundle_signers": []}, "cluster_bundle_signers: found nothing, expected the public SSH key"),
        ({"cluster_bundle_signers": [SIGNER, "me"]}, "cluster_bundle_signers: found 'me', expected public SSH keys"),
        ({"cluster_artifact_mirror": "http://x"}, "cluster_artifact_mirror: found a value (not shown), expected nothing"),
        ({"cluster_http_proxy": "http://x:y@z"}, "cluster_http_proxy: found a value (not shown), expected nothing"),
        ({"cf_routing_wheels": "http://x"}, "cf_routing_wheels: found a value (not shown), expected nothing"),
        ({"cluster_registries": [{"host": "docker.io", "mirrors": ["https://x"]}]}, "cluster_registries, docker.io: found mirrors, expected none"),
    ],
)
def test_any_other_source_is_refused(keys, changes, message):
    (problem,) = told(check_bundle(values("/srv/bundle", keys, **changes)))
    assert problem.startswith(message)
