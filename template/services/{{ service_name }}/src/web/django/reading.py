"""Reads a request into a model: `body = read(request, GreetRequest)`."""

from __future__ import annotations

from typing import TypeVar, get_origin

from django.http import HttpRequest
from pydantic import BaseModel, ValidationError

from src.web.problems import InvalidRequest

Model = TypeVar("Model", bound=BaseModel)

WITHOUT_BODY = ("GET", "HEAD", "DELETE")
LISTS = (list, set, tuple, frozenset)


def read(request: HttpRequest, model: type[Model]) -> Model:
    """Return the JSON body of a request; for GET and DELETE its query.

    Raises:
        InvalidRequest: it does not match the model; the client gets 422, with each place and reason.
    """
    if request.method not in WITHOUT_BODY:
        try:
            return model.model_validate_json(request.body)
        except ValidationError as error:
            raise InvalidRequest(error, "body") from error
    fields = {field.validation_alias or name: field.annotation for name, field in model.model_fields.items()}
    lists = {name for name, annotation in fields.items() if (get_origin(annotation) or annotation) in LISTS}
    query = {
        name: values if len(values) > 1 or name in lists else values[0]
        for name, values in request.GET.lists()
        if values
    }
    try:
        return model.model_validate(query)
    except ValidationError as error:
        raise InvalidRequest(error, "query") from error
