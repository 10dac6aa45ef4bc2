# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Archives have the layout of upstream, and the same programs give the same bytes."""

from __future__ import annotations

import hashlib
import json
import tarfile
from pathlib import Path

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._artifacts import archive as artifacts_archive

IMAGE = {
    "reference": "registry.example/tool:1",
    "program": "tool",
    "arguments": ["serve"],
    "user": "65532:65532",
    "certificates": False,
    "capability": "net_bind_service",
}


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "built"
    path.write_bytes(b"\x7fELF" + bytes(5000))
    return path


def test_a_tarball_is_reproducible_and_has_the_upstream_layout(tmp_path: Path, program: Path) -> None:
    first, second = tmp_path / "1.tgz", tmp_path / "2.tgz"
    artifacts_archive.write_tarball(first, {"./bridge": program, "./host-local": program})
    program.touch()
    artifacts_archive.write_tarball(second, {"./host-local": program, "./bridge": program})
    assert first.read_bytes() == second.read_bytes()
    with tarfile.open(first) as archive:
        assert [(entry.name, oct(entry.mode), entry.uid) for entry in archive] == [("./bridge", "0o755", 0), ("./host-local", "0o755", 0)]
        assert archive.extractfile("./bridge").read() == program.read_bytes()


def test_an_image_runs_the_program_as_an_unprivileged_user(tmp_path: Path, program: Path) -> None:
    target = tmp_path / "tool.tar"
    artifacts_archive.write_image(target, program, IMAGE, "arm64")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["built", "tool.tar"]
    with tarfile.open(target) as archive:
        (manifest,) = json.load(archive.extractfile("manifest.json"))
        config_bytes = archive.extractfile(manifest["Config"]).read()
        layer_bytes = archive.extractfile(manifest["Layers"][0]).read()
    assert manifest["RepoTags"] == ["registry.example/tool:1"]
    assert manifest["Config"] == hashlib.sha256(config_bytes).hexdigest() + ".json"
    config = json.loads(config_bytes)
    assert (config["architecture"], config["os"]) == ("arm64", "linux")
    assert config["config"]["Entrypoint"] == ["/tool"]
    assert config["config"]["Cmd"] == ["serve"]
    assert config["config"]["User"] == "65532:65532"
    assert config["rootfs"]["diff_ids"] == ["sha256:" + hashlib.sha256(layer_bytes).hexdigest()]
    (tmp_path / "layer").write_bytes(layer_bytes)
    with tarfile.open(tmp_path / "layer") as layer:
        entries = {entry.name: entry for entry in layer}
    assert entries["tool"].mode == 0o755
    assert entries["tool"].pax_headers["SCHILY.xattr.security.capability"].encode() == bytes.fromhex("0100000200040000" + "00" * 12)
    assert entries["tmp"].mode == 0o1777
    assert "etc/ssl/certs/ca-certificates.crt" not in entries
