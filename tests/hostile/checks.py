"""What the tests of the corpus share: running a case, and whether it ended as it may."""

from __future__ import annotations

from pathlib import PurePosixPath

from natsgen.parts import packages
from natsgen.parts.actions import ACTIONS
from natsgen.parts.handlers import HANDLERS
from natsgen.parts.kinds import KINDS
from natsgen.parts.publishers import PUBLISHERS
from natsgen.parts.routes import ROUTES
from natsgen.parts.subscribers import SUBSCRIBERS
from natsgen.parts.tasks import TASKS
from tests.hostile import oracle
from tests.hostile.cases import EITHER, GATEWAY, HANDLER, REFUSED, SERVICE, TAKEN, Case
from tests.hostile.oracle import Ran
from tests.hostile.places import WORKSPACE, Place

READ = {
    HANDLERS: oracle.handlers,
    ACTIONS: oracle.actions,
    ROUTES: oracle.routes,
    TASKS: oracle.tasks,
    PUBLISHERS: oracle.publishers,
    SUBSCRIBERS: oracle.subscribers,
}


def ids(cases: list[Case]) -> list[str]:
    return [ascii(case.name)[1:-1] for case in cases]


def is_refused(case: Case, ran: Ran) -> bool:
    """Whether the command refused; how it did, and whether it should have, is checked."""
    if ran.code != 0:
        oracle.check_refused(ran)
        assert case.outcome in (REFUSED, EITHER), ran.err
        return True
    assert case.outcome in (TAKEN, EITHER), ran.out
    return False


def with_options_first(arguments: tuple[str, ...]) -> tuple[str, ...]:
    """`--no-input` is added at the end, where it would be a name after `--`."""
    if "--" not in arguments:
        return arguments
    where = arguments.index("--")
    return (*arguments[:where], "--no-input", *arguments[where:])


def check_new(case: Case, place: Place, harmless: Place) -> bool:
    """Types a `natsgen new`; it is refused, or the service's files hold what was typed and nothing else is touched.

    Args:
        case: what is typed.
        place: where, which has nothing in it.
        harmless: what harmless answers make.

    Returns:
        Whether it was taken.
    """
    for path, content in case.files.items():
        (place.workspace / path).write_bytes(content)

    ran = place.run(*with_options_first(case.arguments))

    if is_refused(case, ran):
        return False
    oracle.check_only_inside(ran, WORKSPACE)
    oracle.check_tree(place.workspace, case.files)
    service = str(case.typed.get("service_name", case.service))
    made = {PurePosixPath(path).relative_to(WORKSPACE) for path in ran.changed - {WORKSPACE}}
    assert {path.parts[:2] for path in made if path.parts[0] == "services"} == {("services",), ("services", service)}
    assert {path.parts[0] for path in made} == {"services", "compose"}
    said = oracle.values(place.workspace, service)
    for question, typed in case.typed.items():
        assert all(value == typed for value in said[question]), f"{question}: typed {typed!r}, read {said[question]!r}"
    assert all(value == said[question][0] for question in said for value in said[question]), said
    if service == SERVICE and not any(one.startswith(("--image", "--python")) for one in case.arguments):
        is_gateway = (place.workspace / "services" / SERVICE / "src/web").exists()
        assert dockerfile(place) == dockerfile(harmless, GATEWAY if is_gateway else SERVICE)
    return True


def check_growth(case: Case, place: Place) -> bool:
    """Types a command at a workspace with services; it is refused, or adds one part that is what was typed.

    Returns:
        Whether it was taken.
    """
    ran = place.run(*with_options_first(case.arguments))

    if is_refused(case, ran):
        return False
    (kind,) = (kind for kind in KINDS.values() if case.arguments[0] == f"add-{kind.noun}")
    oracle.check_only_inside(ran, WORKSPACE)
    oracle.check_tree(place.workspace)
    found = READ[kind](place.workspace / "services" / case.service)
    (name,) = found.keys() - ({HANDLER} if kind is HANDLERS else set())
    folder = PurePosixPath(WORKSPACE, "services", case.service)
    changed = {PurePosixPath(path).relative_to(folder) for path in ran.changed}
    files = {path for path in changed if not (place.workspace / "services" / case.service / path).is_dir()}
    parts, needed = {kind.file(name), kind.test(name)}, packages.closure(kind.needs)
    assert parts <= files
    assert all(needed.intersection(packages.of_path(path)) for path in files - parts)
    said = {"name": name, **found[name]}
    assert {question: said.get(question) for question in case.typed} == case.typed
    return True


def dockerfile(place: Place, service: str = SERVICE) -> list[str]:
    """The instructions of a service's Dockerfile."""
    return oracle.instructions((place.workspace / "services" / service / "Dockerfile").read_text())
