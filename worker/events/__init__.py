"""The public events, their versions and JSON schemas. Uses the standard library only."""

from worker.events.catalogue import API_VERSION, API_VERSIONS, EventType, check_data, event_type, event_types, schema
from worker.events.envelope import EventEnvelope, event_id, parse_event_id

__all__ = [
    "API_VERSION",
    "API_VERSIONS",
    "EventEnvelope",
    "EventType",
    "check_data",
    "event_id",
    "event_type",
    "event_types",
    "parse_event_id",
    "schema",
]
