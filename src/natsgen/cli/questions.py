"""`natsgen questions`: lists the questions for a new service, also for forms of other programs."""

from __future__ import annotations

from natsgen import messages
from natsgen.cli import missing, options, output, templates
from natsgen.cli.options import argument, switch
from natsgen.errors import InputError


def questions(
    how: options.Reading,
    kind: str = argument("KIND", "worker, service, gateway, publisher or subscriber.", "worker", show_default=True),
    template: str | None = options.TEMPLATE,
    json_schema: bool = switch("--json-schema", "Print the JSON Schema of a --data-file (draft 2020-12)."),
    backstage: bool = switch("--backstage", "Print a Backstage software template that asks these questions."),
) -> None:
    """List the questions that natsgen new asks.

    With --json-schema this prints the schema of the answers that natsgen new KIND accepts in a --data-file, for editors
    and forms. With --backstage it prints a template.yaml with that schema. This command writes no files.

    \b
    Examples:
      natsgen questions
      natsgen questions gateway --json-schema > answers.schema.json
      natsgen questions --backstage > template.yaml
    """
    from natsgen.answers import backstage as catalog
    from natsgen.answers import json_schema as schemas
    from natsgen.answers import questions as asked

    if kind not in missing.REQUIREMENTS:
        raise InputError(f"KIND: {messages.invalid_choice(kind, missing.REQUIREMENTS)}")
    if how.as_json + json_schema + backstage > 1:
        raise InputError("use only one of --json, --json-schema and --backstage")
    with templates.for_new(template, how.place) as source:
        questionnaire = asked.read(source.folder)
    found = schemas.schema(questionnaire, missing.REQUIREMENTS[kind].questions)
    if json_schema:
        output.document({"$schema": schemas.DRAFT, "title": f"Answers for natsgen new {kind}", **found})
    elif backstage:
        import yaml

        output.result(yaml.safe_dump(catalog.software_template(kind, found), sort_keys=False, width=120))
    else:
        rows = [(one.key, one.help) for one in questionnaire.questions.values()]
        facts = [
            {"key": key, "help": form.get("description", ""), "default": form.get("default")}
            for key, form in found["properties"].items()
        ]
        how.end({"questions": facts}, output.columns(rows))
