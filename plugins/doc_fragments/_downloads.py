# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The description of the files of a mirror, as options of modules."""

from __future__ import annotations


class ModuleDocFragment:
    """Option files."""

    DOCUMENTATION = r"""
options:
  files:
    description: Files, as the lookup P(cfcr.kubernetes.downloads#lookup) returns them.
    type: list
    elements: dict
    required: true
    suboptions:
      path:
        description: Path in the directory of the mirror.
        type: str
        required: true
      url:
        description: URL at the file's project.
        type: str
        required: true
      purpose:
        description: The software and its version.
        type: str
        required: true
      licence:
        description: SPDX expression.
        type: str
        required: true
      architecture:
        description: Architecture that the file is for.
        type: str
        required: true
      origin:
        description: A C(url) with C(sha256) or C(checksum_url), or the C(reference) of an image.
        type: dict
        required: true
"""
