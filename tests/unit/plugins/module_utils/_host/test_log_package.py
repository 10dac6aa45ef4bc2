# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Logs are shortened to the size that a host may send."""

from __future__ import annotations

import base64
import io
import random
import tarfile

from ansible_collections.cfcr.kubernetes.plugins.module_utils._host import log_package
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host.log_package import LEFT_OUT, pack
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._controller import log_archive
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._controller.log_archive import merge
from hypothesis import given, settings
from hypothesis import strategies as st


def unpacked(packed):
    with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as archive:
        assert not [member.name for member in archive.getmembers() if member.pax_headers or not member.isreg()]
        return {member.name: archive.extractfile(member).read().decode() for member in archive}


def test_everything_is_sent_within_the_limit():
    texts = {"journal/a.log": "1\n2\n", "state/disks.txt": "full é"}
    packed, files = pack(texts, 7)
    assert unpacked(packed) == texts
    assert files == sorted(texts)


def test_the_largest_texts_lose_their_first_lines():
    texts = {"journal/a.log": "".join(f"{n:04}\n" for n in range(1000)), "journal/b.log": "".join(f"{n:09}\n" for n in range(150)), "state/x": "x" * 300}
    packed, files = pack(texts, 7, most=3000)
    sent = unpacked(packed)
    assert files == sorted(sent) == sorted([*texts, LEFT_OUT])
    assert sent["state/x"] == texts["state/x"]
    assert sent["journal/a.log"] == "".join(f"{n:04}\n" for n in range(730, 1000))
    assert sent["journal/b.log"] == "".join(f"{n:09}\n" for n in range(15, 150))
    assert sent[LEFT_OUT] == "journal/a.log: the first 3650 of 5000 bytes\njournal/b.log: the first 150 of 1500 bytes\n"


def test_texts_are_shortened_until_the_package_is_small_enough():
    noise = base64.b64encode(random.Random(1).randbytes(300_000)).decode()
    journal = "".join(f"{noise[at : at + 80]}\n" for at in range(0, len(noise), 80))
    packed, files = pack({"journal/a.log": journal, "state/x": "fine"}, 7, most_packed=100_000)
    sent = unpacked(packed)
    assert 50_000 < len(packed) <= 100_000
    assert files == ["journal/a.log", LEFT_OUT, "state/x"]
    assert sent["state/x"] == "fine"
    assert journal.endswith("\n" + sent["journal/a.log"])
    gone = len(journal) - len(sent["journal/a.log"])
    assert sent[LEFT_OUT] == f"journal/a.log: the first {gone} of {len(journal)} bytes\n"


def test_a_line_is_never_cut():
    packed, _files = pack({"journal/a.log": "first\n" + "x" * 5000}, 7, most=100)
    assert unpacked(packed) == {"journal/a.log": "", LEFT_OUT: "journal/a.log: the first 5006 of 5006 bytes\n"}


def test_a_name_that_is_too_long_is_left_out_and_reported():
    name = f"configuration/{'n' * 120}"
    packed, files = pack({name: "x", "state/x": "fine"}, 7)
    assert unpacked(packed) == {"state/x": "fine", LEFT_OUT: f"{name}: all of it, the name is too long\n"}
    assert files == [LEFT_OUT, "state/x"]


@settings(max_examples=50, database=None, deadline=None)
@given(st.dictionaries(st.sampled_from([f"journal/{letter}.log" for letter in "abcdef"]), st.text("xyé\n", max_size=400)), st.integers(0, 1000))
def test_the_package_keeps_the_limit_and_the_last_lines(texts, most):
    packed, _files = pack(texts, 7, most=most)
    sent = unpacked(packed)
    left_out = sent.pop(LEFT_OUT, "")
    assert sum(len(text.encode()) for text in sent.values()) <= most
    assert set(sent) == set(texts)
    assert all(texts[name].endswith(text) for name, text in sent.items())
    assert left_out.count("\n") == sum(texts[name] != text for name, text in sent.items())
    assert not merge({"host": base64.b64encode(packed).decode()}, 7).refused


def test_the_largest_package_is_accepted_by_the_controller():
    assert log_package.MOST_PACKED_BYTES < log_archive.MOST_PACKED_BYTES
    # A header and padding for each file.
    assert log_package.MOST_BYTES + log_archive.MOST_FILES * 2 * tarfile.BLOCKSIZE < log_archive.MOST_BYTES
