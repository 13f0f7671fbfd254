"""Texts to vectors by language models: against one text at a time without padding, interrupted, and with bad input."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import version
from io import StringIO
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest
import torch

from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.datasets import embed as embed_module
from rearec_bench.harness.datasets.describe import vector_lines
from rearec_bench.harness.datasets.embed import embed
from rearec_bench.harness.datasets.vectors.encoders import language_model, loading
from rearec_bench.harness.datasets.vectors.encoders.options import Options
from rearec_bench.harness.datasets.vectors.encoders.tokens import batches, tokenise
from rearec_bench.harness.utils.errors import DatasetError, InputError, RearecError
from rearec_bench.harness.utils.meter import Meter

from ..tiny_models import HIDDEN, POSITIONS, WORDS, naive_states, needs_transformers, save
from .test_embed import prepared, rewrite

needs_transformers()
CPU = Options(device="cpu")
KINDS = ("llama", "bert", "roberta", "gpt2", "t5")
SPECIAL = {"llama": 1, "bert": 2, "roberta": 2, "gpt2": 0, "t5": 1}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny products gain nothing from more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A tiny model of a kind; shared, so not to be changed."""
    root, made = tmp_path_factory.mktemp("models"), {}

    def of(kind: str) -> Path:
        if kind not in made:
            made[kind] = save(root / kind, kind)
        return made[kind]

    return of


def texts_of(count: int, *, longest: int = 12, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    lengths = draw.integers(1, longest + 1, size=count)
    return np.array([" ".join(draw.choice(WORDS, size=length)) for length in lengths], dtype=object)


def encode(texts: np.ndarray, folder: Path, model: Path | str, *, width: int = 768, **options: Any) -> Any:
    return language_model.encode(
        texts, width, model=str(model), options=Options(**{"device": "cpu", **options}), folder=folder
    )


def unfinished(folder: Path) -> list[Path]:
    return sorted(folder.glob("embedding-*"))


# ---- what is computed


@pytest.mark.parametrize("kind", KINDS)
def test_a_vector_is_the_mean_state_of_the_text_alone(kind: str, model: Callable[[str], Path], tmp_path: Path) -> None:
    texts = np.insert(texts_of(25), [0, 9, 25], "")
    values, facts = encode(texts, tmp_path, model(kind), batch_tokens=30)
    expected = naive_states(model(kind), texts.tolist())
    assert values.shape == (28, HIDDEN)
    assert values.dtype == np.float32
    assert np.allclose(values, expected, atol=1e-5)
    assert expected.std(axis=0).min() > 0.05, "the texts would all look alike"
    assert facts["pca"] is False
    assert facts["tokens"] == sum(len(text.split()) + SPECIAL[kind] for text in dict.fromkeys(texts))


@pytest.mark.parametrize("kind", KINDS)
def test_items_without_text_have_the_vector_of_the_empty_text(
    kind: str, model: Callable[[str], Path], tmp_path: Path
) -> None:
    texts = np.insert(texts_of(6), [2, 4], "")
    values, facts = encode(texts, tmp_path, model(kind))
    empty = naive_states(model(kind), [""])[0]
    assert values[2].tobytes() == values[5].tobytes()
    assert np.allclose(values[2], empty, atol=1e-5)
    assert (values[2] == 0).all() == (SPECIAL[kind] == 0)
    assert facts["texts_without_tokens"] == (0 if SPECIAL[kind] else 2)


def test_the_zero_vector_of_the_empty_text_goes_through_the_components(
    model: Callable[[str], Path], tmp_path: Path
) -> None:
    texts = np.insert(texts_of(12), 3, "")
    raw, _ = encode(texts, tmp_path, model("gpt2"))
    values, _ = encode(texts, tmp_path, model("gpt2"), width=5)
    assert (raw[3] == 0).all()
    assert np.linalg.norm(values[3]) > 0.1
    assert np.allclose(values - values[3], (raw - raw[3]) @ components(raw, 5), atol=1e-4)


@pytest.mark.parametrize("kind", ["llama", "bert"])
def test_the_size_of_batches_moves_last_digits_only(kind: str, model: Callable[[str], Path], tmp_path: Path) -> None:
    texts = texts_of(40)
    one, _ = encode(texts, tmp_path, model(kind), batch_tokens=1)
    for budget in (7, 64, 10_000):
        assert np.allclose(encode(texts, tmp_path, model(kind), batch_tokens=budget)[0], one, atol=1e-5)


def test_bfloat16_comes_near_float32(model: Callable[[str], Path], tmp_path: Path) -> None:
    """What a GPU computes with, here on a CPU; the means are formed in float32."""
    texts = texts_of(30).tolist()
    exact = loading.load(str(model("llama")), device="cpu")
    tokens = tokenise(texts, exact.tokenizer, POSITIONS)
    rough = dataclasses.replace(exact, network=copy.deepcopy(exact.network).bfloat16(), precision="bfloat16")
    group = np.arange(30)
    expected = language_model._mean_states(exact, tokens, group)
    found = language_model._mean_states(rough, tokens, group)
    assert found.dtype == np.float32
    assert 0 < np.abs(found - expected).max() < 0.1
    assert loading._identity(rough.network, rough.network.config) != exact.identity


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_comes_near_the_processor(kind: str, model: Callable[[str], Path], tmp_path: Path) -> None:
    texts = np.insert(texts_of(40), 3, "")
    values, facts = encode(texts, tmp_path, model(kind), batch_tokens=64, device=None)
    assert (facts["device"], facts["precision"]) == ("cuda", "bfloat16")
    assert np.abs(values - naive_states(model(kind), texts.tolist())).max() < 0.2


def test_batches_hold_all_texts_once_longest_first_within_the_budget() -> None:
    lengths = np.random.default_rng(0).integers(0, 30, size=200)
    lengths[7] = 90
    groups = batches(lengths, 64)
    assert sorted(np.concatenate(groups)) == np.flatnonzero(lengths).tolist()
    assert groups[0].tolist() == [7], "longer than the budget: a batch of its own"
    assert all(len(group) * lengths[group].max() <= 64 for group in groups[1:])
    assert (np.diff(lengths[np.concatenate(groups)]) <= 0).all()
    assert len(groups) < 64


def test_texts_that_are_the_same_are_encoded_once(
    model: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    means = language_model._mean_states
    monkeypatch.setattr(
        language_model,
        "_mean_states",
        lambda model, tokens, group: (read.extend(group), means(model, tokens, group))[1],
    )
    texts = np.repeat(texts_of(10), 3)
    different = len(dict.fromkeys(texts))
    values, facts = encode(texts, tmp_path, model("bert"), batch_tokens=20)
    assert len(read) == different == facts["different_texts"]
    assert (values.reshape(10, 3, HIDDEN) == values[::3, None]).all()


@pytest.mark.parametrize("kind", ["llama", "bert", "t5"])
def test_long_texts_are_cut_and_counted(kind: str, model: Callable[[str], Path], tmp_path: Path) -> None:
    texts = texts_of(30)
    values, facts = encode(texts, tmp_path, model(kind), max_tokens=6)
    assert np.allclose(values, naive_states(model(kind), texts.tolist(), max_tokens=6), atol=1e-5)
    different = dict.fromkeys(texts)
    long = [text for text in different if len(text.split()) + SPECIAL[kind] > 6]
    assert 0 < len(long) < len(different)
    assert facts["different_texts_cut"] == len(long)
    assert facts["max_tokens"] == facts["max_tokens_wanted"] == 6


@pytest.mark.parametrize(("kind", "allowed"), [("llama", 40), ("bert", 40), ("roberta", 34), ("gpt2", 40), ("t5", 512)])
def test_no_text_is_longer_than_the_model_allows(
    kind: str, allowed: int, model: Callable[[str], Path], tmp_path: Path
) -> None:
    texts = np.array(["amber", " ".join(WORDS * 4)], dtype=object)
    values, facts = encode(texts, tmp_path, model(kind))
    assert (facts["max_tokens"], facts["max_tokens_wanted"]) == (allowed, 512)
    assert facts["different_texts_cut"] == (len(WORDS) * 4 + SPECIAL[kind] > allowed)
    assert np.allclose(values, naive_states(model(kind), texts.tolist(), max_tokens=allowed), atol=1e-5)
    assert POSITIONS == 40


def components(raw: np.ndarray, width: int) -> np.ndarray:
    """(h, m) leading right singular vectors of the centred rows, the largest entry of each positive."""
    centred = raw.astype(np.float64) - raw.mean(axis=0, dtype=np.float64)
    axes = np.linalg.svd(centred, full_matrices=False)[2][:width].T
    return axes * np.sign(axes[np.abs(axes).argmax(axis=0), range(width)])


def test_the_components_are_those_of_a_singular_value_decomposition(
    model: Callable[[str], Path], tmp_path: Path
) -> None:
    texts = np.concatenate([texts_of(30), texts_of(9), ["", ""]])  # some texts of two items
    raw, _ = encode(texts, tmp_path, model("llama"))
    values, facts = encode(texts, tmp_path, model("llama"), width=5)
    centred = raw.astype(np.float64) - raw.mean(axis=0, dtype=np.float64)
    assert values.shape == (41, 5)
    assert np.allclose(values, centred @ components(raw, 5), atol=1e-4)
    scale = np.linalg.svd(centred, compute_uv=False) ** 2
    assert facts["pca"] is True
    assert facts["explained_variance"] == pytest.approx(scale[:5].sum() / scale.sum(), abs=1e-4)


def test_few_items_allow_few_components(model: Callable[[str], Path], tmp_path: Path) -> None:
    values, facts = encode(
        np.array(["amber", "basalt", "cedar dune", "amber"], dtype=object), tmp_path, model("bert"), width=8
    )
    assert values.shape == (4, 2)
    assert facts["explained_variance"] == 1.0


def test_texts_that_are_all_the_same_are_refused(model: Callable[[str], Path], tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="all 3 items have the same vector: their texts tell none apart"):
        encode(np.array(["amber"] * 3, dtype=object), tmp_path, model("bert"), width=8)
    with pytest.raises(DatasetError, match="none of the 3 items has a text"):
        encode(np.array([""] * 3, dtype=object), tmp_path, model("bert"))


# ---- interrupted


class Interrupted(Exception):
    pass


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> Callable[[int | None], list[int]]:
    """Makes the encoder store every batch, and stop after so many; counts those that are computed."""
    means = language_model._mean_states
    monkeypatch.setattr(language_model, "_SAVE_S", 0.0)

    def after(number: int | None) -> list[int]:
        done: list[int] = []

        def counted(*given: Any) -> np.ndarray:
            if len(done) == number:
                raise Interrupted
            done.append(len(given[2]))
            return means(*given)

        monkeypatch.setattr(language_model, "_mean_states", counted)
        return done

    return after


def test_an_interrupted_run_goes_on_and_gives_the_same_bytes(
    model: Callable[[str], Path], tmp_path: Path, stops: Callable[[int | None], list[int]]
) -> None:
    texts = np.insert(texts_of(50), 10, "")
    whole = stops(None)
    expected, facts = encode(texts, tmp_path, model("llama"), batch_tokens=24, width=6)
    assert unfinished(tmp_path) == []
    stops(3)
    with pytest.raises(Interrupted):
        encode(texts, tmp_path, model("llama"), batch_tokens=24, width=6)
    (folder,) = unfinished(tmp_path)
    assert len(list(folder.iterdir())) == 3
    stops(2)
    with pytest.raises(Interrupted):
        encode(texts, tmp_path, model("llama"), batch_tokens=24, width=6)
    assert len(list(folder.iterdir())) == 5
    left = stops(None)
    values, again = encode(texts, tmp_path, model("llama"), batch_tokens=24, width=4)
    assert left == whole[5:], "another width needs no other states"
    assert again["versions"] == facts["versions"]
    assert np.allclose(values, expected[:, :4])
    stops(4)
    with pytest.raises(Interrupted):
        encode(texts, tmp_path, model("llama"), batch_tokens=24, width=6)
    stops(None)
    values, again = encode(texts, tmp_path, model("llama"), batch_tokens=24, width=6)
    assert (values.tobytes(), again) == (expected.tobytes(), facts)
    assert unfinished(tmp_path) == []


def test_a_model_under_another_name_goes_on_and_another_model_does_not(
    model: Callable[[str], Path], tmp_path: Path, stops: Callable[[int | None], list[int]]
) -> None:
    texts = texts_of(50)
    same, other = tmp_path / "same", save(tmp_path / "other", "llama", seed=1)
    shutil.copytree(model("llama"), same)
    whole = stops(None)
    encode(texts, tmp_path, model("llama"), batch_tokens=24)
    stops(3)
    with pytest.raises(Interrupted):
        encode(texts, tmp_path, model("llama"), batch_tokens=24)
    everything = stops(None)
    expected = naive_states(other, texts.tolist())
    assert np.allclose(encode(texts, tmp_path, other, batch_tokens=24)[0], expected, atol=1e-5)
    assert everything == whole
    assert len(unfinished(tmp_path)) == 1, "the other model's work is still there"
    left = stops(None)
    encode(texts, tmp_path, same, batch_tokens=24)
    assert left == whole[3:]


@pytest.mark.parametrize("change", [{"max_tokens": 9}, {"batch_tokens": 25}, {"texts": 1}])
def test_work_of_other_settings_or_texts_is_not_taken_up(
    change: dict[str, int], model: Callable[[str], Path], tmp_path: Path, stops: Callable[[int | None], list[int]]
) -> None:
    texts = texts_of(50)
    options = {"batch_tokens": 24, **change}
    if options.pop("texts", 0):
        texts[-1] = "nectar"
    whole = stops(None)
    expected, _ = encode(texts, tmp_path, model("llama"), **options)
    stops(3)
    with pytest.raises(Interrupted):
        encode(texts_of(50), tmp_path, model("llama"), batch_tokens=24)
    everything = stops(None)
    values, _ = encode(texts, tmp_path, model("llama"), **options)
    assert (everything, values.tobytes()) == (whole, expected.tobytes())
    assert len(unfinished(tmp_path)) == (0 if "texts" in change else 1), "work on texts that are gone goes, too"


def test_a_damaged_part_and_what_follows_it_are_made_again(
    model: Callable[[str], Path], tmp_path: Path, stops: Callable[[int | None], list[int]]
) -> None:
    texts = texts_of(50)
    whole = stops(None)
    expected, _ = encode(texts, tmp_path, model("llama"), batch_tokens=24)
    stops(4)
    with pytest.raises(Interrupted):
        encode(texts, tmp_path, model("llama"), batch_tokens=24)
    (folder,) = unfinished(tmp_path)
    damaged = sorted(folder.iterdir())[2]
    damaged.write_bytes(damaged.read_bytes()[:-8])
    left = stops(None)
    values, _ = encode(texts, tmp_path, model("llama"), batch_tokens=24)
    assert left == whole[2:]
    assert values.tobytes() == expected.tobytes()


KILLED = """
import sys, time
from pathlib import Path
import torch
from rearec_bench.harness.datasets.vectors.encoders import language_model
from rearec_bench.harness.datasets.embed import embed
from rearec_bench.harness.datasets.vectors.encoders.options import Options

torch.set_num_threads(1)
language_model._SAVE_S = 0.0
means = language_model._mean_states
def slow(*given):
    time.sleep(0.2)
    return means(*given)
language_model._mean_states = slow
options = Options(batch_tokens=8, device="cpu")
embed("mine", data_dir=Path(sys.argv[1]), encoder="hf:" + sys.argv[2], width=6, options=options)
"""


@pytest.mark.slow
def test_a_killed_run_goes_on_and_gives_the_same_bytes(
    model: Callable[[str], Path], tmp_path: Path, stops: Callable[[int | None], list[int]]
) -> None:
    texts = texts_of(9)
    (tmp_path / "a").mkdir()
    expected = embed(
        "mine",
        data_dir=prepared(tmp_path / "a", texts),
        encoder=f"hf:{model('bert')}",
        width=6,
        options=Options(batch_tokens=8, device="cpu"),
    )
    data_dir = prepared(tmp_path, texts)
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(data_dir), str(model("bert"))])
    while process.poll() is None and not list(data_dir.glob("mine/embedding-*/part-*2.safetensors")):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was faster than the test"
    assert not catalog.has_vectors("mine", data_dir)
    everything = stops(None)
    made = embed(
        "mine", data_dir=data_dir, encoder=f"hf:{model('bert')}", width=6, options=Options(batch_tokens=8, device="cpu")
    )
    assert 0 < sum(everything) < len(dict.fromkeys(texts))
    assert made.values.tobytes() == expected.values.tobytes()
    assert made.card == expected.card
    assert sorted(path.name for path in (data_dir / "mine").iterdir()) == sorted(
        path.name for path in (tmp_path / "a" / "data" / "mine").iterdir()
    )


# ---- with a data set


def test_the_vectors_are_stored_with_a_card(model: Callable[[str], Path], tmp_path: Path) -> None:
    texts = texts_of(9)
    texts[4] = ""
    data_dir = prepared(tmp_path, texts)
    said = StringIO()
    made = embed("mine", data_dir=data_dir, encoder=f"hf:{model('llama')}", width=3, options=CPU, meter=Meter(said))
    loaded = catalog.load_dataset("mine", data_dir=data_dir, vectors=True)
    assert loaded.vectors is not None
    assert loaded.vectors.values.tobytes() == made.values.tobytes()
    card = loaded.vectors.card
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert (card["encoder"], card["width"], card["width_wanted"]) == ("hf:llama", 3, 3)
    assert (card["items"], card["items_without_text"], card["zero_vectors"]) == (9, 1, 0)
    assert (card["device"], card["precision"]) == ("cpu", "float32")
    assert card["model"]["class"] == "LlamaModel"
    assert card["versions"]["transformers"] == version("transformers")
    assert card["dataset_fingerprint"] == loaded.fingerprint
    assert str(tmp_path) not in json.dumps(card)
    assert str(model("llama").parent) not in json.dumps(card)
    assert said.getvalue() == f"loading {model('llama')}\n"
    lines = vector_lines(card)
    assert lines[0] == "9 item vectors of width 3 by hf:llama"
    assert "  texts                 of 8 items" in lines
    assert "  without a text        1 items, which have the vector of the empty text" in lines
    assert f"  explained variance    {card['explained_variance']:.1%}" in lines
    assert "  most tokens           512 wanted, the model allows 40" in lines


def test_narrow_states_stay_as_they_are_and_the_card_says_so(model: Callable[[str], Path], tmp_path: Path) -> None:
    data_dir = prepared(tmp_path, texts_of(9))
    card = embed("mine", data_dir=data_dir, encoder=f"hf:{model('bert')}", options=CPU).card
    assert (card["pca"], card["width"], card["width_wanted"]) == (False, HIDDEN, 768)
    assert "explained_variance" not in card
    assert f"  principal components  none taken: a state is {HIDDEN} wide, 768 wanted" in vector_lines(card)


def test_two_templates_never_share_a_fingerprint(
    model: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """TF-IDF passes over words that all texts have, so the template counts by itself; a language model reads them."""
    titles = texts_of(9)
    opening = "The item information is as follows:\ntitle: "
    data_dir = prepared(tmp_path, titles)
    folder = data_dir / "mine"

    def made(template: str, encoder: str) -> Any:
        words = template or opening + "{title}"
        rewrite(folder, np.array([words.format(title=title) for title in titles], dtype=object))
        card = {**before, "recipe_settings": {"text": {"fields": {"title": ["title"]}, "template": template}}}
        (folder / "card.json").write_text(json.dumps(card))
        return embed("mine", data_dir=data_dir, encoder=encoder, options=CPU if encoder.startswith("hf:") else None)

    before = json.loads((folder / "card.json").read_text())
    for encoder in ("tfidf-svd", f"hf:{model('bert')}"):
        vectors = [made(template, encoder) for template in ("", "title {title}", "title : {title}")]
        assert len({one.fingerprint for one in vectors}) == 3
        assert [one.card["template"] for one in vectors][1:] == ["title {title}", "title : {title}"]
        loaded = catalog.load_dataset("mine", data_dir=data_dir, vectors=True).vectors
        assert loaded is not None
        assert loaded.fingerprint == vectors[2].fingerprint
        again = catalog.load_dataset("mine", data_dir=data_dir, vectors=folder / "vectors.safetensors").vectors
        assert again is not None
        assert (again.fingerprint, again.card) == (loaded.fingerprint, loaded.card)
        values = {one.values.tobytes() for one in vectors}
        assert len(values) == (1 if encoder == "tfidf-svd" else 3)


# ---- what cannot be done


def refusal(given: Callable[[], object], kind: type[RearecError] = InputError) -> str:
    with pytest.raises(kind) as caught:
        given()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_the_library_the_command_is_named(
    model: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = model("bert")
    monkeypatch.setitem(sys.modules, "transformers", None)
    words = refusal(lambda: encode(texts_of(3), tmp_path, folder))
    assert words.startswith("language models need the transformers library")
    assert "Type:  pip install 'rearec-bench[text]'" in words


def test_the_command_line_needs_no_library_for_other_encoders(tmp_path: Path) -> None:
    program = (
        "import sys; sys.modules['transformers'] = None\n"
        "from rearec_bench.cli import main\n"
        "for words in (['embed', '--help'], ['list']):\n"
        "    main(words, standalone_mode=False)\n"
        "assert not {'torch', 'tokenizers', 'huggingface_hub'} & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "hf:MODEL" in done.stdout


def test_a_folder_that_is_no_model_is_refused(model: Callable[[str], Path], tmp_path: Path) -> None:
    def broken(change: Callable[[Path], object]) -> str:
        shutil.rmtree(tmp_path / "broken", ignore_errors=True)
        shutil.copytree(model("bert"), tmp_path / "broken")
        change(tmp_path / "broken")
        return refusal(lambda: encode(texts_of(3), tmp_path, tmp_path / "broken"))

    def truncated(folder: Path) -> None:
        (folder / "model.safetensors").write_bytes((folder / "model.safetensors").read_bytes()[:-100])

    def without_tokenizer(folder: Path) -> None:
        for path in folder.glob("tokenizer*"):
            path.unlink()

    place = tmp_path / "broken"
    assert f"{place} holds no model: no config.json in it." in broken(lambda folder: (folder / "config.json").unlink())
    assert "cannot be loaded: OSError: It looks like the config file" in broken(
        lambda folder: (folder / "config.json").write_text("{")
    )
    assert "does not recognize this architecture" in broken(
        lambda folder: (folder / "config.json").write_text('{"model_type": "nosuch"}')
    )
    assert "cannot be loaded: OSError: Error no file named model.safetensors" in broken(
        lambda folder: (folder / "model.safetensors").unlink()
    )
    assert "cannot be loaded: SafetensorError" in broken(truncated)
    assert f"{place} has no tokenizer: the files of one" in broken(without_tokenizer)


def test_weights_of_something_else_are_refused(model: Callable[[str], Path], tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    shutil.copytree(model("bert"), tmp_path / "broken")
    file = tmp_path / "broken" / "model.safetensors"
    kept = {name: value for name, value in load_file(file).items() if "layer.1." not in name}
    save_file(kept, file, metadata={"format": "pt"})
    words = refusal(lambda: encode(texts_of(3), tmp_path, tmp_path / "broken"))
    assert "broken lacks 16 of the 39 weights of a BertModel (encoder.layer.1." in words


def test_a_foreign_tokenizer_is_refused(model: Callable[[str], Path], tmp_path: Path) -> None:
    shutil.copytree(model("bert"), tmp_path / "mixed")
    wide = save(tmp_path / "wide", "bert", words=[f"word{number}" for number in range(40)])
    for path in wide.glob("tokenizer*"):
        shutil.copy(path, tmp_path / "mixed")
    words = refusal(lambda: encode(np.array(["word39", "word1"], dtype=object), tmp_path, tmp_path / "mixed"))
    assert words == "the tokenizer of mixed is not its own: it gives token 46, the model knows 23."


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "say which model:  --encoder hf:NAME (on huggingface.co), or hf:FOLDER."),
        ("./nowhere", "./nowhere: no such folder. A model is a folder with a config.json, or a name on huggingface.co"),
        ("~/no/where", "no/where: no such folder."),
    ],
)
def test_what_names_no_model_is_refused_without_asking_the_hub(name: str, words: str, tmp_path: Path) -> None:
    assert words in refusal(lambda: encode(texts_of(3), tmp_path, name))


def test_no_room_for_a_text(model: Callable[[str], Path], tmp_path: Path) -> None:
    words = refusal(lambda: encode(texts_of(3), tmp_path, model("bert"), max_tokens=2))
    assert words == "--max-tokens 2 leaves no room for a text: bert adds 2 special tokens."


def test_a_device_that_is_not_there_is_refused(
    model: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    words = refusal(lambda: encode(texts_of(3), tmp_path, model("bert"), device="cuda"))
    assert words == "there is no GPU that torch can use. Leave out --device, or --device cpu."


def test_a_model_that_cannot_fit_is_refused_before_it_is_loaded(
    model: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loading, "_free_bytes", lambda device: 1000)
    words = refusal(lambda: encode(texts_of(3), tmp_path, model("bert")))
    assert "billion parameters and needs 0.0 GiB; the machine has 0.0 GiB free. Take a smaller model" in words


def test_a_batch_that_does_not_fit_says_what_to_type(
    model: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = loading.load(str(model("bert")), device="cpu")

    def full(**given: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(loaded.network, "forward", full)
    monkeypatch.setattr(language_model, "load", lambda *given, **options: loaded)
    words = refusal(lambda: encode(texts_of(20), tmp_path, model("bert"), batch_tokens=64), RearecError)
    assert "does not hold a batch of 4 x 14 tokens. What is done is kept." in words
    assert "--batch-tokens 14   or, of each text:  --max-tokens 7" in words


def test_states_that_are_not_finite_are_refused(tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    folder = save(tmp_path / "nan", "bert")
    weights = load_file(folder / "model.safetensors")
    next(value for name, value in weights.items() if "LayerNorm.bias" in name).fill_(float("nan"))
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    words = refusal(lambda: encode(texts_of(5), tmp_path, folder), RearecError)
    assert words == "nan gives states that are NaN or infinite in float32."
    assert unfinished(tmp_path) == []


@pytest.mark.parametrize(
    ("encoder", "given", "words"),
    [
        ("tfidf-svd", {"options": Options(max_tokens=3)}, "--max-tokens, --batch-tokens and --device are for language"),
        (
            "file:a.npy",
            {"options": Options(device="cpu")},
            "--max-tokens, --batch-tokens and --device are for language",
        ),
        (
            "hf:bert",
            {"missing": "zero"},
            "--missing is for tables with an item_id column (.csv, .tsv, .parquet, .jsonl)",
        ),
        ("file:a.npy", {"missing": "error"}, "--missing is for tables with an item_id column"),
        ("file:a.csv", {"width": 3}, "the vectors of a file have a width of their own."),
    ],
)
def test_an_option_for_another_encoder_is_refused(
    encoder: str, given: dict[str, Any], words: str, tmp_path: Path
) -> None:
    assert words in refusal(lambda: embed("mine", data_dir=tmp_path, encoder=encoder, **given))
    assert embed_module.DEFAULT == "tfidf-svd"


# ---- the hub


class Hub(BaseHTTPRequestHandler):
    """Answers as huggingface.co does: gated/... is gated, nothing else is there."""

    def do_HEAD(self) -> None:
        gated = "/gated/" in self.path
        self.send_response(401 if gated else 404)
        self.send_header("X-Error-Code", "GatedRepo" if gated else "RepoNotFound")
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_GET = do_HEAD

    def log_message(self, *given: object) -> None:
        pass


ASK = """
import sys
from rearec_bench.harness.datasets.vectors.encoders.loading import load
from rearec_bench.harness.utils.errors import InputError

for name in sys.argv[1:]:
    try:
        load(name)
    except InputError as error:
        print(error)
"""


def ask(names: list[str], **environment: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", ASK, *names],
        env={"PATH": "", "HOME": environment["HF_HOME"], **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def test_the_hub_says_that_a_model_is_gated_or_not_there(tmp_path: Path) -> None:
    server = HTTPServer(("127.0.0.1", 0), Hub)
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        gated, missing, twice = ask(
            ["gated/model", "someone/no-model", "no-model"],
            HF_ENDPOINT=f"http://127.0.0.1:{server.server_port}",
            HF_HOME=str(tmp_path),
        )
    finally:
        server.shutdown()
        server.server_close()
    assert gated.startswith("gated/model is gated, and you have no access to it. Accept its terms on https://hugg")
    assert gated.endswith("and type:  hf auth login")
    assert missing == (
        "there is no model someone/no-model on huggingface.co (or it is private: hf auth login), and no folder of this "
        "name here."
    )
    assert twice.startswith("there is no model no-model on huggingface.co")


def test_without_a_network_a_folder_is_advised(tmp_path: Path) -> None:
    (words,) = ask(["someone/model"], HF_HUB_OFFLINE="1", HF_HOME=str(tmp_path))
    assert words == (
        "someone/model is neither a folder nor in the cache, and huggingface.co cannot be reached. Where there is a "
        "network, type:  hf download someone/model --local-dir FOLDER   and here:  --encoder hf:FOLDER"
    )


@pytest.mark.slow
def test_a_hub_that_does_not_answer(tmp_path: Path) -> None:
    """It is asked six times within half a minute, by the library."""
    (words,) = ask(["someone/model"], HF_ENDPOINT="http://127.0.0.1:9", HF_HOME=str(tmp_path))
    assert "huggingface.co cannot be reached" in words


def test_a_model_in_the_hubs_cache_needs_no_network(model: Callable[[str], Path], tmp_path: Path) -> None:
    snapshot = tmp_path / "hub" / "models--someone--tiny" / "snapshots" / ("ab" * 20)
    shutil.copytree(model("bert"), snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("ab" * 20)
    program = (
        "from rearec_bench.harness.datasets.vectors.encoders.loading import load\n"
        "found = load('someone/tiny', device='cpu')\n"
        "print(found.name, found.revision, found.identity)"
    )
    environment = {"PATH": "", "HOME": str(tmp_path), "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    identity = loading.load(str(model("bert")), device="cpu").identity
    assert done.stdout.split() == ["someone/tiny", "ab" * 20, identity]
    assert os.environ.get("HF_HOME") != str(tmp_path)
