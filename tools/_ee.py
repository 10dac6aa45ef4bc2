# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Build the environments in which AWX and Event-Driven Ansible run the collection, and print the names of their images.

execution-environment.yml and decision-environment.yml define them. With EE_BASE_IMAGE, ansible-builder builds them from that image. Otherwise they
are built from Debian packages and Python wheels, as images for podman, with the dependencies that ansible-builder finds. An image is built again if
its content has changed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tempfile
import typing as t

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = ROOT / "build/ee"
ENVIRONMENTS = ("execution-environment", "decision-environment")
# The release of the images, its Python, and the newest glibc that a wheel for it may need.
RELEASE, PYTHON, GLIBC = "bookworm", "3.11", 36
# AWX runs jobs with dumb-init as the first process, and connects to hosts by SSH.
PACKAGES = ["ca-certificates", "dumb-init", "python3", "python3-pip"]


class Content(t.NamedTuple):
    """The content of an environment besides the collection."""

    packages: list[str]
    python: list[str]


def main() -> None:
    parser = argparse.ArgumentParser("tools/ee", description=__doc__.splitlines()[0])
    parser.add_argument("environment", nargs="*", help=f"any of {', '.join(ENVIRONMENTS)}; default: all")
    names = parser.parse_args().environment or ENVIRONMENTS
    unknown = [name for name in names if name not in ENVIRONMENTS]
    if unknown:
        parser.error(f"found unknown environments {', '.join(unknown)}, expected any of {', '.join(ENVIRONMENTS)}")
    BUILD.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=BUILD) as work:
        collections = build_collection(pathlib.Path(work))
        for name in names:
            base = os.environ.get("EE_BASE_IMAGE", "")
            print(build_from(name, base) if base else build_on_debian(name, collections), flush=True)


def build_collection(work: pathlib.Path) -> pathlib.Path:
    """Build the collection for the definitions of the environments, install it in a directory, and return that."""
    run("ansible-galaxy", "collection", "build", "--output-path", work)
    (artifact,) = work.glob("*.tar.gz")
    collections = work / "collections"
    installed = {"ANSIBLE_COLLECTIONS_PATH": str(collections)}
    run("ansible-galaxy", "collection", "install", artifact, "--no-deps", "--offline", "--collections-path", collections, **installed)
    artifact.rename(BUILD / "cfcr-kubernetes.tar.gz")
    return collections


def build_from(name: str, base: str) -> str:
    """Build an environment from a base image with ansible-builder."""
    image = f"localhost/cfcr-{name}:{definition(name)['version']}-{digest(base)}"
    arguments = ["--file", ROOT / f"{name}.yml", "--context", BUILD / name, "--tag", image, "--build-arg", f"EE_BASE_IMAGE={base}"]
    run("ansible-builder", "build", "--container-runtime", "podman", *arguments, cwd=ROOT)
    return image


def build_on_debian(name: str, collections: pathlib.Path) -> str:
    """Build an environment from Debian packages and Python wheels: a base image, and the collection on top of it."""
    wanted = content(definition(name), collections)
    script = (ROOT / "tools/_ee_image").read_text(encoding="utf-8")
    base = f"localhost/cfcr-{name}-base:{digest(script, RELEASE, *wanted.packages, *wanted.python)}"
    if not exists(base):
        build_base(base, wanted)
    manifest = collections / "ansible_collections/cfcr/kubernetes/MANIFEST.json"  # has the checksum of the list of all files
    image = f"localhost/cfcr-{name}:{digest(base, manifest.read_text(encoding='utf-8'))}"
    if not exists(image):
        containerfile = collections / "Containerfile"
        containerfile.write_text(f"FROM {base}\nCOPY ansible_collections /usr/share/ansible/collections/ansible_collections\n", encoding="utf-8")
        run("podman", "build", "--quiet", "--tag", image, "--file", containerfile, collections)
    for current in (image, base):
        remove_older(current)
    return image


def remove_older(image: str) -> None:
    """Remove the image's former builds. Those that a container uses stay until the next build."""
    repository = image.rpartition(":")[0]
    images = run("podman", "image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "--filter", f"reference={repository}").split()
    for former in sorted(set(images) - {image}):
        subprocess.run(["podman", "image", "rm", former], check=False, capture_output=True)


def build_base(image: str, wanted: Content) -> None:
    """Build an image from Debian packages, with Python wheels that this machine downloads: the image holds none of its settings."""
    with tempfile.TemporaryDirectory() as wheels:
        run("python", "-m", "pip", "download", "--quiet", "--dest", wheels, *target(platform.machine()), *wanted.python)
        run(ROOT / "tools/_ee_image", image, RELEASE, wheels, ",".join(wanted.packages), *wanted.python)


def target(machine: str) -> list[str]:
    """Return the options of pip that choose wheels for the images."""
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(GLIBC, 16, -1)] + [f"manylinux2014_{machine}"]
    abi = f"cp{PYTHON.replace('.', '')}"
    options = ["--only-binary=:all:", f"--python-version={PYTHON}", "--implementation=cp", f"--abi={abi}", "--abi=abi3", "--abi=none"]
    return [*options, *(f"--platform={tag}" for tag in tags)]


def content(wanted: dict[str, t.Any], collections: pathlib.Path) -> Content:
    """Return the packages and libraries of a definition and of the collection, which ansible-builder finds."""
    dependencies = wanted["dependencies"]
    pip, bindep, user_pip, user_bindep = (collections / name for name in ("pip", "bindep", "user-pip", "user-bindep"))
    user_pip.write_text("\n".join(dependencies.get("python", [])), encoding="utf-8")
    user_bindep.write_text("\n".join(dependencies.get("system", [])), encoding="utf-8")
    users = ["--user-pip", user_pip, "--user-bindep", user_bindep]
    for path in (pip, bindep):
        path.unlink(missing_ok=True)
    run("ansible-builder", "introspect", *users, "--write-pip", pip, "--write-bindep", bindep, collections)
    packages = run("bindep", "--list_all", "newline", "--file", bindep).split()
    python = [line.partition("#")[0].strip() for line in pip.read_text(encoding="utf-8").splitlines()]
    ansible = [dependencies[name]["package_pip"] for name in ("ansible_core", "ansible_runner")]
    return Content(sorted({*PACKAGES, *packages}), sorted({*ansible, *filter(None, python)}))


def definition(name: str) -> dict[str, t.Any]:
    return yaml.safe_load((ROOT / f"{name}.yml").read_text(encoding="utf-8"))


def digest(*values: str) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:12]


def exists(image: str) -> bool:
    return subprocess.run(["podman", "image", "exists", image], check=False).returncode == 0


def run(*command: object, cwd: pathlib.Path = ROOT, **environment: str) -> str:
    """Return the output of a command, and exit with its messages if it fails."""
    words = [str(word) for word in command]
    if not shutil.which(words[0]):
        sys.exit(f"Found no program {words[0]}, expected it on the PATH. Run this with `make ee`.")
    variables = {**os.environ, "NO_COLOR": "1", **environment}
    done = subprocess.run(words, cwd=cwd, env=variables, check=False, stdin=subprocess.DEVNULL, text=True, capture_output=True)
    if done.returncode:
        sys.exit(f"{done.stdout}{done.stderr}\nFailed: {' '.join(words)}")
    return done.stdout


if __name__ == "__main__":
    main()
