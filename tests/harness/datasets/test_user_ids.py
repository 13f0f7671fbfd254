"""A user that somebody names is the source's: ids are kept beside the numbers, and asked for by them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from rearec_bench.cli import main
from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.datasets.data import files
from rearec_bench.harness.plan.cells import expand, traced
from rearec_bench.harness.utils.errors import DatasetError, InputError

from ..suites import suite_in

USERS = ("12", "30", "7", "u-1", "30000")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A prepared data set whose users' numbers are not their ids."""
    lines = "".join(
        f"{user} {' '.join(f'i{(place + step) % 9}' for step in range(6))}\n" for place, user in enumerate(USERS)
    )
    (tmp_path / "sequences.txt").write_text(lines)
    done = CliRunner().invoke(
        main,
        ["prepare", "sequences", "--source", str(tmp_path), "--name", "mine", "--data-dir", str(tmp_path / "data")],
    )
    assert done.exit_code == 0, done.output
    return tmp_path / "data"


def test_ids_are_kept_in_the_order_of_the_numbers(folder: Path) -> None:
    tokens = catalog.load_users("mine", data_dir=folder)
    assert sorted(tokens) == sorted(USERS)
    data, items = catalog.load_dataset("mine", data_dir=folder), catalog.load_items("mine", data_dir=folder)
    for row, number in enumerate(data.test.users):
        last = items.tokens[data.test.targets[row]]
        place = USERS.index(tokens[number])
        assert last == f"i{(place + 5) % 9}"
    assert {entry["file"] for entry in data.card["outputs"]} == set(files.FILES)


def test_a_user_is_found_by_its_id_and_not_by_its_number(folder: Path) -> None:
    tokens = catalog.load_users("mine", data_dir=folder).tolist()
    for user in USERS:
        assert tokens[catalog.user_number("mine", user, data_dir=folder)] == user
    with pytest.raises(InputError, match=r"no user '3000' in mine\. Did you mean '30000'"):
        catalog.user_number("mine", "3000", data_dir=folder)
    with pytest.raises(InputError, match="no user '0'"):
        catalog.user_number("mine", "0", data_dir=folder)


def test_the_embedded_data_set_has_ids_too(tmp_path: Path) -> None:
    tokens = catalog.load_users("tiny", data_dir=tmp_path)
    assert len(tokens) == catalog.load_dataset("tiny", data_dir=tmp_path).num_users == len(np.unique(tokens))


def test_a_data_set_prepared_before_ids_were_kept_loads_and_says_what_to_do(folder: Path) -> None:
    (folder / "mine" / "users.parquet").unlink()
    assert catalog.load_dataset("mine", data_dir=folder).num_users == len(USERS)
    with pytest.raises(DatasetError, match="prepare it again"):
        catalog.load_users("mine", data_dir=folder)


def test_traced_users_of_a_suite_are_ids_and_of_its_trials_numbers(folder: Path) -> None:
    suite = suite_in(folder, datasets="[mine]", evaluation="{trace_users: [30, u-1]}")
    cells = traced(expand(suite), lambda name, user: catalog.user_number(name, user, data_dir=folder), {"mine"})
    expected = tuple(catalog.user_number("mine", user, data_dir=folder) for user in ("30", "u-1"))
    assert {cell.evaluation.trace_users for cell in cells} == {expected}
    assert [cell.id for cell in cells] == [cell.id for cell in expand(suite)]
