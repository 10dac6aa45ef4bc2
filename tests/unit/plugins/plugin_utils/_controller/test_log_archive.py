# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Log archives of dishonest hosts: accepted files, refused archives, and no effect on other hosts."""

from __future__ import annotations

import base64
import gzip
import io
import tarfile
import tracemalloc

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host.log_package import pack
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._controller import log_archive
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._controller.log_archive import merge
from hypothesis import given, settings
from hypothesis import strategies as st

NOW = 1_700_000_000
HONEST = base64.b64encode(pack({"journal/x.log": "fine\n", "state/disks.txt": "full\n"}, 0)[0]).decode()
HONEST_FILES = {"good/journal/x.log": b"fine\n", "good/state/disks.txt": b"full\n"}


def member(name, content=b"x", **attributes):
    made = tarfile.TarInfo(name)
    made.size = len(content)
    for attribute, value in attributes.items():
        setattr(made, attribute, value)
    return made, content


def tar(*members, format=tarfile.USTAR_FORMAT):
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w", format=format) as archive:
        for made, content in members:
            archive.addfile(made, io.BytesIO(content))
    return packed.getvalue()


def sent(content):
    """Return a tar file as a host sends it."""
    return base64.b64encode(gzip.compress(content, 1)).decode()


def files(content):
    with tarfile.open(fileobj=io.BytesIO(content), mode="r:gz") as archive:
        for made in archive.getmembers():
            assert (made.isreg(), made.mode, made.mtime, made.uid, made.gid, made.pax_headers) == (True, 0o600, NOW, 0, 0, {})
            assert (made.uname, made.gname, made.linkname) == ("", "", "")
        return {made.name: archive.extractfile(made).read() for made in archive.getmembers()}


def refused(archive):
    """Return why an archive between two honest ones is refused."""
    merged = merge({"good": HONEST, "evil": archive, "well": HONEST}, NOW)
    assert files(merged.content) == {**HONEST_FILES, **{name.replace("good", "well"): text for name, text in HONEST_FILES.items()}}
    assert merged.files == 4
    assert list(merged.refused) == ["evil"]
    assert merged.refused["evil"].isprintable()
    return merged.refused["evil"]


def test_one_archive_has_a_directory_for_each_host():
    merged = merge({"good": HONEST, "etcd-1": HONEST}, NOW)
    assert files(merged.content) == {**HONEST_FILES, "etcd-1/journal/x.log": b"fine\n", "etcd-1/state/disks.txt": b"full\n"}
    assert (merged.files, merged.refused) == (4, {})


@pytest.mark.parametrize(
    ("name", "taken"),
    [
        ("../../etc/passwd", "evil/etc/passwd"),
        ("/etc/passwd", "evil/etc/passwd"),
        ("//etc//passwd", "evil/etc/passwd"),
        ("./a/../b/.", "evil/a/b"),
        ("..\\..\\autoexec.bat", "evil/.._.._autoexec.bat"),
        ("a\x1b[2Jb\nc\x7f", "evil/a_[2Jb_c_"),
        ("a\u202eb", "evil/a_b"),
        ("a\udcffb", "evil/a_b"),
        ("d/" * 70 + "x" * 100, "evil/" + "d/" * 70 + "x" * 100),
    ],
)
def test_a_host_does_not_choose_where_its_files_go(name, taken):
    merged = merge({"evil": sent(tar(member(name)))}, NOW)
    assert (list(files(merged.content)), merged.files, merged.refused) == ([taken], 1, {})


def test_a_host_does_not_choose_mode_owner_or_time():
    evil = member("x", mode=0o4755, uid=7, gid=7, uname="root", gname="root", mtime=2**33 - 1)
    assert files(merge({"evil": sent(tar(evil))}, NOW).content) == {"evil/x": b"x"}


@pytest.mark.parametrize("kind", [tarfile.LNKTYPE, tarfile.SYMTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE])
def test_only_plain_files_are_taken(kind):
    link = member("link", b"", type=kind, linkname="/etc/shadow")
    merged = merge({"evil": sent(tar(link, member("x")))}, NOW)
    assert files(merged.content) == {"evil/x": b"x"}
    assert (merged.files, merged.refused) == (1, {})


@pytest.mark.parametrize(
    "evil",
    [
        pytest.param(tar(member("a", pax_headers={"path": "../../x"}), format=tarfile.PAX_FORMAT), id="another name"),
        pytest.param(tar(member("a", pax_headers={"size": "999999999999"}), format=tarfile.PAX_FORMAT), id="another size"),
        pytest.param(tar(member("a", pax_headers={"x": "y" * 1_000_000}), format=tarfile.PAX_FORMAT), id="a large header"),
        pytest.param(
            tar(member("a", b"99999999999\n1\n", pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0"}), format=tarfile.PAX_FORMAT),
            id="a sparse file with an endless map",
        ),
        pytest.param(tar(member("a", b"", type=tarfile.GNUTYPE_SPARSE)), id="a sparse file of GNU tar"),
        pytest.param(tar(member("a" * 300), format=tarfile.GNU_FORMAT), id="a long name of GNU tar"),
        pytest.param(tar(member("a", b"", type=tarfile.XGLTYPE)), id="a header for all"),
        pytest.param(tar(member("a", b"", type=b"\x1b")), id="a type that nobody knows"),
    ],
)
def test_extended_headers_are_refused(evil):
    assert refused(sent(evil)).endswith("expected plain files without extended headers")


def test_no_member_hides_another_one():
    assert refused(sent(tar(member("journal/x"), member("./journal//x")))) == "found two files journal/x"
    assert refused(sent(tar(member("journal"), member("journal/x")))) == "found journal both as a file and as a directory"
    assert refused(sent(tar(member("journal/x"), member("journal")))) == "found journal both as a file and as a directory"


@pytest.mark.parametrize("name", ["..", "/", "./."])
def test_a_file_without_a_name_is_refused(name):
    assert refused(sent(tar(member(name)))) == "found a file without a name"


PACKED = gzip.compress(tar(member("a", b"abc" * 1000)))


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        pytest.param({"a": 1}, "found no text, expected base64", id="no text"),
        pytest.param("%%%%", "found a text that is not base64", id="no base64"),
        pytest.param("é", "found a text that is not base64", id="no ASCII"),
        pytest.param(HONEST[:-3], "found a text that is not base64", id="base64 that is cut off"),
        pytest.param(base64.b64encode(b"x").decode(), "found a damaged or truncated gzip file", id="no gzip"),
        pytest.param(base64.b64encode(PACKED[:-4]).decode(), "found a damaged or truncated gzip file", id="no length at the end of gzip"),
        pytest.param(base64.b64encode(PACKED[:40]).decode(), "found a damaged or truncated gzip file", id="gzip that is cut off"),
        pytest.param(base64.b64encode(PACKED[:-8] + b"12345678").decode(), "found a damaged or truncated gzip file", id="a wrong checksum"),
        pytest.param(base64.b64encode(PACKED + b"more").decode(), "found a damaged or truncated gzip file", id="something behind gzip"),
        pytest.param(base64.b64encode(PACKED[:20] + b"\xff" * 20 + PACKED[40:]).decode(), "found a damaged or truncated gzip file", id="damaged deflate"),
        pytest.param(sent(b""), "found a truncated tar file", id="nothing"),
        pytest.param(sent(b"\0" * 100), "found a truncated tar file", id="less than a block"),
        pytest.param(sent(tar(member("a"))[:1024]), "found a truncated tar file", id="no end of tar"),
        pytest.param(sent(tar(member("a", b"x" * 2000))[:1200]), "found a truncated tar file", id="less content than its header says"),
        pytest.param(sent(b"no tar" * 1000), "found a broken tar header", id="no tar"),
        pytest.param(sent(tar(member("a"))[:100]), "found a broken tar header", id="a header that is cut off"),
    ],
)
def test_what_is_damaged_is_refused(archive, reason):
    assert refused(archive).startswith(reason)


@pytest.mark.parametrize("size", [-1, 2**33, 2**62])
def test_a_size_that_cannot_be_is_refused(size):
    header = tarfile.TarInfo("a")
    header.size = size
    assert refused(sent(header.tobuf(tarfile.GNU_FORMAT))) == "found more than 200000000 bytes unpacked"


def zeros(before):
    """Return 30 MB in 130 KB: something, and zeros behind it."""
    return base64.b64encode(gzip.compress(before + bytes(30_000_000), 1)).decode()


CLAIMING = tarfile.TarInfo("a")
CLAIMING.size = 19_000_000


@pytest.mark.parametrize(
    "before",
    [
        pytest.param(CLAIMING.tobuf() + bytes(CLAIMING.size - CLAIMING.size % -512) + CLAIMING.tobuf(), id="in files"),
        pytest.param(tar(member("a")), id="behind the end"),
    ],
)
def test_a_bomb_is_not_unpacked(before, monkeypatch):
    archive = zeros(before)
    monkeypatch.setattr(log_archive, "MOST_BYTES", 20_000_000)
    tracemalloc.start()
    try:
        assert refused(archive) == "found more than 20000000 bytes unpacked"
        assert tracemalloc.get_traced_memory()[1] < 5_000_000
    finally:
        tracemalloc.stop()


def test_the_size_that_is_sent_is_limited(monkeypatch):
    monkeypatch.setattr(log_archive, "MOST_PACKED_BYTES", 1000)
    assert refused(base64.b64encode(bytes(1001)).decode()) == "found 1001 bytes, expected at most 1000"


def test_the_number_of_files_is_limited_whatever_they_are(monkeypatch):
    monkeypatch.setattr(log_archive, "MOST_FILES", 10)
    links = [member(f"{number}", b"", type=tarfile.SYMTYPE) for number in range(9)]
    assert merge({"good": sent(tar(*links, member("x")))}, NOW).files == 1
    assert refused(sent(tar(*links, member("x"), member("y")))) == "found more than 10 files"


FIELDS = st.fixed_dictionaries(
    {
        "name": st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=30),
        "type": st.binary(min_size=1, max_size=1),
        "mode": st.integers(0, 0o7777),
        "linkname": st.text("/.a", max_size=10),
    }
)


@settings(max_examples=200, database=None, deadline=None)
@given(st.lists(st.tuples(FIELDS, st.binary(max_size=700)), max_size=4), st.lists(st.tuples(st.integers(0, 6000), st.integers(0, 255)), max_size=3))
def test_whatever_a_host_sends_its_files_are_plain_and_below_its_directory(members, damages):
    content = bytearray(tar(*(member(content=text, **fields) for fields, text in members)))
    for place, value in damages:
        content[place % len(content)] = value
    merged = merge({"good": HONEST, "evil": sent(bytes(content))}, NOW)
    taken = files(merged.content)
    assert {name: text for name, text in taken.items() if name.startswith("good/")} == HONEST_FILES
    evil = [name for name in taken if not name.startswith("good/")]
    assert all(name.startswith("evil/") and name.isprintable() and ".." not in name.split("/") for name in evil)
    assert len(taken) == merged.files
    assert not (evil and merged.refused)


@settings(max_examples=200, database=None, deadline=None)
@given(st.one_of(st.text(), st.binary().map(lambda raw: base64.b64encode(raw).decode()), st.binary().map(sent), st.integers(), st.lists(st.text())))
def test_whatever_is_no_archive_is_refused(archive):
    assert refused(archive)
