"""The rules for names and subjects, and the names that are derived from them.

A check returns its text, or raises `InputError`. A derivation expects checked values and returns valid ones.
"""

from __future__ import annotations

import keyword
import re
import sys
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePath

from natsgen.errors import InputError
from natsgen.messages import invalid, quote, suggest

SERVICE_MAX_LENGTH = 48  # leaves room for `<service>-<handler>` in NATS, Consul and DNS
HANDLER_MAX_LENGTH = 64
CONTEXT_MAX_LENGTH = 48
SUBJECT_MAX_LENGTH = 255  # longer subjects are legal in NATS and slow everywhere
NETWORK_MAX_LENGTH = 128
DESCRIPTION_MAX_LENGTH = 200
REGISTRY_MAX_LENGTH = 200
LABELS_MAX = 50
LABEL_MAX_LENGTH = 63
LABEL_VALUE_MAX_LENGTH = 200
WORKSPACE_MAX_LENGTH = 63  # part of Compose's container names, which become DNS labels

# Names of files in compose/ and of Compose services that a workspace may have: a service with such a name would shadow
# them.
RESERVED_SERVICES = frozenset(
    {"compose", "consul", "infrastructure", "nats", "redis"}
    | {"grafana", "jaeger", "monitoring", "prometheus", "telemetry"}
)

# Unquoted words that YAML 1.1 reads as booleans or null.
YAML_WORDS = frozenset({"false", "n", "no", "null", "off", "on", "true", "y", "yes"})

RESERVED_LABELS = frozenset({"bounded-context"})

# Reserved first tokens: those of dead letters, replays and NATS replies. Compared case-insensitively, because a stream
# is named after the upper-case token.
RESERVED_FIRST_TOKENS = {
    "dlq": "for dead letters",
    "replay": "for replayed dead letters",
    "_inbox": "for NATS replies",
}

# `<Name>` becomes a class next to these in the file of a handler, publisher or subscriber and its test; copier.yml
# refuses the same.
RESERVED_HANDLERS = frozenset(
    {"any", "base_model", "cloud_event", "config_dict", "context", "envelope_message", "event", "false", "message"}
    | {"none", "reject", "retry", "running_service", "tick", "true"}
)

# The forms of whole texts; `natsgen questions --json-schema` has them too.
SERVICE = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
CONTEXT = re.compile(r"[a-z0-9][a-z0-9_-]*")
WORKSPACE = CONTEXT
NETWORK = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9_.-]*")
TOKEN = re.compile(r"[A-Za-z0-9_-]+")
REGISTRY = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9.-]*(:[0-9]{1,5})?(/[a-z0-9][a-z0-9._-]*)*")
LABEL = re.compile(r"[a-z0-9][a-z0-9._/-]*")
_WORD_START = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")

# Invisible characters that make a line look different from its content, or that YAML cannot contain.
DECEIVING = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff")


def service(name: str) -> str:
    """Check the name of a service.

    Args:
        name: the name as typed.

    Returns:
        The same name.

    Raises:
        InputError: the name breaks the rule, or Python, its standard library or the workspace already uses it.
    """
    if len(name) > SERVICE_MAX_LENGTH or not SERVICE.fullmatch(name):
        takes = "use lower-case letters, digits and single hyphens, starting with a letter"
        raise invalid(
            "service name", name, f"{takes}, at most {SERVICE_MAX_LENGTH} characters", suggest(_as_service(name))
        )
    if taken := _service_taken_by(name):
        raise invalid("service name", name, taken, suggest(_as_service(name)))
    return name


def context(name: str) -> str:
    """Check the name of a bounded context; return it or raise `InputError`."""
    return _checked(name, CONTEXT, CONTEXT_MAX_LENGTH, "bounded context", "lower-case letters, digits, _ and -")


def workspace(name: str) -> str:
    """Check the name of a workspace, the Compose project; return it or raise `InputError`."""
    return _checked(name, WORKSPACE, WORKSPACE_MAX_LENGTH, "workspace name", "lower-case letters, digits, _ and -")


def network(name: str) -> str:
    """Check the name of a Docker network, or "" for the workspace's own; return it or raise `InputError`."""
    if name == "":
        return name
    return _checked(name, NETWORK, NETWORK_MAX_LENGTH, "Docker network", "letters, digits, _, . and -")


def description(text: str) -> str:
    """Check a description.

    Args:
        text: one line; quotes, backslashes, braces and emoji are plain data.

    Returns:
        The text without the spaces around it.

    Raises:
        InputError: the text is empty, too long, has several lines, or contains invisible characters.
    """
    text = text.strip(" ")
    if not text:
        raise InputError("the description is empty: describe the service in one line, or omit the description")
    if len(text) > DESCRIPTION_MAX_LENGTH:
        raise InputError(f"the description has {len(text)} characters: use at most {DESCRIPTION_MAX_LENGTH}")
    if hidden := next((character for character in text if _is_hidden(character)), None):
        raise InputError(
            f"the description contains the character U+{ord(hidden):04X}: use one line of visible characters"
        )
    return text


def registry(text: str) -> str:
    """Check the registry of base images, or "" for the public ones; return it or raise `InputError`."""
    if text == "" or (len(text) <= REGISTRY_MAX_LENGTH and REGISTRY.fullmatch(text)):
        return text
    form = "use host[:port][/path] such as registry.example.com/mirror, without a scheme or a trailing slash"
    raise invalid("registry", text, f"{form}, at most {REGISTRY_MAX_LENGTH} characters")


def labels(pairs: Mapping[str, str]) -> Mapping[str, str]:
    """Check the labels of containers; return them or raise `InputError`."""
    if len(pairs) > LABELS_MAX:
        raise InputError(f"there are {len(pairs)} labels: use at most {LABELS_MAX}")
    for key, value in pairs.items():
        if key in RESERVED_LABELS:
            raise InputError(f"the label {quote(key)} is reserved: every service sets it")
        if len(key) > LABEL_MAX_LENGTH or not LABEL.fullmatch(key):
            takes = "use lower-case letters, digits, ., _, / and -, starting with a letter or a digit"
            raise invalid("label", key, f"{takes}, at most {LABEL_MAX_LENGTH} characters")
        if not isinstance(value, str):
            raise InputError(f"the value of the label {quote(key)} must be text; put it in quotes")
        if len(value) > LABEL_VALUE_MAX_LENGTH or any(_is_hidden(character) for character in value):
            raise InputError(
                f"invalid value of the label {quote(key)}: use one line of visible characters, at most "
                f"{LABEL_VALUE_MAX_LENGTH}"
            )
    return pairs


def matches(pattern: str, subject: str) -> bool:
    """Return whether a subject with wildcards covers a plain one."""
    wanted, given = pattern.split("."), subject.split(".")
    for position, token in enumerate(wanted):
        if token == ">":
            return len(given) > position
        if position >= len(given) or token not in ("*", given[position]):
            return False
    return len(wanted) == len(given)


def overlap(one: str, other: str) -> bool:
    """Return whether a message can match both subjects, which may have wildcards."""
    ours, theirs = one.split("."), other.split(".")
    for a, b in zip(ours, theirs, strict=False):
        if ">" in (a, b):
            return True
        if a != b and "*" not in (a, b):
            return False
    return len(ours) == len(theirs)


def names_for(subjects: Sequence[str]) -> dict[str, str]:
    """Return the subjects by part name: the last two tokens of each, or more to keep the names distinct."""
    depths = dict.fromkeys(subjects, 2)
    while deeper := [text for text in _clashing(depths) if depths[text] < text.count(".") + 1]:
        for text in deeper:
            depths[text] += 1
    names: dict[str, str] = {}
    for text, depth in depths.items():
        names[free(_handler_for(text, depth), names)] = text
    return names


def handler_for(subject: str, taken: Collection[str] = ()) -> str:
    """Return a name for the handler of a subject, from as few of its last tokens as make the name free."""
    depths = range(2, max(2, subject.count(".") + 1) + 1)
    names = [_handler_for(subject, depth) for depth in depths]
    return next((name for name in names if name not in taken), free(names[0], taken))


def service_for(subject: str) -> str:
    """Return a name to propose for the service that subscribes to a subject, from the subject's first token."""
    return _as_service(f"{subject.split('.')[0]}-worker")


def context_for(subjects: Sequence[str], service: str) -> str:
    """Return the bounded context from the first subject's first token, or else the service's name."""
    first = subjects[0].split(".")[0].lower() if subjects else ""
    return re.sub(r"^[^a-z0-9]+", "", first)[:CONTEXT_MAX_LENGTH] or service


def workspace_for(folder: PurePath) -> str:
    """Return the workspace's name from its folder, as copier.yml derives it."""
    name = re.sub(r"[^a-z0-9_-]+", "-", folder.name.lower())
    return re.sub(r"^[^a-z0-9]+", "", name)[:WORKSPACE_MAX_LENGTH] or "workspace"


def words_of(*texts: str) -> str:
    """Return the words in some texts, joined by underscores; "" if there is no ASCII letter or digit."""
    return "_".join(word.lower() for text in texts for part in _ascii_words(text) for word in _WORD_START.split(part))


def subject_problem(text: str, *, of_a_stream: bool = True) -> str:
    """Return what is wrong with a subject; "" if it is valid.

    Args:
        text: the subject; it may contain wildcards.
        of_a_stream: whether the first token must not be a wildcard, because it names the stream.
    """
    if not text:
        return "it is empty; give one such as 'orders.order.created'"
    if len(text) > SUBJECT_MAX_LENGTH:
        return f"it has {len(text)} characters of at most {SUBJECT_MAX_LENGTH}"
    tokens = text.split(".")
    if tokens[0].startswith("$"):
        return "subjects that start with $ belong to the NATS server"
    if of_a_stream and tokens[0] in ("*", ">"):
        return "the first token must be a word, because the stream is named after it"
    if ">" in tokens[:-1]:
        return "> may only be the last token"
    for number, token in enumerate(tokens, start=1):
        if token not in ("*", ">") and not TOKEN.fullmatch(token):
            what = f"token {number} is {quote(token)}" if token else f"token {number} is empty"
            return f"{what}; use letters, digits, _ and - in a token, or *, or > as the last token"
    if owner := RESERVED_FIRST_TOKENS.get(tokens[0].lower()):
        return f"{tokens[0]!r} is reserved, {owner}"
    return ""


def free(name: str, taken: Collection[str]) -> str:
    """Return the name, or the name with the first free number if it is taken."""
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name[: HANDLER_MAX_LENGTH - 8].strip('_')}_{number}"
    return free


def _service_taken_by(name: str) -> str:
    if name in RESERVED_SERVICES:
        return "natsgen uses this name in compose/"
    if keyword.iskeyword(name):
        return "it is a Python keyword"
    if name in YAML_WORDS:
        return "Compose would read it as a YAML boolean or null"
    if name in sys.stdlib_module_names or name.replace("-", "_") in sys.stdlib_module_names:
        return "it is a module of Python's standard library"
    return ""


def _checked(name: str, rule: re.Pattern[str], limit: int, kind: str, takes: str) -> str:
    if len(name) > limit or not rule.fullmatch(name):
        form = f"use {takes}, starting with a letter or a digit, at most {limit} characters"
        raise invalid(kind, name, form)
    return name


def _is_hidden(character: str) -> bool:
    not_a_character = ord(character) & 0xFFFE == 0xFFFE
    return unicodedata.category(character) in ("Cc", "Cs", "Zl", "Zp") or character in DECEIVING or not_a_character


def _clashing(depths: Mapping[str, int]) -> list[str]:
    by_name: dict[str, list[str]] = {}
    for text, depth in depths.items():
        by_name.setdefault(_handler_for(text, depth), []).append(text)
    return [text for group in by_name.values() if len(group) > 1 for text in group]


def _handler_for(subject: str, depth: int) -> str:
    tokens = subject.split(".")
    last = tokens[-depth:]
    while len(last) < len(tokens) and all(token in ("*", ">") for token in last):
        last = tokens[-len(last) - 1 :]
    return event_name(["any" if token == "*" else "all" if token == ">" else token for token in last])


def event_name(tokens: Sequence[str]) -> str:
    """Return a name for the event of a subject with these last tokens."""
    name = words_of(*tokens)
    if not name or not name[0].isalpha():
        name = f"event_{name}".strip("_")
    name = name[:HANDLER_MAX_LENGTH].strip("_")
    return f"{name}_event" if name in RESERVED_HANDLERS else name


def _as_service(text: str) -> str:
    name = words_of(text).replace("_", "-")
    if name and not name[0].isalpha():
        name = f"worker-{name}"
    name = name[:SERVICE_MAX_LENGTH].strip("-")
    return f"{name}-worker" if _service_taken_by(name) else name


def _ascii_words(text: str) -> list[str]:
    """Return the runs of ASCII letters and digits in a text, without accents."""
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
    return re.findall(r"[A-Za-z0-9]+", plain)
