# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Mirror packages of a small repository with apt-get, and install from the mirror as a host does."""

from __future__ import annotations

import pathlib
import shutil
import subprocess

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._bundle import host
from ansible_collections.cfcr.kubernetes.plugins.module_utils._bundle.host import Part
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.modules import package_mirror
from ansible_collections.cfcr.kubernetes.plugins.modules.package_mirror import Repository, sources

CONTROL = "Package: {name}\nVersion: {version}\nArchitecture: all\nMaintainer: nobody <nobody@example.com>\nDepends: {depends}\nDescription: x\n"
PREDEPENDS = {"haproxy": "libx (>= 1)", "libx": "base", "base": "", "other": ""}

pytestmark = pytest.mark.skipif(not shutil.which("apt-get"), reason="only Debian has apt")


@pytest.fixture
def repository(tmp_path):
    """A repository with packages that depend on each other, and one that nobody needs."""
    directory = tmp_path / "repository"
    directory.mkdir()

    def build(**versions):
        for name, version in versions.items():
            root = tmp_path / "package" / name / "DEBIAN"
            root.mkdir(parents=True, exist_ok=True)
            depends = PREDEPENDS[name]
            control = CONTROL.format(name=name, version=version, depends=depends)
            (root / "control").write_text(control if depends else control.replace("Depends: \n", ""))
            subprocess.run(["dpkg-deb", "--build", "--root-owner-group", root.parent, directory / f"{name}_{version}.deb"], check=True, capture_output=True)
        packages = [package_mirror.entry(path) for path in sorted(directory.glob("*.deb"))]
        (directory / "Packages").write_text("\n".join(packages))

    build(haproxy="2:1.0", libx="1.0", base="1.0", other="1.0")
    return {"given.list": f"deb [trusted=yes] file:{directory} ./\n"}, build


def run(directory: pathlib.Path, files: dict[str, str], packages=("haproxy",)) -> tuple[list[str], list[str]]:
    """Mirror packages, and return what was there and what is."""
    its = Repository(directory, "bookworm", "amd64")
    before, after = its.found(), its.wanted(list(packages), files)
    if before != after:
        its.make(list(packages), after)
    assert its.found() == after
    return before, after


def test_packages_come_with_their_dependencies_once(tmp_path, repository):
    files, _build = repository
    wanted = ["base_1.0_all.deb", "haproxy_2%3a1.0_all.deb", "libx_1.0_all.deb"]
    assert run(tmp_path / "mirror", files) == ([], wanted)
    assert run(tmp_path / "mirror", files) == (wanted, wanted)
    assert sorted(path.name for path in (tmp_path / "mirror/bookworm/amd64").iterdir()) == ["Packages", *wanted]


def test_a_newer_package_replaces_the_older_one(tmp_path, repository):
    files, build = repository
    run(tmp_path / "mirror", files)
    build(libx="1.1")
    assert "libx_1.1_all.deb" in run(tmp_path / "mirror", files)[1]
    assert not (tmp_path / "mirror/bookworm/amd64/libx_1.0_all.deb").exists()
    assert "libx_1.0" not in (tmp_path / "mirror/bookworm/amd64/Packages").read_text()


def test_a_lost_package_is_downloaded_again(tmp_path, repository):
    files, _build = repository
    run(tmp_path / "mirror", files)
    (tmp_path / "mirror/bookworm/amd64/base_1.0_all.deb").unlink()
    before, _after = run(tmp_path / "mirror", files)
    assert "base_1.0_all.deb" not in before


def test_an_unknown_package_is_named(tmp_path, repository):
    files, _build = repository
    with pytest.raises(HostError, match="Unable to locate package haprox"):
        run(tmp_path / "mirror", files, ["haprox"])


def test_a_repository_that_does_not_answer_is_an_error(tmp_path):
    with pytest.raises(HostError, match="127.0.0.1"):
        run(tmp_path / "mirror", {"given.list": "deb [trusted=yes] http://127.0.0.1:9/ ./\n"})


def test_a_host_installs_from_its_part(tmp_path, repository, monkeypatch):
    """Its other source does not answer."""
    files, _build = repository
    run(tmp_path / "bundle/packages", files)
    shutil.rmtree(tmp_path / "bundle/packages/.apt")
    paths = {path.relative_to(tmp_path / "bundle").as_posix(): package_mirror.sha256(path) for path in (tmp_path / "bundle").rglob("*") if path.is_file()}
    for directory in ("etc/sources.list.d", "etc/preferences.d", "etc/apt.conf.d", "lists/partial", "cache/archives/partial"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "etc/sources.list").write_text("deb [trusted=yes] http://127.0.0.1:9/ ./\n")
    (tmp_path / "status").touch()
    configuration = {"Dir::Etc": "etc", "Dir::State::lists": "lists", "Dir::State::status": "status", "Dir::Cache": "cache"}
    lines = [f'{name} "{tmp_path / value}";\n' for name, value in configuration.items()]
    (tmp_path / "apt.conf").write_text("".join([*lines, 'APT::Sandbox::User "root";\n']))
    monkeypatch.setenv("APT_CONFIG", str(tmp_path / "apt.conf"))
    its = Part(paths, tmp_path / "bundle", tmp_path / "etc")
    its.record = {path: [sha256, *host._stamp(tmp_path / "bundle" / path)] for path, sha256 in paths.items()}
    assert its.missing() == []
    its.tidy()
    done = subprocess.run(["apt-get", "install", "--simulate", "haproxy"], capture_output=True, text=True, check=True)
    assert [line.split()[1] for line in done.stdout.splitlines() if line.startswith("Inst")] == ["base", "libx", "haproxy"]


def test_repositories_of_another_release_are_those_of_the_machine(tmp_path, monkeypatch):
    monkeypatch.setattr(package_mirror, "APT", tmp_path)
    monkeypatch.setattr(package_mirror, "OS_RELEASE", tmp_path / "os-release")
    (tmp_path / "os-release").write_text('PRETTY_NAME="Debian"\nVERSION_CODENAME=bookworm\n')
    (tmp_path / "sources.list.d").mkdir()
    (tmp_path / "sources.list.d/debian.sources").write_text("URIs: http://deb.example.org\nSuites: bookworm bookworm-updates\n")
    (tmp_path / "sources.list.d/others.list").write_text("deb http://others.example.org bookworm main\n")
    assert sources("trixie", {}) == {"debian.sources": "URIs: http://deb.example.org\nSuites: trixie trixie-updates\n"}
    assert sources("noble", {"noble": ["deb http://x noble main"]}) == {"given.list": "deb http://x noble main\n"}
    (tmp_path / "sources.list.d/debian.sources").unlink()
    with pytest.raises(HostError, match="packages for trixie: found no repository of the machine's own release"):
        sources("trixie", {})
