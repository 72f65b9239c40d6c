"""What every test may need: which of them a short run leaves out, the parts they need, and when that is not allowed.

`pytest` is for everyone: what natsgen and a worker do, each behaviour once, in minutes and without containers. `pytest
--full` runs everything. A short run leaves out the files below that are for `--full`, and tests marked `slow`, which
take seconds where a shorter one proves the same, with fewer kinds, versions, events, faults, rounds or processes. A run
that names a file or a test leaves nothing out of it, and one with `-m` nothing that has the marker.
"""

from __future__ import annotations

import fnmatch
import functools
import os
import shutil
import signal
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

from natsgen.harness import ports
from natsgen.harness.docker_engine import Availability, docker_available
from natsgen.harness.programs import find_program

docker = functools.cache(docker_available)


@functools.cache
def consul() -> Availability:
    return Availability("" if find_program("consul") else "no `consul` program beside the interpreter or on PATH")


@functools.cache
def node() -> Availability:
    missing = [name for name in ("node", "npm") if not find_program(name)]
    return Availability(f"no {' and no '.join(f'`{name}`' for name in missing)} on PATH" if missing else "")


@functools.cache
def browser() -> Availability:
    return Availability(
        "" if find_program("chromium") else "no `chromium` program on PATH (Debian: apt install chromium)"
    )


# Redis runs as a container
PARTS = {"docker": docker, "consul": consul, "redis": docker, "node": node, "browser": browser}
SLOW = "slow"
LEFT_OUT = (SLOW, "docker", "redis")
"""Markers of the tests that the short run goes without."""
FOR_FULL = (
    *("chaos", "documents", "examples", "harness", "smoke_command", "workflows"),
    *(f"dev/test_{name}.py" for name in ("catalog", "contracts", "edits", "load", "page")),
    # real processes, where one of each kind is enough
    *(f"smoke/test_{name}.py" for name in ("consul", "dlq*", "event_loop", "handlers", "plain_clients", "pubsub_*")),
    *(
        f"smoke/test_{name}.py"
        for name in ("reference", "robustness", "settings", "watchdogs", "*containers", "image_*")
    ),
    # many services, many processes, and Copier's faults
    *(
        f"update/test_{name}.py"
        for name in ("copier_faults", "update_workflow", "fleet", "git_setups", "line_ends", "team_template")
    ),
    # what a default worker does not have, and connections that are half dead for seconds
    *(
        f"runtime/test_{name}.py"
        for name in ("toolkit_*", "action_services", "existing_consumers", "standing_still", "loop_lag", "survival")
    ),
    "template/test_kubernetes.py",
    # tests of the benchmarks
    *(f"unit/test_{name}.py" for name in ("*_benchmark", "tool_rivals", "loki_config", "release", "wheel")),
)
"""Folders and files below tests/ that a short run does not even read."""
LONG = ("update/test_matrix.py", "update/test_fleet.py", "update/test_copier_faults.py", "workflows/test_workflows.py")
"""Files near the end that take minutes: a full run begins with them, so that none is left to one process alone."""
REQUIRED = set(filter(None, os.environ.get("NATSGEN_REQUIRE", "").split(",")))
"""Parts that must be there, such as `docker,node` in CI: a test that needs one fails without, and is not skipped."""

RENDERING = "rendering"
EXAMPLES = {False: 20, True: 60}
"""How many examples Hypothesis tries where each renders a service: in a short run and in a full one. `make fuzz` tries
many more."""


HOME = pytest.StashKey[Path]()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="also run the tests marked slow, and try more examples")


def pytest_configure(config: pytest.Config) -> None:
    settings.register_profile(RENDERING, max_examples=EXAMPLES[config.option.full])
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # else each of hundreds of processes compiles natsgen anew
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # in the background: what tests start would ignore Ctrl-C too
        signal.signal(signal.SIGINT, lambda *_: None)
    os.fsync = lambda _: None  # no test outlives the machine's power, and the disk takes milliseconds for each
    worker = os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw")
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    ports.LOWEST, ports.HIGHEST = share_of_ports(int(worker), count)
    # what natsgen remembers of a person is that person's, and no test's
    config.stash[HOME] = Path(tempfile.mkdtemp(prefix="natsgen-tests-"))
    for variable in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        os.environ[variable] = str(config.stash[HOME] / variable)


def share_of_ports(worker: int, count: int) -> tuple[int, int]:
    """The lowest and the highest port of one process of several: none takes that of a server that another restarts."""
    width = (ports.HIGHEST - ports.LOWEST) // count
    return ports.LOWEST + worker * width, ports.LOWEST + (worker + 1) * width - 1


def pytest_unconfigure(config: pytest.Config) -> None:
    shutil.rmtree(config.stash[HOME], ignore_errors=True)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Whether a run of all tests goes without a file or folder, as a short one does."""
    whole = config.args_source == pytest.Config.ArgsSource.TESTPATHS
    if config.option.full or config.option.markexpr or not whole:
        return None
    path = collection_path.relative_to(Path(__file__).parent).as_posix()
    return any(fnmatch.fnmatch(path, pattern) for pattern in FOR_FULL) or None


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out the tests that a short run goes without, unless `-m` asks for them or their file is named."""
    if config.option.full:
        items.sort(key=lambda item: item.path.relative_to(Path(__file__).parent).as_posix() not in LONG)
        return
    if any(".py" in argument for argument in config.args):
        return
    without = {name for name in LEFT_OUT if name not in config.option.markexpr}
    kept, left_out = [], []
    for item in items:
        markers = {marker.name for marker in item.iter_markers()}
        (left_out if markers & without else kept).append(item)
    config.hook.pytest_deselected(items=left_out)
    items[:] = kept


def pytest_runtest_setup(item: pytest.Item) -> None:
    for name, availability in PARTS.items():
        if item.get_closest_marker(name) and not availability():
            if name in REQUIRED:
                pytest.fail(f"NATSGEN_REQUIRE names {name}, but: {availability().reason}", pytrace=False)
            pytest.skip(availability().reason)
