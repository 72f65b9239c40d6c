"""natsgen's own releases: services of every kind, made with the first and edited by their owners, become current."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import natsgen
from natsgen.parts import kinds
from natsgen.update import releases
from tests.update import world
from tests.update.world import CHECKOUT, Installed

FIRST, SECOND = "v0.1.0", "v0.2.0"
EXTRAS = "batches,cloudevents,decoders,kv,messages,objects,otel,schemas,streams,sync,tasks,tenancy"
SERVICES = (
    "new worker billing --subject orders.order.created --subject orders.> --dedup redis",
    f"new worker everything --subject a.b.done --action greet --queue images --with {EXTRAS} --dedup nats-kv",
    "new worker mailer --queue emails --queue reports=build_report --python 3.11",
    "new service greeter --action greet --action leave --version 2",
    "new gateway api --framework fastapi --action greet --subject a.b.done",
    "new gateway desk --framework django --envelope cloudevents",
    "new publisher beat --subject events.test --subject other.test --core --envelope message --image alpine",
    "new subscriber ear --subject events.> --queue-group workers",
)
DEPLOY = ("--deploy", "catalog,kubernetes,monitoring")
ROUTES = {"gateway": ("--route", "POST /greet=v1.greeter.greet", "--route", "PUT /a/{b}=publish:a.b.done")}
PIN = f"toolz==1.1.0 \\\n    --hash=sha256:{'0' * 64}\n"


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """A natsgen with the template of its first release."""
    folder = tmp_path_factory.mktemp("first")
    with releases.bundled() as found:
        assert found.versions[:2] == (FIRST, SECOND)
        shutil.copytree(found.template(FIRST).folder, folder / "repository")
    package = folder / "repository/src/natsgen"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f'__version__ = "{FIRST[1:]}"\n')
    return world.install(folder / "repository", folder / "installed")


def go_on(shop: Path, name: str) -> Iterator[Path]:
    """Does what an owner does in a new service; yields the owner's files."""
    service = shop / "services" / name
    parts = [file for file in sorted(service.rglob("*.py")) if kinds.is_owners(file.relative_to(service))]
    assert len(parts) >= 2
    once = (service / "src/domain/settings.py", service / "src/domain/resources.py")
    for file in (*parts, *once, shop / f"compose/{name}.override.yml"):
        file.write_text(f"{file.read_text()}\n# mine\n")
        yield file
    for file, text in (
        (service / "src/domain/prices.py", '"""Mine."""\n'),
        (service / "tests/test_prices.py", "def test_mine() -> None:\n    assert True\n"),
        (shop / f"compose/{name}.env", "LOG_LEVEL=DEBUG\n"),
    ):
        file.write_text(text)
        yield file
    world.Edit(Path("pyproject.toml"), '    "nats-py', '    "toolz>=1",\n    "nats-py').make(service)
    pins = service / "requirements.txt"
    pins.write_text(re.sub(r"^(?=typing-extensions==)", lambda _: PIN, pins.read_text(), count=1, flags=re.MULTILINE))
    assert PIN in pins.read_text()


@pytest.mark.parametrize(
    "commands", [SERVICES[:1], pytest.param(SERVICES, marks=pytest.mark.slow)], ids=["a worker", "every kind"]
)
def test_services_come_from_the_first_release_to_the_newest(
    first: Installed, tmp_path: Path, commands: tuple[str, ...]
) -> None:
    shop = tmp_path / "shop"
    shop.mkdir()
    names = []
    for command in commands:
        _, kind, name, *options = command.split()
        first.do("new", kind, name, *options, *ROUTES.get(kind, ()), *DEPLOY, "--no-input", cwd=shop)
        names.append(name)
    owned = {file: file.read_bytes() for name in names for file in go_on(shop, name)}
    first.do("check", "--all", cwd=shop)
    world.commit(shop)

    said = CHECKOUT.do("update", "--all", cwd=shop)

    assert said.splitlines()[-1] == f"{len(names)} updated, 0 current, 0 conflicting, 0 failed"
    assert {file: file.read_bytes() for file in owned} == owned
    checked = json.loads(CHECKOUT.do("check", "--all", "--json", cwd=shop))["services"]
    newest = f"v{natsgen.__version__}"
    assert [(one["name"], one["version"], one["files"]) for one in checked] == [
        (name, newest, []) for name in sorted(names)
    ]
    for name in names:
        service = shop / "services" / name
        assert '    "toolz>=1",\n' in (service / "pyproject.toml").read_text()
        assert PIN in (service / "requirements.txt").read_text()
