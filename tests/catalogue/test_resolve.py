"""What a model name means: every branch of the order, as a table."""

import threading

import pytest

from langchain_pollinations_portkey.catalogue import SEED_NAMES, Catalogue, ModelEntry
from langchain_pollinations_portkey.catalogue import lookup as lookup_module
from langchain_pollinations_portkey.errors import PortkeyConfigurationError, UnknownModelError

SEED = {
    "portkey-gpt4": ("openai", "gpt-4"),
    "portkey-claude": ("anthropic", "claude-3-opus-20240229"),
    "portkey-llama": ("together-ai", "meta-llama/Llama-3-70b-chat-hf"),
    "portkey-mistral": ("mistral-ai", "mistral-large-latest"),
    "claude-large": ("bedrock", "global.anthropic.claude-opus-4-5-20251101-v1:0"),
    "claude-sonnet-4": ("bedrock", "us.anthropic.claude-sonnet-4-20250514-v1:0"),
    "claude-sonnet-4.5": ("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
}


def test_the_fixed_names_are_the_seven():
    assert set(SEED) == SEED_NAMES


@pytest.mark.parametrize(("name", "target"), SEED.items())
@pytest.mark.parametrize("default_provider", [None, "openai", "ollama", "no-such-provider"])
def test_a_seed_name_means_its_target_whatever_the_default_provider(catalogue, name, target, default_provider):
    resolved = catalogue.resolve(name, default_provider=default_provider)
    assert (resolved.provider.id, resolved.model) == target
    assert resolved.name == name
    assert resolved.entry is catalogue.get(name)
    assert resolved.entry.wire == "chat"
    assert resolved.integration is None


@pytest.mark.parametrize(
    ("name", "options", "provider", "model"),
    [
        # with provider=, the string is the model id as it stands
        ("gpt-4o", {"provider": "openai"}, "openai", "gpt-4o"),
        ("openai/gpt-oss-120b", {"provider": "groq"}, "groq", "openai/gpt-oss-120b"),
        ("gpt-4o", {"provider": "azure"}, "azure-openai", "gpt-4o"),
        ("gpt-4o", {"provider": "Azure_OpenAI"}, "azure-openai", "gpt-4o"),
        ("gpt-4o", {"provider": "openai", "default_provider": "groq"}, "openai", "gpt-4o"),
        ("@cf/x", {"provider": "openai"}, "openai", "@cf/x"),
        # a catalogue name with a provider= that agrees
        ("portkey-claude", {"provider": "anthropic"}, "anthropic", "claude-3-opus-20240229"),
        ("portkey-llama", {"provider": "together"}, "together-ai", "meta-llama/Llama-3-70b-chat-hf"),
        # provider/model, split at the first slash
        ("together/meta-llama/x", {}, "together-ai", "meta-llama/x"),
        ("together-ai/meta-llama/x", {}, "together-ai", "meta-llama/x"),
        ("mistral/ministral-8b", {}, "mistral-ai", "ministral-8b"),
        ("gemini/gemini-2.5-pro", {}, "google", "gemini-2.5-pro"),
        ("openrouter/portkey-gpt4", {}, "openrouter", "portkey-gpt4"),
        ("openai/gpt-4o", {"default_provider": "groq"}, "openai", "gpt-4o"),
        ("bedrock/us.amazon.nova-pro-v1:0", {}, "bedrock", "us.amazon.nova-pro-v1:0"),
        # a bare id goes to the default provider, one with an unknown head too
        ("gpt-4o", {"default_provider": "openai"}, "openai", "gpt-4o"),
        ("gpt-4o", {"default_provider": "azure"}, "azure-openai", "gpt-4o"),
        ("meta-llama/x", {"default_provider": "together"}, "together-ai", "meta-llama/x"),
        ("mistralai/Mixtral-8x7B", {"default_provider": "together"}, "together-ai", "mistralai/Mixtral-8x7B"),
        ("Google/x", {"default_provider": "huggingface"}, "huggingface", "Google/x"),
        # an empty setting is no setting
        ("openai/gpt-4o", {"provider": "", "default_provider": ""}, "openai", "gpt-4o"),
    ],
)
def test_order_of_readings(catalogue, name, options, provider, model):
    resolved = catalogue.resolve(name, **options)
    assert (resolved.provider.id, resolved.model, resolved.name) == (provider, model, name)
    assert resolved.integration is None


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("@openai/gpt-4o", {}, ("openai", "gpt-4o", "openai")),
        ("@openai-prod/gpt-4o", {}, ("openai", "gpt-4o", "openai-prod")),
        ("@google-vertex-eu/anthropic.claude-x", {}, ("vertex-ai", "anthropic.claude-x", "google-vertex-eu")),
        ("@team-a/meta-llama/x", {}, ("@team-a", "meta-llama/x", "team-a")),
        ("@team-a/claude-x", {"provider": "anthropic"}, ("anthropic", "claude-x", "team-a")),
        ("@team-a/x", {"default_provider": "groq"}, ("@team-a", "x", "team-a")),
        ("gpt-4o", {"provider": "@openai-prod"}, ("openai", "gpt-4o", "openai-prod")),
        ("gpt-4o", {"default_provider": "@openai-prod"}, ("openai", "gpt-4o", "openai-prod")),
        (
            "portkey-claude",
            {"provider": "@anthropic-eu"},
            ("anthropic", "claude-3-opus-20240229", "anthropic-eu"),
        ),
        ("portkey-claude", {"provider": "@team-a"}, ("anthropic", "claude-3-opus-20240229", "team-a")),
        ("openai/gpt-4o", {}, ("openai", "gpt-4o", None)),
    ],
)
def test_integrations_of_the_hosted_portkey(catalogue, name, options, expected):
    resolved = catalogue.resolve(name, hosted=True, **options)
    assert (resolved.provider.id, resolved.model, resolved.integration) == expected


@pytest.mark.parametrize(
    ("name", "options", "error", "says"),
    [
        ("mistral-large-latst", {}, UnknownModelError, ['"mistral-ai/mistral-large-latest"', "Catalogue.register()"]),
        ("gpt-4", {}, UnknownModelError, ['"provider/model"']),
        ("openai:gpt-5", {}, UnknownModelError, ['"openai/gpt-5"']),
        ("portkey-lama", {}, UnknownModelError, ['"portkey-llama"']),
        ("antropic/claude-x", {}, UnknownModelError, ['"anthropic/claude-x"']),
        ("PORTKEY-GPT4", {}, UnknownModelError, ['"portkey-gpt4"']),
        ("meta-llama/x", {}, UnknownModelError, ['"provider/model"', "PORTKEY_PROVIDER"]),
        ("openai/", {}, UnknownModelError, ["openai/"]),
        ("", {}, UnknownModelError, ["empty"]),
        ("  ", {"provider": "openai"}, UnknownModelError, ["empty"]),
        ("@slug/gpt-4o", {}, UnknownModelError, ["hosted"]),
        ("@slug/gpt-4o", {"default_provider": "openai"}, UnknownModelError, ["hosted"]),
        ("@slug", {"hosted": True}, UnknownModelError, ['"@slug/model"']),
        ("gpt-4o", {"provider": "opnai"}, PortkeyConfigurationError, ["'opnai'", '"openai"']),
        ("gpt-4o", {"provider": "qqqq"}, PortkeyConfigurationError, ["Known: anthropic, "]),
        ("gpt-4o", {"provider": "@slug"}, PortkeyConfigurationError, ["hosted"]),
        ("gpt-4o", {"default_provider": "opnai"}, PortkeyConfigurationError, ['"openai"']),
        ("portkey-claude", {"provider": "opnai"}, PortkeyConfigurationError, ['"openai"']),
        (
            "portkey-claude",
            {"provider": "openrouter"},
            PortkeyConfigurationError,
            ["anthropic/claude-3-opus-20240229", 'model="openrouter/portkey-claude"', "Leave provider= out"],
        ),
        ("portkey-llama", {"provider": "groq"}, PortkeyConfigurationError, ['"portkey-llama-groq"']),
        (
            "portkey-claude",
            {"provider": "@openai-prod", "hosted": True},
            PortkeyConfigurationError,
            ["anthropic/claude-3-opus-20240229"],
        ),
    ],
)
def test_errors_say_what_to_write_instead(catalogue, name, options, error, says):
    with pytest.raises(error) as caught:
        catalogue.resolve(name, **options)
    for words in says:
        assert words in str(caught.value)


def test_a_pass_through_id_is_known_by_its_row(catalogue):
    resolved = catalogue.resolve("anthropic/claude-3-opus-20240229")
    assert resolved.entry is catalogue.get("portkey-claude")
    assert resolved.entry.max_output_tokens == 4096


def test_a_row_with_a_host_of_its_own_does_not_claim_the_pass_through_id(catalogue):
    catalogue.add(ModelEntry("mine", "openai", "gpt-4o", custom_host="http://localhost:9/v1"))
    assert catalogue.resolve("openai/gpt-4o").entry is None
    assert catalogue.resolve("mine").entry.custom_host == "http://localhost:9/v1"


@pytest.mark.parametrize(
    ("name", "dialect", "thinking_dropped", "thinking_replay"),
    [
        ("vertex-ai/gemini-2.5-pro", "google", False, False),
        ("vertex-ai/anthropic.claude-sonnet-4@20250514", "anthropic", False, True),
        ("bedrock/us.anthropic.claude-sonnet-4-20250514-v1:0", "bedrock", False, True),
        ("bedrock/anthropic.claude-3-haiku-20240307-v1:0", "bedrock", False, True),
        ("bedrock/meta.llama3-70b-instruct-v1:0", "bedrock", True, False),
        ("bedrock/us.amazon.nova-micro-v1:0", "bedrock", True, False),
        ("claude-sonnet-4.5", "bedrock", False, True),
    ],
)
def test_a_variant_of_the_provider_is_chosen_by_the_model_id(
    catalogue, name, dialect, thinking_dropped, thinking_replay
):
    provider = catalogue.resolve(name).provider
    assert provider.dialect == dialect
    assert ("thinking" in provider.quirks.drops) is thinking_dropped
    assert provider.quirks.thinking_replay is thinking_replay


def test_answers_are_remembered_up_to_a_bound_and_forgotten_when_rows_change(catalogue, monkeypatch):
    monkeypatch.setattr(lookup_module, "_CACHE_SIZE", 10)
    first = catalogue.resolve("openai/gpt-4o")
    assert catalogue.resolve("openai/gpt-4o") is first
    for number in range(50):
        catalogue.resolve(f"openai/{number}")
        assert len(catalogue._state.answers) <= 10
    catalogue.add(ModelEntry("openai/gpt-4o", "groq", "x"))
    assert catalogue.resolve("openai/gpt-4o").provider.id == "groq"


def test_threads_may_resolve_and_add_at_once(catalogue):
    failures = []

    def work(number):
        try:
            for count in range(200):
                catalogue.add(ModelEntry(f"name-{number}-{count}", "openai", "gpt-4o"))
                assert catalogue.resolve(f"name-{number}-{count}").model == "gpt-4o"
        except BaseException as error:  # noqa: BLE001 - a thread's failure must reach the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert sum(name.startswith("name-") for name in catalogue) == 1600


def test_the_default_catalogue_is_one():
    assert Catalogue.default() is Catalogue.default()
