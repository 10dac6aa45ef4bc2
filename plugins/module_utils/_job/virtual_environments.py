# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Virtual environments of Python, installed from wheels with pinned checksums."""

from __future__ import annotations

import hashlib
import sys
import typing as t
import urllib.parse
from pathlib import Path

from .._command import run
from .._files import write_atomically

__all__ = ("VIRTUAL_ENVIRONMENT", "actual", "make", "wanted")

VIRTUAL_ENVIRONMENT = {
    "path": {"type": "path", "required": True},
    "requirements": {"type": "str", "required": True},
    "wheels": {"type": "str", "default": ""},
}

COMPLETE = "requirements.txt"  # written last, so an environment that has it is complete


def wanted(environment: dict[str, t.Any]) -> dict[str, str]:
    """Return the desired state of an environment."""
    return {"python": f"{sys.version_info.major}.{sys.version_info.minor}", "requirements": _digest(environment["requirements"])}


def actual(environment: dict[str, t.Any]) -> dict[str, str] | None:
    """Return the actual state of an environment. It is None if the environment is missing or incomplete."""
    path = Path(environment["path"])
    try:
        requirements = (path / COMPLETE).read_text(encoding="utf-8")
        configuration = dict(line.split(" = ", 1) for line in (path / "pyvenv.cfg").read_text(encoding="utf-8").splitlines() if " = " in line)
    except OSError:
        return None
    return {"python": ".".join(configuration.get("version", "").split(".")[:2]), "requirements": _digest(requirements)}


def make(environment: dict[str, t.Any]) -> None:
    """Recreate an environment and install the requirements. pip verifies the checksum of every wheel."""
    path = Path(environment["path"])
    (path / COMPLETE).unlink(missing_ok=True)
    run(sys.executable, "-m", "venv", "--clear", str(path))
    requirements = path / "requirements.in"
    requirements.write_text(environment["requirements"], encoding="utf-8")
    options = ["--quiet", "--disable-pip-version-check", "--no-cache-dir", "--require-hashes", "--only-binary=:all:"]
    run(str(path / "bin/python3"), "-m", "pip", "install", *options, *_origin(environment["wheels"]), "--requirement", str(requirements))
    write_atomically(str(path / COMPLETE), environment["requirements"].encode(), 0o644)


def _origin(wheels: str) -> list[str]:
    """Return the options of pip for the source of wheels. Checksums are verified, so plain http is safe."""
    if not wheels:
        return []
    url = urllib.parse.urlsplit(wheels)
    trusted = ["--trusted-host", url.hostname] if url.scheme == "http" and url.hostname else []
    return ["--no-index", "--find-links", wheels, *trusted]


def _digest(requirements: str) -> str:
    return hashlib.sha256(requirements.encode()).hexdigest()[:12]
