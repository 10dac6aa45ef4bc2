# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The file of a bundle: what is written unpacks to files that pass, and nothing else does."""

from __future__ import annotations

import json
import subprocess
import tarfile
import zipfile

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._bundle import archive, lock, packages, signature, spdx
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError

FILES = {"etcd/3.6.16/amd64/etcd.tar.gz": b"etcd" * 1000, "runc/1.5.2/amd64/runc.amd64": b"runc" * 50_000, "wheels/index.html": b"etcd" * 1000}


def locked(tree, files=None, **changes):
    """Write files, and return their lock."""
    entries = {}
    for path, content in (files or FILES).items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_bytes(content)
        entries[path] = lock.File(lock.digest_of(content), len(content), "https://example.com/x", "Apache-2.0", "component")
    values = {
        "name": "cfcr-1.36.3", "made": "2026-11-30T02:00:00Z", "collection": "0.10.0", "architectures": ["amd64"], "distributions": ["bookworm"],
        "kubernetes": ["1.36.3"], "since": "", "files": entries,
    }  # fmt: skip
    return lock.Lock(**{**values, **changes})


@pytest.fixture(scope="module")
def keys(tmp_path_factory):
    directory = tmp_path_factory.mktemp("keys")
    for name in ("ours", "other"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(directory / name)], check=True)
    return directory


def unpacked(parts, directory):
    """Unpack a bundle as its document says: cat <parts> | tar --extract --gzip."""
    directory.mkdir(exist_ok=True)
    subprocess.run(["tar", "-xz", "-C", str(directory)], input=b"".join(part.read_bytes() for part in parts), check=True)
    return directory


def test_lock_survives_a_round_trip(tmp_path):
    assert lock.parse(lock.render(locked(tmp_path))) == locked(tmp_path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": 2}, "found format 2, expected 1: use the version of the collection"),
        ({"files": [{"path": "../etc/passwd", "sha256": "a" * 64, "size": 1, "url": "", "licence": "", "purpose": ""}]}, "'../etc/passwd'"),
        ({"files": [{"path": "/etc/passwd", "sha256": "a" * 64, "size": 1, "url": "", "licence": "", "purpose": ""}]}, "'/etc/passwd'"),
        ({"files": [{"path": "x", "sha256": "a/b", "size": 1, "url": "", "licence": "", "purpose": ""}]}, "'a/b'"),
        ({"files": None}, "found no lock of a bundle"),
    ],
)
def test_what_is_no_lock_is_refused(tmp_path, changes, message):
    text = json.dumps({**json.loads(lock.render(locked(tmp_path))), **changes})
    with pytest.raises(HostError, match=message):
        lock.parse(text.encode())


def test_text_that_is_no_lock_is_refused():
    with pytest.raises(HostError, match="bundle.json: found no lock of a bundle"):
        lock.parse(b"<html>")


def test_bundle_unpacks_to_files_that_pass(tmp_path):
    made = locked(tmp_path / "tree")
    parts = archive.write(tmp_path / "x.tar.gz", made, b"signature", archive.delta(made, None), tmp_path / "tree")
    assert parts == archive.existing(tmp_path / "x.tar.gz") == [tmp_path / "x.tar.gz"]
    directory = unpacked(parts, tmp_path / "unpacked")
    assert lock.parse((directory / lock.LOCK).read_bytes()) == made
    assert (directory / signature.SIGNATURE).read_bytes() == b"signature"
    assert lock.broken(directory, made) == {}
    assert len(list((directory / lock.BLOBS).iterdir())) == 2  # two files have the same content
    # It is a mirror, too.
    assert all((directory / lock.MIRROR / path).read_bytes() == content for path, content in FILES.items())
    with tarfile.open(parts[0]) as written:
        assert {(entry.uid, entry.mtime, entry.mode) for entry in written} == {(0, 0, 0o644)}


def test_same_files_give_the_same_bytes(tmp_path):
    made = locked(tmp_path / "tree")
    arguments = (made, b"signature", archive.delta(made, None), tmp_path / "tree")
    archive.write(tmp_path / "a.tar.gz", *arguments)
    archive.write(tmp_path / "b.tar.gz", *arguments)
    assert (tmp_path / "a.tar.gz").read_bytes() == (tmp_path / "b.tar.gz").read_bytes()


def test_parts_have_their_size_and_make_the_file(tmp_path):
    made = locked(tmp_path / "tree")
    arguments = (made, b"signature", archive.delta(made, None), tmp_path / "tree")
    (whole,) = archive.write(tmp_path / "x.tar.gz", *arguments)
    content = whole.read_bytes()
    parts = archive.write(whole, *arguments, part_size=500)
    assert not whole.exists() and archive.existing(whole) == parts
    assert [part.name for part in parts[:2]] == ["x.tar.gz.000", "x.tar.gz.001"]
    assert {part.stat().st_size for part in parts[:-1]} == {500}
    assert b"".join(part.read_bytes() for part in parts) == content
    # Parts of a former run do not stay.
    assert archive.write(whole, *arguments) == archive.existing(whole) == [whole]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["tree", "x.tar.gz"]


def test_parts_are_not_too_many(tmp_path):
    made = locked(tmp_path / "tree")
    with pytest.raises(HostError, match="bundle_part_size: found 1 bytes, expected more"):
        archive.write(tmp_path / "x.tar.gz", made, b"", archive.delta(made, None), tmp_path / "tree", part_size=1)
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


def test_delta_completes_the_older_bundle_only(tmp_path):
    old = locked(tmp_path / "tree")
    new = locked(tmp_path / "tree", {**FILES, "runc/1.5.3/amd64/runc.amd64": b"new"}, since="a" * 64)
    blobs = archive.delta(new, old)
    assert list(blobs.values()) == ["runc/1.5.3/amd64/runc.amd64"]
    directory = unpacked(archive.write(tmp_path / "new.tar.gz", new, b"", blobs, tmp_path / "tree"), tmp_path / "unpacked")
    assert sorted(lock.broken(directory, new)) == sorted(FILES)
    unpacked(archive.write(tmp_path / "old.tar.gz", old, b"", archive.delta(old, None), tmp_path / "tree"), directory)
    assert lock.broken(directory, new) == {}


def test_flipped_bit_is_found_with_the_name_of_the_file(tmp_path):
    made = locked(tmp_path / "tree")
    directory = unpacked(
        archive.write(tmp_path / "x.tar.gz", made, b"", archive.delta(made, None), tmp_path / "tree"), tmp_path / "unpacked"
    )
    path = lock.blob(directory, made.files["runc/1.5.2/amd64/runc.amd64"].sha256)
    content = bytearray(path.read_bytes())
    content[12345] ^= 1
    path.write_bytes(content)
    assert lock.broken(directory, made) == {"runc/1.5.2/amd64/runc.amd64": lock.digest_of(content)}
    path.unlink()
    assert lock.broken(directory, made) == {"runc/1.5.2/amd64/runc.amd64": "no readable blob (No such file or directory)"}


def test_file_that_changes_meanwhile_leaves_nothing(tmp_path):
    made = locked(tmp_path / "tree")
    (tmp_path / "tree/runc/1.5.2/amd64/runc.amd64").write_bytes(b"fake" * 50_000)
    with pytest.raises(HostError, match="runc.amd64: found other content than a moment ago"):
        archive.write(tmp_path / "x.tar.gz", made, b"", archive.delta(made, None), tmp_path / "tree", part_size=500)
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


def test_signature_of_a_signer_passes(tmp_path, keys):
    path = tmp_path / "sig"
    path.write_bytes(signature.sign(b"text", str(keys / "ours")))
    ours, other = (signature.public_key(str(keys / name)) for name in ("ours", "other"))
    signature.verify(b"text", path, [other, ours])
    for text, signers in ((b"Text", [ours]), (b"text", [other]), (b"text", [])):
        with pytest.raises(HostError, match="sig: found no signature of the lock by a key in cluster_bundle_signers"):
            signature.verify(text, path, signers)
    path.unlink()
    with pytest.raises(HostError, match="found no signature, expected one"):
        signature.verify(b"text", path, [ours])


def test_signature_for_another_purpose_is_refused(tmp_path, keys):
    (tmp_path / "text").write_bytes(b"text")
    subprocess.run(["ssh-keygen", "-Y", "sign", "-q", "-f", str(keys / "ours"), "-n", "git", str(tmp_path / "text")], check=True)
    with pytest.raises(HostError, match="namespace"):
        signature.verify(b"text", tmp_path / "text.sig", [signature.public_key(str(keys / "ours"))])


def test_key_with_a_passphrase_is_refused_without_a_question(tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "secret phrase", "-f", str(tmp_path / "key")], check=True)
    assert signature.is_public_key(signature.public_key(str(tmp_path / "key")))
    with pytest.raises(HostError, match="bundle_signing_key: .* A key with a passphrase must be in an agent"):
        signature.sign(b"text", str(tmp_path / "key"))


def test_public_keys(keys):
    assert signature.public_key(str(keys / "ours.pub")) == (keys / "ours.pub").read_text().strip()
    assert signature.is_public_key((keys / "ours.pub").read_text())
    assert not signature.is_public_key((keys / "ours").read_text())
    assert not signature.is_public_key("ssh-ed25519 AAAA\nssh-ed25519 BBBB")


def test_spdx_lists_every_file(tmp_path):
    made = locked(tmp_path)
    purl = made.files["wheels/index.html"]._replace(url="pkg:pypi/idna@3.10", licence="BSD-3-Clause")
    document = json.loads(spdx.document(made._replace(files={**made.files, "wheels/idna.whl": purl}), "0.10.0"))
    assert document["creationInfo"] == {"created": "2026-11-30T02:00:00Z", "creators": ["Tool: cfcr.kubernetes-0.10.0"]}
    (wheel,) = [package for package in document["packages"] if package["name"] == "wheels/idna.whl"]
    assert wheel["licenseDeclared"] == "BSD-3-Clause" and wheel["downloadLocation"] == "NOASSERTION"
    assert wheel["externalRefs"][0]["referenceLocator"] == "pkg:pypi/idna@3.10"
    assert len({package["SPDXID"] for package in document["packages"]}) == len(document["relationships"]) == 4


@pytest.mark.parametrize(
    ("metadata", "licence"),
    [
        ("License-Expression: Apache-2.0 OR BSD-3-Clause", "Apache-2.0 OR BSD-3-Clause"),
        ("License: MIT", "MIT"),
        ("License: Copyright (c) 2020, all of us\nClassifier: License :: OSI Approved :: MIT License", "MIT"),
        ("Name: x", "NOASSERTION"),
    ],
)
def test_licences_of_wheels(tmp_path, metadata, licence):
    path = tmp_path / "PyYAML-6.0.3-cp311-cp311-x.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        wheel.writestr("PyYAML-6.0.3.dist-info/METADATA", f"Metadata-Version: 2.4\n{metadata}\n\nLicense: GPL\n")
    found = packages.described(f"wheels/{path.name}", path, "a" * 64)
    assert (found.url, found.licence) == ("pkg:pypi/pyyaml@6.0.3", licence)


def test_origins_of_debian_packages(tmp_path):
    path = tmp_path / "x"
    path.write_bytes(b"")
    found = packages.described("packages/noble/amd64/bind9_1%3a9.18-0+deb12u1_amd64.deb", path, "a" * 64)
    assert found.url == "pkg:deb/ubuntu/bind9@1%3A9.18-0+deb12u1?arch=amd64&distro=noble"
    assert packages.described("packages/noble/amd64/Packages", path, "a" * 64).purpose == "index"
