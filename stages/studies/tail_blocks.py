"""Which images a model of the study of the tail is trained on, and which it is judged on.

The normals of the roles train and val are divided into blocks of a kind (`images.shift.kinds`).
The model of a block is trained on the role train less every image of the block's groups, so it has
seen no normal of that kind. Validation positives are never trained on: every model is judged on
all of them. Nor are validation normals: outside the block they are the normals that a model has
not seen though it has seen their kind, which is what a random split promises, and what rules for
the threshold are fitted on. The epoch is chosen as in any training, on validation images outside
the block.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from stages.engine.arrays import Flags
from stages.engine.errors import InputError
from stages.images.options import PreprocessOptions
from stages.images.role_names import TAIL, TRAIN, VAL
from stages.images.shards import Role, Shards
from stages.images.shift import kinds, matched
from stages.images.shift.kinds import NUISANCES
from stages.sources.index import StoredImage

MATCHED = matched.ROLE
MIN_FOLDS, MAX_FOLDS = 2, 20


@dataclass(frozen=True)
class Block:
    """One block of normals and the images around it.

    Attributes:
        number: From 1, the block that looks most like positives.
        train: What its model is trained on.
        normals: The block itself: normals of the roles train and val.
        validation: The roles val and val_matched without the block's groups' normals.
    """

    number: int
    train: Role
    normals: Role
    validation: tuple[Role, ...]

    @property
    def val(self) -> Role:
        """The validation images drawn at random, positives and normals outside the block."""
        return self.validation[0]


def make_blocks(shards: Shards, nuisance: str, folds: int) -> list[Block]:
    """Divide the normals of the shards into blocks.

    Raises:
        InputError: The nuisance or the number of folds is none that there is, normals are held out
            already, or there are too few.
    """
    if nuisance not in NUISANCES:
        raise InputError(
            f"--nuisance: expected one of {', '.join(NUISANCES)}, received {nuisance!r}"
        )
    if not MIN_FOLDS <= folds <= MAX_FOLDS:
        raise InputError(
            f"--folds: expected a number from {MIN_FOLDS} to {MAX_FOLDS}, received {folds}"
        )
    if TAIL in shards.roles:
        raise InputError(
            f"{shards.folder}: expected every normal in train or val, received the role {TAIL}; "
            "set preprocess.tail_fraction to 0 and run `dvc repro preprocess`"
        )
    train, val = shards.role(TRAIN), shards.role(VAL)
    validation = [val, *(shards.role(name) for name in shards.roles if name == MATCHED)]
    records = pd.concat([train.records, val.records], ignore_index=True)
    groups = kinds.blocks_of_normals(
        np.concatenate([train.pixels, val.pixels]),
        records["label"].to_numpy().astype(np.int64),
        records["split_group"].tolist(),
        nuisance=nuisance,
        count=folds,
        seed=shards.manifest["options"]["seed"],
    )
    blocks = [
        _block(number, held_out, train, validation) for number, held_out in enumerate(groups, 1)
    ]
    for block in blocks:
        _require_normals(block, folds)
    return blocks


def _block(number: int, held_out: frozenset[str], train: Role, validation: Sequence[Role]) -> Block:
    val = validation[0]
    own = [_select(role, _normal(role) & _among(role, held_out)) for role in (train, val)]
    normals = Role(
        "block",
        np.concatenate([role.pixels for role in own]),
        pd.concat([role.records for role in own], ignore_index=True),
    )
    around = tuple(_select(role, ~(_normal(role) & _among(role, held_out))) for role in validation)
    return Block(number, _select(train, ~_among(train, held_out)), normals, around)


def _require_normals(block: Block, folds: int) -> None:
    left = {role.name: int(_normal(role).sum()) for role in (block.train, block.val)}
    empty = [name for name, count in left.items() if not count]
    if empty or not len(block.normals.records):
        raise InputError(
            f"--folds: expected normals in every block and outside it in train and val, received "
            f"none {'in ' + ' and '.join(empty) + ' outside' if empty else 'in'} block "
            f"{block.number} of {folds}; give fewer folds, or more images"
        )


def matched_copies(
    block: Block, images: Mapping[str, StoredImage], options: PreprocessOptions
) -> Role:
    """Return copies of a block's normals, re-acquired like positives that its model trained on.

    Args:
        block: Positives that its model is trained on are the donors.
        images: The raw images by path.
        options: Those of the shards, with the number of copies in `matched_donors`.

    Raises:
        InputError: An image of the shards is not among the raw ones.
    """
    normals, train = block.normals.records, block.train.records
    of_class = [normals["id"], train["id"][train["label"] == 1]]
    missing = [name for names in of_class for name in names if name not in images]
    if missing:
        raise InputError(
            f"data/raw: expected the image {missing[0]}, as in data/shards, found none; run "
            "`dvc repro preprocess`, or give --copies 0"
        )
    stored = [[images[name] for name in names] for names in of_class]
    ages = {image.row.path: 0 for part in stored for image in part}
    made = list(matched.matched_images(stored[0], [], stored[1], options, ages))
    records = normals.loc[np.repeat(np.arange(len(normals)), options.matched_donors)]
    return Role(
        "copies",
        np.stack([image.pixels for image in made]),
        records.assign(id=[image.record.id for image in made]).reset_index(drop=True),
    )


def _select(role: Role, chosen: Flags) -> Role:
    rows = np.flatnonzero(chosen)
    return Role(
        role.name, np.asarray(role.pixels[rows]), role.records.iloc[rows].reset_index(drop=True)
    )


def _normal(role: Role) -> Flags:
    return np.asarray(role.records["label"].to_numpy() == 0)


def _among(role: Role, groups: frozenset[str]) -> Flags:
    return np.asarray(role.records["split_group"].isin(groups))
