"""Random input at each place where a stranger may write: told in a few words, and nothing outside is touched or read.

`make test-all` tries some thousands, always the same. `make fuzz` tries 20,000 others each time.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import resource
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from natsgen.answers import answers_file, questions, workspace_defaults
from natsgen.cli import main
from natsgen.contracts import reading
from natsgen.errors import NatsgenError
from natsgen.files.tree import Tree
from natsgen.files.workspace import Workspace
from natsgen.parts.handlers import HANDLERS
from natsgen.parts.kinds import KINDS
from natsgen.rendering import render, template_rules, template_source
from natsgen.rendering.template_source import TemplateSource
from natsgen.services import declared, listing
from natsgen.services.writer import Writer
from natsgen.transaction import hashes
from natsgen.update import unfinished
from tests.hostile import fuzz_inputs, oracle
from tests.hostile.cases import HANDLER, SERVICE
from tests.hostile.places import Place, make_place
from tests.hostile.test_clones import git
from tests.hostile.test_templates import DATA, FILES, URL, write

pytestmark = pytest.mark.slow

INPUTS = os.environ.get("NATSGEN_FUZZ", "")
LONGEST = 100_000  # characters; the command shortens what it shows
MEMORY = 500_000_000  # bytes, beyond what the tests hold before


def fuzzed(percent: int) -> settings:
    """Tries a share of all inputs."""
    return settings(
        max_examples=int(INPUTS or 2_000) * percent // 100,
        derandomize=not INPUTS,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
        phases=[phase for phase in Phase if phase is not Phase.explain],  # which is slow
    )


ANSWERS = Path("services", SERVICE, ".copier-answers.yml")
STAGED = ("services/new/a.py", "compose/x.yml", "natsgen.toml", "vendor/hooks/pre-commit", ".git/config")
STATE = Path(".git/natsgen/root")


@pytest.fixture(scope="module")
def victim(harmless: Place, tmp_path_factory: pytest.TempPathFactory) -> Place:
    """A clone with links that lead into `.git` and out."""
    place = make_place(tmp_path_factory.mktemp("fuzz") / "around")
    for path in (ANSWERS, Path("services", SERVICE, HANDLERS.folder, f"{HANDLER}_handler.py")):
        (place.workspace / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(harmless.workspace / path, place.workspace / path)
    git(place.workspace, "init", "--quiet", "--template=", "--initial-branch=main")
    (place.workspace / "vendor").symlink_to(".git")
    (place.workspace / "services/git").symlink_to("../.git")
    (place.workspace / "services/out").symlink_to(place.outside)
    (place.workspace / "services/dangling").symlink_to("/nowhere/at/all")
    (place.workspace / ".git/hooks").mkdir()
    return place


@pytest.fixture(scope="module", autouse=True)
def memory() -> Iterator[None]:
    """Lets nothing take more than `MEMORY`, and looks at the end whether anything has."""
    status = Path("/proc/self/status")
    if not status.exists():
        yield
        return

    def kilobytes(name: str) -> int:
        return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(f"{name}:"))

    limits = resource.getrlimit(resource.RLIMIT_DATA)
    before = kilobytes("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
    resource.setrlimit(resource.RLIMIT_DATA, (kilobytes("VmData") * 1024 + 2 * MEMORY, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_DATA, limits)
    assert (kilobytes("VmHWM") - before) * 1024 < MEMORY


def run(place: Place, *arguments: str) -> str:
    """Runs natsgen in the workspace and returns what it said, which nobody has to be afraid of."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2))
    with contextlib.chdir(place.workspace), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([*arguments, "--no-input"])
    said = oracle._printed(out) + oracle._printed(err)
    assert code in (0, 1, 2), said
    assert "bug in natsgen" not in said, said
    assert "Traceback" not in said, said
    assert all(line.isprintable() for line in said.split("\n")), ascii(said)
    return said


@contextlib.contextmanager
def told() -> Iterator[Callable[[str], None]]:
    """Lets natsgen refuse, in its own words; yields what is told on the way."""
    said: list[str] = []
    try:
        yield said.append
    except NatsgenError as error:
        said.append(str(error))
    assert all(len(one) <= LONGEST for one in said)


@functools.cache
def keep(place: Place) -> tuple[Path, oracle.Snapshot]:
    """A copy of a place, and what is in it."""
    kept = place.around.parent / "kept"
    shutil.copytree(place.around, kept, symlinks=True)
    return kept, oracle.snapshot(kept)


NAMED = (".gitignore", ".gitattributes", ".gitlab-ci.yml", "natsgen.toml")


@contextlib.contextmanager
def untouched(place: Place) -> Iterator[None]:
    """Makes sure that a command changes nothing where it may not, and gives the workspace back what it had."""
    kept, before = keep(place)
    after: oracle.Snapshot = {}
    try:
        yield
        after = oracle.snapshot(place.around)
    finally:
        if after != before:
            shutil.rmtree(place.around)
            shutil.copytree(kept, place.around, symlinks=True)
    changed = {path for path in before.keys() | after.keys() if before.get(path) != after.get(path)}
    wrong = {path for path in changed if not path.startswith(ALLOWED) or path.startswith(LINKS)}
    assert not wrong, wrong


ALLOWED = tuple(f"shop/{name}" for name in ("services", "compose", ".github", ".ci", ".git/natsgen", *NAMED))
LINKS = tuple(f"shop/services/{name}" for name in ("out", "git", "dangling"))


@fuzzed(10)
@given(content=fuzz_inputs.records(fuzz_inputs.journal), staged=st.booleans())
def test_journals(content: bytes, staged: bool, victim: Place) -> None:
    with untouched(victim):
        state = victim.workspace / STATE
        state.mkdir(parents=True)
        (state / "journal.json").write_bytes(content)
        if staged:
            for path in STAGED:
                (state / "staged" / path).parent.mkdir(parents=True, exist_ok=True)
                (state / "staged" / path).write_bytes(fuzz_inputs.STAGED)

        with told() as notify:
            unfinished.abort(Writer(Workspace(victim.workspace), dry_run=False, notify=notify), SERVICE)


@fuzzed(10)
@given(data=st.data(), end=st.sampled_from([unfinished.abort, unfinished.finish]))
def test_unfinished_records(data: st.DataObject, end: Callable[..., object], victim: Place) -> None:
    answers = hashes.digest_of((victim.workspace / ANSWERS).read_bytes())
    content = data.draw(fuzz_inputs.records(fuzz_inputs.unfinished(answers)))
    with untouched(victim):
        (victim.workspace / STATE / "unfinished").mkdir(parents=True)
        (victim.workspace / STATE / "unfinished" / f"{SERVICE}.json").write_bytes(content)

        with told() as notify:
            end(Writer(Workspace(victim.workspace), dry_run=False, notify=notify), SERVICE)


@fuzzed(15)
@given(data=st.data())
def test_answers(data: st.DataObject, with_answers: tuple[Place, bytes]) -> None:
    place, valid = with_answers
    document = {**yaml.safe_load(valid), data.draw(st.sampled_from(KEYS)): data.draw(fuzz_inputs.values)}
    whole = json.dumps(document).encode()
    content = data.draw(st.just(whole) | fuzz_inputs.changed(valid, fuzz_inputs.YAML_PIECES))
    (place.workspace / ANSWERS).write_bytes(content)

    if data.draw(st.integers(0, 9)) == 0:
        run(place, "list")
        run(place, "answers", SERVICE)
    with told():
        stored = answers_file.read(place.workspace / ANSWERS.parent)
        answers_file.answers_of(stored, QUESTIONNAIRE, place.workspace)


QUESTIONNAIRE = questions.read(template_source.bundled().folder)
KEYS = sorted({*QUESTIONNAIRE.questions, "_src_path", "_commit", "other"})


@pytest.fixture
def with_answers(victim: Place) -> Iterator[tuple[Place, bytes]]:
    valid = (victim.workspace / ANSWERS).read_bytes()
    yield victim, valid
    (victim.workspace / ANSWERS).write_bytes(valid)


TOML = b"""template = "https://example.org/x.git@v1"
[defaults]
context = "orders"
python = "3.13"
dedup = "redis"
labels = {team = "a", "x.y" = "b"}
network = "net"
registry = "registry.example.org"
"""


@fuzzed(30)
@given(content=fuzz_inputs.changed(TOML, fuzz_inputs.TOML_PIECES))
def test_natsgen_toml(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "natsgen.toml").write_bytes(content)
    with told():
        workspace_defaults.template(tmp_path)
    with told():
        workspace_defaults.read(tmp_path, QUESTIONNAIRE)


PARTS = {
    "handler": b'@subscriber("orders.order.created", durable="x")\nasync def f(e: X):\n    await publish("a.b", 1)\n',
    "action": b'@action("greet", version=1, timeout=2.5)\nasync def greet(request: Greet) -> str:\n    return ""\n',
    "task": b'@task("send", queue="emails", priority="high")\nasync def send(to: str) -> None: ...\n',
    "publisher": b'@publisher("a.b", every=2)\nasync def make_x() -> int:\n    return 1\n',
    "subscriber": b'@subscriber("a.*", queue="q")\nasync def hear_x(event: Event[dict]) -> None: ...\n',
    "route": b'@app.post("/x/{y}")\nasync def x(y: str) -> object:\n    return await call("v1.a.b", y)\n',
}


@fuzzed(27)
@given(data=st.data(), noun=st.sampled_from(sorted(PARTS)))
def test_sources(data: st.DataObject, noun: str, victim: Place) -> None:
    (kind,) = (kind for kind in KINDS.values() if kind.noun == noun)
    folder = victim.workspace / "services" / SERVICE
    file = folder / kind.file("fuzzed")
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data.draw(fuzz_inputs.changed(PARTS[noun], fuzz_inputs.PYTHON_PIECES)))
    try:
        found = listing.service(Workspace(victim.workspace), SERVICE)
        assert HANDLER in {part.name for one in found.files for part in one.parts}  # the other parts are there still
        declared.published_by(folder)
        reading.read(folder)
    finally:
        file.unlink()


@fuzzed(8)
@given(template=fuzz_inputs.templates())
def test_templates(template: tuple[dict[str, bytes], dict[str, str], list[str]], victim: Place) -> None:
    files, links, lines = template
    folder = victim.around.parent / "theirs"
    shutil.rmtree(folder, ignore_errors=True)
    write(folder, **FILES)
    with (folder / "copier.yml").open("a") as file:
        file.write("".join(f"{line}\n" for line in lines))
    for path, content in [*files.items(), *links.items()]:
        with contextlib.suppress(OSError):  # a name that cannot be, or is there already
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(content, bytes):
                (folder / path).write_bytes(content)
            else:
                (folder / path).symlink_to(content)
    template_rules._check_folder.cache_clear()
    source, before = TemplateSource(folder, URL, "v1.0.0"), oracle.snapshot(victim.outside)

    rendered: Tree = {}
    with told():
        rendered = render.render(source, DATA)

    assert oracle.snapshot(victim.outside) == before
    for path, made in rendered.items():
        assert path.parts[0] == "compose" or path.parts[:2] == ("services", SERVICE), path
        assert not any(part.casefold() == ".git" for part in path.parts), path
        assert b"do not touch" not in made.content, path
        assert b"root:" not in made.content, path
