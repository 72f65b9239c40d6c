"""The package that people install: it carries the template and works in any folder, offline."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tarfile
import venv
import zipfile
from email.parser import Parser
from pathlib import Path

import pytest

from natsgen.files import tree

REPOSITORY = Path(__file__).resolve().parents[2]
WORKER = ["new", "worker", "billing", "--subject", "orders.order.created", "--no-input"]


LIMIT = 300.0  # seconds for a command that takes a few
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("built")
    build(REPOSITORY, folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (found,) = built.glob("*.whl")
    return found


def build(source: Path, folder: Path, *options: str) -> None:
    command = [sys.executable, "-m", "hatchling", "build", *options, "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=LIMIT)


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The `natsgen` program of a fresh environment, which borrows only natsgen's dependencies from this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    (site,) = folder.glob("lib/python*/site-packages")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(site)
    borrowed = [path for path in sys.path if path.endswith("site-packages")]
    (site / "borrowed.pth").write_text("\n".join(borrowed))
    program = folder / "bin" / "natsgen"
    program.write_text(f"#!{folder}/bin/python\nfrom natsgen.cli import main\nraise SystemExit(main())\n")
    program.chmod(0o755)
    return program


def test_it_carries_the_template_and_no_litter(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert "natsgen/_template/copier.yml" in names
    assert "natsgen/py.typed" in names
    assert any("_handler.py" in name and name.endswith(".jinja") for name in names)
    assert [name for name in names if "__pycache__" in name or "_cache" in name or "/.venv/" in name] == []


def test_its_metadata_is_complete_and_leads_out_of_the_repository(wheel: Path) -> None:
    (about,) = [name for name in zipfile.ZipFile(wheel).namelist() if name.endswith("/METADATA")]
    found = Parser().parsestr(zipfile.ZipFile(wheel).read(about).decode())
    assert found["License-Expression"] == "MIT"
    assert {"Typing :: Typed", "Programming Language :: Python :: 3.14"} <= set(found.get_all("Classifier", []))
    assert found.get_all("Provides-Extra") == ["dev"]
    assert "Source" in {address.split(", ")[0] for address in found.get_all("Project-URL", [])}
    links = re.findall(r"\]\(([^)]*)\)", found.get_payload())
    assert len(links) > 20
    assert [link for link in links if not link.startswith(("https://", "#"))] == []


def test_it_is_small_and_the_sdist_builds_the_same_bytes_elsewhere(built: Path, wheel: Path, tmp_path: Path) -> None:
    assert [file.name for file in built.iterdir() if file.stat().st_size > MEGABYTE] == []
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        archive.extractall(tmp_path / "source", filter="data")
    (source,) = (tmp_path / "source").iterdir()
    assert {file.name for file in source.iterdir() if file.is_dir()} == {"src", "template", "includes"}
    for file in source.rglob("*"):
        os.utime(file, (0, 0), follow_symlinks=False)
    build(source, tmp_path)
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()
    assert (tmp_path / sdist.name).read_bytes() == sdist.read_bytes()


def test_installed_it_makes_the_same_worker_as_the_checkout(
    installed: Path, tmp_path: Path, environment: dict[str, str]
) -> None:
    (tmp_path / "installed" / "shop").mkdir(parents=True)
    (tmp_path / "checkout" / "shop").mkdir(parents=True)
    bare = {
        "PATH": os.defpath,
        "HOME": str(tmp_path),
        "http_proxy": "http://127.0.0.1:9",
        "https_proxy": "http://127.0.0.1:9",
    }
    subprocess.run([installed, *WORKER], cwd=tmp_path / "installed/shop", env=bare, check=True, timeout=LIMIT)
    checkout = [sys.executable, "-m", "natsgen", *WORKER]
    subprocess.run(checkout, cwd=tmp_path / "checkout/shop", env=environment, check=True, timeout=LIMIT)
    assert tree.read(tmp_path / "installed") == tree.read(tmp_path / "checkout")
