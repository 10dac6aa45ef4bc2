# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The metrics of health, and the dashboard and alert rules that query them."""

from __future__ import annotations

import json
import pathlib
import re

import pytest
import yaml
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._health.metrics import METRICS, metrics, run_metrics

MONITORING = pathlib.Path(__file__).resolve().parents[5] / "monitoring"
DASHBOARD = json.loads((MONITORING / "dashboard.json").read_text(encoding="utf-8"))
RULES = [rule for group in yaml.safe_load((MONITORING / "alerts.yml").read_text(encoding="utf-8"))["groups"] for rule in group["rules"]]
CERTIFICATE = {"common_name": "x", "issuer": "cfcr etcd", "not_after": "2027-01-01T00:00:00Z", "days_left": 30}
SAMPLE = re.compile(r'(\w+)\{((?:\w+="(?:[^"\\\n]|\\.)*",?)*)\} \S+')


@pytest.fixture
def report():
    member = {"role": "leader", "db_mib": 2.5, "in_use_mib": 1, "quota_mib": 2048}
    etcd = {
        "group": "etcd",
        "state": "healthy",
        "units": {"etcd": {"healthy": True}, "pdns": {"healthy": False}},
        "memory": {"used_percent": 25},
        "disks": {"/": {"used_percent": 10, "inodes_used_percent": 40}, "/data": {"error": "no answer"}},
        "certificates": {"/etc/etcd/pki/server.crt": CERTIFICATE, "/broken.crt": {"error": "not a certificate"}},
        "etcd": member,
    }
    return {
        "hosts": {"etcd-0": etcd, "worker-0": {"group": "worker", "state": "unreachable"}},
        "cluster": {
            "endpoint": {"problem": None},
            "etcd": {"voters": 1, "needed": 1, "asked": 1, "healthy": 1},
            "nodes": {"10.0.0.21": {"ready": False, "schedulable": True}},
            "authorities": [{**CERTIFICATE, "common_name": 'a "CA"\\\n'}, {**CERTIFICATE, "common_name": 'a "CA"\\\n', "not_after": "2026-01-01T00:00:00Z"}],
            "certificate": CERTIFICATE,
            "rotations": [{"name": "service-account", "phase": "use", "days_in_phase": 1}],
        },
        "findings": [{"host": None, "kind": "unit", "severity": "critical"}, {"host": "worker-0", "kind": "unreachable", "severity": "critical"}] * 2,
        "seconds": 1.3,
    }


def test_every_metric_has_samples_with_its_labels(report):
    text = metrics(report, "cfcr", 1000.4) + run_metrics("site", "cfcr", 1000)
    samples = [line for line in text.splitlines() if not line.startswith("#")]
    assert len(samples) == len(set(samples))
    found = {}
    for line in samples:
        name, labels = SAMPLE.fullmatch(line).groups()
        found.setdefault(name, set()).add(tuple(re.findall(r'(\w+)="', labels)))
    assert found == {name: {("cluster", *labels)} for name, (labels, _help) in METRICS.items()}


def test_values_have_base_units(report):
    lines = metrics(report, "cfcr", 1000.4).splitlines()
    assert 'cfcr_health_timestamp_seconds{cluster="cfcr"} 1000' in lines
    assert 'cfcr_health_findings{cluster="cfcr",host="",kind="unit",severity="critical"} 2' in lines
    assert 'cfcr_etcd_database_bytes{cluster="cfcr",host="etcd-0"} 2621440' in lines
    assert 'cfcr_host_disk_used_ratio{cluster="cfcr",host="etcd-0",group="etcd",path="/"} 0.4' in lines
    assert 'cfcr_certificate_expiry_timestamp_seconds{cluster="cfcr",host="etcd-0",path="/etc/etcd/pki/server.crt"} 1798761600' in lines
    assert 'cfcr_authority_expiry_timestamp_seconds{cluster="cfcr",common_name="a \\"CA\\"\\\\\\n"} 1767225600' in lines
    assert 'cfcr_host_state{cluster="cfcr",host="worker-0",group="worker",state="unreachable"} 1' in lines


def test_a_check_of_some_hosts_says_nothing_of_the_members_of_etcd(report):
    report["cluster"]["etcd"]["voters"] = 3
    assert "cfcr_etcd_healthy_members" not in metrics(report, "cfcr", 0)


def queries():
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"], target["legendFormat"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["name"], variable["query"]["query"], ""
    for rule in RULES:
        yield rule["alert"], rule["expr"], " ".join(re.findall(r"\$labels\.\w+", rule["annotations"]["summary"]))


@pytest.mark.parametrize(("expression", "legend"), [pytest.param(*rest, id=f"{title}-{number}") for number, (title, *rest) in enumerate(queries())])
def test_a_query_names_metrics_and_labels_that_health_writes(expression, legend):
    names = re.findall(r"cfcr_\w+", expression)
    assert names and set(names) <= set(METRICS)
    for name, selectors in re.findall(r"(cfcr_\w+)\{([^}]*)\}", expression):
        assert set(re.findall(r"(\w+)=~?\"", selectors)) <= {"cluster", *METRICS[name][0]}
    of_all = {"cluster", *(label for name in names for label in METRICS[name][0])}
    used = re.findall(r"\{\{(\w+)\}\}|\$labels\.(\w+)", legend)
    grouped = [label.strip() for labels in re.findall(r"(?:by|on) \(([^)]*)\)", expression) for label in labels.split(",")]
    assert {*grouped, *(one or other for one, other in used)} <= of_all


def test_an_alert_says_what_to_do():
    assert len({rule["alert"] for rule in RULES}) == len(RULES)
    for rule in RULES:
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"]["remedy"].endswith(".")


def test_panels_do_not_overlap():
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _y in cells) < 24
