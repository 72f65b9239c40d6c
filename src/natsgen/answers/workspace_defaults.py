"""`natsgen.toml`: the workspace's default answers for new services."""

from __future__ import annotations

import json
import textwrap
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from natsgen import messages
from natsgen.answers.given_answers import FLAGS, GivenAnswers
from natsgen.answers.questions import Question, Questionnaire
from natsgen.errors import InputError
from natsgen.files import reading
from natsgen.files.workspace import MARKER
from natsgen.parts import naming
from natsgen.parts.kinds import KINDS

TABLE = "defaults"
TEMPLATE = "template"
OF_ONE_SERVICE = ("service_name", *KINDS, "publish_interval", "queue_group", "description")
"""Questions that only one service can answer."""

# Users know the names of options, so natsgen.toml accepts them for keys: `python` for `python_version`.
ALIASES = {option.removeprefix("--"): key for key, option in FLAGS.items() if option.startswith("--")}
_NEWLINE = "\n"
_WIDTH = 100
_EXAMPLE = "example"


def read(workspace: Path, questionnaire: Questionnaire, *, strict: bool = True) -> GivenAnswers:
    """Return the answers in the workspace's natsgen.toml; none if the file does not exist.

    Args:
        workspace: the workspace's folder.
        questionnaire: the template's questions.
        strict: whether an unknown key is an error; if not, it is ignored, because another template may have it.

    Raises:
        InputError: the file is not valid TOML, or has an unknown key or an invalid value; the message names the file
            and the key, and suggests the nearest.
    """
    file = workspace / MARKER
    table = _document(file).get(TABLE, {})
    if not isinstance(table, dict):
        raise InputError(f"{file}: {TABLE} must be a table: write [{TABLE}] on its own line")
    if not strict:
        table = {name: value for name, value in table.items() if ALIASES.get(name, name) in questionnaire.questions}
    return _checked(table, file, questionnaire)


def template(workspace: Path) -> str | None:
    """Return the template for new services that the workspace's natsgen.toml names; None if it names none.

    Raises:
        InputError: the file is not valid TOML, or the template is not text.
    """
    file = workspace / MARKER
    named = _document(file).get(TEMPLATE)
    if named is not None and (not isinstance(named, str) or not named.strip()):
        raise InputError(f"{file}: {TEMPLATE} must be text: a URL, a path or a bundle, optionally with @VERSION")
    return named


def _document(file: Path) -> dict[str, Any]:
    text = ""
    try:
        text = reading.read_text(file, reading.SOURCE_LIMIT)
        document = tomllib.loads(text)
        repr(document)  # fails for numbers of thousands of digits, which can be parsed but not printed
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputError(f"{file} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        problem = " ".join(str(error).split()).replace(
            "at end of document", f"at the end, line {text.count(_NEWLINE) + 1}"
        )
        raise InputError(f"{file} is not valid TOML: {problem}") from error
    for key in document:
        if key not in (TABLE, TEMPLATE):
            has = f"available: {TEMPLATE} and [{TABLE}]"
            raise messages.unknown(f"{file}: unknown key", key, [TABLE, TEMPLATE], has)
    return document


def new_document(questionnaire: Questionnaire, workspace: Path) -> str:
    """Return a natsgen.toml that sets nothing and explains every key.

    Args:
        questionnaire: the template's questions.
        workspace: the workspace's folder, for the names in some examples.
    """
    names = {key: alias for alias, key in ALIASES.items()}
    lines = [
        "# Defaults for new services in this workspace. This file also marks the workspace's root.",
        "# Options override --data, --data overrides --data-file, and all of them override this file.",
        "",
        "# Template for new services: a git repository, a bundle or a folder. The newest version is used unless you",
        "# name one. A path is relative to this file.",
        f'# {TEMPLATE} = "https://git.example.com/platform/service-template.git@v1.2.3"',
        "",
        f"[{TABLE}]",
    ]
    for key, question in questionnaire.questions.items():
        if key not in OF_ONE_SERVICE:
            lines += ["", *_explained(question, names.get(key, key), naming.workspace_for(workspace))]
    return "\n".join(lines) + "\n"


def _checked(table: dict[str, Any], file: Path, questionnaire: Questionnaire) -> GivenAnswers:
    allowed = [key for key in questionnaire.questions if key not in OF_ONE_SERVICE]
    values: dict[str, Any] = {}
    for name, value in table.items():
        key = ALIASES.get(name, name)
        where = f"{file}: [{TABLE}] {name}"
        if key in OF_ONE_SERVICE:
            raise InputError(f"{where}: it is for one service only; give it when you create the service")
        if key not in allowed:
            takes = f"available: {', '.join(allowed)}"
            raise messages.unknown(f"{file}: [{TABLE}]: unknown key", name, [*allowed, *ALIASES], takes)
        if key in values:
            raise InputError(f"{where}: it is set twice, also as {messages.quote(key if name != key else name)}")
        values[key] = questionnaire.questions[key].check(value, where)
    return GivenAnswers.of(values, {ALIASES.get(name, name): f"{file}: [{TABLE}] {name}" for name in table})


def _explained(question: Question, name: str, workspace: str) -> Iterator[str]:
    yield from _comment(question.help)
    for choice in question.choices:
        meaning = question.meanings.get(choice, choice)
        if meaning != choice:
            yield from _comment(f"  {json.dumps(choice)}: {meaning}")
    if question.choices and not question.meanings:
        yield from _comment(f"  One of {', '.join(question.choices)}.")
    if question.default is None:
        yield "# Derived from the service or the workspace unless you set it, for example:"
    example = workspace if question.key == "workspace" else question.placeholder or _EXAMPLE
    yield f"# {name} = {_toml(example if question.default is None else question.default)}"


def _comment(text: str) -> Iterator[str]:
    indent = " " * (len(text) - len(text.lstrip()))
    return (f"# {line}" for line in textwrap.wrap(text, _WIDTH, subsequent_indent=indent, drop_whitespace=True))


def _toml(value: Any) -> str:
    import tomlkit

    if isinstance(value, dict):
        table = tomlkit.inline_table()
        table.update(value)
        return table.as_string()
    return tomlkit.item(value if isinstance(value, bool | int | float | list) else str(value)).as_string()
