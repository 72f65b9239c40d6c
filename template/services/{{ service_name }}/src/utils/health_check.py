"""The image's health check: exits with 0 if the worker's `/healthz` answers 200."""

from __future__ import annotations

import http.client
import os
import sys

TIME_LIMIT = 3  # seconds
ANY_ADDRESS = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # for services that listen on all addresses


def main() -> int:
    """Return the exit code: 0 if healthy, else 1."""
    host, port = os.environ.get("HTTP_HOST", ""), int(os.environ.get("HTTP_PORT") or 8080)
    if port == 0:
        print("HTTP_PORT=0 takes a free port, which a health check cannot know; set a port", file=sys.stderr)
        return 1
    connection = http.client.HTTPConnection(ANY_ADDRESS.get(host, host), port, timeout=TIME_LIMIT)
    try:
        connection.request("GET", "/healthz")
        return 0 if connection.getresponse().status == 200 else 1
    except OSError as error:
        print(error, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
