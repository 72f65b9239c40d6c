"""`make bench`: measures everything, and writes docs/performance.md with its plots."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time

PARTS = ("worker", "job", "actions", "tool", "update")
QUICK = {"update": ("--services", "5")}
"""Further options that make a part quick."""


def main() -> int:
    """Run each part, which writes its own section; exit code 1 if one failed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, help="how often each is measured, instead of a part's own number")
    parser.add_argument("--quick", action="store_true", help="one round of few messages; writes nothing")
    wanted = parser.parse_args()
    rounds = 1 if wanted.quick else wanted.rounds
    options = [*(["--rounds", str(rounds)] if rounds else []), *([] if wanted.quick else ["--write"])]
    environment = {**os.environ, **({"BENCH_QUICK": "1"} if wanted.quick else {})}
    if wanted.quick:
        print("quick: one round of few messages, whose figures say little; docs/performance.md is not written")
    codes = []
    for part in PARTS:
        began = time.monotonic()
        more = QUICK.get(part, ()) if wanted.quick else ()
        command = [sys.executable, "-m", f"benchmarks.{part}", *options, *more]
        codes.append(subprocess.run(command, env=environment).returncode)
        print(f"{part}: {time.monotonic() - began:.0f} s", flush=True)
    return 1 if any(codes) else 0


if __name__ == "__main__":
    sys.exit(main())
