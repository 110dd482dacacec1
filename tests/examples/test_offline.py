"""`examples/offline.py`: real models where all keys are set, else the stand-in, which never gets a real key."""

from __future__ import annotations

from types import ModuleType

import pytest

from langchain_pollinations_portkey import ChatPortkey
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.routing import Fallback
from langchain_pollinations_portkey.testing import ReceivedRequest, Reply
from tests.examples.notebooks import EXAMPLES, NOTEBOOKS

NAMES = ("openai/gpt-4o", "claude-sonnet-4.5", "portkey-mistral")
KEYS = {"OPENAI_API_KEY": "openai-sentinel", "AWS_ACCESS_KEY_ID": "aws-sentinel", "MISTRAL_API_KEY": "mistral-sentinel"}


@pytest.fixture
def offline(examples_importable: None, pinned_gateway: LocalGateway, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    import offline

    monkeypatch.setenv("PORTKEY_GATEWAY_URL", pinned_gateway.base_url)
    return offline


def play(request: ReceivedRequest) -> Reply:
    return Reply(f"played for {request.model}")


@pytest.mark.gateway
class TestConnect:
    def test_with_all_keys_nothing_stands_between(
        self, offline: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        for name, value in KEYS.items():
            monkeypatch.setenv(name, value)
        connection = offline.connect(*NAMES, play=play)
        assert connection == {}
        assert "will be asked, and billed to you" in capsys.readouterr().out
        assert [target.custom_host for target in offline.targets(connection, *NAMES)] == [None, None, None]

    @pytest.mark.parametrize(
        ("missing", "title"),
        [("OPENAI_API_KEY", "OpenAI"), ("AWS_ACCESS_KEY_ID", "Amazon Bedrock"), ("MISTRAL_API_KEY", "Mistral AI")],
    )
    def test_without_one_of_them_all_is_played_and_no_real_key_leaves(
        self,
        missing: str,
        title: str,
        offline: ModuleType,
        monkeypatch: pytest.MonkeyPatch,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        for name, value in KEYS.items():
            if name != missing:
                monkeypatch.setenv(name, value)
        connection = offline.connect(*NAMES, play=play)
        assert f"No key for {title} is set" in capsys.readouterr().out
        answer = ChatPortkey(model=NAMES[0], **connection).invoke("Hello!")
        assert answer.text == "played for gpt-4o"
        for target in offline.targets(connection, *NAMES):
            ChatPortkey(route=Fallback([target]), **connection).invoke("Hello!")
        _, provider = offline.at_the_stand_in(NAMES[0])
        assert len(provider.requests) == 4
        assert "sentinel" not in "".join(f"{one.header_items}{one.path}{one.body!r}" for one in provider.requests)
        provider.stop()

    @pytest.mark.parametrize("variable", ["AWS_PROFILE", "AWS_BEARER_TOKEN_BEDROCK", "AWS_ACCESS_KEY_ID"])
    def test_amazons_credentials_may_come_in_several_ways(
        self, variable: str, offline: ModuleType, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(variable, "set")
        assert offline.connect("claude-sonnet-4.5", play=play) == {}

    def test_a_gateway_is_started_where_the_environment_names_none(
        self, offline: ModuleType, monkeypatch: pytest.MonkeyPatch, pinned_gateway: LocalGateway
    ) -> None:
        monkeypatch.delenv("PORTKEY_GATEWAY_URL")
        monkeypatch.setenv("OPENAI_API_KEY", "key")
        monkeypatch.setattr(offline, "LocalGateway", lambda: pinned_gateway)
        assert offline.connect("openai/gpt-4o", play=play) == {"base_url": pinned_gateway.base_url}


def test_the_overview_names_every_notebook_and_module() -> None:
    text = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    names = [path.name for path in (*NOTEBOOKS, *EXAMPLES.glob("*.py"))]
    assert [name for name in names if f"]({name})" not in text] == []
