# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._etcd.wal import Identity, identity


def write(directory, content, name="0000000000000000-0000000000000000.wal"):
    (directory / "member" / "wal").mkdir(parents=True)
    (directory / "member" / "wal" / name).write_bytes(content)


def number(value):
    encoded = b""
    while value > 0x7F:
        encoded, value = encoded + bytes([value & 0x7F | 0x80]), value >> 7
    return encoded + bytes([value])


def frame(record):
    padding = -len(record) % 8
    field = len(record) | ((0x80 | padding) << 56 if padding else 0)
    return field.to_bytes(8, "little") + record + bytes(padding)


def log(member, cluster):
    metadata = b"\x08" + number(member) + b"\x10" + number(cluster)
    checksum = b"\x08\x04\x10\x00"
    return frame(checksum) + frame(b"\x08\x01\x10" + number(12345) + b"\x1a" + number(len(metadata)) + metadata) + bytes(64)


@pytest.mark.parametrize("numbers", [(1, 2), (0x8E9E05C52164694D, 0xCDF818194E3A8C32), (2**64 - 1, 127)])
def test_member_and_cluster_ids_are_read(tmp_path, numbers):
    write(tmp_path, log(*numbers))
    assert identity(str(tmp_path)) == Identity(*numbers)


def test_a_directory_without_a_log_has_no_data(tmp_path):
    assert identity(str(tmp_path)) is None
    (tmp_path / "member" / "snap").mkdir(parents=True)
    assert identity(str(tmp_path)) is None
    write(tmp_path, b"", "0.tmp")
    assert identity(str(tmp_path)) is None


@pytest.mark.parametrize("content", [b"", b"x" * 50, bytes(4096), log(1, 2)[:20]])
def test_a_file_that_is_not_a_log_is_refused(tmp_path, content):
    write(tmp_path, content)
    with pytest.raises(HostError, match="expected a segment of a write-ahead log"):
        identity(str(tmp_path))
