"""Reads the settings and published subjects of a service from its source, without importing it."""

from __future__ import annotations

import ast
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from natsgen.parts import sends, source

CONFIG_FILE = PurePosixPath("src/config.py")


@dataclass(frozen=True)
class Setting:
    """A setting of a service.

    Attributes:
        name: the name of its environment variable.
        default: its default, as written in the source; "" if it is required.
        meaning: its description.
    """

    name: str
    default: str
    meaning: str


def settings_of(service: Path) -> tuple[Setting, ...]:
    """Return the settings that the classes in a service's `src/config.py` declare, in source order.

    Raises:
        ValueError: the file cannot be read or parsed; the message says why.
    """
    return source.read(service / CONFIG_FILE, _settings_in)


def published_by(service: Path) -> tuple[str, ...]:
    """Return the literal subjects that a service publishes to; see `sends`.

    Files with syntax errors are skipped.
    """
    subjects: set[str] = set()
    for file in source.all_files(service / "src"):
        try:
            subjects.update(source.read(file, _published_in))
        except ValueError:
            continue  # the list of handlers reports a handler's error
    return tuple(sorted(subjects))


def _settings_in(module: ast.Module) -> tuple[Setting, ...]:
    classes = [node for node in module.body if isinstance(node, ast.ClassDef) and _is_settings(node)]
    return tuple(_setting(node) for one in classes for node in one.body if _is_setting(node))


def _is_settings(node: ast.ClassDef) -> bool:
    return any("Settings" in ast.unparse(base) for base in node.bases) and "Source" not in ast.unparse(node.bases[0])


def _is_setting(node: ast.stmt) -> bool:
    if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name) or node.target.id.startswith("_"):
        return False
    return "ClassVar" not in ast.unparse(node.annotation)


def _setting(node: ast.stmt) -> Setting:
    assert isinstance(node, ast.AnnAssign)
    assert isinstance(node.target, ast.Name)
    name, value = node.target.id, node.value
    if not (isinstance(value, ast.Call) and source.called_name(value) == "Field"):
        return Setting(name, "" if value is None else ast.unparse(value), "")
    arguments = {keyword.arg: keyword.value for keyword in value.keywords}
    default = value.args[0] if value.args else arguments.get("default")
    if default is not None:
        shown = ast.unparse(default)
    else:
        shown = f"{ast.unparse(arguments['default_factory'])}()" if "default_factory" in arguments else ""
    description = arguments.get("description")
    return Setting(name, "" if shown == "..." else shown, source.value(description).text if description else "")


def _published_in(module: ast.Module) -> tuple[str, ...]:
    constants = {
        target.id: node.value
        for node in module.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    named = [sent.subject for sent in sends.sent_in(module) if sent.verb == sends.PUBLISHES]
    known = [constants.get(one.id, one) if isinstance(one, ast.Name) else one for one in named]
    subjects = [source.value(one).literal for one in known]
    return tuple(subject for subject in subjects if isinstance(subject, str))
