#!/usr/bin/python
# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Make the file of a bundle."""

from __future__ import annotations

DOCUMENTATION = r"""
module: bundle
short_description: Make the file of a bundle
version_added: "1.0.0"
author: The cfcr.kubernetes maintainers (@cfcr)
description:
  - Packs files of a mirror into one compressed tar, with a signed lock (C(bundle.json)) that has the checksum, origin, licence and purpose of each, and
    a list in the format SPDX.
  - Writes lock and signature next to it, as C(<name>.json) and C(<name>.json.sig).
  - The same files give the same bundle, and change nothing the second time.
  - Requires ssh-keygen.
options:
  tree:
    description: Directory of the mirror.
    type: path
    required: true
  more:
    description: Further files of O(tree), as patterns of paths, such as V(wheels/*.whl).
    type: list
    elements: str
    default: []
  directory:
    description: Directory of the bundle, created if it is missing.
    type: path
    required: true
  name:
    description: Name of the bundle. Its file has the suffix C(.tar.gz).
    type: str
    required: true
  key:
    description: Private SSH key that signs the bundle, or the public key if the agent has the private one. A missing key is generated, without a passphrase.
    type: path
    required: true
  since:
    description: Lock of an older bundle of another name, whose blobs are left out.
    type: path
  part_size:
    description: Size of the parts in bytes. V(0) makes one file.
    type: int
    default: 0
  collection:
    description: Version of the collection.
    type: str
    required: true
  kubernetes:
    description: Versions of Kubernetes.
    type: list
    elements: str
    required: true
  architectures:
    description: Architectures of the hosts.
    type: list
    elements: str
    required: true
  distributions:
    description: Code names of the hosts' releases.
    type: list
    elements: str
    required: true
extends_documentation_fragment:
  - cfcr.kubernetes._attributes
  - cfcr.kubernetes._downloads
"""

EXAMPLES = r"""
- name: Make a bundle
  cfcr.kubernetes.bundle:
    tree: /srv/mirror
    files: "{{ lookup('cfcr.kubernetes.downloads') }}"
    more: ["packages/bookworm/amd64/*"]
    directory: /srv/bundles
    name: cfcr-1.36.3
    key: /srv/bundles/signing_key
    collection: 1.0.0
    kubernetes: ["1.36.3"]
    architectures: [amd64]
    distributions: [bookworm]
"""

RETURN = r"""
files:
  description: The file of the bundle, or its parts in their order. In check mode, those that exist.
  returned: success
  type: list
  elements: str
  sample: [/srv/bundles/cfcr-1.36.3.tar.gz]
size:
  description: Bytes of the file, or of all parts.
  returned: success
  type: int
  sample: 310000000
public_key:
  description: Public key of the signature, for C(cluster_bundle_signers). In check mode, empty if the key is missing.
  returned: success
  type: str
  sample: ssh-ed25519 AAAA…
diff:
  description: The checksums of files that differ from those of the bundle that exists.
  type: dict
  returned: success
  contains:
    before:
      description: Checksums in the existing bundle, by path.
      type: dict
      sample: {}
    after:
      description: Checksums now, by path.
      type: dict
      sample: {runc/1.5.2/amd64/runc.amd64: "9f86d081884c7d65…"}
"""

import datetime
from pathlib import Path

from ansible.module_utils.basic import AnsibleModule

from ..module_utils._artifacts.archive import sha256
from ..module_utils._artifacts.mirror import DOWNLOAD
from ..module_utils._bundle import archive, spdx
from ..module_utils._bundle.lock import File, Lock, digest_of, parse, render
from ..module_utils._bundle.packages import described
from ..module_utils._bundle.signature import public_key, sign, verify
from ..module_utils._command import run
from ..module_utils._errors import HostError
from ..module_utils._files import make_directory
from ..module_utils._result import outcome
from ..module_utils._timestamp import to_timestamp

_LIST = {"type": "list", "elements": "str", "required": True}
_OPTIONS = {
    "tree": {"type": "path", "required": True},
    "files": {"type": "list", "elements": "dict", "required": True, "options": DOWNLOAD},
    "more": {"type": "list", "elements": "str", "default": []},
    "directory": {"type": "path", "required": True},
    "name": {"type": "str", "required": True},
    "key": {"type": "path", "required": True, "no_log": False},
    "since": {"type": "path"},
    "part_size": {"type": "int", "default": 0},
    "collection": {"type": "str", "required": True},
    "kubernetes": _LIST,
    "architectures": _LIST,
    "distributions": _LIST,
}


class Bundle:
    """A bundle with its lock and signature next to it."""

    def __init__(self, options: dict) -> None:
        """Take the options of the module."""
        self.options = options
        self.tree, directory = Path(options["tree"]), Path(options["directory"])
        self.target = directory / f"{options['name']}.tar.gz"
        self.lock_file = directory / f"{options['name']}.json"
        self.signature_file = directory / f"{options['name']}.json.sig"
        self._document = b""

    def existing(self) -> tuple:
        """Return the lock of the bundle that exists, if file and signature are what they would be, and its checksums by path."""
        part_size, parts = self.options["part_size"], archive.existing(self.target)
        fits = bool(parts) and (parts == [self.target]) == (not part_size) and all(part.stat().st_size <= (part_size or 1 << 60) for part in parts)
        try:
            text = self.lock_file.read_bytes()
            verify(text, self.signature_file, [public_key(self.options["key"])])
            lock = parse(text, str(self.lock_file))
        except (HostError, OSError):
            return None, {}
        return (lock, {path: file.sha256 for path, file in lock.files.items()}) if fits else (None, {})

    def lock(self, since: str, found: Lock | None) -> Lock:
        """Return the lock. A bundle with the same files as the existing one has its date."""
        options = self.options
        values = [options[name] for name in ("collection", "architectures", "distributions", "kubernetes")]
        files = self._files()
        lock = Lock(options["name"], found.made if found else "", *values, since, files)
        if found is None or lock != found._replace(files={path: file for path, file in found.files.items() if path != spdx.SPDX}):
            lock = lock._replace(made=to_timestamp(datetime.datetime.now(datetime.timezone.utc)))
        text = spdx.document(lock, options["collection"])
        self._document = text
        return lock._replace(files={**files, spdx.SPDX: File(digest_of(text), len(text), "", "CC0-1.0", "list of software and licences")})

    def _files(self) -> dict:
        files = {}
        for download in self.options["files"]:
            path = self.tree / download["path"]
            if not path.is_file():
                raise HostError(f"{download['path']}: found no such file in {self.tree}, expected the one of {download['url']}")
            files[download["path"]] = File(sha256(path), path.stat().st_size, download["url"], download["licence"], download["purpose"])
        for pattern in self.options["more"]:
            found = [path for path in sorted(self.tree.glob(pattern)) if path.is_file()]
            if not found:
                raise HostError(f"{pattern}: found no such file in {self.tree}, expected some")
            for path in found:
                name = path.relative_to(self.tree).as_posix()
                files[name] = described(name, path, sha256(path))
        return files

    def write(self, lock: Lock, since: Lock | None) -> None:
        """Write everything. The lock comes last, since it says that the file is complete."""
        make_directory(self.options["directory"])
        self.lock_file.unlink(missing_ok=True)
        (self.tree / spdx.SPDX).write_bytes(self._document)
        if not Path(self.options["key"]).exists():
            run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", lock.name, "-f", self.options["key"])
        signature = sign(render(lock), self.options["key"])
        archive.write(self.target, lock, signature, archive.delta(lock, since), self.tree, self.options["part_size"])
        self.signature_file.write_bytes(signature)
        self.lock_file.write_bytes(render(lock))


def main() -> None:
    """Make the bundle."""
    module = AnsibleModule(argument_spec=_OPTIONS, supports_check_mode=True)
    bundle, since, digest = Bundle(module.params), None, ""
    try:
        if module.params["since"]:
            text = Path(module.params["since"]).read_bytes()
            since, digest = parse(text, module.params["since"]), digest_of(text)
            if since.name == module.params["name"]:
                raise HostError(f"name: found {since.name}, expected another name than that of {module.params['since']}, since that bundle would be replaced")
        found, before = bundle.existing()
        lock = bundle.lock(digest, found)
        after = {path: file.sha256 for path, file in lock.files.items()}
        changed = {path for path in (*before, *after) if before.get(path) != after.get(path)}
        sides = [{path: side[path] for path in sorted(changed) if path in side} for side in (before, after)]
        result = outcome(module.check_mode, *sides, lambda: bundle.write(lock, since))
        parts, key = archive.existing(bundle.target), Path(module.params["key"])
        known = public_key(str(key)) if key.exists() else ""
        module.exit_json(**result, files=[str(part) for part in parts], size=sum(part.stat().st_size for part in parts), public_key=known)
    except (HostError, OSError) as error:
        module.fail_json(msg=str(error))


if __name__ == "__main__":
    main()
