"""The monitoring files of services: every alert fires, and rules and dashboards name what running services expose."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path, PurePosixPath
from typing import Any

import nats
import pytest
import yaml
from jsonschema import Draft202012Validator

from natsgen.cli import main
from natsgen.files import tree
from natsgen.harness.commands import run
from natsgen.harness.nats_server import NatsServer
from natsgen.harness.service import GeneratedService
from natsgen.harness.waiting import wait_until
from tests.documents.test_site import DOCS, anchors
from tests.harness_tools import node
from tests.harness_tools.readiness import wait_ready
from tests.smoke.gateways import ask
from tests.template.test_budgets import FULL, WORKER

ROOT = Path(__file__).parents[2]
CRD = ROOT.parent / "shared/crds/monitoring.coreos.com_prometheusrules.yaml"
SERVICES = {
    "billing": (*WORKER, "--deploy", "monitoring"),
    "mailer": ("worker", "mailer", "--queue", "emails", "--deploy", "monitoring"),
    "full": (*FULL, "--dedup", "none", "--data", "extras=[]"),
}
ONLINE = "https://github.com/natsgen/natsgen/blob/main"
NO_TARGETS = """
rule_files: [services/billing/deploy/monitoring/rules.yml]
evaluation_interval: 1m
tests:
  - promql_expr_test:
      - expr: group by (alertname, job) (ALERTS{alertstate="firing"})
        eval_time: 20m
        exp_samples: [{labels: '{alertname="WorkerNotScraped", job="billing"}', value: 1}]
"""
PROMTOOL_SECONDS = 120.0
TSC_SECONDS = 120.0
METRIC = re.compile(r"([A-Za-z_:][\w:]*)\{")
LABELS = re.compile(r"\bby \(([^)]*)\)|[{,] *(\w+) *(?:=|!=|=~|!~)\"")
OF_PROMETHEUS = {"up": set[str](), "ALERTS": {"alertname", "alertstate"}}
OF_TARGETS = {"job", "instance", "namespace", "le"}


@dataclass(frozen=True)
class Monitored:
    """A workspace of services with monitoring files."""

    root: Path

    def folder(self, service: str) -> Path:
        return self.root / "services" / service / "deploy/monitoring"

    def rules(self, service: str) -> list[dict[str, Any]]:
        groups = yaml.safe_load((self.folder(service) / "rules.yml").read_text())["groups"]
        return [rule for group in groups for rule in group["rules"]]

    def alerts(self, service: str) -> dict[str, dict[str, Any]]:
        return {rule["alert"]: rule for rule in self.rules(service) if "alert" in rule}

    def dashboards(self) -> list[dict[str, Any]]:
        files = [self.folder(service) / f"{service}.json" for service in SERVICES]
        return [json.loads(file.read_text()) for file in [*files, self.root / "compose/monitoring.json"]]


def queries(dashboard: dict[str, Any]) -> list[str]:
    return [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]


def labels(expression: str) -> set[str]:
    """The labels that an expression names."""
    found = {name for names, one in LABELS.findall(expression) for name in (names or one).split(",")}
    return {name.strip() for name in found}


@pytest.fixture(scope="module")
def monitored(tmp_path_factory: pytest.TempPathFactory) -> Monitored:
    root = tmp_path_factory.mktemp("monitored")
    for arguments in SERVICES.values():
        assert main(["new", *arguments, "--workspace", str(root), "--no-input"]) == 0
    return Monitored(root)


@pytest.mark.docker
def test_each_alert_fires_alone_and_none_in_a_quiet_hour(monitored: Monitored) -> None:
    compose = yaml.safe_load((monitored.root / "compose/monitoring.yml").read_text())
    queried = [{"record": "query", "expr": query} for one in monitored.dashboards() for query in queries(one)]
    rules = yaml.safe_dump({"groups": [{"name": "dashboards", "rules": queried}]}).replace("$__rate_interval", "1m")
    (monitored.root / "dashboards.yml").write_text(rules)

    def promtool(command: str, *files: str) -> str:
        image = compose["services"]["prometheus"]["image"]
        start = ["docker", "run", "--rm", "--volume", f"{monitored.root}:/w:ro", "--workdir", "/w"]
        return run([*start, "--entrypoint", "promtool", image, command, "rules", *files], limit=PROMTOOL_SECONDS).output

    def files(name: str) -> list[str]:
        return [str((monitored.folder(service) / name).relative_to(monitored.root)) for service in SERVICES]

    monitored.root.chmod(0o755)  # the container's user reads it
    assert "FAILED" not in promtool("check", *files("rules.yml"))
    assert "FAILED" not in promtool("check", "--lint=none", "dashboards.yml")
    (monitored.root / "no_targets.yml").write_text(NO_TARGETS)
    assert promtool("test", *files("rules_test.yml"), "no_targets.yml").count("SUCCESS") == len(SERVICES) + 1


@pytest.mark.parametrize("service", SERVICES)
def test_each_alert_is_tried_and_explained(monitored: Monitored, service: str) -> None:
    alerts = monitored.alerts(service)
    tests = yaml.safe_load((monitored.folder(service) / "rules_test.yml").read_text())["tests"]

    assert {test["name"] for test in tests} == {"a quiet hour", *alerts}
    for name, rule in alerts.items():
        assert rule["labels"]["severity"] in ("critical", "warning")
        assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
        page, _, anchor = rule["annotations"]["runbook_url"].removeprefix(f"{ONLINE}/").partition("#")
        assert anchor in anchors(ROOT / page)
        assert f"| `{name}` |" in (DOCS / "production/runbook.md").read_text()


def test_only_services_with_the_parts_have_their_alerts(monitored: Monitored) -> None:
    of_parts = {"ActionErrors", "GatewayErrors", "PublisherFailures", "SubscriberFailures"}

    assert monitored.alerts("billing").keys() == monitored.alerts("mailer").keys()
    assert monitored.alerts("full").keys() - monitored.alerts("billing").keys() == of_parts


def test_the_operators_rules_are_the_same(monitored: Monitored) -> None:
    def read(service: str, name: str) -> Any:
        return yaml.safe_load((monitored.folder(service) / name).read_text())

    resources = [read(service, "prometheus-rule.yaml") for service in SERVICES]
    assert [one["spec"] for one in resources] == [read(service, "rules.yml") for service in SERVICES]
    if not CRD.is_file():
        pytest.skip(f"no {CRD}")
    version = yaml.safe_load(CRD.read_text())["spec"]["versions"][0]
    for resource in resources:
        Draft202012Validator(version["schema"]["openAPIV3Schema"]).validate(resource)


def test_what_kustomize_reads_is_there(monitored: Monitored) -> None:
    for service in SERVICES:
        folder = monitored.folder(service)
        kustomization = yaml.safe_load((folder / "kustomization.yaml").read_text())
        named = [*kustomization["resources"], *kustomization["configMapGenerator"][0]["files"]]
        assert [name for name in named if not (folder / name).is_file()] == []


def test_the_pods_metrics_have_the_job_that_the_alerts_select(monitored: Monitored) -> None:
    kubernetes = monitored.root / "services/full/deploy/kubernetes"
    monitor = yaml.safe_load((kubernetes / "components/pod-monitor/pod-monitor.yaml").read_text())
    deployment = yaml.safe_load((kubernetes / "base/deployment.yaml").read_text())

    assert deployment["spec"]["template"]["metadata"]["labels"][monitor["spec"]["jobLabel"]] == "full"
    assert 'up{job="full"}' in monitored.alerts("full")["WorkerNotScraped"]["expr"]


@pytest.mark.node
def test_dashboards_have_only_what_grafanas_types_know(monitored: Monitored, tmp_path: Path) -> None:
    types = node.installed(Path(__file__).with_name("grafana"), tmp_path / "grafana")
    source = 'import { Dashboard } from "@grafana/schema";\nexport const all: Dashboard[] = '
    (types / "dashboards.ts").write_text(source + json.dumps(monitored.dashboards(), indent=2))
    options = ("--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext")

    tsc = types / "node_modules/.bin/tsc"
    assert run([tsc, *options, types / "dashboards.ts"], limit=TSC_SECONDS, folder=types).output == ""


def test_dashboards_are_what_grafana_takes(monitored: Monitored) -> None:
    dashboards = monitored.dashboards()

    assert len({one["uid"] for one in dashboards}) == len({one["title"] for one in dashboards}) == len(dashboards)
    for dashboard in dashboards:
        panels = dashboard["panels"]
        assert len(dashboard["uid"]) <= 40
        assert [panel["id"] for panel in panels] == [*range(1, len(panels) + 1)]
        assert {panel["type"] for panel in panels} == {"stat", "timeseries"}
        assert all(panel["datasource"]["uid"] == "${datasource}" for panel in panels)
        places = [panel["gridPos"] for panel in panels]
        assert all(one["x"] >= 0 and one["x"] + one["w"] <= 24 for one in places)
        assert not [pair for pair in combinations(places, 2) if overlap(*pair)]


def overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    return all(
        one[start] < other[start] + other[size] and other[start] < one[start] + one[size]
        for start, size in (("x", "w"), ("y", "h"))
    )


@pytest.mark.slow
def test_files_follow_the_kinds_of_parts_and_shared_ones_go_with_the_last_service(tmp_path: Path) -> None:
    def do(*words: str) -> None:
        assert main([*words, "--workspace", str(tmp_path), "--no-input"]) == 0

    for name in ("one", "two"):
        do("new", "worker", name, "--subject", "orders.order.created")
    before = tree.read(tmp_path)
    for name in ("one", "two"):
        do("add-deploy", name, "monitoring")
    with_both = tree.read(tmp_path)
    do("add-action", "one", "greet")
    assert "ActionErrors" in (tmp_path / "services/one/deploy/monitoring/rules.yml").read_text()
    do("remove-action", "one", "greet")
    assert tree.read(tmp_path) == with_both
    do("remove-deploy", "one", "monitoring")
    assert (tmp_path / "compose/monitoring.yml").is_file()  # two has it
    mine = PurePosixPath("compose/monitoring.json")
    (tmp_path / mine).write_text("{}\n")
    do("remove-deploy", "two", "monitoring")
    after = tree.read(tmp_path)
    assert after.pop(mine).content == b"{}\n"
    assert after == before


@pytest.mark.slow
async def test_rules_and_dashboards_name_what_a_running_service_exposes(monitored: Monitored, tmp_path: Path) -> None:
    with NatsServer(tmp_path / "nats") as server:
        settings = {"NATS_URL": server.url, "CONSUL_ENABLED": "false"}  # without ports, everything is on one
        folder = monitored.root / "services/full"
        with GeneratedService(folder, python=sys.executable, log_folder=tmp_path, settings=settings) as service:
            wait_ready(service)
            client = await nats.connect(server.url)
            await client.jetstream().publish("orders.order.created", b"no event")  # a dead letter
            await client.request("v1.full.greet", b"[]", timeout=10)  # an action's error
            await client.close()
            await ask(service, "POST", "/greet", {})
            letter = 'worker_dead_letters_total{handler="order_created",reason="invalid"}'
            wait_until(lambda: letter in service.metrics(), limit=60, what="the dead letter")
            known = exposed(service)

    rules = monitored.rules("full")
    for rule in rules:
        if "record" in rule:
            known[rule["record"]] = set().union(*(known[name] for name in METRIC.findall(rule["expr"])))
    expressions = [rule["expr"] for rule in rules]
    expressions += [query for dashboard in monitored.dashboards() for query in queries(dashboard)]
    for expression in expressions:
        metrics = METRIC.findall(expression)
        assert metrics
        assert known.keys() >= set(metrics), expression
        assert labels(expression) <= OF_TARGETS.union(*(known[name] for name in metrics)), expression


def exposed(service: GeneratedService) -> dict[str, set[str]]:
    """The labels of each metric: of its series, else as documented."""
    text = (DOCS / "reference/metrics.md").read_text()
    known = {
        row[0]: set(re.findall(r"`(\w+)`", row[1])) for row in re.findall(r"^\| `(\w+)` \|[^|]+\|([^|]*)\|", text, re.M)
    }
    found = {name: known.get(name, set()) for name in re.findall(r"^# TYPE (\w+)", service.get("/metrics").body, re.M)}
    for sample in service.metrics():
        name, _, inside = sample.partition("{")
        found[name] = set(re.findall(r'(\w+)="', inside))
    return {**found, **OF_PROMETHEUS}
