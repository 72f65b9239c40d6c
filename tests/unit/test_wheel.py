"""The package that people install: it carries the template and works in any folder, offline."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest

from natsgen.files import tree

REPOSITORY = Path(__file__).resolve().parents[2]
WORKER = ["new", "worker", "billing", "--subject", "orders.order.created", "--no-input"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True, timeout=60)
    (found,) = folder.glob("*.whl")
    return found


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
    subprocess.run([installed, *WORKER], cwd=tmp_path / "installed/shop", env=bare, check=True, timeout=60)
    checkout = [sys.executable, "-m", "natsgen", *WORKER]
    subprocess.run(checkout, cwd=tmp_path / "checkout/shop", env=environment, check=True, timeout=60)
    assert tree.read(tmp_path / "installed") == tree.read(tmp_path / "checkout")
