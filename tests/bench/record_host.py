# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Write the files of site.yml on this host to standard output as a tar archive, without keys and certificates."""

from __future__ import annotations

import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

# The run created all files that are newer than the host, except for these.
NOT_OURS = ("cni/", "group", "gshadow", "hostname", "hosts", "passwd", "shadow", "ssh/", "subgid", "subuid")
USAGES = {"TLS Web Server Authentication": "serverAuth", "TLS Web Client Authentication": "clientAuth"}


def new_files(*directories: str) -> list[Path]:
    created = Path("/etc/machine-id").stat().st_mtime_ns
    paths = [path for directory in directories for path in Path(directory).rglob("*") if not path.is_symlink() and path.is_file()]
    return sorted(path for path in paths if path.stat().st_mtime_ns > created and not str(path).removeprefix("/etc/").startswith(NOT_OURS))


def configuration() -> list[Path]:
    """Return configuration, units, and the directories that services own."""
    owned = [path for parent in ("/var/lib", "/var/log") for path in Path(parent).iterdir() if path.is_dir() and path.owner() in accounts()]
    return [path for path in new_files("/etc", "/opt/cfcr/libexec") if path.parent.name != "pki"] + owned


def accounts() -> list[str]:
    units = [path for path in new_files("/etc/systemd/system") if "CFCR_DIGEST" in path.read_text()]
    return sorted({line.partition("=")[2] for path in units for line in path.read_text().splitlines() if line.startswith("User=")})


def releases() -> list[str]:
    lines = []
    for directory in sorted({link.resolve().parent for link in Path("/opt/cfcr/bin").glob("*")}):
        release = json.loads((directory / ".release.json").read_text())
        lines.append(" ".join([release["url"], release["sha256"], directory.parent.name, directory.name, *release["programs"]]))
    return lines


def describe(path: Path) -> str:
    """Return a certificate as arguments of openssl: CA, owner of the key, subject, usages, names."""
    lines = openssl(path, "-subject", "-issuer", "-nameopt", "compat", "-ext", "subjectAltName,extendedKeyUsage")
    values = dict(line.split("=", 1) for line in lines if line.startswith(("subject=", "issuer=")))
    usages = next(line for before, line in zip(lines, lines[1:]) if "Extended Key Usage" in before)
    usages = ",".join(USAGES[usage] for usage in usages.split(", "))
    names = next((line for before, line in zip(lines, lines[1:]) if "Alternative Name" in before), "")
    names = names.replace("IP Address:", "IP:").replace(" ", "")
    owner = path.with_suffix(".key").owner()
    return "|".join([str(path.with_suffix("")), authority(values["issuer"]), owner, values["subject"] or "/", usages, names])


def authority(subject: str) -> str:
    """Return the name of a CA, with which its common name ends."""
    return subject.rpartition(" ")[2]


def openssl(certificate: Path, *options: str) -> list[str]:
    done = subprocess.run(["openssl", "x509", "-in", certificate, "-noout", *options], check=True, capture_output=True, text=True)
    return [line.strip() for line in done.stdout.splitlines()]


def pki() -> dict[str, list[str]]:
    """Return the host's certificates, its CA bundles, and the copies of the service account key."""
    found: dict[str, list[str]] = {"certificates": [], "authorities": [], "service-account": []}
    for path in new_files("/etc"):
        if path.parent.name != "pki":
            continue
        if path.name.startswith("service-account"):
            found["service-account"].append(f"{path}|{path.owner()}")
        elif path.suffix == ".crt" and path.with_suffix(".key").exists():
            found["certificates"].append(describe(path))
        elif path.suffix == ".crt":
            found["authorities"].append(f"{path}|{authority(openssl(path, '-subject')[0])}")
    return found


def main() -> None:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for path in configuration():
            archive.add(path, recursive=False)
    texts = {"accounts": accounts(), "releases": releases(), **pki()}
    parts = {"files.tar": content.getvalue(), **{name: "".join(f"{line}\n" for line in lines).encode() for name, lines in texts.items()}}
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        for name, part in parts.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(part)
            archive.addfile(entry, io.BytesIO(part))


if __name__ == "__main__":
    main()
