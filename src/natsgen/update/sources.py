"""Which template it is: the one that a service was made from, that a person names, the organisation's, or natsgen's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from natsgen.answers import questions
from natsgen.answers.answers_file import AnswersFile
from natsgen.errors import NatsgenError, ServiceError, TemplateError
from natsgen.rendering import addresses, trust
from natsgen.rendering.template_source import TemplateSource
from natsgen.update import releases
from natsgen.update.releases import Releases
from natsgen.workspace import ANSWERS_FILE, Workspace

_NAME = "service_name"


class Sources:
    """The templates that services were made from, each opened once.

    Args:
        workspace: where the services are.
        stack: closes the templates.
    """

    def __init__(self, workspace: Workspace, stack: ExitStack) -> None:
        self._workspace = workspace
        self._stack = stack
        self._found: dict[str, Releases | NatsgenError] = {}

    def of(self, memory: AnswersFile) -> Releases:
        """Return the releases of the template that a service was made from.

        Raises:
            UntrustedTemplateError: nobody has accepted it.
            NatsgenError: it does not say which, or they cannot be read.
        """
        url = memory.source
        if not url:
            raise ServiceError(f"{memory.file} does not say where its template comes from (_src_path)")
        if url not in self._found:
            if addresses.has_secret(url):
                raise ServiceError(
                    f"{memory.file} has a password or a token in _src_path: remove and revoke it, and use a git "
                    "credential helper"
                )
            trust.need(url, self._workspace.root, str(memory.file))
            try:
                self._found[url] = self._stack.enter_context(releases.of(url, self._workspace.root))
            except NatsgenError as error:
                self._found[url] = error
        found = self._found[url]
        if isinstance(found, NatsgenError):
            raise found
        return found


@contextmanager
def named(given: str, here: Path, workspace: Path, where: str) -> Iterator[TemplateSource]:
    """Provide the template that a person names for new services, as long as it is open.

    Args:
        given: a URL, a path or a bundle, with `@` and a version behind it if it is not to be the newest.
        here: the folder that a path in it is relative to.
        workspace: the workspace's folder.
        where: what to name in the error, such as "--template".

    Raises:
        InputError: it has no such version.
        TemplateError: it cannot be what services are made from; the message says why.
        GitError: it cannot be read.
    """
    address = addresses.read(given, here, workspace)
    with releases.of(address.url, workspace) as known:
        template = known.wanted(address.version, where)
        _need_layout(template)
        yield template


def _need_layout(template: TemplateSource) -> None:
    """Make sure that services can be made from a template; that it makes an answers file is seen when it does."""
    if not questions.is_template(template.folder):
        raise TemplateError(f"{template.url} is not a template: it has no {questions.FILE}")
    if _NAME not in questions.read(template.folder).questions:
        raise TemplateError(
            f"the template {template.url} does not have natsgen's layout: it has no question {_NAME}, which names "
            f"services/NAME/{ANSWERS_FILE}"
        )
