# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The problems that preflight finds, and how it reports them."""

from __future__ import annotations

import dataclasses
import re
import typing as t

__all__ = ("Problem", "failure", "last_line", "merge", "report")

_WIDEST = 44
_LONGEST = 300  # characters of a line from a host
_ABOUT_SSH = re.compile(r"^.*?(over|via) ssh: ")


@dataclasses.dataclass(frozen=True)
class Problem:
    """One violation of a rule."""

    subject: str  # the host, group or variable
    found: str
    expected: str

    def __str__(self) -> str:
        """Return the problem in one line."""
        return f"{self.subject}: found {self.found}, expected {self.expected}"


def merge(problems: t.Mapping[str, t.Sequence[Problem]]) -> list[Problem]:
    """Return the problems of all hosts, each once. If only some hosts have a problem, its subject names them."""
    hosts: dict[Problem, list[str]] = {}
    for host, its_problems in problems.items():
        for problem in its_problems:
            hosts.setdefault(problem, []).append(host)
    return [
        problem if len(named) == len(problems) else dataclasses.replace(problem, subject=f"{problem.subject} ({', '.join(named)})")
        for problem, named in hosts.items()
    ]


def last_line(said: str) -> str:
    """Return the last line, without what Ansible puts before a message of SSH."""
    lines = said.strip().splitlines() or ["the module ended without an answer"]
    return _ABOUT_SSH.sub("", lines[-1])[:_LONGEST]


def failure(reply: t.Mapping[str, t.Any]) -> str:
    """Return the last line of a failed module: its message or, if it did not get so far, the error of Python or SSH."""
    return last_line(reply.get("module_stderr") or reply.get("module_stdout") or reply.get("msg", "failed"))


def report(problems: t.Sequence[Problem]) -> str:
    """Return the list of problems as text."""
    width = min(_WIDEST, max(len(problem.subject) for problem in problems) + 1)
    lines = [f"  {problem.subject + ':':<{width}} found {problem.found}, expected {problem.expected}" for problem in problems]
    return "\n".join([f"{len(problems)} {'problem' if len(problems) == 1 else 'problems'}, and nothing was changed:", *lines])
