# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Compile release files into a mirror directory, with a record of their inputs."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import pwd
import re
import shutil
import typing as t
from pathlib import Path

from .._command import run
from .._errors import HostError
from .._files import write_atomically
from .archive import sha256, write_image, write_tarball

__all__ = ("Mirror", "Toolchain", "title")

CHECKSUMS = "SHA256SUMS"
FORMAT = 1  # raise it when the same inputs must give other outputs
OPTIONAL = ("left_out",)


def title(build: dict[str, t.Any]) -> str:
    """Return name and version of a build: a mirror has several versions of one project."""
    return f"{build['name']} {build['version']}"


class Toolchain(t.NamedTuple):
    """The compilers, by path and by version."""

    go: str
    go_version: str
    cc: str
    cc_version: str
    architecture: str

    @classmethod
    def find(cls, go: str, cc: str) -> Toolchain:
        """Find the compilers and their versions."""
        environment = json.loads(run(go, "env", "-json", "GOVERSION", "GOARCH"))
        return cls(go, environment["GOVERSION"], cc, run(cc, "--version").partition("\n")[0], environment["GOARCH"])

    def digest(self, build: dict[str, t.Any]) -> str:
        """Return the digest of all inputs of a build."""
        versions = [self.go_version] if build["packages"] else []
        versions += [self.cc_version] if build["cgo"] or not build["packages"] else []
        # An unused option is not part of the digest, so that a new option does not cause builds to be compiled again.
        used = {key: value for key, value in build.items() if value or key not in OPTIONAL}
        inputs = {**used, "format": FORMAT, "versions": versions, "architecture": self.architecture}
        return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()

    def compile(self, build: dict[str, t.Any], work: Path) -> dict[str, Path]:
        """Compile the programs of a build below a directory and return their paths."""
        source, target = work / "source", work / "programs"
        source.mkdir()
        target.mkdir()
        for name, content in build["inputs"].items():
            (source / name).write_text(content, encoding="utf-8")
        if not build["packages"]:
            sources = [str(source / name) for name in build["inputs"]]
            run(self.cc, "-Os", "-static", "-s", "-Wall", "-Werror", "-o", str(target / build["name"]), *sources)
            return {build["name"]: target / build["name"]}
        # -mod=readonly: only modules in go.sum are compiled, and go.sum is not changed. The environment must not override this.
        environment = {**os.environ, "GOFLAGS": "-mod=readonly", "GOWORK": "off", "CGO_ENABLED": "1" if build["cgo"] else "0"}
        flags = ["-trimpath", "-buildvcs=false", f"-tags={','.join(build['tags'])}", f"-ldflags=-s -w {build['ldflags']}"]
        if build["left_out"]:
            run(self.go, "-C", str(source), "mod", "vendor", environment=environment)  # copies the modules in go.sum
            for package in build["left_out"]:
                leave_out(package, source / "vendor" / package)
            environment["GOFLAGS"] = "-mod=vendor"
        run(self.go, "-C", str(source), "build", *flags, "-o", f"{target}/", *build["packages"].values(), environment=environment)
        return {program: target / executable(package) for program, package in build["packages"].items()}


def leave_out(package: str, directory: Path) -> None:
    """Replace a vendored package by an empty one of the same name."""
    files = sorted(directory.glob("*.go"))
    if not files:
        raise HostError(f"left_out: found {package}, expected packages that the build imports. Correct the path, or remove it")
    name = next(line for line in files[0].read_text(encoding="utf-8").splitlines() if line.startswith("package "))
    for file in directory.iterdir():
        if file.is_file():  # directories are other packages
            file.unlink()
    (directory / "left_out.go").write_text(f"{name}\n", encoding="utf-8")


def executable(package: str) -> str:
    """Return the name that go build gives to the program of a package: its last element that is not a major version."""
    return next(part for part in reversed(package.split("/")) if not re.fullmatch(r"v[0-9]+", part))


class Mirror:
    """A directory of release files and one file with their checksums."""

    def __init__(self, directory: str, toolchain: Toolchain) -> None:
        """Take the directory, which need not exist yet."""
        self.directory = Path(directory)
        self.toolchain = toolchain
        self.records = self.directory / ".builds"

    @contextlib.contextmanager
    def locked(self) -> t.Iterator[None]:
        """Lock the mirror; wait if another call builds in it."""
        self.records.mkdir(parents=True, exist_ok=True)
        with (self.records / "lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield

    def wanted(self, builds: list[dict[str, t.Any]]) -> dict[str, str]:
        """Return the digest of the inputs of each build, and the complete checksum file."""
        return {**{title(build): self.toolchain.digest(build) for build in builds}, CHECKSUMS: "complete"}

    def found(self, builds: list[dict[str, t.Any]]) -> dict[str, str]:
        """Return the digest of the recorded inputs of each build whose outputs are complete."""
        records = {title(build): self._record(build) for build in builds}
        found = {name: record["digest"] for name, record in records.items() if record and self._is_complete(record)}
        with contextlib.suppress(OSError):
            if (self.directory / CHECKSUMS).read_bytes() == self._checksum_file():
                found[CHECKSUMS] = "complete"
        return found

    def make(self, build: dict[str, t.Any]) -> None:
        """Compile a build, lay out its outputs as upstream does, and record its inputs."""
        work = self.records / "work"
        shutil.rmtree(work, ignore_errors=True)  # an interrupted run may have left it
        work.mkdir()
        programs = self.toolchain.compile(build, work)
        outputs = {self._fill_in(output["path"]): self._lay_out(output, programs, work) for output in build["outputs"]}
        self._write(self._record_path(build), json.dumps({"digest": self.toolchain.digest(build), "outputs": outputs}, indent=1).encode())
        shutil.rmtree(work)

    def write_checksums(self) -> None:
        """Write the checksum file of all builds that the mirror has ever had."""
        self._write(self.directory / CHECKSUMS, self._checksum_file())

    def checksums(self, builds: list[dict[str, t.Any]]) -> dict[str, str]:
        """Return the checksums of the existing outputs of some builds."""
        records = [self._record(build) for build in builds]
        return {path: output["sha256"] for record in records if record for path, output in record["outputs"].items()}

    def _fill_in(self, text: str) -> str:
        return text.replace("{architecture}", self.toolchain.architecture)

    def _record_path(self, build: dict[str, t.Any]) -> Path:
        return self.records / f"{build['name']}-{build['version']}-{self.toolchain.architecture}.json"

    def _record(self, build: dict[str, t.Any]) -> dict[str, t.Any] | None:
        with contextlib.suppress(OSError):
            return json.loads(self._record_path(build).read_bytes())
        return None

    def _is_complete(self, record: dict[str, t.Any]) -> bool:
        try:
            return all(_stamp(self.directory / path) == output["stamp"] for path, output in record["outputs"].items())
        except OSError:
            return False

    def _lay_out(self, output: dict[str, t.Any], programs: dict[str, Path], work: Path) -> dict[str, t.Any]:
        """Make one output from the programs, move it into the mirror, and return its record."""
        target, made = self.directory / self._fill_in(output["path"]), work / "output"
        if output["image"]:
            write_image(made, programs[output["image"]["program"]], output["image"], self.toolchain.architecture)
        elif list(output["files"].values()) == [""]:
            os.link(programs[next(iter(output["files"]))], made)  # other outputs may need the program too
        else:
            write_tarball(made, {self._fill_in(member): programs[program] for program, member in output["files"].items()})
        made.chmod(0o644)
        with made.open("rb") as stream:
            os.fsync(stream.fileno())
        target.parent.mkdir(parents=True, exist_ok=True)
        made.rename(target)
        return {"sha256": sha256(target), "stamp": _stamp(target)}

    def _checksum_file(self) -> bytes:
        outputs: dict[str, dict[str, t.Any]] = {}
        for path in sorted(self.records.glob("*.json")):
            outputs.update(json.loads(path.read_bytes())["outputs"])
        return "".join(f"{output['sha256']}  {path}\n" for path, output in sorted(outputs.items())).encode()

    def _write(self, path: Path, content: bytes) -> None:
        write_atomically(str(path), content, 0o644, pwd.getpwuid(os.geteuid()).pw_name)


def _stamp(path: Path) -> list[int]:
    status = path.stat()
    return [status.st_size, status.st_mtime_ns]
