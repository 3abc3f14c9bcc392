"""Static files served by the application."""

from __future__ import annotations

import httpx
import pytest

from tests.support.live import LiveServer


async def test_a_static_file_is_served(memory_live_server: LiveServer) -> None:
    async with httpx.AsyncClient(base_url=memory_live_server.url) as http:
        response = await http.get("/static/realtime_demo/main.js")
    assert response.status_code == 200
    assert "javascript" in response.headers["content-type"]


@pytest.mark.parametrize(
    "path",
    ["%2e%2e/manage.py", "%2e%2e/%2e%2e/db.sqlite3", "%2e%2e", "%00", "realtime_demo", "none.js"],
)
async def test_a_path_outside_static_is_404(memory_live_server: LiveServer, path: str) -> None:
    async with httpx.AsyncClient(base_url=memory_live_server.url) as http:
        response = await http.get(f"/static/{path}")
    assert response.status_code == 404  # and no traceback: the fixture checks the output
