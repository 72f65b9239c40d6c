"""All output of natsgen: results on standard output, everything else on standard error."""

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
ERROR_MAX_LENGTH = 800  # characters; a quoted argument may be longer, and the end of a message says what to do


class StdoutClosed(Exception):
    """Raised when the reader of standard output has closed it, as `head` does."""


def result(text: str) -> None:
    """Print the result of a command to standard output, which can be piped."""
    try:
        print(text, end="" if text.endswith("\n") else "\n", flush=True)
    except OSError as error:
        _give_up_on_standard_output(error)


def dry_run(diff: str, count: int, what_would_be: str, root: Path) -> None:
    """Print the diff of a command that changes nothing, and how to apply it.

    Args:
        diff: the diff from the current workspace to the changed one.
        count: the number of files in it.
        what_would_be: the participle for the files, such as "created".
        root: the workspace, which the diff's paths are relative to.
    """
    result(diff)
    # git silently ignores paths outside the current folder
    elsewhere = "" if root == Path.cwd() else f"; apply the diff with: git -C {shlex.quote(str(root))} apply"
    note(f"{messages.counted(count, 'file')} would be {what_would_be} in {root}; nothing was changed{elsewhere}")


def document(content: Mapping[str, Any]) -> None:
    """Print the one JSON document of `--json`."""
    result(json.dumps(_as_json(content), indent=2))


def _as_json(value: Any) -> Any:
    """Return the value with types that JSON lacks as text: a service's answers may contain any YAML value."""
    if isinstance(value, Mapping):
        return {str(key): _as_json(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple | set | frozenset | Iterator):
        return [_as_json(entry) for entry in value]
    return value if value is None or isinstance(value, str | int | float) else str(value)


def no_services(root: Path) -> str:
    """Return the message for a workspace without services."""
    return f"no services in {root}; create one with natsgen new"


def note(text: str) -> None:
    """Print a note to standard error; a closed standard error is not a failure."""
    _tell("\n".join(map(printable, text.split("\n"))))


def error(text: str) -> None:
    """Print an error as one readable line of limited length."""
    line = printable(text)
    if len(line) > ERROR_MAX_LENGTH:
        half = ERROR_MAX_LENGTH // 2
        line = f"{line[:half]} [...] {line[-half:]}"
    _tell(f"{_in_red(f'{PROGRAM}:')} {line}")


def _tell(text: str) -> None:
    with suppress(OSError):
        print(text, file=sys.stderr, flush=True)


def printable(text: str) -> str:
    """Return text that is safe on a terminal: on one line, with control characters escaped."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield the rows as lines that are safe on a terminal, with aligned columns."""
    plain = [tuple(printable(cell) for cell in row) for row in rows]
    widths = [max(map(len, column)) for column in zip(*plain, strict=True)]
    for row in plain:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def section(title: str, lines: Sequence[str], otherwise: str = "") -> Iterator[str]:
    """Yield an empty line, a title and the lines, safe on a terminal; without lines, `otherwise`, or nothing at all."""
    if lines or otherwise:
        yield ""
        yield title
        yield from (f"  {printable(line)}" for line in lines or [otherwise])


def ask(question: str, default: str, reason: str) -> str:
    """Prompt on the terminal.

    Args:
        question: the question.
        default: the answer if the user only presses Enter.
        reason: the explanation above the question.

    Raises:
        EOFError: the user closed the input (Ctrl-D).
    """
    # Neither input() nor typer.prompt(): both print part of the prompt to standard output, which is for the result.
    print(f"{reason}\n{question} [{default}]: ", end="", file=sys.stderr, flush=True)
    line = sys.stdin.readline()
    if not line:
        note("")
        raise EOFError
    return line.strip() or default


def confirm(question: str, reason: str = "") -> bool:
    """Prompt on the terminal, and return whether the user agrees; closing the input does not."""
    try:
        return ask(question, "no", reason).lower() in ("y", "yes")
    except EOFError:
        return False


def allow_questions(allowed: bool) -> None:
    """Set whether prompts are allowed."""
    global _may_ask
    _may_ask = allowed


def can_ask() -> bool:
    """Return whether prompts are allowed and the process has a terminal."""
    return _may_ask and _is_terminal(sys.stdin) and _is_terminal(sys.stderr)


def can_animate() -> bool:
    """Return whether standard error is a terminal on which lines can be redrawn."""
    return _is_terminal(sys.stderr) and os.environ.get("TERM") != "dumb"


def is_shown() -> bool:
    """Return whether the result goes to a terminal, which interprets control characters."""
    return _is_terminal(sys.stdout)


def result_bytes(content: bytes) -> None:
    """Write bytes to standard output unchanged."""
    try:
        sys.stdout.flush()
        sys.stdout.buffer.write(content)
        sys.stdout.buffer.flush()
    except OSError as error:
        _give_up_on_standard_output(error)


def escape_unencodable() -> None:
    """Print characters that the terminal's encoding lacks as escapes instead of failing; paths may contain any."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def _give_up_on_standard_output(error: OSError) -> NoReturn:
    # Flushing the rest of the buffer must not fail again when the process ends.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    if isinstance(error, BrokenPipeError):
        raise StdoutClosed from error
    raise OSError(error.errno, error.strerror, "standard output") from error


def _in_red(text: str) -> str:
    return f"\x1b[1;31m{text}\x1b[0m" if can_animate() and not os.environ.get("NO_COLOR") else text


def _is_terminal(stream: TextIO | None) -> bool:
    """Return whether a stream is a terminal; a standard stream is None if the process was started without it."""
    return stream is not None and stream.isatty()
