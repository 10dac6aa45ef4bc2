#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: podman_hosts
short_description: Manage the hosts of one cluster as podman containers
version_added: "0.9.0"
description:
  - Manages a set of containers that serve as hosts (with systemd, SSH and kubelet), all of them in parallel.
  - Creates missing hosts, starts stopped ones, and removes unlisted ones together with their volumes.
  - A host that reboots itself comes back, and so does one that switches itself off. One that C(podman stop) or C(podman kill) ends stays stopped.
  - Does not recreate an existing host because an option changed, since that would lose its disk. Only another O(generation) does.
author:
  - The cfcr.kubernetes maintainers (@cfcr)
extends_documentation_fragment:
  - cfcr.kubernetes._attributes
requirements:
  - podman and runc, run as root
options:
  cluster:
    description: Name of the cluster. It is the label C(cfcr.cluster) of its containers and volumes, and the prefix of their names.
    type: str
    required: true
  hosts:
    description: All hosts of the cluster. An empty list removes the cluster's hosts.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Host name. The name of the container is O(cluster), a hyphen and this name.
        type: str
        required: true
      address:
        description: Fixed address in O(network).
        type: str
        required: true
      group:
        description: Group of the host, the label C(cfcr.group).
        type: str
        default: ""
      image:
        description: Image of the host, if it is not O(image).
        type: str
        default: ""
        version_added: "1.0.0"
      command:
        description: Command to run instead of the image's command.
        type: list
        elements: str
        default: []
      mounts:
        description: Further files and directories of this machine to mount, as C(source:target:options).
        type: list
        elements: str
        default: []
  image:
    description: Image of new hosts. Hosts that exist keep theirs.
    type: str
    default: ""
  network:
    description: Podman network of the hosts.
    type: str
    default: ""
  owner:
    description:
      - Owner of the hosts, for example the directory with the cluster's state.
      - Hosts of the same cluster with another owner are an error, because both owners would change them.
      - If it is empty, the module manages the hosts of all owners.
    type: str
    default: ""
  generation:
    description: Hosts with another generation are recreated, for example because the keys that open them are lost.
    type: str
    default: ""
  unresponsive:
    description: Hosts that do not answer. The module recreates those that run, and their disks are lost. It starts those that are stopped.
    type: list
    elements: str
    default: []
  ignored:
    description: Hosts to leave as they are, even if they are missing.
    type: list
    elements: str
    default: []
  mounts:
    description: Files and directories of this machine to mount in every host, as C(source:target:options).
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Create two hosts
  cfcr.kubernetes.podman_hosts:
    cluster: demo
    image: localhost/node
    network: demo
    hosts:
      - {name: master-0, address: 10.30.0.11}
      - {name: worker-0, address: 10.30.0.21}

- name: Remove every host of the cluster
  cfcr.kubernetes.podman_hosts:
    cluster: demo
    hosts: []
"""

RETURN = r"""
created:
  description: Names of the new hosts.
  returned: success
  type: list
  elements: str
  sample: [worker-0]
"""

import collections
import concurrent.futures
import functools
import ipaddress
import json
import resource
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cfcr.kubernetes.plugins.module_utils._command import run
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish

Host = collections.namedtuple("Host", "state owner generation")  # state: running, stopped, or lost (without a container, or never started)
Plan = collections.namedtuple("Plan", "remove create start")

# Our states by those of podman. A paused host exists but does not answer.
STATES = {"running": "running", "paused": "running", "created": "lost", "configured": "lost"}

# Options of podman 4.3 and later for systemd and kubelet, with either version of cgroups. Podman's systemd mode would mount the machine's
# hierarchy into every host, and Debian's crun refuses machines that have both versions. A reboot ends the container by a signal, which is a failure.
RUN = (
    "podman --runtime runc run --detach --pull never --privileged --systemd=false --cgroupns=private --no-hosts --pids-limit -1"
    " --restart on-failure --tmpfs /run --tmpfs /tmp:exec,mode=1777 --env container=podman --stop-signal SIGRTMIN+3"
).split()


def plan(existing: dict[str, Host], wanted: list[str], owner: str, generation: str, unresponsive: t.Container[str] = ()) -> Plan:
    """Return the names of the hosts to remove, to create and to start."""
    foreign = sorted({host.owner for host in existing.values() if owner and host.owner not in ("", owner)})
    if foreign:
        raise HostError(f"{', '.join(existing)}: found hosts of owner {', '.join(foreign)}, expected {owner}; remove them first")
    gone = [name for name, host in existing.items() if host.state == "lost" or (host.state != "stopped" and name in unresponsive)]
    kept = [name for name, host in existing.items() if name in wanted and name not in gone and host.generation == generation]
    return Plan(
        remove=[name for name in existing if name not in kept],
        create=[name for name in wanted if name not in kept],
        start=[name for name in kept if existing[name].state == "stopped"],
    )


def outcome(existing: dict[str, Host], todo: Plan) -> dict[str, str]:
    """Return the states of the hosts once the plan is carried out."""
    kept = {name: host.state for name, host in existing.items() if name not in todo.remove}
    return {**kept, **dict.fromkeys(todo.start, "running"), **dict.fromkeys(todo.create, "new")}


def find(cluster: str) -> dict[str, Host]:
    """Return the cluster's hosts on this machine."""
    belonging = ("--filter", f"label=cfcr.cluster={cluster}")
    volumes = run("podman", "volume", "ls", *belonging, "--quiet").split()
    containers = json.loads(run("podman", "ps", "--all", *belonging, "--format", "json"))
    hosts = dict.fromkeys(volumes, Host("lost", "", ""))
    for container in containers:
        state = STATES.get(container["State"], "stopped")
        labels = container["Labels"]
        hosts[container["Names"][0]] = Host(state, labels.get("cfcr.owner", ""), labels.get("cfcr.generation", ""))
    return {name[len(cluster) + 1 :]: host for name, host in sorted(hosts.items())}


def limits() -> list[str]:
    """Return limits that podman can set: at most this machine's hard limits, and those that podman runs with (pid_max)."""
    wanted = {"nofile": (resource.RLIMIT_NOFILE, 1048576), "nproc": (resource.RLIMIT_NPROC, 32768)}
    hard = {name: (resource.getrlimit(limit)[1], most) for name, (limit, most) in wanted.items()}
    values = {name: most if limit == resource.RLIM_INFINITY else min(limit, most) for name, (limit, most) in hard.items()}
    return [f"--ulimit={name}={value}:{value}" for name, value in values.items()]


def mac_address(address: str) -> str:
    """Return the MAC address of a host, as Docker makes it from the IPv4 address.

    A host that is created again keeps it. Otherwise the ARP caches of the others lead nowhere for up to eight seconds.
    """
    return ":".join(f"{byte:02x}" for byte in (0x02, 0x42, *ipaddress.IPv4Address(address).packed))


def create(params: dict, host: dict) -> None:
    """Create a host, and a volume for containerd, whose overlayfs cannot be stacked on the container's."""
    name = f"{params['cluster']}-{host['name']}"
    labels = {f"cfcr.{key}": params[key] for key in ("cluster", "owner", "generation")} | {"cfcr.group": host["group"]}
    run("podman", "volume", "create", "--label", f"cfcr.cluster={params['cluster']}", name)
    run(
        *RUN,
        *(f"--label={key}={value}" for key, value in labels.items()),
        *limits(),
        *(f"--volume={mount}" for mount in (f"{name}:/var/lib/containerd", *params["mounts"], *host["mounts"])),
        *("--network", params["network"], "--ip", host["address"], "--mac-address", mac_address(host["address"])),
        *("--name", name, "--hostname", host["name"]),
        *(host["image"] or params["image"], *host["command"]),
    )


def carry_out(params: dict, todo: Plan) -> None:
    """Remove and start hosts, and create missing ones in parallel."""
    full = functools.partial("{}-{}".format, params["cluster"])
    if todo.remove:
        run("podman", "rm", "--force", "--ignore", "--time", "0", *map(full, todo.remove))
        run("podman", "volume", "rm", "--force", *map(full, todo.remove))
    if todo.start:
        run("podman", "start", *map(full, todo.start))
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(functools.partial(create, params), (host for host in params["hosts"] if host["name"] in todo.create)))


def main() -> None:
    """Manage the hosts of one cluster."""
    strings = {"type": "list", "elements": "str", "default": []}
    module = AnsibleModule(
        argument_spec={
            "cluster": {"type": "str", "required": True},
            "hosts": {
                "type": "list",
                "elements": "dict",
                "required": True,
                "options": {
                    "name": {"type": "str", "required": True},
                    "address": {"type": "str", "required": True},
                    "group": {"type": "str", "default": ""},
                    "image": {"type": "str", "default": ""},
                    "command": strings,
                    "mounts": strings,
                },
            },
            "image": {"type": "str", "default": ""},
            "network": {"type": "str", "default": ""},
            "owner": {"type": "str", "default": ""},
            "generation": {"type": "str", "default": ""},
            "unresponsive": strings,
            "ignored": strings,
            "mounts": strings,
        },
        supports_check_mode=True,
    )
    params = module.params
    try:
        existing = {name: host for name, host in find(params["cluster"]).items() if name not in params["ignored"]}
        wanted = [host["name"] for host in params["hosts"] if host["name"] not in params["ignored"]]
        todo = plan(existing, wanted, params["owner"], params["generation"], params["unresponsive"])
        before = {name: host.state for name, host in existing.items()}
        finish(module, before, outcome(existing, todo), apply=lambda: carry_out(params, todo), created=todo.create)
    except HostError as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
