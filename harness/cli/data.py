"""The commands that make and show data sets; `cli.py` puts them beside the others."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Literal

import click

from .options import complete_dataset, complete_recipe, data_dir_option, whole_number
from .program import FAILED, PROGRAM, with_folders

_MEGABYTE = 1_000_000
_number_option = partial(click.option, type=whole_number, metavar="NUMBER")


@click.command()
@click.argument("recipe", required=False, shell_complete=complete_recipe)
@click.option(
    "--recipe", "file", type=click.Path(path_type=Path), help="A recipe file of your own, in place of RECIPE."
)
@click.option("--source", type=click.Path(path_type=Path), help="Folder (or file) that holds the raw data.")
@click.option("--name", help="Name of the data set, for recipes that need one.")
@click.option(
    "--on-bad-line",
    type=click.Choice(["error", "skip"]),
    default="error",
    show_default=True,
    help="What a line that cannot be read gets; the card counts skipped ones.",
)
@_number_option("--users", help="Of `synthetic`: how many, such as 1e6.")
@_number_option("--items", help="Of `synthetic`: how many, such as 1e5.")
@_number_option("--mean-length", help="Of `synthetic`: interactions of a user, on average.  [default: 12]")
@_number_option("--seed", help="Of `synthetic`: other numbers make other data.  [default: 1]")
@data_dir_option
def prepare(
    recipe: str | None,
    file: Path | None,
    source: Path | None,
    name: str | None,
    on_bad_line: Literal["error", "skip"],
    users: int | None,
    items: int | None,
    mean_length: int | None,
    seed: int | None,
    data_dir: Path,
) -> None:
    """Make a data set from raw files, once.

    RECIPE says how; `rearec-bench datasets list` shows them all. A data set of your own takes a recipe file of a few
    lines (docs/datasets.md).

    \b
    Examples:
      rearec-bench prepare ml-100k --source DIR
      rearec-bench prepare --recipe my_shop.yaml --source DIR
      rearec-bench prepare sequences --name beauty --source FILE
      rearec-bench prepare splits --name industrial --source DIR
      rearec-bench prepare synthetic --users 1e6 --items 1e5
    """
    from ..datasets import prepare as preparation
    from ..datasets.describe import dropped_lines, short_card_lines
    from ..datasets.generate import synthetic
    from ..datasets.recipe import files as recipe_files
    from ..suite.load import suites_on
    from ..utils.errors import InputError
    from ..utils.meter import Meter

    if (recipe is None) == (file is None):
        raise InputError(
            f"give one recipe: a name or a file.  {PROGRAM} prepare NAME --source DIR  or  "
            f"{PROGRAM} prepare --recipe FILE --source DIR"
        )
    sizes = {"users": users, "items": items, "mean_length": mean_length, "seed": seed}
    size = synthetic.size_of(recipe, {key: n for key, n in sizes.items() if n is not None}, source=source)
    if size is not None:
        dataset = preparation.prepare_synthetic(size, data_dir=data_dir, name=name)
    else:
        chosen = recipe_files.read_recipe(file) if file is not None else preparation.find_recipe(str(recipe))
        if source is None:
            raise InputError(f"the folder of the raw data is missing. Type:  {chosen.advice(name or 'NAME')}")
        meter = Meter(sys.stderr)

        def show(done: int, total: int, file: str) -> None:
            meter.show(f"reading {file}", -(-done // _MEGABYTE), -(-total // _MEGABYTE), "MB")

        try:
            dataset = preparation.prepare(
                chosen,
                source=source,
                data_dir=data_dir,
                name=name,
                on_bad_line=on_bad_line,
                progress=show,
            )
        finally:
            meter.end()
    click.echo("\n".join([*short_card_lines(dataset.card), *dropped_lines(dataset.card)]))
    shipped = suites_on(dataset.name)
    following = f"{PROGRAM} plan {shipped[0]}" if shipped else f"datasets: [{dataset.name}]   in a suite of your own"
    click.echo(with_folders(f"More of it:  {PROGRAM} datasets show {dataset.name}\nNext:        {following}"))


@click.command()
@click.argument("name", shell_complete=complete_dataset)
@click.option(
    "--encoder",
    default="tfidf-svd",
    show_default=True,
    help="tfidf-svd; hf:MODEL for a language model (a name on huggingface.co, or a folder); file:PATH for vectors of "
    "your own (.npy, .safetensors, or a table with an item_id column).",
)
@click.option("--width", type=click.IntRange(min=1), help="Of the vectors, as far as the texts allow.  [default: 768]")
@click.option("--max-tokens", type=click.IntRange(min=1), help="hf: a longer text is cut.  [default: 512]")
@click.option(
    "--batch-tokens",
    type=click.IntRange(min=1),
    help="hf: in a batch, with padding.  [default: 4096 on a CPU, 16384 on a GPU]",
)
@click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    help="hf: cpu (float32) or cuda (bfloat16).  [default: a GPU where there is one]",
)
@click.option(
    "--missing",
    type=click.Choice(["error", "zero"]),
    help="Table: what an item without a row gets.  [default: error]",
)
@data_dir_option
def embed(
    name: str,
    encoder: str,
    width: int | None,
    max_tokens: int | None,
    batch_tokens: int | None,
    device: str | None,
    missing: Literal["error", "zero"] | None,
    data_dir: Path,
) -> None:
    """Make the item vectors of a data set from its texts, once.

    Backbones that read texts start from them (unisrec, morec). Language models need the extra `text`; the same
    command goes on where they were interrupted. More: docs/vectors.md.

    \b
    Examples:
      rearec-bench embed ml-100k
      rearec-bench embed ml-100k --width 256
      rearec-bench embed mine --encoder hf:google-bert/bert-base-uncased
      rearec-bench embed mine --encoder hf:meta-llama/Llama-3.1-8B
      rearec-bench embed mine --encoder hf:FOLDER --max-tokens 128
      rearec-bench embed mine --encoder file:vectors.npy
      rearec-bench embed mine --encoder file:vectors.csv --missing zero
    """
    from ..datasets import embed as embedding
    from ..datasets.describe import vector_lines
    from ..datasets.vectors.encoders.language_model import Options
    from ..utils.meter import Meter

    vectors = embedding.embed(
        name,
        data_dir=data_dir,
        encoder=encoder,
        width=width,
        options=Options(max_tokens, batch_tokens, device),
        missing=missing,
        meter=Meter(sys.stderr),
    )
    click.echo("\n".join(vector_lines(vectors.card)))
    click.echo("Next:        backbones: [unisrec, morec]   in a suite of your own")


@click.group()
def datasets() -> None:
    """List the data sets, show the card of one, or check it.

    \b
    Examples:
      rearec-bench datasets list
      rearec-bench datasets show tiny
      rearec-bench datasets verify tiny
    """


@datasets.command("list")
@data_dir_option
def list_datasets(data_dir: Path) -> None:
    """List data sets, and the recipes that make more.

    \b
    Example:
      rearec-bench datasets list
    """
    from ..datasets.describe import dataset_lines

    click.echo("\n".join(dataset_lines(data_dir)))


@datasets.command("show")
@click.argument("name", shell_complete=complete_dataset)
@data_dir_option
def show_dataset(name: str, data_dir: Path) -> None:
    """Show the card of a data set.

    Where it comes from, how it was made, what it holds, what was left out, its fingerprint.

    \b
    Example:
      rearec-bench datasets show tiny
    """
    from ..datasets import catalog
    from ..datasets.describe import card_lines, vector_lines

    click.echo("\n".join(card_lines(catalog.card(name, data_dir))))
    vectors = catalog.vectors_card(name, data_dir=data_dir) if name not in catalog.EMBEDDED else None
    if vectors is not None:
        click.echo("\n".join(f"  {line}" for line in vector_lines(vectors)))


@datasets.command("verify")
@click.argument("name", shell_complete=complete_dataset)
@click.option("--source", type=click.Path(path_type=Path), help="Folder (or file) with the raw data, to check it, too.")
@data_dir_option
def verify_dataset(name: str, source: Path | None, data_dir: Path) -> None:
    """Check a data set against its card.

    Checksums of its files, the fingerprint of its arrays, its item vectors; with --source, the raw files it was made
    from.

    \b
    Examples:
      rearec-bench datasets verify ml-100k
      rearec-bench datasets verify ml-100k --source DIR

    \b
    Exit status:
      0  all is as it was written down
      1  something is not, and what to type
    """
    from ..datasets import verify

    remedies = {}
    for check in verify.verify(name, data_dir=data_dir, source=source):
        if isinstance(check, str):
            click.echo(check)
            continue
        click.echo(f"{'wrong' if check.wrong else 'ok':<6}{check.what:<18} {check.wrong or check.detail}".rstrip())
        if check.wrong:
            remedies[check.remedy] = True
    if remedies:
        click.echo("\n".join(remedies), err=True)
        sys.exit(FAILED)
