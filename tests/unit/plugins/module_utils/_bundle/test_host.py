# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A host's part of a bundle: it gets what it lacks, verified, and nothing else stays."""

from __future__ import annotations

import hashlib
import tarfile

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._bundle import host
from ansible_collections.cfcr.kubernetes.plugins.module_utils._bundle.host import Part
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError

PACKAGES = "packages/bookworm/amd64/Packages"


def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()


FILES = {path: digest(content) for path, content in {"etcd/x": "etcd", "runc/x": "runc", "runc/y": "runc", PACKAGES: "index"}.items()}


@pytest.fixture
def part(tmp_path, monkeypatch):
    """A function that returns the part of a host with these files. apt-get is recorded."""
    calls = []
    monkeypatch.setattr(host, "update_lists", lambda *options: calls.append(options))
    for directory in ("sources.list.d", "preferences.d"):
        (tmp_path / "apt" / directory).mkdir(parents=True)

    def make(files=FILES):
        return Part(files, tmp_path / "bundle", tmp_path / "apt")

    make.calls, make.directory, make.apt = calls, tmp_path / "bundle", tmp_path / "apt"
    return make


@pytest.fixture
def archive(tmp_path):
    """A function that packs texts as the action does."""

    def pack(*texts, names=()):
        path = tmp_path / "archive.tar"
        with tarfile.open(path, "w") as written:
            for text, name in zip(texts, names or map(digest, texts)):
                (tmp_path / "content").write_text(text)
                written.add(tmp_path / "content", name)
        return path

    return pack


def test_an_empty_host_gets_everything_and_then_nothing(part, archive):
    first = part()
    assert first.missing() == sorted(FILES) and not first.is_known_to_apt()
    first.receive(archive("etcd", "runc", "index"))
    first.tidy()
    assert {path: digest((part.directory / path).read_text()) for path in FILES} == FILES
    second = part()
    assert second.missing() == second.obsolete() == [] and second.is_known_to_apt()


def test_apt_reads_the_lists_of_this_source_only(part, archive):
    its = part()
    its.receive(archive("etcd", "runc", "index"))
    its.tidy()
    source = part.apt / "sources.list.d/cfcr-bundle.list"
    assert source.read_text() == f"deb [trusted=yes] file:{part.directory}/packages/bookworm/amd64 ./\n"
    (call,) = part.calls
    assert f"Dir::Etc::sourcelist={source.with_suffix('.new')}" in call and "Dir::Etc::sourceparts=/dev/null" in call


@pytest.mark.parametrize("files", [FILES, {**FILES, PACKAGES: digest("newer")}], ids=["first bundle", "newer packages"])
def test_lists_that_apt_could_not_read_are_read_by_the_next_run(part, archive, monkeypatch, files):
    its = part()
    if files != FILES:
        its.receive(archive("etcd", "runc", "index"))
        its.tidy()

    def fails(*_options):
        raise HostError("apt-get update: exit code 100: Could not get lock /var/lib/apt/lists/lock")

    monkeypatch.setattr(host, "update_lists", fails)
    interrupted = part(files)
    interrupted.receive(archive("etcd", "runc", "index", "newer"))
    with pytest.raises(HostError, match="Could not get lock"):
        interrupted.tidy()
    assert part(files).missing() == [] and not part(files).is_known_to_apt()
    monkeypatch.setattr(host, "update_lists", lambda *_options: None)
    part(files).tidy()
    assert part(files).is_known_to_apt()
    assert [path.name for path in (part.apt / "sources.list.d").iterdir()] == ["cfcr-bundle.list"]


def test_a_part_without_packages_leaves_apt_alone(part, archive):
    its = part({"etcd/x": digest("etcd")})
    its.receive(archive("etcd"))
    its.tidy()
    assert part.calls == [] and list(part.apt.rglob("*.list")) == []


def test_only_what_differs_is_missing(part, archive):
    its = part()
    its.receive(archive("etcd", "runc", "index"))
    its.tidy()
    (part.directory / "etcd/x").write_text("touched")
    (part.directory / "runc/x").unlink()
    assert part().missing() == ["etcd/x", "runc/x"]
    new = part({**FILES, "etcd/x": digest("newer")})
    new.receive(archive("newer", "runc"))
    new.tidy()
    assert (part.directory / "etcd/x").read_text() == "newer"


def test_files_of_an_older_bundle_are_removed(part, archive):
    old = part()
    old.receive(archive("etcd", "runc", "index"))
    old.tidy()
    new = part({"etcd/x": FILES["etcd/x"]})
    assert new.obsolete() == [PACKAGES, "runc/x", "runc/y"] and new.missing() == []
    new.tidy()
    assert sorted(path.name for path in part.directory.rglob("*")) == [".files.json", "etcd", "x"]


def test_other_content_is_refused_and_not_written(part, archive):
    with pytest.raises(HostError, match="bundle: etcd/x: found other content than"):
        part().receive(archive("fake", names=[digest("etcd")]))
    assert not (part.directory / "etcd/x").exists()
    assert "etcd/x" in part().missing()


def test_an_incomplete_archive_is_refused(part, archive):
    with pytest.raises(HostError, match="bundle: found no packages/bookworm/amd64/Packages, runc/x, runc/y in the archive"):
        part().receive(archive("etcd"))


def test_names_in_the_archive_choose_no_path(part, archive, tmp_path):
    with pytest.raises(HostError, match="found no etcd/x"):
        part({"etcd/x": digest("etcd")}).receive(archive("etcd", names=["../../outside"]))
    assert not list(tmp_path.rglob("outside"))
