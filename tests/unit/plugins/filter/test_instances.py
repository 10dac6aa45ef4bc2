# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The overview of a cluster's hosts: table, JSON and page."""

from __future__ import annotations

import datetime
import html.parser
import json

import pytest
from ansible.errors import AnsibleFilterError
from ansible_collections.cfcr.kubernetes.plugins.filter.instances import instances
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._instances.cells import duration
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._instances.certificate_timeline import timeline
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._instances.page import page
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._instances.topology import picture

NOW = datetime.datetime(2026, 11, 21, 16, 0, tzinfo=datetime.timezone.utc)
EVIL = '<script>alert("1")</script>'
CERTIFICATE = {"common_name": "x", "issuer": "cfcr etcd", "not_after": "2027-11-21T16:00:00Z", "days_left": 364}
UNITS = {unit: {"healthy": True} for unit in ("kube-apiserver", "kube-scheduler", "pdns")}
NODE = {"ready": True, "condition": "Ready", "message": "", "schedulable": False, "version": "v1.36.3", "pressure": []}


def host(group, index, **values):
    return {
        "group": group,
        "index": index,
        "address": f"10.0.0.{index}",
        "zone": "",
        "state": "healthy",
        "node": None,
        "error": None,
        "units": UNITS,
        "etcd": None,
        "releases": {"kube-apiserver": "1.36.3", "kubelet": "1.36.3", "containerd": "2.4.2"} if group != "etcd" else {"etcd": "3.6.16"},
        "other_releases": {},
        "load": [0.5, 0, 0],
        "processors": 2,
        "memory": {"used_percent": 23},
        "fullest_disk": {"path": "/", "used_percent": 31},
        "uptime": 7500,
        "certificates": {"/etc/x.crt": CERTIFICATE},
        "certificate_days_left": 364,
        **values,
    }


@pytest.fixture
def report():
    member = {"role": "leader", "member_id": "8e9e", "has_leader": True, "db_mib": 2.1, "in_use_mib": 1.4, "quota_mib": 2048, "received": {}, "problem": None}
    silent = {"group": "worker", "index": 1, "address": "10.0.0.9", "zone": "", "state": "unreachable", "node": None, "error": "no route"}
    return {
        "hosts": {
            "master-0": host("master", 0, units={**UNITS, "kube-scheduler": {"healthy": False}}, state="failing"),
            "worker-0": host("worker", 0, node=NODE),
            "worker-1": silent,
            "etcd-0": host("etcd", 0, etcd=member),
        },
        "cluster": {
            "endpoint": {"url": "https://10.0.0.91:8443", "problem": None, "seconds": 0.02},
            "etcd": {"voters": 1, "needed": 1, "asked": 1, "healthy": 1, "leader": "etcd-0"},
            "nodes": {"10.0.0.0": NODE},
            "authorities": [{**CERTIFICATE, "common_name": "cfcr etcd", "days_left": 3649, "hosts": ["etcd-0"]}],
            "certificate": CERTIFICATE,
            "versions": {"catalog": "1.36", "kubernetes": "1.36.3", "etcd": "3.6.16"},
            "rotations": [{"name": "service-account", "phase": "use", "since": "2026-11-21T09:00:00Z", "days_in_phase": 1}],
        },
        "findings": [
            {"host": "worker-1", "kind": "unreachable", "subject": "10.0.0.9", "found": "no route", "expected": "an answer", "severity": "critical"}
        ],
        "seconds": 1.3,
        "text": "is not shown twice",
    }


def test_a_table_has_a_line_for_each_host_and_no_empty_column(report):
    former = {"containerd": "2.3.7", "kubelet": "1.35.4"}
    report["hosts"]["worker-0"].update(releases=former, other_releases={"containerd": "2.4.2", "kubelet": "1.36.3"})
    assert instances(report).splitlines() == [
        "instance  address   state        version           units                         etcd             node            load  memory  disk  uptime     "
        "certificates",
        "master/0  10.0.0.0  failing      1.36.3            2/3, failing: kube-scheduler  -                -               0.50  23 %    31 %"
        "  2 h 5 min  364 d",
        "worker/0  10.0.0.0  healthy      1.35.4, 2 differ  3/3                           -                Ready cordoned  0.50  23 %    31 %"
        "  2 h 5 min  364 d",
        "worker/1  10.0.0.9  unreachable  -                 -                             -                -               -     -       -     -          -",
        "etcd/0    10.0.0.0  healthy      3.6.16            3/3                           leader, 2.1 MiB  -               0.50  23 %    31 %"
        "  2 h 5 min  364 d",
        "",
        "endpoint  https://10.0.0.91:8443, answered in 0.02 s",
        "etcd      1 of 1 members, 1 needed, leader etcd-0",
        "versions  kubernetes 1.36.3, etcd 3.6.16",
        "differs   worker-0 has containerd 2.3.7, expected 2.4.2, kubelet 1.35.4, expected 1.36.3",
        "rotation  service-account in phase use since 2026-11-21T09:00:00Z: run rotate.yml again to continue",
        "1 finding; hosts: 1 failing, 2 healthy, 1 unreachable, checked in 1.3 s",
        "  worker-1  critical  unreachable  10.0.0.9: found no route, expected an answer",
    ]


def test_an_update_in_progress_is_shown(report):
    report["cluster"]["update"] = {
        "id": "update-1.36.3-0a1b2c3d", "from": {"kubernetes": "1.35.4"}, "to": {"kubernetes": "1.36.3"}, "rollback": False, "paused": True,
        "phase": "workers", "done": 7, "changes": 9, "waiting": ["worker-1", "worker-2"], "failed": {"worker-1": "kubelet does not start"}, "blocked": {},
    }  # fmt: skip
    line = (
        "update, kubernetes 1.35.4 to 1.36.3, phase workers, 7 of 9 done, paused, waiting: worker-1, worker-2; worker-1: kubelet does not start"
    )
    assert f"update    {line}" in instances(report).splitlines() and line in instances(report, "html")


def test_the_newest_backup_is_shown(report):
    newest = {"id": "prod-20261129T010003Z.cfcr", "created_at": "2026-11-29T01:00:03Z", "size": 101076006, "revision": 42}
    targets = {"directory /a": {"newest": newest["id"], "problem": ""}, "sftp b": {"problem": "refused"}}
    backup = {"newest": newest, "age_hours": 22.2, "attempted_at": "2026-11-29T01:00:58Z", "problem": "", "targets": targets}
    report["cluster"]["backup"] = backup
    line = "prod-20261129T010003Z.cfcr, 22.2 hours old, 96.4 MiB, verified at 1 target"
    assert f"backup    {line}" in instances(report).splitlines() and line in instances(report, "html")
    report["cluster"]["backup"] = {**backup, "newest": {}, "age_hours": None}
    assert "backup    none is verified, last attempt 2026-11-29T01:00:58Z" in instances(report).splitlines()


def test_names_and_zones_have_columns_if_there_are_any(report):
    report["hosts"]["db1"] = {**report["hosts"].pop("etcd-0"), "zone": "z2"}
    head, *_rest, last = instances(report).splitlines()[:5]
    assert head.startswith("instance  name  address   zone  state")
    assert last.startswith("etcd/0    db1   10.0.0.0  z2    healthy")


def test_json_is_the_report(report):
    text = report.pop("text")
    assert json.loads(instances({**report, "text": text}, "json")) == report


def test_an_unknown_format_is_an_error(report):
    with pytest.raises(AnsibleFilterError, match="xml"):
        instances(report, "xml")


class Page(html.parser.HTMLParser):
    """The elements of a page, and their references."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements, self.references = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.elements.append(tag)
        self.references += [value for name, value in attrs if name in ("href", "src", "xlink:href", "srcset", "action")]
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.elements.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_a_page_is_well_formed_and_self_contained(report):
    text = instances(report, "html", {"name": "cfcr"})
    made = Page(text)
    assert made.open == []
    assert made.references == []
    assert not {"script", "link", "img", "iframe"} & set(made.elements)
    assert "prefers-color-scheme: dark" in text
    assert all(name in text for name in ("master-0", "worker-1", "no route", "cfcr etcd", "364 d"))


def test_values_from_hosts_are_escaped(report):
    report["hosts"]["worker-1"].update(error=EVIL, zone=EVIL, address=EVIL)
    report["hosts"]["master-0"]["units"] = {EVIL: {"healthy": False}}
    report["hosts"]["master-0"]["certificates"] = {EVIL: {**CERTIFICATE, "common_name": EVIL, "issuer": EVIL, "not_after": EVIL}}
    report["hosts"]["etcd-0"]["etcd"].update(problem=EVIL, role=EVIL, member_id=EVIL)
    report["cluster"]["endpoint"].update(url=EVIL, problem=EVIL)
    report["findings"][0].update(host=EVIL, kind=EVIL, subject=EVIL, found=EVIL, expected=EVIL)
    report["hosts"][EVIL] = host("worker", 2)
    text = page(report, {"name": EVIL}, NOW)
    assert "<script" not in text
    assert "&lt;script&gt;" in text
    assert Page(text).open == []


def test_a_cluster_without_answers_has_a_page(report):
    for one in report["hosts"].values():
        one.update(state="ignored", error=None)
        one.pop("units", None)
        one.pop("certificates", None)
    report["cluster"].update(nodes=None, authorities=[], certificate=None)
    assert Page(page({**report, "findings": [], "seconds": None}, {}, NOW)).open == []


def test_no_two_tiles_overlap():
    groups = {"proxy": ["p"], "master": ["a", "b", "c"], "worker": [f"w{number}" for number in range(40)], "etcd": ["e0", "e1", "e2"]}
    drawn = picture(groups)
    places = {(tile.x, tile.y) for box in drawn.boxes for tile in box.tiles}
    assert len(places) == 47
    for box in drawn.boxes:
        assert 0 <= box.x and box.x + box.width <= drawn.width and box.bottom <= drawn.height
        assert all(box.x < tile.x and box.y < tile.y and tile.y < box.bottom for tile in box.tiles)


def test_without_a_proxy_edges_lead_from_the_endpoint_to_masters_and_workers():
    drawn = picture({"master": ["a"], "worker": ["w"], "etcd": ["e"]})
    assert [edge.label for edge in drawn.edges] == ["API", "workloads", "state", "network"]


def test_a_timeline_shows_near_and_far_expiries(report):
    report["hosts"]["etcd-0"]["certificates"] = {"/a.crt": {**CERTIFICATE, "days_left": 3}, "/b.crt": CERTIFICATE, "/c.crt": CERTIFICATE}
    rows = {row.label: row for row in timeline(report, 60).rows}
    assert list(rows) == ["master-0", "worker-0", "etcd-0", "kubeconfig", "cfcr etcd"]
    assert [(state, text.count("\n") + 1) for _x, state, text in rows["etcd-0"].points] == [("warning", 1), ("healthy", 2)]
    assert rows["etcd-0"].end < rows["master-0"].end < rows["cfcr etcd"].end <= 1000


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h"), (7500, "2 h 5 min"), (86400 * 12 + 3600, "12 d")]
)
def test_a_duration_is_short(seconds, text):
    assert duration(seconds) == text
