"""Runs on a disk that is full or fills up, and in a process that may open few files."""

import os
import re
import subprocess
import threading
import time

import pytest

from builders import write_data_root
from command import DAYDREAM

LOST = re.compile(r"^(?:draft|essay|evaluation)/(\w+): the paid answer is lost", re.MULTILINE)


@pytest.fixture
def disk(tmp_path):
    """Mount 8 MB of memory, or skip the test where that is not allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    if os.name != "posix" or os.geteuid() != 0:
        pytest.skip("only root may mount")
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(folder)]
    done = subprocess.run(mount, capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"cannot mount: {done.stderr.strip()}")
    yield folder
    subprocess.run(["/bin/umount", str(folder)], check=True)


def fill(disk):
    with (disk / "filler").open("wb", buffering=0) as filler:
        try:
            while filler.write(b"x" * 4096):
                pass
        except OSError:
            return


def bought(data_root):
    """Return the generations whose stored answer is from a model."""
    return {
        path.parent.name
        for path in data_root.glob("gens/*/*/raw.txt")
        if '"mode": "llm"' in (path.parent / "raw_metadata.json").read_text()
    }


class TestOnASmallDisk:
    @pytest.fixture
    def data_root(self, disk):
        return write_data_root(disk / "data")

    @pytest.mark.usefixtures("planned")
    def test_each_answer_that_a_full_disk_does_not_take_is_named_and_no_more_are_bought(
        self, daydream_process, chat_endpoint, disk, data_root
    ):
        answer, filled, lock = chat_endpoint.answer, [], threading.Lock()

        def fill_it(prompt):
            with lock:
                if len(chat_endpoint.bodies) >= 5 and not filled:
                    filled.append(fill(disk))
            time.sleep(0.5 * len(filled))
            return answer(prompt) + " and so on" * 1000

        chat_endpoint.answer = fill_it

        ran = daydream_process("run", "c1")

        lost, stored = LOST.findall(ran.stderr), bought(data_root)
        assert ran.returncode == 1
        assert "Traceback" not in ran.stderr
        assert "No space left on device" in ran.stderr
        assert len(lost) == len(chat_endpoint.bodies) - len(stored) > 0
        assert stored.isdisjoint(lost)
        assert len(chat_endpoint.bodies) < 18

    @pytest.mark.usefixtures("planned")
    def test_nothing_is_bought_where_too_little_is_free_and_all_once_there_is_room(
        self, daydream_process, daydream, chat_endpoint, disk
    ):
        assert daydream("run", "c1", "--max-calls", "0").returncode == 1  # makes the databases
        fill(disk)
        with (disk / "filler").open("r+b") as filler:
            filler.truncate((disk / "filler").stat().st_size - 1_000_000)

        ran = daydream_process("run", "c1")

        assert ran.returncode == 2
        assert re.search(r"\d bytes are free, and [\d,]+ are kept free for 21 answers", ran.stderr)
        assert chat_endpoint.bodies == []

        (disk / "filler").unlink()
        assert daydream_process("run", "c1").returncode == 0


@pytest.mark.usefixtures("planned")
def test_a_database_that_finds_no_room_is_named_and_costs_no_answer(
    daydream_process, chat_endpoint, data_root, disk
):
    fill(disk)

    ran = daydream_process("run", "c1", DAGSTER_HOME=str(disk))

    assert ran.returncode == 1
    assert "Traceback" not in ran.stderr
    assert "error: Dagster's database failed" in ran.stderr
    assert len(bought(data_root)) == len(chat_endpoint.bodies) == 18


@pytest.mark.usefixtures("planned")
def test_a_process_that_may_open_few_files_has_fewer_answers_in_flight(
    daydream_process, chat_endpoint, data_root
):
    command = ["bash", "-c", 'ulimit -n 64; exec "$@"', "bash", *DAYDREAM]

    ran = daydream_process("run", "c1", command=command)

    assert ran.returncode == 0, ran.stderr
    assert len(bought(data_root)) == len(chat_endpoint.bodies) == 18


@pytest.mark.usefixtures("planned")
def test_nothing_is_bought_by_a_process_that_may_open_too_few_files(
    daydream_process, chat_endpoint
):
    command = ["bash", "-c", 'ulimit -n 32; exec "$@"', "bash", *DAYDREAM]

    ran = daydream_process("run", "c1", command=command)

    assert ran.returncode == 2
    assert "this process may open 32 files" in ran.stderr
    assert "ulimit -n" in ran.stderr
    assert chat_endpoint.bodies == []
