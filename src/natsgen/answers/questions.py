"""The template's questions: reads their keys, types, choices and defaults from copier.yml, and checks given values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, Literal

from natsgen import messages
from natsgen.answers import yaml_text
from natsgen.errors import InputError, TemplateError
from natsgen.files import reading
from natsgen.parts.kinds import KINDS

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

FILE = "copier.yml"
FILES = (FILE, "copier.yaml")
Kind = Literal["text", "integer", "number", "switch", "mapping", "texts", "choices", "any"]
_MAPPINGS = frozenset({*KINDS, "labels"})
_TEXTS = frozenset({"extras", "deploy"})
_TYPES = {str: "str", int: "int", float: "float", bool: "bool"}  # of a question without a type, by its default
_KINDS: Mapping[str, Kind] = {"int": "integer", "float": "number", "bool": "switch", "yaml": "any", "json": "any"}
_NUMBERS: Mapping[Kind, type[int] | type[float]] = {"integer": int, "number": float}
_OF_THE_ENGINE = ("_envops", "_jinja_extensions", "_templates_suffix")


@dataclass(frozen=True)
class Question:
    """One question.

    Attributes:
        key: its name in the answers.
        kind: the type of the answer: "texts" is a list of texts, "choices" a list of choices, "any" any YAML value.
        choices: the valid values; empty for any.
        default: the default answer; None if it is derived or asked for.
        help: its description.
        meanings: the descriptions of choices, if they have any.
        placeholder: an example of an answer.
        is_derived: the default depends on other answers.
    """

    key: str
    kind: Kind
    choices: tuple[str, ...]
    default: Any
    help: str = ""
    meanings: Mapping[str, str] = field(default_factory=dict)
    placeholder: str = ""
    is_derived: bool = False

    def parse(self, text: str, where: str) -> Any:
        """Return the checked value of a text on a command line; `where` names the option in errors."""
        is_yaml = self.kind not in ("text", *_NUMBERS)
        return self.check(_from_yaml(text, where) if is_yaml else text, where)

    def check(self, value: Any, where: str) -> Any:
        """Return the value in the type of this question.

        Args:
            value: the value from a data file or an option.
            where: what to name in the error, such as "--dedup".

        Raises:
            InputError: the value has the wrong type, or is not one of the choices.
        """
        if self.kind == "any":
            return value
        if self.kind == "mapping":
            return self._check_mapping(value, where)
        if self.kind in ("texts", "choices"):
            return self._check_list(value, where)
        if self.kind == "switch":
            if not isinstance(value, bool):
                raise InputError(f"{where}: {self.key} must be true or false, not {_kind(value)}")
            return value
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise InputError(f"{where}: {self.key} must be text, not {_kind(value)}; put it in quotes")
        self._check_choice(value, where)
        if number := _NUMBERS.get(self.kind):
            try:
                return number(value)
            except ValueError as error:
                whole = "a whole number" if number is int else "a number"
                raise InputError(f"{where}: {self.key} must be {whole}, not {messages.quote(str(value))}") from error
        return str(value)

    def _check_choice(self, value: Any, where: str) -> None:
        if self.choices and str(value) not in self.choices:
            raise InputError(f"{where}: {messages.invalid_choice(str(value), self.choices)}")

    def _check_mapping(self, value: Any, where: str) -> dict[str, Any]:
        is_required = self.default is None and not self.is_derived
        if not isinstance(value, dict) or (is_required and not value):
            example = f" such as {self.placeholder}" if self.placeholder else ""
            raise InputError(f"{where}: {self.key} must be a mapping{example}, not {_kind(value)}")
        for name, entry in value.items():
            if not isinstance(name, str) or not isinstance(entry, str | dict):
                raise InputError(
                    f"{where}: in {self.key}, {messages.quote(str(name))} and its value must both be text; put them in "
                    f"quotes{', or write ' + self.placeholder if self.placeholder else ''}"
                )
        return dict(value)

    def _check_list(self, value: Any, where: str) -> list[Any]:
        example = f" such as {self.placeholder}" if self.placeholder else ""
        if not isinstance(value, list | tuple):
            raise InputError(f"{where}: {self.key} must be a list{example}, not {_kind(value)}")
        for entry in value:
            if self.kind == "choices":
                self._check_choice(entry, where)
            elif not isinstance(entry, str):
                raise InputError(f"{where}: {self.key} must be a list of texts{example}, not of {_kind(entry)}")
        return list(value)


@dataclass(frozen=True)
class Questionnaire:
    """The content of a template's copier.yml.

    Attributes:
        questions: the questions by key, in the order of copier.yml.
        written_once: patterns, as in a .gitignore, of files that belong to the workspace once they exist.
        computed: the keys of the questions that are never asked, and that rendering code may answer.
        subdirectory: the folder of the template's files, in its folder.
        changes_jinja: whether it configures Jinja differently.
    """

    questions: Mapping[str, Question]
    written_once: tuple[str, ...]
    computed: frozenset[str] = frozenset()
    subdirectory: str = "."
    changes_jinja: bool = False

    def question(self, key: str, where: str) -> Question:
        """Return the question with a key.

        Raises:
            InputError: the question does not exist; the message suggests the nearest and lists them all.
        """
        if key not in self.questions:
            raise messages.unknown(f"{where}: unknown question", key, self.questions)
        return self.questions[key]

    def is_written_once(self, path: PurePosixPath) -> bool:
        """Return whether the file at `path`, relative to the workspace, belongs to the workspace once it exists."""
        return bool(self.written_once) and self._spec.match_file(path)

    @cached_property
    def _spec(self) -> GitIgnoreSpec:
        from pathspec import GitIgnoreSpec

        return GitIgnoreSpec.from_lines(self.written_once)


@lru_cache(maxsize=64)
def read(template: Path) -> Questionnaire:
    """Read copier.yml or copier.yaml in a folder; the result is cached for this process.

    Raises:
        TemplateError: the file is missing or invalid.
    """
    import yaml

    file = next((template / name for name in FILES if (template / name).is_file()), template / FILE)
    try:
        # libyaml's loader is ten times as fast; the file is natsgen's own
        raw = yaml.load(reading.read_text(file), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
        asked = {key: details for key, details in raw.items() if not str(key).startswith("_")}
        computed = frozenset(key for key, details in asked.items() if _is_computed(details))
        return Questionnaire(
            questions={key: _question(key, details) for key, details in asked.items() if key not in computed},
            written_once=tuple(map(str, raw.get("_skip_if_exists") or ())),
            computed=computed,
            subdirectory=str(raw.get("_subdirectory") or "."),
            changes_jinja=any(key in raw for key in _OF_THE_ENGINE),
        )
    except (OSError, UnicodeDecodeError, yaml.YAMLError, AttributeError, KeyError, TypeError) as error:
        raise TemplateError(
            f"the template's questions in {file} cannot be read: {' '.join(str(error).split())}; reinstall natsgen, or "
            "correct your template"
        ) from error


def is_template(folder: Path) -> bool:
    """Return whether a folder is a template: whether it contains a copier.yml or copier.yaml."""
    return any((folder / name).is_file() for name in FILES)


def _is_computed(details: Any) -> bool:
    return isinstance(details, dict) and details.get("when") is False


def _question(key: str, details: Any) -> Question:
    if not isinstance(details, dict):
        details = {"default": details}  # Copier's short form
    choices = details.get("choices") or ()
    if isinstance(choices, str):
        choices = ()  # an expression, which only Copier evaluates
    meanings = {str(value): str(text) for text, value in choices.items()} if isinstance(choices, dict) else {}
    default = details.get("default")
    is_derived = isinstance(default, str) and ("{{" in default or "{%" in default)
    return Question(
        key=key,
        kind=_kind_of(key, details, default),
        choices=tuple(meanings) or tuple(map(str, choices)),
        default=None if is_derived else default,
        help=" ".join(str(details.get("help", "")).split()),
        meanings=meanings,
        placeholder=str(details.get("placeholder", "")),
        is_derived=is_derived,
    )


def _kind_of(key: str, details: Mapping[str, Any], default: Any) -> Kind:
    if details.get("multiselect"):
        return "choices"
    kind = _KINDS.get(details.get("type") or _TYPES.get(type(default), "yaml"), "text")
    if kind == "any":
        return "mapping" if key in _MAPPINGS else "texts" if key in _TEXTS else "any"
    return kind


def _from_yaml(text: str, where: str) -> Any:
    try:
        return yaml_text.load(text)
    except ValueError as error:
        raise InputError(f"{where}: {messages.quote(text)} is not valid YAML") from error


def _kind(value: Any) -> str:
    kinds = {type(None): "nothing", bool: "yes or no", list: "a list", dict: "a mapping", str: "text"}
    if value == {}:
        return "an empty mapping"
    return kinds.get(type(value), f"a {type(value).__name__}")
