"""Signatures and frames of AWS, against examples that are not ours."""

import datetime as dt
import hashlib
import hmac
from urllib.parse import quote

import httpx
import pytest

from langchain_pollinations_portkey.testing import StandInProvider
from langchain_pollinations_portkey.testing.aws_frames import event_frame
from langchain_pollinations_portkey.testing.aws_signature import SIGNED, signature
from langchain_pollinations_portkey.testing.received import receive
from tests.testing.wire_bodies import aws_frames

KEY, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
BODY = b'{"messages":[{"role":"user","content":[{"text":"Hi"}]}]}'
PATH = "/model/us.anthropic.claude-sonnet-4-5-20250929-v1%3A0/converse"


def test_signature_of_the_documentation():
    """The worked example of the AWS General Reference ("Signature Version 4 signing process": iam, ListUsers)."""
    authorization = (
        "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, "
        "SignedHeaders=content-type;host;x-amz-date, "
        "Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
    )
    headers = [
        ("Host", "iam.amazonaws.com"),
        ("Content-Type", "application/x-www-form-urlencoded; charset=utf-8"),
        ("X-Amz-Date", "20150830T123600Z"),
        ("Authorization", authorization),
    ]
    request = receive("GET", "/?Action=ListUsers&Version=2010-05-08", headers, b"")
    found = SIGNED.match(authorization)
    assert found is not None
    assert signature(request, found, SECRET, "iam.amazonaws.com") == found["signature"]


def signed(host, *, secret=SECRET, key=KEY, service="bedrock", body=BODY, path=PATH, moved=0.0, token=None):
    """Headers of a signed request, made without the code under test."""
    now = dt.datetime.now(dt.UTC) + dt.timedelta(seconds=moved)
    stamp = now.strftime("%Y%m%dT%H%M%SZ")
    headers = {"content-type": "application/json", "host": host, "x-amz-date": stamp}
    if token:
        headers["x-amz-security-token"] = token
    names = ";".join(sorted(headers))
    lines = [f"{name}:{headers[name]}\n" for name in sorted(headers)]
    digest = hashlib.sha256(body).hexdigest()
    canonical = f"POST\n{quote(path)}\n\n{''.join(lines)}\n{names}\n{digest}"
    scope = f"{stamp[:8]}/eu-central-1/{service}/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    signing = f"AWS4{secret}".encode()
    for part in (stamp[:8], "eu-central-1", service, "aws4_request"):
        signing = hmac.new(signing, part.encode(), hashlib.sha256).digest()
    result = hmac.new(signing, to_sign.encode(), hashlib.sha256).hexdigest()
    del headers["host"]
    headers["authorization"] = f"AWS4-HMAC-SHA256 Credential={key}/{scope}, SignedHeaders={names}, Signature={result}"
    return headers


@pytest.fixture(scope="module")
def provider():
    with StandInProvider(aws_credentials={KEY: SECRET}) as started:
        yield started


def post(provider, headers, body=BODY):
    return httpx.post(provider.url + PATH, content=body, headers=headers, trust_env=False)


def test_host_is_right_with_and_without_the_port(provider):
    assert post(provider, signed(f"127.0.0.1:{provider.port}")).status_code == 200
    assert post(provider, signed("127.0.0.1")).status_code == 200
    assert post(provider, signed("localhost")).status_code == 403


def test_the_session_token_is_recorded(provider):
    assert post(provider, signed("127.0.0.1", token="TOKEN")).status_code == 200
    assert provider.last.headers["x-amz-security-token"] == "TOKEN"


WRONG = [
    ("secret", {"secret": "other"}, "InvalidSignatureException", "does not match the signature you provided"),
    (
        "key",
        {"key": "AKIAOTHER"},
        "UnrecognizedClientException",
        "The security token included in the request is invalid",
    ),
    ("service", {"service": "s3"}, "InvalidSignatureException", "correct service: 'bedrock'"),
    ("path", {"path": PATH.replace("%3A", ":")}, "InvalidSignatureException", "does not match"),
    ("old", {"moved": -400}, "InvalidSignatureException", "Signature expired"),
    ("ahead", {"moved": 400}, "InvalidSignatureException", "Signature"),
]


@pytest.mark.parametrize(("change", "error", "message"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_wrong_signature_is_refused(provider, change, error, message):
    response = post(provider, signed("127.0.0.1", **change))
    assert response.status_code == 403
    assert response.headers["x-amzn-errortype"] == error
    assert message in response.json()["message"]
    assert provider.last.refused is not None


def test_the_body_is_signed(provider):
    assert post(provider, signed("127.0.0.1"), BODY.replace(b"Hi", b"Ho")).status_code == 403


def test_a_bearer_token_does_not_replace_configured_credentials(provider):
    assert post(provider, {"authorization": "Bearer k"}).status_code == 403


def test_without_credentials_a_well_formed_signature_is_enough():
    with StandInProvider() as provider:
        assert post(provider, signed("127.0.0.1", secret="anything")).status_code == 200
        assert post(provider, {"authorization": "Bearer k"}).status_code == 200
        half = signed("127.0.0.1")["authorization"].partition(", Signature")[0]
        refused = post(provider, {"authorization": half})
        assert refused.headers["x-amzn-errortype"] == "IncompleteSignatureException"


def test_a_frame_byte_by_byte():
    frame = event_frame("messageStart", {"role": "assistant"})
    headers = (
        b"\x0b:event-type\x07\x00\x0cmessageStart"
        b"\x0d:message-type\x07\x00\x05event"
        b"\x0d:content-type\x07\x00\x10application/json"
    )
    payload = b'{"role":"assistant"}'
    assert frame[:8] == (16 + len(headers) + len(payload)).to_bytes(4, "big") + len(headers).to_bytes(4, "big")
    assert frame[12:-4] == headers + payload
    assert aws_frames(frame)[0][1] == {"role": "assistant"}
