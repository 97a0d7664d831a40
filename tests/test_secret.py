"""SecretStr: nothing but `reveal` shows the text."""

from __future__ import annotations

import copy
import dataclasses
import json
import pickle  # noqa: TID251 - to show that it refuses
import traceback

import msgspec
import pytest

from dragoman.secret import MASK, SecretReference, SecretStr

TEXT = "hunter2"
SECRET = SecretStr(TEXT)


def test_reveal_is_the_way_out() -> None:
    assert SECRET.reveal() == TEXT


@pytest.mark.parametrize(
    "shown",
    [
        str(SECRET),
        repr(SECRET),
        ascii(SECRET),
        f"{SECRET}",
        f"{SECRET:>20}",
        f"{[SECRET]} { ({'a': SECRET}) }",
    ],
)
def test_no_other_way_shows_it(shown: str) -> None:
    assert TEXT not in shown
    assert MASK in shown


def test_it_is_neither_encoded_nor_copied_out() -> None:
    for leak in (
        lambda: json.dumps(SECRET),
        lambda: msgspec.json.encode(SECRET),
        lambda: pickle.dumps(SECRET),
        lambda: copy.deepcopy(SECRET),
        lambda: vars(SECRET),
        lambda: SECRET + "",  # type: ignore[operator]
        lambda: "".join([SECRET]),  # type: ignore[list-item]
    ):
        with pytest.raises(TypeError) as caught:
            leak()
        assert TEXT not in str(caught.value)


def test_exception_that_carries_it_does_not_show_it() -> None:
    error = ValueError("no", SECRET)
    assert TEXT not in "".join(traceback.format_exception(error))


def test_equality_is_by_text_and_only_with_its_kind() -> None:
    assert SecretStr(TEXT) == SECRET
    assert SecretStr("other") != SECRET
    assert SECRET != TEXT
    assert hash(SecretStr(TEXT)) == hash(SECRET)
    assert hash(SECRET) != hash(TEXT)
    assert SecretStr("a\udc80") == SecretStr("a\udc80")
    assert SecretStr("ä") != SecretStr("a")


def test_truth_is_whether_there_is_any_text() -> None:
    assert SECRET
    assert not SecretStr("")


def test_reference_is_no_secret() -> None:
    reference = SecretReference("env", "DRAGOMAN_SECRET_X")
    assert str(reference) == "env:DRAGOMAN_SECRET_X"
    assert "DRAGOMAN_SECRET_X" in repr(reference)
    with pytest.raises(dataclasses.FrozenInstanceError):
        reference.name = "other"  # type: ignore[misc]
