"""Creates JSON schemas of annotations from source, as far as the source alone tells."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from natsgen.contracts.modules import Modules

Schema = dict[str, Any]

_STEPS = 2_000  # annotations that one schema may consist of
_TEXT = {
    **dict.fromkeys(("datetime", "AwareDatetime", "NaiveDatetime", "PastDatetime", "FutureDatetime"), "date-time"),
    **dict.fromkeys(("UUID", "UUID1", "UUID3", "UUID4", "UUID5", "UUID7"), "uuid"),
    **dict.fromkeys(("AnyUrl", "HttpUrl", "AnyHttpUrl"), "uri"),
    **{"date": "date", "time": "time", "timedelta": "duration", "bytes": "binary", "EmailStr": "email", "Path": "path"},
}
_PLAIN: Mapping[str, Schema] = {
    **{name: {"type": "string", "format": form} for name, form in _TEXT.items()},
    **{"str": {"type": "string"}, "int": {"type": "integer"}, "float": {"type": "number"}, "bool": {"type": "boolean"}},
    **{name: {} for name in ("Any", "object")},
}
_SETS = ("set", "Set", "frozenset", "FrozenSet")
_LISTS = ("list", "List", "Sequence", "Iterable", "Collection", "tuple", "Tuple", *_SETS)
_TUPLES = ("tuple", "Tuple")
_MAPPINGS = ("dict", "Dict", "Mapping", "MutableMapping")
_OF_NUMBERS = {
    **{"ge": "minimum", "gt": "exclusiveMinimum", "le": "maximum", "lt": "exclusiveMaximum"},
    "multiple_of": "multipleOf",
}
_LIMITS = {
    **dict.fromkeys(("integer", "number"), _OF_NUMBERS),
    "string": {"min_length": "minLength", "max_length": "maxLength", "pattern": "pattern"},
    "array": {"min_length": "minItems", "max_length": "maxItems"},
    "object": {"min_length": "minProperties", "max_length": "maxProperties"},
}
"""The arguments of `Field(...)` that limit values, by the type of the values, with their keywords."""

_NAMES = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
_ENUMS = {"Enum", "StrEnum", "IntEnum"}
_NO_FIELDS = {"BaseModel", "Generic", "TypedDict", "ABC", "Protocol", "object"}
"""Classes outside of the service from which a model inherits no fields."""


@dataclass(frozen=True)
class Type:
    """An annotation in the source.

    Attributes:
        module: the module that its names belong to.
        node: the annotation.
    """

    module: str
    node: ast.expr

    @property
    def text(self) -> str:
        """Return it as it is written."""
        return ast.unparse(self.node)


class _TooLarge(Exception):
    """Raised when a schema has more than `_STEPS` annotations."""


@dataclass
class SchemaReader:
    """Creates schemas for one service.

    Attributes:
        modules: the service's modules.
        unread: what could not be read, each once: the module and the expression.
    """

    modules: Modules
    unread: dict[str, None] = field(default_factory=dict)
    _definitions: dict[str, Schema] = field(default_factory=dict)
    _classes: dict[str, ast.ClassDef] = field(default_factory=dict)
    _sends: bool = False
    _steps: int = 0

    def schema(self, one: Type, *, sends: bool) -> Schema:
        """Return the schema of an annotation, with its models in `$defs`.

        Args:
            one: the annotation.
            sends: whether the service sends it; fields with a default value are then always there.
        """
        self._definitions, self._classes, self._sends, self._steps = {}, {}, sends, 0
        text = one.text
        try:
            found = self._of(one.module, one.node, {})
        except (_TooLarge, RecursionError):
            self.unread[f"{one.module}: {text}, which is too large"] = None
            return {}
        return {**found, "$defs": self._definitions} if self._definitions else found

    def _of(self, module: str, node: ast.expr, known: Mapping[str, Schema]) -> Schema:
        self._step()
        match node:
            case ast.Constant(value=None):
                return {"type": "null"}
            case ast.Constant(value=str(text)):
                try:
                    return self._of(module, ast.parse(text, mode="eval").body, known)
                except SyntaxError:
                    return self._unknown(module, node)
            case ast.BinOp(op=ast.BitOr(), left=left, right=right):
                return _any_of([self._of(module, one, known) for one in (left, right)])
            case ast.Subscript(value=value, slice=inner):
                return self._generic(module, value, inner.elts if isinstance(inner, ast.Tuple) else [inner], known)
            case ast.Name(id=name) if name in known:
                return known[name]
            case ast.Name() | ast.Attribute():
                return self._named(module, node, known)
        return self._unknown(module, node)

    def _step(self) -> None:
        self._steps += 1
        if self._steps > _STEPS:
            raise _TooLarge

    def _named(self, module: str, node: ast.Name | ast.Attribute, known: Mapping[str, Schema]) -> Schema:
        match self.modules.resolve(module, node):
            case (where, ast.ClassDef() as one):
                return self._class(where, one, [])
            case (_, ast.Call(func=ast.Name(id="TypeVar"))):
                return {}
            case (where, ast.Call(func=ast.Name(id="NewType"), args=[_, inner])):
                return self._of(where, inner, {})
            case (where, ast.expr() as alias):
                return self._of(where, alias, {})
        name = self._outside(module, node)
        if name == "Decimal":
            numbers = [] if self._sends else [{"type": "number"}]
            return _any_of([*numbers, {"type": "string"}])
        if name in _PLAIN:
            return dict(_PLAIN[name])
        if name in _LISTS:
            return {"type": "array", "items": {}}
        return {"type": "object"} if name in _MAPPINGS else self._unknown(module, node)

    def _outside(self, module: str, node: ast.expr) -> str:
        """Return the name of something that the service does not define itself, as its module calls it."""
        found = self.modules.resolve(module, node)
        if found and isinstance(found[1], str):
            return found[1]
        return node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")

    def _generic(self, module: str, value: ast.expr, inner: list[ast.expr], known: Mapping[str, Schema]) -> Schema:
        found = self.modules.resolve(module, value)
        if found and isinstance(found[1], ast.ClassDef):
            return self._class(found[0], found[1], [(ast.unparse(one), self._of(module, one, known)) for one in inner])
        name = self._outside(module, value)
        if name == "Literal":
            return self._values(module, inner)
        if not inner:
            return self._unknown(module, value)
        if name == "Annotated":
            limits = {name: one for each in inner[1:] for name, one in _keywords(each).items()}
            return self._limited(module, self._of(module, inner[0], known), limits)
        if name in _TUPLES and getattr(inner[-1], "value", None) is not ...:
            items = [self._of(module, one, known) for one in inner]
            return {"type": "array", "prefixItems": items, "minItems": len(items), "maxItems": len(items)}
        if name in ("Optional", "Union"):
            null = [{"type": "null"}] if name == "Optional" else []
            return _any_of([*(self._of(module, one, known) for one in inner), *null])
        if name in _LISTS:
            unique = {"uniqueItems": True} if name in _SETS else {}
            return {"type": "array", "items": self._of(module, inner[0], known), **unique}
        if name in _MAPPINGS:
            return {"type": "object", "additionalProperties": self._of(module, inner[-1], known) or True}
        return self._unknown(module, value)

    def _class(self, module: str, node: ast.ClassDef, arguments: list[tuple[str, Schema]]) -> Schema:
        name = "_".join([node.name, *(text for text, _ in arguments), *([""] if arguments else [])])
        name = re.sub(r"\W", "_", name)
        while self._classes.setdefault(name, node) is not node:
            name += "_"  # as another module has a class of that name
        if name not in self._definitions:
            self._definitions[name] = {}
            known = dict(zip(_parameters(node), (schema for _, schema in arguments), strict=False))
            self._definitions[name].update({"title": name, **self._model(module, node, known)})
        return {"$ref": f"#/$defs/{name}"}

    def _model(self, module: str, node: ast.ClassDef, known: Mapping[str, Schema]) -> Schema:
        bases = [base.value if isinstance(base, ast.Subscript) else base for base in node.bases]
        if _ENUMS & {self._outside(module, base) for base in bases}:
            return self._values(module, [one.value for one in node.body if isinstance(one, ast.Assign)])
        model: Schema = {"type": "object", "properties": {}, "required": []}
        settings: dict[str, ast.expr] = {}
        for where, one, names in reversed([*self._lineage(module, node, known)]):
            if one is None:
                return {}  # it inherits fields that are not known
            settings.update(_settings(one))
            for name, annotated in _fields(one, sends=self._sends):
                self._add_field(model, where, annotated, name, settings, names)
        extra = getattr(settings.get("extra"), "value", None)
        return {**model, "additionalProperties": extra == "allow"} if extra in ("allow", "forbid") else model

    def _lineage(
        self, module: str, node: ast.ClassDef, known: Mapping[str, Schema]
    ) -> Iterator[tuple[str, ast.ClassDef | None, Mapping[str, Schema]]]:
        """Yield a class and its bases, each with the schemas of its type variables; None for an unknown base."""
        self._step()
        yield module, node, known
        for base in node.bases:
            inner = base.slice if isinstance(base, ast.Subscript) else ast.Tuple([])
            name = base.value if isinstance(base, ast.Subscript) else base
            match self.modules.resolve(module, name):
                case (where, ast.ClassDef() as parent):
                    given = inner.elts if isinstance(inner, ast.Tuple) else [inner]
                    schemas = [self._of(module, one, known) for one in given]
                    yield from self._lineage(where, parent, dict(zip(_parameters(parent), schemas, strict=False)))
                case _ if self._outside(module, name) not in _NO_FIELDS:
                    self._unknown(module, name)
                    yield module, None, {}

    def _add_field(
        self,
        model: Schema,
        module: str,
        node: ast.AnnAssign,
        name: str,
        settings: Mapping[str, ast.expr],
        known: Mapping[str, Schema],
    ) -> None:
        if name.startswith("_") or name == "model_config" or "ClassVar" in ast.unparse(node.annotation):
            return
        options = _options(node)
        if self._sends and getattr(options.get("exclude"), "value", None) is True:
            return
        alias = options.get("serialization_alias" if self._sends else "validation_alias") or options.get("alias")
        if isinstance(alias, ast.Call) and alias.args:
            alias = alias.args[0]  # the first of AliasChoices
        wire = str(alias.value) if isinstance(alias, ast.Constant) else self._generated(module, name, settings)
        model["properties"][wire] = self._limited(module, self._of(module, node.annotation, known), options)
        if wire in model["required"]:
            model["required"].remove(wire)  # of a field that a base class has as well
        if self._sends or not options.keys() & {"default", "default_factory"}:
            model["required"].append(wire)

    def _generated(self, module: str, name: str, settings: Mapping[str, ast.expr]) -> str:
        generator = settings.get("alias_generator")
        if generator is None:
            return name
        if self._outside(module, generator) == "to_camel":
            first, *rest = name.split("_")
            return first + "".join(word.capitalize() for word in rest)
        self._unknown(module, generator)
        return name

    def _values(self, module: str, nodes: list[ast.expr]) -> Schema:
        """Return the schema of literals and members of enumerations."""
        values = []
        for node in nodes:
            values.append(self._value(module, node))
            if type(values[-1]) not in _NAMES:
                return self._unknown(module, node)
        kinds = {_NAMES[type(value)] for value in values}
        kind = {"type": kinds.pop()} if len(kinds) == 1 else {}
        return {**kind, "const": values[0]} if len(values) == 1 else {**kind, "enum": values}

    def _value(self, module: str, node: ast.expr) -> Any:
        """Return the value of a literal, a constant, or a member of an enumeration; `...` if it is unknown."""
        match self.modules.resolve(module, node):
            case (_, ast.expr() as member):
                node = member
        try:
            return ast.literal_eval(node)
        except (ValueError, TypeError):
            return ...

    def _limited(self, module: str, schema: Schema, options: Mapping[str, ast.expr]) -> Schema:
        """Return a schema with the limits among the options that its type has."""
        if "anyOf" in schema:
            return {**schema, "anyOf": [self._limited(module, one, options) for one in schema["anyOf"]]}
        limits = _LIMITS.get(schema.get("type", ""), {})
        found = {limits[name]: self._value(module, node) for name, node in options.items() if name in limits}
        known = {key: one for key, one in found.items() if isinstance(one, str if key == "pattern" else int | float)}
        return {**schema, **known}

    def _unknown(self, module: str, node: ast.expr) -> Schema:
        self.unread[f"{module}: {ast.unparse(node)}"] = None
        return {}


def _any_of(schemas: list[Schema]) -> Schema:
    flat = [one for schema in schemas for one in (schema["anyOf"] if schema.keys() == {"anyOf"} else [schema])]
    return flat[0] if len(flat) == 1 else {"anyOf": flat}


def _parameters(node: ast.ClassDef) -> list[str]:
    """Return the type variables of a generic class, in order."""
    for base in node.bases:
        match base:
            case ast.Subscript(value=ast.Name(id="Generic"), slice=ast.Tuple(elts=names)):
                return [ast.unparse(name) for name in names]
            case ast.Subscript(value=ast.Name(id="Generic"), slice=name):
                return [ast.unparse(name)]
    return []


def _fields(node: ast.ClassDef, *, sends: bool) -> Iterator[tuple[str, ast.AnnAssign]]:
    """Yield the fields of a model with their names; also the computed ones, which are only sent."""
    for one in node.body:
        match one:
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name, one
            case ast.FunctionDef(name=name, returns=ast.expr() as result, decorator_list=decorators) if sends:
                if any("computed_field" in ast.unparse(decorator) for decorator in decorators):
                    yield name, ast.AnnAssign(target=ast.Name(name), annotation=result, value=None, simple=1)


def _settings(node: ast.ClassDef) -> dict[str, ast.expr]:
    for one in node.body:
        match one:
            case (
                ast.Assign(targets=[ast.Name(id="model_config")], value=value)
                | ast.AnnAssign(target=ast.Name(id="model_config"), value=value)
            ):
                return _keywords(value)
    return {}


def _keywords(node: ast.expr | None) -> dict[str, ast.expr]:
    if isinstance(node, ast.Dict):
        return {str(getattr(key, "value", "")): value for key, value in zip(node.keys, node.values, strict=True)}
    return {one.arg: one.value for one in node.keywords if one.arg} if isinstance(node, ast.Call) else {}


def _options(node: ast.AnnAssign) -> dict[str, ast.expr]:
    """Return the arguments of the `Field(...)` of a field, with its default value as `default`."""
    found: dict[str, ast.expr] = {}
    annotation, value = node.annotation, node.value
    if isinstance(annotation, ast.Subscript) and isinstance(annotation.slice, ast.Tuple):
        for one in annotation.slice.elts[1:]:
            found.update(_keywords(one))
    if isinstance(value, ast.Call) and ast.unparse(value.func).endswith("Field"):
        found.update(_keywords(value))
        value = value.args[0] if value.args else None
    if value is not None:
        found["default"] = value
    if isinstance(default := found.get("default"), ast.Constant) and default.value is ...:
        del found["default"]
    return found
