"""What running a suite costs beside its trials, two at a time on two cores, after Ray has started.

Idle: the share of the cores' time without a trial, from the first trial's start to the last one's start, by the times
that the workers write down. Overhead: (wall time - perfect packing) / trials, the start of the workers and the end of
the run included. Fake trials keep a core busy (FAKE_SLEEP=1: sleep) and have ten epochs each; real ones train a small
model.

    python tests/benchmarks/overhead.py [--tiny] [--json FILE]
"""

from __future__ import annotations

from figure import Figure, main
from suite_run import REAL_TRIAL, Ran, fake_run, listed, run

WORKERS = 2
EPOCHS = 10
SUITE = """
name: suite
datasets: [tiny]
backbones: [sasrec]
strategies: [base, {erl}]
steps: [1, 2]
seeds: [{seeds}]
search: {{trials: {trials}}}
training: {{max_epochs: {epochs}, patience: {epochs}, packing: users}}
"""
SEARCHED = "erl: {kl_weight: {search: {low: 0.001, high: 0.1, log: true}}}"


def measure(tiny: bool) -> list[Figure]:
    """Overhead and idleness, with short trials and with longer ones."""
    second, four = (0.02, 0.05) if tiny else (0.1, 0.4)
    # A search runs one trial at a time: with as many cells as here, nobody waits for one until the end.
    short = _fake(second, seeds=3 if tiny else 10, trials=0 if tiny else 5)
    long = _fake(four, seeds=2 if tiny else 8, trials=0 if tiny else 4)
    figures = [
        _overhead(short, second * EPOCHS),
        Figure(f"cores idle between trials of {second * EPOCHS:g} s", 100 * short.idle(WORKERS), "%"),
        Figure(f"cores idle between trials of {four * EPOCHS:g} s", 100 * long.idle(WORKERS), "%", target=2.0),
    ]
    real = run(_suite(seeds=2 if tiny else 6, trials=0, epochs=2 if tiny else 30), workers=WORKERS, trial=REAL_TRIAL)
    mean = sum(span.seconds for span in real.spans) / len(real.spans)
    target = None if tiny else 2.0
    detail = f"{len(real.spans)} trials of {mean:.1f} s"
    return [*figures, Figure("cores idle between real trials", 100 * real.idle(WORKERS), "%", target, detail=detail)]


def _fake(epoch_s: float, *, seeds: int, trials: int) -> Ran:
    return fake_run(_suite(seeds=seeds, trials=trials, epochs=EPOCHS), epoch_s=epoch_s, workers=WORKERS)


def _overhead(ran: Ran, seconds: float) -> Figure:
    count = len(ran.spans)
    perfect = count * seconds / WORKERS
    return Figure(
        f"overhead a trial, {count} trials of {seconds:g} s",
        1e3 * (ran.wall_s - perfect) / count,
        "ms",
        target=200.0,
        detail=f"{ran.wall_s:.1f} s / perfect {perfect:.1f} s; Ray started in {ran.outcome.ray_s:.1f} s before",
    )


def _suite(*, seeds: int, trials: int, epochs: int) -> str:
    erl = SEARCHED if trials else "erl"
    return SUITE.format(erl=erl, seeds=listed(seeds), trials=max(trials, 1), epochs=epochs)


if __name__ == "__main__":
    raise SystemExit(main(__doc__, measure))
