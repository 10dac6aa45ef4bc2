# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""After a run that was killed at any point, the next one ends in the state of an undisturbed one, and health has no finding.

CFCR_INTERRUPTIONS=all tries all points, beginning with number CFCR_INTERRUPTIONS_FROM. Otherwise it is one point of each kind.
"""

from __future__ import annotations

import datetime
import json
import os
import random

import expired
import points
from cryptography import x509
from playbook import succeed
from scenario import CLUSTER, DIRECTORY, ROOT, addresses, api_answers, run

testinfra_hosts = ["ansible://etcd-0?force_ansible=False"]

ALL = os.environ.get("CFCR_INTERRUPTIONS") == "all"
FROM = int(os.environ.get("CFCR_INTERRUPTIONS_FROM", "1"))
SEED = int(os.environ.get("CFCR_INTERRUPTIONS_SEED", "20261129"))
CHANGED = {
    "etcd_quota_mib": 2304,
    "flannel_flags": {"v": 1},
    "master_kube_apiserver_flags": {"v": 1},
    "master_kube_scheduler_flags": {"v": 1},
    "worker_kubelet_configuration": {"maxPods": 99},
    "worker_node_labels": {"example.org/changed": "yes"},
    "kube_proxy_configuration": {"nodePortAddresses": ["primary"]},
    "dns_aliases": [{"name": "changed", "group": "master"}],
    "cluster_api_alternative_names": ["changed.example.org"],
    "addons_resolvers": ["10.30.14.1"],
    "proxy_listeners": [{"name": "changed", "port": 8080, "node_port": 30081}],
}
COUNTED = {"points": 0}


def chosen(found: list[str], seed: str) -> list[tuple[int, str]]:
    """Return the points to try, with their numbers over all kinds."""
    numbered = list(enumerate(found, COUNTED["points"] + 1))
    COUNTED["points"] += len(found)
    return [entry for entry in numbered if entry[0] >= FROM] if ALL else [random.Random(f"{SEED} {seed}").choice(numbered)]


def create() -> None:
    """Replace the hosts by new ones."""
    variables = {
        "cluster_name": CLUSTER, "destroy_cluster": CLUSTER, "iaas_directory": str(DIRECTORY), "iaas_owner": "molecule", "iaas_artifact_source": "build",
    }  # fmt: skip
    for playbook in ("destroy", "provision"):
        options = ["-e", json.dumps(variables), "-e", f"@{ROOT}/molecule/interruptions/cluster.yml"]
        run("ansible-playbook", "--inventory", ROOT / "inventories/local", *options, ROOT / f"playbooks/{playbook}.yml", cwd=ROOT)


def now() -> str:
    return f"{datetime.datetime.now(datetime.timezone.utc):%Y-%m-%dT%H:%M:%SZ}"


def issued(pem: str) -> str:
    """Return when a certificate was signed. It is valid from five minutes before."""
    return f"{x509.load_pem_x509_certificate(pem.encode()).not_valid_before_utc + datetime.timedelta(minutes=5):%Y-%m-%dT%H:%M:%SZ}"


def try_point(number: int, point: str, expected: dict[str, str], show, *options: str) -> None:
    """Kill a run at a point, let the next one finish, and compare."""
    show(f"point {number}", of=COUNTED["points"], at=point)
    points.interrupt(point, *options)
    succeed("site.yml", *options)
    succeed("health.yml")
    found = points.differences(expected, points.state())
    assert not found, f"after an interruption at point {number}, {point}:\n{found}"


def test_first_run(figures):
    found = points.record()
    expected = points.state()
    for number, point in chosen(found, "first"):
        create()
        try_point(number, point, expected, figures)


def test_renewal_of_all_certificates(figures):
    found = points.record("-e", f"cluster_certificates_since={now()}")
    expected = points.state()
    for number, point in chosen(found, "renewal"):
        since = now()
        try_point(number, point, expected, figures, "-e", f"cluster_certificates_since={since}")
        older = [f"{name} {path}" for name in addresses() for path, pem in points.look(name)["certificates"].items() if issued(pem) < since]
        assert older == [], f"after an interruption at point {number}, {point}"


def test_one_run_heals_expired_certificates(figures):
    """After a year in which nobody ran anything."""
    expired.expire_all()
    assert not api_answers()
    figures("healed", seconds=succeed("site.yml").seconds)
    succeed("health.yml")


def test_changed_configuration(figures):
    """Change the configuration, and with all points also change it back."""
    changes = [["-e", json.dumps(CHANGED)], []]
    for options, others in [changes, changes[::-1]][: 2 if ALL else 1]:
        found = points.record(*options)
        expected = points.state()
        for number, point in chosen(found, "configuration"):
            succeed("site.yml", *others)
            try_point(number, point, expected, figures, *options)
