# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Images of a host, with a ctr that keeps a list of references in a file."""

from __future__ import annotations

import hashlib
import json

import pytest
from _http import files, serving
from ansible.module_utils.testing import patch_module_args
from ansible_collections.cfcr.kubernetes.plugins.modules import container_image

# Keeps references in a file, imports what an archive says that it holds, and pulls only what begins with "registry".
CTR = """#!/bin/sh
shift 3
case $1 in
  ls) cat {store} ;;
  pull) case $2 in registry*) echo "$2" >>{store} ;; *) echo "$2: not found" >&2; exit 1 ;; esac ;;
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
    monkeypatch.setattr(container_image, "CTR", (str(ctr), *container_image.CTR[1:]))
    monkeypatch.setattr(container_image, "DIRECTORY", str(tmp_path))
    return path


def keep(capsys, *images: dict, check: bool = False) -> dict:
    """Run the module and return its result."""
    arguments = {"images": list(images), "_ansible_check_mode": check}
    with patch_module_args(arguments), pytest.raises(SystemExit):
        container_image.main()
    return json.loads(capsys.readouterr().out)


def archived(url: str, content: str = "example/pause:1\n", reference: str = "example/pause:1") -> dict:
    """An image whose archive has this content."""
    origin = {"url": url, "sha256": hashlib.sha256(content.encode()).hexdigest()}
    return {"name": "pause", "reference": reference, "archive": {"architectures": {"amd64": origin, "arm64": origin}}}


def pulled(reference: str) -> dict:
    return {"name": "coredns", "reference": reference, "archive": None}


def test_images_are_imported_or_pulled_and_only_once(capsys, store, mirror):
    images = archived(mirror), pulled("registry/coredns:1"), pulled("example/there:1")
    missing = ["example/pause:1", "registry/coredns:1"]
    expected = {"before": dict.fromkeys(missing, "absent"), "after": dict.fromkeys(missing, "present")}
    planned = keep(capsys, *images, check=True)
    assert (planned["changed"], planned["diff"]) == (True, expected)
    assert store.read_text() == "example/there:1\n"
    done = keep(capsys, *images)
    assert (done["changed"], done["diff"]) == (True, expected)
    assert sorted(store.read_text().split()) == sorted(["example/there:1", *missing])
    again = keep(capsys, *images)
    assert (again["changed"], again["diff"]) == (False, {"before": {}, "after": {}})


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"content": "something else"}, "expected sha256"),
        ({"reference": "example/pause:2"}, "does not hold example/pause:2"),
    ],
)
def test_a_wrong_archive_is_an_error(capsys, store, mirror, change, says):
    result = keep(capsys, archived(mirror, **change))
    assert result["failed"]
    assert mirror in result["msg"] and says in result["msg"]
    assert store.exists()


@pytest.mark.usefixtures("store")
def test_an_image_that_cannot_be_pulled_is_named(capsys):
    assert "example/unknown:1: not found" in keep(capsys, pulled("example/unknown:1"))["msg"]


@pytest.mark.usefixtures("store")
def test_an_archive_for_another_architecture_is_an_error(capsys):
    image = {**archived("http://127.0.0.1/"), "archive": {"architectures": {}}}
    assert "image pause is not there for" in keep(capsys, image)["msg"]


def test_nothing_is_present_before_containerd_is(tmp_path, monkeypatch):
    monkeypatch.setattr(container_image, "CTR", (str(tmp_path / "ctr"),))
    assert container_image.present() == set()
