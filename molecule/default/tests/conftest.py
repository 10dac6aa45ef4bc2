# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""etcdctl for the tests, with client certificates of other hosts."""

from __future__ import annotations

import pytest


@pytest.fixture
def etcdctl(host):
    """Run etcdctl on a member with the client certificate of another host."""
    directory = host.check_output("mktemp --directory")

    def run(owner, certificate: str, *arguments: str):
        for suffix in ("crt", "key"):
            content = owner.file(f"{certificate}.{suffix}").content_string
            host.run_expect([0], f"umask 077; cat > {directory}/client.{suffix} <<'EOF'\n{content}EOF")
        environment = f"ETCDCTL_CACERT=/etc/etcd/pki/ca.crt ETCDCTL_CERT={directory}/client.crt ETCDCTL_KEY={directory}/client.key"
        return host.run(f"{environment} /opt/cfcr/bin/etcdctl --endpoints https://127.0.0.1:2379 {' '.join(arguments)}")

    yield run
    host.run_expect([0], f"rm -r {directory}")
