# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Release files: verified downloads, installed side by side by version, with symlinks to the active version."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tarfile
import tempfile
import time
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .._errors import HostError
from .._host.architecture import architecture
from .._proxy import needs_proxy
from .checksums import published

__all__ = ("ARTIFACT", "PROGRAMS", "RELEASES", "VERSION", "active", "download", "install", "installed", "prepare", "unprepared", "versions", "wanted")

RELEASES = Path("/opt/cfcr/releases")
PROGRAMS = Path("/opt/cfcr/bin")
RECORD = ".release.json"
VERSION = r"[0-9]{1,6}(\.[0-9]{1,6}){1,3}"
ATTEMPTS = 3
# Directories that a killed run was unpacking into are removed when they are too old to be in use.
ABANDONED_AFTER_SECONDS = 24 * 60 * 60
PARALLEL_DOWNLOADS = 4

# An artifact, as the lookup cfcr.kubernetes.artifacts returns it.
ARTIFACT = {
    "component": {"type": "str", "required": True},
    "version": {"type": "str", "required": True},
    "architectures": {"type": "dict", "required": True},
}


def source(artifact: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return the release files of an artifact for this host's architecture."""
    found = artifact["architectures"].get(architecture())
    if found is None:
        available = ", ".join(artifact["architectures"])
        raise HostError(f"{artifact['component']} {artifact['version']}: found release files for {available}, expected {architecture()}")
    return found


def wanted(artifacts: list[dict[str, t.Any]]) -> dict[str, str]:
    """Return the desired version of each component."""
    return {artifact["component"]: artifact["version"] for artifact in artifacts}


def installed(artifacts: list[dict[str, t.Any]]) -> dict[str, str]:
    """Return the version of each complete component, without network access."""
    return {artifact["component"]: version for artifact in artifacts if (version := _complete_version(artifact)) is not None}


def active() -> dict[str, str]:
    """Return the version of every component to which symlinks point."""
    targets = []
    for link in sorted(PROGRAMS.glob("*")):
        with contextlib.suppress(OSError):  # no symlink
            targets.append(os.readlink(link))
    return versions(targets)


def versions(targets: t.Iterable[str]) -> dict[str, str]:
    """Return the version of every component, given the targets of symlinks to programs."""
    found = {}
    for target in targets:
        with contextlib.suppress(ValueError):  # a short path
            *above, component, version, _program = Path(target).parts
            if Path(*above) == RELEASES and re.fullmatch(VERSION, version):
                found[component] = version
    return found


def install(artifacts: list[dict[str, t.Any]]) -> None:
    """Download, verify and unpack the missing artifacts in parallel, then switch the symlinks."""
    missing = [artifact for artifact in artifacts if _complete_version(artifact) != artifact["version"]]
    prepare(missing)
    for artifact in missing:
        _activate(artifact)


def unprepared(artifacts: list[dict[str, t.Any]]) -> list[dict[str, t.Any]]:
    """Return the artifacts whose files are not on the host, active or not."""
    return [artifact for artifact in artifacts if not _is_complete(artifact, artifact["version"])]


def prepare(artifacts: list[dict[str, t.Any]]) -> None:
    """Download, verify and unpack the missing artifacts in parallel. The symlinks stay."""
    with ThreadPoolExecutor(PARALLEL_DOWNLOADS) as pool:
        list(pool.map(_unpack, unprepared(artifacts)))


def download(url: str, target: Path, sha256: str | None, checksum_url: str | None) -> str:
    """Download to the target and return its SHA-256, after a comparison with the pinned or the published checksum."""
    expected = sha256 or published_checksum(checksum_url, url)
    found = _repeated(url, lambda: _fetch(url, target))
    if found != expected:
        raise HostError(f"{url}: expected sha256 {expected}, found {found} in {target.stat().st_size} bytes; the installed version stays")
    return found


def published_checksum(checksum_url: str | None, url: str) -> str:
    """Return the checksum of the URL's file from the checksum file published with it."""
    if not checksum_url:
        raise HostError(f"{url}: found neither sha256 nor checksum_url, expected one of them to verify the download")
    found = published(_repeated(checksum_url, lambda: _text(checksum_url)), url)
    if found is None:
        raise HostError(f"{checksum_url}: found no checksum for {url}")
    return found


def _repeated(url: str, ask: t.Callable[[], str]) -> str:
    """Return the answer of a server. It gets several attempts, unless it says that the request is wrong."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            return ask()
        except (OSError, EOFError) as error:
            if attempt == ATTEMPTS or 400 <= getattr(error, "code", 0) < 500:
                raise HostError(f"{url}: {error}") from error
            time.sleep(attempt)
    raise AssertionError  # the last attempt returns or raises


def _text(url: str) -> str:
    with _open(url) as answer:
        return answer.read().decode(errors="replace")


@contextlib.contextmanager
def _open(url: str) -> t.Iterator[t.Any]:
    # These imports take a third of the time of a module, and most runs download nothing.
    from http.client import HTTPException

    from ansible.module_utils.urls import open_url

    try:
        with open_url(url, timeout=60, use_proxy=needs_proxy(url)) as answer:
            yield answer
    except HTTPException as error:  # the server ended the connection in the middle of an answer
        raise EOFError(f"{type(error).__name__}: {error}") from error


def _fetch(url: str, target: Path) -> str:
    digest = hashlib.sha256()
    with _open(url) as answer, target.open("wb") as stream:
        length = answer.headers.get("Content-Length")
        while chunk := answer.read(1 << 20):
            digest.update(chunk)
            stream.write(chunk)
        if length is not None and int(length) != stream.tell():
            raise EOFError(f"expected {length} bytes, found {stream.tell()}")
    return digest.hexdigest()


def _directory(artifact: dict[str, t.Any], version: str | None = None) -> Path:
    return RELEASES / artifact["component"] / (version or artifact["version"])


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]


def _complete_version(artifact: dict[str, t.Any]) -> str | None:
    """Return the version that the symlinks point to, if its files are those unpacked from the recorded download."""
    programs = source(artifact)["files"]
    try:
        versions = {Path(os.readlink(PROGRAMS / program)).parent.name for program in programs}
    except OSError:
        return None
    if len(versions) != 1:
        return None
    version = versions.pop()
    record = _record(artifact, version)
    if record is None:
        return None
    return f"{version} (sha256 {record['sha256']})" if _has_other_pin(artifact, version, record) else version


def _is_complete(artifact: dict[str, t.Any], version: str) -> bool:
    """Return whether the files of a version are those unpacked from the download that its pin names, if it has one."""
    record = _record(artifact, version)
    return record is not None and not _has_other_pin(artifact, version, record)


def _record(artifact: dict[str, t.Any], version: str) -> dict[str, t.Any] | None:
    """Return the record of the download of a version, if its files are those unpacked from it."""
    directory = _directory(artifact, version)
    try:
        record = json.loads((directory / RECORD).read_text())
        if {program: _stamp(directory / program) for program in source(artifact)["files"]} != record["programs"]:
            return None
        return {"sha256": record["sha256"]}
    except (OSError, ValueError, KeyError):
        return None


def _has_other_pin(artifact: dict[str, t.Any], version: str, record: dict[str, t.Any]) -> bool:
    pin = source(artifact).get("sha256")
    return version == artifact["version"] and bool(pin) and record["sha256"] != pin


def _unpack(artifact: dict[str, t.Any]) -> None:
    """Create the directory of a version in one step, so that it is never incomplete."""
    origin, directory = source(artifact), _directory(artifact)
    directory.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=f".{artifact['version']}-", dir=directory.parent))
    try:
        fetched = work / ".download"
        sha256 = download(origin["url"], fetched, origin.get("sha256"), origin.get("checksum_url"))
        _extract(origin["url"], fetched, origin["files"], work)
        for program in origin["files"]:
            (work / program).chmod(0o755)
        work.chmod(0o755)
        programs = {program: _stamp(work / program) for program in origin["files"]}
        (work / RECORD).write_text(json.dumps({"sha256": sha256, "url": origin["url"], "programs": programs}))
        if directory.exists():
            shutil.rmtree(directory)
        work.rename(directory)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _extract(url: str, fetched: Path, files: dict[str, str], work: Path) -> None:
    """Extract the named members of the download. An empty member means the download itself."""
    plain = [program for program, member in files.items() if not member]
    if plain:
        fetched.rename(work / plain[0])
        return
    programs = {os.path.normpath(member): program for program, member in files.items()}
    try:
        with tarfile.open(fetched) as archive:
            for entry in archive:
                program = programs.pop(os.path.normpath(entry.name), None)
                content = archive.extractfile(entry) if program else None
                if content is not None:
                    with (work / program).open("wb") as stream:
                        shutil.copyfileobj(content, stream, 1 << 20)
    except (tarfile.TarError, EOFError) as error:
        raise HostError(f"{url}: not a complete tar archive: {error}") from error
    if programs:
        raise HostError(f"{url}: found no member {', '.join(programs)} in the archive")
    fetched.unlink()


def _activate(artifact: dict[str, t.Any]) -> None:
    """Point the symlinks at the version. Of the other versions, keep only the one that was active before, for rollback."""
    directory = _directory(artifact)
    PROGRAMS.mkdir(parents=True, exist_ok=True)
    before = set()
    for program in source(artifact)["files"]:
        link, temporary = PROGRAMS / program, PROGRAMS / f".{program}.new"
        with contextlib.suppress(OSError):
            before.add(Path(os.readlink(link)).parent.name)
        temporary.unlink(missing_ok=True)
        temporary.symlink_to(directory / program)
        temporary.rename(link)
    for other in directory.parent.iterdir():
        with contextlib.suppress(FileNotFoundError):  # another run has removed it
            if _is_obsolete(other, directory.name, before - {directory.name}):
                shutil.rmtree(other)


def _is_obsolete(directory: Path, active: str, previous: set[str]) -> bool:
    """Return whether a directory may be removed. If the active version was reinstalled, the version kept before stays."""
    if directory.name.startswith("."):  # another run may be unpacking there
        return directory.stat().st_mtime < time.time() - ABANDONED_AFTER_SECONDS
    return bool(previous) and directory.name not in {active, *previous}
