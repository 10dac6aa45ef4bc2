# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images in containerd, with a fake ctr that stores references in a file."""

from __future__ import annotations

import hashlib

import pytest
from _http import files, serving
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import images

# It stores references in a file, imports the references of an archive, and pulls only references that begin with "registry".
CTR = """#!/bin/sh
shift 3
case $1 in
  ls) cat {store} ;;
  pull) case $5 in registry*) echo "$5" >>{store} ;; *) echo "$5: not found" >&2; exit 1 ;; esac ;;
  import) cat "$2" >>{store} ;;
esac
"""


@pytest.fixture
def mirror(tmp_path):
    """An archive of the image example/pause:1 and its URL."""
    directory = tmp_path / "mirror"
    directory.mkdir()
    (directory / "pause.tar").write_text("example/pause:1\n")
    with serving(files(directory)) as url:
        yield f"{url}/pause.tar"


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The file of the references; the host has one image."""
    path = tmp_path / "references"
    path.write_text("example/there:1\n")
    ctr = tmp_path / "ctr"
    ctr.write_text(CTR.format(store=path))
    ctr.chmod(0o755)
    monkeypatch.setattr(images, "CTR", (str(ctr), *images.CTR[1:]))
    monkeypatch.setattr(images, "DIRECTORY", str(tmp_path))
    return path


def archived(url: str, content: str = "example/pause:1\n", reference: str = "example/pause:1") -> dict:
    """An image whose archive has this content."""
    origin = {"url": url, "sha256": hashlib.sha256(content.encode()).hexdigest()}
    return {"name": "pause", "reference": reference, "archive": {"architectures": {"amd64": origin, "arm64": origin}}}


def pulled(reference: str) -> dict:
    return {"name": "coredns", "reference": reference, "archive": None}


def test_images_are_imported_or_pulled(store, mirror):
    images.bring([archived(mirror), pulled("registry/coredns:1")])
    assert sorted(images.present()) == ["example/pause:1", "example/there:1", "registry/coredns:1"]


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"content": "something else"}, "expected sha256"),
        ({"reference": "example/pause:2"}, "found no image example/pause:2 in the archive"),
    ],
)
def test_a_wrong_archive_is_an_error(mirror, change, says):
    with pytest.raises(HostError, match=says) as error:
        images.bring([archived(mirror, **change)])
    assert mirror in str(error.value)


@pytest.mark.usefixtures("store")
def test_a_failed_pull_names_the_image():
    with pytest.raises(HostError, match="example/unknown:1: not found"):
        images.bring([pulled("example/unknown:1")])


@pytest.mark.usefixtures("store")
def test_an_archive_for_another_architecture_is_an_error():
    with pytest.raises(HostError, match="image pause: found no archive for"):
        images.bring([{**archived("http://127.0.0.1/"), "archive": {"architectures": {}}}])


def test_without_containerd_no_image_is_present(tmp_path, monkeypatch):
    monkeypatch.setattr(images, "CTR", (str(tmp_path / "ctr"),))
    assert images.present() == []
