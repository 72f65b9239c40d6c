"""Run natsgen as `python -m natsgen`, where the console script is not on PATH."""

from natsgen.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
