"""Opens the template that a service was created from, or one that the user names for new services."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from natsgen.answers import questions
from natsgen.answers.answers_file import AnswersFile
from natsgen.errors import NatsgenError, ServiceError, TemplateError
from natsgen.files.workspace import ANSWERS_FILE, Workspace
from natsgen.rendering import addresses, trust
from natsgen.rendering.template_source import TemplateSource
from natsgen.update import releases
from natsgen.update.releases import Releases

_NAME = "service_name"


class Sources(ExitStack):
    """The templates that services were created from, each opened once. As a context manager it closes them.

    Args:
        workspace: the workspace of the services.
    """

    def __init__(self, workspace: Workspace) -> None:
        super().__init__()
        self._workspace = workspace
        self._found: dict[str, Releases | NatsgenError] = {}

    def of(self, memory: AnswersFile) -> Releases:
        """Return the releases of the template that a service was created from.

        Raises:
            UntrustedTemplateError: the user has not accepted the template.
            NatsgenError: the answers file does not name a template, or its releases cannot be read.
        """
        url = memory.source
        if not url:
            raise ServiceError(f"{memory.file} does not name its template (_src_path)")
        if url not in self._found:
            if addresses.has_secret(url):
                raise ServiceError(
                    f"{memory.file} has a password or a token in _src_path: remove and revoke it, and use a git "
                    "credential helper"
                )
            trust.need(url, self._workspace.root, str(memory.file))
            try:
                self._found[url] = self.enter_context(releases.of(url, self._workspace.root))
            except NatsgenError as error:
                self._found[url] = error
        found = self._found[url]
        if isinstance(found, NatsgenError):
            raise found
        return found


@contextmanager
def named(given: str, here: Path, workspace: Path, where: str) -> Iterator[TemplateSource]:
    """Provide the template that the user names for new services.

    Args:
        given: a URL, a path or a bundle, optionally followed by `@` and a version.
        here: the folder that a typed path is relative to.
        workspace: the workspace's folder.
        where: what to name in the error, such as "--template".

    Raises:
        InputError: the version does not exist.
        TemplateError: services cannot be created from the template; the message says why.
        GitError: the template cannot be read.
    """
    address = addresses.read(given, here, workspace)
    with releases.of(address.url, workspace) as known:
        template = known.wanted(address.version, where)
        _need_layout(template)
        yield template


def _need_layout(template: TemplateSource) -> None:
    """Check that services can be created from a template; rendering checks that it has an answers file."""
    if not questions.is_template(template.folder):
        raise TemplateError(f"{template.url} is not a template: it has no {questions.FILE}")
    if _NAME not in questions.read(template.folder).questions:
        raise TemplateError(
            f"the template {template.url} does not have natsgen's layout: it has no question {_NAME}, which names "
            f"services/NAME/{ANSWERS_FILE}"
        )
