from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest

from natsgen.errors import InputError, UnsafePathError
from natsgen.files import workspace as workspaces
from natsgen.files.workspace import Workspace


def test_without_any_sign_the_current_folder_is_the_workspace(tmp_path: Path) -> None:
    assert workspaces.find(None, tmp_path).root == tmp_path


@pytest.mark.parametrize("sign", ["services", "compose"])
def test_it_is_found_upwards_by_its_folders(tmp_path: Path, sign: str) -> None:
    (tmp_path / sign).mkdir()
    deep = tmp_path / "services" / "billing" / "src"
    deep.mkdir(parents=True)
    assert workspaces.find(None, deep).root == tmp_path


def test_natsgen_toml_goes_before_a_nearer_folder_that_looks_alike(tmp_path: Path) -> None:
    (tmp_path / "natsgen.toml").touch()
    (tmp_path / "app" / "services").mkdir(parents=True)
    assert workspaces.find(None, tmp_path / "app").root == tmp_path


def test_the_search_ends_at_the_git_repository(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    repository = tmp_path / "repository"
    (repository / ".git").mkdir(parents=True)
    (repository / "docs").mkdir()
    assert workspaces.find(None, repository / "docs").root == repository


def test_the_folder_that_is_named_is_the_workspace_even_if_it_is_missing(tmp_path: Path) -> None:
    assert workspaces.find(Path("new/shop"), tmp_path).root == tmp_path / "new" / "shop"


def test_a_file_is_no_workspace(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="is not a folder"):
        workspaces.find(Path("file"), tmp_path)


def test_its_services_are_the_folders_under_services(workspace: Workspace) -> None:
    assert workspace.services() == ()
    for name in ("billing", "audit"):
        (workspace.root / "services" / name).mkdir(parents=True)
    (workspace.root / "services" / "README.md").touch()
    assert workspace.services() == ("audit", "billing")


@pytest.mark.parametrize("path", ["/etc/passwd", "../x", "services/../../x", "."])
def test_a_path_that_leaves_the_workspace_is_refused(workspace: Workspace, path: str) -> None:
    with pytest.raises(UnsafePathError):
        workspace.path(PurePosixPath(path))


def test_a_symlink_that_leads_out_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (workspace.root / "services").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UnsafePathError, match="outside the workspace"):
        workspace.path(PurePosixPath("services/billing/README.md"))


@pytest.mark.parametrize("target", ["packages", ".git", "nowhere", "services"])
def test_no_symlink_is_followed_within_the_workspace_either(workspace: Workspace, target: str) -> None:
    for folder in ("packages", ".git"):
        (workspace.root / folder).mkdir()
    (workspace.root / "services").symlink_to(target)
    with pytest.raises(UnsafePathError, match="is a symlink to"):
        workspace.path(PurePosixPath("services/billing"))


def test_a_file_in_place_of_a_folder_is_refused(workspace: Workspace) -> None:
    (workspace.root / "services").touch()
    with pytest.raises(UnsafePathError, match="is not a folder"):
        workspace.path(PurePosixPath("services/billing/x"))
