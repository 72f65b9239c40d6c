"""Write the reference pages that follow from the code: `make docs` does so first.

The commands' help becomes `docs/reference/cli.md`; `config.py` and the packages' settings become
`docs/reference/settings.md`; the Prometheus objects become `docs/reference/metrics.md`; the navigation becomes
`docs/llms.txt`. Only the commands are imported; the template is read.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeGuard

import yaml

from natsgen.cli.commands import COMMANDS, load

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "template" / "services" / "{{ service_name }}" / "src"
WRITTEN = "<!-- Written by `python -m scripts.reference`; do not edit by hand. -->\n"
WIDTH = 80  # columns of the help texts

NEEDED_BY = {
    "actions": "Services with actions",
    "batch": "Services with batch handlers",
    "inbox": "Services with `DEDUP`",
    "pubsub/publishers": "Services with publishers",
    "pubsub/subscribers": "Services with subscribers",
    "tasks": "Services with tasks",
    "toolkit": "Services with the extra `tenancy`",
    "web": "Gateways",
    "web/django": "Gateways with Django",
}
"""Which services have a package, by its folder. What is not here is in every service."""

FROM_THE_SERVICE = {
    "_PROJECT['name']": "the service's name",
    "SERVICE['context']": "the bounded context, as generated",
    "SERVICE['dedup']": "`none`, or as generated",
    "SERVICE.get('publish_interval', 2.0)": "`2.0`, or as generated",
    "SERVICE.get('queue_group', '')": "empty, or as generated",
    "socket.gethostname": "the host name",
    "1024 * 1024": "`1048576`",
}
"""Defaults that are not literals, by their source."""


def main() -> None:
    """Write all pages."""
    for path, text in pages():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def pages() -> Iterator[tuple[Path, str]]:
    """Yield the path and the text of each page; last llms.txt, which quotes the pages as they are in the files."""
    folder = ROOT / "docs" / "reference"
    yield folder / "cli.md", cli_page()
    yield folder / "settings.md", settings_page()
    yield folder / "metrics.md", metrics_page()
    yield ROOT / "docs" / "llms.txt", llms_text()


def llms_text() -> str:
    """Return the list of pages for language models, in the form of llmstxt.org."""
    site = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
    lines = [f"# {site['site_name']}\n\n> {site['site_description']}\n"]
    for entry in site["nav"]:
        [(title, inside)] = entry.items()
        lines.append(f"\n## {title}\n")
        for page in pages_in(inside):
            text = (ROOT / "docs" / page).read_text(encoding="utf-8")
            heading = re.search(r"^# (.+)$", text, re.MULTILINE)
            first = re.search(r"^# .+\n\n((?:\w.+\n)+)", text, re.MULTILINE)
            about = re.split(r"(?<=[.:])\s", " ".join(first[1].split()))[0].rstrip(":") if first else ""
            lines.append(f"- [{heading[1] if heading else title}]({page})" + (f": {about}" if about else ""))
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def pages_in(navigation: Any) -> Iterator[str]:
    """Yield the paths of the pages in a part of the navigation."""
    if isinstance(navigation, str):
        yield navigation
    else:
        for inside in navigation.values() if isinstance(navigation, dict) else navigation:
            yield from pages_in(inside)


def cli_page() -> str:
    """Return what `--help` says, command by command."""
    parts = [
        f"{WRITTEN}\n# Commands\n\nThe text of `--help`, command by command. `natsgen --help` lists the commands. "
        "See also [exit codes](exit-codes.md) and [JSON documents](json.md).\n"
    ]
    for name in COMMANDS:
        for title, text in helps(load(name), f"natsgen {name}"):
            parts.append(f"## {title}\n\n```text\n{text.strip()}\n```\n")
    return "\n".join(parts)


def helps(command: Any, title: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the help of a command, or of each command of a group."""
    if commands := getattr(command, "commands", None):
        for name, inner in commands.items():
            yield from helps(inner, f"{title} {name}")
    elif not command.hidden:
        settings = {"terminal_width": WIDTH, "max_content_width": WIDTH, "help_option_names": ["-h", "--help"]}
        yield title, command.get_help(command.context_class(command, info_name=title, **settings))


def settings_page() -> str:
    """Return the settings of the core and of each package."""
    text = f"""{WRITTEN}
# Settings

A service reads its settings from the environment and from `.env`, once at start; the environment takes precedence. If
values are invalid, the service prints a line for each and exits with code 2. Names are case-sensitive. An empty value
counts as not set.

A setting marked *secret* can also be given as `<NAME>_FILE`, the path of a file that holds it. In containers, put your
own values in `compose/<service>.env`.

Concurrency, attempts, time limits and backoff belong to a handler: see the
[options of `subscriber`](../guides/handlers.md#options-of-subscriber).
"""
    files = sorted(SOURCE.rglob("*.py"), key=lambda path: (path.name != "config.py", str(path)))
    return text + tables("setting | default | takes | meaning", settings_in, files)


def tables(head: str, rows_in: Callable[[ast.Module], Iterator[tuple[str, ...]]], files: list[Path]) -> str:
    """Return a table for each kind of services that the files are for."""
    rows: dict[str, str] = {}
    for file in files:
        for row in rows_in(ast.parse(file.read_text(encoding="utf-8"))):
            rows[heading(file)] = rows.get(heading(file), "") + f"| {' | '.join(row)} |\n"
    line = "|".join("---" for _ in head.split(" | "))
    return "".join(f"\n## {title}\n\n| {head} |\n|{line}|\n{text}" for title, text in rows.items())


def settings_in(module: ast.Module) -> Iterator[tuple[str, str, str, str]]:
    """Yield the settings that a module declares."""
    for node in module.body:
        if is_settings(node):
            yield from rows_of(node)


def is_settings(node: ast.AST) -> TypeGuard[ast.ClassDef]:
    """Return whether this is a class of settings."""
    return isinstance(node, ast.ClassDef) and [ast.unparse(base) for base in node.bases] == ["ServiceSettings"]


def heading(file: Path) -> str:
    """Return which services have what this file holds."""
    package = file.parent.relative_to(SOURCE).as_posix()
    return (
        NEEDED_BY.get(package, "every service").capitalize().replace("`dedup`", "`DEDUP`").replace("django", "Django")
    )


def rows_of(settings: ast.ClassDef) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, default, accepted values and meaning of each setting of a class."""
    secrets = next((node.value for node in settings.body if assigns(node, "SECRETS")), None)
    secret = ast.literal_eval(secrets) if isinstance(secrets, ast.Tuple) else ()
    for node in settings.body:
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name) or not is_field(node.value):
            continue
        name = node.target.id
        options = {keyword.arg: keyword.value for keyword in node.value.keywords if keyword.arg}
        default = node.value.args[0] if node.value.args else options.get("default", options.get("default_factory"))
        meaning = ast.literal_eval(options["description"])
        takes = accepted(node.annotation, options)
        yield f"`{name}`", shown(default), takes, meaning + (" (*secret*)" if name in secret else "")


def assigns(node: ast.stmt, name: str) -> TypeGuard[ast.AnnAssign]:
    """Return whether a statement gives an annotated name its value."""
    return isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.target.id == name


def is_field(node: ast.expr | None) -> TypeGuard[ast.Call]:
    """Return whether an expression is a call of pydantic's `Field`."""
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Field"


def shown(default: ast.expr | None) -> str:
    """Return a default as a person reads it."""
    if default is None:
        return "required"
    source = ast.unparse(default)
    if source in FROM_THE_SERVICE:
        return FROM_THE_SERVICE[source]
    if isinstance(default, ast.Call):  # SecretStr("...")
        default = default.args[0]
    value = ast.literal_eval(default)
    return "" if value in (None, "") else f"`{str(value).lower() if isinstance(value, bool) else value}`"


def accepted(annotation: ast.expr, options: Mapping[str, ast.expr]) -> str:
    """Return the values that a setting takes."""
    source = ast.unparse(annotation)
    if source.startswith("Annotated[Literal["):
        source = source.removeprefix("Annotated[").partition("]")[0] + "]"
    if source.startswith("Literal["):
        values = ast.literal_eval(source.removeprefix("Literal"))
        return ", ".join(f"`{value}`" for value in values)
    low = next((ast.unparse(options[name]) for name in ("ge", "gt") if name in options), "")
    high = ast.unparse(options["le"]) if "le" in options else ""
    low = f"above {low}" if "gt" in options else low
    kinds = {"int": "integer", "float": "number", "bool": "`true` or `false`", "FilePath": "path of a file"}
    kind = kinds.get(source.removesuffix(" | None"), "text")
    high = {"1024 ** 3": "1 GiB", "31536000": "31,536,000"}.get(high, high)
    limits = f"{low} to {high}" if low and high else f"{low} or more" if low else ""
    return f"{kind}, {limits}" if limits else kind


def metrics_page() -> str:
    """Return the metrics of the core and of each package."""
    text = f"""{WRITTEN}
# Metrics

`/metrics` has these metrics for Prometheus, in addition to those of the Python process and your own
`prometheus_client` metrics. Durations and latencies are in seconds. The [runbook](../production/runbook.md) says what
to alert on.
"""
    files = sorted(SOURCE.rglob("*.py"), key=lambda path: ("infrastructure" not in path.parts, str(path)))
    return text + tables("metric | type | labels | meaning", metrics_in, files)


def metrics_in(module: ast.Module) -> Iterator[tuple[str, str, str, str]]:
    """Yield name, type, labels and meaning of each metric that a module has."""
    known: dict[str, Any] = {}
    for node in ast.walk(module):
        if not isinstance(node, ast.Assign) or not isinstance(node.targets[0], ast.Name):
            continue
        if isinstance(node.value, ast.Call) and is_metric(node.value):
            yield row_of(node.value, known)
        else:
            with suppress(Exception):  # it is not a constant of this module
                known[node.targets[0].id] = value(node.value, known)


def is_metric(call: ast.Call) -> bool:
    """Return whether this makes a metric of prometheus-client."""
    return kind_of(call) in ("counter", "gauge", "histogram") and bool(call.args)


def kind_of(call: ast.Call) -> str:
    """Return the kind of metric that a class of prometheus-client makes."""
    return ast.unparse(call.func).removeprefix("prometheus.").removesuffix("MetricFamily").lower()


def row_of(call: ast.Call, known: Mapping[str, Any]) -> tuple[str, str, str, str]:
    """Return name, type, labels and meaning of a metric."""
    kind = kind_of(call)
    given = [*call.args, *(keyword.value for keyword in call.keywords if keyword.arg == "labels")]
    name, meaning, *labels = [value(one, known) for one in given]
    suffix = "_total" if kind == "counter" else ""
    return f"`{name}{suffix}`", kind, ", ".join(f"`{one}`" for one in (labels[0] if labels else ())), meaning


def value(node: ast.expr, known: Mapping[str, Any]) -> Any:
    """Return the value of an expression of literals and known names."""
    return eval(compile(ast.Expression(node), "metrics", "eval"), {}, dict(known))


if __name__ == "__main__":
    main()
