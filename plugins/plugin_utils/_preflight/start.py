# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The rules for how a playbook was started, which need neither an inventory nor a host."""

from __future__ import annotations

import re
import typing as t

from .problems import Problem

__all__ = ("check_ansible", "check_confirmation", "check_tags")

_NEEDED = (2, 19)


def check_ansible(version: str) -> t.Iterator[Problem]:
    """Check the version of ansible-core."""
    if tuple(int(part) for part in re.findall(r"\d+", version)[:2]) < _NEEDED:
        needed = ".".join(map(str, _NEEDED))
        yield Problem("ansible-core", version, f"{needed} or later: pip install 'ansible-core>={needed}'")


def check_tags(tags: t.Collection[str], only: t.Iterable[str], skipped: t.Iterable[str]) -> t.Iterator[Problem]:
    """Check that --tags and --skip-tags select the tasks, which have the given tags."""
    names = {*tags, "tagged"} if tags else {"untagged"}
    if not {"all", *names} & set(only):
        yield Problem("--tags", ",".join(sorted(only)), "no tags, because the collection's tasks have none: use --limit to select hosts")
    if names & set(skipped):
        yield Problem("--skip-tags", ",".join(sorted(skipped)), "no tags, because the collection's tasks have none")


def check_confirmation(typed: str | None, cluster: str) -> t.Iterator[Problem]:
    """Compare the cluster's name that somebody has typed for a dangerous playbook, such as in a survey of AWX, with the name of this cluster."""
    if typed is not None and typed != cluster:
        yield Problem("confirm_cluster", typed or "no name", f"{cluster}, the name of this cluster. Nothing was changed")
