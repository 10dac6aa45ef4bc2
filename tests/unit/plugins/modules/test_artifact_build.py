# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The module against real compilers, on programs of a few lines."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._artifacts.build import Toolchain
from ansible_collections.cfcr.kubernetes.plugins.modules import artifact_build

COLLECTIONS = Path(artifact_build.__file__).parents[5]
ARCHITECTURE = {"x86_64": "amd64", "aarch64": "arm64"}[platform.machine()]
HELLO_C = '#include <stdio.h>\nint main(void) { puts("hello"); return 0; }\n'
HELLO_GO = 'package main\n\nvar version string\n\nfunc main() { println("hello", version) }\n'
C_BUILD = {
    "name": "hello",
    "version": "1.0",
    "inputs": {"hello.c": HELLO_C},
    "outputs": [
        {"path": "hello/1.0/{architecture}/hello", "files": {"hello": ""}},
        {"path": "images/hello/1.0/{architecture}/hello.tar", "image": {"reference": "example/hello:1.0", "program": "hello"}},
    ],
}
GO_BUILD = {
    "name": "tool",
    "version": "2.0",
    "inputs": {"go.mod": "module example/tool/v2\n\ngo 1.21\n", "main.go": HELLO_GO},
    "packages": {"tool": "example/tool/v2"},
    "ldflags": "-X main.version=2.0",
    "outputs": [{"path": "tool/2.0/{architecture}/tool.tgz", "files": {"tool": "./bin-{architecture}/tool"}}],
}


def start(directory: Path, builds: list[dict], check: bool = False) -> subprocess.Popen:
    arguments = {"directory": str(directory), "builds": builds, "_ansible_check_mode": check, "_ansible_remote_tmp": str(directory.parent)}
    module = "ansible_collections.cfcr.kubernetes.plugins.modules.artifact_build"
    process = subprocess.Popen(
        [sys.executable, "-m", module],
        env={**os.environ, "PYTHONPATH": str(COLLECTIONS)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    process.stdin.write(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
    process.stdin.close()
    return process


def call(directory: Path, *builds: dict, check: bool = False) -> dict:
    process = start(directory, list(builds), check)
    answer = json.loads(process.stdout.read())
    process.wait()
    return answer


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    return tmp_path / "mirror"


def test_check_apply_apply_check(mirror: Path) -> None:
    checked = call(mirror, C_BUILD, GO_BUILD, check=True)
    assert (checked["changed"], checked["built"], checked["checksums"]) == (True, {}, {})
    assert not mirror.exists()
    applied = call(mirror, C_BUILD, GO_BUILD)
    assert applied["changed"]
    assert list(applied["built"]) == ["hello 1.0", "tool 2.0"]
    assert applied["diff"]["after"] == checked["diff"]["after"]
    for path, checksum in applied["checksums"].items():
        assert hashlib.sha256((mirror / path).read_bytes()).hexdigest() == checksum
    lines = [f"{checksum}  {path}\n" for path, checksum in sorted(applied["checksums"].items())]
    assert (mirror / "SHA256SUMS").read_text() == "".join(lines)
    for check in (False, True):
        again = call(mirror, C_BUILD, GO_BUILD, check=check)
        assert (again["changed"], again["built"], again["checksums"]) == (False, {}, applied["checksums"])
        assert again["diff"]["before"] == again["diff"]["after"]


def test_outputs_run(mirror: Path) -> None:
    call(mirror, C_BUILD, GO_BUILD)
    program = mirror / f"hello/1.0/{ARCHITECTURE}/hello"
    assert oct(program.stat().st_mode)[-3:] == "644"
    program.chmod(0o755)
    assert subprocess.run([program], capture_output=True, text=True, check=True).stdout == "hello\n"
    with tarfile.open(mirror / f"tool/2.0/{ARCHITECTURE}/tool.tgz") as archive:
        archive.extractall(mirror, filter="data")
    assert subprocess.run([mirror / f"bin-{ARCHITECTURE}/tool"], capture_output=True, text=True, check=True).stderr == "hello 2.0\n"


def test_only_what_differs_is_built(mirror: Path) -> None:
    call(mirror, C_BUILD, GO_BUILD)
    assert list(call(mirror, C_BUILD, {**GO_BUILD, "ldflags": "-X main.version=2.0.1"})["built"]) == ["tool 2.0"]
    (mirror / f"images/hello/1.0/{ARCHITECTURE}/hello.tar").write_bytes(b"torn")
    assert list(call(mirror, C_BUILD)["built"]) == ["hello 1.0"]
    (mirror / "SHA256SUMS").unlink()
    answer = call(mirror, C_BUILD)
    assert (answer["changed"], answer["built"]) == (True, {})
    assert "tool/2.0" in (mirror / "SHA256SUMS").read_text()


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    first, second = (call(tmp_path / name, C_BUILD, GO_BUILD)["checksums"] for name in "ab")
    assert first == second


def test_a_failed_build_leaves_what_is_there(mirror: Path) -> None:
    before = call(mirror, C_BUILD)["checksums"]
    answer = call(mirror, {**C_BUILD, "inputs": {"hello.c": "int main(void) { return"}})
    assert answer["failed"]
    assert "hello.c" in answer["msg"]
    assert call(mirror, C_BUILD)["built"] == {}
    assert hashlib.sha256((mirror / next(iter(before))).read_bytes()).hexdigest() == next(iter(before.values()))


def test_a_module_that_go_sum_does_not_have_is_refused(mirror: Path) -> None:
    inputs = {**GO_BUILD["inputs"], "go.mod": "module example/tool/v2\n\ngo 1.21\n\nrequire golang.org/x/sys v0.30.0\n"}
    inputs["main.go"] = 'package main\n\nimport _ "golang.org/x/sys/unix"\n\nfunc main() {}\n'
    answer = call(mirror, {**GO_BUILD, "inputs": inputs})
    assert answer["failed"]
    assert "go.sum" in answer["msg"]


@pytest.fixture
def backends(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict:
    """A build whose program imports two packages of another module, which register themselves."""
    module, proxy = "example.org/backends@v1.0.0", tmp_path / "proxy/example.org/backends/@v"
    files = {"go.mod": "module example.org/backends\n\ngo 1.21\n", "registry/registry.go": "package registry\n\nvar Names []string\n"}
    for name in ("vxlan", "extension"):
        registers = f'import "example.org/backends/registry"\n\nfunc init() {{ registry.Names = append(registry.Names, "{name}") }}\n'
        files[f"backend/{name}/{name}.go"] = f"// Package {name} is a backend.\npackage {name}\n\n{registers}"
    proxy.mkdir(parents=True)
    (proxy / "list").write_text("v1.0.0\n")
    (proxy / "v1.0.0.info").write_text('{"Version": "v1.0.0"}')
    (proxy / "v1.0.0.mod").write_text(files["go.mod"])
    with zipfile.ZipFile(proxy / "v1.0.0.zip", "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{module}/{name}", content)
    for name, value in {"GOPROXY": (tmp_path / "proxy").as_uri(), "GOSUMDB": "off", "GOMODCACHE": str(tmp_path / "modules")}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GOFLAGS", "-modcacherw")
    imports = '_ "example.org/backends/backend/extension"\n\t_ "example.org/backends/backend/vxlan"\n\t"example.org/backends/registry"'
    main = f'package main\n\nimport (\n\t"strings"\n\n\t{imports}\n)\n\nfunc main() {{ println(strings.Join(registry.Names, " ")) }}\n'
    source = tmp_path / "source"
    source.mkdir()
    (source / "go.mod").write_text(GO_BUILD["inputs"]["go.mod"])
    (source / "main.go").write_text(main)
    subprocess.run(["go", "mod", "tidy"], cwd=source, check=True, capture_output=True)
    return {
        **GO_BUILD,
        "inputs": {path.name: path.read_text() for path in source.iterdir()},
        "ldflags": "",
        "outputs": [{"path": "tool/2.0/tool", "files": {"tool": ""}}],
    }


def names(mirror: Path) -> str:
    program = mirror / "tool/2.0/tool"
    program.chmod(0o755)
    return subprocess.run([program], capture_output=True, text=True, check=True).stderr.strip()


def test_packages_are_left_out(mirror: Path, backends: dict) -> None:
    call(mirror, backends)
    assert names(mirror) == "extension vxlan"
    left_out = {**backends, "left_out": ["example.org/backends/backend/extension"]}
    assert list(call(mirror, left_out)["built"]) == ["tool 2.0"]
    assert names(mirror) == "vxlan"
    assert call(mirror, left_out)["built"] == {}


def test_a_package_that_is_not_there_cannot_be_left_out(mirror: Path, backends: dict) -> None:
    answer = call(mirror, {**backends, "left_out": ["example.org/backends/backend/extention"]})
    assert answer["failed"]
    assert "left_out: found example.org/backends/backend/extention" in answer["msg"]
    assert not (mirror / "tool").exists()


def test_go_sum_is_verified_where_packages_are_left_out(mirror: Path, backends: dict) -> None:
    inputs = {**backends["inputs"], "go.sum": re.sub(r"h1:\S{4}", "h1:AAAA", backends["inputs"]["go.sum"])}
    answer = call(mirror, {**backends, "inputs": inputs, "left_out": ["example.org/backends/backend/extension"]})
    assert answer["failed"]
    assert "checksum mismatch" in answer["msg"]


def test_an_option_that_is_not_used_compiles_nothing_again() -> None:
    toolchain = Toolchain("go", "go1.26", "cc", "cc 1", "amd64")
    build = {**GO_BUILD, "cgo": False, "tags": []}
    assert toolchain.digest(build) == toolchain.digest({**build, "left_out": []}) != toolchain.digest({**build, "left_out": ["x"]})


def test_two_at_once_build_once(mirror: Path) -> None:
    processes = [start(mirror, [C_BUILD, GO_BUILD]), start(mirror, [C_BUILD, GO_BUILD])]
    answers = [json.loads(process.stdout.read()) for process in processes]
    assert [process.wait() for process in processes] == [0, 0]
    assert sorted(answer["changed"] for answer in answers) == [False, True]
    assert answers[0]["checksums"] == answers[1]["checksums"]


def test_interrupted_and_called_again(mirror: Path) -> None:
    process = start(mirror, [GO_BUILD])
    while not (mirror / ".builds" / "work").exists():
        assert process.poll() is None
    process.kill()
    process.wait()
    assert list(call(mirror, GO_BUILD)["built"]) == ["tool 2.0"]
    assert not (mirror / ".builds" / "work").exists()
