"""Parses untrusted YAML, with one kind of error for everything that PyYAML can raise."""

from __future__ import annotations

from typing import Any

_MOST_VALUES = 200_000  # a value counts again for each alias
_NESTED_IN_ITSELF = -1


def load(text: str) -> Any:
    """Return the content of a YAML document.

    Raises:
        ValueError: the text is not valid YAML, contains an impossible value such as `!!int y` or 30 February, or
            contains too many values.
    """
    import yaml

    try:
        # not libyaml's loader, which deep nesting crashes
        content = yaml.safe_load(text)
        if not 0 <= _count(content, {}) <= _MOST_VALUES:
            raise ValueError("its aliases make it endless, or it contains too many values")
    except (yaml.YAMLError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    return content


def _count(value: Any, known: dict[int, int]) -> int:
    """Return the number of values with all aliases expanded, without expanding them."""
    if not isinstance(value, dict | list | set | tuple):
        str(value)  # fails for numbers of thousands of digits, which can be parsed but not printed
        return 1
    if id(value) not in known:
        known[id(value)] = _NESTED_IN_ITSELF
        parts = [*value, *value.values()] if isinstance(value, dict) else value
        counts = [_count(part, known) for part in parts]
        known[id(value)] = _NESTED_IN_ITSELF if _NESTED_IN_ITSELF in counts else 1 + sum(counts)
    return known[id(value)]
