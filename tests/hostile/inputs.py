"""Every place where a person, or a file, gives natsgen a text: one of its texts that is right, and one that is not.

What the rules make of every text is `test_rules.py`; that each place asks its rule is what these are for.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace

from tests.hostile.cases import (
    DEFAULT,
    GATEWAY,
    HANDLER,
    NEW,
    NEW_GATEWAY,
    NEW_SERVICE,
    REFUSED,
    SERVICE,
    SUBJECT,
    TAKEN,
    UNTYPABLE,
    Case,
)
from tests.hostile.oracle import as_action, quoted
from tests.hostile.texts import FEW, TEXTS

Made = Callable[[str], Case]
PROBES = {False: 1, True: 3}
"""Texts of FEW that each place gets besides its own two, in the short run and in a full one: together, the places try
each many times."""

ANY = "x"  # what a place that takes no text at all is given
TYPABLE = [name for name in FEW if name not in UNTYPABLE]
GREET = {"method": "POST", "path": "/greet", "call": "v1.greeter.greet"}
EMAILS = {"queue": "emails"}


@dataclass(frozen=True)
class Input:
    """One place that takes a text.

    Attributes:
        name: of the place.
        case: what a person types to give it a text.
        right: a text that it takes, near the end of what its rule allows; None where it takes none of ours.
        wrong: a text that only its own rule refuses; None where it takes nearly all.
        in_file: whether the text comes out of a file or of YAML, and may be one that no process gets as an argument.
    """

    name: str
    case: Made
    right: str | None
    wrong: str | None
    in_file: bool = False

    @property
    def texts(self) -> dict[str, str]:
        """What it may be given at random."""
        return TEXTS if self.in_file else {name: text for name, text in TEXTS.items() if name not in UNTYPABLE}


def cases_of(place: Input, number: int, probes: int) -> Iterator[Case]:
    """What the place with this number among all is tried with; what changes nothing comes first."""
    if place.wrong is not None:
        yield replace(place.case(place.wrong), outcome=REFUSED)
    names = list(FEW) if place.in_file else TYPABLE
    for offset in range(probes):
        case = place.case({**FEW}[names[(number * probes + offset) % len(names)]])
        yield case if place.right is not None else replace(case, outcome=REFUSED)
    if place.right is not None:
        yield replace(place.case(place.right), outcome=TAKEN)


def typed(*command: str, **said: str) -> Made:
    """A command in which `{}` is the text; `said` are the answers that are the text, too."""
    return lambda text: Case(
        " ".join(command),
        tuple(argument.replace("{}", text) for argument in command),
        {question: answer.replace("{}", text) for question, answer in said.items()},
    )


def new_inputs() -> Iterable[Input]:
    """What `natsgen new` takes on the command line."""
    yield Input(
        "service",
        lambda text: Case("service", (*NEW, "--subject", SUBJECT, "--", text), {"service_name": text}, service=text),
        "a" * 48,
        "a" * 49,
    )
    longest = f"a.{'b' * 253}"
    yield Input("--subject", typed(*NEW, SERVICE, "--subject={}"), longest, f"{longest}b")
    yield Input("--context", typed(*DEFAULT, "--context={}", bounded_context="{}"), "1_-", "a" * 49)
    yield Input("--network", typed(*DEFAULT, "--network={}", network="{}"), "A.b-c", "a" * 129)
    yield Input(
        "--registry",
        typed(*DEFAULT, "--registry={}", registry="{}"),
        "localhost:50000",
        "localhost:500000",
    )
    yield Input(
        "--description",
        typed(*DEFAULT, "--description={}", description="{}"),
        "{{ 1/0 }} \"'\\ $(id) ${X}",
        "x" * 201,
    )
    for option, right, wrong in (
        ("--dedup", "redis", "nats"),
        ("--python", "3.11", "3.10"),
        ("--with", "kv", "kvs"),
        ("--envelope", "cloudevents", "cloudevent"),
        ("--image", "alpine", "alpine3"),
    ):
        yield Input(option, typed(*DEFAULT, f"{option}={{}}"), right, wrong)
    yield Input("--data", typed(*DEFAULT, "--data={}"), None, "labels")
    yield Input("--data key", typed(*DEFAULT, "--data={}=x"), None, "label")
    yield Input("--data-file", typed(*DEFAULT, "--data-file={}"), None, "missing.yml")
    yield Input("unknown argument", typed(*DEFAULT, "--", "{}"), None, "b")
    yield Input("unknown option", typed(*DEFAULT, "--{}x"), None, "subjects")
    yield Input("unknown command", typed("x{}"), None, "new2")
    yield Input("--queue", typed(*NEW, SERVICE, "--queue={}"), "a-b_c1", "a--b")
    yield Input(
        "--queue's task",
        lambda text: Case("--queue's task", (*NEW, SERVICE, f"--queue=emails={text}"), {"tasks": {text: EMAILS}}),
        "t" * 64,
        "none",
    )
    yield Input(
        "--action",
        lambda text: Case(
            "--action", (*NEW_SERVICE, SERVICE, f"--action={text}"), {"actions": {text: as_action(text)}}
        ),
        "a" * 64,
        "pytest",
    )
    yield Input("--version", typed(*NEW_SERVICE, SERVICE, "--action=greet", "--version={}"), "9999", "10000")
    yield Input("--framework", typed(*NEW_GATEWAY, "--framework={}"), "django", "flask")
    gateway = (*NEW_GATEWAY, "--framework=fastapi")
    yield Input("--route", typed(*gateway, "--route={}"), "GET /a/{b}=publish:c.d", "TRACE /a=c.d")
    yield Input("--route's path", typed(*gateway, "--route=GET /x{}=a.b"), "/{a}", "/{a}{b}")
    yield Input("--route's subject", typed(*gateway, "--route=GET /x=a.{}"), "b-c", "*")
    for kind, wrong in (("publisher", "a.>"), ("subscriber", ">")):
        new = ("new", kind, SERVICE)
        yield Input(f"--subject of a {kind}", typed(*new, "--subject={}"), "a.b-c", wrong)
        for option, right, other in (("--envelope", "message", "none"), ("--image", "alpine", "scratch")):
            yield Input(f"{option} of a {kind}", typed(*new, "--subject=a.b", f"{option}={{}}"), right, other)
    yield Input(
        "--interval",
        lambda text: Case(
            "--interval",
            ("new", "publisher", SERVICE, "--subject=a.b", f"--interval={text}"),
            {"publish_interval": _as_seconds(text)},
        ),
        "86400.0",
        "86400.5",
    )
    yield Input(
        "--queue-group",
        typed("new", "subscriber", SERVICE, "--subject=a.b", "--queue-group={}", queue_group="{}"),
        "A_-9",
        "a.b",
    )


def answer_inputs() -> Iterable[Input]:
    """Answers in YAML, by `--data`, and in files."""

    def single(question: str, right: str, wrong: str, read: Callable[[str], object] = str) -> Input:
        return Input(
            f"answer {question}",
            lambda text: Case(question, (*DEFAULT, "--data", f"{question}={text}"), {question: read(text)}),
            right,
            wrong,
        )

    def mapping(question: str, what: str, answer: Callable[[str], dict[str, object]], right: str, wrong: str) -> Input:
        command = {
            "actions": (*NEW_SERVICE, SERVICE),
            "routes": (*NEW_GATEWAY, "--framework=fastapi"),
        }.get(
            question, (*NEW, SERVICE, "--subject=a.b") if question in ("publishers", "subscribers") else (*NEW, SERVICE)
        )
        if question == "labels":
            command = DEFAULT

        def case(text: str) -> Case:
            said = answer(text)
            expected = {name: as_action(name, entry) for name, entry in said.items()} if question == "actions" else said
            return Case(f"{question}, {what}", (*command, "--data", f"{question}={flow(said)}"), {question: expected})

        return Input(f"{question}, {what}", case, right, wrong, in_file=True)

    yield single("workspace", "1-_", "a" * 64)
    yield single("publish_interval", "0.001", "00.5", _as_seconds)
    yield mapping("labels", "key", lambda text: {text: "x"}, "com.example/a_b", "bounded-context")
    yield mapping("labels", "value", lambda text: {"note": text}, " ${X} ", "x" * 201)
    yield mapping("handlers", "name", lambda text: {text: {"subject": "a.b"}}, "h" * 64, "base_model")
    yield mapping("handlers", "subject", lambda text: {"seen": {"subject": text}}, "a.*.>", "*.a")
    yield mapping("handlers", "durable", lambda text: {"seen": {"subject": "a.b", "durable": text}}, "A_-" * 42, "a.b")
    yield mapping("actions", "key", lambda text: {text: {}}, "a1_b", "request")
    yield mapping("actions", "action", lambda text: {"greet": {"action": text}}, "a1_b", "class")
    yield mapping("routes", "name", lambda text: {text: GREET}, "r" * 64, "client")
    yield mapping(
        "routes",
        "path",
        lambda text: {"greet": {"method": "GET", "path": text, "publish": "a.b"}},
        "/~/{a}",
        "/healthz",
    )
    yield mapping(
        "routes", "subject", lambda text: {"greet": {"method": "PUT", "path": "/", "call": text}}, "a.b-c", "a.>"
    )
    yield mapping("tasks", "name", lambda text: {text: EMAILS}, "t1_a", "retry")
    yield mapping("tasks", "queue", lambda text: {"send": {"queue": text}}, "q" * 64, "q" * 65)
    for question, subject in (("publishers", "a.*"), ("subscribers", ">")):
        yield mapping(question, "name", lambda text: {text: {"subject": "a.b"}}, "p" * 64, "context")
        yield mapping(question, "subject", lambda text: {"seen": {"subject": text}}, "a.b-c", subject)
    yield mapping(
        "subscribers", "queue group", lambda text: {"seen": {"subject": "a.b", "queue_group": text}}, "A_-9", "a.b"
    )
    good = f"service_name: {SERVICE}\nhandlers: {{{HANDLER}: {SUBJECT}}}\n"
    yield Input(
        "description in a data file",
        lambda text: Case(
            "description in a data file",
            (*NEW, "--data-file", "answers.yml"),
            {"description": text},
            files={"answers.yml": f"{good}description: {quoted(text)}\n".encode()},
        ),
        "{% raw %} \" '",
        "x" * 201,
        in_file=True,
    )
    for key, right, wrong in (
        ("bounded_context", "1_-", "-a"),
        ("network", "A.b", "_a"),
        ("registry", "a.b:1/c", "a/"),
    ):
        yield Input(f"{key} in natsgen.toml", _in_toml(key), right, wrong, in_file=True)
    yield Input(
        "label in natsgen.toml",
        lambda text: Case(
            "label in natsgen.toml",
            DEFAULT,
            {"labels": {"note": text}},
            files={"natsgen.toml": f"[defaults.labels]\nnote = {quoted(text)}\n".encode()},
        ),
        "{{ x }} \"'\\",
        "x" * 201,
        in_file=True,
    )
    yield Input(
        "key in natsgen.toml",
        lambda text: Case(
            "key in natsgen.toml", DEFAULT, files={"natsgen.toml": f"[defaults]\n{quoted(text)} = 1\n".encode()}
        ),
        None,
        "networks",
        in_file=True,
    )


def flow(answer: dict[str, object]) -> str:
    """A mapping as YAML on one line, in which each text is quoted."""
    return "{" + ", ".join(f"{quoted(key)}: {_flow(value)}" for key, value in answer.items()) + "}"


def growth_inputs() -> Iterable[Input]:
    """What the other commands take, in a workspace with the service `billing`, which has one handler, and a gateway."""
    for noun, rest in (
        ("handler", ("a.b",)),
        ("action", ("greet",)),
        ("publisher", ("a.b",)),
        ("subscriber", ("a.b",)),
        ("task", ("--queue=a", "send")),
        ("route", ("GET /x=a.b",)),
    ):
        command = f"add-{noun}"
        options = [one for one in rest if one.startswith("--")]
        last = [one for one in rest if not one.startswith("--")]
        yield Input(f"{command}, service", typed(command, *options, "--", "{}", *last), None, ANY)
        service = GATEWAY if noun == "route" else SERVICE
        for force in ((), ("--force",)):
            yield Input(
                f"{' '.join((f'remove-{noun}', *force))}, name",
                _of(service, typed(f"remove-{noun}", *force, "--", service, "{}")),
                None,
                "missing",
            )
        yield Input(f"remove-{noun}, service", typed(f"remove-{noun}", "--", "{}", HANDLER), None, ANY)
    for noun, right, wrong in (("handler", "a.>", "*.a"), ("publisher", "a.b", "a.>"), ("subscriber", "*.a", ">")):
        yield Input(
            f"add-{noun}, name",
            typed(f"add-{noun}", "--name={}", SERVICE, "a.b", name="{}", subject="a.b"),
            "h" * 64,
            "tick",
        )
        yield Input(f"add-{noun}, subject", typed(f"add-{noun}", "--", SERVICE, "{}", subject="{}"), right, wrong)
    for command, option, right, wrong, said in (
        (("add-handler", SERVICE, "a.b"), "durable", "A_-9", "a.b", {"durable": "{}"}),
        (("add-handler", SERVICE, "a.b"), "concurrency", "10000", "10001", {}),
        (("add-action", SERVICE, "greet"), "version", "9999", "1.0", {}),
        (("add-action", SERVICE, "greet"), "timeout", "0.001", "3601", {}),
        (("add-action", SERVICE, "greet"), "concurrency", "1", "0", {}),
        (("add-publisher", SERVICE, "a.b"), "interval", "86400", "1e2", {}),
        (("add-subscriber", SERVICE, "a.b"), "queue-group", "A_-9", "a.b", {"queue": "{}"}),
        (("add-task", "--queue=a", SERVICE, "send"), "priority", "low", "LOW", {}),
        (("add-task", "--queue=a", SERVICE, "send"), "timeout", "604800", "604800.1", {}),
        (("add-task", "--queue=a", SERVICE, "send"), "max-attempts", "1", "0", {}),
        (("add-task", "--queue=a", SERVICE, "send"), "concurrency", "1", "0x1", {}),
        (("add-task", SERVICE, "send"), "queue", "a-b_c", "a__b", {"queue": "{}"}),
    ):
        name = f"{command[0]}, {option}"
        yield Input(name, typed(command[0], f"--{option}={{}}", *command[1:], **said), right, wrong)
    yield Input("add-action, action", typed("add-action", "--", SERVICE, "{}", action="{}"), "a1_b", "str")
    yield Input("add-task, task", typed("add-task", "--queue=a", "--", SERVICE, "{}", name="{}"), "t" * 64, "message")
    yield Input("add-route, route", _of(GATEWAY, typed("add-route", "--", GATEWAY, "{}")), None, "GET /x")
    yield Input(
        "add-route, name",
        _of(
            GATEWAY,
            typed("add-route", "--name={}", GATEWAY, "GET /x/{y}=a.b", name="{}", path="/x/{y}", call="a.b"),
        ),
        "r" * 63,
        "event",
    )
    yield Input(
        "add-route, path",
        _of(GATEWAY, typed("add-route", "--", GATEWAY, "PUT {}=publish:a.b", path="{}", publish="a.b")),
        "/a/{b}",
        "/{a}.json",
    )
    yield Input(
        "add-route, subject",
        _of(GATEWAY, typed("add-route", "--", GATEWAY, "PUT /=call:{}", path="/", call="{}")),
        "a.b-c",
        "a.>",
    )
    yield Input("add-route to a worker", typed("add-route", "--", SERVICE, "GET /x{}=a.b"), None, "/y")
    for command in ("add-extra", "remove-extra"):
        yield Input(f"{command}, name", typed(command, "--", SERVICE, "{}"), None, "handler")
        yield Input(f"{command}, service", typed(command, "--", "{}", "kv"), None, ANY)
    for command in ("list", "show", "extras", "repair"):
        yield Input(f"{command}, service", typed(command, "--", "{}"), None, ANY)


def _of(service: str, made: Made) -> Made:
    return lambda text: replace(made(text), service=service)


def _in_toml(key: str) -> Made:
    return lambda text: Case(
        f"{key} in natsgen.toml",
        DEFAULT,
        {key: text},
        files={"natsgen.toml": f"[defaults]\n{key} = {quoted(text)}\n".encode()},
    )


def _as_seconds(text: str) -> object:
    with contextlib.suppress(ValueError):
        return float(text)
    return text  # which is refused


def _flow(value: object) -> str:
    if isinstance(value, dict):
        return flow(value)
    return quoted(value) if isinstance(value, str) else json.dumps(value)


NEW_INPUTS = [*new_inputs(), *answer_inputs()]
GROWTH_INPUTS = list(growth_inputs())
INPUTS = [*NEW_INPUTS, *GROWTH_INPUTS]
