# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What a run of rotate.yml does next and what it has done, decided on plain values: its steps in, names and lines of text out.

A step has `at`, the time when it was taken, and `rotations`, as module credential_rotation returns them.
"""

from __future__ import annotations

import typing as t

from .choice import CERTIFICATES

__all__ = ("going", "plan_lines", "report_lines", "rewrites_secrets")

Values = t.Mapping[str, t.Any]

_PHASES = {
    "trust": "the new one is trusted as well, the old one is in use",
    "use": "the new one is in use, the old one is still accepted",
    "drop": "only one is left",
    "": "done",
}
_PODS = (
    "kubectl get pods -A -o"
    " 'custom-columns=NAMESPACE:.metadata.namespace,POD:.metadata.name,SINCE:.status.startTime,CA:.spec.volumes[*].projected.sources[*].configMap.name'"
    " | grep kube-root-ca.crt"
)


def _rotations(steps: t.Sequence[Values]) -> list[Values]:
    """Return the rotations as the last step left them."""
    return list(steps[-1]["rotations"]) if steps else []


def _going(steps: t.Sequence[Values]) -> list[Values]:
    return [rotation for rotation in _rotations(steps) if rotation["phase"] and not rotation["waits"]]


def going(steps: t.Sequence[Values]) -> list[str]:
    """Return the records that go on by one phase.

    A rotation that waits does so for the rest of the run: no site.yml would follow a phase that starts after the last one.
    """
    return [rotation["name"] for rotation in _going(steps)]


def rewrites_secrets(steps: t.Sequence[Values]) -> bool:
    """Say whether the Secrets in etcd must be encrypted with the new key now."""
    return any(rotation["name"] == "encryption-at-rest" and rotation["phase"] == "use" for rotation in _going(steps))


def plan_lines(steps: t.Sequence[Values], names: t.Collection[str]) -> list[str]:
    """Return what the run is about to do."""
    lines = []
    for rotation in _rotations(steps):
        name, before, phase = rotation["name"], rotation["before"], rotation["phase"]
        if phase:
            how = "begins with" if not before else "goes on in" if before == phase else "is taken back by"
            lines.append(f"{name}: {how} phase {phase}: {_PHASES[phase]}")
        else:
            lines.append(f"{name}: {rotation['waits']}")
    if CERTIFICATES in names:
        lines.append(f"certificates: reissue keys and certificates created before {steps[0]['since']}")
    return lines


def report_lines(steps: t.Sequence[Values], names: t.Collection[str]) -> list[str]:
    """Return what the run has done, how long each phase took, and what the operator must do."""
    waiting = [rotation for step in steps for rotation in step["rotations"] if rotation["waits"]]
    lines = [line for number, step in enumerate(steps) for line in _step_lines(step, steps[number + 1 : number + 2])]
    if CERTIFICATES in names:
        lines.append(f"certificates: all created before {steps[0]['since']} are reissued")
    lines += [f"{rotation['name']}: {rotation['waits']}" for rotation in waiting if not rotation["phase"]]
    lines += [
        line for rotation in waiting if (rotation["name"], rotation["phase"]) == ("kubernetes", "trust") for line in _restart_lines(rotation["since"])
    ]
    if any(rotation["phase"] for rotation in waiting):
        lines.append("Run rotate.yml with the same `rotate` again. It continues with what waits, and starts no other rotation.")
    return lines


def _step_lines(step: Values, following: t.Sequence[Values]) -> t.Iterator[str]:
    for rotation in step["rotations"]:
        phase, waits = rotation["phase"], rotation["waits"]
        if rotation["before"] or phase:
            yield f"{rotation['name']}: {f'{phase}: ' if phase else ''}{_PHASES[phase]}{f'; {waits}' if waits else ''}"
    for after in following:
        yield f"    in {round(after['at'] - step['at'])} s on all hosts"


def _restart_lines(since: str) -> tuple[str, ...]:
    return (
        "Before kubernetes goes on, restart the pods that read CAs only at their start (client-go before 0.36, most other libraries).",
        f"Pods that started after {since} know both CAs. List the pods that use a CA, with their start time:",
        f"  {_PODS}",
    )
