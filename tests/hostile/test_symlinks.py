"""Symlinks on the way: what leads out of the workspace is refused, and nothing outside is written or removed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.hostile import oracle
from tests.hostile.cases import DEFAULT, HANDLER, SERVICE
from tests.hostile.places import WORKSPACE, Place

ADD = ("add-handler", SERVICE, "orders.order.cancelled")
REMOVE = ("remove-handler", SERVICE, HANDLER, "--force")
HANDLERS = f"services/{SERVICE}/src/domain/handlers"
HANDLER_TESTS = f"services/{SERVICE}/tests/handlers"


@pytest.mark.parametrize("target", ["outside", "outside/missing", "/nowhere/at/all", ".."])
@pytest.mark.parametrize("link", ["services", "compose", f"services/{SERVICE}", f"compose/{SERVICE}.yml"])
def test_a_new_worker_is_not_made_through_a_link_that_leads_out(link: str, target: str, place: Place) -> None:
    path = place.workspace / link
    path.parent.mkdir(exist_ok=True)
    path.symlink_to(place.around / target)

    ran = place.run(*DEFAULT)

    oracle.check_refused(ran)


def test_infrastructure_that_is_a_link_is_left_as_it_is(place: Place) -> None:
    (place.workspace / "compose").mkdir()
    (place.workspace / "compose/infrastructure.yml").symlink_to(place.outside / "precious.txt")

    ran = place.run(*DEFAULT)

    assert ran.code == 0, ran.err
    oracle.check_only_inside(ran, WORKSPACE)
    assert f"{WORKSPACE}/compose/infrastructure.yml" not in ran.changed


@pytest.mark.parametrize("arguments", [ADD, REMOVE], ids=["add-handler", "remove-handler"])
@pytest.mark.parametrize(
    "moved",
    [
        *("services", f"services/{SERVICE}", f"services/{SERVICE}/src", f"services/{SERVICE}/src/domain"),
        *(HANDLERS, f"services/{SERVICE}/tests", HANDLER_TESTS),
    ],
)
def test_handlers_of_a_folder_that_is_a_link_leading_out_stay_as_they_are(
    moved: str, arguments: tuple[str, ...], with_service: Place
) -> None:
    folder = with_service.workspace / moved
    elsewhere = with_service.outside / "elsewhere"
    shutil.move(folder, elsewhere)
    folder.symlink_to(elsewhere)

    ran = with_service.run(*arguments)

    oracle.check_refused(ran)


@pytest.mark.parametrize("folder", [HANDLERS, HANDLER_TESTS])
def test_a_dangling_link_in_the_place_of_a_new_file_is_refused(folder: str, with_service: Place) -> None:
    name = "order_cancelled_handler.py"
    file = with_service.workspace / folder / (f"test_{name}" if folder == HANDLER_TESTS else name)
    file.symlink_to(with_service.outside / "made-through-a-link.py")

    ran = with_service.run(*ADD)

    oracle.check_refused(ran)


@pytest.mark.parametrize("force", [(), ("--force",)])
@pytest.mark.parametrize("path", [f"{HANDLERS}/{HANDLER}_handler.py", f"{HANDLER_TESTS}/test_{HANDLER}_handler.py"])
def test_a_handler_that_is_a_link_is_not_removed(path: str, force: tuple[str, ...], with_service: Place) -> None:
    file = with_service.workspace / path
    shutil.move(file, with_service.outside / "handler.py")
    file.symlink_to(with_service.outside / "handler.py")

    ran = with_service.run("remove-handler", SERVICE, HANDLER, *force)

    oracle.check_refused(ran)


def test_a_link_to_the_workspace_is_the_workspace(place: Place) -> None:
    (place.around / "link").symlink_to(place.workspace)

    ran = place.run(*DEFAULT, "--workspace", "../link")

    assert ran.code == 0, ran.err
    oracle.check_only_inside(ran, WORKSPACE)
    oracle.check_tree(place.workspace)


@pytest.mark.parametrize("link", ["services", "compose"])
def test_links_within_the_workspace_are_not_followed_either(link: str, place: Place) -> None:
    (place.workspace / "apps").mkdir()
    (place.workspace / link).symlink_to("apps")

    ran = place.run(*DEFAULT)

    oracle.check_refused(ran)
    assert f"{link} is a symlink to " in ran.err


@pytest.mark.parametrize("command", [("list",), ("list", SERVICE), ("show", SERVICE)], ids=["list", "list one", "show"])
def test_looking_at_a_workspace_full_of_links_changes_nothing(command: tuple[str, ...], with_service: Place) -> None:
    handlers = with_service.workspace / HANDLERS
    (handlers / "loop_handler.py").symlink_to("loop_handler.py")
    (handlers / "gone_handler.py").symlink_to("/nowhere/at/all.py")
    (handlers / "folder_handler.py").symlink_to(with_service.outside)
    (with_service.workspace / "services/loop").symlink_to("loop")
    (with_service.workspace / "services/up").symlink_to("..")
    (with_service.workspace / "services/root").symlink_to("/")

    ran = with_service.run(*command)

    assert not ran.changed
    if ran.code:
        oracle.check_refused(ran)
    assert HANDLER in ran.out or ran.code


@pytest.mark.parametrize("name", ["natsgen.toml", "services", "compose"])
@pytest.mark.parametrize("kind", ["folder", "file", "loop", "dangling"])
def test_what_is_in_the_way_is_refused_or_not_in_the_way(name: str, kind: str, place: Place) -> None:
    path = place.workspace / name
    make(path, kind)

    ran = place.run(*DEFAULT)

    if ran.code == 0:
        oracle.check_only_inside(ran, WORKSPACE)
        assert kind == "folder" or name == "natsgen.toml"
    else:
        oracle.check_refused(ran)


def make(path: Path, kind: str) -> None:
    """Puts something of that kind at the path."""
    if kind == "folder":
        path.mkdir()
    elif kind == "file":
        path.touch()
    else:
        path.symlink_to(path.name if kind == "loop" else "/nowhere/at/all")
