"""From every released version to the newest, over all kinds of services, with what people typically change in them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from natsgen.parts.kinds import KINDS
from tests.template.test_rendered import ANSWERS, command_for
from tests.update import world
from tests.update.test_update import files_of
from tests.update.world import FIRST, SECOND, THIRD, Edit, Installed

Releases = Mapping[str, Installed]
LEFT_OUT = ("bare", "longest-fastapi", "longest-django")
"""The others have the files of these too. An updated service is, file for file, what `new` makes; smoke tests those."""

RENAMED = {"src/infrastructure/link_health.py": "src/infrastructure/link_watch.py"}


def edit(root: Path, name: str, release: str) -> None:
    """Changes what people change: parts, the image, a setting, the compose file, infrastructure, files of their own."""
    service = Path("services") / name
    for part in parts(root / service):
        (root / service / part).write_text((root / service / part).read_text() + "\n# mine\n")
    Edit(service / "Dockerfile", "WORKDIR /app", "RUN mkdir /data\nWORKDIR /app").make(root)
    setting = '    OWN_LIMIT: int = Field(default=3, description="Mine")\n'
    Edit(service / "src/config.py", "    HTTP_HOST: str", f"{setting}    HTTP_HOST: str").make(root)
    Edit(Path(f"compose/{name}.yml"), "    read_only: true\n", "    read_only: true\n    mem_limit: 200m\n").make(root)
    watch = "src/infrastructure/link_health.py"
    Edit(service / (RENAMED[watch] if release == THIRD else watch), "\nclass ", "\n# mine\nclass ").make(root)
    Edit(service / "README.md", "\n\n", "\n\nMine, first of all.\n\n").make(root)
    (root / service / "src/domain/prices.py").write_text('"""Mine."""\n')
    (root / service / "tests/test_prices.py").write_text("def test_mine() -> None:\n    assert True\n")
    (root / service / "tests/test_handlers.py").unlink()


def parts(service: Path) -> Iterator[Path]:
    """The files of handlers, actions and routes, in the service's folder."""
    for kind in KINDS.values():
        yield from (path.relative_to(service) for path in sorted((service / kind.folder).glob(f"*{kind.suffix}")))


def make(natsgen: Installed, folder: Path, kind: str, release: str) -> Path:
    """A service as a person has it."""
    folder.mkdir(parents=True)
    natsgen.do(*command_for(kind), "--no-input", cwd=folder)
    edit(folder, ANSWERS[kind][0], release)
    return folder


CASES = [*((kind, FIRST) for kind in ANSWERS if kind not in LEFT_OUT), ("defaults", SECOND), ("actions", SECOND)]
CORE = (("defaults", FIRST), ("fastapi", FIRST), ("publisher", FIRST), ("actions", SECOND))
"""What the short run has of them: a worker, a gateway, core messaging, and the version between."""


@pytest.mark.parametrize(
    ("kind", "version"), [pytest.param(*case, marks=[] if case in CORE else pytest.mark.slow) for case in CASES]
)
def test_the_update_is_a_fresh_service_with_the_persons_changes(
    installed: Releases, tmp_path: Path, kind: str, version: str
) -> None:
    place = make(installed[version], tmp_path / "old" / "shop", kind, version)
    world.commit(place)

    installed[THIRD].do("update", "--all", cwd=place)

    expected = make(installed[THIRD], tmp_path / "new" / "shop", kind, THIRD)
    assert files_of(place) == files_of(expected)
