"""The page at `/docs`: the description of the HTTP interface, for people."""

from __future__ import annotations

import json
from html import escape
from typing import Any


def reference_page(description: dict[str, Any]) -> str:
    """An OpenAPI description as HTML without scripts.

    Args:
        description: As JSON values.
    """
    info = description["info"]
    operations = [
        _operation(path, method, operation)
        for path, methods in description["paths"].items()
        for method, operation in methods.items()
    ]
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n'
        f"<title>{escape(info['title'])}: HTTP interface</title>\n"
        '<link rel="stylesheet" href="page.css">\n</head>\n<body>\n<header>\n'
        f"<h1>{escape(info['title'])} {escape(info['version'])}</h1>\n"
        f"<p>{escape(info['summary'])}</p>\n"
        '<p>The same for programs: <a href="openapi.json">openapi.json</a>. '
        "Live streams: the WebSocket <code>/v1/stream</code>, described in docs/server.md.</p>\n"
        "</header>\n<main>\n" + "\n".join(operations) + "\n</main>\n</body>\n</html>\n"
    )


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    body = operation.get("requestBody")
    return (
        f"<section>\n<h2><code>{method.upper()} {escape(path)}</code></h2>\n"
        f"<p>{_text(operation.get('description', operation['summary']))}</p>\n"
        + (f"<p>Body: {_text(body['description'])}</p>\n" if body else "")
        + _parameters(operation.get("parameters", []))
        + "".join(
            _response(status, response) for status, response in operation["responses"].items()
        )
        + "</section>"
    )


def _parameters(parameters: list[dict[str, Any]]) -> str:
    if not parameters:
        return ""
    rows = "".join(
        f"<dt><code>{escape(one['name'])}</code> ({escape(one['in'])}, {_type(one['schema'])})</dt>"
        f"<dd>{_text(one.get('description', ''))}</dd>\n"
        for one in parameters
    )
    return f"<dl>\n{rows}</dl>\n"


def _type(schema: dict[str, Any]) -> str:
    """What a value may be, and its default."""
    of = next((one for one in schema.get("anyOf", []) if one["type"] != "null"), schema)
    kind = " | ".join(map(str, of["enum"])) if "enum" in of else str(of["type"])
    default = schema.get("default")
    return escape(kind if default is None else f"{kind}, default {default}")


def _response(status: str, response: dict[str, Any]) -> str:
    content = response.get("content", {}).get("application/json", {})
    summary = f"<code>{escape(status)}</code> {_text(response['description'])}"
    if "example" not in content:
        return f"<p>{summary}</p>\n"
    example = escape(json.dumps(content["example"], indent=2, ensure_ascii=False))
    return f"<details><summary>{summary}</summary><pre>{example}</pre></details>\n"


def _text(text: str) -> str:
    """Text in which words between backquotes are code."""
    parts = escape(text).split("`")
    return "".join(f"<code>{p}</code>" if i % 2 else p for i, p in enumerate(parts))
