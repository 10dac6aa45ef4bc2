# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images in containerd, from verified archives or from registries."""

from __future__ import annotations

import tempfile
import typing as t
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from .._artifacts import release
from .._command import run
from .._errors import HostError
from .._host.architecture import architecture

__all__ = ("IMAGE", "bring", "present")

# An image, as lookup `images` returns it.
IMAGE = {"name": {"type": "str", "required": True}, "reference": {"type": "str", "required": True}, "archive": {"type": "dict"}}

CTR = (str(release.PROGRAMS / "ctr"), "--namespace", "k8s.io", "images")
# In the process of ctr: containerd itself may wait for a restart, with its former proxy. The directory is that of containerd's config_path.
PULL = ("pull", "--local", "--hosts-dir", "/etc/containerd/registries")
DIRECTORY = "/var/lib/containerd"


def present() -> list[str]:
    """Return the references of the images in containerd; none if it is not installed yet."""
    if not Path(CTR[0]).exists():
        return []
    return run(*CTR, "ls", "--quiet").split()


def bring(images: t.Iterable[dict[str, t.Any]]) -> None:
    """Import images from their archives, or pull them, in parallel."""
    with ThreadPoolExecutor() as pool:
        list(pool.map(_bring, images))


def _bring(image: dict[str, t.Any]) -> None:
    if not image["archive"]:
        run(*CTR, *PULL, image["reference"])
        return
    origin = image["archive"]["architectures"].get(architecture())
    if origin is None:
        raise HostError(f"image {image['name']}: found no archive for {architecture()}")
    with tempfile.TemporaryDirectory(dir=DIRECTORY) as directory:
        archive = Path(directory) / "image.tar"
        release.download(origin["url"], archive, origin.get("sha256"), origin.get("checksum_url"))
        run(*CTR, "import", str(archive))
    if image["reference"] not in present():
        raise HostError(f"{origin['url']}: found no image {image['reference']} in the archive")
