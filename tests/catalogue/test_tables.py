"""The two TOML files of the package: consistent in themselves and with what reads them."""

import re
import subprocess
import sys
import tomllib
import warnings
from datetime import date
from importlib import resources
from typing import get_type_hints

import pytest
from langchain_core.language_models import ModelProfile

from langchain_pollinations_portkey.catalogue import (
    Catalogue,
    ModelEntry,
    RetiredModelWarning,
    retirement_notice,
)
from langchain_pollinations_portkey.catalogue.entries import EMBEDDING_OPTIONS
from langchain_pollinations_portkey.catalogue.reading import read_models, read_providers

REQUIRED = [
    "openai", "azure-openai", "azure-ai", "anthropic", "bedrock", "google", "vertex-ai", "mistral-ai",
    "together-ai", "groq", "fireworks-ai", "openrouter", "deepseek", "perplexity-ai", "cohere", "x-ai",
    "cerebras", "ollama", "huggingface", "deepinfra", "nebius", "sambanova", "moonshot", "novita-ai",
    "dashscope", "z-ai", "lambda", "github", "voyage", "jina", "nomic",
]  # fmt: skip

ALIASES = {
    "mistral": "mistral-ai",
    "together": "together-ai",
    "gemini": "google",
    "azure": "azure-openai",
    "vertex": "vertex-ai",
    "aws": "bedrock",
    "xai": "x-ai",
    "fireworks": "fireworks-ai",
    "perplexity": "perplexity-ai",
    "hf": "huggingface",
}

# What a request body of a chat completion may hold and a provider may not get.
PARAMETERS = {
    "n", "seed", "stop", "logprobs", "top_logprobs", "response_format", "tools", "tool_choice",
    "parallel_tool_calls", "reasoning_effort", "thinking", "top_k", "user", "metadata", "presence_penalty",
    "frequency_penalty", "logit_bias", "stream_options", "service_tier", "max_completion_tokens",
    # OpenAI's and Anthropic's own
    "reasoning", "prompt_cache_retention", "output_config", "context_management", "speed", "mcp_servers",
    "container",
}  # fmt: skip

WITHOUT_CATALOGUE_ROWS = Catalogue()
PROVIDERS = {row.id: row for row in WITHOUT_CATALOGUE_ROWS.providers()}
ROWS = {
    **PROVIDERS,
    **{f"{row.id}: {glob}": variant for row in PROVIDERS.values() for glob, variant in row.variants},
}
MODELS = read_models(
    (resources.files("langchain_pollinations_portkey.catalogue") / "models.toml").read_text(encoding="utf-8"),
    "models.toml",
    PROVIDERS,
)


def test_every_provider_is_there():
    assert set(REQUIRED) <= set(PROVIDERS)


@pytest.mark.parametrize(("alias", "provider"), ALIASES.items())
def test_aliases(alias, provider):
    assert WITHOUT_CATALOGUE_ROWS.provider(alias).id == provider


def test_a_name_means_one_provider():
    names = [name for row in PROVIDERS.values() for name in (row.id, *row.aliases)]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-z0-9-]+", name) for name in names)


@pytest.mark.parametrize("row", PROVIDERS.values(), ids=PROVIDERS)
def test_a_provider_says_how_it_is_paid_and_where_it_lives(row):
    assert row.title
    assert row.hosts
    assert all(re.fullmatch(r"[a-z0-9.-]+", host) for host in row.hosts)
    assert bool(row.key_variables) == (row.auth != "none")
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]+", name) for name in row.key_variables)
    for key, option in row.options.items():
        assert option.key == key
        assert re.fullmatch(r"[a-z0-9_]+", key)
        assert re.fullmatch(r"x-portkey-[a-z0-9-]+", option.header)
        assert all(re.fullmatch(r"[A-Z][A-Z0-9_]+", name) for name in option.variables)
        if any(word in key for word in ("secret", "token", "access_key", "service_account")):
            assert option.secret, key


def test_headers_are_unique_within_a_provider():
    for row in PROVIDERS.values():
        headers = [option.header for option in row.options.values()]
        assert len(headers) == len(set(headers)), row.id


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_quirks_are_consistent(row):
    quirks = row.quirks
    assert quirks.drops <= PARAMETERS
    assert not set(quirks.changes) & quirks.drops
    assert quirks.tool_choices <= {"auto", "none", "required", "function"}
    assert not quirks.tool_choices or "tool_choice" not in quirks.drops
    assert "tools" not in quirks.drops or "tool_choice" in quirks.drops
    assert quirks.structured_output != "json_schema" or "response_format" not in quirks.drops
    assert quirks.structured_output != "function_calling" or "function" in quirks.tool_choices
    assert quirks.requires_max_tokens == (quirks.default_max_tokens is not None)
    assert all(kind.startswith(("json_", "stream_", "both_")) for kind in quirks.losses)
    assert all(text.endswith(".") and "\n" not in text for text in quirks.losses.values())
    assert not row.variants or row.id in PROVIDERS
    assert quirks.embedding_options <= EMBEDDING_OPTIONS
    assert quirks.embeddings != "none" or quirks.chat
    assert quirks.embedding_query.keys() == quirks.embedding_document.keys() <= quirks.embedding_options
    assert not quirks.embedding_base64 or "encoding_format" in quirks.embedding_options
    assert quirks.embedding_inputs > 0
    assert quirks.embedding_tokens is None or quirks.embedding_tokens > 0


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "openai/x",
            {"requires_max_tokens": False, "embeddings": "list", "embeddings_break_on_plain_build": True},
        ),
        (
            "anthropic/x",
            {"requires_max_tokens": True, "input_tokens_exclude_cache": True, "temperature_max": 1.0},
        ),
        ("vertex/anthropic.x", {"requires_max_tokens": True, "input_tokens_exclude_cache": True}),
        ("vertex/gemini", {"output_tokens_exclude_reasoning": True, "streams_break_on_plain_build": True}),
        ("google/x", {"embeddings": "single", "streams_break_on_plain_build": False, "pdf": "image_url"}),
        ("bedrock/x", {"image_urls": False, "streams_break_on_plain_build": False, "cache_control": False}),
        ("bedrock/amazon.titan-embed-text-v2:0", {"embeddings": "single"}),
        ("bedrock/cohere.embed-english-v3", {"embeddings": "list", "embedding_inputs": 96}),
        ("bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0", {"embeddings": "none"}),
        ("bedrock/amazon.nova-2-multimodal-embeddings-v1:0", {"embeddings": "none"}),
        ("vertex/text-embedding-005", {"embeddings": "list", "embedding_inputs": 250}),
        ("vertex/gemini-embedding-001", {"embeddings": "single"}),
        ("vertex/anthropic.x", {"embeddings": "none"}),
        ("voyage/x", {"chat": False, "embeddings": "list"}),
        ("together/x", {"requires_max_tokens": True, "read_streams_as_json": "with_tools"}),
        ("groq/x", {"read_streams_as_json": "with_reasoning", "embeddings": "none"}),
        ("deepseek/x", {"read_through_stream": True, "structured_output": "json_mode"}),
        ("perplexity/x", {"empty_finish_reason": True}),
        ("cohere/x", {"tool_results": False, "streams_break_on_plain_build": False}),
        ("mistral/x", {"temperature_max": 1.0, "structured_output": "function_calling"}),
    ],
)
def test_quirks_that_others_rely_on(catalogue, name, expected):
    quirks = catalogue.resolve(name).provider.quirks
    assert {key: getattr(quirks, key) for key in expected} == expected


def test_streams_survive_a_plain_build_at_three_providers_only():
    fine = {row.id for row in PROVIDERS.values() if not row.quirks.streams_break_on_plain_build}
    assert fine == {"bedrock", "google", "cohere"}


@pytest.mark.parametrize("entry", MODELS.values(), ids=MODELS)
def test_a_model_row_is_complete(entry, catalogue):
    assert entry.provider in PROVIDERS
    assert entry.description
    assert entry.source
    assert set(entry.capabilities) <= set(get_type_hints(ModelProfile))
    assert set(entry.options) <= set(PROVIDERS[entry.provider].options)
    assert (entry.retired is None) == (entry.successor is None)
    if entry.retired is not None:
        assert date.fromisoformat(entry.retired) <= date.today()  # noqa: DTZ011 - a day, wherever we are
        replacement = catalogue.resolve(entry.successor)
        assert replacement.entry is None or replacement.entry.retired is None


def test_only_sourced_retirements_are_claimed():
    retired = {name: (entry.retired, entry.successor) for name, entry in MODELS.items() if entry.retired}
    assert retired == {
        "portkey-gpt4": ("2026-10-23", "openai/gpt-5.6-sol"),
        "portkey-claude": ("2026-01-05", "anthropic/claude-opus-4-8"),
        "portkey-llama-groq": ("2026-08-16", "groq/openai/gpt-oss-120b"),
    }


def test_the_notice_names_the_successor(catalogue):
    notice = retirement_notice(catalogue.get("portkey-claude"))
    assert "claude-3-opus-20240229" in notice
    assert "2026-01-05" in notice
    assert "'anthropic/claude-opus-4-8'" in notice
    assert retirement_notice(catalogue.get("claude-large")) is None
    assert retirement_notice(None) is None
    assert "instead" not in retirement_notice(ModelEntry("a", "openai", "b", retired="2026-01-01"))


def test_the_warning_is_its_own_class():
    with pytest.warns(RetiredModelWarning):
        warnings.warn("gone", RetiredModelWarning, stacklevel=1)
    assert issubclass(RetiredModelWarning, UserWarning)


def test_the_files_hold_nothing_but_rows():
    folder = resources.files("langchain_pollinations_portkey.catalogue")
    for name, read in (("providers.toml", PROVIDERS), ("models.toml", MODELS)):
        assert list(tomllib.loads((folder / name).read_text(encoding="utf-8"))) == list(read)
    assert read_providers((folder / "providers.toml").read_text(encoding="utf-8"), "providers.toml") == PROVIDERS


def test_importing_reads_no_file():
    program = (
        "import builtins, io, sys, importlib.resources as resources\n"
        "import langchain_core.exceptions, pydantic\n"
        "opened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == 'open' else None)\n"
        "import langchain_pollinations_portkey.catalogue as catalogue\n"
        "assert not [name for name in opened if name.endswith('.toml')], opened\n"
        "catalogue.Catalogue.default()\n"
        "catalogue.Catalogue.default()\n"
        "print(sum(name.endswith('.toml') for name in opened))\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "2"
