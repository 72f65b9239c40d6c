"""The event that rivals validate, and what the realistic job publishes for it."""

from datetime import datetime

from pydantic import BaseModel, Field


class Data(BaseModel):
    number: int
    text: str


class Event(BaseModel):
    id: str
    type: str
    timestamp: datetime
    aggregate_id: str = Field(alias="aggregateId")
    data: Data


class Done(BaseModel):
    number: int
    text: str
