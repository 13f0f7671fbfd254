"""Wrong suite files: every mistake of a file with its line, column and key, what is allowed, and the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest

from rearec_bench.harness.suite.load import load_suite
from rearec_bench.harness.utils.errors import SuiteError

from .tables import cases, check, load, problems

HEAD = "datasets: [tiny]\nbackbones: [sasrec]\nsteps: [1]\nseeds: [1]\n"
FILE = HEAD + "strategies: [base]\n"

# the file as such, from its sixth line on
LINES = r"""
training: {lr: 1                      => 7:1: not YAML: expected ',' or '}'
training:\n	lr: 1                    => 7:1: not YAML: found character '\t'
---\nname: other                      => 6:1: not YAML: a suite is one document
? [a]\n: 1                            => 6:3: a key must be a plain name
name: *other                          => 6:7: found undefined alias 'other'
name: !!python/object/apply:os.getcwd [] => 6:7: the tag !!python/object/apply:os.getcwd ; 6:7 name: a list is not text
evaluation: &a {trace_users: *a}      => 6:13 evaluation.trace_users: itself ; 6:13 evaluation.trace_users: a list
seeds: [2]                            => 6:1 seeds: twice, first in line 4
trainings: {}                         => 6:1 trainings: Did you mean 'training'
name: ../up                           => 6:7 name: ../up cannot be a name
name: 10:30                           => 6:7 name: 10:30 cannot be a name
name: null                            => 6:7 name: null is not text
extends: my_parents.yaml              => 6:10 extends: Did you mean 'my_parent.yaml'
extends: [a.yaml]                     => 6:10 extends: one suite file, or the name of a suite that ships
extends: paper_default                => 6:10 extends: Did you mean 'paper_defaults'
extends: paper_defaults.yaml          => 6:10 extends: ships write paper_defaults
extends: my.yaml                      => 6:10 extends: circle: my.yaml -> my.yaml
references: [popularity, markow]      => 6:26 references: Did you mean 'markov'
references: [sasrec]                  => 6:14 references: Known: markov, popularity
references: [markov, popularity, markov] => 6:34 references: is given twice
references: [markov: {order: 2}]      => 6:14 references: a mapping is not text
references: {markov: 1}               => 6:13 references: Put '- ' before each
search: {trials: 0}                   => 6:18 search.trials: Allowed: whole numbers from 1
search: {sampler: randon}             => 6:19 search.sampler: Did you mean 'random'
search: {metric: ndcg20}              => 6:18 search.metric: Did you mean 'ndcg@20'
search: {trials: {search: [1, 2]}}    => 6:18 search.trials: Allowed: whole numbers from 1
search: {sampler: grid}\ntraining: {lr: {search: {low: 0.1, high: 1}}} => 6:19 search.sampler: for training.lr
training: {max_epochs: often}         => 6:24 training.max_epochs: Allowed: whole numbers from 1, or auto
training: {max_epochs: 0}             => 6:24 training.max_epochs: 0 is too small
training: {max_epochs: auto, schedule: {search: [constant, cosine]}} => 6:11 training: a cosine falls over max_epochs
training: {batch_size: 2_048}         => 6:24 training.batch_size: 2_048 is not a whole number
evaluation: {trace_users: 3}          => 6:27 evaluation.trace_users: Allowed: a list of whole numbers or text
evaluation: {mask_history: 1}         => 6:28 evaluation.mask_history: 1 is not true or false
resources: {gpu: -0.5, cpu: 0}        => 6:18 resources.gpu: numbers from 0 ; 6:29 resources.cpu: numbers above 0
resources: {timeout: 2 hours}         => 6:22 resources.timeout: Allowed: a number and a unit
plugins: [plug_in.py]                 => 6:11 plugins: Did you mean 'plugin.py'
vectors:\n  tinny: vectors.npy        => 7:3 vectors.tinny: Did you mean 'tiny'
vectors: {tiny: vector.npy}           => 6:17 vectors.tiny: Did you mean 'vectors.npy'
vectors: vectors.pt                   => 6:10 vectors: does not end in .npy or .safetensors
vectors: {tiny: [vectors.npy]}        => 6:17 vectors.tiny: a list is not text
vectors: [vectors.npy]                => 6:10 vectors: such as vectors: {tiny: vectors.npy}
"""

# a key in place of the suite's own, in the fifth line
KEYS = r"""
datasets: [tiny, a/b]                 => 5:18 datasets: a/b cannot be a name
datasets: [tiny, tiny]                => 5:18 datasets: is given twice
datasets:                             => 5:10 datasets: nothing is not a list. Allowed: a list of text.
backbones:                            => 5:11 backbones: nothing is not a list. Allowed: a list.
datasets: []                          => 5:11 datasets: the list is empty
datasets: [tiny, ml-100k]\nvectors: vectors.npy => 6:10 vectors: such as vectors: {tiny: vectors.npy}
steps: 2.5                            => 5:8 steps: whole numbers from 0, or {search: [...]}
steps: [1, -1]                        => 5:12 steps: -1 is too small
steps: [1, 1]                         => 5:12 steps: is given twice
steps: {sweep: [1, 2]}                => 5:9 steps.sweep: Known: search
steps: {search: [1, x]}               => 5:21 steps.search: x is not a whole number
seeds: [1, 2, 1]                      => 5:15 seeds: is given twice
seeds: {until: decided, most: 2}      => 5:31 seeds.most: 2 is too small. Allowed: whole numbers from 3 to 100.
seeds: {until: never, most: 9}        => 5:16 seeds.until: Allowed: decided
seeds: {until: decided}               => 5:8 seeds.most: missing. Write it, such as most: 10.
seeds: [0, 1]                         => 5:9 seeds: 0 is the seed of the search
strategies: [base, prll]              => 5:20 strategies: Did you mean 'prl'
strategies: [base, erl, {erl: {kl_weight: 1}}] => 5:25 strategies: the first in line 5
strategies: [{erl: {name: x}}, {prl: {name: x}}] => 5:45 strategies.prl.name: two rows are called 'x'
strategies: [{prl: {name: erl}}]      => 5:27 strategies.prl.name: the name of another strategy
strategies: [{prl: {name: 'a[b]'}}]   => 5:27 strategies.prl.name: cannot be a name
strategies: [base, {erl: {against: bsae}}] => 5:36 strategies.erl.against: Did you mean 'base'
strategies: [base, {erl: {against: erl}}] => 5:36 strategies.erl.against: compared with itself
strategies: [base, {erl: {againts: base}}] => 5:27 strategies.erl.againts: Did you mean 'against'
strategies: [{erl: {against: prl}}, {prl: {decay: {sweep: [1, 2]}}}] => 5:30 strategies.erl.against: prl[decay=2]
strategies:\n  - prl:\n    decay: 1   => 6:5 strategies: found prl, decay
strategies:\n  prl: {}                => 6:3 strategies: Put '- ' before each
strategies: [[base]]                  => 5:14 strategies: a list is not a strategy
strategies: [base, mine]\nplugins: [plugin.py] => 6:11 plugins: No module named 'nowhere_at_all'
backbones: [sasrek]                   => 5:13 backbones: Did you mean 'sasrec'
backbones: [{sasrec: [64]}]           => 5:22 backbones.sasrec: a list is not a mapping
backbones: [{sasrec: {dropout: 1.0}}] => 5:32 backbones.sasrec.dropout: too large. Allowed: numbers from 0 and below 1
backbones: [{sasrec: {width: 33}}]    => 5:22 backbones.sasrec: width 33 is not a multiple of heads 2
backbones: [{sasrec: {width: {search: [32, 48]}, heads: {sweep: [2, 32]}}}] => 5:22 backbones.sasrec: heads=32, width=48
backbones: [{sasrec: {dropout: {search: {low: 0, high: 1}}}}] => 5:56 backbones.sasrec.dropout.search.high: too large
"""

# a setting of prl, from the seventh column of the eighth line on
PRL = r"""
temprature: 1                         => 8:7 strategies.prl.temprature: Did you mean 'temperature'
temperature: hot                      => 8:20 strategies.prl.temperature: hot is not a number. Allowed: numbers above 0
temperature: '1'                      => 8:20 strategies.prl.temperature: '1' (in quotes) is not a number
temperature: 0                        => 8:20 strategies.prl.temperature: 0 is too small
temperature: .inf                     => 8:20 strategies.prl.temperature: .inf is not a number
temperature:                          => 8:19 strategies.prl.temperature: nothing is not a number
warmup_epochs: 10:30                  => 8:22 strategies.prl.warmup_epochs: 10:30 is not a whole number
contrastive: no                       => 8:20 strategies.prl.contrastive: no is not true or false
recipe: relased                       => 8:15 strategies.prl.recipe: Did you mean 'released'
score_temperature: none               => 8:26 strategies.prl.score_temperature: Allowed: numbers above 0, or null
decay: [1, 2]                         => 8:14 strategies.prl.decay: {search: [...]} to have one chosen
decay: {serch: [1, 2]}                => 8:15 strategies.prl.decay.serch: Did you mean 'search'
decay: {search: [1], sweep: [2]}      => 8:14 strategies.prl.decay: give one of
decay: {}                             => 8:14 strategies.prl.decay: give one of
decay: {search: []}                   => 8:23 strategies.prl.decay.search: the list is empty
decay: {sweep: []}                    => 8:22 strategies.prl.decay.sweep: the list is empty
decay: {sweep: 0.5}                   => 8:22 strategies.prl.decay.sweep: Allowed: a list of numbers
decay: {sweep: {low: 1, high: 2}}     => 8:22 strategies.prl.decay.sweep: a mapping is not a list
decay: {search: [1, x, 0]}            => 8:27 strategies.prl.decay.search: x ; 8:30 strategies.prl.decay.search: 0
decay: {search: [1, 1.0]}             => 8:27 strategies.prl.decay.search: 1.0 is given twice
decay: {sweep: [1, -2]}               => 8:26 strategies.prl.decay.sweep: -2 is too small
decay: {search: {low: 2, high: 2}}    => 8:29 strategies.prl.decay.search.low: not below high 2
decay: {search: {low: 2}}             => 8:23 strategies.prl.decay.search.high: missing
decay: {search: {low: 1, hihg: 2}}    => 8:32 strategies.prl.decay.search.hihg: Did you mean 'high'
noise_std: {search: {low: 0, high: 1, log: true}} => 8:33 strategies.prl.noise_std.search.low: no logarithm
contrastive: {search: {low: false, high: true}} => 8:29 strategies.prl.contrastive.search: only numbers have a range
"""

OVERRIDES = r"""
training.lr=abc                       => 0:0 training.lr: abc is not a number
training.lr=                          => 0:0 training.lr: nothing is not a number
trainings.lr=1                        => 0:0 trainings: Did you mean 'training'
strategies.prll.decay=2               => 0:0 strategies.prll: Did you mean 'prl'
strategies.prl.deccay=2               => 0:0 strategies.prl.deccay: Did you mean 'decay'
backbones.sasrec.width=33             => 0:0 backbones.sasrec: width 33 is not a multiple of heads 2
search.trials=0                       => 0:0 search.trials: 0 is too small
references=[popularty]                => 0:0 references: Did you mean 'popularity'
steps=[1, 2.5]                        => 0:0 steps: 2.5 is not a whole number
seeds=[1                              => 0:0: not YAML: expected ',' or ']'
training={lr: 1, lr: 2}               => 0:0 training.lr: this key stands here twice
datasets=!x tiny                      => 0:0: the tag !x is not allowed
extends=other.yaml                    => 0:0 extends: cannot be set on the command line
training.lr                           => 0:0: expected key.path=value
training..lr=1                        => 0:0: expected key.path=value
"""


def of_key(line: str) -> str:
    key = line.partition(":")[0]
    kept = [given for given in FILE.splitlines() if not given.startswith(f"{key}:")]
    return "\n".join([*kept, line]) + "\n"


BROKEN = [
    *cases(LINES, lambda line: f"{FILE}{line}\n"),
    *cases(KEYS, of_key),
    *cases(PRL, lambda line: f"{HEAD}strategies:\n  - base\n  - prl:\n      {line}\n"),
    ("", "1:1: the file is empty"),
    ("# nothing\n", "1:1: the file is empty"),
    ("- tiny\n", "1:1: not a mapping"),
    ("extends: my_parents.yaml\nseeds: [1]\n", "1:10 extends: Did you mean 'my_parent.yaml'"),
    (FILE + "name: \x07\n", "6:7: U+0007 is not allowed"),
    (FILE + f"name: {'[' * 100}{']' * 100}\n", "6:66: nested too deeply"),
    ("strategies: [base]\nsteps: [1]\nbackbones: [sasrec]\n", "1:1 datasets: datasets: [tiny] ; 1:1 seeds: missing"),
    (
        "name: a b\ndatasets: []\nbackbones: [sasrec]\nstrategies: [base, {erl: {kl_wieght: 1}}]\nsteps: 2.5\n"
        "seeds: [0]\ntraining: {lr: 0}\n",
        "1:7 name: cannot ; 2:11 datasets: empty ; 4:27 strategies.erl.kl_wieght: 'kl_weight' ; 5:8 steps: 2.5 ; "
        "6:9 seeds: the seed of the search ; 7:16 training.lr: too small",
    ),
]


@pytest.fixture
def folder(folder: Path) -> Path:
    """A working folder with a sound suite and a broken plug-in beside the suite under test."""
    (folder / "my_parent.yaml").write_text(FILE)
    (folder / "plugin.py").write_text("import nowhere_at_all\n")
    (folder / "vectors.npy").write_bytes(b"")
    return folder


@pytest.mark.parametrize(("text", "expected"), BROKEN, ids=[expected for _, expected in BROKEN])
def test_a_mistake_is_reported_with_its_place_and_what_is_allowed(folder: Path, text: str, expected: str) -> None:
    found = problems(text)
    check(found, expected)
    assert {problem.file for problem in found} == {"my.yaml"}


@pytest.mark.parametrize(("override", "expected"), cases(OVERRIDES, str))
def test_a_broken_override_is_named_as_it_was_typed(folder: Path, override: str, expected: str) -> None:
    found = problems(of_key("strategies: [base, prl]"), override)
    check(found, expected)
    assert found[0].file == f"--set {override}"


def test_a_message_says_what_where_what_is_allowed_and_how_many(folder: Path) -> None:
    with pytest.raises(SuiteError) as caught:
        load(f"{FILE}training: {{lr: hot}}\n")
    line = "my.yaml:6:16  training.lr: hot is not a number. Allowed: numbers above 0."
    assert str(caught.value) == f"{line}\n1 problem, nothing was started."
    with pytest.raises(SuiteError) as caught:
        load(f"{FILE}training: {{lr: hot, patience: 0}}\n")
    first, second, count = str(caught.value).splitlines()
    assert first == line and second.startswith("my.yaml:6:31  ") and count == "2 problems, nothing was started."


def test_problems_of_the_file_its_parent_and_the_command_line_come_in_this_order(folder: Path) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "parent.yaml").write_text(FILE + "training:\n  patience: 0\n")
    found = problems("extends: sub/parent.yaml\nsteps: [-1]\n", "training.lr=0")
    assert [str(problem).partition(": ")[0] for problem in found] == [
        "my.yaml:2:9  steps",
        "sub/parent.yaml:7:13  training.patience",
        "--set training.lr=0  training.lr",
    ]


def test_files_that_extend_each_other_are_reported_with_their_circle(folder: Path) -> None:
    (folder / "b.yaml").write_text("extends: my.yaml\n")
    (found,) = problems(FILE + "extends: b.yaml\n")
    assert str(found) == "b.yaml:1:10  extends: goes round in a circle: my.yaml -> b.yaml -> my.yaml."


def test_a_suite_that_is_not_there_is_reported_without_a_position(folder: Path) -> None:
    with pytest.raises(SuiteError) as caught:
        load_suite(Path("my_parant.yaml"))
    (found,) = caught.value.problems
    assert (found.line, str(found)) == (0, "my_parant.yaml  no such file. Did you mean 'my_parent.yaml'?")


def test_a_file_that_is_not_text_is_reported_where_it_is_not(folder: Path) -> None:
    check(problems(b"datasets: [tiny]\nname: \xff\n"), "2:7: not UTF-8 text")
