"""Applications that have the dashboard below a path, as a user would write them."""

from __future__ import annotations

import os
import sys
from typing import Any

PATH = "/tools/supervisor"


def by_header(scope: Any) -> str | None:
    """A role that the application's own sign-in would tell."""
    return {name.decode(): value.decode() for name, value in scope["headers"]}.get("x-role")


def fastapi_app() -> Any:
    from fastapi import FastAPI  # noqa: PLC0415

    from supervisor.web import dashboard  # noqa: PLC0415

    app = FastAPI()

    @app.get("/")
    def index() -> dict[str, str]:
        return {"page": "own"}

    app.mount(PATH, dashboard(auth=by_header))
    return app


def flask_app() -> Any:
    from flask import Flask  # noqa: PLC0415
    from werkzeug.middleware.dispatcher import DispatcherMiddleware  # noqa: PLC0415

    from supervisor.web import wsgi_dashboard  # noqa: PLC0415

    app = Flask(__name__)

    @app.get("/")
    def index() -> dict[str, str]:
        return {"page": "own"}

    app.wsgi_app = DispatcherMiddleware(app.wsgi_app, {PATH: wsgi_dashboard(auth=by_header)})  # type: ignore[method-assign]
    return app


def _django() -> None:
    import django  # noqa: PLC0415
    from django.conf import settings  # noqa: PLC0415
    from django.http import JsonResponse  # noqa: PLC0415
    from django.urls import path  # noqa: PLC0415

    urls = type(sys)("django_urls")
    urls.urlpatterns = [path("", lambda request: JsonResponse({"page": "own"}))]  # type: ignore[attr-defined]
    sys.modules["django_urls"] = urls
    settings.configure(ROOT_URLCONF="django_urls", ALLOWED_HOSTS=["*"], SECRET_KEY=os.urandom(16).hex())
    django.setup()


def django_wsgi() -> Any:
    _django()
    from django.core.wsgi import get_wsgi_application  # noqa: PLC0415

    from supervisor.web import mounted, wsgi_dashboard  # noqa: PLC0415

    return mounted(get_wsgi_application(), PATH, wsgi_dashboard(auth=by_header))


def django_asgi() -> Any:
    _django()
    from django.core.asgi import get_asgi_application  # noqa: PLC0415
    from starlette.applications import Starlette  # noqa: PLC0415
    from starlette.routing import Mount  # noqa: PLC0415

    from supervisor.web import dashboard  # noqa: PLC0415

    return Starlette(routes=[Mount(PATH, dashboard(auth=by_header)), Mount("/", get_asgi_application())])
