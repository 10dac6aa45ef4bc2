#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: podman_hosts
short_description: Keep the hosts of one cluster as podman containers
version_added: "0.1.0"
description:
  - Keeps a set of containers that serve as hosts (systemd, SSH, a kubelet inside), all at once and in parallel.
  - A host that is missing is made, one that is stopped is started, one that is not asked for is removed together with its volume.
  - A host that is there is never made again because an option changed, since that would lose its disk; only another O(generation)
    does that.
author:
  - The cfcr.kubernetes maintainers (@cfcr)
extends_documentation_fragment:
  - cfcr.kubernetes._attributes
requirements:
  - podman and runc, run as root
options:
  cluster:
    description: Name of the cluster; the label C(cfcr.cluster) of its containers and volumes, and the prefix of their names.
    type: str
    required: true
  hosts:
    description: The hosts that there should be; none removes all of the cluster's hosts.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: Host name; the container is named O(cluster)-name.
        type: str
        required: true
      address:
        description: Its fixed address in O(network).
        type: str
        required: true
      group:
        description: Its group; the label C(cfcr.group).
        type: str
        default: ""
      command:
        description: What to run instead of the image's command.
        type: list
        elements: str
        default: []
      mounts:
        description: Further files and directories of this machine that the host sees, as C(source:target:options).
        type: list
        elements: str
        default: []
  image:
    description: Image for the hosts that have to be made.
    type: str
    default: ""
  network:
    description: Podman network of the hosts.
    type: str
    default: ""
  owner:
    description:
      - Whose hosts they are, for example the directory that holds the cluster's state.
      - Hosts of the same cluster that have another owner are an error, since two parties would fight over them.
      - Where it is empty the hosts of every owner are meant.
    type: str
    default: ""
  generation:
    description: Hosts that have another generation are made again, for example because the keys that open them are lost.
    type: str
    default: ""
  unresponsive:
    description: Hosts that do not answer. Those of them that run are made again, and their disks are lost; those that are stopped are started.
    type: list
    elements: str
    default: []
  ignored:
    description: Hosts that are left as they are, whether they are there or not.
    type: list
    elements: str
    default: []
  mounts:
    description: Files and directories of this machine that every host sees, as C(source:target:options).
    type: list
    elements: str
    default: []
"""

EXAMPLES = r"""
- name: Make two hosts
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
  description: Names of the hosts that were made.
  returned: success
  type: list
  elements: str
  sample: [worker-0]
"""

import collections
import concurrent.futures
import functools
import json
import resource
import typing as t

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.cfcr.kubernetes.plugins.module_utils._command import run
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish

Host = collections.namedtuple("Host", "state owner generation")  # state: running, stopped, or lost: without a container, or never started
Plan = collections.namedtuple("Plan", "remove create start")

# What podman calls them; one that is paused is there, and answers nobody.
STATES = {"running": "running", "paused": "running", "created": "lost", "configured": "lost"}

# What a systemd with a kubelet below it needs of podman 4.3 and later, with either version of cgroups. Podman's own systemd mode would
# mount the machine's hierarchy into every host; Debian's crun refuses machines that have both versions.
RUN = (
    "podman --runtime runc run --detach --pull never --privileged --systemd=false --cgroupns=private --no-hosts --pids-limit -1"
    " --tmpfs /run --tmpfs /tmp:exec,mode=1777 --env container=podman --stop-signal SIGRTMIN+3"
).split()


def plan(existing: dict[str, Host], wanted: list[str], owner: str, generation: str, unresponsive: t.Container[str] = ()) -> Plan:
    """Return the names of the hosts to remove, to make and to start."""
    foreign = sorted({host.owner for host in existing.values() if owner and host.owner not in ("", owner)})
    if foreign:
        raise HostError(f"the hosts {', '.join(existing)} belong to {', '.join(foreign)}, not to {owner}: remove them first")
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
    """Return what there is of the cluster's hosts on this machine."""
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
    """Return limits that podman can set: at most the hard ones of this machine, and what podman itself runs with (pid_max)."""
    wanted = {"nofile": (resource.RLIMIT_NOFILE, 1048576), "nproc": (resource.RLIMIT_NPROC, 32768)}
    hard = {name: (resource.getrlimit(limit)[1], most) for name, (limit, most) in wanted.items()}
    values = {name: most if limit == resource.RLIM_INFINITY else min(limit, most) for name, (limit, most) in hard.items()}
    return [f"--ulimit={name}={value}:{value}" for name, value in values.items()]


def create(params: dict, host: dict) -> None:
    """Make a host and its disk for containerd, whose overlayfs cannot be stacked upon the container's."""
    name = f"{params['cluster']}-{host['name']}"
    labels = {f"cfcr.{key}": params[key] for key in ("cluster", "owner", "generation")} | {"cfcr.group": host["group"]}
    run("podman", "volume", "create", "--label", f"cfcr.cluster={params['cluster']}", name)
    run(
        *RUN,
        *(f"--label={key}={value}" for key, value in labels.items()),
        *limits(),
        *(f"--volume={mount}" for mount in (f"{name}:/var/lib/containerd", *params["mounts"], *host["mounts"])),
        *("--network", params["network"], "--ip", host["address"], "--name", name, "--hostname", host["name"]),
        *(params["image"], *host["command"]),
    )


def carry_out(params: dict, todo: Plan) -> None:
    """Remove and start hosts, make the missing ones in parallel."""
    full = functools.partial("{}-{}".format, params["cluster"])
    if todo.remove:
        run("podman", "rm", "--force", "--ignore", "--time", "0", *map(full, todo.remove))
        run("podman", "volume", "rm", "--force", *map(full, todo.remove))
    if todo.start:
        run("podman", "start", *map(full, todo.start))
    with concurrent.futures.ThreadPoolExecutor(max_workers=8) as pool:
        list(pool.map(functools.partial(create, params), (host for host in params["hosts"] if host["name"] in todo.create)))


def main() -> None:
    """Keep the hosts of one cluster."""
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
