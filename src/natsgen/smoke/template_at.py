"""The template that `--template` names: a folder on this machine, or a repository that is cloned for the run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from natsgen import template_source
from natsgen.errors import InputError, TemplateError
from natsgen.harness.commands import run
from natsgen.harness.errors import HarnessError
from natsgen.harness.reaper import temporary_folder
from natsgen.template_source import TemplateSource

CLONE_SECONDS = 300.0
QUESTIONS = "copier.yml"
_ADDRESS = re.compile(r"[a-z+]+://|[\w.-]+@[\w.-]+:")
_SHORT_FORMS = {"gh:": "https://github.com/", "gl:": "https://gitlab.com/", "git+": ""}


@contextmanager
def template(given: str | None) -> Iterator[TemplateSource]:
    """The template; a clone is removed at the end.

    Args:
        given: a folder, or the address of a git repository, with `@` and a branch or tag at its end if it is not to be
            the default one. Without it, the template of this natsgen.

    Raises:
        InputError: there is no such folder, or it holds no template.
        TemplateError: it cannot be cloned.
    """
    if given is None:
        yield template_source.bundled()
        return
    address = _address(given)
    if address is None:
        yield _in_folder(Path(given).resolve(), given)
        return
    with temporary_folder() as folder:
        url, _, reference = _split(address)
        options = ["--branch", reference] if reference else []
        try:
            run(
                ["git", "clone", "--quiet", "--depth", "1", *options, "--", url, folder / "template"],
                limit=CLONE_SECONDS,
            )
        except HarnessError as error:
            raise TemplateError(f"--template: {given} cannot be cloned: {str(error).splitlines()[-1]}") from error
        yield _in_folder(folder / "template", given)


def _address(given: str) -> str | None:
    """The address of a repository; None for a folder, which goes before."""
    if Path(given).is_dir():
        return None
    for short, long in _SHORT_FORMS.items():
        if given.startswith(short):
            return long + given.removeprefix(short)
    return given if _ADDRESS.match(given) else None


def _split(address: str) -> tuple[str, str, str]:
    """The address and the reference behind an `@` in its last part: the one before a host's name is no such thing."""
    start, slash, last = address.rpartition("/")
    name, at, reference = last.partition("@")
    return start + slash + name, at, reference


def _in_folder(folder: Path, given: str) -> TemplateSource:
    if not folder.is_dir():
        raise InputError(f"--template: there is no folder {given}; a repository has an address such as https://...")
    if not (folder / QUESTIONS).is_file():
        raise InputError(f"--template: {given} is no template: it has no {QUESTIONS}")
    return TemplateSource(folder, given, "smoke")
