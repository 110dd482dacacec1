"""Warnings: once each, and pointing at the user's line."""

from __future__ import annotations

import threading
import warnings

import pytest

from langchain_pollinations_portkey import notices
from langchain_pollinations_portkey.chat_models import ChatPortkey
from langchain_pollinations_portkey.notices import LossWarning, Notice, PortkeyWarning, SecurityWarning, tell


def test_the_same_is_told_once_and_something_else_again():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        tell(Notice(LossWarning, ("seed", "anthropic"), "one"))
        tell(Notice(LossWarning, ("seed", "anthropic"), "one, in other words"))
        tell(Notice(LossWarning, ("seed", "bedrock"), "two"))
        tell(Notice(SecurityWarning, ("seed", "anthropic"), "three"))
        notices.forget_all()
        tell(Notice(LossWarning, ("seed", "anthropic"), "four"))

    assert [str(warning.message) for warning in told] == ["one", "two", "three", "four"]


def test_a_warning_points_at_the_code_that_called_us():
    with pytest.warns(LossWarning, match="quality") as told:
        ChatPortkey(model="portkey-gpt4", quality=3)

    assert told[0].filename == __file__


def test_one_filter_silences_them_all():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", PortkeyWarning)
        tell(Notice(SecurityWarning, ("quiet",), "not shown"))


def test_many_threads_tell_it_once():
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        threads = [threading.Thread(target=tell, args=(Notice(LossWarning, ("x",), "x"),)) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(told) == 1
