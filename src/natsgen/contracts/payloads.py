"""Finds in source the type of what a call sends."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from natsgen.contracts.models import Type
from natsgen.contracts.modules import Modules
from natsgen.parts import sends, source
from natsgen.parts.source import Function

_DEPTH = 10  # expressions that another expression leads to


@dataclass(frozen=True)
class Payloads:
    """The payloads of one service.

    Attributes:
        modules: the service's modules.
    """

    modules: Modules

    def of_call(self, module: str, call: ast.Call, function: Function | None) -> Type | None:
        """Return the type of what a call sends."""
        name = source.called_name(call)
        if name in sends.TOOLKIT_PUBLISHERS:
            return typed(module, argument(call, 9, "model"))
        if name == "publishes":
            return typed(module, function.returns if function else None)
        first = 0 if name == "enqueue" and isinstance(call.func, ast.Attribute) else 1
        data = argument(call, first, "data", "payload")
        return self._type(module, data, function) if data else None

    def _type(self, module: str, node: ast.expr, function: Function | None, depth: int = 0) -> Type | None:
        """Return the type of an expression in a function, as far as the source tells."""
        if depth > _DEPTH:
            return None
        match node:
            case ast.Await(value=value):
                return self._type(module, value, function, depth + 1)
            case ast.Constant(value=str() | bytes() as value):
                return Type(module, ast.Name(type(value).__name__))
            case ast.Name(id=name) if function:
                for one in function.args.args:
                    if one.arg == name:
                        return typed(module, one.annotation)
                for statement in ast.walk(function):
                    match statement:
                        case ast.AnnAssign(target=ast.Name(id=own), annotation=annotation) if own == name:
                            return typed(module, annotation)
                        case ast.Assign(targets=[ast.Name(id=own)], value=value) if own == name:
                            return self._type(module, value, function, depth + 1)
            case ast.Call(func=called):
                return self._result(module, node, called, function, depth)
        return None

    def _result(
        self, module: str, call: ast.Call, called: ast.expr, function: Function | None, depth: int
    ) -> Type | None:
        """Return the type of what a call returns: a model, an envelope around one, or what an annotation says."""
        name = source.called_name(call)
        if isinstance(called, ast.Attribute):
            if name in ("model_validate", "model_validate_json", "model_construct"):
                return Type(module, called.value)
            if name in ("model_copy", "binary"):
                return self._type(module, called.value, function, depth + 1)
            if name == "new":
                return self._envelope(module, call, called.value, function, depth)
        if name == "read" and len(call.args) == 2:  # of a gateway with Django
            return Type(module, call.args[1])
        match self.modules.resolve(module, called.value if isinstance(called, ast.Subscript) else called):
            case (_, ast.ClassDef()):
                return Type(module, called)
            case (where, ast.FunctionDef() | ast.AsyncFunctionDef() as other):
                return typed(where, other.returns)
        return None

    def _envelope(
        self, module: str, call: ast.Call, envelope: ast.expr, function: Function | None, depth: int
    ) -> Type | None:
        match self.modules.resolve(module, envelope):
            case (_, ast.ClassDef(body=body)):
                new = next((one for one in body if isinstance(one, ast.FunctionDef) and one.name == "new"), None)
                names = [one.arg for one in new.args.args] if new else []
                if "data" in names:
                    data = argument(call, names.index("data") - 1, "data")
                    inner = self._type(module, data, function, depth + 1) if data else None
                    is_here = inner is not None and inner.module == module
                    return Type(module, ast.Subscript(envelope, inner.node if inner and is_here else ast.Name("Any")))
        return Type(module, envelope) if isinstance(envelope, ast.Subscript) else None


def typed(module: str, annotation: ast.expr | None) -> Type | None:
    """Return an annotation without `Annotated` and `None`, which a publisher returns to send nothing."""
    match annotation:
        case None | ast.Constant(value=None):
            return None
        case ast.Subscript(value=ast.Name(id="Annotated"), slice=ast.Tuple(elts=[inner, *_])):
            return typed(module, inner)
        case ast.BinOp(op=ast.BitOr(), left=left, right=ast.Constant(value=None)):
            return typed(module, left)
    return Type(module, annotation)


def argument(call: ast.Call, position: int, *names: str) -> ast.expr | None:
    """Return an argument of a call, by its position or one of its names."""
    if position < len(call.args):
        return call.args[position]
    return next((keyword.value for keyword in call.keywords if keyword.arg in names), None)
