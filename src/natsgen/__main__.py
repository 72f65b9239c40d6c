"""`python -m natsgen`, for where the console script is not on the path."""

from natsgen.cli import main

if __name__ == "__main__":
    raise SystemExit(main())
