# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The catalog: versions of all components, their sources, and how to build them."""

from __future__ import annotations

import functools
import re
import typing as t
from pathlib import Path

from ansible.module_utils.common.yaml import yaml_load

__all__ = ("CatalogError", "Source", "artifacts", "builds", "images", "load")

CATALOG = Path(__file__).resolve().parents[3] / "catalog"
INPUTS = CATALOG / "build"
SOURCES = ("upstream", "mirror", "build")


class CatalogError(Exception):
    """The catalog lacks an entry, or an entry cannot be downloaded safely. The message names the variable, what was found and what was expected."""


class Source(t.NamedTuple):
    """Where hosts download from: the cluster_artifact_* variables."""

    kind: str
    mirror: str = ""
    checksums: t.Mapping[str, str] = {}

    def check(self) -> Source:
        """Return itself; raise a CatalogError if a variable is wrong."""
        if self.kind not in SOURCES:
            raise CatalogError(f"cluster_artifact_source: found {self.kind!r}, expected one of {', '.join(SOURCES)}")
        if self.kind != "upstream" and not re.match(r"https?://[^/]", self.mirror):
            expected = f"expected an http or https URL with cluster_artifact_source {self.kind}"
            raise CatalogError(f"cluster_artifact_mirror: found {self.mirror!r}, {expected}")
        for path, checksum in self.checksums.items():
            if not re.fullmatch(r"[0-9a-f]{64}", str(checksum)):
                raise CatalogError(f"cluster_artifact_checksums, {path}: found {checksum!r}, expected a SHA-256 of 64 hexadecimal digits")
        return self

    def mirrored(self, paths: dict[str, str]) -> dict[str, dict[str, str]]:
        """Return URL and checksum of a file of the mirror, for each architecture whose file can be verified."""
        base = self.mirror.rstrip("/")
        found = {}
        for architecture, path in paths.items():
            if path in self.checksums:
                found[architecture] = {"url": f"{base}/{path}", "sha256": self.checksums[path]}
            elif base.startswith("https://"):
                found[architecture] = {"url": f"{base}/{path}", "checksum_url": f"{base}/SHA256SUMS"}
        if not found:
            raise CatalogError(
                f"cluster_artifact_checksums: found none of {', '.join(paths.values())} for the mirror {self.mirror}, expected the checksum of every "
                "file, or an https mirror with a SHA256SUMS file"
            )
        return found


@functools.lru_cache
def load(minor: str) -> dict[str, t.Any]:
    """Return the catalog of one minor version of Kubernetes."""
    known = {path.stem: path for path in sorted(CATALOG.glob("[0-9]*.yml"))}
    if minor not in known:
        raise CatalogError(f"cluster_kubernetes_version: found {minor!r}, expected one of {', '.join(known)}")
    return yaml_load(known[minor].read_text(encoding="utf-8"))


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
        archive = None
        if source.kind != "upstream":
            paths = {architecture: _image_path(name, image).format(architecture=architecture) for architecture in catalog["architectures"]}
            archive = {"architectures": source.mirrored(paths)}
        found.append({"name": name, "reference": image["reference"].format(version=image["version"]), "archive": archive})
    return found


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


def _artifact(catalog: dict[str, t.Any], name: str, component: dict[str, t.Any], source: Source) -> dict[str, t.Any]:
    architectures = catalog["architectures"]
    if source.kind == "upstream":
        origins = {architecture: _upstream(name, component, architecture) for architecture in architectures}
    else:
        origins = source.mirrored({architecture: _component_path(name, component, architecture) for architecture in architectures})
    return {
        "component": name,
        "version": component["version"],
        "architectures": {architecture: {**origin, "files": _files(component, architecture)} for architecture, origin in origins.items()},
    }


def _upstream(name: str, component: dict[str, t.Any], architecture: str) -> dict[str, str]:
    url, checksum_url = _urls(name, component, architecture)
    pin = component.get("sha256", {}).get(architecture)
    return {"url": url, "sha256": pin} if pin else {"url": url, "checksum_url": checksum_url}


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
        "inputs": {path.name: path.read_text(encoding="utf-8") for path in sorted((inputs / name).iterdir())},
        "packages": packages,
        "cgo": build.get("cgo", False),
        "tags": build.get("tags", []),
        "ldflags": build.get("ldflags", "").format(version=build["version"]),
        "left_out": build.get("left_out", []),
        "outputs": outputs,
    }


def _image(image: dict[str, t.Any]) -> dict[str, t.Any]:
    return {
        "reference": image["reference"].format(version=image["version"]),
        "program": image["program"],
        "arguments": image.get("arguments", []),
        "user": image.get("user", ""),
        "certificates": image.get("certificates", False),
        "capability": image.get("capability", ""),
    }
