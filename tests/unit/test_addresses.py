"""How a person names a template: the address, the version, and what services remember of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from natsgen.errors import InputError
from natsgen.files import git
from natsgen.rendering import addresses
from natsgen.rendering.addresses import Address


@pytest.mark.parametrize(
    ("given", "url", "version"),
    [
        ("https://git.example.com/team/t.git", "https://git.example.com/team/t.git", ""),
        ("https://git.example.com/team/t.git@v1.2.3", "https://git.example.com/team/t.git", "v1.2.3"),
        ("ssh://me@git.example.com/t.git", "ssh://me@git.example.com/t.git", ""),
        ("ssh://me@git.example.com/t@1.2", "ssh://me@git.example.com/t", "1.2"),
        ("git@git.example.com:t.git", "git@git.example.com:t.git", ""),
        ("git@git.example.com:team/t.git@1.2.3", "git@git.example.com:team/t.git", "1.2.3"),
        ("git@git.example.com:t.git@1.2.3", "git@git.example.com:t.git", "1.2.3"),
        ("ssh://git@git.example.com:2222/t.git@1", "ssh://git@git.example.com:2222/t.git", "1"),
        ("gh:team/t@1.0.0", "gh:team/t", "1.0.0"),
        ("git+file:///srv/t@1.0.0", "git+file:///srv/t", "1.0.0"),
        ("/srv/t.bundle@1.0.0", "/srv/t.bundle", "1.0.0"),
        ("there", "../there", ""),
        ("there@1.0.0", "../there", "1.0.0"),
        ("./odd@2", "../odd@2", ""),
        ("odd@2@1.0.0", "../odd@2", "1.0.0"),
        ("inside/t", "../inside/t", ""),
        ("nowhere@1", "nowhere", "1"),
    ],
)
def test_the_address_and_the_version(tmp_path: Path, given: str, url: str, version: str) -> None:
    for folder in ("there", "odd@2", "inside/t", "shop"):
        (tmp_path / folder).mkdir(parents=True)
    assert addresses.read(given, tmp_path, tmp_path / "shop") == Address(url, version)


@pytest.mark.parametrize(
    "given",
    [
        "https://me:s3cret@git.example.com/t.git@1.2",
        "https://s3cret@git.example.com/t.git",
        "HTTPS://s3cret@git.example.com/t.git@v1",
        "git+https://s3cret@git.example.com/t.git",
        "http://s3cret:@git.example.com/t.git",
        "ssh://me:s3cret@git.example.com/t.git",
        "https://git.example.com/t.git?private_token=s3cret",
    ],
)
def test_a_password_or_a_token_is_refused_and_not_shown(tmp_path: Path, given: str) -> None:
    with pytest.raises(InputError, match="contains a password or a token") as caught:
        addresses.read(given, tmp_path, tmp_path)
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in git.without_secrets(f"fatal: unable to access '{given}': no")


def test_what_git_clones(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "there").mkdir()
    assert addresses.to_clone("gh:team/t", tmp_path) == "https://github.com/team/t.git"
    assert addresses.to_clone("gl:team/t.git", tmp_path) == "https://gitlab.com/team/t.git"
    assert addresses.to_clone("git+https://git.example.com/t", tmp_path) == "https://git.example.com/t"
    assert addresses.to_clone("../there", tmp_path / "shop") == str(tmp_path / "shop/../there")
    assert addresses.to_clone("git@git.example.com:t.git", tmp_path) == "git@git.example.com:t.git"


@pytest.mark.parametrize(
    ("url", "own"), [("/a", True), ("~/a", True), ("file:///a", True), ("../a", False), ("gh:a/b", False)]
)
def test_what_only_this_machine_has(url: str, own: bool) -> None:
    assert addresses.is_of_this_machine(url) is own
