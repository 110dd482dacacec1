"""The check for plainly installed gateways: added to the user's own, taken out of what comes back."""

from __future__ import annotations

import json

import pytest

from langchain_pollinations_portkey.catalogue import Catalogue
from langchain_pollinations_portkey.errors import PortkeyConfigurationError
from langchain_pollinations_portkey.gateway.plain_build import (
    STREAM_HEADER,
    Build,
    build_from_probe,
    stream_needs_check,
    with_check,
    without_check,
)

OURS = {"default.modelWhitelist": {"models": ["langchain-pollinations-portkey"]}}
USERS = {"default.contains": {"operator": "any", "words": ["x"]}, "deny": True}
OUR_VERDICT = {
    "verdict": False,
    "checks": [{"id": "default.modelWhitelist", "data": {"allowedModels": ["langchain-pollinations-portkey"]}}],
}
USERS_VERDICT = {"verdict": True, "checks": [{"id": "default.contains", "data": {"words": ["x"]}}]}


@pytest.mark.parametrize(
    ("status", "build"),
    [(500, Build.BROKEN), (200, Build.GOOD), (204, Build.GOOD), (404, Build.UNKNOWN), (301, Build.UNKNOWN),
     (502, Build.UNKNOWN), (None, Build.UNKNOWN)],
)  # fmt: skip
def test_build_from_probe(status, build):
    assert build_from_probe(status) is build


def test_streams_of_three_providers_never_break():
    unbroken = {row.id for row in Catalogue.default().providers() if not stream_needs_check(row)}

    assert unbroken == {"bedrock", "google", "cohere"}


@pytest.mark.parametrize(
    ("existing", "sent"),
    [(None, [OURS]), ("", [OURS]), ("[]", [OURS]), (json.dumps([USERS]), [USERS, OURS])],
)
def test_the_check_comes_after_the_users_own(existing, sent):
    assert json.loads(with_check(STREAM_HEADER, existing)) == sent


@pytest.mark.parametrize("existing", ["{}", "nonsense", '"x"'])
def test_guardrails_that_are_no_list_are_refused(existing):
    with pytest.raises(PortkeyConfigurationError, match="JSON list"):
        with_check(STREAM_HEADER, existing)


@pytest.mark.parametrize(
    ("hooks", "left"),
    [
        ({"before_request_hooks": [OUR_VERDICT], "after_request_hooks": []}, None),
        ({"before_request_hooks": [OUR_VERDICT]}, None),
        (
            {"before_request_hooks": [USERS_VERDICT, OUR_VERDICT], "after_request_hooks": []},
            {"before_request_hooks": [USERS_VERDICT], "after_request_hooks": []},
        ),
        ({"after_request_hooks": [USERS_VERDICT]}, {"after_request_hooks": [USERS_VERDICT]}),
        ({"before_request_hooks": "odd"}, {"before_request_hooks": "odd"}),
    ],
)
def test_our_verdict_is_taken_out(hooks, left):
    body = {"id": "1", "hook_results": hooks}
    before = json.dumps(body)

    got = without_check(body)

    assert got == ({"id": "1"} if left is None else {"id": "1", "hook_results": left})
    assert json.dumps(body) == before


@pytest.mark.parametrize("hooks", [None, [], "x", 3])
def test_hook_results_of_another_shape_stay(hooks):
    assert without_check({"hook_results": hooks}) == {"hook_results": hooks}
