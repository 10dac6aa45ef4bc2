# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Writing every Secret again, page by page, while others write and delete."""

from __future__ import annotations

import threading

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import KubernetesError
from ansible_collections.cfcr.kubernetes.plugins.modules import secret_rewrite


class Cluster:
    """A cluster's Secrets; some are written by somebody else, some deleted, when they are to be written."""

    def __init__(self, names, conflicts=(), gone=(), broken=()):
        self.names, self.conflicts, self.gone, self.broken = names, conflicts, gone, broken
        self.written, self.lock = [], threading.Lock()

    def request(self, method, path, body=None, headers=None, **query):
        if method == "GET":
            begin = int(query["continue"] or 0)
            end = begin + query["limit"]
            items = [{"metadata": {"name": name, "namespace": "default", "resourceVersion": "7"}, "data": {}} for name in self.names[begin:end]]
            return {"items": items, "metadata": {"continue": str(end)} if end < len(self.names) else {}}
        name = path.rpartition("/")[2]
        assert (path, body["metadata"]["resourceVersion"]) == (f"/api/v1/namespaces/default/secrets/{name}", "7")
        if name in self.conflicts:
            raise KubernetesError("409 the object has been modified", 409)
        if name in self.broken:
            raise KubernetesError("403 forbidden", 403)
        if name in self.gone:
            return None
        with self.lock:
            self.written.append(name)
        return body


NAMES = [f"secret-{number}" for number in range(7)]


@pytest.mark.parametrize("page", [1, 3, 7, 100])
def test_all_are_written_whatever_the_pages(page):
    cluster = Cluster(NAMES)
    assert secret_rewrite.rewrite(lambda: cluster, page, connections=3) == {"written": 7, "left": 0}
    assert sorted(cluster.written) == NAMES


def test_what_others_write_or_delete_is_left_to_them():
    cluster = Cluster(NAMES, conflicts=["secret-1"], gone=["secret-2"])
    assert secret_rewrite.rewrite(lambda: cluster, 3, connections=2) == {"written": 5, "left": 2}


def test_a_refusal_is_an_error():
    with pytest.raises(KubernetesError, match="forbidden"):
        secret_rewrite.rewrite(lambda: Cluster(NAMES, broken=["secret-3"]), 3, connections=2)
