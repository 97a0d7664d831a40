"""Accept headers."""

from __future__ import annotations

import pytest

from dragoman.api.errors import NotAcceptable
from dragoman.queries.negotiation import choose


@pytest.mark.parametrize(
    ("accept", "key"),
    [
        ([], "arrow"),
        ([""], "arrow"),
        (["*/*"], "arrow"),
        (["application/octet-stream"], "arrow"),
        (["application/vnd.apache.arrow.stream"], "arrow"),
        (["text/csv"], "csv"),
        (["TEXT/CSV; Q=0.5"], "csv"),
        (["text/*"], "csv"),
        (["text/ndjson"], "ndjson"),
        (["application/x-ndjson"], "ndjson"),
        (["application/json"], "json"),
        (["application/json;charset=utf-8"], "json"),
        (["text/csv;q=0.5, application/json;q=0.9"], "json"),
        (["text/csv;q=0.5", "application/json;q=0.9"], "json"),
        (["text/csv, */*;q=0.1"], "csv"),
        (["text/csv, */*"], "csv"),
        (["application/json, text/csv"], "json"),
        (["text/csv, application/json"], "csv"),
        (["application/vnd.apache.arrow.stream;q=0, application/octet-stream;q=0, */*"], "csv"),
        (["image/png, application/x-ndjson;q=0.001"], "ndjson"),
        (["text/html, application/xhtml+xml, */*;q=0.8"], "arrow"),
    ],
)
def test_the_format_that_a_header_asks_for(accept: list[str], key: str) -> None:
    assert choose(accept).key == key


@pytest.mark.parametrize("accept", ["image/png", "text/csv;q=0", "text/csv;q=high", "nonsense"])
def test_nothing_acceptable_names_what_there_is(accept: str) -> None:
    with pytest.raises(NotAcceptable) as refused:
        choose([accept])
    assert "text/csv" in refused.value.body()["available"]
    assert "application/json" in refused.value.message
