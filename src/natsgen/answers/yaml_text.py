"""YAML that people write: what it holds, or one kind of error for all that PyYAML can raise."""

from __future__ import annotations

from typing import Any

_MOST_VALUES = 200_000  # a value that aliases name again counts again
_NESTED_IN_ITSELF = -1


def load(text: str) -> Any:
    """Return the content of a YAML document.

    Raises:
        ValueError: it is no YAML, or holds a value that cannot be, such as `!!int y` or the 30th of February, or more
            values than there can be answers.
    """
    import yaml

    try:
        # not libyaml's loader: deep nesting kills the process in it
        content = yaml.safe_load(text)
        if not 0 <= _count(content, {}) <= _MOST_VALUES:
            raise ValueError("its aliases make it endless, or hold too many values")
    except (yaml.YAMLError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    return content


def _count(value: Any, known: dict[int, int]) -> int:
    """Return how many values there are with all that aliases name again, found without making them."""
    if not isinstance(value, dict | list | set | tuple):
        str(value)  # numbers of thousands of digits can be read and not be shown
        return 1
    if id(value) not in known:
        known[id(value)] = _NESTED_IN_ITSELF
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        counts = [_count(part, known) for part in parts]
        known[id(value)] = _NESTED_IN_ITSELF if _NESTED_IN_ITSELF in counts else 1 + sum(counts)
    return known[id(value)]
