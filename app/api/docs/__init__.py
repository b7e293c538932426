"""The documentation: the contract, a page to try it, a page for each kind of problem.

All files are our own: nothing is fetched from elsewhere, and no code stands in a page.
"""

from functools import cache
from html import escape
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.staticfiles import StaticFiles

from app.api.examples import EXAMPLE_IDS
from app.api.openapi import TITLE, openapi_text
from app.api.problems import KINDS, titles
from app.domain.errors import NotFoundError

HERE = Path(__file__).parent
ASSETS = HERE.parent / "static" / "swagger-ui"

PAGE_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)

router = APIRouter(include_in_schema=False)


class Assets(StaticFiles):
    """The files of Swagger UI; they change with the version of the service only."""

    def file_response(self, *args: Any, **kwargs: Any) -> Response:  # noqa: ANN401 - as Starlette has it
        answer = super().file_response(*args, **kwargs)
        answer.headers["Cache-Control"] = "public, max-age=3600"
        return answer


def assets() -> Assets:
    return Assets(directory=ASSETS)


@router.get("/docs")
async def show_docs() -> FileResponse:
    headers = {"Content-Security-Policy": PAGE_POLICY}
    return FileResponse(HERE / "page.html", media_type="text/html", headers=headers)


@router.get("/docs/init.js")
async def get_docs_script() -> FileResponse:
    return FileResponse(HERE / "init.js", media_type="text/javascript")


@router.get("/docs/credentials.json")
async def get_docs_credentials(request: Request) -> JSONResponse:
    """The key that the page fills in (null unless the cloud is a simulated one), and the ids
    of the examples, which it replaces by some that exist.
    """
    return JSONResponse({"api_key": request.app.state.docs_key, "example_ids": EXAMPLE_IDS})


@router.get("/openapi.json")
def get_contract(request: Request) -> Response:
    text = cached_contract(request.app)
    return Response(text, media_type="application/json")


cached_contract = cache(openapi_text)


@router.get("/problems/{slug}")
async def show_problem(slug: str) -> HTMLResponse:
    """Say what a kind of problem means and what to do about it."""
    code = slug.replace("-", "_")
    if code not in KINDS or "_" in slug:
        raise NotFoundError("there is no such kind of problem")
    return HTMLResponse(_problem_page(code))


def _problem_page(code: str) -> str:
    kind = KINDS[code]
    title = escape(titles()[code])
    again = "" if kind.retry_after is None else f"<p>Repeat after {kind.retry_after} seconds.</p>\n"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f"<title>{title} - {TITLE}</title>\n</head>\n<body>\n<h1>{title}</h1>\n"
        f"<p>Code <code>{escape(code)}</code>, answered with status {kind.status}.</p>\n"
        f"<p>{escape(kind.advice)}</p>\n{again}</body>\n</html>\n"
    )
