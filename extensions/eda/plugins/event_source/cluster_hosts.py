# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""An event source that tells when hosts of a cluster go away."""

from __future__ import annotations

import asyncio
import json
import re
import time
import typing as t

DOCUMENTATION = r"""
short_description: Tell when hosts of a cluster go away
description:
  - Waits for the greeting of every host's SSH server every few seconds, which costs next to nothing, and tells which hosts do not give it.
  - The greeting is a line of SSH within the first 4096 bytes that a host sends. A host that sends anything else counts as silent.
  - C({kind: down, hosts: [worker-1]}) is told as soon as it is certain, and again while it stays so; C({kind: scan}) every now and then.
options:
  inventory:
    description: File of the cluster's inventory.
    type: str
    required: true
  interval:
    description: Seconds between two looks.
    type: float
    default: 3
  patience:
    description: Seconds that a host has for its greeting.
    type: float
    default: 3
  times:
    description: How often in a row a host must be silent before it is told.
    type: int
    default: 2
  again_seconds:
    description: How many seconds later hosts that are still silent are told again.
    type: float
    default: 60
  scan_seconds:
    description: How many seconds pass between two events of kind scan, by which all else is found that may be wrong; 0 for none.
    type: float
    default: 120
"""

EXAMPLES = r"""
- cfcr.kubernetes.cluster_hosts:
    inventory: /var/lib/cfcr/inventory.yml
"""

GROUPS = ("etcd", "master", "worker", "proxy")

# RFC 4253, 4.2: the greeting is a line of at most 255 bytes, and a server may send other lines before it, of which this many bytes are read.
GREETING = re.compile(rb"^SSH-[^\n]{0,250}\n", re.MULTILINE)
MOST_BYTES = 4096


class Watch:
    """Which hosts are silent, and what is to be told of it."""

    def __init__(self, times: int, again_seconds: float, scan_seconds: float) -> None:
        """Take how certain it must be and how often it is told."""
        self._times, self._again, self._scan = times, again_seconds, scan_seconds
        self._silent: dict[str, int] = {}
        self._told: set[str] = set()
        self._told_at = self._scanned_at = float("-inf")

    def events(self, greeted: dict[str, bool], now: float) -> list[dict[str, t.Any]]:
        """Return what is to be told after a look at all hosts."""
        self._silent = {name: 0 if well else self._silent.get(name, 0) + 1 for name, well in greeted.items()}
        down = {name for name, count in self._silent.items() if count >= self._times}
        news = down - self._told or (down and now - self._told_at >= self._again)
        self._told = down
        events = []
        if news:
            self._told_at = now
            events.append({"kind": "down", "hosts": sorted(down)})
        if self._scan and now - self._scanned_at >= self._scan:
            self._scanned_at = now
            events.append({"kind": "scan", "hosts": []})
        return events


def watched(inventory: dict[str, t.Any]) -> dict[str, tuple[str, int]]:
    """Return address and port of the hosts to watch, given what ansible-inventory says."""
    variables = inventory["_meta"]["hostvars"]
    ignored = inventory.get("ignored", {}).get("hosts", [])
    names = [name for group in GROUPS for name in inventory.get(group, {}).get("hosts", []) if name not in ignored]
    return {name: (variables.get(name, {}).get("ansible_host", name), int(variables.get(name, {}).get("ansible_port", 22))) for name in names}


async def greets(address: str, port: int, patience: float) -> bool:
    """Say whether an SSH server greets: one that only accepts connections may hang. A host may also send anything, and is silent then."""
    try:
        return await asyncio.wait_for(_greets(address, port), patience)
    # The last two are raised for an address or a port of the inventory that cannot be one.
    except (OSError, asyncio.TimeoutError, ValueError, OverflowError):
        return False


async def _greets(address: str, port: int) -> bool:
    reader, writer = await asyncio.open_connection(address, port, limit=MOST_BYTES)
    try:
        said = b""
        while not (found := GREETING.search(said)) and len(said) < MOST_BYTES:
            more = await reader.read(MOST_BYTES - len(said))
            if not more:
                break
            said += more
        return found is not None
    finally:
        writer.close()


async def read(path: str) -> dict[str, t.Any]:
    """Return what ansible-inventory makes of an inventory."""
    process = await asyncio.create_subprocess_exec("ansible-inventory", "--inventory", path, "--list", stdout=asyncio.subprocess.PIPE)
    output, _errors = await process.communicate()
    if process.returncode:
        raise ValueError(f"{path}: ansible-inventory cannot read it")
    return json.loads(output)


async def main(queue: asyncio.Queue[t.Any], args: dict[str, t.Any]) -> None:
    """Look, tell, wait, for ever."""
    hosts = watched(await read(args["inventory"]))
    interval, patience = float(args.get("interval", 3)), float(args.get("patience", 3))
    watch = Watch(int(args.get("times", 2)), float(args.get("again_seconds", 60)), float(args.get("scan_seconds", 120)))
    while True:
        answers = await asyncio.gather(*(greets(*where, patience) for where in hosts.values()))
        for event in watch.events(dict(zip(hosts, answers)), time.monotonic()):
            await queue.put(event)
        await asyncio.sleep(interval)
