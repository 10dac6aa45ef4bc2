# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A virtual machine of qemu in the network of a local cluster: Debian with its own kernel, configured by cloud-init."""

from __future__ import annotations

import contextlib
import hashlib
import os
import pathlib
import subprocess
import time
import typing as t

import yaml

ROOT = pathlib.Path(__file__).parents[2]
BUILD_IMAGE = pathlib.Path(__file__).with_name("build-image")
RELEASE = "trixie"
# Packages of a virtual machine, beyond those of a local host. The VM installs none, so that the test needs no package repository.
PACKAGES = ["cloud-init", "e2fsprogs", "initramfs-tools", "linux-image-cloud-amd64", "netplan.io", "systemd-timesyncd"]
USER = "admin"
TAP = "cfcr-vm"
MAC = "52:54:00:cf:c0:01"
MEMORY_MIB = 2048
BOOT_SECONDS = 600
TRIAL_SECONDS = 5


def run(*command: object, **options: t.Any) -> str:
    """Return the output of a command."""
    done = subprocess.run([str(word) for word in command], check=False, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def image() -> pathlib.Path:
    """Return the directory with the disk, the kernel and the initrd. They are built if the cache does not have them."""
    hosts = yaml.safe_load((ROOT / "roles/iaas/vars/local.yml").read_text(encoding="utf-8"))["__iaas_packages"]
    packages = sorted({*hosts, *PACKAGES})
    key = hashlib.sha256(" ".join([RELEASE, *packages, BUILD_IMAGE.read_text(encoding="utf-8")]).encode()).hexdigest()[:12]
    directory = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "cfcr/vm" / key
    if not (directory / "disk").exists():
        run(BUILD_IMAGE, directory, RELEASE, *packages)
    return directory


def acceleration() -> str:
    """Return KVM if it runs a machine on this one. A /dev/kvm alone does not say so."""
    trial = ["qemu-system-x86_64", "-accel", "kvm", "-cpu", "max", "-display", "none", "-nodefaults"]
    try:
        subprocess.run(trial, check=False, capture_output=True, timeout=TRIAL_SECONDS)
    except subprocess.TimeoutExpired:
        return "kvm"
    return "tcg"


class Machine:
    """One machine. Its files are in a directory, next to the SSH keys of the cluster."""

    def __init__(self, directory: pathlib.Path, name: str, address: str, gateway: str, bridge: str) -> None:
        self.name, self.address, self.accelerated_by = name, address, acceleration()
        self._directory, self._gateway, self._bridge = directory / "vm", gateway, bridge
        self._keys = directory
        self._known_hosts = self._directory / "known_hosts"
        self._process: subprocess.Popen | None = None

    @property
    def ssh_options(self) -> list[str]:
        """The options with which the user gets in."""
        return ["-F", "none", "-o", "IdentitiesOnly=yes", "-o", f"UserKnownHostsFile={self._known_hosts}", "-o", "StrictHostKeyChecking=yes"]

    def create(self) -> None:
        """Write the machine's disk and the seed of cloud-init."""
        self._directory.mkdir(parents=True, exist_ok=True)
        run("cp", "--sparse=always", image() / "disk", self._directory / "disk")
        public = (self._keys / "host_key.pub").read_text(encoding="utf-8")
        self._known_hosts.write_text(f"{self.address} {public}", encoding="utf-8")
        seed = {
            "meta-data": {"instance-id": self.name, "local-hostname": self.name},
            "user-data": {
                "users": [
                    {
                        "name": USER,
                        "sudo": "ALL=(ALL) NOPASSWD:ALL",
                        "shell": "/bin/bash",
                        "ssh_authorized_keys": [(self._keys / "ssh_key.pub").read_text(encoding="utf-8").strip()],
                    }
                ],
                "disable_root": True,
                "ssh_keys": {"ed25519_private": (self._keys / "host_key").read_text(encoding="utf-8"), "ed25519_public": public.strip()},
            },
            "network-config": {
                "version": 2,
                "ethernets": {
                    "primary": {
                        "match": {"macaddress": MAC},
                        "addresses": [f"{self.address}/24"],
                        "routes": [{"to": "0.0.0.0/0", "via": self._gateway}],
                        "nameservers": {"addresses": name_servers()},
                    }
                },
            },
        }
        for name, content in seed.items():
            (self._directory / name).write_text("#cloud-config\n" + yaml.safe_dump(content), encoding="utf-8")
        run("genisoimage", "-quiet", "-volid", "cidata", "-joliet", "-rock", "-output", "seed.iso", *seed, cwd=self._directory)

    def start(self) -> float:
        """Switch the machine on, and return how many seconds it takes until SSH answers."""
        self.stop()  # an earlier test run may have left its interface
        run("ip", "tuntap", "add", "dev", TAP, "mode", "tap")
        run("ip", "link", "set", "dev", TAP, "master", self._bridge, "up")
        directory = image()
        disks = {"disk": "", "seed.iso": ",readonly=on"}
        command = [
            "qemu-system-x86_64", "-name", self.name, "-accel", self.accelerated_by, "-cpu", "max", "-smp", "2", "-m", str(MEMORY_MIB),
            "-nodefaults", "-no-user-config", "-display", "none", "-serial", f"file:{self._directory / 'console'}", "-device", "virtio-rng-pci",
            "-kernel", str(directory / "vmlinuz"), "-initrd", str(directory / "initrd"), "-append", "root=LABEL=root ro console=ttyS0",
            *(word for name, option in disks.items() for word in ("-drive", f"file={self._directory / name},format=raw,if=virtio{option}")),
            "-nic", f"tap,ifname={TAP},script=no,downscript=no,model=virtio-net-pci,mac={MAC}",
        ]  # fmt: skip
        with (self._directory / "qemu.log").open("wb") as log:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
        return self.wait(lambda: bool(self.boot()), BOOT_SECONDS)

    def stop(self) -> None:
        """Switch the machine off, as a power failure does, and remove its interface."""
        if self._process:
            self._process.kill()
            self._process.wait()
            self._process = None
        subprocess.run(["ip", "link", "delete", TAP], check=False, capture_output=True)

    def run(self, command: str) -> str:
        """Return the output of a command that root runs in the machine."""
        options = [*self.ssh_options, "-o", "ConnectTimeout=10", "-i", self._keys / "ssh_key"]
        return run("ssh", *options, f"{USER}@{self.address}", "sudo", "sh", "-euc", f"'{command}'")

    def boot(self) -> str:
        """Return the ID of the current boot, or nothing while SSH does not answer."""
        with contextlib.suppress(AssertionError):
            return self.run("cat /proc/sys/kernel/random/boot_id")
        return ""

    def wait(self, condition: t.Callable[[], bool], seconds: float) -> float:
        """Wait for a condition, and return how many seconds it took."""
        begin = time.monotonic()
        while not condition():
            assert self._process is None or self._process.poll() is None, (self._directory / "qemu.log").read_text(encoding="utf-8")
            assert time.monotonic() - begin < seconds, f"the condition does not hold after {seconds} seconds; {self._directory / 'console'}"
            time.sleep(1)
        return round(time.monotonic() - begin, 1)


def name_servers() -> list[str]:
    """Return the name servers of this machine that others in its networks reach."""
    lines = pathlib.Path("/etc/resolv.conf").read_text(encoding="utf-8").splitlines()
    found = [line.split()[1] for line in lines if line.startswith("nameserver ")]
    return [address for address in found if "." in address and not address.startswith("127.")]
