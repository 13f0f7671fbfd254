"""Every wrong suite file gets its exact words: file, line, column, the value, what is allowed, the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest

from rearec_bench.harness.suite.load import load_suite
from rearec_bench.harness.utils.errors import SuiteError
from rearec_bench.harness.utils.registry import BACKBONES, STRATEGIES

HEAD = """\
datasets: [tiny]
backbones: [sasrec]
steps: [1]
seeds: [1]
"""
FILE = HEAD + "strategies: [base]\n"
NAMES = "Allowed: letters, digits, '.', '_' and '-', at most 100, a letter or digit first."
KEYS = (
    "Known: backbone_defaults, backbones, datasets, evaluation, extends, name, plugins, references, resources, search, "
    "seeds, steps, strategies, training, vectors."
)
BACKBONE_NAMES = "bert4rec, morec, sasrec, unisrec"
PRL = (
    "Known: annealing, contrastive, decay, noise_std, recipe, same_user_negatives, score_temperature, temperature, "
    "warmup_epochs."
)


def prl(settings: str) -> str:
    """A suite whose line 8 is one setting of prl, in column 7."""
    return f"{HEAD}strategies:\n  - base\n  - prl:\n      {settings}\n"


def only(key: str, value: str) -> str:
    """The suite with one key replaced (it moves to line 5), or removed where the value is empty."""
    lines = [line for line in FILE.splitlines() if not line.startswith(f"{key}:")]
    return "\n".join([*lines, f"{key}: {value}" if value else ""]) + "\n"


BROKEN = {
    # the file as such
    "an empty file": ("", ["my.yaml:1:1  the file is empty."]),
    "comments alone": ("# nothing\n", ["my.yaml:1:1  the file is empty."]),
    "a list": ("- tiny\n", ["my.yaml:1:1  a suite is a mapping of settings (key: value), this is not."]),
    "no YAML": (
        FILE + "training: {lr: 1\n",
        ["my.yaml:7:1  not YAML: expected ',' or '}', but got '<stream end>' (while parsing a flow mapping)."],
    ),
    "a tab": (
        FILE + "training:\n\tlr: 1\n",
        [
            "my.yaml:7:1  not YAML: found character '\\t' that cannot start any token (while scanning for the next "
            "token)."
        ],
    ),
    "a control character": (FILE + "name: \x07\n", ["my.yaml:6:7  not YAML: the character U+0007 is not allowed."]),
    "two documents": (
        FILE + "---\nname: other\n",
        ["my.yaml:6:1  not YAML: a suite is one document; remove the line '---' and what follows it."],
    ),
    "code in a tag": (
        FILE + "name: !!python/object/apply:os.getcwd []\n",
        [
            "my.yaml:6:7  the tag !!python/object/apply:os.getcwd is not allowed. Write the value plainly, without a "
            "tag.",
            f"my.yaml:6:7  name: a list cannot be a name. {NAMES}",
        ],
    ),
    "a key twice": (
        FILE + "seeds: [2]\n",
        ["my.yaml:6:1  seeds: this key stands here twice, first in line 4. Remove one of them."],
    ),
    "a key that is a list": (FILE + "? [a]\n: 1\n", ["my.yaml:6:3  a key must be a plain name."]),
    "an anchor in itself": (
        FILE + "evaluation: &a {trace_users: *a}\n",
        [
            "my.yaml:6:13  the anchor contains itself.",
            "my.yaml:6:13  evaluation.trace_users: nothing is not a list of whole numbers. Allowed: a list of whole "
            "numbers.",
        ],
    ),
    "an alias of nothing": (FILE + "name: *other\n", ["my.yaml:6:7  not YAML: found undefined alias 'other'."]),
    "too deep a nesting": (
        FILE + "name: " + "[" * 100 + "]" * 100 + "\n",
        ["my.yaml:6:66  not YAML: it is nested too deeply."],
    ),
    # keys and names
    "an unknown key": (
        FILE + "trainings: {}\n",
        [f"my.yaml:6:1  trainings: unknown key. Did you mean 'training'? {KEYS}"],
    ),
    "missing keys": (
        "strategies: [base]\nsteps: [1]\nbackbones: [sasrec]\n",
        [
            "my.yaml:1:1  datasets: missing. Name the data sets, such as datasets: [tiny].",
            "my.yaml:1:1  seeds: missing. Give the seeds of the final runs, such as seeds: [1, 2, 3].",
        ],
    ),
    "a name with a path": (FILE + "name: ../up\n", [f"my.yaml:6:7  name: ../up cannot be a name. {NAMES}"]),
    "a time as name": (FILE + "name: 10:30\n", [f"my.yaml:6:7  name: 10:30 cannot be a name. {NAMES}"]),
    "a data set with a slash": (
        only("datasets", "[tiny, a/b]"),
        [f"my.yaml:5:18  datasets: a/b cannot be the name of a data set. {NAMES}"],
    ),
    "a data set twice": (
        only("datasets", "[tiny, tiny]"),
        ["my.yaml:5:18  datasets: tiny stands here twice. Remove one of them."],
    ),
    "no data set": (
        only("datasets", "[]"),
        ["my.yaml:5:11  datasets: the list is empty. Name the data sets, such as datasets: [tiny]."],
    ),
    "a parent that is missing": (
        FILE + "extends: my_parents.yaml\n",
        ["my.yaml:6:10  extends: no such file: my_parents.yaml. Did you mean 'my_parent.yaml'?"],
    ),
    "parents in a list": (
        FILE + "extends: [a.yaml]\n",
        ["my.yaml:6:10  extends: the name of one suite file is needed."],
    ),
    "a parent that is the file itself": (
        FILE + "extends: my.yaml\n",
        ["my.yaml:6:10  extends: goes round in a circle: my.yaml -> my.yaml."],
    ),
    # values of hyper-parameters
    "an unknown hyper-parameter": (
        prl("temprature: 1"),
        [f"my.yaml:8:7  strategies.prl.temprature: unknown hyper-parameter. Did you mean 'temperature'? {PRL}"],
    ),
    "text for a number": (
        prl("temperature: hot"),
        ["my.yaml:8:20  strategies.prl.temperature: hot is not a number. Allowed: numbers above 0."],
    ),
    "a number in quotes": (
        prl("temperature: '1'"),
        ["my.yaml:8:20  strategies.prl.temperature: '1' (in quotes) is not a number. Allowed: numbers above 0."],
    ),
    "a number that is too small": (
        prl("temperature: 0"),
        ["my.yaml:8:20  strategies.prl.temperature: 0 is too small. Allowed: numbers above 0."],
    ),
    "a number that is too large": (
        only("backbones", "[{sasrec: {dropout: 1.0}}]"),
        ["my.yaml:5:32  backbones.sasrec.dropout: 1.0 is too large. Allowed: numbers from 0 and below 1."],
    ),
    "a number that is infinite": (
        prl("temperature: .inf"),
        ["my.yaml:8:20  strategies.prl.temperature: .inf is not a number. Allowed: numbers above 0."],
    ),
    "nothing for a number": (
        prl("temperature:"),
        ["my.yaml:8:19  strategies.prl.temperature: nothing is not a number. Allowed: numbers above 0."],
    ),
    "a time for a whole number": (
        prl("warmup_epochs: 10:30"),
        ["my.yaml:8:22  strategies.prl.warmup_epochs: 10:30 is not a whole number. Allowed: whole numbers from 0."],
    ),
    "no for false": (
        prl("contrastive: no"),
        ["my.yaml:8:20  strategies.prl.contrastive: no is not true or false. Allowed: true, false."],
    ),
    "an unknown choice": (
        prl("recipe: relased"),
        ["my.yaml:8:15  strategies.prl.recipe: relased is unknown. Did you mean 'released'? Allowed: paper, released."],
    ),
    "a wrong number where null is allowed": (
        prl("score_temperature: none"),
        [
            "my.yaml:8:26  strategies.prl.score_temperature: none is not a number or null. Allowed: numbers above 0, "
            "or null."
        ],
    ),
    "a list for a number": (
        prl("decay: [1, 2]"),
        [
            "my.yaml:8:14  strategies.prl.decay: a list is not a number. Write {search: [...]} to have one chosen, or "
            "{sweep: [...]} for a row each."
        ],
    ),
    "settings that do not fit together": (
        only("backbones", "[{sasrec: {width: 33}}]"),
        ["my.yaml:5:22  backbones.sasrec: width 33 is not a multiple of heads 2."],
    ),
    "choices that do not fit together": (
        only("backbones", "[{sasrec: {width: {search: [32, 48]}, heads: {sweep: [2, 16, 32]}}}]"),
        ["my.yaml:5:22  backbones.sasrec: width 48 is not a multiple of heads 32 (with heads=32, width=48)."],
    ),
    # searches and sweeps
    "neither search nor sweep": (
        prl("decay: {serch: [1, 2]}"),
        ["my.yaml:8:15  strategies.prl.decay: serch is unknown. Did you mean 'search'? Known: search, sweep."],
    ),
    "both search and sweep": (
        prl("decay: {search: [1], sweep: [2]}"),
        [
            "my.yaml:8:14  strategies.prl.decay: both search and sweep found. Give one of {search: [...]} and "
            "{sweep: [...]}."
        ],
    ),
    "an empty search": (
        prl("decay: {search: []}"),
        [
            "my.yaml:8:23  strategies.prl.decay: search needs a list of values or {low: ..., high: ...}, not an empty "
            "list."
        ],
    ),
    "an empty sweep": (
        prl("decay: {sweep: []}"),
        ["my.yaml:8:22  strategies.prl.decay: sweep needs a list of values, not an empty list."],
    ),
    "a sweep over a range": (
        prl("decay: {sweep: {low: 1, high: 2}}"),
        ["my.yaml:8:22  strategies.prl.decay: sweep needs a list of values, not a mapping."],
    ),
    "wrong choices": (
        prl("decay: {search: [1, 1.0, x, 0]}"),
        [
            "my.yaml:8:27  strategies.prl.decay: 1.0 stands here twice. Remove one of them.",
            "my.yaml:8:32  strategies.prl.decay: x is not a number. Allowed: numbers above 0.",
            "my.yaml:8:35  strategies.prl.decay: 0 is too small. Allowed: numbers above 0.",
        ],
    ),
    "a wrong swept value": (
        prl("decay: {sweep: [1, -2]}"),
        ["my.yaml:8:26  strategies.prl.decay: -2 is too small. Allowed: numbers above 0."],
    ),
    "a range upside down": (
        prl("decay: {search: {low: 2, high: 2}}"),
        ["my.yaml:8:29  strategies.prl.decay: low 2 is not below high 2."],
    ),
    "half a range": (
        prl("decay: {search: {low: 2}}"),
        ["my.yaml:8:23  strategies.prl.decay: a range needs low and high, high is missing."],
    ),
    "a logarithm of nothing": (
        prl("noise_std: {search: {low: 0, high: 1, log: true}}"),
        ["my.yaml:8:33  strategies.prl.noise_std: low 0 has no logarithm. With log: true, low must be above 0."],
    ),
    "a range with another key": (
        prl("decay: {search: {low: 1, hihg: 2}}"),
        ["my.yaml:8:32  strategies.prl.decay: hihg is no part of a range. Did you mean 'high'? Known: high, log, low."],
    ),
    "a range of words": (
        prl("recipe: {search: {low: 1, high: 2}}"),
        ["my.yaml:8:24  strategies.prl.recipe: only numbers have a range. Give a list of: paper, released."],
    ),
    "a range beyond the bounds": (
        only("backbones", "[{sasrec: {dropout: {search: {low: 0, high: 1}}}}]"),
        ["my.yaml:5:56  backbones.sasrec.dropout: 1 is too large. Allowed: numbers from 0 and below 1."],
    ),
    # rows
    "an unknown strategy": (
        only("strategies", "[base, prll]"),
        ["my.yaml:5:20  strategies: unknown strategy 'prll'. Did you mean 'prl'? Known: base, erl, naive, prl, rpe."],
    ),
    "a row twice": (
        only("strategies", "[base, erl, {erl: {kl_weight: 1}}]"),
        [
            "my.yaml:5:25  strategies: two rows are called 'erl', the first in line 5. Give one of them a name of its "
            "own, such as erl: {name: erl_2}."
        ],
    ),
    "two rows with one given name": (
        only("strategies", "[{erl: {name: x}}, {prl: {name: x}}]"),
        ["my.yaml:5:45  strategies: two rows are called 'x', the first in line 5. Give one of them a name of its own."],
    ),
    "a row under the name of another strategy": (
        only("strategies", "[{prl: {name: erl}}]"),
        ["my.yaml:5:27  strategies.prl.name: 'erl' is the name of another strategy. Choose a name of its own."],
    ),
    "a row's name with a bracket": (
        only("strategies", "[{prl: {name: 'a[b]'}}]"),
        [
            "my.yaml:5:27  strategies.prl.name: 'a[b]' (in quotes) cannot be a name. Allowed: letters, digits, '_' and "
            "'-', at most 64, a letter or digit first."
        ],
    ),
    "a comparison with nothing": (
        only("strategies", "[base, {erl: {against: bsae}}]"),
        ["my.yaml:5:36  strategies.erl.against: no row is called bsae. Did you mean 'base'? Known: base."],
    ),
    "a comparison with oneself": (
        only("strategies", "[base, {erl: {against: erl}}]"),
        ["my.yaml:5:36  strategies.erl.against: a row cannot be compared with itself."],
    ),
    "a comparison with a whole sweep": (
        only("strategies", "[{erl: {against: prl}}, {prl: {decay: {sweep: [1, 1.5]}}}]"),
        ["my.yaml:5:30  strategies.erl.against: prl is swept. Name one of its rows: prl[decay=1], prl[decay=1.5]."],
    ),
    "settings beside their strategy": (
        HEAD + "strategies:\n  - prl:\n    decay: 1\n",
        ["my.yaml:6:5  strategies: one name an item, found prl, decay. Indent the settings of prl below it."],
    ),
    "strategies without hyphens": (
        HEAD + "strategies:\n  prl: {}\n",
        ["my.yaml:6:3  strategies: a mapping is not a list. Put '- ' before each of its items."],
    ),
    "a list in the list": (
        only("strategies", "[[base]]"),
        ["my.yaml:5:14  strategies: a list is not a strategy. Write its name, or its name: {settings}."],
    ),
    "an unknown backbone": (
        only("backbones", "[sasrek]"),
        [f"my.yaml:5:13  backbones: unknown backbone 'sasrek'. Did you mean 'sasrec'? Known: {BACKBONE_NAMES}."],
    ),
    "settings that are a list": (
        only("backbones", "[{sasrec: [64]}]"),
        ["my.yaml:5:22  backbones.sasrec: a list is not a mapping of settings (key: value)."],
    ),
    "an unknown reference": (
        FILE + "references: [popularity, markow]\n",
        ["my.yaml:6:26  references: unknown reference 'markow'. Did you mean 'markov'? Known: markov, popularity."],
    ),
    "a backbone among the references": (
        FILE + "references: [sasrec]\n",
        ["my.yaml:6:14  references: unknown reference 'sasrec'. Known: markov, popularity."],
    ),
    "a reference twice": (
        FILE + "references: [markov, popularity, markov]\n",
        ["my.yaml:6:34  references: markov stands here twice. Remove one of them."],
    ),
    "a reference with settings": (
        FILE + "references: [markov: {order: 2}]\n",
        ["my.yaml:6:14  references: a mapping is not a reference. Write its name. Known: markov, popularity."],
    ),
    "references that are a mapping": (
        FILE + "references: {markov: 1}\n",
        ["my.yaml:6:13  references: a mapping is not a list. Put '- ' before each of its items."],
    ),
    # steps and seeds
    "half a step": (
        only("steps", "2.5"),
        ["my.yaml:5:8  steps: 2.5 is not a whole number. Allowed: whole numbers from 0, or {search: [...]}."],
    ),
    "negative steps": (
        only("steps", "[1, -1]"),
        ["my.yaml:5:12  steps: -1 is too small. Allowed: whole numbers from 0, or {search: [...]}."],
    ),
    "steps twice": (only("steps", "[1, 1]"), ["my.yaml:5:12  steps: 1 stands here twice. Remove one of them."]),
    "swept steps": (
        only("steps", "{sweep: [1, 2]}"),
        ["my.yaml:5:8  steps: a mapping is neither a list of whole numbers nor {search: [...]}."],
    ),
    "no seeds": (
        only("seeds", ""),
        ["my.yaml:1:1  seeds: missing. Give the seeds of the final runs, such as seeds: [1, 2, 3]."],
    ),
    "a seed twice": (only("seeds", "[1, 2, 1]"), ["my.yaml:5:15  seeds: 1 stands here twice. Remove one of them."]),
    "the search's seed": (
        only("seeds", "[0, 1]"),
        [
            "my.yaml:5:9  seeds: 0 is the seed of the search. Final runs need seeds of their own: leave it out, or "
            "change search.seed."
        ],
    ),
    # the other sections
    "no budget": (
        FILE + "search: {trials: 0}\n",
        ["my.yaml:6:18  search.trials: 0 is too small. Allowed: whole numbers from 1."],
    ),
    "an unknown sampler": (
        FILE + "search: {sampler: randon}\n",
        ["my.yaml:6:19  search.sampler: randon is unknown. Did you mean 'random'? Allowed: tpe, random, grid."],
    ),
    "no window": (
        FILE + "search: {window: 0}\n",
        ["my.yaml:6:18  search.window: 0 is too small. Allowed: whole numbers from 1."],
    ),
    "an unknown metric": (
        FILE + "search: {metric: ndcg20}\n",
        [
            "my.yaml:6:18  search.metric: ndcg20 is unknown. Did you mean 'ndcg@20'? Allowed: ndcg@10, ndcg@20, "
            "recall@10, recall@20, mrr."
        ],
    ),
    "a searched budget": (
        FILE + "search: {trials: {search: [1, 2]}}\n",
        ["my.yaml:6:18  search.trials: cannot be searched or swept. Allowed: whole numbers from 1."],
    ),
    "a grid over a range": (
        FILE + "search: {sampler: grid}\ntraining: {lr: {search: {low: 0.001, high: 0.1, log: true}}}\n",
        [
            "my.yaml:6:19  search.sampler: grid goes through lists, and a range is given for training.lr. Give lists "
            "there, or take the sampler tpe or random."
        ],
    ),
    "an underscore in a number": (
        FILE + "training: {batch_size: 2_048}\n",
        ["my.yaml:6:24  training.batch_size: 2_048 is not a whole number. Allowed: whole numbers from 1."],
    ),
    "users that are no list": (
        FILE + "evaluation: {trace_users: 3}\n",
        ["my.yaml:6:27  evaluation.trace_users: 3 is not a list of whole numbers. Allowed: a list of whole numbers."],
    ),
    "a negative resource": (
        FILE + "resources: {gpu: -0.5, cpu: 0}\n",
        [
            "my.yaml:6:18  resources.gpu: -0.5 is too small. Allowed: numbers from 0.",
            "my.yaml:6:29  resources.cpu: 0 is too small. Allowed: numbers above 0.",
        ],
    ),
    "a plug-in that is missing": (
        FILE + "plugins: [plug_in.py]\n",
        ["my.yaml:6:11  plugins: no such file: plug_in.py. Did you mean 'plugin.py'?"],
    ),
    "a plug-in that is broken, and a strategy of it": (
        only("strategies", "[base, mine]") + "plugins: [plugin.py]\n",
        ["my.yaml:6:11  plugins: plugin.py cannot be imported: ModuleNotFoundError: No module named 'nowhere_at_all'."],
    ),
    "vectors of a data set that is not there": (
        FILE + "vectors:\n  tinny: vectors.npy\n",
        ["my.yaml:7:3  vectors.tinny: no data set of this suite has this name. Did you mean 'tiny'? Known: tiny."],
    ),
    "vectors in a file that is missing": (
        FILE + "vectors: {tiny: vector.npy}\n",
        ["my.yaml:6:17  vectors.tiny: no such file: vector.npy. Did you mean 'vectors.npy'?"],
    ),
    "vectors in a file of another kind": (
        FILE + "vectors: vectors.pt\n",
        [
            "my.yaml:6:10  vectors: vectors.pt does not end in .npy or .safetensors, as files of item vectors do.",
        ],
    ),
    "vectors in no file": (
        FILE + "vectors: {tiny: [vectors.npy]}\n",
        ["my.yaml:6:17  vectors.tiny: a list is not the name of a file."],
    ),
    "vectors in a list": (
        FILE + "vectors: [vectors.npy]\n",
        [
            "my.yaml:6:10  vectors: a list is no mapping of data sets to files. Write one, such as vectors: {tiny: "
            "vectors.npy}."
        ],
    ),
    "one file of vectors for two data sets": (
        only("datasets", "[tiny, ml-100k]") + "vectors: vectors.npy\n",
        [
            "my.yaml:6:10  vectors: vectors.npy is no mapping of data sets to files. Write one, such as vectors: "
            "{tiny: vectors.npy}."
        ],
    ),
    # several at once
    "many mistakes, sorted by line": (
        "name: a b\ndatasets: []\nbackbones: [sasrec]\nstrategies: [base, {erl: {kl_wieght: 1}}]\nsteps: 2.5\n"
        "seeds: [1]\ntraining: {lr: 0}\n",
        [
            f"my.yaml:1:7  name: a b cannot be a name. {NAMES}",
            "my.yaml:2:11  datasets: the list is empty. Name the data sets, such as datasets: [tiny].",
            "my.yaml:4:27  strategies.erl.kl_wieght: unknown hyper-parameter. Did you mean 'kl_weight'? Known: "
            "diversity, kl_weight, recipe, score_temperature.",
            "my.yaml:5:8  steps: 2.5 is not a whole number. Allowed: whole numbers from 0, or {search: [...]}.",
            "my.yaml:7:16  training.lr: 0 is too small. Allowed: numbers above 0.",
        ],
    ),
}

OVERRIDES = {
    "training.lr=abc": "training.lr: abc is not a number. Allowed: numbers above 0.",
    "trainings.lr=1": f"trainings: unknown key. Did you mean 'training'? {KEYS}",
    "strategies.prll.decay=2": "strategies.prll: no row has this name. Did you mean 'prl'? Known: base, prl.",
    "strategies.prl.deccay=2": (f"strategies.prl.deccay: unknown hyper-parameter. Did you mean 'decay'? {PRL}"),
    "backbones.sasrec.width=33": "backbones.sasrec: width 33 is not a multiple of heads 2.",
    "search.trials=0": "search.trials: 0 is too small. Allowed: whole numbers from 1.",
    "references=[popularty]": (
        "references: unknown reference 'popularty'. Did you mean 'popularity'? Known: markov, popularity."
    ),
    "steps=[1, 2.5]": "steps: 2.5 is not a whole number. Allowed: whole numbers from 0, or {search: [...]}.",
    "seeds=[1": "not YAML: expected ',' or ']', but got '<stream end>' (while parsing a flow sequence).",
    "training={lr: 1, lr: 2}": "lr: this key stands here twice. Remove one of them.",
    "datasets=!x tiny": "the tag !x is not allowed. Write the value plainly, without a tag.",
    "extends=other.yaml": "extends: cannot be set on the command line.",
    "training.lr": "expected key.path=value, such as training.lr=0.01.",
    "training..lr=1": "expected key.path=value, such as training.lr=0.01.",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a sound suite and a broken plug-in beside the suite under test."""
    monkeypatch.chdir(tmp_path)
    for registry in (BACKBONES, STRATEGIES):
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))
    (tmp_path / "my_parent.yaml").write_text(FILE)
    (tmp_path / "plugin.py").write_text("import nowhere_at_all\n")
    (tmp_path / "vectors.npy").write_bytes(b"")
    return tmp_path


def words(*problems: str) -> str:
    count = f"{len(problems)} problem{'s' if len(problems) > 1 else ''}, nothing was started."
    return "\n".join([*problems, count])


@pytest.mark.parametrize(("text", "problems"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_suite_file_gets_its_exact_message(folder: Path, text: str, problems: list[str]) -> None:
    (folder / "my.yaml").write_text(text)
    with pytest.raises(SuiteError) as caught:
        load_suite(Path("my.yaml"))
    assert str(caught.value) == words(*problems)


@pytest.mark.parametrize(("override", "problem"), OVERRIDES.items(), ids=OVERRIDES.keys())
def test_a_broken_override_is_named_as_it_was_typed(folder: Path, override: str, problem: str) -> None:
    (folder / "my.yaml").write_text(only("strategies", "[base, prl]"))
    with pytest.raises(SuiteError) as caught:
        load_suite(Path("my.yaml"), overrides=(override,))
    assert str(caught.value) == words(f"--set {override}  {problem}")


def test_problems_of_the_file_its_parent_and_the_command_line_come_in_this_order(folder: Path) -> None:
    (folder / "my.yaml").write_text("extends: sub/parent.yaml\nsteps: [-1]\n")
    (folder / "sub").mkdir()
    (folder / "sub" / "parent.yaml").write_text(FILE + "training:\n  patience: 0\n")
    with pytest.raises(SuiteError) as caught:
        load_suite(Path("my.yaml"), overrides=("training.lr=0",))
    assert str(caught.value) == words(
        "my.yaml:2:9  steps: -1 is too small. Allowed: whole numbers from 0, or {search: [...]}.",
        "sub/parent.yaml:7:13  training.patience: 0 is too small. Allowed: whole numbers from 1.",
        "--set training.lr=0  training.lr: 0 is too small. Allowed: numbers above 0.",
    )


def test_files_that_extend_each_other_are_told_with_their_circle(folder: Path) -> None:
    (folder / "my.yaml").write_text(FILE + "extends: b.yaml\n")
    (folder / "b.yaml").write_text("extends: my.yaml\n")
    with pytest.raises(SuiteError) as caught:
        load_suite(Path("my.yaml"))
    assert str(caught.value) == words("b.yaml:1:10  extends: goes round in a circle: my.yaml -> b.yaml -> my.yaml.")


def test_a_suite_that_is_not_there_is_told_without_a_position(folder: Path) -> None:
    with pytest.raises(SuiteError) as caught:
        load_suite(Path("my_parant.yaml"))
    assert str(caught.value) == words("my_parant.yaml  no such file. Did you mean 'my_parent.yaml'?")


def test_a_file_that_is_not_text_is_told_where(folder: Path) -> None:
    (folder / "my.yaml").write_bytes(b"datasets: [tiny]\nname: \xff\n")
    with pytest.raises(SuiteError) as caught:
        load_suite(Path("my.yaml"))
    assert str(caught.value) == words("my.yaml:2:7  the file is not UTF-8 text.")
