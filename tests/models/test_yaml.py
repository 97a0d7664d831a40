"""Files over HTTP in every mode (contract §3.4), over a schema layer."""

from __future__ import annotations

import time
import uuid
from typing import Any

import pytest

from dragoman.semantics.files import read
from tests.models.conftest import House
from tests.models.schema import generate
from tests.support.clients import assert_error, at_once
from tests.support.server import MODELS

MINE = """\
# Reference this view as orders
# What we sell.
label: Orders

measures:
  # before tax
  total:
    sql: ${amount}
    aggregate_type: sum
"""


class Yaml:
    """The files of one model or branch."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.path = f"{MODELS}/{house.shared}/yaml"

    def get(self, name: str | None = None, **query: Any) -> dict[str, Any]:
        if name is not None:
            query["fileName"] = name
        answer = self.house.server.root.get(self.path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def file(self, name: str, **query: Any) -> str:
        (text,) = self.get(name, **query)["files"].values()
        return text

    def post(self, name: str, text: str, **more: Any) -> Any:
        sent = {"fileName": name, "yaml": text, **more}
        return self.house.server.root.post(self.path, json=sent)

    def put(self, name: str, text: str, **more: Any) -> dict[str, Any]:
        answer = self.post(name, text, **more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def delete(self, name: str, **query: Any) -> Any:
        return self.house.server.root.delete(self.path, params={"fileName": name, **query})


@pytest.fixture
def yaml(house: House, monkeypatch: pytest.MonkeyPatch) -> Yaml:
    generate(monkeypatch)
    return Yaml(house)


def test_everything_is_listed_with_its_name(yaml: Yaml) -> None:
    yaml.put("sales.topic", "base_view: orders\n")
    found = yaml.get(includeChecksums="true")
    assert list(found["files"]) == [
        "relationships", "sales.topic", "MARTS/FOO.view", "public/orders.view", "public/users.view"
    ]  # fmt: skip
    assert found["viewNames"] == {
        "MARTS/FOO.view": "marts__foo",
        "public/orders.view": "orders",
        "public/users.view": "users",
    }
    assert found["version"] == 1
    assert set(found["checksums"]) == set(found["files"])
    for path, name in found["viewNames"].items():
        assert found["files"][path].startswith(f"# Reference this view as {name}\n")
    assert "checksums" not in yaml.get()


def test_combined_is_what_is_written_with_what_is_below(yaml: Yaml) -> None:
    yaml.put("public/orders.view", MINE, mode="extension")
    text = yaml.file("public/orders.view")
    assert text.startswith("# Reference this view as orders\n# What we sell.\nlabel: Orders\n")
    assert "  # before tax\n  total:" in text
    data = read("o.view", text).data
    assert list(data["measures"]) == ["total", "count"]
    assert list(data["dimensions"]) == ["id", "user_id", "amount", "created_at"]
    assert yaml.file("public/orders.view", mode="extension") == MINE


@pytest.mark.parametrize("fields", ["label: X\n", "", "dimensions:\n  amount:\n    hidden: true\n"])
def test_combined_comes_back_as_it_went(yaml: Yaml, fields: str) -> None:
    """What is read and written unchanged is no change."""
    if fields:
        yaml.put("orders.view", fields, mode="extension")
    before = yaml.get("orders.view", includeChecksums="true")
    ((path, text),) = before["files"].items()
    for more in ({}, {"previousChecksum": before["checksums"][path]}):
        after = yaml.put(path, text, **more)
        assert after["version"] == before["version"]
        assert after["files"] == before["files"]


def test_combined_stores_what_differs_with_its_comments(yaml: Yaml) -> None:
    text = yaml.file("public/orders.view")
    text = text.replace("  amount:\n", "  # net\n  amount:\n    format: usd_2\n")
    text += "label: All orders  # shown\n"
    yaml.put("public/orders.view", text)
    own = yaml.file("public/orders.view", mode="extension")
    data = read("o.view", own).data
    assert data == {"dimensions": {"amount": {"format": "usd_2"}}, "label": "All orders"}
    assert "  # net\n  amount:\n    format: usd_2\n" in own
    assert "label: All orders  # shown\n" in own


def test_what_is_left_out_stays_unless_it_was_seen(yaml: Yaml) -> None:
    whole = yaml.get("orders.view", includeChecksums="true")
    ((path, text),) = whole["files"].items()
    short = text.replace("  amount:\n    sql: '\"amount\"'\n", "")
    yaml.put(path, short)
    assert "amount" in yaml.file(path)
    yaml.put(path, short, previousChecksum=whole["checksums"][path])
    own = read("o.view", yaml.file(path, mode="extension")).data
    assert own == {"dimensions": {"amount": {"ignored": True}}}


def test_a_property_below_stays_when_it_is_left_out(yaml: Yaml) -> None:
    """Null would say nothing, and be an error of its own."""
    whole = yaml.get("orders.view", includeChecksums="true")
    ((path, text),) = whole["files"].items()
    short = text.replace("table_name: orders\n", "").replace("    sql: '\"amount\"'\n", "")
    assert short != text
    after = yaml.put(path, short, previousChecksum=whole["checksums"][path])
    assert read(path, after["files"][path]).data == read(path, text).data
    assert not yaml.get(mode="extension")["files"]


@pytest.mark.parametrize(
    "own",
    [
        "sql: select 1 as id\n",
        "# note\r\nlabel: X\r\ndimensions:\r\n  id:\r\n    label: Y\r\n",
        "\ufeff# note\nlabel: X\ndimensions:\n  id:\n    label: Y\n",
        "\ufefflabel: X\r\n",
        "description: |+\n  a\n\n\n",
    ],
)
def test_nothing_is_lost_by_way_of_the_combined_text(yaml: Yaml, own: str) -> None:
    yaml.put("orders.view", own, mode="extension")
    kept = yaml.file("orders.view", mode="extension")
    seen = yaml.get("orders.view", includeChecksums="true")
    ((path, text),) = seen["files"].items()
    yaml.put(path, text, previousChecksum=seen["checksums"][path])
    assert yaml.file(path, mode="extension") == kept


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("orders.view", "public/orders.view"),
        ("public/orders.view", "public/orders.view"),
        ("public/orders.view.yaml", "public/orders.view"),
        ("foo.view", "MARTS/FOO.view"),
        ("FOO.view", "MARTS/FOO.view"),
        ("marts__foo.view", "MARTS/FOO.view"),
        ("MARTS/FOO.view", "MARTS/FOO.view"),
        ("new.view", "new.view"),
        ("lake/new.view", "lake/new.view"),
    ],
)
def test_a_name_means_the_view_that_is_there(yaml: Yaml, name: str, path: str) -> None:
    for mode in ("extension", "combined"):
        assert list(yaml.put(name, f"label: {mode}\n", mode=mode)["files"]) == [path]
    assert len([key for key in yaml.get()["files"] if key == path]) == 1
    (own,) = yaml.get(mode="extension")["files"].values()
    assert own.endswith("label: combined\n")


@pytest.mark.parametrize("spelling", ["branchId", "branch_id"])
def test_a_branch_may_be_named_in_the_query(yaml: Yaml, spelling: str) -> None:
    """Clients send it there, though the contract has it in the body: such a write is never one to
    the shared model."""
    branch = yaml.house.branch("dev")
    post = yaml.house.server.root.post
    sent = {"fileName": "orders.view", "yaml": "label: On the branch\n"}
    assert post(yaml.path, params={spelling: branch}, json=sent).status_code == 200
    assert "On the branch" in yaml.file("orders.view", branchId=branch)
    assert "On the branch" not in yaml.file("orders.view")
    both = {**sent, "branchId": str(uuid.uuid4())}
    told = assert_error(post(yaml.path, params={spelling: branch}, json=both), 400)
    assert "name two branches" in told["message"]
    told = assert_error(post(yaml.path, params={"branch": branch}, json=sent), 400)
    assert "Unrecognized key(s) in object: 'branch'" in told["message"]
    assert "On the branch" not in yaml.file("orders.view")


def test_a_name_alone_is_that_of_a_view_or_of_a_topic(yaml: Yaml) -> None:
    yaml.put("orders.view", MINE, mode="extension")
    yaml.put("sales.topic", "base_view: orders\n")
    yaml.put("orders.topic", "base_view: orders\n")
    assert set(yaml.get("orders")["files"]) == {"public/orders.view", "orders.topic"}
    assert set(yaml.get("sales")["files"]) == {"sales.topic"}
    assert yaml.get("nothing")["files"] == yaml.get("../orders")["files"] == {}
    assert [each["version"] for each in yaml.get("orders", mode="history")["history"]] == [3, 1]
    assert yaml.get("nothing", mode="history")["history"] == []


def test_an_unclear_name_is_refused(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    generate(monkeypatch, {
        "a/x.view": "# Reference this view as a__x\ndimensions: {}\n",
        "b/x.view": "# Reference this view as b__x\ndimensions: {}\n",
    })  # fmt: skip
    refused = assert_error(Yaml(house).post("x.view", "label: X\n"), 400)
    assert "may mean a__x, b__x" in refused["message"]


def test_checksums_in_both_modes(yaml: Yaml) -> None:
    yaml.put("orders.view", MINE, mode="extension")
    for mode in ("extension", "combined"):
        seen = yaml.get("orders.view", mode=mode, includeChecksums="true")
        ((path, checksum),) = seen["checksums"].items()
        text = seen["files"][path].replace("label: Orders", f"label: {mode}")
        written = yaml.put(path, text, mode=mode, previousChecksum=checksum)
        assert written["checksums"][path] != checksum
        late = assert_error(yaml.post(path, text, mode=mode, previousChecksum=checksum), 409)
        assert "Checksum mismatch" in late["message"]
        assert "File has been modified since it was fetched" in late["message"]
        assert late["previousChecksum"] == checksum
        assert late["currentChecksum"] == written["checksums"][path]
        assert late["currentVersion"] == written["version"]
        before = written["version"] - 1 if mode == "extension" else None
        assert late["previousVersion"] == before
        yaml.put("orders.view", MINE, mode="extension")


def test_the_time_of_reading_refuses_what_changed_since(yaml: Yaml) -> None:
    before = time.time() * 1000 - 60_000
    yaml.put("orders.view", MINE, mode="extension")
    assert_error(yaml.post("orders.view", "label: X\n", fetchedAtMillis=before), 409)
    yaml.put("orders.view", "label: X\n", fetchedAtMillis=before + 120_000)


def test_of_two_that_saw_the_same_one_wins(yaml: Yaml) -> None:
    seen = yaml.get("orders.view", includeChecksums="true")
    ((path, checksum),) = seen["checksums"].items()

    def write(number: int) -> int:
        text = f"{seen['files'][path]}label: L{number}\n"
        return yaml.post(path, text, previousChecksum=checksum).status_code

    assert sorted(at_once(4, write)) == [200, 409, 409, 409]


def test_blank_text_takes_away(yaml: Yaml) -> None:
    yaml.put("orders.view", MINE, mode="extension")
    assert yaml.put("orders.view", " ", mode="extension")["files"] == {}
    assert yaml.get(mode="extension")["files"] == {}
    assert yaml.put("orders.view", "")["files"] == {}
    assert "public/orders.view" not in yaml.get()["files"]
    assert yaml.file("orders.view", mode="extension").endswith("ignored: true\n")
    yaml.put("orders.view", "", mode="extension")
    assert "public/orders.view" in yaml.get()["files"]
    yaml.put("t.topic", "base_view: orders\n")
    assert yaml.put("t.topic", "")["files"] == {}
    assert yaml.get("t.topic")["files"] == {}


def test_delete(yaml: Yaml) -> None:
    yaml.put("t.topic", "base_view: orders\n")
    assert yaml.delete("t.topic", commitMessage="Away").status_code == 200
    assert assert_error(yaml.delete("t.topic"), 404)["message"] == "File does not exist"
    assert_error(yaml.delete("orders.view", mode="extension"), 404)
    assert yaml.delete("orders.view").status_code == 200
    assert "ignored: true" in yaml.file("orders.view", mode="extension")
    assert yaml.delete("orders.view", mode="extension").status_code == 200
    assert "public/orders.view" in yaml.get()["files"]
    for name in ("model", "relationships", "x.txt", ""):
        assert_error(yaml.delete(name), 400)


def test_relationships_are_merged_and_reduced(yaml: Yaml) -> None:
    text = yaml.file("relationships")
    more = "- join_from_view: orders\n  join_to_view: marts__foo\n  on_sql: ${orders.id} = 1\n"
    more += "  relationship_type: many_to_one\n"
    yaml.put("relationships", text + more)
    assert yaml.file("relationships", mode="extension") == more
    seen = yaml.get("relationships", includeChecksums="true")
    yaml.put("relationships", more, previousChecksum=seen["checksums"]["relationships"])
    own = read("relationships", yaml.file("relationships", mode="extension")).data
    assert own[1] == {"join_from_view": "orders", "join_to_view": "users", "ignored": True}
    assert "users" not in yaml.file("relationships")


def test_patterns(yaml: Yaml) -> None:
    yaml.put("a.topic", "base_view: orders\n")
    assert list(yaml.get(r".*\.topic")["files"]) == ["a.topic"]
    assert list(yaml.get(r"public/.*")["files"]) == ["public/orders.view", "public/users.view"]
    assert yaml.get("nothing.view")["files"] == {}
    assert yaml.get("nothing")["files"] == {}
    refused = yaml.house.server.root.get(yaml.path, params={"fileName": "("})
    assert "regular expression" in assert_error(refused, 400)["message"]
    began = time.monotonic()
    yaml.get("(a+)+$" * 20)
    assert time.monotonic() - began < 2


def test_schemas_to_include(yaml: Yaml) -> None:
    assert list(yaml.get(includeSchemas="MARTS")["viewNames"]) == ["MARTS/FOO.view"]


def test_branches_have_modes_too(yaml: Yaml) -> None:
    house = yaml.house
    yaml.put("orders.view", MINE, mode="extension")
    branch = house.branch("mine")
    yaml.put("users.view", "label: Members\n", branchId=branch)
    yaml.put("orders.view", "", branchId=branch, mode="extension")
    assert "Members" not in yaml.file("users.view")
    assert "Members" in yaml.file("users.view", branchId=branch)
    assert "Members" in yaml.file("users.view", branch_id=branch)
    staged = yaml.get(branchId=branch, mode="staged")["files"]
    assert staged == {"public/orders.view": "", "public/users.view": "label: Members\n"}
    assert list(yaml.get(branchId=branch, mode="extension")["files"]) == ["public/users.view"]
    assert list(yaml.get(branchId=branch, mode="merged")["files"]) == ["users.view"]
    assert yaml.get(branchId=branch)["version"] == 2
    other = str(uuid.uuid4())
    gone = house.server.root.get(yaml.path, params={"branchId": other})
    assert assert_error(gone, 404)["message"] == "Branch does not exist"
    schema = f"{MODELS}/{house.connection}/yaml"
    refused = assert_error(house.server.root.get(schema, params={"branchId": branch}), 400)
    assert "Schema models do not have branches" in refused["message"]
    assert_error(house.server.root.post(schema, json={"fileName": "a.view", "yaml": "a: 1"}), 400)
    assert "public/users.view" in house.server.root.get(schema).json()["files"]


def test_merged_files_are_called_after_their_views(yaml: Yaml) -> None:
    assert set(yaml.get(mode="merged")["viewNames"]) == {
        *("orders.view", "users.view", "marts__foo.view")
    }


def test_history_mode_tells_versions(yaml: Yaml) -> None:
    yaml.put("orders.view", MINE, mode="extension", commitMessage="First")
    yaml.put("t.topic", "base_view: orders\n", commitMessage="Second")
    assert [each["message"] for each in yaml.get(mode="history")["history"]] == ["Second", "First"]
    (only,) = yaml.get("public/orders.view", mode="history")["history"]
    assert (only["message"], only["files"]) == ("First", {"public/orders.view": "written"})
    assert_error(yaml.post("t.topic", "a: 1", mode="history"), 400)


def test_fully_resolved_goes_there_and_back(yaml: Yaml) -> None:
    yaml.put("base.view", "template: true\nmeasures:\n  n: {aggregate_type: count}\n")
    yaml.put("orders.view", "extends: [base]\nlabel: O\n", mode="extension")
    seen = yaml.get("orders.view", fullyResolved="true")
    ((path, text),) = seen["files"].items()
    data = read(path, text).data
    assert "extends" not in data
    assert "n" in data["measures"]
    yaml.put(path, text.replace("label: O", "label: P"), fullyResolved=True)
    own = read(path, yaml.file(path, mode="extension")).data
    assert own == {"extends": ["base"], "label": "P"}
    for query in ({"mode": "extension"}, {"mode": "merged"}):
        answer = yaml.house.server.root.get(yaml.path, params={"fullyResolved": "true", **query})
        assert_error(answer, 400)


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"fileName": "a.view"}, "yaml: Required"),
        ({"fileName": "a.view", "yaml": "a: 1", "branchName": "x"}, "Unrecognized key(s)"),
        ({"fileName": "", "yaml": "a: 1"}, "fileName"),
        ({"fileName": "a.txt", "yaml": "a: 1"}, "no file of a model"),
        ({"fileName": "a.view", "yaml": "a: ["}, "Invalid YAML syntax"),
        ({"fileName": "a.view", "yaml": "a: 1", "mode": "x"}, "mode"),
        ({"fileName": "a.view", "yaml": "a: 1", "branchId": "x"}, "Invalid branchId format"),
        ({"fileName": "a.view", "yaml": "a: \u0000"}, "yaml"),
        ({"fileName": "a.view", "yaml": "a: 1", "fetchedAtMillis": 1e300}, "fetchedAtMillis"),
    ],
)
def test_refusals_of_writes(yaml: Yaml, sent: dict[str, Any], words: str) -> None:
    answer = yaml.house.server.root.post(yaml.path, json=sent)
    assert words in assert_error(answer, 400)["message"]


def test_a_bomb_of_anchors_is_refused(yaml: Yaml) -> None:
    rows = [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    bomb = "\n".join(["a0: &a0 [x]", *rows])
    refused = assert_error(yaml.post("a.view", bomb, mode="extension"), 400)
    assert "Unfolds to more than" in refused["message"]
    assert "a.view:" in refused["errors"][0]["field"]


def test_a_file_may_be_as_long_as_the_language_says(yaml: Yaml) -> None:
    text = "description: |\n" + f"  {'ü' * 97}\n" * 49_000
    assert len(text) > 4_850_000
    yaml.put("long.view", text, mode="extension")
    assert yaml.file("long.view", mode="extension").endswith(text)
    refused = yaml.post("long.view", text + text, mode="extension")
    assert "at most 5,000,000" in assert_error(refused, 400)["message"]
    assert_error(yaml.post("long.view", text * 3), 413)


def test_who_may_write(yaml: Yaml) -> None:
    house = yaml.house
    house.server.root.patch(f"/api/v1/connections/{house.connection}", json={"baseRole": "QUERIER"})
    member = house.server.member("querier@example.com")
    sent = {"fileName": "a.view", "yaml": "label: A\n"}
    assert_error(member.post(yaml.path, json=sent), 403)
    branch = house.branch("mine")
    assert member.post(yaml.path, json={**sent, "branchId": branch}).status_code == 200
    assert member.get(yaml.path, params={"fileName": "orders.view"}).status_code == 200
