"""Jinja sources compiled once a process: else Copier compiles the same hundreds for every file.

Without it, `natsgen new worker` takes 60 % longer, and an update of many services more than that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_MOST = 10_000  # compiled sources that are kept; a template has a few hundred
_compiled: dict[tuple[Any, ...], Any] = {}


@contextmanager
def compiling_once() -> Iterator[None]:
    """While it is open, an equal source in an equally configured Jinja environment is compiled only once.

    What extensions do before they parse is done every time: Copier's `yield` keeps a state there.
    """
    from jinja2 import Environment

    compile_anew: Any = Environment.compile

    def compile_once(
        self: Environment, source: Any, name: Any = None, filename: Any = None, raw: bool = False, late: bool = False
    ) -> Any:
        if raw or late or not isinstance(source, str):
            return compile_anew(self, source, name, filename, raw, late)
        key = (self.lexer, type(self), *sorted(self.extensions), source, name, filename)
        if key in _compiled:
            self.preprocess(source, name, filename)
            return _compiled[key]
        if len(_compiled) >= _MOST:
            _compiled.clear()
        code = compile_anew(self, source, name, filename)
        _compiled[key] = code
        return code

    Environment.compile = compile_once  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        Environment.compile = compile_anew  # type: ignore[method-assign]
