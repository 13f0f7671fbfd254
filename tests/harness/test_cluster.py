import pytest
import ray

from rearec_bench.harness.cluster import cluster
from rearec_bench.harness.errors import InputError, RearecError


def failing(calls: list[dict[str, object]]):
    def init(**options: object) -> None:
        calls.append(options)
        raise Exception("The current node timed out during startup.")

    return init


def test_a_ray_that_does_not_start_is_tried_again_and_then_an_error_with_advice(monkeypatch) -> None:
    calls: list[dict[str, object]] = []
    monkeypatch.setattr(ray, "init", failing(calls))
    with (
        pytest.raises(RearecError, match=r"^Ray does not start on this machine: The current .*again later"),
        cluster(address=None, cpus=1, store_bytes=0),
    ):
        pass
    assert len(calls) == 2
    assert calls[0]["include_dashboard"] is False


def test_an_address_that_does_not_answer_is_invalid_input_at_once(monkeypatch) -> None:
    calls: list[dict[str, object]] = []
    monkeypatch.setattr(ray, "init", failing(calls))
    with (
        pytest.raises(InputError, match=r"^no Ray answers at 127\.0\.0\.1:1 "),
        cluster(address="127.0.0.1:1", cpus=None, store_bytes=0),
    ):
        pass
    assert len(calls) == 1
