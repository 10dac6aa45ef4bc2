# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalog: complete, in agreement with what is compiled, and never without a checksum."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._catalog import catalog
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._catalog.catalog import CatalogError, Source

MINOR = "1.36"
RELEASES = list(catalog.releases())
CATALOG = catalog.load(MINOR)
A, B = "a" * 64, "b" * 64
ETCD = "etcd/{0[version]}/{1}/etcd-v{0[version]}-linux-{1}.tar.gz"


def etcd_path(architecture: str) -> str:
    return ETCD.format(CATALOG["components"]["etcd"], architecture)


def test_upstream_gives_every_component_a_checksum() -> None:
    for artifact in catalog.artifacts(CATALOG, CATALOG["components"], Source("upstream")):
        assert list(artifact["architectures"]) == ["amd64", "arm64"]
        for architecture, origin in artifact["architectures"].items():
            assert set(origin) == {"url", "files"} | ({"sha256"} & set(origin) or {"checksum_url"})
            assert all(value.startswith("https://") for key, value in origin.items() if key.endswith("url"))
            assert "{" not in str(list(origin["files"].values()) + [origin["url"], origin.get("checksum_url")])
            assert architecture in origin["url"]


def test_upstream_of_etcd() -> None:
    (artifact,) = catalog.artifacts(CATALOG, ["etcd"], Source("upstream"))
    version = artifact["version"]
    assert artifact["component"] == "etcd"
    assert artifact["architectures"]["arm64"] == {
        "url": f"https://github.com/etcd-io/etcd/releases/download/v{version}/etcd-v{version}-linux-arm64.tar.gz",
        "checksum_url": f"https://github.com/etcd-io/etcd/releases/download/v{version}/SHA256SUMS",
        "files": {program: f"etcd-v{version}-linux-arm64/{program}" for program in ("etcd", "etcdctl", "etcdutl")},
    }


@pytest.mark.parametrize("release", RELEASES)
def test_no_catalog_has_an_etcd_that_is_too_old(release: str) -> None:
    assert catalog.older_etcd(catalog.load(release)) is None


@pytest.mark.parametrize(("version", "old"), [("3.6.13", True), ("3.6.2", True), ("3.5.99", True), ("3.6.14", False), ("3.6.100", False), ("3.7.0", False)])
def test_an_older_etcd_is_found(version: str, old: bool) -> None:
    assert catalog.older_etcd({"components": {"etcd": {"version": version}}}) == (version if old else None)


def test_a_pin_replaces_the_checksum_file() -> None:
    etcd = {**CATALOG["components"]["etcd"], "sha256": {"amd64": A}}
    (artifact,) = catalog.artifacts({**CATALOG, "components": {"etcd": etcd}}, ["etcd"], Source("upstream"))
    assert artifact["architectures"]["amd64"]["sha256"] == A
    assert "checksum_url" not in artifact["architectures"]["amd64"]
    assert "sha256" not in artifact["architectures"]["arm64"]


def test_pins_of_the_catalog_name_their_source_and_are_used() -> None:
    used = {(name, component["version"]) for release in RELEASES for name, component in catalog.load(release)["components"].items()}
    for given in catalog._read("checksums.yml"):
        assert given["from"]
        assert used >= {(name, version) for name, pins in given["sha256"].items() for version in pins}
        for pin in (pin for pins in given["sha256"].values() for pin in pins.values()):
            assert set(pin) == {"amd64", "arm64"}
            assert all(re.fullmatch("[0-9a-f]{64}", checksum) for checksum in pin.values())


def test_a_pin_of_the_operator_holds_upstream() -> None:
    (artifact,) = catalog.artifacts(CATALOG, ["etcd"], Source("upstream", checksums={etcd_path("amd64"): A}))
    assert artifact["architectures"]["amd64"]["sha256"] == A
    assert "checksum_url" not in artifact["architectures"]["amd64"]
    assert "sha256" not in artifact["architectures"]["arm64"]


def kubelet_path(version: str = CATALOG["components"]["kubelet"]["version"]) -> str:
    return f"kubelet/{version}/amd64/kubelet"


def test_a_pin_of_the_operator_may_not_contradict_the_catalog() -> None:
    with pytest.raises(CatalogError, match=f"cluster_artifact_checksums, {kubelet_path()}: found {A}, expected "):
        catalog.artifacts(CATALOG, ["kubelet"], Source("upstream", checksums={kubelet_path(): A}))


@pytest.mark.parametrize(
    ("path", "checksum", "expected"),
    [
        (kubelet_path(), A, "the pin of the catalog"),
        (kubelet_path(), "12", "a SHA-256 of 64 hexadecimal digits"),
        ("kubelet/1.36.3/amd64/kubelt", A, "<component>/<version>"),
        ("kubelet/1.36.3/riscv64/kubelet", A, "<component>/<version>"),
        ("kublet/1.36.3/amd64/kubelet", A, "<component>/<version>"),
        ("images/pauze/3.10", A, "<component>/<version>"),
        ("images/pause/3.10.2/amd64/pause.tar", A, "<component>/<version>"),
    ],
)
def test_wrong_checksums(path: str, checksum: str, expected: str) -> None:
    ((named, _found, wanted),) = catalog.wrong_checksums(CATALOG, Source("upstream", checksums={path: checksum}))
    assert named == path and expected in wanted


@pytest.mark.parametrize("path", [kubelet_path("1.36.99"), etcd_path("arm64"), "images/pause/3.10.2", "images/pause/9.9"])
def test_checksums_that_may_be_right(path: str) -> None:
    assert catalog.wrong_checksums(CATALOG, Source("upstream", checksums={path: A})) == []


def test_a_mirror_may_hold_other_files() -> None:
    assert catalog.wrong_checksums(CATALOG, Source("mirror", "http://m", {"wheels/x.whl": A, kubelet_path(): A})) == []


def test_downloads_without_a_pin() -> None:
    found = {str(download.path): str(download) for download in catalog.unpinned(CATALOG, Source("upstream"), ["amd64"])}
    assert etcd_path("amd64") in found and etcd_path("arm64") not in found and kubelet_path() not in found
    version = CATALOG["images"]["pause"]["version"]
    assert found[f"images/pause/{version}"] == f"image pause {version}, registry.k8s.io/pause:{version}"
    # With these pins, nothing is left.
    assert catalog.unpinned(CATALOG, Source("upstream", checksums=dict.fromkeys(found, A)), ["amd64"]) == []


def test_a_mirror_with_a_checksum_file_is_not_pinned() -> None:
    everything = Source("mirror", "https://mirror")
    paths = [download.path for download in catalog.unpinned(CATALOG, everything, ["amd64"])]
    assert len(paths) == len(CATALOG["components"]) + len(CATALOG["images"])
    assert catalog.unpinned(CATALOG, Source("mirror", "https://mirror", dict.fromkeys(paths, A)), ["amd64"]) == []


def test_an_image_is_pulled_by_its_digest() -> None:
    version = CATALOG["images"]["coredns"]["version"]
    (image,) = catalog.images(CATALOG, ["coredns"], Source("upstream", checksums={f"images/coredns/{version}": A}))
    assert image == {"name": "coredns", "reference": f"docker.io/coredns/coredns@sha256:{A}", "archive": None}


@pytest.mark.parametrize("kind", ["mirror", "build"])
def test_mirror_with_checksums(kind: str) -> None:
    (artifact,) = catalog.artifacts(CATALOG, ["etcd"], Source(kind, "http://10.0.0.1:8000/", {etcd_path("amd64"): A}))
    assert list(artifact["architectures"]) == ["amd64"]
    assert artifact["architectures"]["amd64"]["url"] == f"http://10.0.0.1:8000/{etcd_path('amd64')}"
    assert artifact["architectures"]["amd64"]["sha256"] == A


def test_mirror_over_https_has_a_checksum_file() -> None:
    (artifact,) = catalog.artifacts(CATALOG, ["etcd"], Source("mirror", "https://mirror.example/k8s", {etcd_path("amd64"): A}))
    assert artifact["architectures"]["amd64"]["sha256"] == A
    assert artifact["architectures"]["arm64"]["checksum_url"] == "https://mirror.example/k8s/SHA256SUMS"


def test_images() -> None:
    (image,) = catalog.images(CATALOG, ["coredns"], Source("upstream"))
    version = CATALOG["images"]["coredns"]["version"]
    assert image == {"name": "coredns", "reference": f"docker.io/coredns/coredns:{version}", "archive": None}
    path = f"images/coredns/{version}/amd64/coredns.tar"
    (image,) = catalog.images(CATALOG, ["coredns"], Source("build", "http://mirror", {path: B}))
    assert image["archive"] == {"architectures": {"amd64": {"url": f"http://mirror/{path}", "sha256": B}}}


@pytest.mark.parametrize(
    ("names", "source", "says"),
    [
        pytest.param(["etdc"], Source("upstream"), ["'etdc'", "kubectl, etcd"], id="unknown component"),
        pytest.param(["etcd"], Source("nirror"), ["cluster_artifact_source: found 'nirror'", "upstream, mirror, build"], id="unknown source"),
        pytest.param(["etcd"], Source("build"), ["cluster_artifact_mirror: found ''", "http or https"], id="no mirror"),
        pytest.param(["etcd"], Source("mirror", "ftp://mirror"), ["cluster_artifact_mirror: found 'ftp://mirror'"], id="mirror without http"),
        pytest.param(["etcd"], Source("mirror", "http://m"), ["cluster_artifact_checksums", etcd_path("amd64"), "https"], id="unverified"),
        pytest.param(["etcd"], Source("mirror", "http://m", {"x": "12"}), ["cluster_artifact_checksums, x: found '12'"], id="no checksum"),
    ],
)
def test_errors_name_variable_found_and_expected(names: list[str], source: Source, says: list[str]) -> None:
    with pytest.raises(CatalogError) as error:
        catalog.artifacts(CATALOG, names, source)
    for text in says:
        assert text in str(error.value)


def test_an_unknown_version_names_the_known_ones() -> None:
    with pytest.raises(CatalogError, match=r"cluster_kubernetes_version: found '1\.35\.9', expected one of 1\.35, 1\.35\.4, 1\.36"):
        catalog.load("1.35.9")


def test_a_patch_has_the_versions_of_its_minor_and_its_own() -> None:
    minor, patch = catalog.load("1.37"), catalog.load("1.37.1")
    assert (minor["components"]["kubelet"]["version"], patch["components"]["kubelet"]["version"]) == ("1.37.2", "1.37.1")
    assert patch["versions"] == {**minor["versions"], "kubernetes": "1.37.1"}
    assert catalog.load("1.37.2") == minor


def test_pins_belong_to_a_version() -> None:
    assert "sha256" in catalog.load("1.36.3")["components"]["kubelet"]
    assert "sha256" not in catalog.load("1.35")["components"]["kubelet"]


def test_a_cluster_keeps_its_versions_when_the_catalog_has_others() -> None:
    recorded = {"catalog": "1.36", "kubernetes": "1.36.1", "etcd": "3.6.14"}
    versions = catalog.load(recorded)["versions"]
    assert versions == {**CATALOG["versions"], "kubernetes": "1.36.1", "etcd": "3.6.14"}  # what it has not had yet comes from the catalog
    assert catalog.load(catalog.record(versions))["versions"] == versions
    with pytest.raises(CatalogError, match=r"found Kubernetes 1\.33\.1, expected a minor of the catalog: 1\.35"):
        catalog.load({"kubernetes": "1.33.1"})


def test_versions_of_a_cluster_without_a_record_are_those_that_most_hosts_have() -> None:
    workers = [{"kubelet": "1.35.4", "kube-proxy": "1.35.4", "containerd": "2.3.7"}] * 2
    found = catalog.installed("1.36", [*workers, {"etcd": "3.6.14", "kubelet": "9.9", "strange": "1"}], [])
    assert found == {**catalog.load("1.35")["versions"], "etcd": "3.6.14"}
    assert catalog.installed("1.36", [], []) == catalog.installed("1.36", [{}], []) == CATALOG["versions"]


def test_a_build_without_inputs_is_named() -> None:
    with pytest.raises(CatalogError, match=r"found no inputs for etcd 3\.6\.14, expected one of 3\.6\.15, 3\.6\.16"):
        catalog.builds(catalog.load({"kubernetes": "1.36.3", "etcd": "3.6.14"}), ["etcd"])


def test_every_mirrored_file_is_built() -> None:
    everything = Source("mirror", "https://mirror")
    amd64 = [artifact["architectures"]["amd64"]["url"] for artifact in catalog.artifacts(CATALOG, CATALOG["components"], everything)]
    amd64 += [image["archive"]["architectures"]["amd64"]["url"] for image in catalog.images(CATALOG, CATALOG["images"], everything)]
    outputs = [output["path"] for build in catalog.builds(CATALOG, CATALOG["builds"]) for output in build["outputs"]]
    assert sorted(amd64) == sorted("https://mirror/" + path.replace("{architecture}", "amd64") for path in outputs)


def test_every_release_is_built_and_nothing_else_is_there() -> None:
    wanted = {(build["name"], build["version"]) for release in RELEASES for build in catalog.builds(catalog.load(release), CATALOG["builds"])}
    assert wanted == {(path.parent.name, path.name) for path in catalog.INPUTS.glob("*/*")}


def test_builds_of_other_versions_have_other_files() -> None:
    """Otherwise a mirror with two releases would overwrite the files of one of them."""
    builds = {(build["name"], build["version"]): build for release in RELEASES for build in catalog.builds(catalog.load(release), CATALOG["builds"])}
    paths = [output["path"] for build in builds.values() for output in build["outputs"]]
    assert len(paths) == len(set(paths))


GO_BUILDS = sorted({(name, build["version"]) for release in RELEASES for name, build in catalog.load(release)["builds"].items() if "packages" in build})


@pytest.mark.parametrize(("name", "version"), GO_BUILDS)
def test_go_mod_pins_the_version_of_the_catalog(name: str, version: str) -> None:
    build = {**CATALOG["builds"][name], "version": version}
    if name == "agnhost":  # a part of Kubernetes that has another version
        build["version"] = "1.36.3"
    text = (Path(catalog.INPUTS) / name / version / "go.mod").read_text()
    required = dict(re.findall(r"^(?:require )?\s*(\S+) v(\S+)(?: // indirect)?$", text, re.MULTILINE))
    for package in build["packages"].values():
        module = max((module for module in required if f"{package}/".startswith(f"{module}/")), key=len)
        assert required[module] == build["version"], module
        assert re.search(rf"^(tool )?\s*{re.escape(package)}$", text, re.MULTILINE)


@pytest.mark.parametrize("release", RELEASES)
def test_downloads_are_all_files_of_a_mirror(release: str) -> None:
    its = catalog.load(release)
    found = catalog.downloads(its, Source("upstream"), ["amd64", "arm64"])
    assert len({file["path"] for file in found}) == len(found) == 2 * (len(its["components"]) + len(its["images"]))
    built = {output["path"].replace("{architecture}", "arm64") for build in catalog.builds(its, its["builds"]) for output in build["outputs"]}
    assert {file["path"] for file in found if file["architecture"] == "arm64"} == built


def test_downloads_name_their_origin_and_their_project() -> None:
    pins = {etcd_path("amd64"): A, "images/pause/3.10.2": B}
    found = {file["path"].split("/")[-1]: file for file in catalog.downloads(CATALOG, Source("upstream", checksums=pins), ["amd64"])}
    etcd, pause = found[etcd_path("amd64").split("/")[-1]], found["pause.tar"]
    assert etcd["origin"] == {"url": etcd["url"], "sha256": A} and etcd["licence"] == "Apache-2.0"
    assert pause["origin"] == {"reference": "registry.k8s.io/pause:3.10.2", "digest": B}
    assert (pause["url"], pause["purpose"]) == ("docker://registry.k8s.io/pause:3.10.2", "image registry.k8s.io/pause:3.10.2")


def test_downloads_of_a_mirror_keep_the_url_of_the_project() -> None:
    (etcd,) = [file for file in catalog.downloads(CATALOG, Source("mirror", "https://m"), ["arm64"]) if file["path"].startswith("etcd/")]
    assert etcd["origin"] == {"url": f"https://m/{etcd['path']}", "checksum_url": "https://m/SHA256SUMS"}
    assert etcd["url"].startswith("https://github.com/etcd-io/etcd/releases/")


def test_compiled_files_have_no_url() -> None:
    for file in catalog.downloads(CATALOG, Source("build"), ["amd64"]):
        assert file["url"] == "" and file["purpose"].endswith(", compiled from source")


def test_a_mirror_without_an_architecture_is_refused_by_name() -> None:
    sums = {file["path"]: A for file in catalog.downloads(CATALOG, Source("upstream"), ["amd64"])}
    with pytest.raises(CatalogError, match="kube-apiserver 1.36.3: found downloads for amd64, expected one for arm64"):
        catalog.downloads(CATALOG, Source("mirror", "http://m", sums), ["arm64"])
