# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The end of every module: compare, apply unless in check mode, report."""

from __future__ import annotations

import typing as t

if t.TYPE_CHECKING:
    from ansible.module_utils.basic import AnsibleModule

__all__ = ("finish", "finish_unread", "outcome")


def outcome(
    check_mode: bool,
    before: t.Any,
    after: t.Any,
    apply: t.Callable[[], t.Any],
    settle: t.Callable[[], t.Any] = lambda: None,
    **extra: t.Any,
) -> dict[str, t.Any]:
    """Apply if before and after differ, always settle, and return both values as the diff. In check mode, neither apply nor settle."""
    changed = before != after
    if changed and not check_mode:
        apply()
    if not check_mode:
        settle()
    return {"changed": changed, "diff": {"before": before, "after": after}, **extra}


def finish_unread(module: AnsibleModule, problem: object, after: dict[str, t.Any], **extra: t.Any) -> t.NoReturn:
    """End check mode if the actual state cannot be read, as on hosts that are not configured yet: a run would reach this state first."""
    finish(module, {"not compared": str(problem)}, after, lambda: None, **extra)


def finish(module: AnsibleModule, *values: t.Any, **extra: t.Any) -> t.NoReturn:
    """End the module with the outcome of these values."""
    module.exit_json(**outcome(module.check_mode, *values, **extra))
