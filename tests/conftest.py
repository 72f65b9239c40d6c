"""What every test may need: the reasons to leave one out, and when that is not allowed.

`pytest` proves each behaviour once, in minutes, and without containers; `pytest --full` runs everything. A test is
marked `slow`, and is left out of the short run, if it takes seconds *and* a shorter one proves the same: with fewer
kinds, versions, events, faults, rounds or processes; or if what it proves is somebody else's fault, as Copier's. What
only a slow test proves is not marked, however long it takes. A run that names a file or a test leaves nothing out of
it, and one with `-m` nothing that has the marker.
"""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import tempfile

import pytest
from hypothesis import settings

from natsgen.harness.docker_engine import Availability, docker_available
from natsgen.harness.programs import find_program
from tests import features

docker = functools.cache(docker_available)


@functools.cache
def consul() -> Availability:
    return Availability("" if find_program("consul") else "no `consul` program beside the interpreter or on PATH")


@functools.cache
def node() -> Availability:
    missing = [name for name in ("node", "npm") if not find_program(name)]
    return Availability(f"no {' and no '.join(f'`{name}`' for name in missing)} on PATH" if missing else "")


# Redis runs as a container
PARTS = {"docker": docker, "consul": consul, "redis": docker, "node": node}
SLOW = "slow"
LEFT_OUT = (SLOW, "docker", "redis")
"""What the short run goes without."""
REQUIRED = set(filter(None, os.environ.get("NATSGEN_REQUIRE", "").split(",")))
"""Parts that must be there, such as `docker,node` in CI: a test that needs one fails without, and is not skipped."""

RENDERING = "rendering"
EXAMPLES = {False: 20, True: 200}
"""How many examples Hypothesis tries where each renders a service: in the short run, and in a full one."""


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="also run the tests marked slow, and try more examples")


def pytest_configure(config: pytest.Config) -> None:
    settings.register_profile(RENDERING, max_examples=EXAMPLES[config.option.full])
    # what natsgen remembers of a person is that person's, and no test's
    for variable in ("XDG_STATE_HOME", "XDG_CONFIG_HOME"):
        os.environ[variable] = tempfile.mkdtemp(prefix="natsgen-tests-")
        atexit.register(shutil.rmtree, os.environ[variable], ignore_errors=True)
    features.watch(config, (*PARTS, SLOW))


def is_left_out(item: pytest.Item) -> bool:
    """Whether the run goes without a test: a short one, unless `-m` asks for it or its file is named."""
    if item.config.option.full or any(".py" in argument for argument in item.config.args):
        return False
    markers = {name for name in LEFT_OUT if item.get_closest_marker(name)}
    return bool(markers) and not any(name in item.config.option.markexpr for name in markers)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if is_left_out(item):
        pytest.skip("only with --full, or when its file is named: `make test-all`")
    for name, availability in PARTS.items():
        if item.get_closest_marker(name) and not availability():
            if name in REQUIRED:
                pytest.fail(f"NATSGEN_REQUIRE names {name}, but: {availability().reason}", pytrace=False)
            pytest.skip(availability().reason)
