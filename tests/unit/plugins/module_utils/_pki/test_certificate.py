# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import dataclasses
import datetime

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki.certificate import Certificate, expiry, reasons, wanted_names

NOW = datetime.datetime(2026, 11, 21, tzinfo=datetime.timezone.utc)
DAY = datetime.timedelta(days=1)
NAMES = wanted_names("a", ["o"], ["10.0.0.1"], ["client_auth"])
ACTUAL = Certificate(NAMES, "CN=ca", "ecdsa-p256 SHA256:00", NOW + 100 * DAY)


def why(actual=ACTUAL, names=NAMES, issuer="CN=ca", key="ecdsa-p256 SHA256:00", renew_before_days=60, end=NOW + 365 * DAY):
    return reasons(actual, names, issuer, key, NOW, renew_before_days, end)


def test_names_have_one_form():
    assert wanted_names(
        "", [], ["2001:DB8:0::1", "A.b", "10.0.0.1", "a.b", "*.c.d"], ["server_auth", "client_auth", "server_auth"]
    ) == wanted_names(None, None, ["*.c.d", "a.b", "10.0.0.1", "2001:db8::1"], ["client_auth", "server_auth"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("", [], [], ["client_auth"]), "needs a common_name or alternative_names"),
        (("a", [], [], []), "usages are empty"),
        (("a", [], [], ["code_signing"]), "usages are code_signing; allowed are one or more of client_auth, server_auth"),
        (("a" * 65, [], [], ["client_auth"]), "common_name"),
        (("a\n", [], [], ["client_auth"]), "common_name"),
        (("a", [""], [], ["client_auth"]), "organizations"),
        (("a", [], ["10.0.0.300"], ["client_auth"]), "neither an IP address nor a DNS name"),
        (("a", [], ["a..b"], ["client_auth"]), "neither an IP address nor a DNS name"),
        (("a", [], ["a b"], ["client_auth"]), "neither an IP address nor a DNS name"),
        (("a", [], ["a.*"], ["client_auth"]), "neither an IP address nor a DNS name"),
        (("a", [], [""], ["client_auth"]), "neither an IP address nor a DNS name"),
        (("a", [], ["-a"], ["client_auth"]), "neither an IP address nor a DNS name"),
    ],
)
def test_what_cannot_be_is_refused(arguments, message):
    with pytest.raises(HostError, match=message):
        wanted_names(*arguments)


def test_what_is_as_wanted_stays():
    assert why() == []


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"actual": None}, "there is none"),
        ({"names": dataclasses.replace(NAMES, common_name="b")}, "other common_name"),
        ({"names": dataclasses.replace(NAMES, organizations=())}, "other organizations"),
        ({"names": dataclasses.replace(NAMES, alternative_names=("10.0.0.2",))}, "other alternative_names"),
        ({"names": dataclasses.replace(NAMES, usages=("server_auth",))}, "other usages"),
        ({"issuer": "CN=new ca"}, "another authority"),
        ({"key": "rsa-2048 (new)"}, "another key"),
        ({"renew_before_days": 101}, "it ends at 2027-03-01 00:00"),
    ],
)
def test_what_is_other_is_issued(change, reason):
    assert why(**change) == [reason]


def test_what_ends_with_its_authority_is_not_renewed_in_every_run():
    assert why(renew_before_days=101, end=ACTUAL.not_after) == []


def test_nothing_outlives_its_authority():
    assert expiry(NOW, 365, NOW + 10 * DAY) == NOW + 10 * DAY
    assert expiry(NOW, 5, NOW + 10 * DAY) == NOW + 5 * DAY
