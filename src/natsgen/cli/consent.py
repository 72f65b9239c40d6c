"""Asks the user to accept a template that a repository names, unless `--trust-template` is given."""

from __future__ import annotations

from pathlib import Path

from natsgen.cli import output
from natsgen.errors import UntrustedTemplateError

_MOST_FILES = 50  # files to list


def is_given(error: UntrustedTemplateError, *, trusted: bool) -> bool:
    """Show a template, and return whether the user accepts it; an accepted template is remembered.

    Args:
        error: names the template and the file that refers to it.
        trusted: whether `--trust-template` is given.

    Raises:
        NatsgenError: the template cannot be read.
    """
    if not trusted:
        if not output.can_ask():
            return False
        output.note(output.printable(str(error)))
        if not output.confirm("Fetch it and list its files?"):
            return False
    _show(error)
    if not trusted and not output.confirm("Accept it from now on?"):
        return False
    remember(error.url, error.workspace)
    return True


def remember(url: str, workspace: Path) -> None:
    """Remember an accepted template."""
    from natsgen.rendering import trust

    try:
        trust.remember(url, workspace)
    except OSError as failure:
        output.note(f"accepted for this command only: cannot write {trust.file()}: {failure.strerror}")


def _show(error: UntrustedTemplateError) -> None:
    from natsgen.files import git
    from natsgen.update import releases

    with releases.of(error.url, error.workspace) as known:
        template = known.wanted("", "")
        names = sorted(
            str(path.relative_to(template.folder))
            for path in template.folder.rglob("*")
            if not path.is_dir() and ".git" not in path.relative_to(template.folder).parts
        )
    more = [f"and {len(names) - _MOST_FILES} more"] if len(names) > _MOST_FILES else []
    shown = [*map(output.printable, names[:_MOST_FILES]), *more]
    address = output.printable(git.without_secrets(error.url))
    output.note("\n".join([f"the template {address} contains:", *(f"  {one}" for one in shown)]))
