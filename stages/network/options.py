"""Params of training, checked at birth. Free of TensorFlow."""

from dataclasses import dataclass

from stages.engine.check import at_least, between, one_of, ordered, refuse

BACKBONES = (
    "ConvNeXtTiny", "ConvNeXtSmall", "ConvNeXtBase", "DenseNet121", "DenseNet169", "DenseNet201",
    "EfficientNetB0", "EfficientNetB1", "EfficientNetB2", "EfficientNetB3", "EfficientNetV2B0",
    "EfficientNetV2B1", "EfficientNetV2B2", "EfficientNetV2B3", "EfficientNetV2S", "InceptionV3",
    "MobileNet", "MobileNetV2", "MobileNetV3Small", "MobileNetV3Large", "ResNet50", "ResNet101",
    "ResNet50V2", "ResNet101V2", "VGG16", "VGG19", "Xception",
)  # fmt: skip
"""The `keras.applications` networks that `train.network` takes by name."""

MONITORS = ("val_auroc", "val_loss", "shift_auroc")
"""What can choose the epoch. "shift_auroc" is the mean over the shift validations (docs)."""


@dataclass(frozen=True)
class AugmentOptions:
    """How far a training image may be moved from itself, whatever its label.

    Every range is drawn from uniformly, per image and epoch.

    enabled: false trains on whole images as they are.
    area: share of the image's area that a crop keeps.
    aspect: a crop's width / height is exp(u), u within +- this.
    rotate_deg: rotation within +- this, degrees.
    flip: mirror left and right with probability 1/2.
    brightness: added grey level, within +- this share of 255.
    contrast: factor exp(u), u within +- this.
    gamma: exponent exp(u), u within +- this.
    blur_px: standard deviation of a Gaussian blur, pixels, up to this, on half the images.
    resample: half the images are shrunk by a factor down to this and enlarged again.
    noise: standard deviation of Gaussian noise, up to this share of 255, on half the images.
    """

    enabled: bool
    area: tuple[float, ...]
    aspect: float
    rotate_deg: float
    flip: bool
    brightness: float
    contrast: float
    gamma: float
    blur_px: float
    resample: float
    noise: float

    def __post_init__(self) -> None:
        ordered("train.augment.area", self.area, 0.05, 1)
        between("train.augment.aspect", self.aspect, 0, 1)
        between("train.augment.rotate_deg", self.rotate_deg, 0, 45)
        between("train.augment.brightness", self.brightness, 0, 0.5)
        between("train.augment.contrast", self.contrast, 0, 1)
        between("train.augment.gamma", self.gamma, 0, 1)
        between("train.augment.blur_px", self.blur_px, 0, 5)
        between("train.augment.resample", self.resample, 0.1, 1)
        between("train.augment.noise", self.noise, 0, 0.5)


@dataclass(frozen=True)
class TrainOptions:
    """The section `train` of params.yaml.

    seed: of weights, order and augmentation; moves no split.
    network: "compact" (residual, from scratch), "seed" (the notebook this project started
        from), or a name in BACKBONES.
    weights: for a backbone: "imagenet", a local weights file, or null for none.
    widths: channels of each stage of the compact network.
    blocks: residual blocks per stage of the compact network.
    crop_px: side of a training crop, pixels; images are judged whole, at preprocess.image_px.
    epochs, batch, learning_rate, weight_decay: AdamW; the rate warms up linearly for
        warmup_epochs and then falls to 0 as a cosine.
    label_smoothing: targets are moved this share of the way to 1/2.
    class_balance: weigh the loss so that both classes count the same.
    ema: momentum of the running average of the weights, which is what is judged and kept;
        0 for none.
    monitor: the validation quantity that chooses the epoch, one of MONITORS.
    patience: stop after this many epochs without a better one; 0 for never.
    precision: "float32"; the mixed ones are for GPUs.
    threads: intra-op threads. They decide the last bits, so they belong to the record.
    """

    seed: int
    network: str
    weights: str | None
    widths: tuple[int, ...]
    blocks: int
    crop_px: int
    epochs: int
    batch: int
    learning_rate: float
    weight_decay: float
    warmup_epochs: float
    label_smoothing: float
    class_balance: bool
    ema: float
    monitor: str
    patience: int
    precision: str
    threads: int
    augment: AugmentOptions

    def __post_init__(self) -> None:
        between("train.seed", self.seed, 0, 2**32 - 1)
        one_of("train.network", self.network, ("compact", "seed", *BACKBONES))
        if self.weights is not None and self.network not in BACKBONES:
            raise refuse("train.weights", f"null for the network {self.network!r}", self.weights)
        if not self.widths or min(self.widths) < 1:
            raise refuse("train.widths", "a list of channel counts from 1", list(self.widths))
        between("train.blocks", self.blocks, 1, 16)
        between("train.crop_px", self.crop_px, 32, 1024)
        at_least("train.epochs", self.epochs, 1)
        at_least("train.batch", self.batch, 1)
        between("train.learning_rate", self.learning_rate, 1e-8, 10)
        between("train.weight_decay", self.weight_decay, 0, 10)
        between("train.warmup_epochs", self.warmup_epochs, 0, self.epochs)
        between("train.label_smoothing", self.label_smoothing, 0, 0.5)
        between("train.ema", self.ema, 0, 0.99999)
        one_of("train.monitor", self.monitor, MONITORS)
        at_least("train.patience", self.patience, 0)
        one_of("train.precision", self.precision, ("float32", "mixed_float16", "mixed_bfloat16"))
        between("train.threads", self.threads, 1, 256)
