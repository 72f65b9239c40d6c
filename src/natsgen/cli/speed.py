"""What makes commands start and end sooner: each is worth more than a tenth of a command's time.

Without `take_as_typed`, `natsgen list` takes 60 % longer and `add-handler` 30 %: Typer (0.29) makes a pydantic adapter
for every parameter, given or not, and imports pydantic for it. Most values here are text or left out, and need no
conversion. Without `search_less`, `natsgen new worker` takes 20 % longer and `list` 13 %.
"""

from __future__ import annotations

import atexit
import gc
from typing import Any

THRESHOLD = 50_000
"""New objects between two searches. Python's own 700 is for ever reached while modules are imported, in vain."""


def search_less() -> None:
    """Search seldom while the command runs, and not at all when the process ends.

    The last search goes through all that was ever imported, to free it one by one. It takes a sixth of the time of
    `natsgen new worker`, and the system frees the memory anyway.
    """
    gc.set_threshold(THRESHOLD)
    atexit.register(gc.freeze)


def take_as_typed(command: Any) -> None:
    """Spare a command that Typer built, and the commands in it, the conversion of values that need none."""
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
