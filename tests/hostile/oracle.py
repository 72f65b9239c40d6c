"""What must be true after any command, whatever was typed: refused in one line, or plain data in a tree that parses."""

from __future__ import annotations

import ast
import contextlib
import io
import os
import re
import tomllib
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import yaml

from natsgen.cli import main

Snapshot = dict[str, tuple[str, bytes]]
"""What is at each path below a folder: its kind and mode, and its content or what it points to."""

MESSAGE_MAX = 1_000  # characters: a person reads it on a terminal
PARSER_DIRECTIVE = re.compile(r"#\s*\w+\s*=")

_parsed: set[tuple[str, bytes]] = set()
"""Files that were parsed before: nearly every tree has the same ones."""


@dataclass(frozen=True)
class Ran:
    """One command that has ended.

    Attributes:
        code: its exit code.
        out: what it printed on standard output.
        err: what it printed on standard error.
        before: what was in the folder around the workspace.
        after: what is there now.
    """

    code: int
    out: str
    err: str
    before: Snapshot
    after: Snapshot

    @property
    def changed(self) -> set[str]:
        """The paths that are there and were not, or the other way round, or are not as they were."""
        paths = self.before.keys() | self.after.keys()
        return {path for path in paths if self.before.get(path) != self.after.get(path)}


def run(arguments: Sequence[str], *, here: Path, around: Path) -> Ran:
    """Runs natsgen in this process, in the folder `here`, and looks at everything in the folder `around` it."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("COPIER_", "NATSGEN_", "GIT_"))}
    before = snapshot(around)
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2))
    with (
        mock.patch.dict(os.environ, {**kept, "HOME": str(around)}, clear=True),
        contextlib.chdir(here),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        code = main(list(arguments))
    return Ran(code, _printed(out), _printed(err), before, snapshot(around))


def snapshot(folder: Path) -> Snapshot:
    """Everything below a folder; symlinks are not followed."""
    found: Snapshot = {}
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            path = Path(parent, name)
            mode = f"{path.lstat().st_mode:o}"
            if path.is_symlink():
                content = os.fsencode(path.readlink())
            else:
                content = path.read_bytes() if path.is_file() else b""
            found[str(path.relative_to(folder))] = (mode, content)
    return found


def check_refused(ran: Ran) -> None:
    """It says why on one line, in its own name, and has written nothing at all."""
    assert ran.code in (1, 2), f"exit code {ran.code}: {ran.err}"
    assert ran.err.startswith("natsgen: "), ran.err
    assert ran.err.endswith("\n")
    assert len(ran.err.splitlines()) == 1, ran.err
    assert ran.err.strip().isprintable(), ascii(ran.err)
    assert len(ran.err) <= MESSAGE_MAX, f"{len(ran.err)} characters: {ran.err}"
    assert "bug in natsgen" not in ran.err, ran.err
    assert "Traceback" not in ran.err, ran.err
    assert ran.out == ""
    assert not ran.changed, ran.changed


def check_only_inside(ran: Ran, workspace: str) -> None:
    """Nothing changed but what is in the workspace, a path in the folder around it."""
    outside = {path for path in ran.changed if path != workspace and not path.startswith(f"{workspace}/")}
    # a folder that did not exist may be made for the workspace
    outside = {path for path in outside if path in ran.before or not workspace.startswith(f"{path}/")}
    assert not outside, outside


def check_tree(workspace: Path, given: Container[str] = ()) -> None:
    """Every file of the workspace, but those that were `given`, has a harmless name and parses as what it is."""
    for path, (mode, content) in snapshot(workspace).items():
        if path in given:
            continue
        assert mode.startswith(("100", "40")), f"{path} is neither a file nor a folder"
        assert re.fullmatch(r"[A-Za-z0-9._/-]+", path), ascii(path)
        assert Path(path).parts[0] in ("services", "compose"), f"{path} was left behind"
        key = (Path(path).name, content)
        if mode.startswith("100") and key not in _parsed:
            _check_parses(Path(path), content)
            _parsed.add(key)


def values(workspace: Path, service: str) -> dict[str, list[Any]]:
    """What the files of a service say about each answer, at every place that says it."""
    folder = workspace / "services" / service
    project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))
    answers = load_yaml((folder / ".copier-answers.yml").read_text(encoding="utf-8"))
    compose = load_yaml((workspace / "compose" / f"{service}.yml").read_text(encoding="utf-8"))
    environment = dict(line.split("=", 1) for line in (folder / ".env.example").read_text().splitlines() if "=" in line)
    (container,) = compose["services"].values()
    labels = {key: interpolated(text) for key, text in container["labels"].items() if key != "bounded-context"}
    infrastructure = load_yaml((workspace / "compose/infrastructure.yml").read_text(encoding="utf-8"))
    network = infrastructure["networks"]["default"]
    base, *_ = (line.split()[1] for line in (folder / "Dockerfile").read_text().splitlines() if line.startswith("FROM"))
    return {
        "service_name": [
            answers["service_name"],
            project["project"]["name"],
            *compose["services"],
            container["environment"]["SERVICE_NAME"],
            environment["SERVICE_NAME"],
            container["build"]["context"].removeprefix("../services/"),
        ],
        "bounded_context": [
            answers["bounded_context"],
            project["tool"]["service"]["context"],
            container["environment"]["BOUNDED_CONTEXT"],
            container["labels"]["bounded-context"],
            environment["BOUNDED_CONTEXT"],
        ],
        "description": [answers["description"], project["project"]["description"]],
        "workspace": [answers["workspace"], compose["name"], infrastructure["name"]],
        "network": [answers["network"], network["name"] if network.get("external") else ""],
        "registry": [answers["registry"], base.rpartition("python:")[0].removesuffix("/")],
        "labels": [answers["labels"], labels],
        "handlers": [{name: _as_options(entry) for name, entry in answers["handlers"].items()}, handlers(folder)],
        "routes": [dict(answers["routes"]), routes(folder)],
        "publishers": [
            {name: _as_options(entry) for name, entry in answers["publishers"].items()},
            pubsub(folder, "publisher", "make", {"every": "interval"}),
        ],
        "subscribers": [
            {name: _as_options(entry) for name, entry in answers["subscribers"].items()},
            pubsub(folder, "subscriber", "hear", {"queue": "queue_group"}),
        ],
        "publish_interval": [
            float(answers["publish_interval"]),
            float(project["tool"]["service"].get("publish_interval", 2)),
        ],
        "queue_group": [answers["queue_group"], project["tool"]["service"].get("queue_group", "")],
        "envelope": [answers["envelope"]],
        "image": [answers["image"], base.rpartition("-")[2]],
        "tasks": [dict(answers["tasks"]), tasks(folder)],
        "actions": [{name: as_action(name, entry) for name, entry in answers["actions"].items()}, actions(folder)],
    }


def handlers(folder: Path) -> dict[str, dict[str, Any]]:
    """The subscriptions of a service by the handler's name, read from the decorators in its files."""
    found = {}
    for file in sorted((folder / "src/domain/handlers").glob("*_handler.py")):
        module = ast.parse(file.read_bytes())
        (function,) = (node for node in module.body if isinstance(node, ast.AsyncFunctionDef))
        (decorator,) = function.decorator_list
        assert isinstance(decorator, ast.Call)
        (subject,) = decorator.args
        options = {str(word.arg): ast.literal_eval(word.value) for word in decorator.keywords}
        annotation = function.args.args[0].annotation
        assert annotation is not None
        if ast.unparse(annotation).startswith("list["):
            options["batch"] = True
        assert function.name == f"handle_{file.name.removesuffix('_handler.py')}"
        found[function.name.removeprefix("handle_")] = {"subject": ast.literal_eval(subject), **options}
    return found


def actions(folder: Path) -> dict[str, dict[str, Any]]:
    """The actions of a service by the name of their function, read from the decorators in its files."""
    found = {}
    for file in sorted((folder / "src/domain/actions").glob("*_action.py")):
        module = ast.parse(file.read_bytes())
        (function,) = (node for node in module.body if isinstance(node, ast.AsyncFunctionDef))
        (decorator,) = function.decorator_list
        assert isinstance(decorator, ast.Call)
        (name,) = decorator.args
        options = {str(word.arg): ast.literal_eval(word.value) for word in decorator.keywords}
        assert function.name == file.name.removesuffix("_action.py")
        found[function.name] = as_action(function.name, {"action": ast.literal_eval(name), **options})
    return found


def publishers(folder: Path) -> dict[str, dict[str, Any]]:
    """The publishers of a service by name, read from the decorators in its files."""
    return pubsub(folder, "publisher", "make", {})


def subscribers(folder: Path) -> dict[str, dict[str, Any]]:
    """The subscribers of a service by name, read from the decorators in its files."""
    return pubsub(folder, "subscriber", "hear", {})


def pubsub(folder: Path, noun: str, prefix: str, answered: Mapping[str, str]) -> dict[str, dict[str, Any]]:
    """Publishers or subscribers by name; `answered` are the options that an answer calls otherwise."""
    found = {}
    for file in sorted((folder / f"src/domain/{noun}s").glob(f"*_{noun}.py")):
        module = ast.parse(file.read_bytes())
        (function,) = (node for node in module.body if isinstance(node, ast.AsyncFunctionDef))
        (decorator,) = function.decorator_list
        assert isinstance(decorator, ast.Call)
        (subject,) = decorator.args
        name = file.name.removesuffix(f"_{noun}.py")
        assert function.name == f"{prefix}_{name}"
        options = {
            answered.get(str(word.arg), str(word.arg)): ast.literal_eval(word.value) for word in decorator.keywords
        }
        found[name] = {"subject": ast.literal_eval(subject), **options}
    return found


def routes(folder: Path) -> dict[str, dict[str, Any]]:
    """The routes of a gateway by the name of their function, read from the decorator and the body in their files."""
    found = {}
    for file in sorted((folder / "src/web/routes").glob("*_route.py")):
        module = ast.parse(file.read_bytes())
        (function,) = (node for node in module.body if isinstance(node, ast.AsyncFunctionDef))
        (decorator,) = function.decorator_list
        assert isinstance(decorator, ast.Call)
        *methods, path = (ast.literal_eval(argument) for argument in decorator.args)
        if isinstance(decorator.func, ast.Attribute):
            methods = [decorator.func.attr.upper()]
        (method,) = methods
        (sent,) = (
            (verb, ast.literal_eval(node.args[0]))
            for node in ast.walk(function)
            if isinstance(node, ast.Call) and (verb := ast.unparse(node.func).split(".")[-1]) in ("call", "publish")
        )
        assert function.name == file.name.removesuffix("_route.py")
        # each parameter is an argument of its own, and none hides what the function uses
        arguments = [argument.arg for argument in function.args.args]
        assert len(arguments) == len(set(arguments))
        assert set(re.findall(r"{(\w+)}", path)) <= set(arguments)
        found[function.name] = {"method": method, "path": path, **dict([sent])}
    return found


def tasks(folder: Path) -> dict[str, dict[str, Any]]:
    """The tasks of a service by the name of their function, read from the decorators in its files."""
    found = {}
    for file in sorted((folder / "src/domain/tasks").glob("*_task.py")):
        module = ast.parse(file.read_bytes())
        (function,) = (node for node in module.body if isinstance(node, ast.AsyncFunctionDef))
        (decorator,) = function.decorator_list
        assert isinstance(decorator, ast.Call)
        (name,) = decorator.args
        assert function.name == ast.literal_eval(name) == file.name.removesuffix("_task.py")
        found[function.name] = {str(word.arg): ast.literal_eval(word.value) for word in decorator.keywords}
    return found


def as_action(name: str, options: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """The options of an action, with those that nobody gave."""
    return {"action": name, "version": 1, "queue": True, **(options or {})}


def instructions(dockerfile: str) -> list[str]:
    """The instructions of a Dockerfile, without what it builds upon."""
    lines = dockerfile.replace("\\\n", " ").splitlines()
    assert not PARSER_DIRECTIVE.match(lines[0]), lines[0]
    kept = [line for line in lines if line.strip() and not line.lstrip().startswith("#")]
    return [re.sub(r"^FROM \S+", "FROM", line) for line in kept]


def interpolated(text: str) -> str:
    """What Compose makes of a text; one that asks for a variable is a failure."""
    assert not re.search(r"(?<!\$)(\$\$)*\$(?!\$)", text), f"Compose would put a variable into {text!r}"
    return text.replace("$$", "$")


def quoted(text: str) -> str:
    """A text as YAML and TOML both read it, whatever is in it."""
    plain = {chr(number) for number in range(0x20, 0x7F)} - {'"', "\\"}
    return '"' + "".join(one if one in plain else f"\\U{ord(one):08x}" for one in text) + '"'


class _StrictLoader(yaml.SafeLoader):
    """Refuses a key that is there twice, as Compose does."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]  # type: ignore[no-untyped-call]
        assert len(keys) == len(set(keys)), f"a key is there twice: {keys}"
        return super().construct_mapping(node, deep)


def load_yaml(text: str) -> Any:
    """Reads YAML; a key that is there twice is a failure."""
    return yaml.load(text, _StrictLoader)


def _check_parses(path: Path, content: bytes) -> None:
    text = content.decode()
    if path.suffix == ".py":
        compile(text, path, "exec", dont_inherit=True)
    elif path.suffix == ".toml":
        tomllib.loads(text)
    elif path.suffix in (".yml", ".yaml"):
        load_yaml(text)
    elif path.name == "Dockerfile":
        instructions(text)
    assert "\r" not in text


def _as_options(entry: str | Mapping[str, Any]) -> dict[str, Any]:
    return dict(entry) if isinstance(entry, Mapping) else {"subject": entry}


def _printed(stream: io.TextIOWrapper) -> str:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue().decode("utf-8")
