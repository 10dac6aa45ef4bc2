# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Variables of role backup."""

from __future__ import annotations

import pytest
from _role_variables import renderer

render = renderer("backup/vars/main.yml")


@pytest.mark.parametrize(
    ("argument", "is_secret"),
    [
        ("backup_passphrase=x", True),
        ("backup_passphrase = x", True),
        ('{"backup_passphrase": "x"}', True),
        ("{'backup_passphrase':'x'}", True),
        ('{"backup_targets": [{"type": "s3", "secret_key": "x"}]}', True),
        ("@/etc/cfcr/backup.yml", False),
        ("@/etc/cfcr/passphrase.yml", False),
        ("--vault-password-file=/etc/cfcr/vault", False),
        ("backup_keep={'last': 3}", False),
    ],
)
def test_secrets_in_the_arguments_of_the_timer_are_found(argument, is_secret):
    assert bool(render("[argument] | select('search', __backup_secret)", argument=argument)) is is_secret
