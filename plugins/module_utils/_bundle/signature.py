# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The signature of a bundle: OpenSSH's, over the lock, whose checksums cover everything else."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
import typing as t
from pathlib import Path

from .._command import run
from .._errors import HostError

__all__ = ("NAMESPACE", "SIGNATURE", "is_public_key", "public_key", "sign", "verify")

SIGNATURE = "bundle.json.sig"
# ssh-keygen(1): a signature for one purpose is none for another.
NAMESPACE = "cfcr-bundle"
_KEY = re.compile(r"(ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp(256|384|521)|sk-[a-z0-9-]+@openssh\.com) [A-Za-z0-9+/]+=*( [^\n]*)?")


def is_public_key(text: str) -> bool:
    """Return whether a text is one public key of OpenSSH."""
    return bool(_KEY.fullmatch(text.strip()))


def public_key(key: str) -> str:
    """Return the public key of a private key, or of a public key whose private key the agent has."""
    for path in (Path(key), Path(f"{key}.pub")):
        if path.is_file() and is_public_key(text := path.read_text(encoding="utf-8", errors="replace")):
            return text.strip()
    return _ssh_keygen("-y", "-f", key).strip()


def sign(text: bytes, key: str) -> bytes:
    """Return the signature of a text."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "text"
        path.write_bytes(text)
        _ssh_keygen("-Y", "sign", "-q", "-f", key, "-n", NAMESPACE, str(path))
        return path.with_suffix(".sig").read_bytes()


def _ssh_keygen(*arguments: str) -> str:
    """Run ssh-keygen. It would ask the terminal for the passphrase of a key."""
    silent = {**os.environ, "SSH_ASKPASS": "/bin/false", "SSH_ASKPASS_REQUIRE": "force"}
    try:
        return run("ssh-keygen", *arguments, environment=silent)
    except HostError as error:
        raise HostError(f"bundle_signing_key: {error}. A key with a passphrase must be in an agent: name its public key") from error


def verify(text: bytes, signature: Path, signers: t.Iterable[str]) -> None:
    """Raise unless one of these public keys has signed the text."""
    if not signature.is_file():
        raise HostError(f"{signature}: found no signature, expected one of a key in cluster_bundle_signers")
    with tempfile.TemporaryDirectory() as directory:
        allowed = Path(directory) / "allowed_signers"
        allowed.write_text("".join(f'{NAMESPACE} namespaces="{NAMESPACE}" {key.strip()}\n' for key in signers), encoding="utf-8")
        arguments = ("ssh-keygen", "-Y", "verify", "-f", str(allowed), "-I", NAMESPACE, "-n", NAMESPACE, "-s", str(signature))
        try:
            # Controllers have no AnsibleModule, and so no run_command.
            # pylint: disable-next=ansible-bad-function
            done = subprocess.run(arguments, input=text, capture_output=True, check=False)
        except OSError as error:
            raise HostError(f"ssh-keygen: {error.strerror}. It verifies the signature of the bundle: install OpenSSH's client") from error
    if done.returncode != 0:
        told = (done.stderr or done.stdout).decode(errors="replace").strip().replace("\r", "").replace("\n", ", ")
        raise HostError(f"{signature}: found no signature of the lock by a key in cluster_bundle_signers, expected one: {told}")
