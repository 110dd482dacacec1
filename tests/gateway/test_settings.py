"""Where the gateway is and whose it is."""

from __future__ import annotations

import pytest

from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.gateway.settings import (
    GatewaySettings,
    base_url_from,
    is_hosted,
    is_readable_on_the_way,
    normalise_base_url,
    normalise_custom_host,
)


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("http://localhost:8787/v1", "http://localhost:8787/v1"),
        ("http://localhost:8787", "http://localhost:8787/v1"),
        ("http://localhost:8787/", "http://localhost:8787/v1"),
        (" HTTP://localhost:8787/v1/ ", "http://localhost:8787/v1"),
        ("https://example.com/portkey", "https://example.com/portkey/v1"),
        ("https://example.com/portkey/v1", "https://example.com/portkey/v1"),
        ("http://[::1]:8787", "http://[::1]:8787/v1"),
    ],
)
def test_base_url_ends_in_v1(given, url):
    assert normalise_base_url(given) == url
    assert normalise_base_url(url) == url


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("http://127.0.0.1:9190", "http://127.0.0.1:9190"),
        ("http://127.0.0.1:9190/v1/", "http://127.0.0.1:9190/v1"),
        ("https://api.openai.com/v1", "https://api.openai.com/v1"),
    ],
)
def test_custom_host_has_no_slash_at_its_end(given, host):
    assert normalise_custom_host(given) == host


@pytest.mark.parametrize("check", [normalise_base_url, normalise_custom_host])
@pytest.mark.parametrize(
    "url",
    ["localhost:8787", "", "ftp://x", "http://", "http://a b", "http://x:port", "http://x:99999", "http://[::1",
     "http://x/\r\nX-Evil: 1", "http://x/v1?key=1", "http://x/v1#a"],
)  # fmt: skip
def test_what_is_no_address_is_refused(check, url):
    with pytest.raises(PortkeyConfigurationError, match=r"base_url|custom_host"):
        check(url)


@pytest.mark.parametrize("check", [normalise_base_url, normalise_custom_host])
@pytest.mark.parametrize(
    "url", ["https://user:hush@example.com/v1", "user:hush@example.com", "https://hush@example.com"]
)
def test_passwords_in_an_address_are_refused_and_not_repeated(check, url):
    with pytest.raises(PortkeyConfigurationError) as raised:
        check(url)

    assert "hush" not in str(raised.value)


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ({}, "http://localhost:8787/v1"),
        ({"PORTKEY_BASE_URL": "http://b"}, "http://b"),
        ({"PORTKEY_GATEWAY_URL": "http://a", "PORTKEY_BASE_URL": "http://b"}, "http://a"),
        ({"PORTKEY_GATEWAY_URL": " ", "PORTKEY_BASE_URL": "http://b"}, "http://b"),
    ],
)
def test_the_environment_names_the_gateway(environment, url):
    assert base_url_from(environment) == url


@pytest.mark.parametrize(
    ("url", "hosted"),
    [("https://api.portkey.ai/v1", True), ("https://portkey.ai", True), ("https://API.Portkey.AI./v1", True),
     ("https://eu.api.portkey.ai/v1", True), ("https://notportkey.ai/v1", False),
     ("https://portkey.ai.example.com", False), ("http://localhost:8787/v1", False), ("https://[portkey.ai", False)],
)  # fmt: skip
def test_hosted(url, hosted):
    assert is_hosted(url) is hosted


@pytest.mark.parametrize(
    ("url", "readable"),
    [("http://localhost:8787", False), ("http://gateway.localhost", False), ("http://127.0.0.1", False),
     ("http://127.8.8.8", False), ("http://[::1]:8787", False), ("http://0.0.0.0:8787", False),
     ("https://example.com", False), ("http://example.com", True), ("http://10.0.0.1", True),
     ("http://localhost.example.com", True), ("http://host.docker.internal:8787", True)],
)  # fmt: skip
def test_plain_http_beyond_this_machine_can_be_read(url, readable):
    assert is_readable_on_the_way(url) is readable


def test_origin_and_repr():
    settings = GatewaySettings("https://example.com:8443/portkey/v1", hosted=True, portkey_api_key="hush")

    assert settings.origin == "https://example.com:8443"
    assert "hush" not in repr(settings)
