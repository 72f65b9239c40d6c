"""What extreme answers produce passes the gates of the generated service: a sample, in one run of each tool."""

from __future__ import annotations

import contextlib
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from natsgen.answers.answers import FRAMEWORKS
from natsgen.cli import main
from natsgen.errors import InputError
from natsgen.harness.commands import run
from natsgen.harness.environment import environment_for
from natsgen.parts.actions import ACTIONS as ACTION_KIND
from natsgen.parts.naming import names_for
from natsgen.parts.routes import METHODS, without_names
from natsgen.parts.routes import ROUTES as ROUTE_KIND
from natsgen.parts.tasks import TASKS as TASK_KIND
from tests.hostile.oracle import check_tree, quoted
from tests.hostile.places import Place, make_place
from tests.hostile.rules import RULES
from tests.hostile.texts import PLAIN, SUBJECTS, WORDS

RUFF_SECONDS = 60.0

pytestmark = pytest.mark.slow

LENGTHS = (70, 74, 75, 76, 77, 78, 79, 80, 90, 95, 103, 104, 105, 106, 107, 120, 253)  # around where lines break
LONG = [f"a.{'b' * length}" for length in LENGTHS]
DURABLES = ["d", "d" * 30, "d" * 60, "d" * 128]
DESCRIPTIONS = ["sign sequence", "jinja attack", "200 quotes", "200 emoji", "python encoding", "stacked marks"]

ACTIONS = {
    "a" * length: {"version": 9_999, "queue": False, "concurrency": 10_000, "timeout": 3_599.999}
    for length in (1, 20, *range(36, 50), 64)  # around where lines break
}

TASKS = {
    "t" * length: {"queue": "q" * length, "priority": "high", "timeout": 604_799.999}
    for length in (1, 20, *range(24, 38), 64)  # around where lines break
}


ROUTES = {
    f"{'r' * length}{number}": {
        "method": method,
        "path": f"/{'p' * length}{number}/{{{'x' * min(length, 40)}}}"
        if number % 2
        else f"/{'p' * (length + 50)}{number}",
        "publish" if number % 3 else "call": f"a.{'b' * (4 * length - 20)}",
    }
    for number, method in enumerate(METHODS)
    for length in (6, 20, *range(36, 50), 63)  # around where lines break
}


PUBLISHERS = {
    "p" * length: {"subject": f"a.{'s' * (3 * length)}", "interval": 86_399.999999, "core": True}
    for length in (1, 20, *range(22, 36), *range(44, 50), 64)  # around where lines break
}
HEARD = {name: {"subject": spec["subject"], "queue_group": "q" * (2 * len(name))} for name, spec in PUBLISHERS.items()}


def routes_of_paths() -> dict[str, object]:
    """A route for each path that the rule takes; two that differ by the names of parameters only get other methods."""
    found: dict[str, object] = {}
    shapes: Counter[str] = Counter()
    for number, path in enumerate(RULES["path"].taken()):
        shape = without_names(path)
        found[f"path{number}"] = {"method": METHODS[-1 - shapes[shape]], "path": path, "publish": f"a.{'path' * 5}"}
        shapes[shape] += 1
    return found


def natsgen(place: Place, *arguments: str) -> None:
    """Types a command in the workspace."""
    with contextlib.chdir(place.workspace):
        assert main([*arguments, "--no-input"]) == 0, arguments


def fits(rule: Callable[[str], str], name: str) -> bool:
    with contextlib.suppress(InputError):
        return bool(rule(name))
    return False


@pytest.fixture(scope="module")
def services(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Services whose names, subjects and options are as far out as they may be."""
    place = make_place(tmp_path_factory.mktemp("lint") / "around")
    words = dict.fromkeys((*WORDS.values(), "class", "print", "none_event", "b" * 64, "x1", "a_1_b"), "a.b")
    taken = {name: subject for name, subject in words.items() if name.isidentifier() and name.strip("_") == name}
    taken = {name: subject for name, subject in taken.items() if name.islower() and name not in ("event", "any")}
    names = [name for name in taken if fits(ACTION_KIND.name.check, name)]
    options = {
        f"h{number}": {"subject": subject, "durable": durable, "concurrency": 10_000, "batch": number % 2 == 0}
        for number, (subject, durable) in enumerate((subject, durable) for subject in LONG for durable in DURABLES)
    }
    derived = names_for(list(dict.fromkeys([*LONG, *filter(RULES["subject"].accepts, SUBJECTS.values())])))
    groups = {"words": taken, "options": options, "subjects": derived}
    for service, handlers in groups.items():
        natsgen(place, "new", "worker", service, "--data", f"handlers={json.dumps(handlers)}")
    for service, actions in {"actions": ACTIONS, "words-too": {name: {} for name in names}}.items():
        natsgen(place, "new", "service", service, "--data", f"actions={json.dumps(actions)}")
    words = {name: {"queue": "emails"} for name in taken if fits(TASK_KIND.name.check, name)}
    for service, tasks in {"tasks": TASKS, "words-in-tasks": words}.items():
        natsgen(place, "new", "worker", service, "--data", f"tasks={json.dumps(tasks)}")
    named = {
        name: {"method": "GET", "path": f"/{name}", "call": "a.b"}
        for name in taken
        if fits(ROUTE_KIND.name.check, name)
    }
    for framework in FRAMEWORKS:
        routes = {**ROUTES, **named, **routes_of_paths()}
        options = [f"--framework={framework}", "--data", f"routes={json.dumps(routes)}"]
        natsgen(place, "new", "gateway", f"routes-{framework}", *options)
        natsgen(place, "add-route", f"routes-{framework}", f"PATCH /{'p' * 150}/{{x}}=publish:a.{'path' * 5}")
    for envelope in ("domain", "message", "cloudevents"):
        data = [
            f"--data={key}={json.dumps(value)}" for key, value in (("publishers", PUBLISHERS), ("subscribers", HEARD))
        ]
        words = [f"--data=handlers={json.dumps({**taken, **dict.fromkeys(PUBLISHERS, 'a.b')})}"]
        natsgen(place, "new", "worker", f"envelopes-{envelope}", f"--envelope={envelope}", *data, *words)
    natsgen(place, "add-handler", "subjects", f"a.{'added' * 20}")
    for number, name in enumerate(DESCRIPTIONS):
        labels = f"labels={{note: {quoted(PLAIN[name])}}}"
        text = f"--description={PLAIN[name]}"
        natsgen(place, "new", "worker", f"text-{number}", "--subject", "a.b", text, "--data", labels)
    check_tree(place.workspace)
    return place.workspace / "services"


def test_ruff_finds_nothing(services: Path) -> None:
    python = environment_for(services / "words" / "requirements-dev.txt")
    run([python, "-m", "ruff", "check", "--no-cache", "."], limit=RUFF_SECONDS, folder=services)


def test_ruff_would_format_nothing(services: Path) -> None:
    python = environment_for(services / "words" / "requirements-dev.txt")
    formatted = run([python, "-m", "ruff", "format", "--no-cache", "--check", "."], limit=RUFF_SECONDS, folder=services)

    assert int(formatted.output.split()[0]) >= len(list(services.rglob("*.py")))
