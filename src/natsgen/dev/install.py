"""Create the Python environment of a service in a separate process, which can be killed.

`python -m natsgen.dev.install FILE` prints the path of the interpreter, or why there is none.
"""

from __future__ import annotations

import sys
from pathlib import Path

from natsgen.harness.environment import environment_for
from natsgen.harness.errors import HarnessError


def main() -> int:
    """Create the environment for the requirements file in the first argument, and return the exit code."""
    try:
        print(environment_for(Path(sys.argv[1])))
    except HarnessError as error:
        print(error)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
