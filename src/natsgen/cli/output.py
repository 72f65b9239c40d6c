"""All that natsgen says: results on standard output, everything else on standard error."""

from __future__ import annotations

import json
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from io import TextIOWrapper
from pathlib import Path
from typing import Any, NoReturn, TextIO

from natsgen import messages

PROGRAM = "natsgen"
_may_ask = True  # unless --no-input is given
ERROR_MAX_LENGTH = 800  # characters; somebody's argument may be longer, and what to do stands at the end


class ReaderGone(Exception):
    """Whoever read standard output has seen enough and closed it, as `head` does."""


def result(text: str) -> None:
    """Print what was asked for, and nothing else, so that it can be piped."""
    try:
        print(text, end="" if text.endswith("\n") else "\n", flush=True)
    except OSError as error:
        _give_up_on_standard_output(error)


def dry_run(diff: str, count: int, what_would_be: str, root: Path) -> None:
    """Print the diff of a command that changes nothing, and how to apply it.

    Args:
        diff: from the workspace as it is to as it would be.
        count: how many files are in it.
        what_would_be: what would be done to them, such as "made".
        root: the workspace, to which the diff's paths are relative.
    """
    result(diff)
    # git ignores, without a word, what lies outside of the folder that it is called in
    elsewhere = "" if root == Path.cwd() else f"; apply the diff with: git -C {shlex.quote(str(root))} apply"
    note(f"{messages.counted(count, 'file')} would be {what_would_be} in {root}; nothing was changed{elsewhere}")


def document(content: Mapping[str, Any]) -> None:
    """Print the one JSON document of `--json`."""
    result(json.dumps(_as_json(content), indent=2))


def _as_json(value: Any) -> Any:
    """Return the value with what JSON lacks as text: the answers of a service may hold whatever YAML can say."""
    if isinstance(value, Mapping):
        return {str(key): _as_json(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_as_json(entry) for entry in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)


def no_services(root: Path) -> str:
    """Return the message for a workspace without services."""
    return f"no services in {root}; create one with natsgen new"


def note(text: str) -> None:
    """Tell the person something beside the result; that nobody listens never stops the work."""
    _tell("\n".join(map(printable, text.split("\n"))))


def error(text: str) -> None:
    """Say what is wrong, on one line that can be read, whatever the text quotes."""
    line = printable(text)
    if len(line) > ERROR_MAX_LENGTH:
        half = ERROR_MAX_LENGTH // 2
        line = f"{line[:half]} [...] {line[-half:]}"
    _tell(f"{_in_red(f'{PROGRAM}:')} {line}")


def _tell(text: str) -> None:
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Return text as it may stand on a terminal: on one line, control characters escaped."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield the rows as lines that may stand on a terminal, each column as wide as it must be."""
    plain = [tuple(printable(cell) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*plain, strict=True)]
    for row in plain:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def section(title: str, lines: Sequence[str], otherwise: str = "") -> Iterator[str]:
    """Yield an empty line, a title and lines that may stand on a terminal; or another line, or nothing, for none."""
    if lines or otherwise:
        yield ""
        yield title
        yield from (f"  {printable(line)}" for line in lines or [otherwise])


def ask(question: str, default: str, reason: str) -> str:
    """Ask the person on the terminal.

    Args:
        question: what is asked.
        default: the answer of just pressing Enter.
        reason: what the answer is for.

    Raises:
        EOFError: the person closed the input (Ctrl-D) instead.
    """
    # Not input() and not typer.prompt(): both print a part of the prompt on standard output, which is for the result.
    print(f"{reason}\n{question} [{default}]: ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        note("")
        raise EOFError
    return line.strip() or default


def allow_questions(allowed: bool) -> None:
    """Decide whether `can_ask` may say yes."""
    global _may_ask
    _may_ask = allowed


def can_ask() -> bool:
    """Return whether there is a person to answer, and questions are allowed."""
    return _may_ask and _is_terminal(sys.stdin) and _is_terminal(sys.stderr)


def can_animate() -> bool:
    """Return whether standard error is a terminal on which lines can be drawn anew."""
    return _is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"


def is_shown() -> bool:
    """Return whether the result goes to a terminal, which obeys the control characters in it."""
    return _is_terminal(sys.stdout)


def result_bytes(content: bytes) -> None:
    """Write what was asked for to standard output as it is, byte for byte."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except OSError as error:
        _give_up_on_standard_output(error)


def take_any_character() -> None:
    """Print what the terminal's encoding lacks as escapes instead of failing: a path may hold anything."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _give_up_on_standard_output(error: OSError) -> NoReturn:
    # What is left in the buffer must not fail again when the process ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        raise ReaderGone from error
    raise OSError(error.errno, error.strerror, "standard output") from error


def _in_red(text: str) -> str:
    coloured = _is_terminal(sys.stderr) and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    return f"\x1b[1;31m{text}\x1b[0m" if coloured else text


def _is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal; a standard one is None where the process was started without it."""
    return stream is not None and stream.isatty()
