"""What a model can do behind the gateway: facts by name, what the route takes away, and what holds for several."""

import re
import tomllib
import warnings
from fnmatch import fnmatchcase
from importlib import resources
from typing import get_type_hints

import pytest
from langchain_core.language_models import ModelProfile
from langchain_core.language_models.model_profile import _warn_unknown_profile_keys

from langchain_pollinations_portkey.catalogue import Catalogue, ModelEntry
from langchain_pollinations_portkey.catalogue import profiles as profiles_module
from langchain_pollinations_portkey.catalogue.names import family_name
from langchain_pollinations_portkey.catalogue.profiles import profile_of, profile_of_route

FILE = resources.files("langchain_pollinations_portkey.catalogue") / "capabilities.toml"
FAMILIES = tomllib.loads(FILE.read_text(encoding="utf-8"))["family"]
HINTS = get_type_hints(ModelProfile)
PROVIDERS = {row.id for row in Catalogue().providers()}

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"


def profile(name, **options):
    return profile_of(Catalogue.default().resolve(name, **options))


# ---------------------------------------------------------------- names


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("gpt-4o-2024-08-06", "gpt-4o-2024-08-06"),
        ("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "claude-sonnet-4-5-20250929"),
        ("global.anthropic.claude-opus-4-6-v1", "claude-opus-4-6"),
        ("us-gov.anthropic.claude-3-haiku-20240307-v1:0", "claude-3-haiku-20240307"),
        ("apac.amazon.nova-lite-v1:0", "nova-lite"),
        (f"arn:aws:bedrock:us-east-1:1:inference-profile/{CLAUDE}", "claude-sonnet-4-5-20250929"),
        ("meta.llama3-70b-instruct-v1:0", "llama3-70b-instruct"),
        ("us.deepseek.r1-v1:0", "deepseek-r1"),
        ("deepseek.v3.2", "deepseek-v3.2"),
        ("openai.gpt-oss-120b-1:0", "gpt-oss-120b-1"),
        ("anthropic.claude-sonnet-4@20250514", "claude-sonnet-4-20250514"),
        ("publishers/google/models/gemini-2.5-pro", "gemini-2.5-pro"),
        ("anthropic/claude-sonnet-4.5:thinking", "claude-sonnet-4.5"),
        ("meta-llama/Llama-3.3-70B-Instruct-Turbo", "llama-3.3-70b-instruct-turbo"),
        ("moonshotai/Kimi-K2-Instruct-0905:groq", "kimi-k2-instruct-0905"),
        ("accounts/fireworks/models/llama-v3p3-70b-instruct", "llama-3.3-70b-instruct"),
        ("accounts/fireworks/models/kimi-k2p6", "kimi-k2.6"),
        ("llama3.2:3b", "llama3.2"),
        ("qwen3:0.6b", "qwen3"),
        ("llama3:latest", "llama3"),
        ("", ""),
    ],
)
def test_a_family_name_is_the_id_without_its_hosts_wrapping(model, name):
    assert family_name(model) == name


@pytest.mark.parametrize(
    ("name", "options", "max_input", "max_output"),
    [
        ("portkey-gpt4", {}, 8192, 8192),
        ("portkey-claude", {}, 200000, 4096),
        ("portkey-llama", {}, 8192, None),
        ("portkey-mistral", {}, 262144, None),
        ("claude-large", {}, 200000, 64000),
        ("claude-sonnet-4", {}, 200000, 64000),
        ("claude-sonnet-4.5", {}, 200000, 64000),
        ("openai/gpt-4o", {}, 128000, 16384),
        ("openai/gpt-4o-2024-08-06", {}, 128000, 16384),
        ("gpt-4.1-mini", {"default_provider": "openai"}, 1047576, 32768),
        ("gpt-4o", {"provider": "azure"}, 128000, 16384),
        ("azure/gpt-4", {}, 8192, None),
        ("openai/gpt-5-mini-2025-08-07", {}, 272000, 128000),
        ("@openai-prod/gpt-4o", {"hosted": True}, 128000, 16384),
        ("@anthropic/claude-haiku-4-5", {"hosted": True}, 200000, 64000),
        ("anthropic/claude-opus-4-1-20250805", {}, 200000, 32000),
        ("bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0", {}, 200000, 64000),
        ("bedrock/eu.anthropic.claude-3-7-sonnet-20250219-v1:0", {}, 200000, 8192),
        ("bedrock/us.amazon.nova-pro-v1:0", {}, 300000, 10000),
        ("vertex-ai/anthropic.claude-sonnet-4-5@20250929", {}, 200000, 64000),
        ("vertex-ai/gemini-2.5-flash", {}, 1048576, 65535),
        ("google/gemini-3-pro-preview", {}, 1048576, 65536),
        ("groq/llama-3.3-70b-versatile", {}, 131072, 32768),
        ("groq/openai/gpt-oss-120b", {}, 131072, 65536),
        ("deepseek/deepseek-chat", {}, 131072, 8192),
        ("cohere/command-r-plus-08-2024", {}, 128000, 4000),
        ("x-ai/grok-4.3", {}, 1000000, 30000),
        # hosts whose limits no source gives
        ("ollama/llama3.2:3b", {}, None, None),
        ("deepinfra/meta-llama/Llama-3.3-70B-Instruct", {}, None, None),
    ],
)
def test_limits_by_every_form_of_name(name, options, max_input, max_output):
    found = profile(name, **options)
    assert (found.get("max_input_tokens"), found.get("max_output_tokens")) == (max_input, max_output)
    assert found["text_inputs"] is found["text_outputs"] is True


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("openai/no-such-model", {}),
        ("azure/my-deployment", {}),
        ("bedrock/arn:aws:bedrock:us-east-1:1:application-inference-profile/a1b2", {}),
        ("openai/gpt-realtime", {}),
        ("openai/gpt-image-1", {}),
        ("groq/meta-llama/llama-guard-4-12b", {}),
        ("@my-team/no-such-model", {"hosted": True}),
    ],
)
def test_an_unknown_model_has_no_profile(name, options):
    assert profile(name, **options) is None


# ---------------------------------------------------------------- the route


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # response_format: where it is dropped a tool is called instead, which is not the provider's own
        ("openai/gpt-4o", {"structured_output": True}),
        ("openai/gpt-4", {"structured_output": False}),
        ("azure/gpt-4.1", {"structured_output": True}),
        ("anthropic/claude-sonnet-4-5", {"structured_output": False}),
        ("claude-sonnet-4.5", {"structured_output": False}),
        ("vertex-ai/anthropic.claude-sonnet-4-5@20250929", {"structured_output": False}),
        ("portkey-mistral", {"structured_output": False}),
        ("deepseek/deepseek-chat", {"structured_output": False}),
        ("google/gemini-2.5-pro", {"structured_output": True}),
        ("perplexity/sonar", {"structured_output": True}),
        ("x-ai/grok-4.3", {"structured_output": True}),
        ("groq/openai/gpt-oss-120b", {"structured_output": False}),
        ("openrouter/openai/gpt-4o", {"structured_output": False}),
        # tools, and the way back of their results
        ("openai/gpt-4o", {"tool_calling": True, "tool_choice": True, "tool_call_streaming": True}),
        ("deepseek/deepseek-chat", {"tool_calling": False, "tool_choice": False, "tool_call_streaming": False}),
        ("cohere/command-a-03-2025", {"tool_calling": False, "tool_choice": False}),
        ("perplexity/sonar", {"tool_calling": False}),
        ("fireworks/accounts/fireworks/models/kimi-k2p6", {"tool_calling": True, "tool_choice": False}),
        ("bedrock/meta.llama3-1-70b-instruct-v1:0", {"tool_calling": True, "tool_choice": False}),
        ("anthropic/claude-sonnet-5-5", {"tool_calling": True, "tool_choice": False}),
        ("google/gemini-2.5-pro", {"tool_calling": True, "tool_choice": True, "tool_call_streaming": False}),
        ("novita/moonshotai/kimi-k2-instruct", {"tool_calling": True, "tool_call_streaming": True}),
        # pictures, files, sound
        ("openai/gpt-4o", {"image_inputs": True, "image_url_inputs": True, "pdf_inputs": True, "audio_inputs": False}),
        ("bedrock/us.anthropic.claude-haiku-4-5-20251001-v1:0", {"image_inputs": True, "image_url_inputs": False}),
        ("openai/gpt-4o-audio-preview", {"audio_inputs": True, "audio_outputs": True}),
        ("google/gemini-2.5-flash", {"audio_inputs": True, "video_inputs": True, "pdf_inputs": True}),
        ("openrouter/google/gemini-2.5-flash", {"audio_inputs": True, "video_inputs": False}),
        ("bedrock/us.amazon.nova-pro-v1:0", {"video_inputs": False, "pdf_inputs": True}),
        # what follows a tool's result in a message of the user counts too
        ("openai/gpt-4o", {"image_tool_message": True, "pdf_tool_message": True}),
        ("portkey-gpt4", {"image_tool_message": False, "pdf_tool_message": False}),
        ("deepseek/deepseek-v4-pro", {"image_tool_message": False}),
        # reasoning that comes through, is rescued, or is lost
        ("anthropic/claude-sonnet-4-5", {"reasoning_output": True}),
        ("deepseek/deepseek-reasoner", {"reasoning_output": True}),
        ("groq/openai/gpt-oss-120b", {"reasoning_output": True}),
        ("together/deepseek-ai/DeepSeek-R1", {"reasoning_output": False}),
        ("novita/openai/gpt-oss-120b", {"reasoning_output": False}),
        ("fireworks/accounts/fireworks/models/kimi-k2p6", {"reasoning_output": False}),
        ("cohere/command-a-reasoning-08-2025", {"reasoning_output": False}),
        # efforts
        ("openai/gpt-5", {"reasoning_effort_levels": ["minimal", "low", "medium", "high"]}),
        ("openai/o3-mini", {"reasoning_effort_default": "medium"}),
        ("openai/gpt-5", {"temperature": False}),
    ],
)
def test_what_arrives_by_this_route(name, expected):
    found = profile(name)
    assert {key: found.get(key) for key in expected} == expected


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("bedrock/openai.gpt-oss-120b-1:0", "reasoning_effort_levels"),  # the gateway drops reasoning_effort
        ("together/openai/gpt-oss-120b", "reasoning_effort_levels"),
        ("openai/gpt-4o", "reasoning_effort_levels"),
        ("openai/gpt-4o", "open_weights"),  # no source says so
        ("together/meta-llama/Llama-3-70b-chat-hf", "tool_calling"),
        ("portkey-mistral", "image_url_inputs"),
    ],
)
def test_what_is_not_known_or_has_no_meaning_is_left_out(name, key):
    assert key not in profile(name)


def test_an_integration_whose_provider_is_not_known_promises_nothing_that_depends_on_it():
    found = profile("@our-team/gpt-4o", hosted=True)
    assert found["image_inputs"] is True
    assert found["reasoning_output"] is False
    assert not {"structured_output", "tool_calling", "pdf_inputs", "max_input_tokens"} & found.keys()


def test_a_retired_model_says_so():
    assert profile("portkey-claude")["status"] == "deprecated"
    assert "status" not in profile("claude-sonnet-4.5")


# ---------------------------------------------------------------- rows of users


def test_a_registered_row_says_more_than_the_family_and_the_gateway_more_than_both():
    catalogue = Catalogue(
        [
            ModelEntry(
                "mine",
                "anthropic",
                "claude-sonnet-4-5",
                max_input_tokens=1_000_000,
                capabilities={"image_inputs": False, "structured_output": True, "house_rule": True, "name": "Mine"},
            )
        ]
    )
    found = profile_of(catalogue.resolve("mine"))
    assert found["max_input_tokens"] == 1_000_000
    assert found["max_output_tokens"] == 64000  # of the family
    assert found["image_inputs"] is False
    assert found["image_url_inputs"] is False
    assert found["structured_output"] is False  # dropped by the gateway
    assert found["name"] == "Mine"
    assert "house_rule" not in found


def test_a_row_of_an_unknown_family_is_enough():
    catalogue = Catalogue([ModelEntry("own", "ollama", "tiny-model", max_input_tokens=2048)])
    found = profile_of(catalogue.resolve("own"))
    assert found["max_input_tokens"] == 2048
    assert found["tool_choice"] is False  # the gateway hands no tool_choice on to Ollama


# ---------------------------------------------------------------- several targets


def test_one_target_is_its_own_profile():
    model = Catalogue.default().resolve("claude-sonnet-4.5")
    assert profile_of_route([model]) == profile_of(model)


def test_a_route_can_do_what_all_its_targets_can():
    resolve = Catalogue.default().resolve
    found = profile_of_route([resolve("openai/gpt-5"), resolve("claude-sonnet-4.5"), resolve("openai/o3-mini")])
    assert found["max_input_tokens"] == 200000
    assert found["max_output_tokens"] == 64000
    assert found["tool_calling"] is True
    assert found["structured_output"] is False
    assert found["image_inputs"] is False
    assert "reasoning_effort_levels" not in found  # not a setting of the Claude target


def test_efforts_of_a_route_are_those_that_all_targets_know():
    resolve = Catalogue.default().resolve
    found = profile_of_route([resolve("openai/gpt-5"), resolve("openai/o3")])
    assert found["reasoning_effort_levels"] == ["low", "medium", "high"]
    assert found["reasoning_effort_default"] == "medium"


def test_an_unknown_target_leaves_only_what_another_rules_out():
    resolve = Catalogue.default().resolve
    found = profile_of_route([resolve("portkey-gpt4"), resolve("openai/no-such-model")])
    assert found["image_inputs"] is False
    assert all(value is False for value in found.values())
    assert profile_of_route([resolve("openai/no-such-model")] * 2) is None
    assert profile_of_route([]) is None


# ---------------------------------------------------------------- the file, and what LangChain makes of it


def test_every_profile_has_known_keys_and_right_types():
    catalogue = Catalogue.default()
    names = [*catalogue, *(f"openai/{glob.replace('*', 'x')}" for family in FAMILIES for glob in family["models"])]
    for name in names:
        found = profile_of(catalogue.resolve(name)) or {}
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            _warn_unknown_profile_keys(found)
        for key, value in found.items():
            assert isinstance(value, list if HINTS[key] == list[str] else HINTS[key]), (name, key)


def test_keys_that_the_installed_langchain_does_not_know_are_left_out(monkeypatch):
    monkeypatch.setattr(profiles_module, "_known_keys", lambda: frozenset({"max_input_tokens"}))
    assert profile("openai/gpt-4o") == {"max_input_tokens": 128000}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family["models"][0])
def test_a_family_is_well_formed(family):
    assert family.keys() <= {"models", "source", "facts", "at"}
    assert family["source"]
    assert family["models"]
    assert all(glob == glob.lower() for glob in family["models"])
    assert not family.get("facts", {}).keys() & {"max_input_tokens", "max_output_tokens"}, "limits are a host's"
    assert family.get("at", {}).keys() <= PROVIDERS
    assert family.get("facts") or not family.get("at")
    for facts in (family.get("facts", {}), *family.get("at", {}).values()):
        assert facts.keys() <= HINTS.keys()
        for key, value in facts.items():
            assert isinstance(value, list if HINTS[key] == list[str] else HINTS[key]), key
        assert facts.get("max_output_tokens", 1) > 0
        assert facts.get("max_input_tokens", 1) > 0


def test_no_family_is_hidden_behind_an_earlier_one():
    earlier: list[str] = []
    for family in FAMILIES:
        for glob in family["models"]:
            sample = re.sub(r"\[(.).*?\]", r"\1", glob).replace("*", "~")
            behind = [other for other in earlier if fnmatchcase(sample, other)]
            assert not behind, f"{glob} is never reached: {behind}"
        earlier += family["models"]


def test_catalogue_rows_and_families_agree_on_limits():
    """A row may know a limit that its family does not, but not another one."""
    catalogue = Catalogue.default()
    for entry in catalogue.models():
        facts = profiles_module._family_facts(entry.provider, family_name(entry.model))
        for key in ("max_input_tokens", "max_output_tokens"):
            said, known = getattr(entry, key), facts.get(key)
            assert None in (said, known) or said == known, (entry.name, key)
