"""A rate that several machines share through a bucket."""

import math
from collections.abc import Callable

import attrs
import pytest

from adapters.object_store.bucket import Bucket
from adapters.object_store.claims import BucketClaims
from adapters.object_store.rate_limiter import BucketRateLimiter
from bucket_proxy import proxy_before
from daydreaming_dagster.bootstrap import open_data_root

NAME = "limits/model/requests.json"


@attrs.define
class Counting:
    """A bucket that counts its conditional writes, and whose server has a clock of the test."""

    bucket: Bucket
    clock: Callable[[], float]
    writes: int = 0

    def find(self, name):
        found = self.bucket.find(name)
        return found and attrs.evolve(found, modified=float(math.floor(self.clock())))

    def create(self, name, data):
        self.writes += 1
        return self.bucket.create(name, data)

    def replace(self, name, data, tag):
        self.writes += 1
        return self.bucket.replace(name, data, tag)


@attrs.define
class Machines:
    """Machines that use one bucket, each with its own clock; `now` is the true time."""

    now: float = 0.0
    began: float = 1.8e9
    bucket: Counting = attrs.field(init=False)

    def __attrs_post_init__(self):
        self.bucket = Counting(Bucket.open("memory:///"), lambda: self.began + self.now)

    def limiter(self, per_minute, clock_error=0.0):
        return BucketRateLimiter(
            self.bucket,
            BucketClaims(self.bucket.bucket),
            NAME,
            per_minute,
            lambda: self.began + self.now + clock_error,
            lambda: self.now,
        )

    def taken_by(self, limiters, seconds, amount=1):
        """Let all take as much as they can, and return when each amount was taken."""
        end, times, due = self.now + seconds, [], [self.now] * len(limiters)
        while self.now < end:
            for number, limiter in enumerate(limiters):
                while due[number] <= self.now:
                    if wait := limiter.take(amount):
                        due[number] = self.now + wait
                    else:
                        times.append(self.now)
            self.now += 0.01
        return times


@pytest.fixture
def machines():
    return Machines()


def most_in(times, seconds):
    return max(sum(first <= other < first + seconds for other in times) for first in times)


@pytest.mark.parametrize("per_minute", [20, 1000, 1200, 6000])
def test_all_machines_together_take_what_is_allowed_with_few_writes(machines, per_minute):
    limiters = [machines.limiter(per_minute) for _ in range(4)]

    times = machines.taken_by(limiters, 6)

    assert len(times) == pytest.approx(per_minute / 10, abs=1)
    assert most_in(times, 1) <= per_minute / 60 * 1.5 + 1
    assert machines.bucket.writes <= 20


def test_one_machine_alone_gets_the_whole_rate(machines):
    assert len(machines.taken_by([machines.limiter(1200)], 6)) == pytest.approx(120, abs=1)


def test_the_slot_of_a_killed_process_is_lost_and_no_more(machines):
    killed, other = machines.limiter(60_000), machines.limiter(60_000)
    assert killed.take(1) == 0.0

    times = machines.taken_by([other], 2)

    assert min(times) == pytest.approx(1.0, abs=0.02)
    assert len(times) == pytest.approx(1000, abs=20)


def test_what_was_not_taken_for_an_hour_is_not_made_up_for(machines):
    limiters = [machines.limiter(1200) for _ in range(2)]
    machines.taken_by(limiters, 2)
    machines.now += 3600

    assert most_in(machines.taken_by(limiters, 3), 1) <= 22


def test_a_machine_that_takes_little_leaves_the_rest_to_the_others(machines):
    modest, busy = machines.limiter(1200), machines.limiter(1200)
    taken = 0
    for _ in range(6):
        modest.take(1)
        taken += len(machines.taken_by([busy], 1))

    assert taken >= 90


def test_tokens_that_an_answer_did_not_use_are_taken_by_the_next_call(machines):
    rate = machines.limiter(60_000)
    assert rate.take(5000) == 0.0
    assert rate.take(1000) == pytest.approx(5.0)

    rate.charge(-4000)

    assert [rate.take(1000) for _ in range(4)] == [0.0] * 4
    assert rate.take(1000) == pytest.approx(5.0)


def test_tokens_beyond_what_was_expected_make_the_next_call_wait(machines):
    rate = machines.limiter(60_000)
    rate.take(1000)
    rate.charge(3000)
    machines.now = 1.0

    assert rate.take(1000) == 0.0
    assert rate.take(1000) == pytest.approx(4.0)


@pytest.mark.parametrize("part_of_a_second", [0.0, 0.3, 0.6, 0.99])
@pytest.mark.parametrize("error", [-3600.0, -5.0, 0.3, 5.0, 3600.0])
def test_a_clock_that_is_wrong_makes_no_machine_wait_or_take_too_much(error, part_of_a_second):
    machines = Machines(began=1.8e9 + part_of_a_second)
    wrong, right = machines.limiter(1200, error), machines.limiter(1200)

    times = machines.taken_by([wrong, right], 6)

    # Its first slot may overlap another one, and the server's clock is known to half a second.
    assert 118 <= len(times) <= 120 + 20 + 10 + 3
    assert len(machines.taken_by([right], 6)) == pytest.approx(120, abs=22)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"until": NaN, "written": 0}'])
def test_an_object_that_is_malformed_counts_as_none(machines, content):
    machines.bucket.bucket.write(NAME, content)

    assert machines.limiter(60).take(1) == 0.0


def test_a_write_whose_answer_is_lost_takes_one_slot(s3_server, s3_url, monkeypatch):
    with proxy_before(s3_server.port) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.endpoint)
        bucket = Bucket.open(s3_url)
        claims = BucketClaims(bucket)
        claims.check_conditions()
        proxy.faults["PUT"] = ["unanswered"]
        rate = BucketRateLimiter(bucket, claims, NAME, 1)

        assert rate.take(1) == 0.0
        assert 0 < BucketRateLimiter(bucket, claims, NAME, 1).take(1) <= 60
        claims.close()


def test_processes_that_open_a_data_root_in_a_bucket_share_rates(s3_url):
    root = open_data_root(s3_url)

    assert root.open_rate("model/requests", 1).take(1) == 0.0
    assert 0 < root.open_rate("model/requests", 1).take(1) <= 60
    root.store.close()


def test_each_machine_keeps_the_rates_of_a_data_root_in_a_folder(tmp_path):
    assert open_data_root(tmp_path).open_rate is None
