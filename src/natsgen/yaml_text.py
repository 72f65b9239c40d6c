"""YAML that people write: what it holds, or one kind of error for all that PyYAML can raise."""

from __future__ import annotations

from typing import Any


def load(text: str) -> Any:
    """The content of a YAML document.

    Raises:
        ValueError: it is no YAML, or holds a value that cannot be, such as `!!int y` or the 30th of February.
    """
    import yaml

    try:
        # not libyaml's loader: deep nesting kills the process in it
        content = yaml.safe_load(text)
        repr(content)  # numbers of thousands of digits can be read and not be shown
    except (yaml.YAMLError, ValueError, KeyError, AttributeError, TypeError, RecursionError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    return content
