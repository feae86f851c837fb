"""`python -m shared.probe`, which health checks of the images run, and operators by hand."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

from shared import probe


class Process(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(503 if self.path == "/readyz" else 200)
        self.send_header("Content-Type", "text/html" if self.path == "/sandbox" else "application/json")
        self.end_headers()
        self.wfile.write(b'{"why":"away"}')

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Process)
    Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def ask(monkeypatch: pytest.MonkeyPatch, address: str) -> None:
    monkeypatch.setattr(sys, "argv", ["probe", address])
    probe.main()


@pytest.mark.parametrize(("path", "told"), [("/healthz", '{"why":"away"}\n'), ("/sandbox", "")])
def test_a_good_answer_ends_well_and_tells_what_is_no_page(
    path: str, told: str, url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ask(monkeypatch, url + path)

    assert capsys.readouterr().out == told


def test_a_bad_answer_ends_badly_and_tells_why(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match=r"/readyz: HTTP Error 503"):
        ask(monkeypatch, f"{url}/readyz")

    assert capsys.readouterr().out == '{"why":"away"}\n'


def test_nobody_there_ends_badly_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SystemExit, match="refused"):
        ask(monkeypatch, "http://127.0.0.1:1/healthz")
