"""The corpus: each hostile text at each place that takes one, and files that are not what they should be."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.hostile.oracle import as_action, quoted
from tests.hostile.texts import (
    FOLDER_NAMES,
    TEXTS,
)

SERVICE = "billing"
SUBJECT = "orders.order.created"
HANDLER = "order_created"
NEW = ("new", "worker")
NEW_SERVICE = ("new", "service")
GATEWAY = "api"
EMAILS = {"queue": "emails"}
NEW_GATEWAY = ("new", "gateway", SERVICE)
DEFAULT = (*NEW, SERVICE, "--subject", SUBJECT)


REFUSED, TAKEN, EITHER = "refused", "taken", "either"

# What cannot be an argument of a process: it can still come out of a file.
UNTYPABLE = {name for name, text in TEXTS.items() if "\0" in text} | {"lone surrogate", "a million characters"}


@dataclass(frozen=True)
class Case:
    """One thing that a person types.

    Attributes:
        name: what is hostile about it, and where.
        arguments: the command, without `--no-input`.
        typed: what the generated files must say if the command takes it, by question.
        outcome: whether it has to be refused or taken, or may be either.
        files: what is in the workspace before, by path.
        service: the name of the service that is made, or that gets something.
    """

    name: str
    arguments: tuple[str, ...]
    typed: Mapping[str, Any] = field(default_factory=dict)
    outcome: str = EITHER
    files: Mapping[str, bytes] = field(default_factory=dict)
    service: str = SERVICE


def yaml_cases() -> Iterable[Case]:
    """YAML that means something else than it seems, in `--data`."""
    for text in (
        "", "{}", "[]", "null", "x", "1", "{", "}", "{a: b", "{a: b}}", "a: b: c", "- a", "'", '"', "!", "&", "*", "%",
        "{x: 1}", "{x: null}", "{x: [a]}", "{x: {}}", "{x: {subject: []}}", "{x: true}", "{1: a.b}", "{null: a.b}",
        "{x: 2024-01-01}", "{x: 2024-02-30}", "{x: !!int y}", "{x: !!float y}", "{x: !!bool y}", "{x: !!binary é}",
        "{x: !!timestamp y}", "{x: !!null y}", "{x: !!set {a}}", "{x: !!omap [a: b]}", "{x: !!pairs [a: b]}",
        "{x: !!python/object/apply:os.system [id]}", "{x: !!python/name:os.system }", "{x: !evil a.b}",
        "!!map {x: a.b}",
        "{? [a] : b}", "{? {a: b} : c}", "&a [*a]", "&a {x: *a}", "{x: &a {subject: *a}}", "{x: *missing}",
        "{<<: {x: a.b}}", "{<<: 1}", "{x: a.b, x: c.d}", "--- {x: a.b}\n--- {y: c.d}", "%YAML 9.9\n--- {x: a.b}",
        "[" * 5_000, "{a: " * 5_000, "1" * 10_000, "{x: " + "1" * 10_000 + "}", "0x" + "f" * 10_000, "{x: 0b2}",
        "{x: 1:99:99}", "{x: .nan}", '{x: "\\ud800"}', '{x: "\\0"}', "\t{x: a.b}", "{x:\ta.b}", "{x: |\n a.b\n}",
        "{x: {subject: a.b, durable: 1}}", "{x: {subject: a.b, durable: [y]}}", "{x: {subject: a.b, durable: {}}}",
        "{x: {subject: a.b, concurrency: 0}}", "{x: {subject: a.b, concurrency: -1}}",
        "{x: {subject: a.b, concurrency: 1.5}}", "{x: {subject: a.b, concurrency: true}}",
        "{x: {subject: a.b, concurrency: 10001}}", "{x: {subject: a.b, concurrency: .inf}}",
        "{x: {subject: a.b, concurrency: " + "9" * 1_000 + "}}", "{x: {subject: a.b, concurrency: '{{ 3 }}'}}",
        "{x: {subject: a.b, concurrency: 0x" + "f" * 10_000 + "}}", "{x: {subject: a.b, batch: 1}}",
        "{x: {subject: a.b, batch: 'yes'}}", "{x: {subject: a.b, batch: [yes]}}", "{x: {subject: a.b, 1: 2}}",
        "{x: {subject: a.b, [a]: 2}}", "{x: {subject: a.b, import: os}}", "{x: {subjects: a.b}}", "{x: {batch: true}}",
        "{x: {subject: null}}", "{x: {subject: 1.5}}", "{x: {subject: {subject: a.b}}}",
    ):  # fmt: skip
        shown = text if len(text) < 60 else f"{text[:12]}... ({len(text)} characters)"
        yield Case(f"handlers in YAML: {shown}", (*NEW, SERVICE, "--data", f"handlers={text}"))
        if "subject" not in text:
            yield Case(f"labels in YAML: {shown}", (*DEFAULT, "--data", f"labels={text}"))
    for key in ("bounded-context", "com.docker.compose.project", "null", "1.5", "a" * 64):
        labels = f"{{{quoted(key)}: x}}"
        yield Case(f"label that is taken: {key}", (*DEFAULT, "--data", f"labels={labels}"), {"labels": {key: "x"}})
    many = {f"label{number}": "x" for number in range(1_000)}
    yield Case("a thousand labels", (*DEFAULT, "--data", f"labels={json.dumps(many)}"), outcome=REFUSED)


def data_file_cases() -> Iterable[Case]:
    """Files that are given as answers, and are not."""
    good = f"service_name: {SERVICE}\nhandlers: {{{HANDLER}: {SUBJECT}}}\n"
    contents: dict[str, bytes] = {
        "empty": b"",
        "nul": b"\0",
        "spaces": b"   \n\n",
        "text": b"hello",
        "number": b"1",
        "list": b"- a\n- b\n",
        "not utf-8": b"description: \xff\xfe\n",
        "latin-1": "description: é\n".encode("latin-1"),
        "utf-16": good.encode("utf-16"),
        "binary": bytes(range(256)),
        "control characters": b"description: \x07\n",
        "tabs": b"service_name:\tbilling\n\tcontext: x\n",
        "merge conflict": b"<<<<<<< HEAD\nservice_name: a\n=======\nservice_name: b\n>>>>>>> x\n",
        "unknown key": b"servicename: billing\n",
        "hostile key": b'"{{ 7*7 }}\\n$(id)": x\n',
        "number as key": b"1: x\n",
        "null as key": b"null: x\n",
        "list as key": b"? [a]\n: x\n",
        "private key of copier": b"_src_path: /etc\n",
        "private key of jinja": b"_copier_conf: {}\n",
        "object": b"description: !!python/object/apply:os.system ['id']\n",
        "name of an object": b"description: !!python/name:os.system\n",
        "unknown tag": b"description: !evil x\n",
        "bad integer": b"description: !!int x\n",
        "bad float": b"description: !!float x\n",
        "bad boolean": b"description: !!bool maybe\n",
        "bad timestamp": b"description: !!timestamp x\n",
        "impossible date": b"description: 2024-02-30\n",
        "date": b"description: 2024-02-28\n",
        "set": b"description: !!set {a}\n",
        "anchor to itself": b"&a {description: *a}\n",
        "list in itself": b"description: &a [*a]\n",
        "missing anchor": b"description: *a\n",
        "two documents": b"--- {}\n--- {}\n",
        "deep": b"[" * 100_000,
        "deep mapping": b"{a: " * 5_000,
        "many digits": b"description: " + b"1" * 10_000 + b"\n",
        "many hexadecimal digits": good.encode() + b"description: 0x" + b"f" * 10_000 + b"\n",
        "null everywhere": b"service_name:\nhandlers:\ndescription:\n",
        "list as text": f"{good}description: [a]\n".encode(),
        "mapping as text": f"{good}description: {{a: b}}\n".encode(),
        "true as text": f"{good}description: true\n".encode(),
        "float as choice": f"{good}python_version: 3.10\n".encode(),
        "infinity": f"{good}python_version: .inf\n".encode(),
        "mapping as choice": f"{good}dedup: {{none: none}}\n".encode(),
        "labels as list": f"{good}labels: [a]\n".encode(),
        "label without value": f"{good}labels: {{a: }}\n".encode(),
        "label of numbers": f"{good}labels: {{a: 1}}\n".encode(),
    }
    for name, content in contents.items():
        yield Case(
            f"data file: {name}",
            (*NEW, "--data-file", "answers.yml"),
            outcome=REFUSED,
            files={"answers.yml": content},
        )
    taken: dict[str, bytes] = {
        "byte order mark": b"\xef\xbb\xbf" + good.encode(),
        "windows newlines": good.replace("\n", "\r\n").encode(),
        "alias": f"x: &x {SERVICE}\n".encode(),
        "merge key": f"<<: {{service_name: {SERVICE}}}\nhandlers: {{{HANDLER}: {SUBJECT}}}\n".encode(),
        "key twice": f"{good}service_name: {SERVICE}\n".encode(),
        "document marker": f"---\n{good}...\n".encode(),
        "tag of a string": f"{good}description: !!str 1\n".encode(),
        "folded text": f"{good}description: >-\n  one\n  two\n".encode(),
        "number as text": f"{good}description: 1e3\n".encode(),
    }
    for name, content in taken.items():
        yield Case(f"data file: {name}", (*NEW, "--data-file", "answers.yml"), files={"answers.yml": content})
    for name, content in {
        "not json": b"{",
        "trailing comma": b'{"service_name": "billing",}',
        "comment": b"{} // x",
        "list": b"[]",
        "nothing": b"null",
        "not a number": b'{"description": NaN}',
        "deep": b"[" * 100_000,
        "many digits": b'{"description": ' + b"1" * 10_000 + b"}",
        "lone surrogate": b'{"service_name": "billing", "handlers": {"a": "a.b"}, "description": "\\ud800"}',
        "lone surrogate in a name": b'{"service_name": "\\ud800", "handlers": {"a": "a.b"}}',
        "lone surrogate as key": b'{"\\ud800": "x"}',
        "nul": b'{"service_name": "billing\\u0000", "handlers": {"a": "a.b"}}',
    }.items():
        yield Case(
            f"data file in JSON: {name}",
            (*NEW, "--data-file", "answers.json"),
            outcome=REFUSED,
            files={"answers.json": content},
        )


def defaults_cases() -> Iterable[Case]:
    """`natsgen.toml`: files that are not what they should be, and hostile values in good ones."""
    contents: dict[str, bytes] = {
        "not toml": b"defaults",
        "nul": b"\0",
        "not utf-8": b'[defaults]\ncontext = "\xff"\n',
        "utf-16": '[defaults]\ncontext = "x"\n'.encode("utf-16"),
        "yaml": b"defaults:\n  dedup: redis\n",
        "json": b'{"defaults": {}}',
        "merge conflict": b"<<<<<<< HEAD\n[defaults]\n=======\n>>>>>>> x\n",
        "table twice": b"[defaults]\n[defaults]\n",
        "key twice": b'[defaults]\ndedup = "none"\ndedup = "redis"\n',
        "open string": b'[defaults]\ndedup = "none\n',
        "defaults is text": b'defaults = "x"\n',
        "defaults is a list": b"[[defaults]]\n",
        "defaults is a number": b"defaults = 1\n",
        "unknown key": b'[defaults]\ndedupe = "none"\n',
        "hostile key": b'[defaults]\n"{{ 7*7 }}\\n$(id)" = "x"\n',
        "empty key": b'[defaults]\n"" = "x"\n',
        "private key of copier": b'[defaults]\n_src_path = "/etc"\n',
        "unknown choice": b'[defaults]\ndedup = "redsi"\n',
        "list as text": b'[defaults]\ncontext = ["x"]\n',
        "table as text": b"[defaults.context]\nx = 1\n",
        "true as text": b"[defaults]\ncontext = true\n",
        "date as text": b"[defaults]\ncontext = 2024-01-01\n",
        "time as text": b"[defaults]\ncontext = 10:00:00\n",
        "impossible date": b"[defaults]\ncontext = 2024-02-30\n",
        "infinity as choice": b"[defaults]\npython_version = inf\n",
        "float as choice": b"[defaults]\npython_version = 3.10\n",
        "many digits": b"[defaults]\ncontext = " + b"1" * 10_000 + b"\n",
        "many hexadecimal digits": b"[defaults]\ncontext = 0x" + b"f" * 10_000 + b"\n",
        "deep": b"[defaults]\nlabels = " + b"[" * 5_000 + b"\n",
        "text as labels": b'[defaults]\nlabels = "a"\n',
        "list as labels": b'[defaults]\nlabels = ["a"]\n',
        "label of numbers": b"[defaults]\nlabels = {a = 1}\n",
        "label of dates": b"[defaults]\nlabels = {a = 2024-01-01}\n",
        "label that is none": b'[defaults]\nlabels = {"A B" = "x"}\n',
        "lone surrogate": b'[defaults]\ncontext = "\\ud800"\n',
        "beyond unicode": b'[defaults]\ncontext = "\\U00110000"\n',
        "windows newline in text": b'[defaults]\ncontext = """a\r\nb"""\n',
    }
    for name, content in contents.items():
        yield Case(f"natsgen.toml: {name}", DEFAULT, outcome=REFUSED, files={"natsgen.toml": content})
    for name, content in {
        "empty": b"",
        "only a comment": b"# {{ x }}",
        "no defaults": b"[defaults]\n",
        "byte order mark": b"\xef\xbb\xbf[defaults]\n",
    }.items():
        yield Case(f"natsgen.toml: {name}", DEFAULT, files={"natsgen.toml": content})


def action_cases() -> Iterable[Case]:
    """YAML as the actions of a new service."""
    for text in (
        "", "[]", "null", "x", "[greet]", "{greet}", "{greet: }", "{greet: 1}", "{greet: x}", "{1: {}}", "{null: {}}",
        "{greet: {version: '1'}}", "{greet: {version: 1.0}}", "{greet: {version: -1}}", "{greet: {version: true}}",
        "{greet: {version: 10000}}", "{greet: {version: null}}", "{greet: {version: 0x" + "f" * 10_000 + "}}",
        "{greet: {queue: 0}}", "{greet: {queue: 'no'}}", "{greet: {queue: null}}", "{greet: {queue: [no]}}",
        "{greet: {concurrency: 0}}", "{greet: {concurrency: 1.5}}", "{greet: {concurrency: 10001}}",
        "{greet: {timeout: 0}}", "{greet: {timeout: -1}}", "{greet: {timeout: .nan}}", "{greet: {timeout: .inf}}",
        "{greet: {timeout: '5'}}", "{greet: {timeout: true}}", "{greet: {timeout: 1e-9}}", "{greet: {timeout: 3601}}",
        "{greet: {timeout: " + "9" * 1_000 + "}}", "{greet: {subject: a.b}}", "{greet: {import: os}}",
        "{greet: {action: [a]}}", "{greet: {action: {a: b}}}", "{greet: {action: null}}", "{greet: {[a]: b}}",
        "{a: {action: greet}, b: {action: greet}}", "{greet: {}, b: {action: greet, version: 1}}",
        "{greet: &a {action: *a}}",
    ):  # fmt: skip
        shown = text if len(text) < 60 else f"{text[:12]}... ({len(text)} characters)"
        yield Case(f"actions in YAML: {shown}", (*NEW_SERVICE, SERVICE, "--data", f"actions={text}"), outcome=REFUSED)
    for text, options in {
        "{greet: {version: 0, queue: no, concurrency: 10000, timeout: 0.001}}": {
            "version": 0, "queue": False, "concurrency": 10_000, "timeout": 0.001
        },
        "{greet: {queue: yes, timeout: 3600, version: 0b1001}}": {"queue": True, "timeout": 3_600, "version": 9},
        "{greet: {timeout: 1.0e+2}}": {"timeout": 100.0},
    }.items():  # fmt: skip
        yield Case(
            f"actions in YAML: {text}",
            (*NEW_SERVICE, SERVICE, "--data", f"actions={text}"),
            {"actions": {"greet": as_action("greet", options)}},
            TAKEN,
        )


def route_cases() -> Iterable[Case]:
    """YAML as the routes of a new gateway."""
    gateway = (*NEW_GATEWAY, "--framework=fastapi")
    greet = {"method": "POST", "path": "/greet", "call": "v1.greeter.greet"}
    for text in (
        "[]", "null", "x", "[greet]", "{greet}", "{greet: }", "{greet: {}}", "{greet: POST /greet=a.b}",
        "{greet: {method: POST, path: /greet}}", "{greet: {path: /greet, call: a.b}}",
        "{greet: {method: POST, call: a.b}}", "{greet: {method: [POST], path: /greet, call: a.b}}",
        "{greet: {method: POST, path: /greet, call: a.b, publish: a.b}}", "{greet: {method: POST, path: 1, call: a.b}}",
        "{greet: {method: POST, path: null, call: a.b}}", "{greet: {method: POST, path: /greet, call: null}}",
        "{greet: {method: POST, path: /greet, call: 1.5}}", "{greet: {method: POST, path: /greet, publish: {a: b}}}",
        "{greet: {method: TRACE, path: /greet, call: a.b}}", "{greet: {method: post, path: /greet, call: a.b}}",
        "{greet: {method: 'POST ', path: /greet, call: a.b}}", "{greet: {method: '*', path: /greet, call: a.b}}",
        "{greet: {method: POST, path: /greet, call: a.b, timeout: 1}}", "{greet: &a {method: *a}}",
        "{a: {method: GET, path: /x, call: a.b}, b: {method: GET, path: /x, call: c.d}}",
        "{a: {method: GET, path: '/{x}', call: a.b}, b: {method: GET, path: '/{y}', publish: c.d}}",
        "{1: {method: GET, path: /x, call: a.b}}", "{null: {method: GET, path: /x, call: a.b}}",
    ):  # fmt: skip
        yield Case(f"routes in YAML: {text}", (*gateway, "--data", f"routes={text}"), outcome=REFUSED)
    for command in (NEW, NEW_SERVICE):
        yield Case(
            f"routes without a framework: {command[1]}",
            (*command, SERVICE, "--action=greet", "--data", f"routes={{greet: {json.dumps(greet)}}}"),
            outcome=REFUSED,
        )


def pubsub_cases() -> Iterable[Case]:
    """YAML as publishers and subscribers, and intervals."""
    for question, texts in {
        "publishers": (
            "[]", "null", "x", "[a]", "{a}", "{a: }", "{a: 1}", "{a: {}}", "{1: a.b}", "{a: [a.b]}",
            "{a: {core: true}}",
            "{a: {subject: a.b, core: 1}}", "{a: {subject: a.b, core: 'true'}}", "{a: {subject: a.b, core: null}}",
            "{a: {subject: a.b, interval: 0}}", "{a: {subject: a.b, interval: -1}}",
            "{a: {subject: a.b, interval: .nan}}", "{a: {subject: a.b, interval: .inf}}",
            "{a: {subject: a.b, interval: '1'}}", "{a: {subject: a.b, interval: true}}",
            "{a: {subject: a.b, interval: 86401}}", "{a: {subject: a.b, interval: 1e-9}}",
            "{a: {subject: a.b, interval: " + "9" * 1_000 + "}}", "{a: {subject: a.b, import: os}}",
            "{a: &a {subject: *a}}", "{a: {subject: a.b, [a]: b}}",
        ),
        "subscribers": (
            "[]", "null", "x", "{a}", "{a: 1}", "{a: {}}", "{a: {queue_group: b}}", "{a: {subject: a.b, queue: b}}",
            "{a: {subject: a.b, queue_group: 1}}", "{a: {subject: a.b, queue_group: null}}",
            "{a: {subject: a.b, queue_group: [b]}}",
            "{a: {subject: a.b, queue_group: g}, b: {subject: a.*, queue_group: g}}",
        ),
    }.items():  # fmt: skip
        for text in texts:
            shown = text if len(text) < 80 else f"{text[:40]}... ({len(text)} characters)"
            data = f"{question}={text}"
            yield Case(
                f"{question} in YAML: {shown}", (*NEW, SERVICE, "--subject=a.b", "--data", data), outcome=REFUSED
            )
    for text in ("0.001", "86400", "86400.0", "0.5", "1.000001"):
        typed = {"publish_interval": float(text)}
        yield Case(
            f"--interval of {text}", ("new", "publisher", SERVICE, "--subject=a.b", f"--interval={text}"), typed, TAKEN
        )


def task_cases() -> Iterable[Case]:
    """YAML as the tasks of a new worker."""
    for text in (
        "", "[]", "null", "x", "[send]", "{send}", "{send: }", "{send: {}}", "{send: emails}", "{1: {queue: a}}",
        "{null: {queue: a}}", "{send: {queue: 1}}", "{send: {queue: null}}", "{send: {queue: [a]}}",
        "{send: {queue: a, priority: 1}}", "{send: {queue: a, priority: [high]}}", "{send: {queue: a, priority: HIGH}}",
        "{send: {queue: a, concurrency: 0}}", "{send: {queue: a, concurrency: 1.5}}",
        "{send: {queue: a, timeout: 0}}", "{send: {queue: a, timeout: .nan}}", "{send: {queue: a, timeout: .inf}}",
        "{send: {queue: a, timeout: '5'}}", "{send: {queue: a, timeout: true}}", "{send: {queue: a, timeout: 1e-9}}",
        "{send: {queue: a, max_attempts: 0}}", "{send: {queue: a, max_attempts: true}}",
        "{send: {queue: a, max_attempts: 10001}}", "{send: {queue: a, import: os}}", "{send: {queue: a, [b]: c}}",
        "{send: &a {queue: *a}}",
    ):  # fmt: skip
        yield Case(f"tasks in YAML: {text}", (*NEW, SERVICE, "--data", f"tasks={text}"), outcome=REFUSED)
    both = ("--data", "handlers={send: a.b}", "--data", "tasks={send: {queue: a}}")
    yield Case("a task and a handler of one name", (*NEW, SERVICE, *both), outcome=REFUSED)
    options = {"queue": "a", "priority": "high", "concurrency": 10_000, "timeout": 0.001, "max_attempts": 1}
    yield Case(
        "tasks in YAML: all options",
        (*NEW, SERVICE, "--data", f"tasks={{send: {json.dumps(options)}}}"),
        {"tasks": {"send": options}},
        TAKEN,
    )


def folder_cases() -> Iterable[Case]:
    """Every text that can be the name of one folder, as the workspace's."""
    for name, text in typable(FOLDER_NAMES):
        if "/" not in text and text not in ("", ".", "..") and len(text) <= 255:
            yield Case(f"workspace's folder: {name}", (*DEFAULT, f"--workspace={text}"))


def typable(texts: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    """Those that can be an argument of a process."""
    return ((name, text) for name, text in texts.items() if name not in UNTYPABLE)


NEW_WORKER = [
    *yaml_cases(),
    *data_file_cases(),
    *defaults_cases(),
    *action_cases(),
    *route_cases(),
    *pubsub_cases(),
    *task_cases(),
]
FOLDERS = list(folder_cases())
