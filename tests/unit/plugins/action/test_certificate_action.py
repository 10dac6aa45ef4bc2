# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import yaml
from ansible_collections.cfcr.kubernetes.plugins.doc_fragments._store import ModuleDocFragment
from ansible_collections.cfcr.kubernetes.plugins.modules.certificate import DOCUMENTATION
from ansible_collections.cfcr.kubernetes.plugins.plugin_utils._certificates.request import SPEC

DOCUMENTED = ("type", "elements", "choices", "default", "required")


def plain(options):
    return {
        name: {
            **{key: option[key] for key in DOCUMENTED if key in option},
            "options": plain(option.get("options") or option.get("suboptions") or {}),
        }
        for name, option in options.items()
    }


def test_options_are_those_that_the_module_documents():
    """The sanity tests compare them for modules alone."""
    documented = {**yaml.safe_load(DOCUMENTATION)["options"], **yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]}
    assert plain(SPEC) == plain(documented)
