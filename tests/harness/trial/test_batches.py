import dataclasses

import numpy as np
import pytest
import torch

from rearec_bench.harness.datasets.data.dataset import Dataset, Split
from rearec_bench.harness.trial.batches import SplitReader

from ...models.naive import build, naive_states

CPU = torch.device("cpu")
MAX_LEN = 12


def make_dataset(sequences: list[list[int]], num_items: int = 23) -> Dataset:
    flat = np.array([item for sequence in sequences for item in sequence], np.int32)
    users, starts, ends, targets = [], [], [], []
    offset = 0
    for user, sequence in enumerate(sequences):
        for end in range(1, len(sequence)):
            users.append(user)
            starts.append(offset)
            ends.append(offset + end)
            targets.append(sequence[end])
        offset += len(sequence)
    split = Split(
        np.array(users, np.int32), np.array(starts, np.int64), np.array(ends, np.int64), np.array(targets, np.int32)
    )
    return Dataset("made", "fingerprint", num_items, len(sequences), flat, split, split, split, {})


@pytest.fixture
def dataset() -> Dataset:
    generator = np.random.default_rng(0)
    return make_dataset([list(generator.integers(0, 23, size)) for size in (2, 20, 7, 13, 3, 5, 31)])


def reader(dataset: Dataset, *, packed: bool) -> SplitReader:
    return SplitReader(dataset, dataset.train, max_len=MAX_LEN, device=CPU, packed=packed)


@pytest.mark.parametrize("packed", [False, True])
def test_every_row_stands_in_exactly_one_batch_and_one_chunk(dataset: Dataset, packed: bool) -> None:
    source = reader(dataset, packed=packed)
    seen = []
    for rows in source.batches(16, seed=1, epoch=1):
        chunked = np.concatenate([chunk.rows for chunk in source.chunks(rows)])
        assert sorted(chunked) == sorted(rows)
        seen.extend(rows)
    assert sorted(seen) == list(range(len(source)))


def test_packed_batches_hold_whole_users_until_the_size_is_reached(dataset: Dataset) -> None:
    batches = list(reader(dataset, packed=True).batches(16, seed=1, epoch=1))
    users = [set(dataset.train.users[rows]) for rows in batches]
    assert sum(map(len, users)) == 7, "no user is split over batches"
    assert all(len(rows) >= 16 for rows in batches[:-1])


def test_order_depends_on_seed_and_epoch_alone(dataset: Dataset) -> None:
    source = reader(dataset, packed=False)

    def order(seed: int, epoch: int) -> list[int]:
        return [int(row) for rows in source.batches(16, seed=seed, epoch=epoch) for row in rows]

    assert order(1, 1) == order(1, 1)
    assert order(1, 1) != order(1, 2)
    assert order(1, 1) != order(2, 1)


def states_of(source: SplitReader, model, rows) -> torch.Tensor:
    states = torch.empty(len(source), 3, 8, dtype=torch.float64)
    for chunk in source.chunks(np.asarray(rows)):
        states = states.index_put((torch.from_numpy(chunk.rows),), chunk.pick(model.reason(chunk.histories)))
    return states


@pytest.mark.parametrize("packed", [False, True])
def test_states_of_rows_equal_encoding_each_row_alone(dataset: Dataset, packed: bool) -> None:
    model = build(steps=2)
    source = reader(dataset, packed=packed)
    states = states_of(source, model, range(len(source)))
    for row in range(0, len(source), 7):
        start, end = dataset.train.starts[row], dataset.train.ends[row]
        history = dataset.flat[max(start, end - MAX_LEN) : end].tolist()
        torch.testing.assert_close(states[row], naive_states(model, history), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("backbone", "positions"), [("sasrec", True), ("lares", True), ("lares", False)])
def test_packed_and_single_rows_have_the_same_states_and_gradients(
    dataset: Dataset, backbone: str, positions: bool
) -> None:
    found = []
    for packed in (False, True):
        model = build(backbone=backbone, positions=positions, steps=2).eval()
        source = reader(dataset, packed=packed)
        states = states_of(source, model, range(len(source)))
        weights = torch.randn(states.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(4))
        (states * weights).sum().backward()
        found.append((states.detach(), {name: p.grad for name, p in model.named_parameters()}))
    torch.testing.assert_close(found[0][0], found[1][0], rtol=1e-12, atol=1e-13)
    for name, gradient in found[0][1].items():
        torch.testing.assert_close(gradient, found[1][1][name], rtol=1e-9, atol=1e-11, msg=name)


def test_a_row_of_the_same_target_is_any_other_alike_and_the_row_itself_where_it_is_alone(dataset: Dataset) -> None:
    source, targets = reader(dataset, packed=False), dataset.train.targets
    rows = np.tile(np.arange(len(source))[::-1], 400)
    drawn = source.same_target(rows, torch.Generator().manual_seed(0))
    shares = np.zeros((len(source), len(source)))
    np.add.at(shares, (rows, drawn), 1 / 400)
    alike = (targets[:, None] == targets) & ~np.eye(len(source), dtype=bool)
    expected = np.where(alike.any(1, keepdims=True), alike / alike.sum(1, keepdims=True).clip(1), np.eye(len(source)))
    assert alike.any(1).sum() > 10 and (~alike.any(1)).any()
    np.testing.assert_allclose(shares, expected, atol=0.12)
    assert np.array_equal(drawn, source.same_target(rows, torch.Generator().manual_seed(0)))


def test_packing_encodes_each_user_once_up_to_max_len(dataset: Dataset) -> None:
    groups = sum(len(chunk.histories.lengths) for chunk in reader(dataset, packed=True).chunks(np.arange(74)))
    beyond = sum(max(0, size - 1 - MAX_LEN) for size in (2, 20, 7, 13, 3, 5, 31))
    assert groups == 7 + beyond


def test_little_of_a_single_row_batch_is_padding() -> None:
    generator = np.random.default_rng(1)
    source = reader(make_dataset([list(generator.integers(0, 23, size)) for size in range(2, 80)]), packed=False)
    real = padded = 0
    for rows in source.batches(512, seed=0, epoch=1):
        for chunk in source.chunks(rows):
            real += int(chunk.histories.lengths.sum())
            padded += chunk.histories.items.numel()
    assert real / padded >= 0.85


@pytest.mark.parametrize("own", [False, True], ids=["shared histories", "histories of their own"])
def test_interactions_are_those_of_training_rows_and_of_nothing_else(dataset: Dataset, own: bool) -> None:
    generator = np.random.default_rng(2)
    if own:  # of any start, as in a published split, some of them within others
        starts = dataset.train.ends - generator.integers(1, 1 + dataset.train.ends - dataset.train.starts)
        dataset = dataclasses.replace(dataset, train=dataclasses.replace(dataset.train, starts=starts))
    kept = generator.random(len(dataset.train)) < 0.4
    train = Split(*(part[kept] for part in vars(dataset.train).values()))
    expected, seen = set(), np.zeros(len(dataset.flat), bool)
    for user, start, end, target in zip(*vars(train).values(), strict=True):
        seen[start:end] = True
        expected |= {(int(user), int(item)) for item in [*dataset.flat[start:end], target]}
    for flat in (dataset.flat, np.where(seen, dataset.flat, 22)):  # other items outside of the histories
        found = reader(dataclasses.replace(dataset, train=train, flat=flat), packed=False).interactions()
        assert list(zip(found.users.tolist(), found.items.tolist(), strict=True)) == sorted(expected)
