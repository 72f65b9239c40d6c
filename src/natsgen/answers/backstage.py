"""A Backstage software template that asks the questions of a template and opens a pull request with the new service."""

from __future__ import annotations

from typing import Any

_REPOSITORY = "${{ (parameters.repoUrl | parseRepoUrl)%s }}"
_NAME = "${{ parameters.answers.service_name }}"


def software_template(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    """Return the entity of the software template.

    Its action `natsgen:new` is one to add to Backstage; the others are Backstage's own.

    Args:
        kind: the kind of service: the command after `natsgen new`.
        schema: the JSON Schema of the answers.
    """
    host, owner, repository = (_REPOSITORY % key for key in (".host", ".owner", ".repo"))
    return {
        "apiVersion": "scaffolder.backstage.io/v1beta3",
        "kind": "Template",
        "metadata": {
            "name": f"natsgen-{kind}",
            "title": f"NATS {kind}",
            "description": f"Adds a NATS {kind} in Python to a workspace, by natsgen.",
            "tags": ["nats", "jetstream", "python"],
        },
        "spec": {
            "owner": "platform",  # for the team to change
            "type": "service",
            "parameters": [
                {
                    "title": "Service",
                    "required": ["answers"],
                    "properties": {"answers": {"title": f"The {kind}", **schema}},
                },
                {
                    "title": "Workspace",
                    "required": ["repoUrl"],
                    "properties": {
                        "repoUrl": {
                            "title": "Repository of the workspace",
                            "type": "string",
                            "ui:field": "RepoUrlPicker",
                            "ui:options": {"allowedHosts": ["github.com"]},
                        }
                    },
                },
            ],
            "steps": [
                {
                    "id": "fetch",
                    "name": "Fetch the workspace",
                    "action": "fetch:plain",
                    "input": {"url": f"https://{host}/{owner}/{repository}", "targetPath": "workspace"},
                },
                {
                    "id": "new",
                    "name": f"Create the {kind}",
                    "action": "natsgen:new",
                    "input": {
                        "kind": kind,
                        "answers": "${{ parameters.answers }}",
                        "workspacePath": "workspace",
                        "createdPath": "created",
                    },
                },
                {
                    "id": "pull",
                    "name": "Open a pull request",
                    "action": "publish:github:pull-request",
                    "input": {
                        "repoUrl": "${{ parameters.repoUrl }}",
                        "branchName": f"natsgen/{_NAME}",
                        "title": f"Add the {kind} {_NAME}",
                        "description": f"Created by `natsgen new {kind}`.",
                        "sourcePath": "created",
                    },
                },
            ],
            "output": {
                "links": [{"title": "Pull request", "url": "${{ steps.pull.output.remoteUrl }}", "icon": "github"}]
            },
        },
    }
