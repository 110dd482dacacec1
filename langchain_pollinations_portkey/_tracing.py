"""What LangChain knows of the run that a call belongs to, for the gateway's trace id and metadata."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from langchain_core.runnables.config import var_child_runnable_config


def trace_id_of(run: Any) -> str | None:
    """The id under which the calls of one agent or chain run belong together.

    That is the id of the outermost run where a tracer keeps track of it (LangSmith's does), else that of the run around
    this one, else of this one.

    Args:
        run: The run manager that LangChain handed to the call. `stream` hands none; the run around it is then the one
            that the context names.
    """
    if run is not None:
        return _outermost(run.handlers, run.run_id) or str(run.parent_run_id or run.run_id)
    callbacks = (var_child_runnable_config.get() or {}).get("callbacks")
    around = getattr(callbacks, "parent_run_id", None)
    if around is None:
        return None
    return _outermost(getattr(callbacks, "handlers", ()), around) or str(around)


def _outermost(handlers: Iterable[Any], run_id: Any) -> str | None:
    for handler in handlers:
        known = getattr(handler, "order_map", None)
        if isinstance(known, Mapping) and run_id in known:
            return str(known[run_id][0])
    return None


def metadata_of(run: Any) -> dict[str, Any]:
    """Metadata and tags of the run, as far as they are plain values; LangChain's own entries are left out.

    Args:
        run: As for `trace_id_of`.
    """
    if run is not None:
        metadata, tags = run.metadata, run.tags
    else:
        config = var_child_runnable_config.get() or {}
        metadata, tags = config.get("metadata"), config.get("tags")
    kept = {
        key: value
        for key, value in (metadata or {}).items()
        if isinstance(value, str | int | float | bool) and not key.startswith(("ls_", "lc_", "langgraph_", "__"))
    }
    return {**kept, "tags": ",".join(tags)} if tags else kept
