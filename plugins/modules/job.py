#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Configure and run one component of a host: packages, release files, configuration, units, health."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job
short_description: Configure and run one component of a host
version_added: "0.9.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - A job is one component of a host with all that it needs. The word is from BOSH.
  - The module applies in one call, in this order, certificates, packages, kernel modules, sysctls, accounts, directories, release files,
    virtual environments of Python, files and systemd units, waits for the health of the units, and imports container images.
  - The environment of every unit has a digest of its configuration, so the running process shows which configuration it was started with.
    O(state=present) starts units that are not running. It reports units that run with another digest in RV(restart) with RV(ignore:changed)
    true. Only then does the task notify its handlers, which restart these units with O(state=restarted).
  - A unit with O(units[].reload) is reloaded instead if only files that it reads when it is reloaded have changed.
  - A handler that restarts one member of a group at a time checks the other members first, see O(peers).
  - If M(cfcr.kubernetes.host_facts) has found the job in the desired state and healthy earlier in the same run, the host is not contacted again.
    This excludes jobs with O(secrets), which are not recorded on the host.
  - The module leaves a descriptor of the job in C(/etc/cfcr/jobs) for M(cfcr.kubernetes.host_health) and M(cfcr.kubernetes.host_logs).
options:
  name:
    description: Name of the job. It names its files under C(/etc/modules-load.d) and C(/etc/sysctl.d).
    type: str
    required: true
  state:
    description:
      - V(present) applies everything and starts what is not running.
      - V(restarted) reloads or restarts the units that run with another configuration, one after the other, and waits for the health of each.
    type: str
    choices: [present, restarted]
    default: present
  certificates:
    description:
      - Keys and certificates of the job's processes. They are issued before anything else is applied. The other options of
        M(cfcr.kubernetes.certificate) have their defaults here, which are variables of the cluster.
    default: []
  packages:
    description: Debian packages to install. Their services are not started.
    type: list
    elements: str
    default: []
  offline:
    description: Whether packages come only from repositories on the host, such as that of a bundle, and from apt's cache.
    type: bool
    default: false
    version_added: "1.0.0"
  kernel_modules:
    description: Kernel modules to load, now and at boot. In a container nothing is loaded, since the kernel belongs to the machine.
    type: list
    elements: str
    default: []
  sysctls:
    description: Kernel parameters to set, now and at boot.
    type: dict
    default: {}
  directories:
    description: Directories to create.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      mode:
        description: Permissions, in octal.
        type: str
        default: "0755"
      owner:
        description: Owner, a system account with a group of the same name. It is created if it is missing.
        type: str
        default: root
      purge:
        description: Whether to remove files below the directory that O(files) does not have.
        type: bool
        default: false
        version_added: "1.0.0"
  artifacts:
    description: Release files, as the lookup P(cfcr.kubernetes.artifacts#lookup) returns them.
    type: list
    elements: dict
    default: []
    suboptions:
      component:
        description: Name of the component.
        type: str
        required: true
      version:
        description: Version of the component.
        type: str
        required: true
      architectures:
        description: For each architecture its C(url), C(sha256) or C(checksum_url), and C(files).
        type: dict
        required: true
  virtual_environments:
    description: Virtual environments of the host's Python, installed from wheels. Use another path for other requirements.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      requirements:
        description: Requirements in the format of pip, each with its version and the checksums of its wheels.
        type: str
        required: true
      wheels:
        description: URL of a page that links to the wheels. Default is the index of pip's own configuration.
        type: str
        default: ""
  files:
    description: Files to write.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      content:
        description: The content, or the name of a key of O(secrets) if O(files[].secret) is true.
        type: str
        required: true
      secret:
        description: Whether the content comes from O(secrets). It is never shown.
        type: bool
        default: false
      mode:
        description: Permissions, in octal.
        type: str
        default: "0644"
      owner:
        description: Owner, a system account with a group of the same name. It is created if it is missing.
        type: str
        default: root
  secrets:
    description: Contents that are never shown, by name.
    type: dict
    default: {}
  units:
    description: systemd services of the job, in the order in which they are started and restarted.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the service, without suffix.
        type: str
        required: true
      description:
        description: Description of the service in systemd.
        type: str
        required: true
      program:
        description: A program of O(artifacts), or an absolute path.
        type: str
        required: true
      arguments:
        description: Arguments of the program, before its flags.
        type: list
        elements: str
        default: []
      flags:
        description: Flags of the program. A list is joined by commas, a mapping becomes C(key=value) pairs, and null omits the flag.
        type: dict
        default: {}
      account:
        description: System account of the service. It is created if it is missing.
        type: str
        default: root
      mode:
        description: Permissions of the unit file, in octal.
        type: str
        default: "0644"
        version_added: "1.0.0"
      sandbox:
        description:
          - Whether systemd confines the service. It then has no capabilities, no devices, read-only directories except those in C(ReadWritePaths=),
            C(RuntimeDirectory=) and the like, and only the system calls of network services. O(units[].settings) relax single directives.
          - Switch it off for services that start containers, because these inherit most of it.
        type: bool
        default: true
        version_added: "1.0.0"
      settings:
        description: Sections of the unit with their settings, merged over the defaults and the sandbox.
        type: dict
        default: {}
      watch:
        description:
          - Files that the service reads at its start, besides its program and unit. It is restarted when one of them changes.
        type: list
        elements: path
        default: []
      reload:
        description:
          - Files that a reload is enough for. C(ExecReload=) in O(units[].settings) reloads the service. It should fail on a wrong configuration before
            the service reads it, and also runs before each restart.
          - The service itself reports the files that it has loaded, since a reload leaves its process unchanged. The report stays correct after a failed
            reload, a reload by systemd alone, a crash and an interrupted run, too.
        type: dict
        suboptions:
          watch:
            description: Files that the service reads at its start and when it is reloaded.
            type: list
            elements: path
            required: true
          url:
            description:
              - URL that returns the output of C(sha256sum) for these files from right before the service loaded them, at its start or last reload.
              - Either this or O(units[].reload.command) is required.
            type: str
          command:
            description:
              - Command that prints the output of C(sha256sum) for these files if what the service loaded is still in effect. It suits a unit of type
                C(oneshot), which has no process. Its reload must do all that its start does.
            type: list
            elements: str
      kernel:
        description:
          - State of the kernel that the service sets up when it starts. If somebody removes a part of it, the service is outdated, and is restarted, or
            reloaded if it has O(units[].reload). Service cfcr-guard of role firewall does so within half a minute.
          - Nothing counts as removed in the first 40 seconds of the service.
        type: dict
        version_added: "1.0.0"
        suboptions:
          tables:
            description: Tables of nftables, as family and name.
            type: list
            elements: str
            default: []
          interfaces:
            description: Network interfaces.
            type: list
            elements: str
            default: []
          vxlan:
            description: Interface of an overlay network, with a route and a permanent neighbour for each other host.
            type: str
      start:
        description: Whether this module starts the service. Otherwise it only enables it.
        type: bool
        default: true
      health:
        description: Health checks of the service, besides being active with the current configuration.
        type: list
        elements: dict
        default: []
        suboptions:
          url:
            description: URL that answers 200 when the service is healthy.
            type: str
            required: true
          ca_path:
            description: File with the CAs that the server's certificate is verified against.
            type: path
          certificate_path:
            description: File with the client certificate.
            type: path
          key_path:
            description: File with the client's private key.
            type: path
          condition:
            description: Condition that the Kubernetes object in the answer must have.
            type: str
  images:
    description:
      - Images that the job's containerd holds before any pod needs them, as the lookup P(cfcr.kubernetes.images#lookup) returns them. They are
        imported from verified archives in parallel, or pulled from their registry if they have no archive.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the image in the catalog.
        type: str
        required: true
      reference:
        description: Reference in the specifications of pods.
        type: str
        required: true
      archive:
        description: For each of its C(architectures) the C(url) and the C(sha256) or C(checksum_url) of a docker archive.
        type: dict
  peers:
    description:
      - The other members of the group, whose health is checked before a unit is restarted. A unit that is not healthy itself is restarted in any case.
    type: dict
    suboptions:
      urls:
        description: URLs that answer 200 when a member is healthy.
        type: list
        elements: str
        required: true
      required:
        description: Number of members that must be healthy.
        type: int
        required: true
      ca_path:
        description: File with the CAs that the servers' certificates are verified against.
        type: path
      certificate_path:
        description: File with the client certificate.
        type: path
      key_path:
        description: File with the client's private key.
        type: path
  proxy:
    description:
      - The HTTP proxy of all downloads. Default is C(cluster_http_proxy) with its exceptions, if set; otherwise the proxy of the login's environment.
    type: dict
    version_added: "1.0.0"
    suboptions:
      url:
        description: URL of the proxy.
        type: str
        required: true
      exceptions:
        description: Names, domains, addresses and networks that are reached without the proxy.
        type: list
        elements: str
        default: []
  timeout:
    description: Seconds to wait for the health of each unit.
    type: int
    default: 120
  asked:
    description: Digest of the options, recorded on the host for M(cfcr.kubernetes.host_facts). For the action only.
    type: str
    default: ""
extends_documentation_fragment:
  - cfcr.kubernetes._attributes
  - cfcr.kubernetes._attributes.action
  - cfcr.kubernetes._certificates
  - cfcr.kubernetes._certificates.pki
seealso:
  - module: cfcr.kubernetes.certificate
  - name: BOSH jobs
    description: The model of this module.
    link: https://bosh.io/docs/jobs/
"""

EXAMPLES = r"""
- name: Run etcd
  cfcr.kubernetes.job:
    name: etcd
    artifacts: "{{ lookup('cfcr.kubernetes.artifacts', 'etcd') }}"
    certificates:
      - path: /etc/etcd/pki/server
        authority: etcd
        alternative_names: ["{{ cluster_host_address }}"]
        usages: [server_auth, client_auth]
        owner: etcd
    files:
      - path: /etc/etcd/etcd.env
        content: "ETCD_NAME=etcd-0\n"
    units:
      - name: etcd
        description: etcd key-value store
        program: etcd
        account: etcd
        watch: [/etc/etcd/etcd.env, /etc/etcd/pki/server.crt]
        settings:
          Service: {EnvironmentFile: /etc/etcd/etcd.env, Type: notify}
  notify: Restart etcd
"""

RETURN = r"""
certificates:
  description: The certificates, as RV(cfcr.kubernetes.certificate#module:certificates) describes them.
  returned: if O(certificates) are given
  type: list
  elements: dict
restart:
  description:
    - Units that run with another configuration and wait for a restart or a reload. With O(state=restarted), units that were restarted or reloaded.
  returned: always
  type: list
  elements: str
  sample: [etcd]
"""

import os

from ansible.module_utils.basic import AnsibleModule
from ansible_collections.cfcr.kubernetes.plugins.module_utils._errors import HostError
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job import records
from ansible_collections.cfcr.kubernetes.plugins.module_utils._job.job import SPEC, Job, differences
from ansible_collections.cfcr.kubernetes.plugins.module_utils._pki import files
from ansible_collections.cfcr.kubernetes.plugins.module_utils._proxy import environment
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish


def main() -> None:
    """Apply or restart one job."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    os.umask(0o022)  # files without a mode are readable by everyone, whatever the login shell sets
    options, pki = module.params, module.params["pki"]
    os.environ.update(environment(options["proxy"]))  # for all programs that this module runs
    try:
        if pki and pki["phase"] == "write" and not module.check_mode:
            files.write(pki["certificates"], pki["bundles"])
        job = Job(options)
        if options["state"] == "restarted":
            before, after = dict.fromkeys(job.pending, "outdated"), {name: f"{what}ed" for name, what in job.pending.items()}
            finish(module, before, after, apply=job.restart, restart=job.outdated())
        before, after = differences(job.actual(), job.wanted())
        restart = job.outdated()
        if pki and pki["phase"] == "read":
            found, healthy = files.read(pki, module.check_mode), job.is_healthy()
            if before == after and healthy and not module.check_mode:
                records.write(options)
            module.exit_json(changed=before != after, diff={"before": before, "after": after}, restart=restart, healthy=healthy, pki=found)
        if not module.check_mode:
            if after:
                job.apply(after)
            job.check_health()
            job.bring_images(after.get("images", {}))
            records.write(options)
        finish(module, before, after, apply=lambda: None, restart=restart)
    except (HostError, OSError) as error:
        module.fail_json(msg=f"{options['name']}: {error}")


if __name__ == "__main__":
    main()
