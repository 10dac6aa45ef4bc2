# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalog: versions of all components, their sources, and how to build them."""

from __future__ import annotations

import functools
import itertools
import re
import typing as t
from collections import Counter
from pathlib import Path

from ansible.module_utils.common.yaml import yaml_load
from ansible.module_utils.compat.version import LooseVersion

__all__ = (
    "OLDEST_ETCD", "CatalogError", "Source", "Unpinned", "Versions", "artifacts", "builds", "downloads", "images", "installed", "load", "minor_of",
    "older_etcd", "record", "releases", "resolve", "unpinned", "wrong_checksums",
)  # fmt: skip

CATALOG = Path(__file__).resolve().parents[3] / "catalog"
INPUTS = CATALOG / "build"
SOURCES = ("upstream", "mirror", "build", "bundle")
# Before 3.6.12, API servers that are not root lose the progress of their watches for ever. 3.6.14 closes the last known ways around etcd's roles.
OLDEST_ETCD = "3.6.14"
_SHA256 = r"[0-9a-f]{64}"


class CatalogError(Exception):
    """The catalog lacks an entry, or an entry cannot be downloaded safely. The message names the variable, what was found and what was expected."""


class Unpinned(t.NamedTuple):
    """A download without a pin."""

    what: str  # component or image, version and architecture
    url: str
    path: str  # its key in cluster_artifact_checksums

    def __str__(self) -> str:
        return f"{self.what}, {self.url}"


class Source(t.NamedTuple):
    """Where hosts download from: the cluster_artifact_* variables."""

    kind: str
    mirror: str = ""
    checksums: t.Mapping[str, str] = {}

    def check(self) -> Source:
        """Return itself; raise a CatalogError if a variable is wrong."""
        if self.kind not in SOURCES:
            raise CatalogError(f"cluster_artifact_source: found {self.kind!r}, expected one of {', '.join(SOURCES)}")
        if self.kind in ("mirror", "build") and not re.match(r"https?://[^/]", self.mirror):
            expected = f"expected an http or https URL with cluster_artifact_source {self.kind}"
            raise CatalogError(f"cluster_artifact_mirror: found {self.mirror!r}, {expected}")
        for path, checksum in self.checksums.items():
            if not re.fullmatch(_SHA256, str(checksum)):
                raise CatalogError(f"cluster_artifact_checksums, {path}: found {checksum!r}, expected a SHA-256 of 64 hexadecimal digits")
        return self

    def upstream(self, path: str, url: str, checksum_url: str, pin: str | None) -> dict[str, str]:
        """Return URL and checksum of a file of a project. The operator's pin holds, but may not contradict the one of the catalog."""
        given = self.checksums.get(path)
        if pin and given and pin != given:
            raise CatalogError(f"cluster_artifact_checksums, {path}: found {given}, expected {pin}, the pin of the catalog for {url}")
        pin = given or pin
        return {"url": url, "sha256": pin} if pin else {"url": url, "checksum_url": checksum_url}

    def mirrored(self, paths: dict[str, str]) -> dict[str, dict[str, str]]:
        """Return URL and checksum of a file of the mirror, for each architecture whose file can be verified."""
        base = self.mirror.rstrip("/")
        found = {}
        for architecture, path in paths.items():
            if path in self.checksums:
                found[architecture] = {"url": f"{base}/{path}", "sha256": self.checksums[path]}
            elif base.startswith("https://"):
                found[architecture] = {"url": f"{base}/{path}", "checksum_url": f"{base}/SHA256SUMS"}
        if not found and self.kind == "bundle":
            raise CatalogError(f"cluster_bundle: found none of {', '.join(paths.values())}, expected a bundle with this version")
        if not found:
            raise CatalogError(
                f"cluster_artifact_checksums: found none of {', '.join(paths.values())} for the mirror {self.mirror}, expected the checksum of every "
                "file, or an https mirror with a SHA256SUMS file"
            )
        return found


Versions = t.Mapping[str, str]  # of each project, as the files of the catalog have them
_KINDS = ("components", "images", "builds")


@functools.lru_cache
def releases() -> dict[str, dict[str, str]]:
    """Return the versions of each release that cluster_kubernetes_version may name: minors, and the patches that their catalogs list."""
    found = {}
    for path in sorted(CATALOG.glob("[0-9]*.yml")):
        lock = _read(path.name)
        newest = lock["versions"]
        found.update({path.stem: newest, newest["kubernetes"]: newest})
        found.update({patch: {**newest, "kubernetes": patch, **differing} for patch, differing in lock["releases"].items()})
    return found


def minor_of(versions: Versions) -> str:
    """Return the minor version of Kubernetes, which names the file of the catalog."""
    return versions["kubernetes"].rpartition(".")[0]


def record(versions: Versions) -> dict[str, str]:
    """Return versions as the store has them."""
    return {"catalog": minor_of(versions), **versions}


def resolve(release: str | Versions) -> dict[str, str]:
    """Return the versions of a release, or complete those of a cluster, of which its store has a record.

    A cluster keeps its versions when the collection has others. Only a project that the cluster has not had yet gets the version of its minor.
    """
    known = releases()
    if isinstance(release, str):
        if release not in known:
            raise CatalogError(f"cluster_kubernetes_version: found {release!r}, expected one of {', '.join(known)}")
        return known[release]
    minor = minor_of(release)
    if minor not in known:
        raise CatalogError(f"versions of the cluster: found Kubernetes {release['kubernetes']}, expected a minor of the catalog: {', '.join(known)}")
    return {project: release.get(project, version) for project, version in known[minor].items()}


def load(release: str | Versions) -> dict[str, t.Any]:
    """Return the catalog of a release or of the versions of a cluster: every component, image and build with its version, and the pins."""
    versions = resolve(release)
    catalog = {**_read("components.yml"), "versions": versions, "upgrades_from": _read(f"{minor_of(versions)}.yml")["upgrades_from"]}
    for kind in _KINDS:
        catalog[kind] = {name: {**entry, "version": versions[entry.get("project", name)]} for name, entry in catalog[kind].items()}
    for given in _read("checksums.yml"):
        for name, pins in given["sha256"].items():
            component = catalog["components"][name]
            if component["version"] in pins:
                component["sha256"] = pins[component["version"]]
    return catalog


def installed(release: str, found: t.Iterable[Versions], silent: t.Sequence[str]) -> dict[str, str]:
    """Return the versions of a cluster without a record, given the components of its hosts, and the hosts of which they are not known.

    Most hosts with a component of a project decide, since a host may lie, and one that was off may have other versions. Images have the versions of
    the minor, and a cluster whose hosts have nothing yet those of the release.
    """
    projects = {name: entry.get("project", name) for name, entry in _read("components.yml")["components"].items()}
    counts: dict[str, Counter[str]] = {}
    for name, version in itertools.chain.from_iterable(components.items() for components in found):
        if name in projects:
            counts.setdefault(projects[name], Counter())[version] += 1
    if silent and (unknown := [project for project in dict.fromkeys(projects.values()) if project not in counts]):
        expected = "a first run that reaches all hosts of the cluster"
        raise CatalogError(f"versions of the cluster: found no record in the store, and no host with {', '.join(unknown)}, expected {expected}")
    running = {project: counter.most_common(1)[0][0] for project, counter in counts.items()}
    return resolve({"kubernetes": resolve(release)["kubernetes"], **running}) if running else resolve(release)


@functools.lru_cache
def _read(name: str) -> t.Any:
    return yaml_load((CATALOG / name).read_text(encoding="utf-8"))


def older_etcd(catalog: dict[str, t.Any]) -> str | None:
    """Return the version of etcd in a catalog if it is older than the oldest that a cluster may run."""
    found = catalog["components"]["etcd"]["version"]
    return found if LooseVersion(found) < LooseVersion(OLDEST_ETCD) else None


def artifacts(catalog: dict[str, t.Any], names: t.Iterable[str], source: Source) -> list[dict[str, t.Any]]:
    """Return the artifacts for the modules release and job: URL, checksum and files of each component by architecture."""
    source.check()
    return [_artifact(catalog, name, _find(catalog, "components", name), source) for name in names]


def images(catalog: dict[str, t.Any], names: t.Iterable[str], source: Source) -> list[dict[str, t.Any]]:
    """Return the reference of each image and, unless it is pulled from its registry, its archive per architecture."""
    source.check()
    found = []
    for name in names:
        image = _find(catalog, "images", name)
        reference, archive = image["reference"].format(version=image["version"]), None
        if source.kind != "upstream":
            paths = {architecture: _image_path(name, image).format(architecture=architecture) for architecture in catalog["architectures"]}
            archive = {"architectures": source.mirrored(paths)}
        elif digest := source.checksums.get(_image_key(name, image)):
            # The kubelet and containerd drop the tag of a reference with both.
            reference = f"{reference.rpartition(':')[0]}@sha256:{digest}"
        found.append({"name": name, "reference": reference, "archive": archive})
    return found


def downloads(catalog: dict[str, t.Any], source: Source, architectures: t.Sequence[str]) -> list[dict[str, t.Any]]:
    """Return the files of a mirror of these architectures: path, URL at its project, licence, purpose, and the origin, which is where the source has it.

    The origin of an image is its reference unless the source has its archive.
    """
    found, compiled = [], source.kind == "build"
    if compiled:  # the files of a build have the paths of upstream's
        source = Source("upstream")
    for artifact in artifacts(catalog, catalog["components"], source):
        name, title = artifact["component"], f"{artifact['component']} {artifact['version']}"
        for architecture in architectures:
            origin = _of_architecture(title, artifact["architectures"], architecture)
            url, _checksum_url = _urls(name, catalog["components"][name], architecture)
            found.append((_path(catalog, artifact, architecture), url, title, architecture, {key: origin[key] for key in origin.keys() - {"files"}}))
    for image in images(catalog, catalog["images"], source):
        entry = catalog["images"][image["name"]]
        reference, pin = entry["reference"].format(version=entry["version"]), source.checksums.get(_image_key(image["name"], entry))
        for architecture in architectures:
            path, pulled = _image_path(image["name"], entry).format(architecture=architecture), {"reference": reference, "digest": pin}
            origin = _of_architecture(f"image {reference}", image["archive"]["architectures"], architecture) if image["archive"] else pulled
            found.append((path, f"docker://{reference}", f"image {reference}", architecture, origin))
    names = ("path", "url", "purpose", "architecture", "origin")
    listed = [{**dict(zip(names, download)), "licence": catalog["licence"]} for download in found]
    return [{**download, "url": "", "purpose": f"{download['purpose']}, compiled from source"} for download in listed] if compiled else listed


def _of_architecture(title: str, origins: t.Mapping[str, t.Any], architecture: str) -> t.Any:
    if architecture not in origins:
        raise CatalogError(f"{title}: found downloads for {', '.join(origins)}, expected one for {architecture}, with its checksum")
    return origins[architecture]


def unpinned(catalog: dict[str, t.Any], source: Source, architectures: t.Collection[str]) -> list[Unpinned]:
    """Return the downloads of hosts of these architectures that have no pin: files with a published checksum, and images by tag."""
    files = [
        Unpinned(f"{artifact['component']} {artifact['version']} for {architecture}", origin["url"], _path(catalog, artifact, architecture))
        for artifact in artifacts(catalog, catalog["components"], source)
        for architecture, origin in artifact["architectures"].items()
        if architecture in architectures and "sha256" not in origin
    ]
    pulled = []
    for image in images(catalog, catalog["images"], source):
        entry = catalog["images"][image["name"]]
        title = f"image {image['name']} {entry['version']}"
        if image["archive"] is None:
            if "@" not in image["reference"]:
                pulled.append(Unpinned(title, image["reference"], _image_key(image["name"], entry)))
            continue
        for architecture, origin in image["archive"]["architectures"].items():
            if architecture in architectures and "sha256" not in origin:
                path = _image_path(image["name"], entry).format(architecture=architecture)
                pulled.append(Unpinned(f"{title} for {architecture}", origin["url"], path))
    return files + pulled


def wrong_checksums(catalog: dict[str, t.Any], source: Source) -> list[tuple[str, str, str]]:
    """Return the checksums of the operator that cannot be right, each as (path, found, expected).

    Checksums of other versions may be there, so that they can be added before an update. A mirror may hold other files than the projects'.
    """
    wrong = []
    pins = _pins(catalog)
    for path, checksum in source.checksums.items():
        pin = pins.get(path)
        if not re.fullmatch(_SHA256, str(checksum)):
            wrong.append((path, repr(checksum), "a SHA-256 of 64 hexadecimal digits"))
        elif source.kind == "upstream" and not _is_download(catalog, path):
            wrong.append((path, "the path of no download", "<component>/<version>/<architecture>/<file name>, or images/<name>/<version>, as in the catalog"))
        elif source.kind == "upstream" and pin and pin != checksum:
            wrong.append((path, checksum, f"{pin}, the pin of the catalog"))
    return wrong


def _pins(catalog: dict[str, t.Any]) -> dict[str, str]:
    """Return the pins of the catalog by path."""
    return {
        _component_path(name, component, architecture): pin
        for name, component in catalog["components"].items()
        for architecture, pin in component.get("sha256", {}).items()
    }


def _is_download(catalog: dict[str, t.Any], path: str) -> bool:
    """Return whether a path belongs to any version of a component or image."""
    parts = path.split("/")
    if parts[0] == "images":
        return len(parts) == 3 and parts[1] in catalog["images"]
    component = catalog["components"].get(parts[0])
    if component is None or len(parts) != 4:
        return False
    return parts[2] in catalog["architectures"] and path == _component_path(parts[0], {**component, "version": parts[1]}, parts[2])


def _path(catalog: dict[str, t.Any], artifact: dict[str, t.Any], architecture: str) -> str:
    return _component_path(artifact["component"], catalog["components"][artifact["component"]], architecture)


def builds(catalog: dict[str, t.Any], names: t.Iterable[str], inputs: Path = INPUTS) -> list[dict[str, t.Any]]:
    """Return the builds for the module artifact_build: the inputs of each build, and the resulting files of the mirror.

    The building machine fills in {architecture}, which only it knows.
    """
    return [_build(catalog, name, _find(catalog, "builds", name), inputs) for name in names]


def _find(catalog: dict[str, t.Any], kind: str, name: str) -> dict[str, t.Any]:
    if name not in catalog[kind]:
        raise CatalogError(f"catalog, {kind}: found no {name!r}, expected one of {', '.join(catalog[kind])}")
    return catalog[kind][name]


def _urls(name: str, component: dict[str, t.Any], architecture: str) -> tuple[str, str]:
    values = {"component": name, "version": component["version"], "architecture": architecture}
    url = component["url"].format(**values)
    return url, component["checksum_url"].format(url=url, **values)


def _files(component: dict[str, t.Any], architecture: str) -> dict[str, str]:
    values = {"version": component["version"], "architecture": architecture}
    return {program: member.format(**values) for program, member in component["files"].items()}


def _component_path(name: str, component: dict[str, t.Any], architecture: str) -> str:
    file_name = _urls(name, component, architecture)[0].rpartition("/")[2]
    return f"{name}/{component['version']}/{architecture}/{file_name}"


def _image_path(name: str, image: dict[str, t.Any]) -> str:
    return f"images/{name}/{image['version']}/{{architecture}}/{name}.tar"


def _image_key(name: str, image: dict[str, t.Any]) -> str:
    """Return the key of a digest in cluster_artifact_checksums, which holds for all architectures."""
    return f"images/{name}/{image['version']}"


def _artifact(catalog: dict[str, t.Any], name: str, component: dict[str, t.Any], source: Source) -> dict[str, t.Any]:
    architectures = catalog["architectures"]
    if source.kind == "upstream":
        origins = {architecture: _upstream(name, component, architecture, source) for architecture in architectures}
    else:
        origins = source.mirrored({architecture: _component_path(name, component, architecture) for architecture in architectures})
    return {
        "component": name,
        "version": component["version"],
        "architectures": {architecture: {**origin, "files": _files(component, architecture)} for architecture, origin in origins.items()},
    }


def _upstream(name: str, component: dict[str, t.Any], architecture: str, source: Source) -> dict[str, str]:
    url, checksum_url = _urls(name, component, architecture)
    return source.upstream(_component_path(name, component, architecture), url, checksum_url, component.get("sha256", {}).get(architecture))


def _build(catalog: dict[str, t.Any], name: str, build: dict[str, t.Any], inputs: Path) -> dict[str, t.Any]:
    packages = build.get("packages", {})
    programs = set(packages) or {name}
    placeholder = "{architecture}"
    outputs = [
        {"path": _component_path(component_name, component, placeholder), "files": _files(component, placeholder)}
        for component_name, component in catalog["components"].items()
        if programs.issuperset(component["files"])
    ] + [
        {"path": _image_path(image_name, image), "image": _image(image)}
        for image_name, image in catalog["images"].items()
        if image["program"] in programs
    ]
    return {
        "name": name,
        "version": build["version"],
        "inputs": _inputs(inputs / name / build["version"]),
        "packages": packages,
        "cgo": build.get("cgo", False),
        "tags": build.get("tags", []),
        "ldflags": build.get("ldflags", "").format(version=build["version"], minor=build["version"].split(".")[1]),
        "left_out": build.get("left_out", []),
        "outputs": outputs,
    }


def _inputs(directory: Path) -> dict[str, str]:
    if not directory.is_dir():
        versions = sorted(path.name for path in directory.parent.iterdir())
        raise CatalogError(f"catalog, builds: found no inputs for {directory.parent.name} {directory.name}, expected one of {', '.join(versions)}")
    return {path.name: path.read_text(encoding="utf-8") for path in sorted(directory.iterdir())}


def _image(image: dict[str, t.Any]) -> dict[str, t.Any]:
    return {
        "reference": image["reference"].format(version=image["version"]),
        "program": image["program"],
        "arguments": image.get("arguments", []),
        "user": image.get("user", ""),
        "certificates": image.get("certificates", False),
        "capability": image.get("capability", ""),
    }
