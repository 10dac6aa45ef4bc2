# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The modules that fill a mirror and pack it."""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys

import pytest
from _http import files, serving
from ansible_collections.cfcr.kubernetes.plugins.module_utils._bundle import lock as locks
from ansible_collections.cfcr.kubernetes.plugins.module_utils._bundle.signature import verify
from ansible_collections.cfcr.kubernetes.plugins.modules import bundle

COLLECTIONS = pathlib.Path(bundle.__file__).parents[5]


def run(module: str, /, check: bool = False, **arguments) -> dict:
    """Run a module as Ansible does, and return its result."""
    module = f"ansible_collections.cfcr.kubernetes.plugins.modules.{module}"
    given = json.dumps({"ANSIBLE_MODULE_ARGS": {**arguments, "_ansible_check_mode": check}})
    environment = {**os.environ, "PYTHONPATH": str(COLLECTIONS)}
    done = subprocess.run([sys.executable, "-m", module], input=given, env=environment, capture_output=True, text=True, check=False)
    return json.loads(done.stdout)


def file(path: str, origin: dict | None = None) -> dict:
    """Return the description of a file, as lookup downloads does."""
    return {
        "path": path, "url": f"https://example.com/{path}", "purpose": "runc 1.5.2", "licence": "Apache-2.0", "architecture": "amd64", "origin": origin or {},
    }  # fmt: skip


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.fixture
def make(tmp_path):
    """A function that makes a bundle of a small mirror."""
    for path, content in {"runc/1.5.2/amd64/runc.amd64": "runc", "packages/bookworm/amd64/Packages": "index", "wheels/other": "other"}.items():
        (tmp_path / "tree" / path).parent.mkdir(parents=True)
        (tmp_path / "tree" / path).write_text(content)

    def made(**changes):
        options = {
            "tree": str(tmp_path / "tree"), "files": [file("runc/1.5.2/amd64/runc.amd64")], "more": ["packages/bookworm/amd64/*"],
            "directory": str(tmp_path / "out"), "name": "x", "key": str(tmp_path / "key"), "collection": "0.10.0", "kubernetes": ["1.36"],
            "architectures": ["amd64"], "distributions": ["bookworm"],
        }  # fmt: skip
        return run("bundle", **{**options, **changes})

    return made


def test_bundle_has_lock_signature_and_list(make, tmp_path):
    result = make()
    assert result["changed"] and result["files"] == [str(tmp_path / "out/x.tar.gz")] and result["size"] == (tmp_path / "out/x.tar.gz").stat().st_size
    text = (tmp_path / "out/x.json").read_bytes()
    verify(text, tmp_path / "out/x.json.sig", [result["public_key"]])
    assert locks.parse(text).files.keys() == {"runc/1.5.2/amd64/runc.amd64", "packages/bookworm/amd64/Packages", "bundle.spdx.json"}
    assert result["diff"]["before"] == {} and result["diff"]["after"]["runc/1.5.2/amd64/runc.amd64"] == digest(b"runc")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600


def test_same_files_change_nothing(make, tmp_path):
    first = make()
    before = (tmp_path / "out/x.tar.gz").read_bytes()
    second = make()
    assert not second["changed"] and second["diff"] == {"before": {}, "after": {}} and second["public_key"] == first["public_key"]
    assert (tmp_path / "out/x.tar.gz").read_bytes() == before


def test_check_mode_makes_nothing_and_tells_the_truth(make, tmp_path):
    result = make(check=True)
    assert result["changed"] and result["public_key"] == "" and result["files"] == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tree"]
    make()
    assert not make(check=True)["changed"]


@pytest.mark.parametrize("lost", ["x.tar.gz", "x.json", "x.json.sig"])
def test_what_is_lost_or_left_by_a_killed_run_is_made_again(make, tmp_path, lost):
    make()
    (tmp_path / "out" / lost).unlink()
    assert make()["changed"]
    assert not make()["changed"]


def test_another_file_another_key_and_other_parts_make_it_again(make, tmp_path):
    make()
    (tmp_path / "tree/runc/1.5.2/amd64/runc.amd64").write_text("newer")
    assert make()["diff"]["before"]["runc/1.5.2/amd64/runc.amd64"] == digest(b"runc")
    assert make(key=str(tmp_path / "other"))["changed"]
    parts = make(key=str(tmp_path / "other"), part_size=300)["files"]
    assert len(parts) > 1 and not (tmp_path / "out/x.tar.gz").exists()
    assert not make(key=str(tmp_path / "other"), part_size=300)["changed"]


def test_delta_names_its_older_bundle(make, tmp_path):
    make()
    old = tmp_path / "out/x.json"
    before = {path: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    assert "name: found x, expected another name than that of" in make(since=str(old))["msg"]
    assert {path: path.read_bytes() for path in (tmp_path / "out").iterdir()} == before
    assert make(name="y", since=str(old), files=[file("runc/1.5.2/amd64/runc.amd64"), file("wheels/other")])["changed"]
    new = locks.parse((tmp_path / "out/y.json").read_bytes())
    assert new.since == digest(old.read_bytes())
    unpacked = subprocess.run(["tar", "-tzf", tmp_path / "out/y.tar.gz"], capture_output=True, text=True, check=True).stdout.split()
    blobs = {path.rpartition("/")[2] for path in unpacked if path.startswith(locks.BLOBS)}
    assert blobs == {new.files[path].sha256 for path in ("wheels/other", "bundle.spdx.json")}
    assert "mirror/runc/1.5.2/amd64/runc.amd64" in unpacked


@pytest.fixture
def documented(make, tmp_path):
    """A function that verifies a bundle by the commands of docs/airgap.md, in parts of 300 bytes, and returns the exit code."""
    page = (pathlib.Path(bundle.__file__).parents[2] / "docs/airgap.md").read_text(encoding="utf-8")
    (commands,) = re.findall(r"```sh\n(signers=.*?)```", page, re.DOTALL)
    for before, after in (("/srv/bundle", str(tmp_path / "unpacked")), ("~", str(tmp_path)), ("cfcr-1.36.3", "x")):
        commands = commands.replace(before, after)

    def verified(before: str = ":", after_unpacking: str = ":") -> int:
        unpacking, checks = commands.split("\ncmp ")
        script = f"set -eo pipefail\n{before}\n{unpacking}\n{after_unpacking}\ncmp {checks}"
        return subprocess.run(["bash", "-c", script], cwd=tmp_path / "out", capture_output=True, check=False).returncode

    (tmp_path / "release.pub").write_text(make(part_size=300)["public_key"])
    return verified


def test_the_documented_commands_verify_a_bundle(documented, tmp_path):
    assert documented() == 0
    # Nothing of the bundle is run, whatever is in it.
    trap = f"echo 'open(\"{tmp_path}/ran\", \"w\")' | tee json.py {tmp_path}/unpacked/json.py"
    assert documented(after_unpacking=trap) == 0 and not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    ("before", "after_unpacking"),
    [
        ("echo ' ' >> x.json", ":"),  # not what was signed
        ("rm x.json.sig; ssh-keygen -q -t ed25519 -N '' -f other; ssh-keygen -Y sign -q -f other -n cfcr-bundle x.json", ":"),  # by somebody else
        (":", "echo ' ' >> TOP/bundle.json"),  # another one than was verified
        (":", "echo x > TOP/mirror/runc/1.5.2/amd64/runc.amd64"),
        (":", "rm TOP/mirror/runc/1.5.2/amd64/runc.amd64"),
    ],
)
def test_the_documented_commands_refuse_another_bundle(documented, tmp_path, before, after_unpacking):
    assert documented(before, after_unpacking.replace("TOP", str(tmp_path / "unpacked"))) != 0


def test_missing_files_are_named(make):
    assert "runc/1/amd64/x: found no such file in" in make(files=[file("runc/1/amd64/x")])["msg"]
    assert "packages/noble/amd64/*: found no such file in" in make(more=["packages/noble/amd64/*"])["msg"]


def test_mirror_gets_what_it_lacks_verified(tmp_path):
    (tmp_path / "served").mkdir()
    (tmp_path / "served/runc").write_text("runc")
    (tmp_path / "served/sums").write_text(f"{digest(b'runc')}  runc\n")
    with serving(files(tmp_path / "served")) as url:
        pinned, published = {"url": f"{url}/runc", "sha256": digest(b"runc")}, {"url": f"{url}/runc", "checksum_url": f"{url}/sums"}
        options = {"directory": str(tmp_path / "tree"), "files": [file("a/1/amd64/runc", pinned), file("b/1/amd64/runc", published)]}
        assert run("artifact_download", check=True, **options)["diff"]["after"] == {"files": ["a/1/amd64/runc", "b/1/amd64/runc"]}
        assert not (tmp_path / "tree").exists()
        assert run("artifact_download", **options)["changed"]
        assert not run("artifact_download", **options)["changed"]
        (tmp_path / "tree/a/1/amd64/runc").write_text("damaged")
        assert run("artifact_download", **options)["diff"]["after"] == {"files": ["a/1/amd64/runc"]}
        failed = run("artifact_download", **{**options, "files": [file("c/1/amd64/runc", {**pinned, "sha256": "a" * 64})]})
    assert f"expected sha256 {'a' * 64}" in failed["msg"]
    assert sorted(path.name for path in (tmp_path / "tree").rglob("*") if path.is_file()) == ["runc", "runc"]
