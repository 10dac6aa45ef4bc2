# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Expiry of certificates, read without a library and compared with cryptography."""

from __future__ import annotations

import datetime

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki import expiry, x509

AT = datetime.datetime(2026, 11, 21, 16, 0, tzinfo=datetime.timezone.utc)


@pytest.fixture(params=["ecdsa-p256", "rsa-2048"])
def authority(request):
    return x509.new_authority("cfcr etcd", 3650, x509.new_private_key(request.param), AT)


def test_the_expiry_of_a_certificate_is_read(authority):
    (dates,) = expiry.read(authority)
    assert dates.summary(AT) == {"common_name": "cfcr etcd", "issuer": "cfcr etcd", "not_after": "2036-11-18T16:00:00Z", "days_left": 3650}


def test_days_are_whole_and_negative_after_expiry(authority):
    (dates,) = expiry.read(authority)
    second = datetime.timedelta(seconds=1)
    assert dates.summary(dates.not_after - second)["days_left"] == 0
    assert dates.summary(dates.not_after + second)["days_left"] == -1


def test_an_expiry_after_2049_is_read():
    far = x509.new_authority("far", 36500, x509.new_private_key("ecdsa-p256"), AT)
    assert expiry.read(far)[0].not_after.year == 2126


def test_all_certificates_of_a_bundle_are_read(authority):
    assert len(expiry.read(f"a comment\n{authority}{authority}")) == 2


def test_a_text_without_certificates_has_none():
    assert expiry.read("") == []


def test_a_damaged_certificate_is_an_error(authority):
    lines = authority.splitlines(keepends=True)
    with pytest.raises(ValueError, match="damaged certificate|cut off"):
        expiry.read("".join(lines[:3] + lines[-1:]))


def test_without_a_common_name_the_organization_is_the_name():
    key = x509.new_private_key("ecdsa-p256")
    issuer = x509.Authority("etcd", (x509.new_authority("cfcr etcd", 30, key, AT),))
    names = x509.Names("", ("etcd",), ("10.0.0.1",), ("server_auth",))
    leaf = x509.sign(names, x509.read_public_key(x509.public_half(key)), 10, issuer, key, AT)
    (dates,) = expiry.read(leaf)
    assert (dates.common_name, dates.issuer) == ("etcd", "cfcr etcd")
