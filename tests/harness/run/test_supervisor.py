"""When a checkpoint is taken, when a trial's time is over, and what happens where a checkpoint is of no use."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rearec_bench.harness.run.supervisor import ASK_S, Keep, TrialLimits, TrialSupervisor
from rearec_bench.harness.store.checkpoints import Checkpoints
from rearec_bench.harness.trial.checkpoint import Checkpoint, unpack
from rearec_bench.harness.utils.errors import CheckpointError, TrialSuspended, TrialTimedOut

from ..synthetic import spec as spec_for

SPEC = spec_for(seed=1)


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Run:
    """A trial that counts."""

    after_batch: Callable[[], None] | None = None
    done = False

    def __init__(self, odd: Any = None) -> None:
        self.count = 0
        self.elapsed_s = 0.0
        self.odd = odd

    def snapshot(self) -> Checkpoint:
        return Checkpoint({"key": SPEC.key}, {}, {"count": self.count, "elapsed_s": self.elapsed_s, "odd": self.odd})

    def restore(self, checkpoint: Checkpoint) -> None:
        if checkpoint.state["count"] == 99:
            self.count = -1
            raise CheckpointError("it was made by another version of the source (a, and this is b)")
        self.count, self.elapsed_s = checkpoint.state["count"], checkpoint.state["elapsed_s"]


def supervise(
    tmp_path: Path, clock: Clock, make: Callable[[], Any] = Run, *, resume: bool = False, **limits: Any
) -> tuple[TrialSupervisor, Checkpoints]:
    checkpoints = Checkpoints(tmp_path)
    supervisor = TrialSupervisor(
        make, SPEC, limits=TrialLimits("s", **limits), channel=checkpoints, resume=resume, clock=clock
    )
    return supervisor, checkpoints


def count_in(checkpoints: Checkpoints) -> int | None:
    return unpack(checkpoints.read(SPEC.key)).state["count"] if checkpoints.has(SPEC.key) else None


def test_a_checkpoint_is_taken_each_time_that_long_has_passed(tmp_path: Path) -> None:
    clock = Clock()
    supervisor, checkpoints = supervise(tmp_path, clock, every_s=10)
    found = []
    for supervisor.run.count in range(25):
        clock.now += 1
        supervisor.run.after_batch()
        found.append(count_in(checkpoints))
    assert found == [None] * 9 + [9] * 10 + [19] * 6
    assert supervisor.take_notes() == []


def test_none_is_taken_where_none_is_wanted_and_none_of_a_trial_that_cannot_go_on(tmp_path: Path) -> None:
    for make, every in ((Run, None), (object, 10)):
        clock = Clock()
        supervisor, checkpoints = supervise(tmp_path, clock, make, every_s=every)
        clock.now += 1000
        supervisor.check()
        assert checkpoints.keys() == set()


@pytest.mark.parametrize(("make", "every", "saved"), [(Run, 300, True), (Run, None, False), (object, 300, False)])
def test_a_trial_that_is_called_back_saves_what_it_has_if_it_can(
    tmp_path: Path, make: Callable[[], Any], every: float | None, saved: bool
) -> None:
    clock, checkpoints = Clock(), Checkpoints(tmp_path)
    wanted, asked = [False], []

    def recalled() -> bool:
        asked.append(clock.now)
        return wanted[0]

    limits = TrialLimits("s", every_s=every)
    supervisor = TrialSupervisor(
        make, SPEC, limits=limits, channel=checkpoints, resume=False, recalled=recalled, clock=clock
    )
    if make is Run:
        supervisor.run.count = 7
    for _ in range(20):
        clock.now += ASK_S / 4
        supervisor.check()
    assert len(asked) == 5, "it does not ask after every batch"
    wanted[0] = True
    clock.now += ASK_S
    with pytest.raises(TrialSuspended) as suspended:
        supervisor.check()
    assert suspended.value.saved is saved
    assert count_in(checkpoints) == (7 if saved else None)


def test_a_trial_goes_on_from_its_checkpoint(tmp_path: Path) -> None:
    clock = Clock()
    supervisor, _ = supervise(tmp_path, clock, every_s=10)
    supervisor.run.count, clock.now = 7, clock.now + 11
    supervisor.check()
    again, _ = supervise(tmp_path, clock, resume=True)
    assert again.run.count == 7
    assert again.take_notes() == []
    over, _ = supervise(tmp_path, clock, resume=False)
    assert over.run.count == 0


@pytest.mark.parametrize(
    ("damage", "words"),
    [("flipped", "checksum of resume.pt"), ("gone", "resume.pt"), ("refused", "another version of the source")],
)
def test_where_it_is_of_no_use_the_trial_starts_over_and_says_why(tmp_path: Path, damage: str, words: str) -> None:
    clock = Clock()
    supervisor, checkpoints = supervise(tmp_path, clock, every_s=10)
    supervisor.run.count, clock.now = 99 if damage == "refused" else 7, clock.now + 11
    supervisor.check()
    file = checkpoints.folder(SPEC.key) / "resume.pt"
    if damage == "flipped":
        file.write_bytes(file.read_bytes()[:-1] + b"x")
    if damage == "gone":
        file.unlink()
    again, _ = supervise(tmp_path, clock, resume=True)
    assert again.run.count == 0
    (note,) = again.take_notes()
    assert note.startswith("its checkpoint is of no use, it starts over: it ")
    assert words in note
    assert again.run.after_batch == again.check


def test_time_that_went_before_counts(tmp_path: Path) -> None:
    clock = Clock()
    supervisor, _ = supervise(tmp_path, clock, every_s=10, timeout_s=7200)
    supervisor.run.elapsed_s, clock.now = 7000.0, clock.now + 11
    supervisor.check()
    clock.now += 1e6  # between the two nobody works
    again, _ = supervise(tmp_path, clock, resume=True, timeout_s=7200)
    clock.now += 199
    again.check()
    clock.now += 2
    with pytest.raises(TrialTimedOut, match=r"^timed out after 2\.0 h \(resources\.timeout\)$"):
        again.check()


def test_a_trial_without_checkpoints_times_out_too(tmp_path: Path) -> None:
    clock = Clock()
    supervisor, _ = supervise(tmp_path, clock, object, timeout_s=90)
    clock.now += 89
    supervisor.check()
    clock.now += 2
    with pytest.raises(TrialTimedOut, match=r"after 1\.5 min"):
        supervisor.check()


def test_a_state_that_cannot_be_written_is_said_once_and_the_trial_goes_on(tmp_path: Path) -> None:
    clock = Clock()
    supervisor, checkpoints = supervise(tmp_path, clock, lambda: Run(odd=object()), every_s=10)
    for _ in range(3):
        clock.now += 11
        supervisor.check()
    assert supervisor.take_notes() == ["no checkpoint of it: odd is object, neither number, word nor tensor"]
    assert checkpoints.keys() == set()


def test_a_full_disk_is_said_and_the_next_one_is_tried(tmp_path: Path) -> None:
    clock = Clock()
    supervisor, checkpoints = supervise(tmp_path, clock, every_s=10)
    (tmp_path / "checkpoints").write_text("in the way")
    clock.now += 11
    supervisor.check()
    (note,) = supervisor.take_notes()
    assert note.startswith("no checkpoint of it: it could not be written: ")
    (tmp_path / "checkpoints").unlink()
    supervisor.check()
    assert not checkpoints.has(SPEC.key)
    clock.now += 11
    supervisor.check()
    assert checkpoints.has(SPEC.key)


@pytest.mark.parametrize(
    ("keep", "purpose", "kept"),
    [
        ("none", "final", False),
        ("best", "final", True),
        ("best", "search", False),
        ("all", "search", True),
        ("all", "final", True),
    ],
)
def test_whose_weights_stay(keep: Keep, purpose: Any, kept: bool) -> None:
    assert TrialLimits("s", keep=keep).keeps(dataclasses.replace(SPEC, purpose=purpose)) == kept


def test_the_last_checkpoint_of_a_trial_that_is_kept_is_taken_whatever_the_time(tmp_path: Path) -> None:
    supervisor, checkpoints = supervise(tmp_path, Clock(), every_s=None, keep="best")
    supervisor.run.count = 5
    assert SPEC.purpose == "final"
    assert supervisor.save_last()
    assert count_in(checkpoints) == 5
    other, checkpoints = supervise(tmp_path / "other", Clock(), keep="none")
    assert not other.save_last()
    assert checkpoints.keys() == set()
