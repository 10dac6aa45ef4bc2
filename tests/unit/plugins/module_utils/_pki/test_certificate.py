# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki.certificate import ByPath, Certificate, bundles_of, expiry, reasons, wanted_names

NOW = datetime.datetime(2026, 11, 21, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)


def names_of(common_name, organizations, alternative_names, usages):
    return wanted_names(
        {"common_name": common_name, "organizations": organizations, "alternative_names": alternative_names, "usages": usages}
    )


NAMES = names_of("a", ["o"], ["10.0.0.1"], ["client_auth"])
ACTUAL = Certificate(NAMES, "CN=ca", "ecdsa-p256 SHA256:00", NOW + 100 * DAY)


def why(actual=ACTUAL, names=NAMES, issuer="CN=ca", key="ecdsa-p256 SHA256:00", renew_before_days=60, end=NOW + 365 * DAY):
    return reasons(actual, names, issuer, key, NOW, renew_before_days, end)


def test_names_are_normalized():
    assert names_of(
        "", [], ["2001:DB8:0::1", "A.b", "10.0.0.1", "a.b", "*.c.d"], ["server_auth", "client_auth", "server_auth"]
    ) == names_of("", [], ["*.c.d", "a.b", "10.0.0.1", "2001:db8::1"], ["client_auth", "server_auth"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", [], [], ["client_auth"]), "neither common_name nor alternative_names"),
        (("a", [], [], []), "usages: found none"),
        (("a", [], [], ["code_signing"]), "usages: found code_signing, expected one or more of client_auth, server_auth"),
        (("a" * 65, [], [], ["client_auth"]), "common_name"),
        (("a\n", [], [], ["client_auth"]), "common_name"),
        (("a", [""], [], ["client_auth"]), "organizations"),
        (("a", [], ["10.0.0.300"], ["client_auth"]), "expected an IP address or a DNS name"),
        (("a", [], ["a..b"], ["client_auth"]), "expected an IP address or a DNS name"),
        (("a", [], ["a b"], ["client_auth"]), "expected an IP address or a DNS name"),
        (("a", [], ["a.*"], ["client_auth"]), "expected an IP address or a DNS name"),
        (("a", [], [""], ["client_auth"]), "expected an IP address or a DNS name"),
        (("a", [], ["-a"], ["client_auth"]), "expected an IP address or a DNS name"),
    ],
)
def test_invalid_names_are_refused(arguments, message):
    with pytest.raises(HostError, match=message):
        names_of(*arguments)


def test_a_certificate_in_the_desired_state_is_kept():
    assert why() == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"actual": None}, "missing or damaged"),
        ({"names": dataclasses.replace(NAMES, common_name="b")}, "other common_name"),
        ({"names": dataclasses.replace(NAMES, organizations=())}, "other organizations"),
        ({"names": dataclasses.replace(NAMES, alternative_names=("10.0.0.2",))}, "other alternative_names"),
        ({"names": dataclasses.replace(NAMES, usages=("server_auth",))}, "other usages"),
        ({"issuer": "CN=new ca"}, "another CA"),
        ({"key": "rsa-2048 (new)"}, "another key"),
        ({"renew_before_days": 101}, "expires at 2027-03-01 00:00"),
    ],
)
def test_a_certificate_that_differs_is_reissued(change, reason):
    assert why(**change) == [reason]


def test_a_certificate_that_expires_with_its_authority_is_not_renewed():
    assert why(renew_before_days=101, end=ACTUAL.not_after) == []


def test_a_certificate_expires_no_later_than_its_authority():
    assert expiry(NOW, 365, NOW + 10 * DAY) == NOW + 10 * DAY
    assert expiry(NOW, 5, NOW + 10 * DAY) == NOW + 5 * DAY


def test_entries_are_matched_by_path_and_never_by_position():
    entries = [{"path": "/b", "content": "B"}, {"path": "/a", "content": "A"}]
    assert ByPath(entries, "the host")["/a"]["content"] == "A"
    with pytest.raises(HostError, match="^/c: the host sent no entry for it; found /b, /a$"):
        ByPath(entries, "the host")["/c"]


def test_entries_share_a_bundle():
    entries = [{"authority": "etcd", "authority_path": path} for path in ("/ca.crt", None, "/ca.crt")]
    assert bundles_of(entries) == {"/ca.crt": "etcd"}
