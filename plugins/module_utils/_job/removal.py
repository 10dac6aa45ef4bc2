# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Remove all jobs of a host: stop them, and delete their keys, configuration and data, and their state in the kernel.

The descriptors that the jobs have left say what there is. They are deleted last, so an interrupted removal is finished by the next one.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import typing as t
from pathlib import Path

from .._command import run
from .._errors import HostError
from .._files import write_atomically
from . import descriptor, records, systemd

__all__ = ("Removal",)

# The kubelet starts pods again, so it stops before them. The others stop together.
_FIRST = "kubelet"
_RUNTIME = "containerd"
_ETCD = "etcd"
# Data that descriptors do not list, by job. Directories of containers and of the kubelet may have mounts of pods.
_DATA = {"containerd": ("/var/lib/containerd", "/run/containerd", "/var/lib/cni"), "flannel": ("/run/flannel",)}
_POD_INTERFACE = "cni0"
_NAMESPACES = "/run/netns"
_RESOLV_CONF = "/etc/resolv.conf"


class Removal:
    """The jobs on a host, and how to remove them."""

    def __init__(self, root: Path = Path("/")) -> None:
        """Read which jobs there are. The root is that of the host, or of a test."""
        self.root = root
        self.jobs = descriptor.read_all(root)
        files = [path for path in sorted(self._at(str(systemd.UNITS)).glob("*.service")) if path.is_file()]
        left = [path.name for path in files if systemd.DIGEST in path.read_text(encoding="utf-8", errors="replace")]
        if left and not self.jobs:  # nothing would be stopped, and the host would count as removed
            raise HostError(f"/{descriptor.DIRECTORY}: found no description of {', '.join(left)}, expected them: run site.yml, or stop and delete the units")
        self.names = sorted({job["name"] for job in self.jobs} | {path.stem for path in self._at(str(records.DIRECTORY)).glob("*.json")})

    def apply(self) -> None:
        """Remove everything, in an order in which nothing starts again what has been stopped."""
        units = [unit["name"] for job in self.jobs for unit in job["units"] if self._unit(unit["name"]).exists()]
        self._stop([name for name in units if name == _FIRST])
        if any(job["name"] == _RUNTIME for job in self.jobs):
            self._end_pods()
        self._stop([name for name in units if name != _FIRST])
        self._unmount()
        for kernel in (unit["kernel"] for job in self.jobs for unit in job["units"] if "kernel" in unit):
            _clear(kernel)
        for job in self.jobs:
            self._delete_data(job)
            self._delete_files(job)
        for name in units:
            self._unit(name).unlink(missing_ok=True)
        run("systemctl", "daemon-reload")
        for name in self.names:
            self._at(str(records.DIRECTORY / f"{name}.json")).unlink(missing_ok=True)
            self._at(descriptor.path_of(name)).unlink(missing_ok=True)

    def _at(self, path: str) -> Path:
        return self.root / path.lstrip("/")

    def _unit(self, name: str) -> Path:
        return self._at(str(systemd.UNITS / f"{name}.service"))

    @staticmethod
    def _stop(units: list[str]) -> None:
        """Stop units and wait for it: an API server first tells that it is not ready, and answers the requests that it has."""
        if units:
            run("systemctl", "disable", "--now", "--quiet", *(f"{name}.service" for name in units))

    def _end_pods(self) -> None:
        """Kill what containerd leaves when it stops: the containers of pods, and the processes that watch them."""
        for process in self._at("proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):  # it has ended by itself
                groups, command = (process / "cgroup").read_text(encoding="utf-8"), (process / "cmdline").read_bytes()
                if "/kubepods" in groups or command.split(b"\0")[0].endswith(b"/containerd-shim-runc-v2"):
                    os.kill(int(process.name), signal.SIGKILL)

    def _directories(self, job: t.Mapping[str, t.Any]) -> list[str]:
        """Return the directories with data of a job."""
        return [*(job["directories"] if job["name"] == _FIRST else ()), *_DATA.get(job["name"], ())]

    def _unmount(self) -> None:
        """Unmount the volumes and the file systems of pods. Nothing below a mount may be deleted: it may be the data of a remote volume."""
        places = [path for job in self.jobs for path in self._directories(job)]
        places += [_NAMESPACES] if any(job["name"] == _RUNTIME for job in self.jobs) else []
        for point in self._mounts(places):
            with contextlib.suppress(HostError):  # reported below, unless it was unmounted with another one
                run("umount", "--lazy", point)
        left = self._mounts(places)
        if left:
            raise HostError(f"{left[0]}: found a mount, expected none before the data of pods is deleted: unmount it, and run it again")

    def _mounts(self, places: t.Iterable[str]) -> list[str]:
        """Return the mounts below these directories, the deepest first. The directories themselves may be mounts."""
        below = tuple(f"{place}/" for place in places)
        lines = self._at("proc/self/mounts").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        points = [line.split(" ")[1].replace("\\040", " ") for line in lines]
        return sorted((point for point in points if below and point.startswith(below)), key=len, reverse=True)

    def _delete_data(self, job: t.Mapping[str, t.Any]) -> None:
        for directory in map(self._at, self._directories(job)):
            for entry in directory.iterdir() if directory.is_dir() else ():
                _delete(entry)
        if job["name"] == _ETCD:  # its directory may have other things, and may be a mount
            for entry in (entry for directory in job["directories"] for entry in self._at(directory).glob("member*")):
                _delete(entry)

    def _delete_files(self, job: t.Mapping[str, t.Any]) -> None:
        for path in {*job["files"], *job["secret_files"], *job["certificates"], *job["bundles"]}:
            if path == _RESOLV_CONF:
                self._restore_resolv_conf()
            elif path != descriptor.path_of(job["name"]):
                self._at(path).unlink(missing_ok=True)

    def _restore_resolv_conf(self) -> None:
        """Leave the name servers that the host had before ours, which is the first one."""
        path = self._at(_RESOLV_CONF)
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        servers = [line for line in lines if line.startswith("nameserver ")]
        if lines and "cfcr.kubernetes" in lines[0]:
            kept = [line for line in lines if not line.startswith("#") and line not in servers[:1]]
            write_atomically(str(path), "".join(f"{line}\n" for line in kept).encode(), 0o644)


def _clear(kernel: t.Mapping[str, t.Any]) -> None:
    """Remove tables of nftables and interfaces, as far as they exist."""
    for table in kernel.get("tables", ()):
        with contextlib.suppress(HostError):
            run("nft", "delete", "table", *table.split())
    vxlan = kernel.get("vxlan")
    for interface in (*kernel.get("interfaces", ()), *([vxlan, _POD_INTERFACE] if vxlan else ())):
        with contextlib.suppress(HostError):
            run("ip", "link", "delete", interface)


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
