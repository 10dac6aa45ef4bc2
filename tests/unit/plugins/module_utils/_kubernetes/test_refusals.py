# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The warnings of an API server become refused pods."""

from __future__ import annotations

import pytest
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.client import _warnings
from ansible_collections.cfcr.kubernetes.plugins.module_utils._kubernetes.pod_security import refusals

VIOLATIONS = 'existing pods in namespace "shop" violate the new PodSecurity enforce level "baseline:latest"'
INCOMPLETE = "new PodSecurity enforce level only checked against the first 3000 of 3001 existing pods"
UNLISTED = "failed to list pods while checking new PodSecurity enforce level"
EXEMPT = 'namespace "shop" is exempt from Pod Security, and the policy (enforce=baseline:latest) will be ignored'


def refusal(pod, others, reason):
    return {"namespace": "shop", "pod": pod, "others": others, "reason": reason}


@pytest.mark.parametrize(
    ("warnings", "found"),
    [
        ([], []),
        ([VIOLATIONS, "web-0: hostPath volumes"], [refusal("web-0", 0, "hostPath volumes")]),
        ([VIOLATIONS, "a (and 1 other pod): privileged", "b.c (and 12 other pods): host namespaces, hostPort"],
         [refusal("a", 1, "privileged"), refusal("b.c", 12, "host namespaces, hostPort")]),
        ([INCOMPLETE], [refusal("", 0, INCOMPLETE)]),
        ([UNLISTED], [refusal("", 0, UNLISTED)]),
        ([EXEMPT], [refusal("", 0, EXEMPT)]),
        # Webhooks and policies may warn as well.
        (["policy: names need a prefix"], []),
        ([VIOLATIONS, "Validation failed for ValidatingAdmissionPolicy 'x': no", "web-0: privileged"], [refusal("web-0", 0, "privileged")]),
    ],
)  # fmt: skip
def test_warnings_of_pod_security_name_pods(warnings, found):
    assert refusals("shop", warnings) == found


@pytest.mark.parametrize(
    ("headers", "texts"),
    [
        ([], []),
        (['299 - "one"', '299 - "two"'], ["one", "two"]),
        (['299 - "one", 299 - "two"'], ["one", "two"]),
        ([r'299 - "namespace \"shop\" and a \\ too"'], [r'namespace "shop" and a \ too']),
        (["nonsense"], []),
    ],
)
def test_warning_headers_are_read(headers, texts):
    assert _warnings(headers) == texts
