"""Values on the command line come out as Typer itself converts them, and are refused as it refuses them."""

from __future__ import annotations

import io
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.main import get_command

from natsgen.cli import speed

LINES = (
    [],
    ["name"],
    ["name", "--text", "1.0", "--text", "two"],
    ["name", "--text", ""],
    ["--", "-name"],
    ["name", "--text"],
    ["name", "--many", "a", "--many", ""],
    ["name", "--number", "3"],
    ["name", "--number", "three"],
    ["name", "--number", "0"],
    ["name", "--path", "a/b"],
    ["name", "--flag"],
    ["name", "--flag=1"],
    ["name", "--upper", "text"],
    ["name", "7", "8"],
    ["name", "seven"],
    ["--help"],
)


def command(received: list[Any]) -> Any:
    app = typer.Typer(rich_markup_mode=None, add_completion=False)

    @app.command()
    def take(
        name: Annotated[str, typer.Argument()],
        ids: Annotated[list[int] | None, typer.Argument()] = None,
        text: str | None = None,
        many: list[str] | None = None,
        number: Annotated[int, typer.Option(min=1)] = 100,
        path: Path | None = None,
        flag: Annotated[bool, typer.Option("--flag")] = False,
        upper: Annotated[str | None, typer.Option(callback=lambda text: text and text.upper())] = None,
    ) -> None:
        received.append((name, ids, text, many, number, path, flag, upper))

    return get_command(app)


def outcome(line: list[str], *, as_typed: bool) -> tuple[Any, ...]:
    """What the command got, what was printed, and the error."""
    received: list[Any] = []
    made = command(received)
    if as_typed:
        speed.skip_conversion(made)
    output = io.StringIO()
    try:
        with redirect_stdout(output), redirect_stderr(output):
            made(line, prog_name="take", standalone_mode=False)
    except Exception as error:
        return received, output.getvalue(), type(error).__name__, str(error)
    return received, output.getvalue(), "", ""


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_a_line_means_what_typer_says(line: list[str]) -> None:
    expected = outcome(line, as_typed=False)
    assert outcome(line, as_typed=True) == expected
    assert expected != ([], "", "", "")


def test_inner_commands_are_spared_too(monkeypatch: pytest.MonkeyPatch) -> None:
    app = typer.Typer(rich_markup_mode=None, add_completion=False)
    received: list[str] = []
    app.callback()(lambda: None)
    app.command("inner")(lambda text="": received.append(text))
    made: Any = get_command(app)
    speed.skip_conversion(made)
    convert = "typer.core.build_runtime_param"  # a Typer without it converts by other means
    monkeypatch.setattr(convert, lambda *_: pytest.fail("the value was converted"), raising=False)
    made(["inner", "--text", "a"], prog_name="outer", standalone_mode=False)
    assert received == ["a"]
