"""Text on the command line is taken as it was typed, without the library that Typer converts values with.

Typer (0.29) makes a pydantic adapter for every parameter, given or not, and importing pydantic takes longer than all
the rest of `natsgen list`. Most values here are text or left out, and need no conversion.
"""

from __future__ import annotations

from typing import Any


def take_as_typed(command: Any) -> None:
    """Spares a command that Typer built, and the commands in it, the conversion of values that need none."""
    parameters_of = command.get_params  # and not `params`: --help comes only here

    def parameters(context: Any) -> list[Any]:
        found: list[Any] = parameters_of(context)
        for parameter in found:
            if not isinstance(parameter.process_value, _AsTyped):
                parameter.process_value = _AsTyped(parameter)
        return found

    command.get_params = parameters
    for inner in getattr(command, "commands", {}).values():
        take_as_typed(inner)


class _AsTyped:
    """Stands in for a parameter's own `process_value`, which still does what is to be converted or refused."""

    def __init__(self, parameter: Any) -> None:
        self._parameter = parameter
        self._process_value = parameter.process_value
        # A Typer whose parameters lack this has other means to convert, which need no pydantic.
        descriptor = getattr(parameter, "type_descriptor", None)
        self._takes_text = getattr(descriptor, "annotation", None) is str

    def __call__(self, context: Any, value: Any) -> Any:
        parameter = self._parameter
        is_left_out = value is None and not parameter.required
        if not is_left_out and not (self._takes_text and isinstance(value, str)):
            return self._process_value(context, value)
        return value if parameter.callback is None else parameter.callback(context, parameter, value)
