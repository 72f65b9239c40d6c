"""What a service's owner writes stays as it is, and no command compares it with the template or changes it."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from tests.update import world
from tests.update.test_check import check
from tests.update.world import FIRST, SECOND, SERVICE, Edit, Installed

ONCE = (
    "services/billing/src/domain/resources.py",
    "services/billing/src/domain/settings.py",
    "compose/billing.override.yml",
)
IN_TEMPLATE = (
    SERVICE / "src/domain/resources.py",
    SERVICE / "src/domain/settings.py",
    Path("template/compose/{{ service_name }}.override.yml.jinja"),
)


def second(root: Path) -> None:
    """What is created once is otherwise, and what stands beside the owner's dependency is newer."""
    Edit(SERVICE / "pyproject.toml.jinja", '"nats-py[nkeys]~=2.16.0"', '"nats-py[nkeys]~=2.16.1"').make(root)
    Edit(SERVICE / "pyproject.toml.jinja", '    "mypy>=2",', '    "mypy>=2.0.1",').make(root)
    Edit(SERVICE / "Dockerfile.jinja", "WORKDIR /build", "WORKDIR /building").make(root)
    pins = root / SERVICE / "requirements.txt.jinja"
    pins.write_text(
        re.sub(
            r"^(multidict|typing-extensions|typing-inspection)==(\S+)", r"\1==\2.post1", pins.read_text(), flags=re.M
        )
    )
    for file in IN_TEMPLATE:
        with (root / file).open("a") as text:
            text.write("# of the second release\n")


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> tuple[Installed, Installed]:
    """The natsgen of two releases; the second makes what is created once otherwise."""
    folder = tmp_path_factory.mktemp("releases")
    root = world.template_repository(folder / "repository")
    world.make_release(root, FIRST)
    first = world.install(root, folder / FIRST)
    world.make_release(root, SECOND, second)
    return first, world.install(root, folder / SECOND)


@pytest.fixture
def shop(releases: tuple[Installed, Installed], tmp_path: Path) -> Path:
    """A workspace whose owner has replaced every file that is created once."""
    folder = tmp_path / "shop"
    folder.mkdir()
    releases[0].do("new", "worker", "billing", "--subject", "orders.order.created", cwd=folder)
    for path in ONCE:
        (folder / path).write_text("# the owner's\n")
    world.commit(folder)
    return folder


@pytest.mark.slow
def test_commands_leave_what_is_created_once_alone(releases: tuple[Installed, Installed], shop: Path) -> None:
    first, second = releases
    assert check(first, shop)[0] == 0
    first.do("add-task", "billing", "send_email", "--queue", "emails", cwd=shop)
    shutil.rmtree(shop / "services/billing/src/toolkit")
    first.do("repair", "billing", cwd=shop)
    first.do("remove-task", "billing", "send_email", cwd=shop)
    world.commit(shop)

    second.do("update", "billing", cwd=shop)
    world.commit(shop)
    second.do("answers", "billing", "set", "dedup=nats-kv", cwd=shop)

    assert [(shop / path).read_text() for path in ONCE] == ["# the owner's\n"] * 3
    code, service = check(second, shop)
    assert (code, service["files"]) == (0, [])


@pytest.mark.slow
def test_what_the_owner_removed_does_not_come_back(releases: tuple[Installed, Installed], shop: Path) -> None:
    (shop / ONCE[1]).unlink()
    world.commit(shop)

    releases[1].do("update", "billing", cwd=shop)

    assert not (shop / ONCE[1]).exists()
    assert check(releases[1], shop)[0] == 0


def test_wall_4a_an_own_dependency_does_not_conflict_with_newer_ones_of_the_template(
    releases: tuple[Installed, Installed], shop: Path
) -> None:
    """Review, wall 4a: the documented way to add a dependency made every later bump of a pin a conflict."""
    first, second = releases
    service = shop / "services/billing"
    Edit(Path("pyproject.toml"), '    "nats-py', '    "toolz>=1",\n    "nats-py').make(service)
    before = (service / "requirements.txt").read_text()

    said = first.do("lock", "billing", cwd=shop)

    assert "+ toolz==" in said
    added = set((service / "requirements.txt").read_text().splitlines()) - set(before.splitlines())
    assert len(added) == 3, added  # the pin, and two hashes
    assert check(first, shop)[0] == 0
    assert "are up to date" in first.do("lock", "billing", cwd=shop)
    world.commit(shop)
    second.do("update", "billing", cwd=shop)
    project, pins = ((service / name).read_text() for name in ("pyproject.toml", "requirements.txt"))
    assert '    "toolz>=1",\n    "nats-py[nkeys]~=2.16.1"' in project
    assert pins.count(".post1") == 3
    assert "\ntoolz==" in pins
    assert check(second, shop)[0] == 0


def test_a_version_that_does_not_exist_is_told(releases: tuple[Installed, Installed], shop: Path) -> None:
    project = shop / "services/billing/pyproject.toml"
    Edit(Path(project.name), "structlog>=25.4", "structlog>=9999").make(project.parent)

    done = releases[0].run("lock", "billing", cwd=shop)

    assert done.returncode == 1
    assert "structlog>=9999" in done.stderr
    assert world.git(shop, "status", "--porcelain").split() == ["M", "services/billing/pyproject.toml"]


@pytest.mark.slow
def test_wall_4d_what_the_owner_changed_on_purpose_is_accepted_and_stays_so(
    releases: tuple[Installed, Installed], shop: Path
) -> None:
    """Review, wall 4d: `check` failed for ever for a service whose owner changed what he had to change."""
    first, second = releases
    Edit(Path("services/billing/Dockerfile"), "EXPOSE 8080", "EXPOSE 8080 9090").make(shop)
    (shop / "services/billing/src/utils/health_check.py").unlink()
    told = first.run("check", "billing", cwd=shop)
    assert told.returncode == 1
    assert "natsgen accept billing PATH" in told.stdout

    first.do("accept", "billing", "Dockerfile", cwd=shop)
    first.do("accept", "billing", "services/billing/src/utils/health_check.py", cwd=shop)

    code, service = check(first, shop)
    assert (code, service["is_clean"], service["files"]) == (0, True, [])
    accepted = [f"services/billing/{path}" for path in ("Dockerfile", "src/utils/health_check.py")]
    assert service["accepted"] == accepted
    assert "services/billing/Dockerfile: changed and accepted" in first.do("check", "billing", cwd=shop)
    world.commit(shop)

    code, service = check(second, shop)  # behind
    assert (code, service["is_behind"], service["conflicting"], service["files"]) == (1, True, [], [])
    second.do("update", "billing", cwd=shop)
    code, service = check(second, shop)
    assert (code, service["accepted"]) == (0, accepted)

    Edit(Path("services/billing/Dockerfile"), "9090", "9091").make(shop)
    code, service = check(second, shop)
    assert (code, [file["path"] for file in service["files"]]) == (1, accepted[:1])
    second.do("accept", "billing", "--all", cwd=shop)
    assert check(second, shop)[0] == 0


def test_an_update_that_would_conflict_is_told(releases: tuple[Installed, Installed], shop: Path) -> None:
    Edit(Path("services/billing/Dockerfile"), "WORKDIR /build", "WORKDIR /mine").make(shop)
    releases[0].do("accept", "billing", "--all", cwd=shop)
    world.commit(shop)

    code, service = check(releases[1], shop)

    assert (code, service["conflicting"], service["files"]) == (1, ["services/billing/Dockerfile"], [])
    assert "conflicts in 1 file" in releases[1].run("check", "billing", cwd=shop).stdout


def test_only_what_differs_can_be_accepted(releases: tuple[Installed, Installed], shop: Path) -> None:
    done = releases[0].run("accept", "billing", "Dockerfile", cwd=shop)
    assert done.returncode == 2
    assert "differing: none" in done.stderr
    assert releases[0].run("accept", "billing", cwd=shop).returncode == 2
