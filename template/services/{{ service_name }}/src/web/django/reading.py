"""What a view is sent, as a model: `body = read(request, GreetRequest)`."""

from __future__ import annotations

from typing import Any, TypeVar, get_origin

from django.http import HttpRequest, QueryDict
from pydantic import BaseModel, ValidationError

from src.web.problems import InvalidRequest

Model = TypeVar("Model", bound=BaseModel)

WITHOUT_BODY = ("GET", "HEAD", "DELETE")
MANY = (list, set, tuple, frozenset)


def read(request: HttpRequest, model: type[Model]) -> Model:
    """The body of a request, which is JSON; of one without a body (GET, DELETE) the parameters of its query.

    Raises:
        InvalidRequest: it does not fit the model; answered with 422, and where and why.
    """
    where = "query" if request.method in WITHOUT_BODY else "body"
    try:
        if where == "query":
            return model.model_validate(_parameters(request.GET, model))
        return model.model_validate_json(request.body)
    except ValidationError as error:
        raise InvalidRequest(error, where) from error


def _parameters(query: QueryDict, model: type[BaseModel]) -> dict[str, Any]:
    """The parameters by name: a list where there are several of one name, or where the model has one."""
    lists = {
        field.validation_alias or name
        for name, field in model.model_fields.items()
        if (get_origin(field.annotation) or field.annotation) in MANY
    }
    return {name: values if len(values) > 1 or name in lists else values[0] for name, values in query.lists() if values}
