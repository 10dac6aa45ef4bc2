# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The operator's registries: the files of containerd and of kubelet, and the credentials in the store. Pure functions on plain values."""

from __future__ import annotations

import base64
import json
import typing as t
import urllib.parse

__all__ = ("Registry", "containerd_files", "credentials", "kubelet_file")

Registry = t.Mapping[str, t.Any]  # an entry of cluster_registries
Stored = t.Mapping[str, t.Mapping[str, t.Any]]  # the store's credentials by name

_HEADER = "# Written by the Ansible collection cfcr.kubernetes; changes are overwritten.\n"


def credentials(registries: t.Iterable[Registry]) -> list[dict[str, t.Any]]:
    """Return the credentials that the store keeps, as options of module credential."""
    return [
        {"name": _name(entry), "type": "password", "generate": False, "value": entry.get("password") or ""}
        for entry in registries
        if entry.get("username")
    ]


def containerd_files(registries: t.Sequence[Registry], directory: str, stored: Stored) -> dict[str, t.Any]:
    """Return the files below containerd's config_path, and the contents of the secret ones."""
    servers = {entry["host"]: entry for entry in registries}
    files, secrets = [], {}
    for entry in registries:
        if entry.get("ca"):
            files.append({"path": _ca_path(directory, entry), "content": _text(entry["ca"])})
        path, content = f"{_directory(directory, entry)}/hosts.toml", _hosts_toml(entry, servers, directory, stored)
        if any(servers.get(_host(url), {}).get("username") for url in entry.get("mirrors") or []):
            secrets[path] = content
            files.append({"path": path, "content": path, "secret": True, "mode": "0600"})
        else:
            files.append({"path": path, "content": content})
    return {"files": files, "secrets": secrets}


def kubelet_file(registries: t.Iterable[Registry], stored: Stored) -> str:
    """Return the credentials in Docker's format, which kubelet gives to containerd for the images of pods."""
    auths = {entry["host"]: {"auth": _basic(entry, stored)} for entry in registries if entry.get("username")}
    return json.dumps({"auths": auths}, indent=2) + "\n"


def _hosts_toml(entry: Registry, servers: t.Mapping[str, Registry], directory: str, stored: Stored) -> str:
    """Return the mirrors in their order, and the CA of the registry itself, which is asked after them."""
    # JSON's strings are valid TOML.
    lines = [f"ca = {json.dumps(_ca_path(directory, entry))}"] if entry.get("ca") else []
    for url in entry.get("mirrors") or []:
        mirror = servers.get(_host(url), {})
        lines += ["", f"[host.{json.dumps(url)}]", 'capabilities = ["pull", "resolve"]']
        if mirror.get("ca"):
            lines.append(f"ca = {json.dumps(_ca_path(directory, mirror))}")
        if mirror.get("username"):
            # kubelet knows credentials by the names of images, which do not have the mirror's name.
            lines += [f"[host.{json.dumps(url)}.header]", f"Authorization = {json.dumps(f'Basic {_basic(mirror, stored)}')}"]
    return _HEADER + "\n".join(lines) + "\n"


def _directory(directory: str, entry: Registry) -> str:
    """Return the directory of a registry. containerd's form of host:port has no colon."""
    host, colon, port = entry["host"].partition(":")
    return f"{directory}/{host}" + (f"_{port}_" if colon else "")


def _ca_path(directory: str, entry: Registry) -> str:
    return f"{_directory(directory, entry)}/ca.crt"


def _name(entry: Registry) -> str:
    return f"registry-{entry['host'].replace(':', '_')}"


def _host(url: str) -> str:
    """Return the host of a URL with its port, as in cluster_registries."""
    return urllib.parse.urlsplit(url).netloc


def _basic(entry: Registry, stored: Stored) -> str:
    password = stored.get(_name(entry), {}).get("password", "")
    return base64.b64encode(f"{entry['username']}:{password}".encode()).decode()


def _text(content: str) -> str:
    return f"{content.strip()}\n"
