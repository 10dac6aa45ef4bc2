# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An unpacked bundle on the controller: what it has, and what a host needs of it."""

from __future__ import annotations

import hashlib
import re
import typing as t
from pathlib import Path

import ansible.constants as C

from ...module_utils._bundle.host import URL
from ...module_utils._bundle.lock import LOCK, Lock, parse
from ...module_utils._bundle.signature import SIGNATURE, verify
from ...module_utils._errors import HostError
from .._catalog.catalog import CatalogError, Source, downloads
from .._update.plan import COMPONENTS

__all__ = ("CODENAMES", "PACKAGES", "needed", "opened", "source_of")

# By ID and VERSION_ID of os-release(5).
CODENAMES = {("debian", "12"): "bookworm", ("debian", "13"): "trixie", ("ubuntu", "22.04"): "jammy", ("ubuntu", "24.04"): "noble"}

# The packages that jobs install, as role bundle downloads them.
PACKAGES = (
    "conntrack", "ethtool", "haproxy", "iproute2", "iptables", "mount", "nftables", "pdns-backend-bind", "pdns-recursor", "pdns-server", "python3-venv",
    "socat",
)  # fmt: skip
_MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}


def opened(directory: str, signers: t.Iterable[str]) -> Lock:
    """Return the lock of a bundle whose signature is one of these keys'. Raise a CatalogError otherwise."""
    path, signature = Path(directory) / LOCK, Path(directory) / SIGNATURE
    try:
        text = path.read_bytes()
        _verify_once(text, signature, tuple(signers))
        return parse(text, str(path))
    except HostError as error:
        raise CatalogError(f"cluster_bundle: {error}") from error
    except OSError as error:
        expected = f"the directory of an unpacked bundle, with {LOCK} and {SIGNATURE}"
        raise CatalogError(f"cluster_bundle: found {directory or 'nothing'} ({error.strerror}), expected {expected}") from error


def _verify_once(text: bytes, signature: Path, signers: tuple[str, ...]) -> None:
    """Verify the signature once in a run. Lookups need the lock in many processes, and Ansible's temporary directory belongs to this run and user."""
    digest = hashlib.sha256(repr((text, signature.read_bytes(), signers)).encode()).hexdigest()
    verified = Path(C.DEFAULT_LOCAL_TMP) / f"bundle-{digest}.verified"
    if not verified.exists():
        verify(text, signature, signers)
        verified.touch()


def source_of(lock: Lock, checksums: t.Mapping[str, str]) -> Source:
    """Return the source of hosts that have their part of a bundle. Checksums of the operator hold for it, too."""
    for path, checksum in checksums.items():
        if path in lock.files and lock.files[path].sha256 != checksum:
            raise CatalogError(f"cluster_artifact_checksums, {path}: found {checksum}, expected {lock.files[path].sha256}, which the bundle has")
    return Source("bundle", URL, {path: file.sha256 for path, file in lock.files.items()})


def needed(
    lock: Lock, catalog: dict[str, t.Any], groups: t.Collection[str], architecture: str, codename: str, python: str = ""
) -> dict[str, str]:
    """Return the checksum of each file that a host of these groups needs, by path. Raise a CatalogError if the bundle does not have all of them.

    Wheels are needed for a version of Python, if one is given.
    """
    source = source_of(lock, {})
    if architecture not in lock.architectures:
        raise CatalogError(f"cluster_bundle: found {lock.name} for {', '.join(lock.architectures)}, expected one for {architecture}")
    if codename not in lock.distributions:
        raise CatalogError(f"cluster_bundle: found {lock.name} with packages for {', '.join(lock.distributions)}, expected {codename or 'those of the host'}")
    components = {component for group in groups for component in COMPONENTS.get(group, ())}
    paths = [
        file["path"]
        for file in downloads(catalog, source, [architecture])
        if file["path"].split("/")[0] in components or (file["path"].startswith("images/") and "worker" in groups)
    ]
    packages = [path for path in lock.files if path.startswith(f"packages/{codename}/{architecture}/")]
    wheels = [path for path in lock.files if path.startswith("wheels/")] if python else []
    _check_packages(lock, {path.rpartition("/")[2] for path in packages}, f"{codename} on {architecture}")
    if python:
        _check_wheels(lock, wheels, python, architecture)
    return {path: lock.files[path].sha256 for path in [*paths, *packages, *wheels]}


def _check_packages(lock: Lock, files: t.Collection[str], where: str) -> None:
    names = {file.partition("_")[0] for file in files if file.endswith(".deb")}
    missing = [*(["Packages"] if "Packages" not in files else []), *(name for name in PACKAGES if name not in names)]
    if missing:
        expected = "apt's index and all packages that hosts install"
        raise CatalogError(f"cluster_bundle: found {lock.name} without {', '.join(missing)} for {where}, expected {expected}")


def _check_wheels(lock: Lock, paths: t.Iterable[str], python: str, architecture: str) -> None:
    """Some of the wheels are compiled for one version of Python, and all are downloaded together."""
    version = ".".join(python.split(".")[:2])
    compiled = re.compile(rf".*-cp{version.replace('.', '')}-.*{_MACHINES[architecture]}\.whl")
    if "wheels/index.html" not in paths or not any(compiled.fullmatch(path) for path in paths):
        raise CatalogError(f"cluster_bundle: found {lock.name} without wheels for Python {version} on {architecture}, expected them for cf_routing on masters")
