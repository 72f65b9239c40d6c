"""The manifests of every kind of service: valid for a cluster, built by Kustomize, and without a dangling reference."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from natsgen.cli import main
from natsgen.harness.programs import find_program
from scripts import reference
from tests.documents.blocks import read_blocks

ROOT = Path(__file__).parents[2]
KUBERNETES = ("1.33", "1.37")  # the oldest version that still gets fixes, and the newest one
CRDS = next((parent / "shared/crds" for parent in Path(__file__).parents if (parent / "shared/crds").is_dir()), None)
KINDS = {
    "billing": ("worker", "--subject", "orders.order.created", "--subject", "orders.>", "--dedup", "nats-kv"),
    "mailer": ("worker", "--queue", "emails=send_email", "--queue", "reports", "--dedup", "redis"),
    "greeter": ("service", "--action", "greet"),
    "api": ("gateway", "--framework", "fastapi", "--route", "POST /orders=publish:orders.order.created"),
    "beat": ("publisher", "--subject", "events.test"),
    "ear": ("subscriber", "--subject", "events.test"),
}
Document = dict[str, Any]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace with a service of each kind, all with manifests."""
    root = tmp_path_factory.mktemp("shop")
    for name, (kind, *words) in KINDS.items():
        new = ("new", kind, name, *words, "--deploy", "kubernetes", "--workspace", str(root), "--no-input")
        assert main(list(new)) == 0
    return root


def folder_of(workspace: Path, service: str) -> Path:
    return workspace / "services" / service / "deploy/kubernetes"


def documents(folder: Path) -> list[Document]:
    """Every resource in the files below a folder."""
    found = [one for file in sorted(folder.rglob("*.yaml")) for one in yaml.safe_load_all(file.read_text())]
    return [one for one in found if not one["apiVersion"].startswith("kustomize.config.k8s.io")]


def strict(schema: Any) -> Any:
    """A schema that also refuses fields which it does not have: a cluster would drop them, with a warning."""
    if isinstance(schema, list):
        return [strict(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: strict(value) for key, value in schema.items()}
    is_open = schema.get("x-kubernetes-preserve-unknown-fields") or "additionalProperties" in schema
    if isinstance(schema.get("properties"), dict) and not is_open:
        closed["additionalProperties"] = False
    return closed


@cache
def schemas() -> Mapping[tuple[str, str], Any]:
    """The schemas of custom resources, by apiVersion and kind."""
    assert CRDS
    found = {}
    for file in CRDS.glob("*.y*ml"):
        for crd in filter(None, yaml.safe_load_all(file.read_text())):
            for version in crd["spec"]["versions"]:
                key = f"{crd['spec']['group']}/{version['name']}", crd["spec"]["names"]["kind"]
                schema = version["schema"]["openAPIV3Schema"]
                schema["properties"] |= {"apiVersion": {}, "kind": {}, "metadata": {}}
                found[key] = strict(schema)
    return found


@pytest.mark.parametrize("service", KINDS)
def test_a_cluster_accepts_each_manifest(workspace: Path, service: str) -> None:
    own = [one for one in documents(folder_of(workspace, service)) if is_core(one)]
    assert {one["kind"] for one in own} >= {"Deployment", "NetworkPolicy", "PodDisruptionBudget"}
    for one in own:
        for version in KUBERNETES:
            kubernetes_validate.validate(one, version, strict=True)


@pytest.mark.parametrize("service", KINDS)
def test_the_deployment_fits_the_image(workspace: Path, service: str) -> None:
    base = folder_of(workspace, service) / "base"
    (settings,) = yaml.safe_load((base / "kustomization.yaml").read_text())["configMapGenerator"]
    (deployment,) = (one for one in documents(base) if one["kind"] == "Deployment")
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert deployment["spec"]["replicas"] == (1 if service == "beat" else 2)
    names = [one.partition("=")[0] for one in settings["literals"]] + [one["name"] for one in container["env"]]
    known = reference.settings_page()
    assert [name for name in names if f"| `{name}` |" not in known] == []
    dockerfile = (workspace / "services" / service / "Dockerfile").read_text()
    assert f"USER {pod['securityContext']['runAsUser']}:{pod['securityContext']['runAsGroup']}" in dockerfile
    assert re.findall(r"^EXPOSE (.*)", dockerfile, re.MULTILINE) == [
        " ".join(str(port["containerPort"]) for port in container["ports"])
    ]
    waits = [int(value) for value in re.findall(r"(?:TIMEOUT|DRAIN_TIME)=(\d+)", " ".join(settings["literals"]))]
    assert pod["terminationGracePeriodSeconds"] == sum(waits) + 15


@pytest.mark.skipif(CRDS is None, reason="no ../shared/crds with the definitions of custom resources")
@pytest.mark.parametrize("service", KINDS)
def test_the_operators_accept_each_custom_resource(workspace: Path, service: str) -> None:
    custom = [one for one in documents(folder_of(workspace, service)) if not is_core(one)]
    assert custom
    for one in custom:
        jsonschema.validate(one, schemas()[one["apiVersion"], one["kind"]])


def test_schemas_refuse_a_wrong_field(workspace: Path) -> None:
    (deployment,) = (one for one in documents(folder_of(workspace, "billing")) if one["kind"] == "Deployment")
    deployment["spec"]["template"]["spec"]["terminationGracePeriod"] = 45
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(deployment, KUBERNETES[-1], strict=True)


def is_core(document: Document) -> bool:
    group = document["apiVersion"].rpartition("/")[0]
    return "." not in group or group.endswith(".k8s.io")


@pytest.mark.skipif(find_program("kubectl") is None, reason="no `kubectl` on PATH")
@pytest.mark.parametrize("service", KINDS)
def test_what_kustomize_builds_has_no_dangling_reference(workspace: Path, service: str) -> None:
    folder = folder_of(workspace, service)
    for overlay in ("production", "everything"):
        if overlay == "everything":  # as in production/kustomization.yaml, with all comments about components removed
            text = (folder / "overlays/production/kustomization.yaml").read_text()
            text = re.sub(r"^# (components:|  - \.\./\.\./components/)", r"\1", text, flags=re.MULTILINE)
            assert "\n  - ../../components/" in text
            (folder / "overlays" / overlay).mkdir(exist_ok=True)
            (folder / "overlays" / overlay / "kustomization.yaml").write_text(text)
        assert list(dangling(build(folder / "overlays" / overlay))) == []


@pytest.mark.skipif(find_program("kubectl") is None, reason="no `kubectl` on PATH")
def test_the_overlay_of_the_documentation_is_built(workspace: Path) -> None:
    overlay = folder_of(workspace, "billing") / "overlays/documented"
    overlay.mkdir()
    files = [block.text for block in read_blocks(ROOT, "docs/production/kubernetes.md") if block.language == "yaml"]
    for name, text in zip(("kustomization.yaml", "database.yaml"), files, strict=True):
        (overlay / name).write_text(text)
    built = build(overlay)
    assert list(dangling(built)) == []
    (scaled,) = (one for one in built if one["kind"] == "ScaledObject")
    assert scaled["spec"]["maxReplicaCount"] == 30
    found = {key: value for one in built if one["kind"] == "ConfigMap" for key, value in one["data"].items()}
    assert (found["account"], found["STREAM_REPLICAS"], found["LOG_FORMAT"]) == ("SHOP", "3", "json")


def build(overlay: Path) -> list[Document]:
    """What Kustomize makes of an overlay."""
    done = subprocess.run(["kubectl", "kustomize", str(overlay)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return list(yaml.safe_load_all(done.stdout))


def dangling(built: list[Document]) -> Iterator[str]:
    """Yield each reference to what is not there; a Secret may be made elsewhere if it is optional."""
    names = {(one["kind"], one["metadata"]["name"]) for one in built}
    (deployment,) = (one for one in built if one["kind"] == "Deployment")
    pod = deployment["spec"]["template"]
    labels = pod["metadata"]["labels"].items()
    (container,) = pod["spec"]["containers"]
    ports = {port["name"] for port in container["ports"]}
    if ("ScaledObject", deployment["metadata"]["name"]) in names and "replicas" in deployment["spec"]:
        yield "both the Deployment and KEDA set the replicas"
    wanted = [("ConfigMap", one["configMapRef"]["name"]) for one in container["envFrom"]]
    secrets = [one["secret"] for one in pod["spec"]["volumes"] if "secret" in one]
    wanted += [("Secret", one["secretName"]) for one in secrets if not one.get("optional")]
    mounted = {one["name"] for one in container["volumeMounts"]}
    if mounted != {one["name"] for one in pod["spec"]["volumes"]}:
        yield f"mounts {mounted}"
    selectors = [deployment["spec"]["selector"]["matchLabels"]]
    selectors += [one["labelSelector"]["matchLabels"] for one in pod["spec"]["topologySpreadConstraints"]]
    used = [container[probe]["httpGet"]["port"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")]
    for one in built:
        spec = one.get("spec", {})
        if one["kind"] == "Service":
            selectors.append(spec["selector"])
            used += [port["targetPort"] for port in spec["ports"]]
        elif one["kind"] == "NetworkPolicy":
            selectors.append(spec["podSelector"]["matchLabels"])
            used += [port["port"] for rule in spec.get("ingress", ()) for port in rule["ports"]]
        elif one["kind"] in ("PodDisruptionBudget", "PodMonitor"):
            selectors.append(spec["selector"]["matchLabels"])
            used += [endpoint["port"] for endpoint in spec.get("podMetricsEndpoints", ())]
        elif one["kind"] == "ScaledObject":
            wanted.append(("Deployment", spec["scaleTargetRef"]["name"]))
            wanted += [("TriggerAuthentication", trigger["authenticationRef"]["name"]) for trigger in spec["triggers"]]
        elif one["kind"] == "TriggerAuthentication":
            wanted += [("ConfigMap", source["name"]) for source in spec["configMapTargetRef"]]
        elif one["kind"] == "Consumer":
            streams = {other["spec"]["name"] for other in built if other["kind"] == "Stream"}
            yield from {spec["streamName"]} - streams
    yield from (f"no {kind} {name}" for kind, name in wanted if (kind, name) not in names)
    yield from (f"selects {selector}" for selector in selectors if not selector.items() <= labels)
    yield from (f"no port {port}" for port in used if port not in ports)
