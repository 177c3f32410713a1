"""The page at `/`: record or choose a file, and see emotion over time; and that at `/docs`.

Its files lie beside this module; nothing is loaded from elsewhere, and nothing is inline.
"""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter, Request, Response

from serkit.serving.page.reference import reference_page

router = APIRouter(include_in_schema=False)

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "Permissions-Policy": "microphone=(self), camera=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
}
_TYPES = {"html": "text/html", "js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}


def _serve(path: str, name: str) -> None:
    content = files(__package__).joinpath(name).read_bytes()
    kind = _TYPES[name.rpartition(".")[2]]

    @router.get(path, response_class=Response)
    async def page() -> Response:
        return Response(content, media_type=kind, headers=_HEADERS)


_serve("/", "index.html")
for _name in ("page.css", "page.js", "recorder.js", "timeline.js", "stream.js"):
    _serve(f"/{_name}", _name)


@router.get("/docs", response_class=Response)
async def reference(request: Request) -> Response:
    """The description of the HTTP interface."""
    page = reference_page(request.app.openapi())
    return Response(page, media_type="text/html", headers=_HEADERS)
