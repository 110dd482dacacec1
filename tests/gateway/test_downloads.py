"""Files that are fetched for providers that need their bytes."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from langchain_core.messages import HumanMessage

from langchain_pollinations_portkey import ChatPortkey
from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.gateway import downloads
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import StandInProvider

PIXEL = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
)
AWS = {"aws_access_key_id": "AKIAEXAMPLE", "aws_secret_access_key": "sentinel"}


@pytest.fixture
def at_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take this machine's own address for a public one; there is no other here to fetch from."""
    monkeypatch.setattr(downloads, "_refuse_private", lambda _: None)


class _Files(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        match self.path:
            case "/picture":
                self._answer(200, {"content-type": "image/png; charset=binary"}, PIXEL)
            case "/moved" | "/loop":
                self._answer(302, {"location": "/picture" if self.path == "/moved" else "/loop"})
            case "/away":
                self._answer(302, {"location": "http://10.0.0.1/secret"})
            case _:
                self._answer(404, {})

    def _answer(self, status: int, headers: dict[str, str], body: bytes = b"") -> None:
        self.send_response(status)
        for name, value in {**headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def files() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), _Files) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.mark.usefixtures("at_home")
class TestFetching:
    @pytest.mark.parametrize("path", ["/picture", "/moved"])
    def test_type_and_bytes(self, path: str, files: str) -> None:
        url = f"{files}{path}"
        assert downloads.download([url]) == {url: ("image/png", base64.b64encode(PIXEL).decode())}

    @pytest.mark.parametrize(("path", "text"), [("/missing", "404"), ("/loop", "more than 5 redirects")])
    def test_what_cannot_be_fetched(self, path: str, text: str, files: str) -> None:
        with pytest.raises(PortkeyConfigurationError, match=text):
            downloads.download([f"{files}{path}"])

    def test_no_more_than_the_limit(self, files: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(downloads, "MAX_BYTES", len(PIXEL) - 1)
        with pytest.raises(PortkeyConfigurationError, match="larger than"):
            downloads.download([f"{files}/picture"])

    async def test_bedrock_gets_the_bytes(
        self, files: str, pinned_gateway: LocalGateway, provider: StandInProvider
    ) -> None:
        model = ChatPortkey(
            model="claude-sonnet-4.5",
            base_url=pinned_gateway.base_url,
            custom_host=provider.url,
            provider_options=AWS,
            download_images=True,
        )
        question = HumanMessage(["What is this?", {"type": "image", "url": f"{files}/picture"}])
        for answer in (model.invoke([question]), await model.ainvoke([question])):
            assert answer.content
            assert provider.last.refused is None
            image = provider.last.json["messages"][0]["content"][1]["image"]
            assert image == {"format": "png", "source": {"bytes": base64.b64encode(PIXEL).decode()}}
        assert question.content[1] == {"type": "image", "url": f"{files}/picture"}


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1/x",
        "http://localhost/x",
        "http://[::1]/x",
        "http://10.0.0.1/x",
        "http://192.168.1.1/x",
        "http://169.254.169.254/latest/meta-data",
        "http://0.0.0.0/x",
        "http://[::ffff:127.0.0.1]/x",
        "http://2130706433/x",
        "file:///etc/passwd",
    ],
)
def test_private_places_are_refused(url: str) -> None:
    with pytest.raises(PortkeyConfigurationError):
        downloads.download([url])


def test_a_redirect_to_a_private_place_is_refused(monkeypatch: pytest.MonkeyPatch, files: str) -> None:
    checked: list[str] = []
    original = downloads._refuse_private

    def only_the_second(url: str) -> None:
        checked.append(url)
        if len(checked) > 1:
            original(url)

    monkeypatch.setattr(downloads, "_refuse_private", only_the_second)
    with pytest.raises(PortkeyConfigurationError, match="private address"):
        downloads.download([f"{files}/away"])


def test_a_host_with_one_private_address_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [(socket.AF_INET, 1, 6, "", ("93.184.216.34", 443)), (socket.AF_INET, 1, 6, "", ("10.0.0.1", 443))]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    with pytest.raises(PortkeyConfigurationError, match="private address"):
        downloads.download(["https://example.com/x.png"])


def test_without_the_wish_nothing_is_fetched(provider: StandInProvider) -> None:
    model = ChatPortkey(model="claude-sonnet-4.5", custom_host=provider.url, provider_options=AWS)
    with pytest.raises(PortkeyConfigurationError, match="download_images=True"):
        model.invoke([HumanMessage([{"type": "image", "url": "https://example.com/x.png"}])])
    assert provider.requests == []
