"""What the template asks: the keys, types, choices and defaults of its copier.yml, and the check of a given value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from natsgen import messages
from natsgen.answers import yaml_text
from natsgen.errors import InputError, TemplateError
from natsgen.files import reading

FILE = "copier.yml"
FILES = (FILE, "copier.yaml")
_TYPES = {str: "str", int: "int", float: "float", bool: "bool"}  # of a question that names none, by its default


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        key: its name in the answers.
        is_mapping: the answer is a mapping; otherwise it is text.
        choices: the values it takes; empty for any.
        default: the answer where nobody gives one; None where it is derived or asked.
        help: what it is about, for a person.
        meanings: what each choice means, where that is more than the choice itself.
        placeholder: an example of an answer.
        is_switch: the answer is yes or no.
        is_list: the answer is a list of texts.
        is_derived: the default depends on other answers.
    """

    key: str
    is_mapping: bool
    choices: tuple[str, ...]
    default: Any
    help: str = ""
    meanings: Mapping[str, str] = field(default_factory=dict)
    placeholder: str = ""
    is_switch: bool = False
    is_list: bool = False
    is_derived: bool = False

    def parse(self, text: str, where: str) -> Any:
        """The value that `text` from a command line stands for, checked; `where` names the option in the error."""
        is_yaml = self.is_mapping or self.is_switch or self.is_list
        return self.check(_from_yaml(text, where) if is_yaml else text, where)

    def check(self, value: Any, where: str) -> Any:
        """The value in the type of this question.

        Args:
            value: what a data file or an option gave.
            where: what to name in the error, such as "--dedup".

        Raises:
            InputError: wrong type, or not one of the choices.
        """
        if self.is_mapping:
            return self._check_mapping(value, where)
        if self.is_list:
            return self._check_list(value, where)
        if self.is_switch:
            if not isinstance(value, bool):
                raise InputError(f"{where}: {self.key} takes true or false, not {_kind(value)}")
            return value
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise InputError(f"{where}: {self.key} takes text, not {_kind(value)}; put it in quotes")
        if self.choices and str(value) not in self.choices:
            raise InputError(
                f"{where}: {messages.quote(str(value))} is none of {', '.join(self.choices)}"
                + messages.did_you_mean(str(value), self.choices)
            )
        return str(value)

    def _check_mapping(self, value: Any, where: str) -> dict[str, Any]:
        is_required = self.default is None and not self.is_derived
        if not isinstance(value, dict) or (is_required and not value):
            example = f" such as {self.placeholder}" if self.placeholder else ""
            raise InputError(f"{where}: {self.key} takes a mapping{example}, not {_kind(value)}")
        for name, entry in value.items():
            if not isinstance(name, str) or not isinstance(entry, str | dict):
                raise InputError(
                    f"{where}: in {self.key}, {messages.quote(str(name))} and its value must both be text; put them in "
                    f"quotes{', or write ' + self.placeholder if self.placeholder else ''}"
                )
        return dict(value)

    def _check_list(self, value: Any, where: str) -> list[str]:
        example = f" such as {self.placeholder}" if self.placeholder else ""
        if not isinstance(value, list | tuple):
            raise InputError(f"{where}: {self.key} takes a list{example}, not {_kind(value)}")
        for entry in value:
            if not isinstance(entry, str):
                raise InputError(f"{where}: {self.key} takes a list of texts{example}, not of {_kind(entry)}")
        return list(value)


@dataclass(frozen=True)
class Questionnaire:
    """All that a template asks, and which of its files are written only once.

    Attributes:
        questions: by key, in the order of copier.yml.
        written_once: patterns of paths, relative to the workspace, that are kept as they are where they exist.
        computed: the keys of the questions that are never asked: what renders may give their answers instead.
    """

    questions: Mapping[str, Question]
    written_once: tuple[str, ...]
    computed: frozenset[str] = frozenset()

    def question(self, key: str, where: str) -> Question:
        """The question of that key.

        Raises:
            InputError: there is none; the message names the nearest and lists them all.
        """
        if key not in self.questions:
            raise InputError(
                f"{where}: there is no question {messages.quote(key)}{messages.did_you_mean(key, self.questions)} "
                f"(there are {', '.join(self.questions)})"
            )
        return self.questions[key]

    def is_written_once(self, path: str) -> bool:
        """Whether the file at `path`, relative to the workspace, is the workspace's own once it exists."""
        return any(fnmatchcase(path, pattern) for pattern in self.written_once)


def read(template: Path) -> Questionnaire:
    """Reads copier.yml, or copier.yaml, in the folder `template`.

    Raises:
        TemplateError: it is missing or not what a copier.yml looks like.
    """
    import yaml

    file = next((template / name for name in FILES if (template / name).is_file()), template / FILE)
    try:
        # libyaml's loader is ten times as fast; the file is natsgen's own
        raw = yaml.load(reading.read_text(file), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        asked = {key: details for key, details in raw.items() if not key.startswith("_")}
        computed = frozenset(key for key, details in asked.items() if _is_computed(details))
        return Questionnaire(
            questions={key: _question(key, details) for key, details in asked.items() if key not in computed},
            written_once=tuple(raw.get("_skip_if_exists") or ()),
            computed=computed,
        )
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise TemplateError(
            f"the template's questions in {file} cannot be read: {' '.join(str(error).split())}; reinstall natsgen, or "
            "correct them if they are yours"
        ) from error


def is_template(folder: Path) -> bool:
    """Whether there are questions in a folder, which make it a template."""
    return any((folder / name).is_file() for name in FILES)


def _is_computed(details: Any) -> bool:
    return isinstance(details, dict) and details.get("when") is False


def _question(key: str, details: Any) -> Question:
    if not isinstance(details, dict):
        details = {"default": details}  # Copier's short form
    choices = details.get("choices") or ()
    if isinstance(choices, str):
        choices = ()  # they are made while it is rendered
    meanings = {str(value): str(text) for text, value in choices.items()} if isinstance(choices, dict) else {}
    default = details.get("default")
    is_derived = isinstance(default, str) and ("{{" in default or "{%" in default)
    kind = details.get("type") or _TYPES.get(type(default), "yaml")
    return Question(
        key=key,
        is_mapping=kind == "yaml" and not isinstance(default, list),
        choices=tuple(meanings) or tuple(map(str, choices)),
        default=None if is_derived else default,
        help=" ".join(str(details.get("help", "")).split()),
        meanings=meanings,
        placeholder=str(details.get("placeholder", "")),
        is_switch=kind == "bool",
        is_list=kind == "yaml" and isinstance(default, list),
        is_derived=is_derived,
    )


def _from_yaml(text: str, where: str) -> Any:
    try:
        return yaml_text.load(text)
    except ValueError as error:
        raise InputError(f"{where}: {messages.quote(text)} is no YAML") from error


def _kind(value: Any) -> str:
    kinds = {type(None): "nothing", bool: "yes or no", list: "a list", dict: "a mapping", str: "text"}
    if value == {}:
        return "an empty mapping"
    return kinds.get(type(value), f"a {type(value).__name__}")
