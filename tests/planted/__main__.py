"""Plants each fault in a copy of the repository and runs the tests that must catch it: `make planted`.

Exits with 1 unless each was caught, also if the text of one is no longer there, or its tests did not end in time.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.planted.faults import FAULTS, Fault

ROOT = Path(__file__).parents[2]
LIMIT = 300.0  # seconds for the tests of one fault
CAUGHT, NOT_CAUGHT, STALE = "caught", "NOT CAUGHT", "NOT THERE: mend tests/planted/faults.py"
NOT_DECIDED = "NOT DECIDED: time limit"
TESTS_PASSED, TESTS_FAILED = 0, 1  # pytest's exit codes


def main() -> int:
    """Plant the faults whose file or tests contain an argument, or all."""
    wanted = [fault for fault in FAULTS if all(word in str(fault) for word in sys.argv[1:])]
    missed = 0
    with tempfile.TemporaryDirectory(prefix="natsgen-planted-") as folder:
        copy = Path(folder, "natsgen")
        copy_repository(copy)
        for number, fault in enumerate(wanted, 1):
            began = time.monotonic()
            said = outcome(fault, copy)
            missed += said != CAUGHT
            print(
                f"{number}/{len(wanted)} {said}: {fault.file}: {fault.new!r} ({time.monotonic() - began:.0f} s)",
                flush=True,
            )
    print(f"{len(wanted) - missed} of {len(wanted)} faults were caught")
    return 1 if missed else 0


def copy_repository(copy: Path) -> None:
    """Copy what git knows."""
    names = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, copy / name)


def outcome(fault: Fault, copy: Path) -> str:
    """Plant a fault, run its tests, and take it back."""
    file = copy / fault.file
    text = file.read_text() if file.is_file() else ""
    if text.count(fault.old) != 1:
        return STALE
    file.write_text(text.replace(fault.old, fault.new))
    try:
        command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *fault.tests]
        environment = {**os.environ, "PYTHONPATH": str(copy / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
        ran = subprocess.run(command, cwd=copy, env=environment, capture_output=True, text=True, timeout=LIMIT)
        return {TESTS_PASSED: NOT_CAUGHT, TESTS_FAILED: CAUGHT}.get(
            ran.returncode, f"PYTEST ENDED WITH {ran.returncode}"
        )
    except subprocess.TimeoutExpired:
        return NOT_DECIDED  # on a busy machine, tests that pass are late as well
    finally:
        file.write_text(text)


if __name__ == "__main__":
    sys.exit(main())
