"""The command line: runs a command, reports its errors, and returns its exit code."""

from __future__ import annotations

import io
import os
import signal
import sys
import threading
import traceback
from collections.abc import Sequence
from contextlib import redirect_stderr, suppress
from typing import Annotated

import typer
from typer.main import get_command

from natsgen import __version__
from natsgen.cli import commands, completion, consent, output, speed
from natsgen.errors import DONE, FAILED, INTERRUPTED, WRONG_INPUT, NatsgenError, UntrustedTemplateError

TRACEBACK_VARIABLE = "NATSGEN_TRACEBACK"
TRUST = "--trust-template"
NO_INPUT = "--no-input"

# Typer exports only this class of Click's errors, not its base, and the location of Click depends on Typer's version.
_CLICK_ERROR: type[Exception] = typer.BadParameter.__mro__[2]

app = typer.Typer(
    name=output.PROGRAM,
    cls=commands.Commands,
    rich_markup_mode=None,  # importing Rich would take longer than the rest of --help
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command without raising an exception.

    Args:
        arguments: the arguments after `natsgen`; None for the process's own.

    Returns:
        The exit code: 0 done, 1 failed, 2 invalid usage or input, 130 interrupted.
    """
    speed.collect_less()
    arguments = sys.argv[1:] if arguments is None else list(arguments)
    output.escape_unencodable()
    if completion.is_wanted():
        return _complete(arguments)
    _let_signals_interrupt()
    anywhere = {one for one in _options(arguments) if one in (TRUST, NO_INPUT)}
    arguments = [one for one in arguments if one not in anywhere]
    output.allow_questions(NO_INPUT not in anywhere)
    try:
        _run_with_consent(arguments, trusted=TRUST in anywhere)
    except output.StdoutClosed:
        return DONE
    except BaseException as error:  # the one place that decides how a command ends
        return _report(error, as_json="--json" in _options(arguments))  # the parsed options may not exist
    return DONE


@app.callback(invoke_without_command=True)
def natsgen(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Show the version and exit.")] = False,
    trust_template: Annotated[
        bool,
        typer.Option(TRUST, help="Trust the workspace's template permanently (any command)."),
    ] = False,
    no_input: Annotated[
        bool, typer.Option(NO_INPUT, help="Never prompt; fail if something is missing (any command).")
    ] = False,
) -> None:
    """Create NATS services in your monorepo, and keep them up to date.

    \b
    Start in the root of your repository or in an empty folder:
      natsgen new worker billing --subject orders.order.created
      natsgen new service greeter --action greet
      natsgen new gateway api --framework fastapi
      natsgen new publisher beat --subject events.test
      natsgen new subscriber ear --subject events.test

    \b
    Exit codes:
      0 done, 1 failed, or a check found something, 2 invalid usage or input,
      130 interrupted
    """
    if version:
        output.result(f"{output.PROGRAM} {__version__}")
    elif context.invoked_subcommand is None:
        commands.show_help(context)


def _run(arguments: Sequence[str]) -> None:
    command = get_command(app)
    speed.skip_conversion(command)
    code = command(arguments, prog_name=output.PROGRAM, standalone_mode=False)
    if code == INTERRUPTED:
        raise KeyboardInterrupt  # newer versions of Typer return a code instead
    if code:
        raise SystemExit(code)


def _run_with_consent(arguments: Sequence[str], *, trusted: bool) -> None:
    """Run one command; if it needs a template that is not accepted, ask for consent and run it again."""
    while True:
        try:
            _run(arguments)
            return
        except UntrustedTemplateError as error:
            if not consent.is_given(error, trusted=trusted):
                raise


def _complete(arguments: Sequence[str]) -> int:
    """Complete a shell's command line, and print no errors, because the user is still typing."""
    with suppress(BaseException), redirect_stderr(io.StringIO()):
        _run(arguments)
    return DONE


def _report(error: BaseException, *, as_json: bool) -> int:
    """Report why a command failed, and return its exit code."""
    code, kind, message = _ending(error)
    if message:
        output.error(message)
        if as_json:
            with suppress(output.StdoutClosed, OSError):  # it is on standard error as well
                output.document({"error": {"type": kind, "message": message, "exit_code": code}})
    return code


def _ending(error: BaseException) -> tuple[int, str, str]:
    """Return the exit code, the kind of error and the message for an exception."""
    kind = type(error).__name__
    if isinstance(error, NatsgenError):
        return error.exit_code, kind, str(error)
    if isinstance(error, _CLICK_ERROR):
        return WRONG_INPUT, "UsageError", _usage_message(error)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return INTERRUPTED, "Interrupted", "interrupted"
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else DONE, kind, ""
    if isinstance(error, OSError):
        where = f": {error.filename}" if error.filename else ""
        return FAILED, "OSError", f"{error.strerror or error}{where}"
    if os.environ.get(TRACEBACK_VARIABLE):
        output.note("".join(traceback.format_exception(error)).rstrip())
    hint = f"(set {TRACEBACK_VARIABLE}=1 to see where)"
    return FAILED, "Bug", f"this is a bug in natsgen, please report it: {kind}: {error} {hint}"


def _usage_message(error: Exception) -> str:
    context = getattr(error, "ctx", None)
    in_full = getattr(error, "format_message", None)  # includes the option or argument, unlike the message
    message = " ".join(str(in_full() if in_full else error).split()).rstrip(".")
    return f"{message} (see {context.command_path if context else output.PROGRAM} --help)"


def _options(arguments: Sequence[str]) -> Sequence[str]:
    return arguments[: arguments.index("--")] if "--" in arguments else arguments


def _let_signals_interrupt() -> None:
    """Handle SIGTERM and SIGHUP like Ctrl-C, so that an unfinished change is undone."""
    if threading.current_thread() is threading.main_thread():
        for number in (signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is signal.SIG_DFL:  # nohup ignores SIGHUP; keep that
                signal.signal(number, signal.default_int_handler)
