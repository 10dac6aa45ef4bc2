# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Detection of kernel features, with a simulated kernel."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._host import kernel_features

FEATURES = ("overlay", "br_netfilter", "vxlan", "nftables")


@pytest.fixture
def kernel(tmp_path, monkeypatch):
    """Return a function that simulates a kernel with these features and answers of modprobe and nftables."""

    def features(*traces, modprobe=None, may_load=True, nftables=False, filesystems="nodev\tproc\n"):
        (tmp_path / "proc").mkdir()
        (tmp_path / "proc/filesystems").write_text(filesystems)
        for trace in traces:
            (tmp_path / trace).mkdir(parents=True)

        def run(*arguments):
            if arguments[-1] not in (modprobe or {}):
                raise HostError("modprobe: it or the module is missing")
            return modprobe[arguments[-1]]

        monkeypatch.setattr(kernel_features, "run", run)
        monkeypatch.setattr(kernel_features, "_may_load_modules", lambda: may_load)
        monkeypatch.setattr(kernel_features, "_nftables_answers", lambda: nftables)
        return kernel_features.kernel_features(tmp_path)

    return features


def test_a_kernel_without_features(kernel):
    assert kernel() == dict.fromkeys(FEATURES, "missing")


def test_features_are_detected_without_modprobe(kernel):
    found = kernel("sys/module/vxlan", "proc/sys/net/bridge/bridge-nf-call-iptables", filesystems="nodev\toverlay\n", nftables=True)
    assert found == dict.fromkeys(FEATURES, "present")


def test_features_are_detected_by_loaded_modules(kernel):
    assert kernel(*(f"sys/module/{module}" for module in ("overlay", "br_netfilter", "vxlan", "nf_tables"))) == dict.fromkeys(FEATURES, "present")


@pytest.mark.parametrize(
    ("answer", "may_load", "expected"),
    [
        ("insmod /lib/modules/6.1/kernel/udp_tunnel.ko \ninsmod /lib/modules/6.1/kernel/vxlan.ko \n", True, "loadable"),
        ("insmod /lib/modules/6.1/kernel/vxlan.ko \n", False, "missing"),
        ("builtin vxlan\n", False, "present"),
        ("install /bin/false \n", True, "missing"),
    ],
)
def test_features_are_detected_by_modprobe(kernel, answer, may_load, expected):
    assert kernel(modprobe={"vxlan": answer}, may_load=may_load)["vxlan"] == expected


def test_features_of_the_running_kernel_have_valid_states():
    assert set(kernel_features.kernel_features().values()) <= {"present", "loadable", "missing"}
