# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The records behind the names that operators rotate."""

from __future__ import annotations

import pytest
from ansible.errors import AnsibleFilterError

from ansible_collections.cfcr.kubernetes.plugins.filter.rotation_choice import rotation_choice


def test_names_and_their_records():
    assert rotation_choice(["etcd", "encryption"]) == {"names": ["etcd", "encryption"], "records": ["etcd", "encryption-at-rest"]}


def test_certificates_have_no_record():
    assert rotation_choice(["certificates"]) == {"names": ["certificates"], "records": []}


def test_unknown_names_are_refused():
    with pytest.raises(AnsibleFilterError, match="rotate: found ectd, x, expected some of certificates, kubernetes"):
        rotation_choice(["ectd", "etcd", "x"])
