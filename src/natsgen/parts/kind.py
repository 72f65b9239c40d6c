"""What a kind of part is: its names and places, its options and their rules, and how its parts look in source."""

from __future__ import annotations

import ast
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, TypeVar

from natsgen import messages
from natsgen.errors import InputError
from natsgen.parts import source
from natsgen.parts.rules import Name, Rule
from natsgen.parts.source import Function, Value
from natsgen.workspace import SERVICES

_Self = TypeVar("_Self", bound="Part")


@dataclass(frozen=True)
class Option:
    """An option of a part; its default is that of the part's field of the same name, which has none if it is required.

    Attributes:
        key: in the answer and, with hyphens, of the command's option.
        rule: what it takes.
        keyword: of the decorator's argument; "" if it is the key.
        help: of the command's option; "" where the command has none.
    """

    key: str
    rule: Rule
    keyword: str = ""
    help: str = ""


@dataclass(frozen=True)
class Part:
    """A part as a command makes its file: a subclass for each kind has a field for each option.

    Attributes:
        name: of its file, and its key in the answer to its kind's question.
    """

    kind: ClassVar[PartKind]

    name: str

    @classmethod
    def from_text(cls: type[_Self], text: str, name: str | None, **options: Any) -> _Self:
        """Return the part that a person typed.

        Args:
            text: the command's argument; see `PartKind.argument`.
            name: of the part; None for the one that the text proposes.
            options: checked, by key.

        Raises:
            InputError: the text or the name breaks its rule; the message says which.
        """
        return cls(messages.located(cls.kind.argument[0], cls.kind.name.check, text), **options)

    @classmethod
    def from_answer(cls: type[_Self], name: str, answer: Any) -> _Self:
        """Return the part that one entry of the answer to its kind's question describes.

        Args:
            name: its key.
            answer: a mapping of options, or the first option alone where that is text.

        Raises:
            InputError: the name or an option breaks its rule.
        """
        kind = cls.kind
        the_part = f"the {kind.noun} {messages.quote(name)}"
        keys = [option.key for option in kind.options]
        given = {keys[0]: answer} if kind.may_be_short and not isinstance(answer, Mapping) else answer
        if not isinstance(given, Mapping):
            raise InputError(f"{the_part} takes a mapping of {', '.join(keys)}")
        if unknown := next((str(key) for key in given if key not in keys), None):
            raise messages.unknown(f"{the_part} has no option", unknown, keys)
        for one in fields(cls):
            if one.name != "name" and one.default is MISSING and not isinstance(given.get(one.name), str):
                raise InputError(f"{the_part} needs a {one.name}, as text")
        checked = {option.key: option.rule.check(given[option.key]) for option in kind.options if option.key in given}
        part = cls(kind.name.check(name), **checked)
        if problem := part.problem():
            raise InputError(f"{the_part} {problem}")
        return part

    def to_answer(self) -> Any:
        """Return its entry in the answer: what is not as it is anyway, and the first option alone where that is all."""
        default = {one.name: one.default for one in fields(self)}
        given = {one.key: getattr(self, one.key) for one in self.kind.options}
        given = {key: value for key, value in given.items() if value != default[key]}
        first = self.kind.options[0].key
        return given[first] if self.kind.may_be_short and list(given) == [first] else given

    def problem(self) -> str:
        """Return what is wrong with its options together; "" if nothing is."""
        return ""

    @property
    def does(self) -> str:
        """Return what it is there for, as the description of a service lists it: a subject, for one."""
        return self.name

    @property
    def key(self) -> Hashable:
        """Return what no other part of its kind in the service may have."""
        return self.name

    def durable_in(self, service: str) -> str:
        """Return the name of its JetStream consumer; "" if it has none."""
        return ""

    def facts(self, service: str) -> dict[str, object]:
        """Return what the JSON document of the command that adds it says of it."""
        raise NotImplementedError

    def story(self, service: str) -> str:
        """Return what it does, for a person, as it goes on after "it"."""
        raise NotImplementedError

    def beside(self: _Self, there: Sequence[PartFile], service: str, queue_group: str) -> _Self:
        """Return it as it fits beside the files of its kind that are there, under another name if need be.

        Args:
            there: the files.
            service: the name of the service.
            queue_group: of the service.

        Raises:
            InputError: it does not fit.
        """
        return self

    def other_name(self, taken: Sequence[str]) -> str:
        """Return another name for it than those that are taken; "" where only a person knows one."""
        return ""


@dataclass(frozen=True)
class FoundPart:
    """A function that a kind's decorator makes a part of.

    Attributes:
        name: as the service derives it from the function's.
        line: where it begins.
        first: the decorator's first argument; None where it names nothing.
        options: its other arguments, by name.
    """

    kind: ClassVar[PartKind]

    name: str
    line: int
    first: Value | None
    options: dict[str, Value]

    @classmethod
    def of(cls, function: Function, decorator: ast.Call) -> FoundPart:
        """Return what a decorated function says."""
        first, options = source.arguments(decorator, cls.kind.first)
        name = function.name.removeprefix(cls.kind.prefix)
        return cls(name, function.lineno, first, options, **cls.more_of(function))

    @classmethod
    def more_of(cls, function: Function) -> dict[str, Any]:
        """Return what a kind knows of a function beside its decorator: the values of its class's own fields."""
        return {}

    @classmethod
    def all_in(cls, module: ast.Module) -> tuple[FoundPart, ...]:
        """Return the parts of this kind in a module, in their order."""
        return tuple(cls.of(function, call) for function, call in source.decorated(module, cls.kind.decorator))

    def answer(self) -> dict[str, object] | None:
        """Return the answer that a command would have made it of; None if none has."""
        if self.first is None:
            return None
        keys = {option.keyword or option.key: option.key for option in self.kind.options}
        options = {keys.get(keyword, keyword): value.literal for keyword, value in self.options.items()}
        return {self.kind.options[0].key: self.first.literal, **options}

    def about(self, service: str) -> Value | None:
        """Return the subject or request that it is for."""
        return self.first

    def remark(self, service: str) -> str:
        """Return what `list` says of it beside its name and what it is for."""
        return self.kind.noun

    def facts(self, service: str) -> dict[str, object]:
        """Return what its JSON document says of it."""
        return {
            "subject": self.first.text if self.first else None,
            "subject_is_literal": bool(self.first and self.first.is_text),
            "options": self.written(),
        }

    def written(self) -> dict[str, str]:
        """Return its options as they are written."""
        return {name: value.source for name, value in self.options.items()}

    def key(self, service: str) -> Hashable:
        """Return what no other part of its kind in the service may have; see `Part.key`."""
        return self.name

    def durable_in(self, service: str) -> str:
        """Return the name of its JetStream consumer, or the expression that makes it; "" if it has none."""
        return ""

    def on_server(self, service: str) -> tuple[Leftover, ...]:
        """Return what stays on the NATS server when it is removed."""
        return ()


@dataclass(frozen=True)
class Leftover:
    """What a removed part leaves on the NATS server.

    Attributes:
        what: "consumers" or "schedules".
        stream: that it is in.
        name: of the consumer, or the subject of the schedule.
    """

    what: str
    stream: str
    name: str


@dataclass(frozen=True)
class PartFile:
    """The file of a part as it was found.

    Attributes:
        kind: of the part.
        path: in the service's folder.
        parts: those in it, in their order.
        error: why it cannot be read; "" if it can.
    """

    kind: PartKind
    path: PurePosixPath
    parts: tuple[FoundPart, ...]
    error: str = ""

    @property
    def name(self) -> str:
        """The name of the part that a file of this name is made for."""
        return self.path.name.removesuffix(self.kind.suffix)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the parts in it."""
        return tuple(part.name for part in self.parts)

    def regenerated(self) -> Part:
        """Return the part that a command would have made the file for, if it has made it.

        Raises:
            InputError: no command makes such a file.
        """
        found = self.parts[0] if len(self.parts) == 1 else None
        answer = found.answer() if found else None
        if found is None or found.name != self.name or answer is None:
            raise InputError(f"{self.path} holds something else than one {self.kind.noun} {self.name}")
        return self.kind.part.from_answer(found.name, answer)


@dataclass(frozen=True, eq=False)
class PartKind:
    """A kind of part.

    Attributes:
        noun: what one of them is called.
        name: the rule for their names.
        part: the class of one of them.
        argument: of the command that adds one: what stands for it in its help, and its help.
        options: in the order of the answer; the first is the one that the decorator begins with.
        found: the class of one in the source.
        decorator: that makes a part of a function.
        proposal: what the name is unless `--name` gives one; "" where the argument is the name.
        place: the folder that their folder is in.
        package: the runtime code that they do not work without; see `packages`.
        first: the name of the decorator's first argument.
        prefix: what the name of a part's function begins with, before the part's.
        may_be_short: whether an answer may be the first option alone.
        does: what a service does with them, and what it does that with: the verb and the noun of its description.
        for_gateways: whether only a service with a web framework has them.
        shared: what is to be said of another part of the same subject; "" if nothing.
        unique: what two parts must not share beside the name, and one therefore needs another one of; "" if nothing.
        missing: what is not there in a file that holds none of them; "" for the decorator.
        goodbye: what is to be said of a part that was removed; "{service}" and "{about}" are filled in.
        abouts: what they are for, in the JSON document of a removal.
        leaves: what a removed part leaves on the NATS server; see `Leftover`.
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
        """The question of the template that asks for them: a mapping by name."""
        return f"{self.noun}s"

    @property
    def folder(self) -> PurePosixPath:
        """Return where their files are, in the service's folder."""
        return PurePosixPath(self.place, self.question)

    @property
    def tests(self) -> PurePosixPath:
        """Return where the tests of them are."""
        return PurePosixPath("tests", self.question)

    @property
    def needs(self) -> tuple[str, ...]:
        """The packages that they do not work without."""
        return (self.package or self.question,)

    @property
    def suffix(self) -> str:
        """Return what the name of a part's file, and of its test, ends with."""
        return f"_{self.noun}.py"

    def option(self, key: str) -> Rule:
        """Return the rule of an option."""
        return next(option.rule for option in self.options if option.key == key)

    def parse(self, **texts: str | None) -> dict[str, Any]:
        """Return the options that texts on a command line say, by key; one that is None was not given.

        Raises:
            InputError: an option does not take its text; the message begins with its flag.
        """
        return {
            key: messages.located(f"--{key.replace('_', '-')}", self.option(key).parse, text)
            for key, text in texts.items()
            if text is not None
        }

    def refuse_same(self, parts: Sequence[Part]) -> None:
        """Make sure that no two parts share what only one of them may have.

        Raises:
            InputError: two do.
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
        """Return where the part of that name is, in its service's folder."""
        return self.folder / f"{name}{self.suffix}"

    def test(self, name: str) -> PurePosixPath:
        """Return where the test of the part of that name is, in its service's folder."""
        return self.tests / f"test_{name}{self.suffix}"

    def paths(self, service: str, name: str) -> tuple[PurePosixPath, PurePosixPath]:
        """Return where the part of that name and its test are, in the workspace."""
        folder = PurePosixPath(SERVICES, service)
        return folder / self.file(name), folder / self.test(name)

    def paths_in(self, service: Path) -> tuple[PurePosixPath, ...]:
        """Return where the files of parts are in a service's folder, sorted, without reading them."""
        return source.paths(service, self.folder, self.suffix)

    def files_in(self, service: Path) -> tuple[PartFile, ...]:
        """Return the files in a service's folder, sorted; one that cannot be read says why and hides no other."""
        return tuple(self._read(service, path) for path in self.paths_in(service))

    def _read(self, service: Path, path: PurePosixPath) -> PartFile:
        try:
            parts = source.read(service / path, self.found.all_in)
        except ValueError as error:
            return PartFile(self, path, (), str(error))
        return PartFile(self, path, parts, "" if parts else f"there is no {self.missing or f'@{self.decorator} in it'}")
