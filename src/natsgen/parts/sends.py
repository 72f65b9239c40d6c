"""Finds the calls in source that send: they publish, call an action, or enqueue a task."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from natsgen.parts import source

PUBLISHES, CALLS, ENQUEUES = "publishes", "calls", "enqueues"

TOOLKIT_PUBLISHERS = ("publisher", "Publisher")  # the names whose calls declare a publisher

_VERBS = {
    **dict.fromkeys(("publish", "publish_to_stream", *TOOLKIT_PUBLISHERS, "publishes", "Outgoing"), PUBLISHES),
    **dict.fromkeys(("call", "request"), CALLS),
    "enqueue": ENQUEUES,
}


@dataclass(frozen=True)
class Sent:
    """A call that sends, or that declares what is sent.

    Attributes:
        verb: `PUBLISHES`, `CALLS` or `ENQUEUES`.
        subject: the expression of the subject; of the task, for `ENQUEUES`.
        call: the call.
    """

    verb: str
    subject: ast.expr
    call: ast.Call

    @property
    def is_core(self) -> bool:
        """Return whether it is sent with core NATS, over `nats` of `src.requests.nats`."""
        return isinstance(self.call.func, ast.Attribute) and ast.unparse(self.call.func.value) == "nats"

    @property
    def is_declared(self) -> bool:
        """Return whether it is one of `publishes=[...]`."""
        return self.subject not in self.call.args and source.called_name(self.call) not in _VERBS


def sent_in(tree: ast.AST) -> Iterator[Sent]:
    """Yield what the calls in a tree send, and what `publishes=[...]` declares."""
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        verb = _VERBS.get(source.called_name(call), "")
        keywords = {keyword.arg: keyword.value for keyword in call.keywords}
        if verb == ENQUEUES and isinstance(call.func, ast.Attribute):
            yield Sent(verb, call.func.value, call)
        elif verb and (subject := call.args[0] if call.args else keywords.get("subject")):
            sent = Sent(verb, subject, call)
            # other objects have a `call` and a `request` as well
            if verb != CALLS or sent.is_core or (source.called_name(call) == "call" and _is_subject(subject)):
                yield sent
        if declared := keywords.get("publishes"):
            subjects = declared.elts if isinstance(declared, ast.List | ast.Tuple) else [declared]
            yield from (Sent(PUBLISHES, subject, call) for subject in subjects)


def _is_subject(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and "." in str(node.value)
