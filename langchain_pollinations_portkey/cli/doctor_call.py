"""How `pollinations-portkey doctor` understands the call it makes: what came back, and the cure where it failed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from langchain_pollinations_portkey._secrets import masked_text
from langchain_pollinations_portkey.catalogue import ModelEntry, ResolvedModel, retirement_notice
from langchain_pollinations_portkey.catalogue.names import listed, nearest
from langchain_pollinations_portkey.cli import PROGRAM
from langchain_pollinations_portkey.cli.doctor import Finding, Mark, failed, not_checked
from langchain_pollinations_portkey.errors import (
    PortkeyAuthenticationError,
    PortkeyConnectionError,
    PortkeyError,
    PortkeyGatewayError,
    PortkeyInvalidResponseError,
    PortkeyModelNotFoundError,
    PortkeyPermissionDeniedError,
    PortkeyRateLimitError,
    PortkeyServerError,
    PortkeyStatusError,
    PortkeyStreamError,
    PortkeyTimeoutError,
    PortkeyUpstreamConnectionError,
    read_error,
)

_LOOK_CLOSER = "With DEBUG=pollinations:portkey* set, the command shows what is sent, keys masked."

_NO_MONEY = 402


@dataclass(frozen=True, slots=True)
class CallFacts:
    """What became of the call.

    Attributes:
        stream_error: Why it failed as a stream.
        answer_error: Why it failed, asked for in one piece, where the stream's failure did not tell.
        seconds: How long it took.
        first_seconds: How long until the first piece of it came.
        pieces: How many pieces of text it had.
        finish_reason: Why the model stopped.
    """

    stream_error: PortkeyError | None = None
    answer_error: PortkeyError | None = None
    seconds: float = 0.0
    first_seconds: float = 0.0
    pieces: int = 0
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Asked:
    """Who was asked, and with what.

    Attributes:
        model: The model.
        sources: The variables that hold the keys that were sent.
        forwarded: Whether `PORTKEY_API_KEY` was the provider's key.
        custom_host: Who was asked instead of the provider.
        known: The rows of the catalogue, to name near ones.
    """

    model: ResolvedModel
    sources: Sequence[str] = ()
    forwarded: bool = False
    custom_host: str | None = None
    known: Sequence[ModelEntry] = ()


def is_about_the_stream(error: PortkeyError) -> bool:
    """Whether the model may answer in one piece although its stream failed with this."""
    kinds = (PortkeyGatewayError, PortkeyInvalidResponseError, PortkeyStreamError, PortkeyServerError)
    return isinstance(error, kinds)


def call_findings(call: CallFacts, asked: Asked) -> list[Finding]:
    """Whether the model answers, and whether its answer comes as a stream."""
    title = asked.model.provider.title
    if call.stream_error is None:
        answered = f"{title} answered in {call.seconds:.1f} s"
        if call.pieces:
            streamed = f"The first piece came after {call.first_seconds:.1f} s, {call.pieces} in all"
            return [Finding("answer", Mark.OK, answered), Finding("streaming", Mark.OK, streamed)]
        if call.finish_reason == "length":
            thought = Finding("answer", Mark.OK, f"{answered}; it was still thinking when its tokens were used up")
            return [thought, not_checked("streaming", "There was no text to stream")]
        empty = Finding("answer", Mark.WARNING, f"{answered}, without a word", f"Ask yourself: `{PROGRAM} chat`.")
        return [empty, not_checked("streaming", "There was no text to stream")]
    if is_about_the_stream(call.stream_error) and call.answer_error is None:
        return [
            Finding("answer", Mark.OK, f"{title} answered in {call.seconds:.1f} s, asked for the whole at once"),
            call_failure("streaming", call.stream_error, asked),
        ]
    error = call.answer_error or call.stream_error
    return [call_failure("answer", error, asked), not_checked("streaming", "There was no answer")]


def call_failure(check: str, error: PortkeyError, asked: Asked) -> Finding:
    """A failed call: what was said, and what to do about it."""
    cure = _cure(error, asked)
    text = failed(check, error)
    if isinstance(error, PortkeyStatusError) and error.body is not None:
        said = " ".join(read_error(error.body).message.split())
        who = error.provider or "The gateway"
        text = Finding(check, Mark.FAILED, f"{who} answered {error.status_code}: {said.rstrip('. ')}", text.cure)
    return Finding(check, Mark.FAILED, masked_text(text.text), masked_text(cure or text.cure or _LOOK_CLOSER))


def _cure(error: PortkeyError, asked: Asked) -> str | None:
    """What to do about an error; `None` where its own text says it best."""
    if error.status_code == _NO_MONEY:
        return _quota(asked)
    return next((cure(error, asked) for kind, cure in _CURES if isinstance(error, kind)), None)


def _quota(asked: Asked) -> str:
    title = asked.model.provider.title
    return f"The account at {title} has no quota left: add credit there, or name another model with --model."


def _rate_limit(error: PortkeyError, asked: Asked) -> str:
    if not error.is_retryable:  # type: ignore[attr-defined]  # a field of LangChain's errors
        return _quota(asked)
    when = "a while" if error.retry_after is None else f"{error.retry_after:g} s"
    limits = f"the account's limits at {asked.model.provider.title}"
    return f"Wait {when} and ask again; if it stays so, look at {limits}, or name another model with --model."


def _permission(_: PortkeyError, asked: Asked) -> str:
    provider, model = asked.model.provider, asked.model.model
    return f"The key may not use {model}: ask for access to it at {provider.title}, or name another model with --model."


def _upstream(_: PortkeyError, asked: Asked) -> str:
    if asked.custom_host is not None:
        return f"Start what should answer at {asked.custom_host}, or change the custom_host of {asked.model.name}."
    title = asked.model.provider.title
    return f"The gateway runs, but cannot reach {title}: check the network and proxy of the machine it runs on."


def _connection(error: PortkeyError, _: Asked) -> str | None:
    return None if error.sent else f"Start a gateway with `{PROGRAM} gateway` in another terminal."


def _valid_key(asked: Asked) -> str:
    provider = asked.model.provider
    if asked.forwarded:
        own = provider.key_variables[0] if provider.key_variables else "the provider's own variable"
        return f"PORTKEY_API_KEY was forwarded as the key of {provider.title}, which refuses it: set {own}."
    if asked.sources:
        variables = [name for name in asked.sources if name.isupper()] or list(asked.sources)
        one = "a valid key" if len(variables) == 1 else "valid credentials, all of the same account,"
        whose = f"that {asked.custom_host} takes" if asked.custom_host else f"of {provider.title}"
        return f"Set {' and '.join(variables)} to {one} {whose}."
    variable = provider.key_variables[0] if provider.key_variables else "its key"
    return f"{asked.custom_host or provider.title} wants a key: set {variable}."


def _other_model(asked: Asked) -> str:
    model, provider = asked.model, asked.model.provider
    retired = retirement_notice(model.entry)
    if retired:
        return failed("", retired).cure or "Name another model with --model."
    mine = [entry for entry in asked.known if entry.provider == provider.id and not entry.retired]
    names = {f"{entry.provider}/{entry.model}": entry.name for entry in mine if entry.model != model.model}
    near = [names[target] for target in nearest(model.model, names)]
    hint = f"Did you mean --model {listed(near)}? " if near else ""
    where = f"`{PROGRAM} models --provider {provider.id}` lists names of {provider.title} that are known."
    return f"{hint}Name a model that {asked.custom_host or provider.title} has with --model; {where}"


_CURES: tuple[tuple[type[PortkeyError], Callable[[PortkeyError, Asked], str | None]], ...] = (
    (PortkeyAuthenticationError, lambda _, asked: _valid_key(asked)),
    (PortkeyPermissionDeniedError, _permission),
    (PortkeyModelNotFoundError, lambda _, asked: _other_model(asked)),
    (PortkeyRateLimitError, _rate_limit),
    (PortkeyUpstreamConnectionError, _upstream),
    (PortkeyTimeoutError, lambda _, asked: f"Ask again later: {asked.model.provider.title} was silent."),
    (PortkeyServerError, lambda _, asked: f"Ask again later: the fault is at {asked.model.provider.title}."),
    (PortkeyConnectionError, _connection),
    (PortkeyStreamError, lambda *_: "Ask again: it may pass. Until then, ask for the whole at once (invoke)."),
)
"""What to do, by class of error; the first that fits."""
