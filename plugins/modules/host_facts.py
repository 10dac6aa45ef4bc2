#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: host_facts
short_description: Gather the facts of a host that this collection uses
version_added: "0.9.0"
description:
  - Returns properties of the host, and the processes that listen on the ports that the host will need, as the fact C(cfcr_host).
  - Returns the jobs of M(cfcr.kubernetes.job) that are in their recorded state as the fact C(cfcr_jobs), so that the same run skips them.
  - It takes one round trip and changes nothing. The controller adds the offset of the host's clock.
author: The cfcr.kubernetes maintainers (@cfcr)
extends_documentation_fragment: [cfcr.kubernetes._attributes.info]
options:
  ports:
    description:
      - Ports whose listeners are returned, as C(2379/tcp) or C(30000-32767/udp).
      - Default are the ports that the collection uses on hosts of the same groups.
    type: list
    elements: str
  disks:
    description: Directories whose file systems are measured.
    type: list
    elements: path
    default: [/var/lib, /opt]
  on_failure:
    description:
      - Whether the task fails if the host cannot be reached or cannot run the module.
      - V(report) returns the reason as the fact C(cfcr_host.error), so that M(cfcr.kubernetes.preflight) can list all such hosts.
    type: str
    choices: [fail, report]
    default: fail
  wait:
    description: Seconds to retry a host that cannot be reached, for example because it is still starting.
    type: int
    default: 0
seealso:
  - module: cfcr.kubernetes.preflight
"""

EXAMPLES = r"""
- name: Gather host facts
  cfcr.kubernetes.host_facts:

- name: Find the processes that listen on the ports of a web server
  cfcr.kubernetes.host_facts:
    ports: [80/tcp, 443/tcp]
"""

RETURN = r"""
ansible_facts:
  description: Facts to add to ansible_facts.
  returned: always
  type: dict
  contains:
    cfcr_host:
      description: Facts of the host.
      returned: always
      type: dict
      contains:
        error:
          description: Reason why there are no other facts.
          returned: when O(on_failure=report) and the host cannot be reached or cannot run the module
          type: str
          sample: "unreachable: Connection timed out"
        user:
          description: The user that modules run as.
          returned: success
          type: str
          sample: root
        euid:
          description: The effective user ID that modules run with.
          returned: success
          type: int
          sample: 0
        python_version:
          description: Version of Python.
          returned: success
          type: str
          sample: 3.11.2
        operating_system:
          description: Identifier of the operating system, C(ID) of os-release.
          returned: success
          type: str
          sample: debian
        operating_system_version:
          description: Version of the operating system, C(VERSION_ID) of os-release.
          returned: success
          type: str
          sample: "12"
        kernel:
          description: Release of the kernel.
          returned: success
          type: str
          sample: 6.1.0-40-amd64
        architecture:
          description: Architecture, as the Kubernetes project names it.
          returned: success
          type: str
          sample: amd64
        init:
          description: Name of process 1.
          returned: success
          type: str
          sample: systemd
        systemd_version:
          description: Version of systemd, 0 if there is none.
          returned: success
          type: int
          sample: 252
        container:
          description: Whether the host is a container.
          returned: success
          type: bool
          sample: false
        processors:
          description: Number of processors.
          returned: success
          type: int
          sample: 2
        memory_mib:
          description: Memory in MiB, or the limit of the host's control group if that is lower.
          returned: success
          type: int
          sample: 3912
        disks:
          description: Size and free space in MiB, and the restrictions V(ro) and V(noexec) of the mount, by directory.
          returned: success
          type: dict
          sample: {/var/lib: {total_mib: 20030, free_mib: 11877, restrictions: []}}
        cgroup_version:
          description: Version of the control groups, 1 on hybrid hosts.
          returned: success
          type: int
          sample: 2
        cgroup_driver:
          description: The driver of control groups that the kubelet and the container runtime are to use, C(systemd) or C(cgroupfs).
          returned: success
          type: str
          sample: systemd
        conntrack_writable:
          description: Whether the size of the table of connections can be set.
          returned: success
          type: bool
          sample: true
        kernel_features:
          description: C(present), C(loadable) or C(missing), for overlay, br_netfilter, vxlan and nftables.
          returned: success
          type: dict
          sample: {overlay: present, br_netfilter: loadable, vxlan: loadable, nftables: present}
        interfaces:
          description: Names of the network interfaces.
          returned: success
          type: list
          elements: str
          sample: [eth0, lo]
        networks:
          description: The IPv4 networks that are routed without a gateway, with their interface.
          returned: success
          type: list
          elements: dict
          sample: [{interface: eth0, network: 10.0.0.0/24}]
        addresses:
          description:
            - The addresses of the interfaces that connect the host with others. Loopback and link-local addresses, and the interfaces of pods and of
              flannel, are left out.
          returned: success
          type: list
          elements: str
          sample: [10.0.0.21, "2001:db8::21"]
        firewall_addresses:
          description: The addresses of all hosts that the host's firewall was made of, by host.
          returned: success
          type: dict
          sample: {etcd-0: [10.0.0.61]}
        ephemeral_ports:
          description: First and last port that the kernel gives to sockets that ask for any port. It is empty if the host does not tell.
          returned: success
          type: list
          elements: int
          sample: [32768, 60999]
        cluster_networks:
          description: The networks of Services and pods that the components on the host use, by variable. It is empty before they run.
          returned: success
          type: dict
          sample: {cluster_pod_cidr: 10.200.0.0/16}
        etcd_members:
          description: The members of etcd, as the member of the host knows them. V(null) if the host has no member, or its member does not answer.
          returned: success
          type: list
          elements: dict
          sample: [{id: 8e9e05c52164694d, name: etcd-0, peer_urls: ["https://10.0.0.61:2380"], learner: false}]
        routes:
          description:
            - Addresses of other hosts. C(overlay) has those that flannel sends packets of pods to, C(backends) those of HAProxy's configuration.
          returned: success
          type: dict
          sample: {overlay: [10.0.0.21, 10.0.0.22], backends: []}
        releases:
          description: Version of each component in C(/opt/cfcr/bin).
          returned: success
          type: dict
          sample: {etcd: 3.6.16}
        authorities:
          description: SHA-256 of the certificates in each CA bundle that a component of the collection trusts, by path.
          returned: success
          type: dict
          sample: {/etc/etcd/pki/ca.crt: [0f5d8f2c1a3e4b60c2d9a77c5ad1b93f5c0e3f9e6a2b4d8871c6f3b2a9e0d417]}
        listeners:
          description:
            - Processes that listen on the ports of O(ports).
            - The name of the process is empty and its ID 0 if the kernel itself listens, or if another user's processes cannot be examined.
          returned: success
          type: list
          elements: dict
          sample: [{port: 2379, protocol: tcp, address: "::", pid: 412, process: etcd, unit: etcd.service}]
        nameservers:
          description:
            - The nameservers of resolv.conf; systemd-resolved, which only the host itself reaches, is replaced by its upstream servers.
          returned: success
          type: list
          elements: str
          sample: [10.0.0.2]
        resolved:
          description: Whether systemd-resolved runs and is the first nameserver of resolv.conf.
          returned: success
          type: bool
          sample: false
        search:
          description: The search domains of resolv.conf.
          returned: success
          type: list
          elements: str
          sample: [example.com]
        time:
          description: The host's clock, in seconds since 1970 (UTC), while the module ran.
          returned: success
          type: float
          sample: 1795255000.25
        clock_offset:
          description:
            - Range of seconds by which the host's clock can be ahead of the controller's. The exact time between request and answer at which the
              module read the clock is not known.
          returned: success
          type: list
          elements: float
          sample: [-0.4, 0.3]
    cfcr_jobs:
      description: State of the host's jobs, with which M(cfcr.kubernetes.job) saves round trips.
      returned: success
      type: dict
      contains:
        run:
          description: The run of Ansible that gathered the fact. It is valid in this run only.
          returned: success
          type: str
        time:
          description: When it was gathered, in seconds since the epoch by the controller's clock. It is valid until the run changes a host.
          returned: success
          type: float
          sample: 1795255000.25
        unchanged:
          description: The jobs that are healthy and in their recorded state, with the digest of their options and their certificates.
          returned: success
          type: dict
          sample: {containerd: {asked: 0f5d8f2c1a3e4b60c2d9a77c5ad1b93f5c0e3f9e6a2b4d8871c6f3b2a9e0d417, pki: null}}
"""

import time

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._artifacts.release import active
from ..module_utils._etcd.peers import members
from ..module_utils._host.addresses import addresses, recorded_addresses
from ..module_utils._host.facts import disks, facts
from ..module_utils._host.kernel_features import kernel_features
from ..module_utils._host.listeners import listeners
from ..module_utils._host.routes import VXLAN, routes
from ..module_utils._job.records import unchanged


def main() -> None:
    """Gather the facts."""
    module = AnsibleModule(
        argument_spec={
            "ports": {"type": "list", "elements": "str"},
            "disks": {"type": "list", "elements": "path", "default": ["/var/lib", "/opt"]},
            "on_failure": {"type": "str", "choices": ["fail", "report"], "default": "fail"},
            "wait": {"type": "int", "default": 0},
        },
        supports_check_mode=True,
    )
    cfcr_host = {
        **facts(),
        "addresses": addresses(),
        "firewall_addresses": recorded_addresses(),
        "etcd_members": members(),
        "routes": routes(VXLAN),
        "releases": active(),
        "disks": disks(module.params["disks"]),
        "kernel_features": kernel_features(),
        "listeners": listeners(module.params["ports"] or []),
        "time": time.time(),
    }
    module.exit_json(changed=False, ansible_facts={"cfcr_host": cfcr_host, "cfcr_jobs": {"unchanged": unchanged()}})


if __name__ == "__main__":
    main()
