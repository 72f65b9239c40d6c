"""Defines a kind of part: its names, folders, options and rules, and how to read its parts from source."""

from __future__ import annotations

import ast
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, TypeVar

from natsgen import messages
from natsgen.errors import InputError
from natsgen.files.workspace import SERVICES
from natsgen.parts import source
from natsgen.parts.rules import Name, Rule
from natsgen.parts.source import Function, Value

_Self = TypeVar("_Self", bound="Part")


@dataclass(frozen=True)
class Option:
    """An option of a part; the part's field of the same name has its default, or none if it is required.

    Attributes:
        key: its key in the answer and, with hyphens, the command's option.
        rule: the rule for its values.
        keyword: the keyword of the decorator's argument; "" if it is the key.
        help: the help of the command's option; "" if the command has none.
    """

    key: str
    rule: Rule
    keyword: str = ""
    help: str = ""


@dataclass(frozen=True)
class Part:
    """A part as a command creates it; each kind has a subclass with a field for each option.

    Attributes:
        name: its name, also of its file, and its key in the answer to its kind's question.
    """

    kind: ClassVar[PartKind]

    name: str

    @classmethod
    def from_text(cls: type[_Self], text: str, name: str | None, **options: Any) -> _Self:
        """Return the part for a command's argument.

        Args:
            text: the command's argument; see `PartKind.argument`.
            name: the name of the part; None to derive it from the text.
            options: the checked options, by key.

        Raises:
            InputError: the text or the name is invalid; the message says which.
        """
        return cls(messages.located(cls.kind.argument[0], cls.kind.name.check, text), **options)

    @classmethod
    def from_answer(cls: type[_Self], name: str, answer: Any) -> _Self:
        """Return the part for one entry of the answer to its kind's question.

        Args:
            name: the entry's key.
            answer: a mapping of options, or only the first option if that is text.

        Raises:
            InputError: the name or an option is invalid.
        """
        kind = cls.kind
        the_part = f"the {kind.noun} {messages.quote(name)}"
        keys = [option.key for option in kind.options]
        given = {keys[0]: answer} if kind.may_be_short and not isinstance(answer, Mapping) else answer
        if not isinstance(given, Mapping):
            raise InputError(f"{the_part} must be a mapping of {', '.join(keys)}")
        if unknown := next((str(key) for key in given if key not in keys), None):
            raise messages.unknown(f"{the_part} has no option", unknown, keys)
        for one in fields(cls):
            if one.name != "name" and one.default is MISSING and not isinstance(given.get(one.name), str):
                raise InputError(f"{the_part} needs a {one.name}, as text")
        checked = {option.key: option.rule.check(given[option.key]) for option in kind.options if option.key in given}
        part = cls(kind.name.check(name), **checked)
        if kind.either and [getattr(part, key) for key in kind.either].count(None) != len(kind.either) - 1:
            raise InputError(f"{the_part} needs either {' or '.join(kind.either)}, with a subject")
        return part

    def to_answer(self) -> Any:
        """Return its entry in the answer, without default values; only the first option if no other differs."""
        default = {one.name: one.default for one in fields(self)}
        given = {one.key: getattr(self, one.key) for one in self.kind.options}
        given = {key: value for key, value in given.items() if value != default[key]}
        first = self.kind.options[0].key
        return given[first] if self.kind.may_be_short and list(given) == [first] else given

    @property
    def does(self) -> str:
        """Return its purpose for the description of the service, such as its subject."""
        return self.name

    @property
    def key(self) -> Hashable:
        """Return the value that must be unique among the service's parts of its kind."""
        return self.name

    def durable_in(self, service: str) -> str:
        """Return the name of its JetStream consumer; "" if it has none."""
        return ""

    def facts(self, service: str) -> dict[str, object]:
        """Return its fields in the JSON document of the command that adds it."""
        raise NotImplementedError

    def story(self, service: str) -> str:
        """Return what it does, as the continuation of a sentence that begins with "it"."""
        raise NotImplementedError

    def beside(self: _Self, there: Sequence[PartFile], service: str, queue_group: str) -> _Self:
        """Return it adapted to the service's files of its kind, under another name if necessary.

        Args:
            there: the files.
            service: the name of the service.
            queue_group: the queue group of the service.

        Raises:
            InputError: it is not compatible with another part.
        """
        return self

    def other_name(self, taken: Sequence[str]) -> str:
        """Return a name for it that is not taken; "" if none can be derived."""
        return ""


@dataclass(frozen=True)
class FoundPart:
    """A function with the decorator of a kind.

    Attributes:
        name: the part's name, as the service derives it from the function's name.
        line: the line that it begins on.
        first: the decorator's first argument; None if there is none.
        options: the decorator's other arguments, by name.
    """

    kind: ClassVar[PartKind]

    name: str
    line: int
    first: Value | None
    options: dict[str, Value]

    @classmethod
    def of(cls, function: Function, decorator: ast.Call) -> FoundPart:
        """Return the part that a decorated function defines."""
        first, options = source.arguments(decorator, cls.kind.first)
        name = function.name.removeprefix(cls.kind.prefix)
        return cls(name, function.lineno, first, options, **cls.more_of(function))

    @classmethod
    def more_of(cls, function: Function) -> dict[str, Any]:
        """Return the values of the subclass's own fields."""
        return {}

    @classmethod
    def all_in(cls, module: ast.Module) -> tuple[FoundPart, ...]:
        """Return the parts of this kind in a module, in source order."""
        return tuple(cls.of(function, call) for function, call in source.decorated(module, cls.kind.decorator))

    def answer(self) -> dict[str, object] | None:
        """Return the answer that a command would have created it from; None if no command creates such a part."""
        if self.first is None:
            return None
        keys = {option.keyword or option.key: option.key for option in self.kind.options}
        options = {keys.get(keyword, keyword): value.literal for keyword, value in self.options.items()}
        return {self.kind.options[0].key: self.first.literal, **options}

    def given(self, name: str) -> Value | None:
        """Return one of the decorator's other arguments; None if it is not given, or is `None`."""
        value = self.options.get(name)
        return None if value is None or value.source == "None" else value

    def about(self, service: str) -> Value | None:
        """Return its subject or request."""
        return self.first

    def remark(self, service: str) -> str:
        """Return the remark of `list`, next to its name and subject."""
        return self.kind.noun

    def facts(self, service: str) -> dict[str, object]:
        """Return its fields in JSON documents."""
        about = self.about(service)
        return {
            "subject": about.text if about else None,
            "subject_is_literal": bool(about and about.is_text),
            "options": {name: value.source for name, value in self.options.items()},
        }

    def key(self, service: str) -> Hashable:
        """Return the value that must be unique among the service's parts of its kind; see `Part.key`."""
        return self.name

    def durable_in(self, service: str) -> str:
        """Return the name of its JetStream consumer, or its expression; "" if it has none."""
        return ""

    def on_server(self, service: str) -> tuple[Leftover, ...]:
        """Return what remains on the NATS server after its removal."""
        return ()


@dataclass(frozen=True)
class Leftover:
    """Something that remains on the NATS server after the removal of a part.

    Attributes:
        what: "consumers" or "schedules".
        stream: its stream.
        name: the name of the consumer, or the subject of the schedule.
    """

    what: str
    stream: str
    name: str


@dataclass(frozen=True)
class PartFile:
    """The file of a part in a service.

    Attributes:
        kind: the kind of the part.
        path: the path in the service's folder.
        parts: the parts in it, in source order.
        error: why it cannot be read; "" if it can.
    """

    kind: PartKind
    path: PurePosixPath
    parts: tuple[FoundPart, ...]
    error: str = ""

    @property
    def name(self) -> str:
        """Return the name of the part that the file is named after."""
        return self.path.name.removesuffix(self.kind.suffix)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of the parts in it."""
        return tuple(part.name for part in self.parts)

    def regenerated(self) -> Part:
        """Return the part that a command would have created the file for.

        Raises:
            InputError: no command creates such a file.
        """
        found = self.parts[0] if len(self.parts) == 1 else None
        answer = found.answer() if found else None
        if found is None or found.name != self.name or answer is None:
            raise InputError(f"{self.path} does not contain exactly one {self.kind.noun} {self.name}")
        return self.kind.part.from_answer(found.name, answer)


@dataclass(frozen=True, eq=False)
class PartKind:
    """A kind of part.

    Attributes:
        noun: the singular noun.
        name: the rule for the names of parts.
        part: the class of a part.
        argument: the metavar and the help of the argument of the `add` command.
        options: the options in the order of the answer; the first one is the decorator's first argument.
        found: the class of a part that is read from source.
        decorator: the name of the decorator.
        proposal: the help text about the default of `--name`; "" if the argument is the name.
        place: the parent of the parts' folder.
        package: the runtime package that the parts need; see `packages`.
        first: the name of the decorator's first argument.
        prefix: the prefix of the function's name, before the part's name.
        may_be_short: whether an answer may be only the first option.
        either: the options of which a part has exactly one; empty for no such rule.
        does: the verb and the noun for the service's description.
        for_gateways: whether only a service with a web framework may have them.
        shared: the note about another part with the same subject; "" for none.
        unique: what must differ between two parts with different names; "" for nothing.
        missing: what a file without parts lacks; "" for the decorator.
        goodbye: the message after a removal; "{service}" and "{about}" are filled in.
        abouts: the key of their subjects in the JSON document of a removal.
        leaves: what remains on the NATS server after a removal; see `Leftover`.
    """

    noun: str
    name: Name
    part: type[Part]
    argument: tuple[str, str]
    options: tuple[Option, ...]
    found: type[FoundPart]
    decorator: str
    proposal: str = ""
    place: str = "src/domain"
    package: str = ""
    first: str = "subject"
    prefix: str = ""
    may_be_short: bool = False
    either: tuple[str, ...] = ()
    does: tuple[str, str] = ("does", "part")
    for_gateways: bool = False
    shared: str = ""
    unique: str = ""
    missing: str = ""
    goodbye: str = ""
    abouts: str = "subjects"
    leaves: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.part.kind = self
        self.found.kind = self

    @property
    def question(self) -> str:
        """Return the template's question for them; its answer is a mapping by name."""
        return f"{self.noun}s"

    @property
    def folder(self) -> PurePosixPath:
        """Return the folder of their files, in the service's folder."""
        return PurePosixPath(self.place, self.question)

    @property
    def tests(self) -> PurePosixPath:
        """Return the folder of their tests, in the service's folder."""
        return PurePosixPath("tests", self.question)

    @property
    def needs(self) -> tuple[str, ...]:
        """Return the packages that they need."""
        return (self.package or self.question,)

    @property
    def suffix(self) -> str:
        """Return the suffix of the names of a part's file and its test."""
        return f"_{self.noun}.py"

    def option(self, key: str) -> Rule:
        """Return the rule of an option."""
        return next(option.rule for option in self.options if option.key == key)

    def parse(self, **texts: str | None) -> dict[str, Any]:
        """Parse the options of a command line, by key; None stands for an option that was not given.

        Raises:
            InputError: a value is invalid; the message begins with its option.
        """
        return {
            key: messages.located(f"--{key.replace('_', '-')}", self.option(key).parse, text)
            for key, text in texts.items()
            if text is not None
        }

    def refuse_same(self, parts: Sequence[Part]) -> None:
        """Check that no two parts have the same key.

        Raises:
            InputError: two parts have the same key.
        """
        seen: dict[Hashable, Part] = {}
        for part in parts:
            other = seen.setdefault(part.key, part)
            if other is not part:
                raise InputError(
                    f"the {self.question} {messages.quote(other.name)} and {messages.quote(part.name)} both answer "
                    f"{part.does}: give one {self.unique}"
                )

    def file(self, name: str) -> PurePosixPath:
        """Return the path of a part's file, in its service's folder."""
        return self.folder / f"{name}{self.suffix}"

    def test(self, name: str) -> PurePosixPath:
        """Return the path of a part's test, in its service's folder."""
        return self.tests / f"test_{name}{self.suffix}"

    def paths(self, service: str, name: str) -> tuple[PurePosixPath, PurePosixPath]:
        """Return the paths of a part's file and test, in the workspace."""
        folder = PurePosixPath(SERVICES, service)
        return folder / self.file(name), folder / self.test(name)

    def holds(self, path: PurePosixPath) -> bool:
        """Return whether a path in a service's folder is a file of this kind of part."""
        return path.parent == self.folder and path.name.endswith(self.suffix)

    def paths_in(self, service: Path) -> tuple[PurePosixPath, ...]:
        """Return the sorted paths of the parts' files in a service's folder, without reading them."""
        return source.paths(service, self.folder, self.suffix)

    def files_in(self, service: Path) -> tuple[PartFile, ...]:
        """Read the parts' files in a service's folder, sorted; a file that cannot be read has an error."""
        return tuple(self._read(service, path) for path in self.paths_in(service))

    def _read(self, service: Path, path: PurePosixPath) -> PartFile:
        try:
            parts = source.read(service / path, self.found.all_in)
        except ValueError as error:
            return PartFile(self, path, (), str(error))
        return PartFile(self, path, parts, "" if parts else f"it has no {self.missing or f'@{self.decorator}'}")
