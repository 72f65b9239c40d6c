"""Images that a sample's containers are made from: here, or pulled, or known not to be had."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from natsgen.harness.commands import run
from natsgen.harness.reaper import Reaper
from natsgen.smoke.steps import LeftOut

ENGINE_SECONDS = 60.0
PULL_SECONDS = 600.0


class Images:
    """The images of a run; what one sample has found out, the others know."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._missing: dict[str, str] = {}

    def need(self, image: str) -> None:
        """Sees to it that the image is on the engine.

        Raises:
            LeftOut: it is not, and cannot be pulled.
        """
        with self._lock:
            if image not in self._missing:
                self._missing[image] = "" if _is_here(image) else _pull(image)
        if why := self._missing[image]:
            raise LeftOut(f"the image {image} is not on this machine and cannot be pulled ({why})")


@contextmanager
def under_other_names(names: Sequence[tuple[str, str]]) -> Iterator[None]:
    """Gives images, by their names, second names until the end of the `with` block, or of this process."""
    with ExitStack() as stack:
        for image, other in names:
            stack.enter_context(Reaper("docker", "rmi", other))
            run(["docker", "tag", image, other], limit=ENGINE_SECONDS)
            stack.callback(run, ["docker", "rmi", other], limit=ENGINE_SECONDS, check=False)
        yield


@contextmanager
def network(name: str, label: str) -> Iterator[None]:
    """Provide a network of that name until the end of the `with` block, or of this process."""
    removal = ("docker", "network", "rm", name)
    with Reaper(*removal):
        run(["docker", "network", "create", "--label", label, name], limit=ENGINE_SECONDS)
        try:
            yield
        finally:
            run(removal, limit=ENGINE_SECONDS, check=False)


def _is_here(image: str) -> bool:
    return run(["docker", "image", "inspect", image], limit=ENGINE_SECONDS, check=False).exit_code == 0


def _pull(image: str) -> str:
    """Return why it cannot be pulled; "" if it was."""
    done = run(["docker", "pull", "--quiet", image], limit=PULL_SECONDS, check=False)
    return "" if done.exit_code == 0 else " ".join(done.everything.split())[-200:]
