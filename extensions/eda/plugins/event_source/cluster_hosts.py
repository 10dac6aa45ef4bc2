# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An event source that reports hosts of a cluster that stop answering."""

from __future__ import annotations

import asyncio
import json
import re
import time
import typing as t

DOCUMENTATION = r"""
short_description: Report hosts of a cluster that stop answering
description:
  - Connects to the SSH server of every host every few seconds, waits for its SSH banner, and reports the hosts that do not send one.
  - The banner is the identification string of the SSH protocol, within the first 4096 bytes that a host sends. A host that sends anything else counts as down.
  - "Sends the event C({kind: down, hosts: [worker-1]}) when hosts are down, and repeats it while they stay down."
  - It connects to C(ansible_host) itself, and knows no bastion, proxy command or alias of the SSH configuration. So a host that has not sent a banner
    since the start of the source is not reported as down. A rule for C(scan) finds such hosts.
  - "Sends the event C({kind: scan, hosts: []}) periodically, so that a rule can look for faults that SSH does not show."
options:
  inventory:
    description: Path of the cluster's inventory.
    type: str
    required: true
  interval:
    description: Seconds to wait between two checks of all hosts.
    type: float
    default: 3
  patience:
    description: Seconds to wait for the banner of a host.
    type: float
    default: 3
  times:
    description: Number of consecutive failed checks after which a host is down.
    type: int
    default: 2
  again_seconds:
    description: Seconds after which the event C(down) is repeated for hosts that are still down.
    type: float
    default: 60
  scan_seconds:
    description: Seconds between two events C(scan). V(0) disables them.
    type: float
    default: 120
"""

EXAMPLES = r"""
- cfcr.kubernetes.cluster_hosts:
    inventory: /var/lib/cfcr/inventory.yml
"""

GROUPS = ("etcd", "master", "worker", "proxy")

# RFC 4253, 4.2: the banner is a line of at most 255 bytes. A server may send other lines first, so this many bytes are read.
BANNER = re.compile(rb"^SSH-[^\n]{0,250}\n", re.MULTILINE)
MAX_BYTES = 4096


class Watch:
    """Decides from the checks of all hosts which events to send."""

    def __init__(self, times: int, again_seconds: float, scan_seconds: float) -> None:
        """Take the options of the same names."""
        self._times, self._again, self._scan = times, again_seconds, scan_seconds
        self._failures: dict[str, int] = {}
        self._seen: set[str] = set()  # the hosts that have answered
        self._reported: set[str] = set()
        self._reported_at = self._scanned_at = float("-inf")

    def events(self, answers: dict[str, bool], now: float) -> list[dict[str, t.Any]]:
        """Return the events to send after a check of all hosts."""
        self._failures = {name: 0 if answered else self._failures.get(name, 0) + 1 for name, answered in answers.items()}
        self._seen |= {name for name, answered in answers.items() if answered}
        down = {name for name, count in self._failures.items() if count >= self._times and name in self._seen}
        due = down - self._reported or (down and now - self._reported_at >= self._again)
        self._reported = down
        events = []
        if due:
            self._reported_at = now
            events.append({"kind": "down", "hosts": sorted(down)})
        if self._scan and now - self._scanned_at >= self._scan:
            self._scanned_at = now
            events.append({"kind": "scan", "hosts": []})
        return events


def ssh_endpoints(inventory: dict[str, t.Any]) -> dict[str, tuple[str, int]]:
    """Return the SSH address and port of each host to watch, given the output of ansible-inventory."""
    variables = inventory["_meta"]["hostvars"]
    ignored = inventory.get("ignored", {}).get("hosts", [])
    names = [name for group in GROUPS for name in inventory.get(group, {}).get("hosts", []) if name not in ignored]
    return {name: (variables.get(name, {}).get("ansible_host", name), int(variables.get(name, {}).get("ansible_port", 22))) for name in names}


async def sends_banner(address: str, port: int, patience: float) -> bool:
    """Return whether an SSH server sends its banner. A host that hangs may still accept connections."""
    try:
        return await asyncio.wait_for(_sends_banner(address, port), patience)
    # ValueError and OverflowError: the inventory has an invalid address or port.
    except (OSError, asyncio.TimeoutError, ValueError, OverflowError):
        return False


async def _sends_banner(address: str, port: int) -> bool:
    reader, writer = await asyncio.open_connection(address, port, limit=MAX_BYTES)
    try:
        received = b""
        while not (found := BANNER.search(received)) and len(received) < MAX_BYTES:
            more = await reader.read(MAX_BYTES - len(received))
            if not more:
                break
            received += more
        return found is not None
    finally:
        writer.close()


async def read_inventory(path: str) -> dict[str, t.Any]:
    """Return an inventory as ansible-inventory prints it."""
    process = await asyncio.create_subprocess_exec("ansible-inventory", "--inventory", path, "--list", stdout=asyncio.subprocess.PIPE)
    output, _errors = await process.communicate()
    if process.returncode:
        raise ValueError(f"ansible-inventory cannot read {path}: it ended with exit code {process.returncode}, expected 0")
    return json.loads(output)


async def main(queue: asyncio.Queue[t.Any], args: dict[str, t.Any]) -> None:
    """Check all hosts and send events, in an endless loop."""
    endpoints = ssh_endpoints(await read_inventory(args["inventory"]))
    interval, patience = float(args.get("interval", 3)), float(args.get("patience", 3))
    watch = Watch(int(args.get("times", 2)), float(args.get("again_seconds", 60)), float(args.get("scan_seconds", 120)))
    while True:
        answers = await asyncio.gather(*(sends_banner(*endpoint, patience) for endpoint in endpoints.values()))
        for event in watch.events(dict(zip(endpoints, answers)), time.monotonic()):
            await queue.put(event)
        await asyncio.sleep(interval)
