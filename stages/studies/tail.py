"""How does a recipe do on normals of a kind that it did not train on? `pneumonia study tail`.

`val_tail` holds out one kind of normals, 15% of them. Here all normals are sorted by a nuisance and
cut into blocks; for each block a network is trained without it, and judges it. So every normal is
judged once, by a model that saw none like it. The role test is never read.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from stages.engine import devices
from stages.engine.console import print_note
from stages.engine.errors import InputError
from stages.engine.files import digest
from stages.images.shards import Role, Shards, open_shards
from stages.images.shift import stress
from stages.settings import params, paths, section
from stages.settings.params import Params
from stages.sources.index import StoredImage, open_raw
from stages.studies import tail_blocks, tail_pages, tail_table
from stages.studies.seeds import changed
from stages.studies.tail_blocks import Block
from stages.studies.tail_table import TailTable
from stages.studies.tail_training import FOLDER, BlockModel


def run(
    *,
    nuisance: str,
    folds: int,
    copies: int,
    stressed: bool,
    seeds: int,
    first: int | None,
    against: Path | None,
    settings: Sequence[str],
) -> str:
    """Train and judge the models that are not there yet; return the tables in Markdown.

    Figures are means over the seeds, whose models are paired one by one with those of `against`.

    Args:
        nuisance: What normals are sorted by, a name of `images.shift.kinds.NUISANCES`.
        folds: Number of blocks, and of trainings.
        copies: Re-acquired copies of each normal that are judged too.
        stressed: Whether the stress variants are judged too.
        first: How many blocks are judged, those that look most like positives; None: all.
        seeds: Trainings of each block: train.seed and the numbers that follow it.
        against: Answers of another recipe on the same blocks, to compare with.
        settings: "train.key=value", changes of params.yaml.

    Raises:
        InputError: There are no such blocks, settings are invalid, or `against` has other images.
    """
    if seeds < 1:
        raise InputError(f"--seeds: expected a number from 1, received {seeds}")
    if first is not None and not 1 <= first <= folds:
        raise InputError(f"--first: expected a number from 1 to {folds}, received {first}")
    options = with_settings(settings)
    other = None if against is None else tail_table.load(against)
    shards = open_shards(paths.SHARDS)
    blocks = tail_blocks.make_blocks(shards, nuisance, folds)[:first]
    devices.configure(options.train.threads)
    images = {image.row.path: image for image in open_raw(paths.RAW)[0]} if copies else {}
    parts = []
    recipes = [
        options.train.model_copy(update={"seed": options.train.seed + number})
        for number in range(seeds)
    ]
    for block in blocks:
        again = _copies(block, images, options, shards, copies)
        for recipe in recipes:
            model = BlockModel(block, recipe, shards.manifest["digest"])
            parts += _judge(block, model, again)
            if stressed:
                parts += _judge_stressed(block, model)
    facts = {
        "nuisance": nuisance,
        "folds": folds,
        "copies": copies,
        "seeds": seeds,
        "first": first or folds,
        "data": shards.manifest["digest"],
        "settings": list(settings),
        "params": options.train.model_dump(mode="json"),
    }
    table = TailTable(pd.concat(parts, ignore_index=True), facts)
    path = FOLDER / f"{digest([facts, table.rows['logit'].astype(str).tolist()])[:16]}.npz"
    table.save(path)
    print_note(f"answers are kept in {path}")
    return tail_pages.tables(table, options.evaluate, other)


def with_settings(settings: Sequence[str]) -> Params:
    """Return the params with changes of the section train.

    Raises:
        InputError: A change is invalid, or of another section.
    """
    elsewhere = [setting for setting in settings if not setting.startswith("train.")]
    if elsewhere:
        raise InputError(
            f"-S {elsewhere[0]}: expected a key of the section train, since the images are those "
            "in data/shards; change params.yaml and run `dvc repro preprocess` for others"
        )
    return params.check(changed(section.read(), list(settings)))


def _copies(
    block: Block, images: Mapping[str, StoredImage], options: Params, shards: Shards, count: int
) -> Role | None:
    if not count:
        return None
    as_stored = shards.manifest["options"] | {"matched_donors": count}
    return tail_blocks.matched_copies(
        block, images, options.preprocess.model_copy(update=as_stored)
    )


def _judge(block: Block, model: BlockModel, copies: Role | None) -> list[pd.DataFrame]:
    sets = {tail_table.BLOCK: block.normals}
    sets |= {role.name: role for role in block.validation}
    if copies is not None:
        sets[tail_table.COPIES] = copies
    return [
        tail_table.rows_of(model.name, name, role, model.logits(role.pixels))
        for name, role in sets.items()
    ]


def _judge_stressed(block: Block, model: BlockModel) -> list[pd.DataFrame]:
    """Judge changed copies of the block's normals and of the validation positives."""
    sick = block.val.records["label"].to_numpy() == 1
    positives = Role("val", block.val.pixels[sick], block.val.records[sick])
    parts = []
    for name, variant in stress.VARIANTS.items():
        for role in (block.normals, positives):
            logits = model.logits(stress.apply_variant(role.pixels, variant))
            parts.append(tail_table.rows_of(model.name, name, role, logits))
    return parts
