# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Formats of published checksums."""

from __future__ import annotations

import json

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._artifacts.checksums import published

A, B = "a" * 64, "b" * 64
KUBELET = "https://mirror/kubelet/1.36.3/arm64/kubelet"
SIGNED = f"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n{A}  runc.amd64\n{B} *runc.arm64\n-----BEGIN PGP SIGNATURE-----\n\niQ=\n"
GITHUB = json.dumps({"assets": [{"name": "old", "digest": None}, {"name": "f.tar.gz", "digest": f"sha256:{A}"}]})


@pytest.mark.parametrize(
    ("text", "url", "expected"),
    [
        pytest.param(A.upper() + "\n", KUBELET, A, id="one bare checksum"),
        pytest.param(f"{A}  kubelet\n", KUBELET, A, id="a line by name"),
        pytest.param(SIGNED, "https://host/v1.5.2/runc.arm64", B, id="binary mode in a signed message"),
        pytest.param(f"{A}  kubelet/1.36.3/amd64/kubelet\n{B}  kubelet/1.36.3/arm64/kubelet\n", KUBELET, B, id="lines by path"),
        pytest.param(f"{A}  ./f.tgz\n", "https://host/f.tgz", A, id="a path as find prints it"),
        pytest.param(f"{A}  kubelet/1.36.3/amd64/kubelet\n", KUBELET, None, id="the same name on another path"),
        pytest.param(f"{A}  f.tgz.asc\n", "https://host/f.tgz", None, id="a longer name"),
        pytest.param(f"{A}  gz\n", "https://host/f.tgz", None, id="the end of a name"),
        pytest.param(GITHUB, "https://host/f.tar.gz", A, id="GitHub's description"),
        pytest.param(GITHUB, "https://host/old", None, id="a file without digest in GitHub's description"),
        pytest.param("<html>Not found</html>", KUBELET, None, id="something else"),
        pytest.param('{"assets": [', KUBELET, None, id="torn JSON"),
        pytest.param("", KUBELET, None, id="nothing"),
    ],
)
def test_the_published_checksum_of_a_url_is_found(text: str, url: str, expected: str | None) -> None:
    assert published(text, url) == expected
