"""A value of the wrong JSON type, wherever it stands, is an answer and never a crash."""

import copy
import json

import pytest

from langchain_pollinations_portkey.testing.received import receive
from langchain_pollinations_portkey.testing.rules import check
from langchain_pollinations_portkey.testing.wires import RENDERERS
from tests.testing.test_rules_anthropic import RULES as ANTHROPIC
from tests.testing.test_rules_bedrock import RULES as BEDROCK
from tests.testing.test_rules_gemini import RULES as GEMINI
from tests.testing.test_rules_openai import RULES as OPENAI
from tests.testing.wire_bodies import JSON_PATHS

ODD = [None, "", 0, True, [], {}, ["a"], [{}], [[]]]
TABLES = {"anthropic": ANTHROPIC, "bedrock": BEDROCK, "gemini": GEMINI, "openai": OPENAI}


def paths(value, path=()):
    if path:
        yield path
    members = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, member in members:
        yield from paths(member, (*path, key))


def changed(body, path, value):
    result = copy.deepcopy(body)
    place = result
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return result


@pytest.mark.parametrize("wire", TABLES)
def test_wrong_types(wire):
    """Each accepted body of the tables, each value in it replaced; every fifth combination keeps the test fast."""
    target = JSON_PATHS[wire][0]
    combinations = [(row[3], path, odd) for row in TABLES[wire] for path in paths(row[3]) for odd in ODD]
    refused = 0
    for body, path, odd in combinations[::5]:
        request = receive("POST", target, [], json.dumps(changed(body, path, odd)).encode())
        refusal = check(request)
        assert refusal is None or refusal.status == 400
        refused += refusal is not None
        if refusal is None:
            RENDERERS[wire].asked(request)
    assert refused > len(combinations[::5]) / 3
