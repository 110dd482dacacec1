"""What the stand-in answers in `04_rag.ipynb`.

Both halves are simple, but real: texts that share words have vectors near each other, and the answer is the sentence
of what arrived that shares most words with the question, with the heading it stands under.
"""

from __future__ import annotations

import hashlib
import math
import re

from langchain_pollinations_portkey.testing import ReceivedRequest, Reply, ToolCall
from played import last_text, texts
from played.prompt_cache import PromptCache

_STEM = 5
"""Words count as the same if they begin alike: borrow, borrows, borrowed."""

_COMMON = frozenset(
    re.findall(
        r"\w+",
        "a an and are as at be by can do does for from has have how i if in is it its long many may me much my no not "
        "of on or our so that the their them then these they this to up was we what when where which who will with you",
    )
)
_cache = PromptCache()


def play(request: ReceivedRequest) -> Reply | None:
    """Vectors for texts, answers for questions."""
    if request.wire == "embeddings":
        size = request.json.get("dimensions") or 1536
        asked = request.json["input"]
        return Reply(embeddings=[vector(text, size) for text in ([asked] if isinstance(asked, str) else asked)])
    sentence, heading = best_sentence("\n".join(texts(request.json.get("system"))), last_text(request))
    usage = _cache.count(request, len(sentence.split()))
    if request.json.get("tools"):
        return Reply(tool_calls=[ToolCall("Answer", {"answer": sentence, "sections": [heading]})], usage=usage)
    return Reply(sentence, usage=usage)


def stems(text: str) -> list[str]:
    """The beginnings of the words that mean something."""
    return [word[:_STEM] for word in re.findall(r"\w+", text.lower()) if word not in _COMMON]


def vector(text: str, size: int) -> list[float]:
    """How often each word occurs, every word at a place of its own, of length 1."""
    counts = [0.0] * size
    for stem in stems(text):
        counts[int.from_bytes(hashlib.sha256(stem.encode()).digest()[:4]) % size] += 1
    length = math.sqrt(sum(count * count for count in counts)) or 1.0
    return [count / length for count in counts]


def best_sentence(context: str, question: str) -> tuple[str, str]:
    """The sentence that shares most words with the question, and the heading above it."""
    wanted = set(stems(question))
    best, heading, where = "I do not know.", "", ""
    most = 0
    for line in context.splitlines():
        if line.startswith("#"):
            heading = line.strip("# ")
            continue
        for sentence in re.split(r"(?<=[.!?]) ", line):
            shared = len(wanted & set(stems(sentence)))
            if shared > most:
                best, where, most = sentence, heading, shared
    return best, where
