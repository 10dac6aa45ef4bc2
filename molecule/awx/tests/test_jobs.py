# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Every playbook runs as a job of AWX."""

from __future__ import annotations

import json
import re
import tarfile

import pytest
from _job import PROJECT
from scenario import CLUSTER, ROOT, on

testinfra_hosts = ["ansible://etcd-0?force_ansible=False"]

BACKUP = {"director_backup_passphrase": "correct horse battery"}
PATH = {"director_backup_path": "/root/store.backup"}
# Hosts from elsewhere: the environment has no collections of a provider.
EXTERNAL = {"iaas_provider": "external", "cluster_topology": "iaas_lb"}
# The jobs of the playbooks: words on the command line, and answers of the survey; a word that each prints.
JOBS = {
    "health": ([], {}, "is healthy"),
    "instances": ([], {}, "etcd-0"),
    "smoke_tests": ([], {}, "kubectl exec"),
    "etcd_defragment": (["--check"], {}, "Defragment the members of etcd"),
    "repair": ([], {}, "Nothing to repair."),
    "remove": (["--check"], {"remove": "worker-1"}, "worker-1 (worker, "),
    "kubeconfig": ([], {"kubeconfig_user": "alice", "kubeconfig_groups": "developers", "kubeconfig_path": "/root/alice.kubeconfig"}, "alice"),
    "provision": ([], EXTERNAL, "Create the hosts"),
    "destroy": ([], {**EXTERNAL, "destroy_cluster": CLUSTER}, "removes nothing"),
    "rotate": ([], {"rotate": "certificates"}, "certificates"),
    "update": (["--check"], {"update_action": "update", "update_until": "end"}, "Nothing to update."),
}
# Tested separately below.
SEPARATE = {"site", "logs", "backup", "restore", "backup_store", "restore_store"}
# Playbooks for a controller that keeps its disk: artifacts and bundle fill directories of it, and AWX has schedules instead of the director's timers.
# Playbook awx is not for hosts; step awx tests it.
NO_JOBS = {"artifacts", "backup_timer", "bundle", "repair_timer", "awx"}


def changed(job) -> dict[str, int]:
    return {host: numbers["changed"] for host, numbers in job.recap.items() if numbers["changed"]}


def test_there_is_a_job_of_every_playbook():
    assert {*JOBS, *SEPARATE, *NO_JOBS} == {path.stem for path in (ROOT / "playbooks").glob("*.yml")}


def test_site_creates_the_cluster_with_its_store_on_the_director(site):
    assert changed(site)
    assert "authorities" in on("director-0", "ls", f"/var/lib/cfcr/{CLUSTER}")


def test_site_changes_nothing_the_second_time(awx, site):
    job = awx.launch("playbooks/site.yml")
    assert (job.code, changed(job)) == (0, {}), job.text
    assert "etcd-0" in job.recap


def test_site_checks_a_host(awx, site):
    job = awx.launch("playbooks/site.yml", "--check", "--diff", "--limit", "worker-0", answers={"worker_node_labels": {"example.org/by": "{{ 7 * 6 }}"}})
    assert job.code == 0, job.text
    # The answer of a survey is no template.
    assert "{{ 7 * 6 }}" in job.text and "example.org/by=42" not in job.text


@pytest.mark.parametrize("name", JOBS)
def test_a_playbook_runs_as_a_job(name, awx, site):
    words, answers, said = JOBS[name]
    job = awx.launch(f"playbooks/{name}.yml", *words, answers=answers)
    assert job.code == 0, job.text
    assert said in job.words


def test_the_store_is_backed_up_and_restored_with_a_credential(awx, site):
    backup = awx.launch("playbooks/backup_store.yml", answers=PATH, credential=BACKUP)
    assert backup.code == 0, backup.text
    restore = awx.launch("playbooks/restore_store.yml", answers={**PATH, "director_restore_force": True}, credential=BACKUP)
    assert restore.code == 0, restore.text
    assert BACKUP["director_backup_passphrase"] not in backup.text + restore.text


def test_the_cluster_is_backed_up_and_its_backup_proved_with_a_credential(awx, site):
    on("director-0", "mkdir", "/root/backups")
    passphrase = "correct horse battery of the cluster"
    answers = {"backup_targets": [{"type": "directory", "path": "/root/backups"}]}
    job = awx.launch("playbooks/backup.yml", answers=answers, credential={"backup_passphrase": passphrase})
    assert job.code == 0, job.text
    assert passphrase not in job.text
    backup, mark = on("director-0", "ls", "/root/backups").split()
    assert backup.startswith(f"{CLUSTER}-") and mark == f"{backup}.json"
    restore = awx.launch("playbooks/restore.yml", "--check", answers={**answers, "restore": backup}, credential={"backup_passphrase": passphrase})
    assert restore.code == 0, restore.text
    assert "all members get the data of the backup" in restore.words and passphrase not in restore.text


def test_logs_are_collected(awx, site):
    job = awx.launch("playbooks/logs.yml", answers={"output": "/runner/artifacts/logs.tar.gz"})
    assert job.code == 0, job.text
    with tarfile.open(job.directory / "artifacts/logs.tar.gz") as archive:
        assert any("etcd-0" in name for name in archive.getnames())


def test_metrics_of_health_are_on_the_director(awx, site):
    on("director-0", "mkdir", "/root/metrics")
    job = awx.launch("playbooks/health.yml", answers={"health_metrics_directory": "/root/metrics"})
    assert job.code == 0, job.text
    (name,) = on("director-0", "ls", "/root/metrics").split()
    metrics = on("director-0", "cat", f"/root/metrics/{name}")
    assert name == f"cfcr-{CLUSTER}-health.prom"
    assert re.search(r'^cfcr_host_state\{.*host="worker-1".*state="healthy".*\} 1$', metrics, re.MULTILINE), metrics


def test_a_pod_of_a_container_group_runs_a_job_as_any_user(awx, site):
    """As AWX on Kubernetes: it sends the private data directory to ansible-runner in the environment, which OpenShift starts as any user."""
    job = awx.launch_in_pod("playbooks/health.yml", user="1000620000:0")
    assert job.code == 0, job.text
    assert "is healthy" in job.words


def test_a_job_starts_as_in_awx(site):
    """The command is what was seen in AWX 24.6.1."""
    (path,) = site.directory.glob("artifacts/*/command")
    command = json.loads(path.read_text(encoding="utf-8"))["command"]
    before, after = command[: command.index("--env-file")], command[command.index("ssh-agent") :]
    assert before[:7] == ["podman", "run", "--rm", "--tty", "--interactive", "--workdir", "/runner/project"]
    assert "--user=root" in command
    assert after[-1].endswith("&& ansible-playbook -u root -i /runner/inventory -e @/runner/env/extravars playbooks/site.yml")
    # Nothing of this machine gets into a job.
    assert not (PROJECT / ".git").exists()
    assert str(ROOT) not in (site.directory / "inventory/hosts").read_text(encoding="utf-8") + (site.directory / "env/envvars").read_text(encoding="utf-8")
