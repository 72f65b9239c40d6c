"""The template that `--template` names for smoke: one that is being changed, so that it need not be released."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from natsgen.answers import questions
from natsgen.errors import InputError
from natsgen.rendering import addresses, template_source
from natsgen.rendering.template_source import TemplateSource
from natsgen.update import releases

NAME = "smoke"  # of the version that services say they are of
_DEFAULT_BRANCH = "HEAD"


@contextmanager
def template(given: str | None) -> Iterator[TemplateSource]:
    """Provide the template, as long as it is open.

    Args:
        given: a folder as it is, uncommitted changes included; or what git can clone, with `@` and a branch or tag at
            its end if it is not to be the default one. Without it, the template of this natsgen.

    Raises:
        InputError: it holds no template, or there is no such folder.
        NatsgenError: it cannot be read.
    """
    if given is None:
        yield template_source.bundled()
        return
    here = Path.cwd()
    if Path(given).is_dir():
        yield _needed(Path(given).resolve(), given)
        return
    address = addresses.read(given, here, here)
    if addresses.is_missing(address.url, here):
        raise InputError(f"--template: there is no folder {given}; a repository has an address such as https://...")
    with releases.of(address.url, here) as known:
        yield _needed(known.at(address.version or _DEFAULT_BRANCH).folder, given)


def _needed(folder: Path, given: str) -> TemplateSource:
    if not questions.is_template(folder):
        raise InputError(f"--template: {given} is not a template: it has no {questions.FILE}")
    return TemplateSource(folder, given, NAME)
