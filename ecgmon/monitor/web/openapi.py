"""The API's description, OpenAPI 3.1: paths are written here, schemas are made from the answers' types."""

from __future__ import annotations

from functools import cache
from typing import Any, Final

import msgspec

from ecgmon import __version__
from ecgmon.ecg.types import Alert
from ecgmon.monitor.web import shapes
from ecgmon.monitor.web.asked import MOST_SEEN
from ecgmon.monitor.web.strip import BEATS

ABOUT: Final = (
    "What the daemon sees now: read-only, and of the last seconds only; what lasts is on MQTT. "
    "Times are UTC in seconds since 1970 by each device's own clock, ages are seconds by the daemon's. "
    "With `http.token_file` or `http.token_env` each request needs the token. Not a medical device."
)

TYPES: Final = (
    Alert, shapes.AlertPage, shapes.BeatList, shapes.Problem, shapes.SampleList, shapes.StreamList,
    shapes.StreamNow,
)  # fmt: skip


@cache
def document() -> dict[str, Any]:
    """The whole of it."""
    _, schemas = msgspec.json.schema_components(TYPES, ref_template="#/components/schemas/{name}")
    schemas["AlertPage"]["properties"]["alerts"]["items"] = {"$ref": "#/components/schemas/Alert"}
    return {
        "openapi": "3.1.0",
        "info": {"title": "ecgmon", "version": __version__, "description": ABOUT, "license": _LICENSE},
        "servers": [{"url": "/"}],
        "security": [{}, {"token": []}],
        "paths": _paths(),
        "components": {
            "schemas": schemas,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


_LICENSE: Final = {"name": "Apache-2.0", "identifier": "Apache-2.0"}


def _paths() -> dict[str, Any]:
    name = _parameter("name", "path", {"type": "string"}, "the stream's name")
    seconds = _parameter("seconds", "query", {"type": "integer", "minimum": 1, "maximum": 7}, "how many")
    limit = _parameter("limit", "query", {"type": "integer", "minimum": 1, "maximum": BEATS}, "beats at most")
    return {
        "/api/v1/streams": _get("streams", "All streams; those that ended for a minute", "StreamList"),
        "/api/v1/streams/{name}": _get("stream", "One stream", "StreamNow", name),
        "/api/v1/streams/{name}/samples": _get(
            "samples", "The newest samples of the watched lead, at about 125 Hz", "SampleList", name, seconds
        ),
        "/api/v1/streams/{name}/beats": _get(
            "beats", "The newest beats; the last has its windows, more while somebody looks at the stream",
            "BeatList", name, limit,
        ),
        "/api/v1/alerts": _get("alerts", "Alerts, the newest first", "AlertPage", *_of_alerts()),
        "/api/v1/alerts/{id}": _get(
            "alert", "One alert with its evidence, as on MQTT", "Alert",
            _parameter("id", "path", {"type": "string"}, "the alert's id"),
        ),
        "/api/v1/live": _live(),
    }  # fmt: skip


def _of_alerts() -> list[dict[str, Any]]:
    number = {"type": "integer", "minimum": 0}
    return [
        _parameter("stream", "query", {"type": "string"}, "of this stream"),
        _parameter("kind", "query", {"type": "string", "enum": list(shapes.KINDS)}, "of this kind"),
        _parameter(
            "state", "query", {"type": "string", "enum": ["raised", "cleared"]}, "that stand, or do not"
        ),
        _parameter("before", "query", number, "`next` of the page before"),
        _parameter("limit", "query", {**number, "minimum": 1, "maximum": 200}, "alerts on a page; 50"),
    ]


def _live() -> dict[str, Any]:
    text = (
        "Server-sent events `hello`, `status`, `data`, `beat` and `alerts`, for the page. "
        f"`see` names up to {MOST_SEEN} streams and the sample from which on each is wanted."
    )
    parameters = [
        _parameter("run", "query", {"type": "string"}, "`run` of `hello`, to go on where one was"),
        _parameter("see", "query", {"type": "string"}, "streams whose samples are wanted: 12@4500,13"),
        _parameter("focus", "query", {"type": "integer"}, "the stream whose beats are wanted whole"),
        _parameter("alerts", "query", {"type": "integer"}, "the last alert that is known"),
    ]
    stream = {
        "description": "until one of both goes",
        "content": {"text/event-stream": {"schema": {"type": "string"}}},
    }
    return {
        "get": {
            "operationId": "live", "summary": "What goes on", "description": text, "parameters": parameters,
            "responses": {"200": stream, "default": _answer("Problem", "application/problem+json")},
        }
    }  # fmt: skip


def _get(operation: str, summary: str, schema: str, *parameters: dict[str, Any]) -> dict[str, Any]:
    return {
        "get": {
            "operationId": operation,
            "summary": summary,
            "parameters": list(parameters),
            "responses": {
                "200": _answer(schema, "application/json"),
                "default": _answer("Problem", "application/problem+json"),
            },
        }
    }


def _answer(schema: str, content_type: str) -> dict[str, Any]:
    reference = {"$ref": f"#/components/schemas/{schema}"}
    return {"description": schema, "content": {content_type: {"schema": reference}}}


def _parameter(name: str, where: str, schema: dict[str, Any], description: str) -> dict[str, Any]:
    required = {"required": True} if where == "path" else {}
    return {"name": name, "in": where, "schema": schema, "description": description, **required}
