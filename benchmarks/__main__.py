"""`make bench`: measures everything, and writes docs/performance.md with its plots."""

from __future__ import annotations

import argparse
import subprocess
import sys

PARTS = ("worker", "actions", "tool", "update")


def main() -> int:
    """Runs each part, which writes its own section; exit code 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, help="how often each is measured, instead of a part's own number")
    wanted = parser.parse_args()
    options = ["--rounds", str(wanted.rounds)] if wanted.rounds else []
    codes = [
        subprocess.run([sys.executable, "-m", f"benchmarks.{part}", "--write", *options]).returncode for part in PARTS
    ]
    return 1 if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())
