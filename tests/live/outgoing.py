"""The targets that outgoing messages are tried on: each through the real gateway to the strict stand-in."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from langchain_pollinations_portkey import ChatPortkey
from langchain_pollinations_portkey.gateway.local import LocalGateway
from langchain_pollinations_portkey.testing import StandInProvider

AWS = {"aws_access_key_id": "AKIDEXAMPLE", "aws_secret_access_key": "secret"}
VERTEX = {"vertex_project_id": "project", "vertex_region": "us-east5"}
AZURE = {"resource_name": "resource", "deployment_id": "gpt-4o", "api_version": "2024-10-21"}


@dataclass(frozen=True)
class Target:
    """A provider and a model of it."""

    provider: str
    model: str
    options: dict[str, str] = field(default_factory=dict)
    lenient: bool = False

    def chat(self, gateway: LocalGateway, stand_in: StandInProvider, **options: Any) -> ChatPortkey:
        """The model behind the gateway, its provider played by the stand-in."""
        return ChatPortkey(
            model=self.model,
            provider=self.provider,
            base_url=gateway.base_url,
            custom_host=stand_in.lenient_url if self.lenient else stand_in.url,
            api_key=None if self.provider == "bedrock" else "key",
            provider_options=self.options,
            max_retries=0,
            **{"max_tokens": 512, **options},
        )


TARGETS = {
    "openai": Target("openai", "gpt-4o"),
    "azure-openai": Target("azure-openai", "gpt-4o", AZURE),
    "anthropic": Target("anthropic", "claude-sonnet-4-5"),
    "bedrock": Target("bedrock", "us.anthropic.claude-sonnet-4-5-20250929-v1:0", AWS),
    "bedrock-nova": Target("bedrock", "us.amazon.nova-pro-v1:0", AWS),
    "google": Target("google", "gemini-2.5-pro"),
    "vertex-ai": Target("vertex-ai", "gemini-2.5-pro", VERTEX),
    "vertex-claude": Target("vertex-ai", "anthropic.claude-sonnet-4-5", VERTEX),
    "mistral-ai": Target("mistral-ai", "mistral-large-latest", lenient=True),
    "together-ai": Target("together-ai", "meta-llama/Llama-3.3-70B-Instruct-Turbo", lenient=True),
}

PNG = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkYPhfDwAChwGA60e6kgAAAABJRU5ErkJggg=="
PDF = "JVBERi0xLjQKJSVFT0YK"
