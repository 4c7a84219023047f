"""The dashboard of our own scheduler: Dask's, loaded when somebody looks at it.

Loading it takes half a second, which every race would wait for, and few races are looked at.
"""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any

from tornado.web import Application


def can_wait() -> bool:
    """Return whether there is a dashboard to load later: without Bokeh, Dask says so itself."""
    return importlib.util.find_spec("bokeh") is not None


def load_when_asked(scheduler: Any) -> None:
    """Let a scheduler that was started without its dashboard bring it at the first request."""
    scheduler.http_application.add_application(_Doorbell(scheduler))


class _Doorbell(Application):
    """Has no pages; the first request that nobody else knows makes it load the dashboard.

    The scheduler's application asks its parts one after the other, and a part that was added
    meanwhile too: the first request is answered by the dashboard as all later ones are.
    """

    def __init__(self, scheduler: Any) -> None:
        super().__init__()
        self._scheduler = scheduler
        self._rung = False

    def find_handler(self, request: Any, **options: Any) -> Any:
        """Return the page that says that there is none, after loading those there are."""
        if not self._rung:
            self._rung = True
            self._load()
        return super().find_handler(request, **options)

    def _load(self) -> None:
        pages: Any = importlib.import_module("distributed.dashboard.scheduler")
        scheduler = self._scheduler
        pages.connect(scheduler.http_application, scheduler.http_server, scheduler)
