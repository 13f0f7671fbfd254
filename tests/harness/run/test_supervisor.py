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
        self.count, self.elapsed_s = checkpoint.state["count"], checkpoint.state["elapsed_s"]
        if self.count == 99:
            raise CheckpointError("it was made by another version of the source (a, and this is b)")


class Place:
    """A store's checkpoints, and a clock whose seconds pass when told to."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.checkpoints = Checkpoints(root)
        self.now = 100.0

    def supervise(
        self,
        make: Callable[[], Any] = Run,
        *,
        resume: bool = False,
        should_suspend: Callable[[], bool] = lambda: False,
        **limits: Any,
    ) -> TrialSupervisor:
        return TrialSupervisor(
            make,
            SPEC,
            limits=TrialLimits("s", **limits),
            channel=self.checkpoints,
            resume=resume,
            should_suspend=should_suspend,
            clock=lambda: self.now,
        )

    def check(self, supervisor: TrialSupervisor, *, after_s: float) -> int | None:
        """The count in the checkpoint once the supervisor has looked after so many seconds."""
        self.now += after_s
        supervisor.check()
        return self.count()

    def count(self) -> int | None:
        has_one = self.checkpoints.has(SPEC.key)
        return unpack(self.checkpoints.read(SPEC.key)).state["count"] if has_one else None


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_a_checkpoint_is_taken_each_time_that_long_has_passed(place: Place) -> None:
    supervisor = place.supervise(every_s=10)
    assert supervisor.run.after_batch == supervisor.check
    found = []
    for supervisor.run.count in range(25):
        found.append(place.check(supervisor, after_s=1))
    assert found == [None] * 9 + [9] * 10 + [19] * 6
    assert supervisor.take_notes() == []


@pytest.mark.parametrize(("make", "every"), [(Run, None), (object, 10)])
def test_none_is_taken_where_none_is_wanted_or_the_trial_cannot_go_on(
    place: Place, make: Callable[[], Any], every: float | None
) -> None:
    assert place.check(place.supervise(make, every_s=every), after_s=1000) is None


@pytest.mark.parametrize(("make", "every", "saved"), [(Run, 300, True), (Run, None, False), (object, 300, False)])
def test_a_trial_that_is_called_back_saves_what_it_has_if_it_can(
    place: Place, make: Callable[[], Any], every: float | None, saved: bool
) -> None:
    answers = [False] * 5 + [True]
    supervisor = place.supervise(make, every_s=every, should_suspend=lambda: answers.pop(0))
    if make is Run:
        supervisor.run.count = 7
    for _ in range(20):
        place.check(supervisor, after_s=ASK_S / 4)
    assert answers == [True], "it does not ask after every batch"
    with pytest.raises(TrialSuspended) as suspended:
        place.check(supervisor, after_s=ASK_S)
    assert suspended.value.saved is saved
    assert place.count() == (7 if saved else None)


def test_a_trial_goes_on_from_its_checkpoint(place: Place) -> None:
    supervisor = place.supervise(every_s=10)
    supervisor.run.count = 7
    place.check(supervisor, after_s=11)
    again = place.supervise(resume=True)
    assert (again.run.count, again.take_notes()) == (7, [])
    assert place.supervise(resume=False).run.count == 0


@pytest.mark.parametrize(
    ("damage", "words"),
    [("flipped", "checksum of resume.pt"), ("gone", "resume.pt"), ("refused", "another version of the source")],
)
def test_where_it_is_of_no_use_the_trial_starts_over_and_says_why(place: Place, damage: str, words: str) -> None:
    supervisor = place.supervise(every_s=10)
    supervisor.run.count = 99 if damage == "refused" else 7
    place.check(supervisor, after_s=11)
    file = place.checkpoints.folder(SPEC.key) / "resume.pt"
    if damage == "flipped":
        file.write_bytes(file.read_bytes()[:-1] + b"x")
    if damage == "gone":
        file.unlink()
    again = place.supervise(resume=True)
    assert (again.run.count, again.run.after_batch) == (0, again.check)
    (note,) = again.take_notes()
    assert note.startswith("its checkpoint is of no use, it starts over: it ")
    assert words in note


def test_time_that_went_before_counts(place: Place) -> None:
    supervisor = place.supervise(every_s=10, timeout_s=7200)
    supervisor.run.elapsed_s = 7000.0
    place.check(supervisor, after_s=11)
    place.now += 1e6  # between the two nobody works
    again = place.supervise(resume=True, timeout_s=7200)
    place.check(again, after_s=199)
    with pytest.raises(TrialTimedOut, match=r"^timed out after 2.*resources\.timeout"):
        place.check(again, after_s=2)


def test_a_trial_without_checkpoints_times_out_too(place: Place) -> None:
    supervisor = place.supervise(object, timeout_s=90)
    place.check(supervisor, after_s=89)
    with pytest.raises(TrialTimedOut, match=r"after 1\.5"):
        place.check(supervisor, after_s=2)


def test_a_state_that_cannot_be_written_is_said_once_and_the_trial_goes_on(place: Place) -> None:
    supervisor = place.supervise(lambda: Run(odd=object()), every_s=10)
    assert [place.check(supervisor, after_s=11) for _ in range(3)] == [None] * 3
    (note,) = supervisor.take_notes()
    assert note.startswith("no checkpoint of it: odd is object")


def test_a_full_disk_is_said_and_the_next_one_is_tried(place: Place) -> None:
    supervisor = place.supervise(every_s=10)
    (place.root / "checkpoints").write_text("in the way")
    place.now += 11
    supervisor.check()
    (note,) = supervisor.take_notes()
    assert note.startswith("no checkpoint of it: it could not be written: ")
    (place.root / "checkpoints").unlink()
    assert place.check(supervisor, after_s=0) is None
    assert place.check(supervisor, after_s=11) == 0


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


@pytest.mark.parametrize(("keep", "saved"), [("best", True), ("none", False)])
def test_the_last_checkpoint_of_a_trial_that_is_kept_is_taken_whatever_the_time(
    place: Place, keep: Keep, saved: bool
) -> None:
    supervisor = place.supervise(every_s=None, keep=keep)
    supervisor.run.count = 5
    assert supervisor.save_last() is saved
    assert place.count() == (5 if saved else None)
