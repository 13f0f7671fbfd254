"""Texts to vectors by language models: against one text at a time without padding, interrupted, and with bad input."""

from __future__ import annotations

import copy
import dataclasses
import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from rearec_bench.harness.datasets import catalog
from rearec_bench.harness.datasets.describe import vector_lines
from rearec_bench.harness.datasets.embed import embed
from rearec_bench.harness.datasets.vectors.encoders import language_model, loading
from rearec_bench.harness.datasets.vectors.encoders.language_model import Options, tokenise
from rearec_bench.harness.utils.errors import DatasetError, InputError, RearecError
from rearec_bench.harness.utils.meter import Meter

from ..tiny_models import HIDDEN, POSITIONS, WORDS, naive_states, needs_transformers, save
from .test_embed import prepared, rewrite
from .test_principal_components import components

Models = Callable[[str], Path]
Stops = Callable[[int | None], list[int]]
pytestmark = pytest.mark.slow  # importing transformers takes seconds
needs_transformers()
CPU = Options(device="cpu")
SPECIAL = {"llama": 1, "bert": 2, "roberta": 2, "gpt2": 0, "t5": 1}
KINDS = tuple(SPECIAL)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Tiny products gain nothing from more."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """A tiny model of a kind; shared, so not to be changed."""
    root = tmp_path_factory.mktemp("models")
    return lambda kind: root / kind if (root / kind).exists() else save(root / kind, kind)


@pytest.fixture
def damaged(model: Models, tmp_path: Path) -> Path:
    """A copy of the tiny BERT, to be changed."""
    return shutil.copytree(model("bert"), tmp_path / "damaged")


def texts_of(count: int, *, longest: int = 12) -> np.ndarray:
    draw = np.random.default_rng(0)
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
def test_a_vector_is_the_mean_state_of_the_text_alone(kind: str, model: Models, tmp_path: Path) -> None:
    texts = np.insert(texts_of(25), [0, 9, 25], "")
    values, facts = encode(texts, tmp_path, model(kind), batch_tokens=30)
    expected = naive_states(model(kind), texts.tolist())
    assert (values.shape, values.dtype) == ((28, HIDDEN), np.float32)
    assert np.allclose(values, expected, atol=1e-5)
    assert expected.std(axis=0).min() > 0.05, "the texts would all look alike"
    assert facts["pca"] is False
    assert facts["tokens"] == sum(len(text.split()) + SPECIAL[kind] for text in dict.fromkeys(texts))
    assert (values[0] == 0).all() == (SPECIAL[kind] == 0), "the vector of the empty text"
    assert facts["texts_without_tokens"] == (0 if SPECIAL[kind] else 3)
    for budget in (1, 10_000):  # the size of batches moves last digits only
        assert np.allclose(encode(texts, tmp_path, model(kind), batch_tokens=budget)[0], values, atol=1e-5)


def test_components_are_taken_over_items_the_empty_text_among_them(model: Models, tmp_path: Path) -> None:
    texts = np.concatenate([texts_of(30), texts_of(9), ["", ""]])  # some texts of two items
    raw, _ = encode(texts, tmp_path, model("gpt2"))
    values, facts = encode(texts, tmp_path, model("gpt2"), width=5)
    centred = raw.astype(np.float64) - raw.mean(axis=0, dtype=np.float64)
    assert (raw[-1] == 0).all()
    assert np.linalg.norm(values[-1]) > 0.1
    assert np.allclose(values, centred @ components(raw, 5), atol=1e-4)
    scale = np.linalg.svd(centred, compute_uv=False) ** 2
    assert facts["explained_variance"] == pytest.approx(scale[:5].sum() / scale.sum(), abs=1e-4)


def test_bfloat16_comes_near_float32(model: Models) -> None:
    """What a GPU computes with, here on a CPU; the means are formed in float32."""
    exact = loading.load(str(model("llama")), device="cpu")
    tokens, _ = tokenise(texts_of(30).tolist(), exact.tokenizer, POSITIONS)
    rough = dataclasses.replace(exact, network=copy.deepcopy(exact.network).bfloat16(), precision="bfloat16")
    expected, found = language_model._mean_states(exact, tokens), language_model._mean_states(rough, tokens)
    assert found.dtype == np.float32
    assert 0 < np.abs(found - expected).max() < 0.1
    assert loading._identity(rough.network, rough.network.config) != exact.identity


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("kind", KINDS)
def test_a_gpu_comes_near_the_processor(kind: str, model: Models, tmp_path: Path) -> None:
    texts = np.insert(texts_of(40), 3, "")
    values, facts = encode(texts, tmp_path, model(kind), batch_tokens=64, device=None)
    assert (facts["device"], facts["precision"]) == ("cuda", "bfloat16")
    assert np.abs(values - naive_states(model(kind), texts.tolist())).max() < 0.2


@pytest.mark.parametrize("kind", ["llama", "bert", "t5"])
def test_long_texts_are_cut_and_counted(kind: str, model: Models, tmp_path: Path) -> None:
    texts = texts_of(30)
    values, facts = encode(texts, tmp_path, model(kind), max_tokens=6)
    assert np.allclose(values, naive_states(model(kind), texts.tolist(), max_tokens=6), atol=1e-5)
    long = [text for text in dict.fromkeys(texts) if len(text.split()) + SPECIAL[kind] > 6]
    assert 0 < len(long) == facts["different_texts_cut"] < facts["different_texts"]
    assert facts["max_tokens"] == facts["max_tokens_wanted"] == 6


@pytest.mark.parametrize(("kind", "allowed"), [("llama", 40), ("bert", 40), ("roberta", 34), ("gpt2", 40), ("t5", 512)])
def test_no_text_is_longer_than_the_model_allows(kind: str, allowed: int, model: Models, tmp_path: Path) -> None:
    texts = np.array(["amber", " ".join(WORDS * 4)], dtype=object)
    values, facts = encode(texts, tmp_path, model(kind))
    assert (facts["max_tokens"], facts["max_tokens_wanted"]) == (allowed, 512)
    assert facts["different_texts_cut"] == (len(WORDS) * 4 + SPECIAL[kind] > allowed)
    assert np.allclose(values, naive_states(model(kind), texts.tolist(), max_tokens=allowed), atol=1e-5)


def test_texts_of_nothing_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="none of the 3 items has a text"):
        encode(np.array([""] * 3, dtype=object), tmp_path, "unread")


# ---- interrupted


class Interrupted(Exception):
    pass


@pytest.fixture
def stops(monkeypatch: pytest.MonkeyPatch) -> Stops:
    """Makes the encoder store every batch and stop after so many; lists the texts of each that is computed."""
    means = language_model._mean_states
    monkeypatch.setattr(language_model, "_SAVE_S", 0.0)

    def after(number: int | None) -> list[int]:
        done: list[int] = []

        def counted(*given: Any) -> np.ndarray:
            if len(done) == number:
                raise Interrupted
            done.append(len(given[1]))
            return means(*given)

        monkeypatch.setattr(language_model, "_mean_states", counted)
        return done

    return after


def interrupt(stops: Stops, number: int, *given: Any, **options: Any) -> None:
    stops(number)
    with pytest.raises(Interrupted):
        encode(*given, batch_tokens=24, **options)


def test_an_interrupted_run_continues_and_gives_the_same_bytes(model: Models, tmp_path: Path, stops: Stops) -> None:
    given = np.insert(np.repeat(texts_of(50), 2), 10, ""), tmp_path, model("llama")
    whole = stops(None)
    expected, facts = encode(*given, batch_tokens=24, width=6)
    assert sum(whole) == facts["different_texts"] == len(dict.fromkeys(given[0])), "each text is encoded once"
    assert unfinished(tmp_path) == []
    interrupt(stops, 3, *given, width=6)
    interrupt(stops, 2, *given, width=6)
    (folder,) = unfinished(tmp_path)
    assert len(list(folder.iterdir())) == 5
    left = stops(None)
    values, _ = encode(*given, batch_tokens=24, width=4)
    assert left == whole[5:], "another width needs no other states"
    assert np.allclose(values, expected[:, :4])
    interrupt(stops, 4, *given, width=6)
    stops(None)
    values, again = encode(*given, batch_tokens=24, width=6)
    assert (values.tobytes(), again) == (expected.tobytes(), facts)
    assert unfinished(tmp_path) == []


def test_a_model_under_another_name_continues_and_another_model_does_not(
    model: Models, tmp_path: Path, stops: Stops
) -> None:
    texts = texts_of(50)
    same, other = shutil.copytree(model("llama"), tmp_path / "same"), save(tmp_path / "other", "llama", seed=1)
    interrupt(stops, 3, texts, tmp_path, model("llama"))
    whole = stops(None)
    values, _ = encode(texts, tmp_path, other, batch_tokens=24)
    assert np.allclose(values, naive_states(other, texts.tolist()), atol=1e-5)
    assert sum(whole) == len(dict.fromkeys(texts))
    assert len(unfinished(tmp_path)) == 1, "the first model's work is still there"
    left = stops(None)
    encode(texts, tmp_path, same, batch_tokens=24)
    assert left == whole[3:]


@pytest.mark.parametrize("change", [{"max_tokens": 9}, {"batch_tokens": 25}, {"texts": 1}])
def test_work_of_other_settings_or_texts_is_not_used(
    change: dict[str, int], model: Models, tmp_path: Path, stops: Stops
) -> None:
    texts = texts_of(50)
    options = {"batch_tokens": 24, **change}
    if options.pop("texts", 0):
        texts[-1] = "nectar"
    interrupt(stops, 3, texts_of(50), tmp_path, model("llama"))
    everything = stops(None)
    encode(texts, tmp_path, model("llama"), **options)
    assert sum(everything) == len(dict.fromkeys(texts))
    assert len(unfinished(tmp_path)) == (0 if "texts" in change else 1), "work on texts that are gone is removed"


KILLED = """
import sys, time
from pathlib import Path
import torch
from rearec_bench.harness.datasets.vectors.encoders import language_model
from rearec_bench.harness.datasets.embed import embed

torch.set_num_threads(1)
language_model._SAVE_S = 0.0
means = language_model._mean_states
def slow(*given):
    time.sleep(0.2)
    return means(*given)
language_model._mean_states = slow
options = language_model.Options(batch_tokens=8, device="cpu")
embed("mine", data_dir=Path(sys.argv[1]), encoder="hf:" + sys.argv[2], width=6, options=options)
"""


def test_a_killed_run_continues_and_gives_the_same_bytes(model: Models, tmp_path: Path, stops: Stops) -> None:
    texts = texts_of(9)
    options = Options(batch_tokens=8, device="cpu")
    (tmp_path / "a").mkdir()
    whole_dir, data_dir = prepared(tmp_path / "a", texts), prepared(tmp_path, texts)
    expected = embed("mine", data_dir=whole_dir, encoder=f"hf:{model('bert')}", width=6, options=options)
    process = subprocess.Popen([sys.executable, "-c", KILLED, str(data_dir), str(model("bert"))])
    while process.poll() is None and not list(data_dir.glob("mine/embedding-*/part-*2.npy")):
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, "it was faster than the test"
    assert not catalog.has_vectors("mine", data_dir)
    left = stops(None)
    vectors = embed("mine", data_dir=data_dir, encoder=f"hf:{model('bert')}", width=6, options=options)
    assert 0 < sum(left) < len(dict.fromkeys(texts))
    assert (vectors.values.tobytes(), vectors.card) == (expected.values.tobytes(), expected.card)
    assert len({frozenset(path.name for path in (folder / "mine").iterdir()) for folder in (data_dir, whole_dir)}) == 1


# ---- with a data set


def test_the_vectors_are_stored_with_a_card(model: Models, tmp_path: Path) -> None:
    texts = texts_of(9)
    texts[4] = ""
    data_dir = prepared(tmp_path, texts)
    out = StringIO()
    made = embed("mine", data_dir=data_dir, encoder=f"hf:{model('llama')}", width=3, options=CPU, meter=Meter(out))
    loaded = catalog.load_dataset("mine", data_dir=data_dir, vectors=True)
    assert loaded.vectors is not None
    assert loaded.vectors.values.tobytes() == made.values.tobytes()
    card = loaded.vectors.card
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert (card["encoder"], card["width"], card["width_wanted"]) == ("hf:llama", 3, 3)
    assert (card["items"], card["items_without_text"], card["zero_vectors"]) == (9, 1, 0)
    assert (card["device"], card["precision"], card["model"]["class"]) == ("cpu", "float32", "LlamaModel")
    assert card["dataset_fingerprint"] == loaded.fingerprint
    assert str(tmp_path) not in json.dumps(card)
    assert str(model("llama").parent) not in json.dumps(card)
    assert out.getvalue() == f"loading {model('llama')}\n"
    lines = vector_lines(card)
    assert lines[0] == "9 item vectors of width 3 by hf:llama"
    assert "  without a text        1 items, which have the vector of the empty text" in lines
    assert f"  explained variance    {card['explained_variance']:.1%}" in lines
    assert "  most tokens           512 wanted, the model allows 40" in lines
    narrow = embed("mine", data_dir=data_dir, encoder=f"hf:{model('llama')}", options=CPU).card
    assert (narrow["pca"], narrow["width"], narrow["width_wanted"]) == (False, HIDDEN, 768)
    assert f"  principal components  none taken: a state is {HIDDEN} wide, 768 wanted" in vector_lines(narrow)


@pytest.mark.parametrize("encoder", ["tfidf-svd", "hf:bert"])
def test_two_templates_never_share_a_fingerprint(encoder: str, model: Models, tmp_path: Path) -> None:
    """TF-IDF passes over words that all texts have, so the template counts by itself; a language model reads them."""
    titles = texts_of(9)
    data_dir = prepared(tmp_path, titles)
    folder = data_dir / "mine"
    card = json.loads((folder / "card.json").read_text())
    found = []
    for template in ("", "title {title}", "title : {title}"):
        words = template or "The item information is as follows:\ntitle: {title}"
        rewrite(folder, np.array([words.format(title=title) for title in titles], dtype=object))
        settings = {"text": {"fields": {"title": ["title"]}, "template": template}}
        (folder / "card.json").write_text(json.dumps({**card, "recipe_settings": settings}))
        named = f"hf:{model('bert')}" if encoder.startswith("hf:") else encoder
        found.append(embed("mine", data_dir=data_dir, encoder=named, options=CPU if named != encoder else None))
        assert template in found[-1].card["template"]
    assert len({vectors.fingerprint for vectors in found}) == 3
    assert len({vectors.values.tobytes() for vectors in found}) == (1 if encoder == "tfidf-svd" else 3)
    for given in (True, folder / "vectors.safetensors"):
        loaded = catalog.load_dataset("mine", data_dir=data_dir, vectors=given).vectors
        assert loaded is not None
        assert (loaded.fingerprint, loaded.card) == (found[2].fingerprint, found[2].card)


# ---- what cannot be done


def refusal(*given: Any, kind: type[RearecError] = InputError, **options: Any) -> str:
    with pytest.raises(kind) as caught:
        encode(*given, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_without_the_library_the_command_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "transformers", None)
    assert "Type:  pip install 'rearec-bench[text]'" in refusal(texts_of(3), tmp_path, tmp_path)


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


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("config.json", None, "cannot be loaded: "),
        ("config.json", b"{", "cannot be loaded: OSError: It looks like the config file"),
        ("config.json", b'{"model_type": "nosuch"}', "does not recognize this architecture"),
        ("model.safetensors", None, "cannot be loaded: OSError: Error no file named model.safetensors"),
        ("model.safetensors", b"cut off", "cannot be loaded: SafetensorError"),
        ("tokenizer*", None, "has no tokenizer: the files of one"),
    ],
)
def test_a_folder_that_is_not_a_model_is_refused(
    file: str, content: bytes | None, words: str, damaged: Path, tmp_path: Path
) -> None:
    for path in damaged.glob(file):
        path.unlink() if content is None else path.write_bytes(content)
    message = refusal(texts_of(3), tmp_path, damaged)
    assert message.startswith(f"{damaged} ") and words in message


def test_missing_weights_and_states_that_are_not_finite_are_refused(damaged: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    file = damaged / "model.safetensors"
    weights = load_file(file)
    save_file({name: value for name, value in weights.items() if "layer.1." not in name}, file, {"format": "pt"})
    words = refusal(texts_of(3), tmp_path, damaged)
    assert "lacks 16 of the 39 weights of a BertModel (encoder.layer.1." in words
    next(value for name, value in weights.items() if "LayerNorm.bias" in name).fill_(float("nan"))
    save_file(weights, file, {"format": "pt"})
    words = refusal(texts_of(5), tmp_path, damaged, kind=RearecError)
    assert words == "damaged gives states that are NaN or infinite in float32."
    assert unfinished(tmp_path) == []


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_tokens": 2}, "--max-tokens 2 leaves no room for a text: bert adds 2 special tokens."),
        ({"device": "cuda"}, "there is no GPU that torch can use."),
        ({}, "the machine has 0.0 GiB free. Take a smaller model"),
    ],
)
def test_what_this_machine_or_model_does_not_allow_is_refused(
    options: dict[str, Any], words: str, model: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    if not options:
        monkeypatch.setattr(loading, "_free_bytes", lambda device: 1000)
    assert words in refusal(texts_of(3), tmp_path, model("bert"), **options)


def test_a_batch_that_does_not_fit_says_what_to_type(
    model: Models, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded = loading.load(str(model("bert")), device="cpu")

    def full(**given: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(loaded.network, "forward", full)
    monkeypatch.setattr(language_model, "load", lambda *given, **options: loaded)
    words = refusal(texts_of(20), tmp_path, model("bert"), kind=RearecError, batch_tokens=64)
    assert "does not hold a batch of 4 x 14 tokens. What is done is kept." in words
    assert "--batch-tokens 14   or, of each text:  --max-tokens 7" in words


# ---- the hub


ASK = """
import sys
from rearec_bench.harness.datasets.vectors.encoders.loading import load
from rearec_bench.harness.utils.errors import InputError

for name in sys.argv[1:]:
    try:
        model = load(name, device="cpu")
        print(model.name, model.revision, model.identity)
    except InputError as error:
        print(error)
"""


def test_without_a_network_a_model_comes_from_the_cache_or_a_folder_is_advised(model: Models, tmp_path: Path) -> None:
    snapshot = tmp_path / "hub" / "models--someone--tiny" / "snapshots" / ("ab" * 20)
    shutil.copytree(model("bert"), snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("ab" * 20)
    names = ["someone/tiny", "someone/model", "./nowhere"]
    environment = {"PATH": "", "HOME": str(tmp_path), "HF_HOME": str(tmp_path), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", ASK, *names]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    cached, unknown, nowhere = done.stdout.splitlines()
    assert cached.split() == ["someone/tiny", "ab" * 20, loading.load(str(model("bert")), device="cpu").identity]
    assert "couldn't connect to 'https://huggingface.co'" in unknown
    assert "`hf download NAME --local-dir FOLDER`" in unknown
    assert nowhere.startswith("./nowhere cannot be loaded: ")
