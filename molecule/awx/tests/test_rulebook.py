# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The collection's rulebooks run in the decision environment. Two of them launch a job template of a stand-in for AWX."""

from __future__ import annotations

import contextlib
import json
import pathlib
import shutil
import ssl
import sys
import typing as t
import urllib.error
import urllib.request

import pytest
import yaml
from _job import environments, limits
from scenario import CLUSTER, DIRECTORY, ROOT, run, wait

sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests/standins")]

import awx as standin
from _http import serving

testinfra_hosts = ["ansible://etcd-0?force_ansible=False"]

NAME = f"{CLUSTER}-rulebook"
WEBHOOK_TOKEN = "token-of-the-webhook"  # without spaces, which the source does not understand
TEMPLATE = "prod repair"


class Rulebook(t.NamedTuple):
    """A rulebook that runs in a container."""

    @property
    def output(self) -> str:
        return run("podman", "logs", NAME)

    @property
    def is_running(self) -> bool:
        return run("podman", "inspect", "--format={{.State.Running}}", NAME) == "true\n"

    @property
    def address(self) -> str:
        return run("podman", "inspect", f'--format={{{{(index .NetworkSettings.Networks "{CLUSTER}").IPAddress}}}}', NAME).strip()


@contextlib.contextmanager
def running(name: str, directory: pathlib.Path, *words: str, **variables: t.Any) -> t.Iterator[Rulebook]:
    """Run a rulebook in the decision environment, with a directory that the container reads."""
    (directory / "vars.yml").write_text(yaml.safe_dump(variables), encoding="utf-8")
    settings = ["ANSIBLE_HOST_KEY_CHECKING=False", "ANSIBLE_PRIVATE_KEY_FILE=/rulebook/ssh_key", "EDA_JOB_TEMPLATE_REFRESH_DELAY=1"]
    run(
        "podman", "run", "--detach", "--name", NAME, "--user=root", f"--network={CLUSTER}", *limits(), f"--volume={directory}:/rulebook:ro",
        *(f"--env={setting}" for setting in settings), environments()["decision-environment"],
        "ansible-rulebook", "--rulebook", f"cfcr.kubernetes.{name}", "--vars", "/rulebook/vars.yml", *words,
    )  # fmt: skip
    try:
        yield Rulebook()
    finally:
        (DIRECTORY / f"{name}.log").write_text(run("podman", "logs", NAME), encoding="utf-8")
        run("podman", "rm", "--force", "--time", "0", NAME)


@pytest.fixture
def directory(awx) -> pathlib.Path:
    """Return a directory with the inventory and the key of the hosts."""
    path = DIRECTORY / "rulebook"
    path.mkdir(exist_ok=True)
    shutil.copy(DIRECTORY / "ssh_key", path)
    inventory = json.dumps({**awx.inventory, "all": {**awx.inventory["all"], "vars": {**awx.inventory["all"]["vars"], "ansible_user": "root"}}})
    (path / "inventory").write_text(f"#!/usr/bin/env python3\nprint({inventory!r})\n", encoding="utf-8")
    (path / "inventory").chmod(0o755)
    return path


@pytest.fixture
def controller() -> t.Iterator[tuple[standin.Awx, list[str]]]:
    """Return an AWX with the job template, and the options with which rulebooks reach it."""
    its = standin.Awx()
    organization = its.add("organizations", {"name": "prod"})["id"]
    project = its.add("projects", {"name": "cfcr", "organization": organization})["id"]
    its.add("job_templates", {"name": TEMPLATE, "project": project, "limit": "of the template"})
    # One of the same name, of somebody else.
    its.add("job_templates", {"name": TEMPLATE, "project": its.add("projects", {"name": "other", "organization": 1})["id"]})
    its.add("tokens", {"token": "token of a user who may launch"})
    gateway = json.loads(run("podman", "network", "inspect", CLUSTER))[0]["subnets"][0]["gateway"]
    with serving(its.handler(), address=gateway) as url:
        yield its, ["--controller-url", url, "--controller-token", "token of a user who may launch"]


def launched(awx: standin.Awx) -> list[tuple[str, str, str]]:
    """Return organization, template and limit of the launched jobs, and let the jobs end."""
    for job in awx.objects["jobs"].values():
        job["status"] = "successful"
    templates = [(awx.objects["job_templates"][job["job_template"]], job["limit"]) for job in awx.objects["jobs"].values()]
    return [(awx.objects["organizations"][awx.organization_of("job_templates", its)]["name"], its["name"], limit) for its, limit in templates]


def test_the_rulebook_repairs_in_the_decision_environment(directory, site):
    words = ["--inventory", "/rulebook/inventory"]
    with running("repair", directory, *words, inventory="/rulebook/inventory", scan_seconds=120) as rulebook:
        wait(lambda: "Nothing to repair." in rulebook.output or not rulebook.is_running, 180)
        output = rulebook.output
    assert "Nothing to repair." in output, output


def test_a_rulebook_launches_the_job_template_of_the_organization(directory, controller, site):
    """The first scan launches it. AWX ignores the limit of the rulebook, since the template does not ask for one."""
    awx, words = controller
    variables = {"organization": "prod", "repair_template": TEMPLATE, "inventory": "/rulebook/inventory", "scan_seconds": 3600}
    with running("repair_job", directory, *words, **variables) as rulebook:
        wait(lambda: awx.objects["jobs"] or not rulebook.is_running, 120)
        assert launched(awx) == [("prod", TEMPLATE, "of the template")], rulebook.output


def notify(url: str, context: ssl.SSLContext, cluster: str, status: str = "firing", token: str = WEBHOOK_TOKEN) -> int:
    """Send what Alertmanager sends to a webhook, and return the status of the answer; 0 if there is none."""
    alerts = {"version": "4", "status": status, "receiver": "repair", "commonLabels": {"cfcr_cluster": cluster}, "alerts": []}
    headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
    request = urllib.request.Request(url, json.dumps(alerts).encode(), headers)
    try:
        with urllib.request.urlopen(request, timeout=5, context=context) as answer:
            return answer.status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def test_alerts_of_the_cluster_launch_the_job_template_once(directory, controller):
    """Requests without the token are refused. Alerts of other clusters, alerts that have ended, and repetitions launch nothing."""
    awx, words = controller
    certificate = ["req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=eda"]
    run("openssl", *certificate, "-keyout", directory / "webhook.key", "-out", directory / "webhook.crt")
    variables = {"organization": "prod", "repair_template": TEMPLATE, "cluster_name": CLUSTER, "webhook_host": "0.0.0.0", "webhook_port": 5000}
    variables |= {"webhook_token": WEBHOOK_TOKEN, "webhook_certfile": "/rulebook/webhook.crt", "webhook_keyfile": "/rulebook/webhook.key"}
    context = ssl.create_default_context(cafile=str(directory / "webhook.crt"))
    context.check_hostname = False
    with running("repair_alerts", directory, *words, **variables) as rulebook:
        url = f"https://{rulebook.address}:5000/alerts"
        wait(lambda: notify(url, context, CLUSTER, token="guessed") or not rulebook.is_running, 60)
        assert notify(url, context, CLUSTER, token="guessed") == 401, rulebook.output
        assert [notify(url, context, "other"), notify(url, context, CLUSTER, "resolved")] == [200, 200]
        assert [notify(url, context, CLUSTER), notify(url, context, CLUSTER)] == [200, 200]
        wait(lambda: awx.objects["jobs"] or not rulebook.is_running, 30)
        assert launched(awx) == [("prod", TEMPLATE, "of the template")], rulebook.output
        # The others would launch jobs as soon as this one has ended, which the rulebook asks every second.
        with pytest.raises(AssertionError, match="after 5 seconds"):
            wait(lambda: len(awx.objects["jobs"]) > 1, 5)
