"""The log file in the home: lines for their owner, bounded in size, shared by processes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import structlog

from dragoman.observability import logs
from dragoman.observability.logfile import OLDER_FILES, LogFile
from dragoman.secret import MASK, SecretStr
from tests.support.server import running_server, settings_for


def test_home_keeps_the_log(tmp_path: Path) -> None:
    with running_server(settings_for(tmp_path / "home", log_level="info")) as server:
        server.http.get("/healthz")
        file = server.home / "logs" / "server.log"
        events = [json.loads(line) for line in file.read_text().splitlines()]
    assert [e["event"] for e in events if e.get("route") == "/healthz"] == ["request"]
    assert events[0]["event"] == "egress"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_it_can_be_switched_off(tmp_path: Path) -> None:
    with running_server(settings_for(tmp_path / "home", log_file="off")) as server:
        server.http.get("/healthz")
        assert not (server.home / "logs").exists()


def test_a_file_that_cannot_be_written_does_not_stop_the_server(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "taken").write_text("")
    settings = settings_for(
        tmp_path / "home", log_file=str(tmp_path / "taken" / "log"), log_level="info"
    )
    with running_server(settings) as server:
        assert server.http.get("/healthz").status_code == 200
    assert '"no log file"' in capsys.readouterr().err


def test_lines_are_json_and_masked_whatever_a_terminal_shows(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.configure("info", "text", tmp_path / "log")
    structlog.get_logger().info("hello", password=SecretStr("hunter2"))
    logs.configure("info", "json")
    [line] = (tmp_path / "log").read_text().splitlines()
    assert json.loads(line)["password"] == MASK
    assert "hello" in capsys.readouterr().err


def test_a_full_file_makes_room(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "log", max_bytes=1000)
    for number in range(1000):
        log.write(b"%098d\n" % number)
    log.close()
    files = sorted(path.name for path in tmp_path.iterdir())
    assert files == ["log", *(f"log.{n + 1}" for n in range(OLDER_FILES))]
    assert all(path.stat().st_size < 2500 for path in tmp_path.iterdir())
    kept = b"".join((tmp_path / name).read_bytes() for name in [*files[:0:-1], "log"])
    numbers = [int(line) for line in kept.split()]
    assert numbers == list(range(numbers[0], 1000))


WRITER = """
import sys
from pathlib import Path
from dragoman.observability.logfile import LogFile
log = LogFile(Path(sys.argv[1]), max_bytes=100_000)
for number in range(2000):
    log.write(b"%s %06d\\n" % (sys.argv[2].encode(), number))
"""


def test_processes_share_it(tmp_path: Path) -> None:
    """Every line is whole, in the order of its process, and the size is bounded."""
    file = tmp_path / "log"
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(file), name]) for name in ("a", "b")
    ]
    assert [writer.wait(60) for writer in writers] == [0, 0]
    paths = [file.with_name(f"log.{n}") for n in range(OLDER_FILES, 0, -1)] + [file]
    lines = [line for path in paths if path.exists() for line in path.read_text().splitlines()]
    for name in ("a", "b"):
        mine = [int(line.split()[1]) for line in lines if line.startswith(f"{name} ")]
        assert mine == list(range(2000))
    assert len(lines) == 4000


def test_a_full_disk_stops_nobody() -> None:
    full = Path("/dev/full")
    if not full.exists():
        pytest.skip("no /dev/full")
    with full.open("wb", buffering=0) as device, pytest.raises(OSError, match="No space"):
        device.write(b"line\n")
    log = LogFile(full)
    log.write(b"line\n")
    log.close()
