"""What providers with an interface of their own for embeddings refuse; OpenAI's rules are in `openai`.

Sources: ai.google.dev, API reference "Embeddings"; cloud.google.com, "Get text embeddings"; Amazon Bedrock User Guide,
"Amazon Titan Embeddings Text" and "Cohere Embed"; docs.cohere.com, API reference "Embed"; docs.nomic.ai, "Text
embeddings"; Ollama's `docs/api.md`, "Generate Embedding". Quoted messages are the providers' own where public issue
threads have them; the rest say the same in other words.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from langchain_pollinations_portkey.testing.rules.gemini_tools import either, unknown_fields
from langchain_pollinations_portkey.testing.rules.refusal import Fields, Refusal, Rule, first_refusal, is_whole

_GOOGLE_TASKS = frozenset(
    {
        "TASK_TYPE_UNSPECIFIED",
        "RETRIEVAL_QUERY",
        "RETRIEVAL_DOCUMENT",
        "SEMANTIC_SIMILARITY",
        "CLASSIFICATION",
        "CLUSTERING",
        "QUESTION_ANSWERING",
        "FACT_VERIFICATION",
        "CODE_RETRIEVAL_QUERY",
    }
)
_VERTEX_MOST = 250
_COHERE_MOST = 96
_COHERE_TYPES = ("search_document", "search_query", "classification", "clustering", "image")
_COHERE_FORMS = frozenset({"float", "int8", "uint8", "binary", "ubinary", "base64"})
_NOMIC_TASKS = ("search_document", "search_query", "clustering", "classification")
_TITAN_SIZES = (256, 512, 1024)
_TITAN_KEYS = {
    "amazon.titan-embed-text-v1": frozenset({"inputText"}),
    "amazon.titan-embed-text-v2:0": frozenset({"inputText", "dimensions", "normalize", "embeddingTypes"}),
    "amazon.titan-embed-image-v1": frozenset({"inputText", "inputImage", "embeddingConfig"}),
}


def check_gemini_embeddings(fields: Fields) -> Refusal | None:
    """Returns Google's refusal of an embedContent body, None if it is fine."""
    return first_refusal((_gemini,), fields)


def check_vertex_embeddings(fields: Fields, model: str) -> Refusal | None:
    """Returns Vertex AI's refusal of a predict body of a text embedding model, None if it is fine."""
    most = 1 if model.startswith("gemini-embedding") else _VERTEX_MOST

    def count(fields: Fields) -> Iterator[Refusal]:
        """Refused: "250 instance(s) is allowed per prediction. Actual: 251"."""
        if len(fields["instances"]) > most:
            yield Refusal(f"{most} instance(s) is allowed per prediction. Actual: {len(fields['instances'])}")

    return first_refusal((_vertex, count), fields)


def check_bedrock_embeddings(fields: Fields, model: str) -> Refusal | None:
    """Returns the refusal of an InvokeModel body by the embedding model that is asked, None if it is fine."""
    if "cohere.embed" in model:
        return first_refusal((_cohere_on_bedrock,), fields)
    known = next((keys for name, keys in _TITAN_KEYS.items() if model.endswith(name)), None)

    def model_is_known(_: Fields) -> Iterator[Refusal]:
        if known is None:
            yield Refusal("The provided model identifier is invalid.")

    def keys_are_known(fields: Fields) -> Iterator[Refusal]:
        """Refused: "#: extraneous key [embeddingConfig] is not permitted"."""
        for key in fields:
            if key not in (known or ()):
                yield _malformed(f"#: extraneous key [{key}] is not permitted")

    rules: tuple[Rule, ...] = (model_is_known, keys_are_known, _titan)
    return first_refusal(rules, fields)


def check_cohere_embeddings(fields: Fields) -> Refusal | None:
    """Returns Cohere's refusal of an embed body (version 2 of the API), None if it is fine."""
    return first_refusal((_cohere,), fields)


def check_nomic_embeddings(fields: Fields) -> Refusal | None:
    """Returns Nomic's refusal, None if it is fine."""
    return first_refusal((_nomic,), fields)


def check_ollama_embeddings(fields: Fields) -> Refusal | None:
    """Returns Ollama's refusal, None if it is fine; it takes an empty prompt, and answers an empty list."""
    return first_refusal((_ollama,), fields)


def _gemini(fields: Fields) -> Iterator[Refusal]:
    yield from unknown_fields(fields, "model content taskType title outputDimensionality embedContentConfig", "")
    content = fields.get("content")
    if not isinstance(content, dict) or not content.get("parts"):
        yield Refusal("* EmbedContentRequest.content: content is not specified\n")
        return
    for part in content["parts"]:
        yield from unknown_fields(part, "text", "content.parts")
        if not part.get("text"):
            yield Refusal("content contains an empty Part.")
    task = either(fields, "taskType")
    if task is not None and task not in _GOOGLE_TASKS:
        yield Refusal(f"Invalid value at 'task_type' (type.googleapis.com/...TaskType), {task!r}")


def _vertex(fields: Fields) -> Iterator[Refusal]:
    instances = fields.get("instances")
    if not isinstance(instances, list) or not instances:
        yield Refusal("Empty instances.")
        return
    for instance in instances:
        text = instance.get("content")
        if not isinstance(text, str) or not text:
            yield Refusal("The text content is empty.")
        task = instance.get("task_type")
        if task is not None and task not in _GOOGLE_TASKS:
            yield Refusal(f"Invalid task_type: {task}.")
    parameters = fields.get("parameters") or {}
    yield from unknown_fields(parameters, "autoTruncate outputDimensionality", "parameters")
    size = parameters.get("outputDimensionality")
    if size is not None and not (is_whole(size) and size > 0):
        yield Refusal(f"outputDimensionality must be a positive integer, not {size!r}.")


def _titan(fields: Fields) -> Iterator[Refusal]:
    text = fields.get("inputText")
    if text is None:
        yield _malformed("#: required key [inputText] not found")
    elif not isinstance(text, str):
        yield _malformed(f"#/inputText: expected type: String, found: {type(text).__name__}")
    elif not text:
        yield _malformed("#/inputText: expected minLength: 1, actual: 0")
    size = fields.get("dimensions")
    if size is not None and size not in _TITAN_SIZES:
        yield _malformed(f"#/dimensions: {size} is not a valid enum value")
    for form in fields.get("embeddingTypes") or ():
        if form not in ("float", "binary"):
            yield _malformed(f"#/embeddingTypes/0: {form} is not a valid enum value")


def _cohere_on_bedrock(fields: Fields) -> Iterator[Refusal]:
    texts = fields.get("texts")
    if not isinstance(texts, list) or not texts:
        yield _malformed("#: required key [texts] not found")
        return
    if len(texts) > _COHERE_MOST:
        yield _malformed(f"#/texts: expected maximum item count: {_COHERE_MOST}, found: {len(texts)}")
    if "input_type" not in fields:
        yield _malformed("#: required key [input_type] not found")
    yield from _cohere_values(fields)


def _cohere(fields: Fields) -> Iterator[Refusal]:
    texts = fields.get("texts")
    if not isinstance(texts, list) or not texts:
        yield Refusal("invalid request: texts must be specified")
        return
    if len(texts) > _COHERE_MOST:
        yield Refusal(f"invalid request: total number of texts must be at most {_COHERE_MOST} - received {len(texts)}")
    if not fields.get("model"):
        yield Refusal("invalid request: model is required")
    if not fields.get("input_type"):
        yield Refusal("invalid request: valid input_type must be provided with the provided model")
    yield from _cohere_values(fields)


def _cohere_values(fields: Fields) -> Iterator[Refusal]:
    for text in fields["texts"]:
        if not isinstance(text, str) or not text:
            yield Refusal("invalid request: each of the texts must be a text that is not empty")
    kind = fields.get("input_type")
    if kind not in _COHERE_TYPES:
        yield Refusal(f"invalid request: input_type must be one of {', '.join(_COHERE_TYPES)}, not {kind!r}")
    truncate = fields.get("truncate")
    if truncate not in {None, "NONE", "START", "END", "LEFT", "RIGHT"}:
        yield Refusal(f"invalid request: truncate must be NONE, START or END, not {truncate!r}")
    forms: Any = fields.get("embedding_types") or []
    for form in forms if isinstance(forms, list) else [forms]:
        if form not in _COHERE_FORMS:
            yield Refusal(f"invalid request: unknown embedding type {form!r}")


def _nomic(fields: Fields) -> Iterator[Refusal]:
    texts = fields.get("texts")
    if not isinstance(texts, list) or not texts:
        yield Refusal("field required", 422)
        return
    for text in texts:
        if not isinstance(text, str) or not text:
            yield Refusal("texts must be texts that are not empty", 422)
    task = fields.get("task_type")
    if task not in {None, *_NOMIC_TASKS}:
        yield Refusal(f"task_type must be one of {', '.join(_NOMIC_TASKS)}, not {task!r}", 422)


def _ollama(fields: Fields) -> Iterator[Refusal]:
    if not fields.get("model"):
        yield Refusal("model is required")
    prompt = fields.get("prompt", "")
    if not isinstance(prompt, str):
        kind = "array" if isinstance(prompt, list) else "value"
        yield Refusal(f"json: cannot unmarshal {kind} into Go struct field EmbeddingRequest.prompt of type string")


def _malformed(what: str) -> Refusal:
    """Bedrock's words for a body that does not fit the model's schema."""
    return Refusal(f"Malformed input request: {what}, please reformat your input and try again.")
