#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Keep one component of a host as asked: packages, release files, configuration, units, health."""

from __future__ import annotations

DOCUMENTATION = r"""
module: job
short_description: Keep one component of a host as asked
version_added: "0.1.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Applies in one call what a BOSH job has, in this order. Certificates, packages, kernel modules, sysctls, accounts, directories,
    release files, virtual environments of Python, files, systemd units, the health of what runs, and images of containers.
  - Every unit carries a digest of all that it depends on in its environment, so that the running process tells which
    configuration it was started with. With O(state=present) a unit that is not running is started, and one that runs with
    an old digest is reported in RV(restart) with RV(ignore:changed) true. Only then the task notifies its handlers, which restart
    it with O(state=restarted).
  - A unit that can be reloaded, see O(units[].reload), is reloaded in place of that where nothing but what it then reads has changed.
  - A handler that restarts one member of a group at a time asks the other members first, see O(peers).
  - A host that M(cfcr.kubernetes.host_facts) has found to be just as the job asks, healthy included, earlier in the same run, is not asked again.
    Only a job with O(secrets) is, since nothing of them may be kept elsewhere.
  - What the job consists of is left on the host in C(/etc/cfcr/jobs), where M(cfcr.kubernetes.host_health) and M(cfcr.kubernetes.host_logs)
    find it.
options:
  name:
    description: Name of the job; names its files under C(/etc/modules-load.d) and C(/etc/sysctl.d).
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
      - Keys and certificates that the job's processes use, each as in M(cfcr.kubernetes.certificate), whose other options have their
        defaults here. They are issued before anything else is applied.
    type: list
    elements: dict
    default: []
  pki:
    description: The host's part in O(certificates), as M(cfcr.kubernetes.certificate_files) takes it. The action sets it, nobody else.
    type: dict
    suboptions:
      phase:
        description: With V(read) nothing is applied, the job and its certificates are only compared; V(write) writes what was signed and applies.
        type: str
        required: true
        choices: [read, write]
      certificates:
        description: The certificates to read or to write.
        type: list
        elements: dict
        required: true
      bundles:
        description: The bundles of authorities to read or to write.
        type: list
        elements: dict
        required: true
      key_type:
        description: Type of the private keys.
        type: str
        required: true
        choices: [ecdsa-p256, ecdsa-p384, rsa-2048, rsa-3072, rsa-4096]
      since:
        description: Private keys that were made before this moment, in seconds since the epoch, are made anew.
        type: float
        default: 0
  packages:
    description: Debian packages that must be installed. Services that they bring are not started.
    type: list
    elements: str
    default: []
  kernel_modules:
    description: Kernel modules to load, now and at boot. In a container the kernel belongs to the machine, and nothing is loaded.
    type: list
    elements: str
    default: []
  sysctls:
    description: Kernel parameters to set, now and at boot.
    type: dict
    default: {}
  directories:
    description: Directories to keep.
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
        description: Owner, a system account that is made where it is missing; the group is its own.
        type: str
        default: root
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
    description: Virtual environments of the host's Python, made of wheels. One with other requirements should have another path.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      requirements:
        description: Requirements for pip, all of them with their version and the checksums of their wheels.
        type: str
        required: true
      wheels:
        description: URL of a page or directory that links to the wheels. Without it, pip's own configuration says where its index is.
        type: str
        default: ""
  files:
    description: Files to keep.
    type: list
    elements: dict
    default: []
    suboptions:
      path:
        description: Absolute path.
        type: path
        required: true
      content:
        description: The content, or the name of a key of O(secrets) where O(files[].secret) is true.
        type: str
        required: true
      secret:
        description: Whether the content is looked up in O(secrets); it is never shown.
        type: bool
        default: false
      mode:
        description: Permissions, in octal.
        type: str
        default: "0644"
      owner:
        description: Owner, a system account that is made where it is missing; the group is its own.
        type: str
        default: root
  secrets:
    description: Contents that must not be shown, by name.
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
        description: What the service is, for people.
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
        description: Flags of the program. A list is joined by commas, a mapping as C(key=value), null leaves the flag out.
        type: dict
        default: {}
      account:
        description: System account that the service runs as; made where it is missing.
        type: str
        default: root
      settings:
        description: Sections of the unit with their settings, laid over the defaults.
        type: dict
        default: {}
      watch:
        description:
          - Files that the service reads at its start, beside its program and unit. It is restarted when one of them changes.
        type: list
        elements: path
        default: []
      reload:
        description:
          - What a reload is enough for, where C(ExecReload=) in O(units[].settings) says how the service is reloaded. A wrong configuration should make
            that fail before the service has noticed. It is tried before a restart as well.
          - Whether the files are loaded is what the service itself says, since a reload leaves its process as it was. So it is right as well after
            a reload that failed or that somebody else had systemd do, a crash and an interrupted run.
        type: dict
        suboptions:
          watch:
            description: Files that the service reads at its start and when it is reloaded.
            type: list
            elements: path
            required: true
          url:
            description:
              - URL that answers what C(sha256sum) printed of these files right before the service loaded them, at its start or its last reload.
            type: str
            required: true
      start:
        description: Whether this module starts the service. If not, it is enabled only.
        type: bool
        default: true
      health:
        description: How the service is asked for its health, beside being active with the wanted configuration.
        type: list
        elements: dict
        default: []
        suboptions:
          url:
            description: URL that answers 200 when the service is healthy.
            type: str
            required: true
          ca_path:
            description: File with the authorities that the server's certificate is verified against.
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
      - Images that containerd, a unit of the job, shall have before any pod asks for them, as the lookup
        P(cfcr.kubernetes.images#lookup) returns them. They are imported from verified archives, in parallel, or where there is no
        archive pulled from their registry.
    type: list
    elements: dict
    default: []
    suboptions:
      name:
        description: Name of the image in the catalog.
        type: str
        required: true
      reference:
        description: Reference that pods ask for.
        type: str
        required: true
      archive:
        description: For each of its C(architectures) the C(url) and the C(sha256) or C(checksum_url) of a docker archive.
        type: dict
  peers:
    description: The other members of the group, which are asked for their health before a unit is restarted.
    type: dict
    suboptions:
      urls:
        description: URLs that answer 200 when a member is healthy.
        type: list
        elements: str
        required: true
      required:
        description: How many of them must be healthy.
        type: int
        required: true
      ca_path:
        description: File with the authorities that the servers' certificates are verified against.
        type: path
      certificate_path:
        description: File with the client certificate.
        type: path
      key_path:
        description: File with the client's private key.
        type: path
  timeout:
    description: Seconds to wait for the health of each unit.
    type: int
    default: 120
  asked:
    description: Digest of all that is asked. The host keeps it with the options, for M(cfcr.kubernetes.host_facts). The action sets it, nobody else.
    type: str
    default: ""
extends_documentation_fragment:
  - cfcr.kubernetes._attributes
  - cfcr.kubernetes._attributes.action
seealso:
  - module: cfcr.kubernetes.certificate
  - name: BOSH jobs
    description: The unit that this module is modelled on.
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
  description: What each certificate says, as M(cfcr.kubernetes.certificate) returns it.
  returned: where O(certificates) are given
  type: list
  elements: dict
restart:
  description:
    - Units that run with another configuration and wait for a restart or a reload; with O(state=restarted) those that were restarted or reloaded.
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
from ansible_collections.cfcr.kubernetes.plugins.module_utils._result import finish


def main() -> None:
    """Keep one job as asked."""
    module = AnsibleModule(argument_spec=SPEC, supports_check_mode=True)
    os.umask(0o022)  # what has no mode of its own is for everyone, whatever the login shell says
    options, pki = module.params, module.params["pki"]
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
            there, healthy = files.read(pki, module.check_mode), job.is_healthy()
            if before == after and healthy and not module.check_mode:
                records.write(options)
            module.exit_json(changed=before != after, diff={"before": before, "after": after}, restart=restart, healthy=healthy, pki=there)
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
