"""Middleware for LangChain's agents. It needs `langchain`, which the rest of the package does not."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable
from typing import Any, Literal

from langchain_pollinations_portkey.chat_models import ChatPortkey
from langchain_pollinations_portkey.errors import PortkeyConfigurationError

try:
    from langchain.agents.middleware.types import AgentMiddleware, ModelCallResult, ModelRequest, ModelResponse
except ImportError as error:
    raise ImportError(
        "PortkeyPromptCachingMiddleware is for agents, which are in the package langchain: pip install langchain"
    ) from error


class PortkeyPromptCachingMiddleware(AgentMiddleware):
    """Have the provider remember an agent's prompt, so that the next turn costs less and begins sooner.

    ```python
    create_agent(
        ChatPortkey(model="claude-sonnet-4.5"), tools, middleware=[PortkeyPromptCachingMiddleware()]
    )
    ```

    It sets `cache_control` for the end of the conversation, the last tool and the system prompt. Middleware that
    exchanges the model removes such marks from messages; `ChatPortkey(prompt_caching="auto")` is not affected.
    """

    def __init__(
        self,
        type: Literal["ephemeral"] = "ephemeral",  # noqa: A002 - the name is Anthropic's
        ttl: Literal["5m", "1h"] = "5m",
        min_messages_to_cache: int = 0,
        unsupported_model_behavior: Literal["ignore", "warn", "raise"] = "warn",
    ) -> None:
        """Say how to cache.

        Args:
            type: The kind of cache; there is one.
            ttl: How long the provider remembers after the last use.
            min_messages_to_cache: Do nothing in a conversation with fewer messages, the system prompt counted.
            unsupported_model_behavior: What to do with a model whose provider has no cache breakpoints.
        """
        super().__init__()
        self.type = type
        self.ttl = ttl
        self.min_messages_to_cache = min_messages_to_cache
        self.unsupported_model_behavior = unsupported_model_behavior

    def wrap_model_call(
        self, request: ModelRequest, handler: Callable[[ModelRequest], ModelResponse]
    ) -> ModelCallResult:
        """Call the model, with breakpoints where its provider has them."""
        return handler(self._with_caching(request))

    async def awrap_model_call(
        self, request: ModelRequest, handler: Callable[[ModelRequest], Awaitable[ModelResponse]]
    ) -> ModelCallResult:
        """`wrap_model_call`, asynchronously."""
        return await handler(self._with_caching(request))

    def _with_caching(self, request: ModelRequest) -> ModelRequest:
        if not self._is_supported(request.model):
            return request
        messages = len(request.messages) + (request.system_message is not None)
        if messages < self.min_messages_to_cache:
            return request
        marker = {"type": self.type, "ttl": self.ttl}
        settings: dict[str, Any] = {"prompt_caching": {"ttl": self.ttl}, **request.model_settings}
        return request.override(model_settings={**settings, "cache_control": marker})

    def _is_supported(self, model: Any) -> bool:
        """Whether the model's provider has breakpoints.

        Raises:
            PortkeyConfigurationError: It has not, and that is to be an error.
        """
        if isinstance(model, ChatPortkey) and model.takes_cache_breakpoints:
            return True
        name = f"{model.model_name} ({type(model).__name__})" if hasattr(model, "model_name") else type(model).__name__
        text = f"PortkeyPromptCachingMiddleware does nothing for {name}: its provider has no cache breakpoints."
        if self.unsupported_model_behavior == "raise":
            raise PortkeyConfigurationError(text)
        if self.unsupported_model_behavior == "warn":
            warnings.warn(text, stacklevel=4)
        return False
