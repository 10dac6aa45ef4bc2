# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Installation of release files from a local HTTP server."""

from __future__ import annotations

import hashlib
import http.server
import io
import os
import tarfile
import time

import pytest
from _http import files, serving
from ansible_collections.cfcr.kubernetes.plugins.module_utils._artifacts import release
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError


@pytest.fixture
def host(tmp_path, monkeypatch):
    monkeypatch.setattr(release, "RELEASES", tmp_path / "releases")
    monkeypatch.setattr(release, "PROGRAMS", tmp_path / "bin")
    return tmp_path


@pytest.fixture
def mirror(tmp_path):
    root = tmp_path / "mirror"
    root.mkdir()
    with serving(files(root)) as url:
        yield root, url


def archive(**members: bytes) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as tar:
        for name, content in members.items():
            entry = tarfile.TarInfo(f"./top/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def publish(mirror, name: str, content: bytes, version: str = "1.0", sha256: str | None = None, **files: str) -> dict:
    root, url = mirror
    (root / name).write_bytes(content)
    origin = {"url": f"{url}/{name}", "sha256": sha256 or hashlib.sha256(content).hexdigest(), "files": files}
    return {"component": "etcd", "version": version, "architectures": {name: origin for name in ("amd64", "arm64")}}


def test_an_archive_is_unpacked_and_linked(host, mirror):
    artifact = publish(mirror, "etcd.tar.gz", archive(etcd=b"server", etcdctl=b"client"), etcd="top/etcd", etcdctl="top/etcdctl")
    assert release.installed([artifact]) == {}
    release.install([artifact])
    assert release.installed([artifact]) == {"etcd": "1.0"}
    assert (host / "bin/etcd").read_bytes() == b"server"
    assert (host / "bin/etcdctl").stat().st_mode & 0o777 == 0o755


def test_a_version_that_was_prepared_is_switched_to_without_a_download(host, mirror):
    first, second = (publish(mirror, f"etcd-{version}", version.encode(), version, etcd="") for version in ("1.0", "1.1"))
    release.install([first])
    assert release.unprepared([first, second]) == [second]
    release.prepare([second])
    assert release.unprepared([second]) == [] and (host / "bin/etcd").read_bytes() == b"1.0"
    (mirror[0] / "etcd-1.1").unlink()
    release.install([second])
    assert (host / "bin/etcd").read_bytes() == b"1.1"
    assert release.unprepared([publish(mirror, "etcd-1.1", b"another", "1.1", etcd="")]) != [], "another pin"


def test_a_missing_symlink_is_repaired(host, mirror):
    artifact = publish(mirror, "etcd.tar.gz", archive(etcd=b"server", etcdctl=b"client"), etcd="top/etcd", etcdctl="top/etcdctl")
    release.install([artifact])
    (host / "bin/etcdctl").unlink()
    assert release.installed([artifact]) == {}
    release.install([artifact])
    assert (host / "bin/etcdctl").read_bytes() == b"client"


def test_the_version_of_each_component_is_that_of_its_symlinks(host, mirror):
    assert release.active() == {}
    for version in ("1.0", "1.1"):
        release.install([publish(mirror, "etcd.tar.gz", archive(etcd=version.encode(), etcdctl=b"client"), version, etcd="top/etcd", etcdctl="top/etcdctl")])
    assert release.active() == {"etcd": "1.1"}
    for name, target in {"sh": "/bin/sh", "local": "local", "other": host / "releases/other/main/other"}.items():
        (host / "bin" / name).symlink_to(target)
    (host / "bin/file").write_text("no link")
    assert release.active() == {"etcd": "1.1"}


def test_a_plain_program_needs_no_archive(host, mirror):
    release.install([publish(mirror, "kubelet", b"kubelet", kubelet="")])
    assert (host / "bin/kubelet").read_bytes() == b"kubelet"


def test_only_the_previous_version_is_kept(host, mirror):
    for version in ("1.0", "1.1", "1.2"):
        release.install([publish(mirror, "kubelet", version.encode(), version, kubelet="")])
    assert sorted(path.name for path in (host / "releases/etcd").iterdir()) == ["1.1", "1.2"]
    assert (host / "bin/kubelet").read_bytes() == b"1.2"


def test_the_previous_version_is_kept_when_the_active_one_is_repaired(host, mirror):
    for version in ("1.0", "1.1"):
        artifact = publish(mirror, "kubelet", version.encode(), version, kubelet="")
        release.install([artifact])
    (host / "bin/kubelet").write_bytes(b"damaged")
    release.install([artifact])
    assert sorted(path.name for path in (host / "releases/etcd").iterdir()) == ["1.0", "1.1"]
    assert (host / "bin/kubelet").read_bytes() == b"1.1"


def test_only_abandoned_directories_of_other_runs_are_removed(host, mirror):
    work, abandoned = (host / "releases/etcd" / name for name in (".1.0-at-work", ".1.0-abandoned"))
    for directory in (work, abandoned):
        directory.mkdir(parents=True)
    long_ago = time.time() - 2 * release.ABANDONED_AFTER_SECONDS
    os.utime(abandoned, (long_ago, long_ago))
    release.install([publish(mirror, "kubelet", b"kubelet", kubelet="")])
    assert sorted(path.name for path in (host / "releases/etcd").iterdir()) == [".1.0-at-work", "1.0"]


@pytest.mark.parametrize("damage", [b"", b"truncat", b"another content"])
def test_a_wrong_download_is_an_error_and_keeps_the_installed_version(host, mirror, damage):
    release.install([publish(mirror, "kubelet", b"good", kubelet="")])
    bad = publish(mirror, "kubelet", damage, "1.1", sha256="0" * 64, kubelet="")
    with pytest.raises(HostError, match=rf"/kubelet: expected sha256 {'0' * 64}, found {hashlib.sha256(damage).hexdigest()}"):
        release.install([bad])
    assert (host / "bin/kubelet").read_bytes() == b"good"
    assert [path.name for path in (host / "releases/etcd").iterdir()] == ["1.0"]


def test_a_truncated_archive_is_an_error(host, mirror):
    content = archive(etcd=b"server" * 10000)[:-40]
    with pytest.raises(HostError, match="not a complete tar archive|found no member"):
        release.install([publish(mirror, "etcd.tar.gz", content, etcd="top/etcd")])
    assert not (host / "bin").exists()


def test_a_missing_member_is_named(host, mirror):
    with pytest.raises(HostError, match="found no member top/etcdutl"):
        release.install([publish(mirror, "etcd.tar.gz", archive(etcd=b"x"), etcd="top/etcd", etcdutl="top/etcdutl")])


def test_a_missing_file_names_its_url(host, mirror):
    artifact = publish(mirror, "kubelet", b"x", kubelet="")
    (mirror[0] / "kubelet").unlink()
    with pytest.raises(HostError, match=r"/kubelet: .*404"):
        release.install([artifact])


def test_a_damaged_program_is_detected_and_repaired(host, mirror):
    artifact = publish(mirror, "kubelet", b"kubelet", kubelet="")
    release.install([artifact])
    (host / "bin/kubelet").write_bytes(b"kub")
    assert release.installed([artifact]) == {}
    release.install([artifact])
    assert (host / "bin/kubelet").read_bytes() == b"kubelet"


def test_changed_content_of_the_same_version_is_installed(host, mirror):
    release.install([publish(mirror, "kubelet", b"one", kubelet="")])
    other = publish(mirror, "kubelet", b"two", kubelet="")
    assert release.installed([other]) != release.wanted([other])
    release.install([other])
    assert (host / "bin/kubelet").read_bytes() == b"two"


@pytest.mark.parametrize("text", ["{sha}", "{sha}  kubelet\n", "{other}  v2/kubelet\n{sha} *v1/kubelet\n"])
def test_published_checksums_are_read(mirror, text):
    root, url = mirror
    (root / "SHA256SUMS").write_text(text.format(sha="A" * 64, other="b" * 64))
    assert release.published_checksum(f"{url}/SHA256SUMS", f"{url}/v1/kubelet") == "a" * 64


def test_a_file_without_a_published_checksum_is_refused(mirror):
    root, url = mirror
    (root / "SHA256SUMS").write_text("1234  other\n5678  another\n")
    with pytest.raises(HostError, match="SHA256SUMS: found no checksum for"):
        release.published_checksum(f"{url}/SHA256SUMS", f"{url}/kubelet")
    with pytest.raises(HostError, match="expected one of them to verify the download"):
        release.published_checksum(None, f"{url}/kubelet")


def test_a_server_gets_another_attempt(host, monkeypatch):
    """The first answers are an error, and the beginning of the checksum file and of the file."""
    content = b"kubelet" * 1000
    checksum = hashlib.sha256(content).hexdigest().encode()
    failures = {"/kubelet": [503, 10], "/kubelet.sha256": [503, 10]}
    monkeypatch.setattr(release.time, "sleep", lambda _seconds: None)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            body = checksum if self.path.endswith("sha256") else content
            failure = failures[self.path].pop(0) if failures[self.path] else len(body)
            self.send_response(failure if failure == 503 else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body[:failure])

    with serving(Handler) as url:
        origin = {"url": f"{url}/kubelet", "checksum_url": f"{url}/kubelet.sha256", "files": {"kubelet": ""}}
        release.install([{"component": "kubelet", "version": "1.0", "architectures": {release.architecture(): origin}}])
    assert (host / "bin/kubelet").read_bytes() == content
    assert failures == {"/kubelet": [], "/kubelet.sha256": []}
