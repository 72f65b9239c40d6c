"""The dependencies of the owner and of the template are in the same files, and their changes do not conflict."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from natsgen.files import by_key
from natsgen.files.tree import File

PROJECT = PurePosixPath("services/billing/pyproject.toml")
PINS = PurePosixPath("services/billing/requirements.txt")
BASE = """\
[project]
name = "billing"
version = "0.1.0"
dependencies = [
    "aiohttp>=3.13",
    "nats-py~=2.16.0", # private names
    "pydantic>=2.12",
]

[dependency-groups]
dev = ["mypy>=2", "ruff>=0.14"]

[tool.ruff]
line-length = 120

[[tool.mypy.overrides]]
module = ["consul.*"]
ignore_missing_imports = true
"""


def edited(text: str, *edits: tuple[str, str]) -> str:
    for old, new in edits:
        assert old in text
        text = text.replace(old, new, 1)
    return text


OURS = edited(
    BASE,
    ('version = "0.1.0"', 'version = "0.4.0"'),
    ('    "pydantic>=2.12",\n', '    "httpx>=0.27", # ours\n    "pydantic>=2.12",\n'),
    ('"ruff>=0.14"', '"respx>=0.21", "ruff>=0.14"'),
    ("line-length = 120\n", 'line-length = 120\nextend-exclude = ["old"]\n'),
)
THEIRS = edited(
    BASE,
    ('"aiohttp>=3.13"', '"aiohttp>=3.14"'),
    ("~=2.16.0", "~=2.17.0"),
    ('    "pydantic>=2.12",\n', '    "pydantic>=2.13",\n    "python-dotenv>=1.1",\n'),
    ('"ruff>=0.14"', '"ruff>=0.15"'),
    ("line-length = 120\n", 'line-length = 120\ntarget-version = "py311"\n'),
    ("ignore_missing_imports = true\n", 'ignore_missing_imports = true\n\n[[tool.mypy.overrides]]\nmodule = ["x"]\n'),
)


def merged(path: PurePosixPath, ours: str, base: str, theirs: str) -> str | None:
    result = by_key.merge(path, ours.encode(), base.encode(), theirs.encode())
    return None if result is None else result.decode()


def as_made(path: PurePosixPath, there: str, made: str) -> bool:
    return by_key.is_unmodified(path, File(there.encode()), File(made.encode()))


def test_neighbouring_dependencies_of_both_sides_are_merged() -> None:
    assert merged(PROJECT, OURS, BASE, THEIRS) == edited(
        THEIRS,
        ('version = "0.1.0"', 'version = "0.4.0"'),
        ('    "pydantic>=2.13",\n', '    "httpx>=0.27", # ours\n    "pydantic>=2.13",\n'),
        ('"ruff>=0.15"', '"respx>=0.21", "ruff>=0.15"'),
        ("line-length = 120\n", 'line-length = 120\nextend-exclude = ["old"]\n'),
    )


def test_what_the_owner_removed_stays_away() -> None:
    ours = edited(BASE, ('    "pydantic>=2.12",\n', ""), ("[tool.ruff]\nline-length = 120\n\n", ""))
    theirs = edited(BASE, ('"pydantic>=2.12"', '"pydantic>=2.13"'), ("line-length = 120", "line-length = 100"))
    assert merged(PROJECT, ours, BASE, theirs) == ours


def test_what_the_template_removed_goes() -> None:
    theirs = edited(BASE, ('    "aiohttp>=3.13",\n', ""), ("[tool.ruff]\nline-length = 120\n\n", ""))
    result = merged(PROJECT, edited(BASE, ('    "nats-py', '    "httpx",\n    "nats-py')), BASE, theirs)
    assert result is not None
    assert "aiohttp" not in result
    assert "tool.ruff" not in result
    assert '"httpx"' in result


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        (("line-length = 120", "line-length = 99"), ("line-length = 120", "line-length = 100")),
        (("aiohttp>=3.13", "aiohttp>=3.13.5"), ("aiohttp>=3.13", "aiohttp>=3.14")),
        (("[project]", "[project"), ("aiohttp>=3.13", "aiohttp>=3.14")),
    ],
)
def test_a_person_decides_where_both_changed_the_same(mine: tuple[str, str], theirs: tuple[str, str]) -> None:
    assert merged(PROJECT, edited(BASE, mine), BASE, edited(BASE, theirs)) is None


def pins(**versions: str) -> str:
    return "# Pinned.\n" + "".join(
        f"{name}=={version} \\\n    --hash=sha256:{version}a\n" for name, version in sorted(versions.items())
    )


def test_pins_are_merged_by_package() -> None:
    base = pins(aiohttp="3.13.0", certifi="1", idna="3.1", propcache="1")
    ours = pins(aiohttp="3.13.0", certifi="1", h11="1", httpx="2", idna="3.1", propcache="1")
    theirs = pins(aiohttp="3.14.0", attrs="7", certifi="2", idna="3.2", propcache="1")
    wanted = pins(aiohttp="3.14.0", attrs="7", certifi="2", h11="1", httpx="2", idna="3.2", propcache="1")
    assert merged(PINS, ours, base, theirs) == wanted


def test_the_newer_of_two_pins_is_taken() -> None:
    base, ours, theirs = pins(a="1.9", b="1.9"), pins(a="1.10", b="1.10"), pins(a="2", b="1.9.9")
    assert merged(PINS, ours, base, theirs) == pins(a="2", b="1.10")


def test_a_pin_that_an_own_dependency_may_need_stays() -> None:
    base, theirs = pins(a="1", b="1"), pins(a="2")
    assert merged(PINS, base, base, theirs) == theirs
    assert merged(PINS, pins(a="1", b="1", own="1"), base, theirs) == pins(a="2", b="1", own="1")


def test_what_the_owner_adds_is_not_a_modification() -> None:
    assert as_made(PROJECT, OURS, BASE)
    assert as_made(PINS, pins(a="1", own="1"), pins(a="1"))
    assert as_made(PINS, pins(a="1.1", own="1"), pins(a="1"))


def test_what_the_template_makes_otherwise_is_told() -> None:
    assert not as_made(PROJECT, OURS, THEIRS)
    assert not as_made(PROJECT, edited(BASE, ("line-length = 120", "line-length = 99")), BASE)
    assert not as_made(PROJECT, "[broken", BASE)
    assert not as_made(PINS, pins(a="1"), pins(a="1.1"))
    assert not as_made(PINS, pins(own="1"), pins(a="1"))


def test_only_the_files_of_a_service_are_shared() -> None:
    assert [
        by_key.is_shared(path) for path in (PROJECT, PINS, PurePosixPath("services/billing/src/requirements.txt"))
    ] == [
        True,
        True,
        False,
    ]
