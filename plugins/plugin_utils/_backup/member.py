# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The member of etcd whose snapshot becomes a backup. The function is pure."""

from __future__ import annotations

import typing as t

__all__ = ("choose",)


def choose(answers: t.Mapping[str, t.Mapping[str, t.Any]]) -> dict[str, str]:
    """Return the host and the client URL of a member, or the problem, given what each host says about the cluster.

    A follower is chosen, since a snapshot costs the leader time that all writes wait for. Its host must answer, because the snapshot is verified there.
    """
    told = {host: answer for host, answer in answers.items() if "quorum" in answer}
    answer = next((answer for answer in told.values() if answer["quorum"]["reached"]), None)
    if answer is None:
        return _refused(f"etcd: found no quorum, expected one; repair the cluster before you back it up: {_reasons(answers)}")
    members = [member for member in answer["members"] if member["healthy"] and not member["learner"] and member["client_urls"]]
    usable = [member for member in members if member["name"] in told]
    chosen = min(usable, key=lambda member: (member["name"] == answer["leader"], member["name"]), default=None)
    if chosen is None:
        healthy = ", ".join(sorted(member["name"] for member in members)) or "none"
        return _refused(f"etcd: found no host that answers and has a healthy member, expected one of {healthy}: {_reasons(answers)}")
    return {"host": chosen["name"], "url": chosen["client_urls"][0], "problem": ""}


def _refused(problem: str) -> dict[str, str]:
    return {"host": "", "url": "", "problem": problem}


def _reasons(answers: t.Mapping[str, t.Mapping[str, t.Any]]) -> str:
    """Return what each host that does not know a healthy cluster says."""
    said = []
    for host, answer in answers.items():
        problems = "; ".join(f"{url}: {problem}" for url, problem in answer.get("problems", {}).items())
        said.append(f"{host}: {problems or answer.get('msg') or 'no answer'}")
    return ". ".join(said) or "no host was asked"
