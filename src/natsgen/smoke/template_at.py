"""Finding the template that `--template` names for smoke; it need not be released."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from natsgen.answers import questions
from natsgen.errors import InputError
from natsgen.rendering import addresses, template_source
from natsgen.rendering.template_source import TemplateSource
from natsgen.update import releases

NAME = "smoke"  # the template version recorded in the services
_DEFAULT_BRANCH = "HEAD"


@contextmanager
def template(given: str | None) -> Iterator[TemplateSource]:
    """Provide the template; a clone is removed at the end.

    Args:
        given: a folder, used with its uncommitted changes; or the address of a git repository, optionally with `@` and
            a branch or tag at the end. None for the template of this natsgen.

    Raises:
        InputError: the folder does not exist, or there is no template in it.
        NatsgenError: the repository cannot be read.
    """
    if given is None:
        yield template_source.bundled()
        return
    here = Path.cwd()
    if Path(given).is_dir():
        yield _source(Path(given).resolve(), given)
        return
    address = addresses.read(given, here, here)
    if addresses.is_missing(address.url, here):
        raise InputError(f"--template: no such folder: {given}; a repository has an address such as https://...")
    with releases.of(address.url, here) as known:
        yield _source(known.at(address.version or _DEFAULT_BRANCH).folder, given)


def _source(folder: Path, given: str) -> TemplateSource:
    if not questions.is_template(folder):
        raise InputError(f"--template: {given} is not a template: it has no {questions.FILE}")
    return TemplateSource(folder, given, NAME)
