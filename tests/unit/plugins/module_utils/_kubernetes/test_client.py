# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Where the client puts the private key of a kubeconfig."""

from __future__ import annotations

import os
import ssl

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes import client


class Context:
    """A TLS context that keeps what it loads."""

    def load_cert_chain(self, path):
        with open(path, "rb") as stream:
            self.path, self.content = path, stream.read()


@pytest.mark.parametrize("memory", [True, False])
def test_the_key_is_in_no_file_afterwards(memory, monkeypatch):
    if not memory:
        monkeypatch.delattr(os, "memfd_create")
    context = Context()
    client._load_client(context, b"key and certificate")
    assert context.content == b"key and certificate" and not os.path.exists(context.path)
    assert context.path.startswith("/proc/self/fd/") == memory


def test_descriptors_are_closed_after_an_error():
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(ssl.SSLError):
        client._load_client(ssl.create_default_context(), b"no PEM")
    assert len(os.listdir("/proc/self/fd")) == before
