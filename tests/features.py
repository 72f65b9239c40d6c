"""Which tests docs/features.md names, and whether a run of all tests has shown them.

A run of the whole suite fails where a named test did not pass. One that was skipped because a part is missing (a marker
of `tests/conftest.py`, such as `docker`), or because the short run leaves it out (`slow`), is named as left out. A run
of some tests only, by paths, `-k`, `-m` and the like, says nothing about the others and is left alone.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from pathlib import Path

import pytest

NAMED = "docs/features.md"
NODE = re.compile(r"`(tests/[\w/]+\.py::test_\w+)`")
NARROWING = ("keyword", "markexpr", "lf", "stepwise", "deselect", "ignore", "ignore_glob", "collectonly")


def named_tests(root: Path) -> list[str]:
    """The node ids in the document, each once, without parameters."""
    return list(dict.fromkeys(NODE.findall((root / NAMED).read_text())))


def watch(config: pytest.Config, parts: Collection[str]) -> None:
    """Compares this run with the document, if it is a run of everything.

    Args:
        config: of this run; under xdist, a worker's is left alone.
        parts: markers of tests that may be left out: they need a part, which may be missing, or are slow.
    """
    narrowed = any(config.getoption(option, default=None) for option in NARROWING)
    whole = config.args_source == pytest.Config.ArgsSource.TESTPATHS and not narrowed
    if whole and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Features(named_tests(config.rootpath), parts), "features")


class Features:
    """Listens to the reports of a whole run.

    Args:
        named: the tests that must pass.
        parts: markers of tests that may be left out: they need a part, which may be missing, or are slow.
    """

    def __init__(self, named: Collection[str], parts: Collection[str]) -> None:
        self.named = named
        self.parts = parts
        self.passed: set[str] = set()
        self.skipped: dict[str, str] = {}
        self.wrong: dict[str, str] = {}
        self.complete = False  # whether the run came to its end

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        name = report.nodeid.partition("[")[0]
        if report.failed:
            self.wrong[name] = "failed"
        elif report.skipped:
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
            self.skipped[name] = reason.removeprefix("Skipped: ")
            if not any(part in report.keywords for part in self.parts):
                self.wrong[name] = f"was skipped, and not for a missing part: {reason}"
        elif report.when == "call":
            self.passed.add(name)

    def not_shown(self) -> dict[str, str]:
        """The named tests that did not pass, and why; one of which a case passed and no case failed has passed."""
        shown = (self.passed | self.skipped.keys()) - self.wrong.keys()
        return {name: self.wrong.get(name, "did not run") for name in self.named if name not in shown}

    def left_out(self) -> dict[str, str]:
        """The named tests that a missing part, or a short run, kept from running."""
        return {name: self.skipped[name] for name in self.named if name in self.skipped and name not in self.passed}

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        ended = session.exitstatus in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED)
        self.complete = ended and not session.shouldfail and not session.shouldstop
        if self.not_shown() and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        lists = (("not shown", self.not_shown()), ("left out", self.left_out())) if self.complete else ()
        for title, found in lists:
            if found:
                terminalreporter.section(f"features of {NAMED} {title}")
                for name, why in found.items():
                    terminalreporter.line(f"{name}: {why}")
