"""Digests of everything that computes between fetch and evaluate, one building block at a time.

Inputs are made from integers, so they are equal everywhere. Where a whole pipeline differs between
two machines, the first block that differs names the cause.
"""

import functools
import hashlib
import math
from collections.abc import Callable, Iterator
from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Blocks = Iterator[tuple[str, tuple[Any, ...]]]

FAMILIES = (
    *("ConvNeXtTiny", "DenseNet121", "EfficientNetB0", "EfficientNetLite0", "EfficientNetV2B0"),
    "InceptionV3",
    *("MobileNet", "MobileNetV2", "MobileNetV3Small", "ResNet50", "ResNet50V2", "VGG16"),
    "Xception",
)
"""The smallest backbone of each family; the others have more of the same layers."""

STEPS = 3
TRAINED = ("EfficientNetLite0", "DenseNet121")
"""Networks of the presets that are trained for STEPS steps; `compact` is, with `seed`, for more."""

BY_CACHE = {
    *(f"{network}: gradients" for network in FAMILIES),
    *(f"{network}: weights after {STEPS} steps" for network in TRAINED),
}
"""Blocks that may differ within the class: oneDNN cuts some large sums by the sizes of caches."""


def digests(report: Callable[[str], None] = lambda _: None) -> dict[str, str]:
    """Compute every block: the first 16 hex digits of the SHA-256 of its arrays, by its name."""
    from stages.engine import devices

    devices.configure(2)
    found: dict[str, str] = {}
    for group in (_c_library, _numpy, _opencv, _codecs, _baselines, _operations, _layers):
        for name, arrays in group():
            found[name] = _digest(arrays)
        report(group.__name__.strip("_"))
    for name, arrays in _project():
        found[name] = _digest(arrays)
    report("project")
    for network in FAMILIES:
        for name, arrays in _backbone(network):
            found[name] = _digest(arrays)
        report(network)
    for network in TRAINED:
        name = f"{network}: weights after {STEPS} steps"
        found[name] = _digest(_trained(network))
        report(name)
    return found


def _digest(arrays: tuple[Any, ...]) -> str:
    hashed = hashlib.sha256()
    for array in arrays:
        contiguous = np.ascontiguousarray(np.asarray(array))
        hashed.update(f"{contiguous.dtype} {contiguous.shape}".encode())
        hashed.update(contiguous.tobytes())
    return hashed.hexdigest()[:16]


def _integers(seed: int, *shape: int, bits: int = 20) -> Array:
    return np.random.default_rng(seed).integers(1 - (1 << bits), 1 << bits, shape)


def _float32(seed: int, *shape: int) -> Array:
    """Numbers within +-2 that float32 holds exactly."""
    return (_integers(seed, *shape) / (1 << 19)).astype(np.float32)


def _images(seed: int, count: int, px: int) -> npt.NDArray[np.uint8]:
    return np.random.default_rng(seed).integers(0, 256, (count, px, px), dtype=np.uint8)


def _smooth(px: int) -> npt.NDArray[np.uint8]:
    blocks = np.random.default_rng(5).integers(0, 256, (8, 8), dtype=np.uint8)
    return np.kron(blocks, np.ones((px // 8, px // 8), np.uint8)).astype(np.uint8)


def _c_library() -> Blocks:
    numbers = [number / 4099 for number in range(1, 20001)]
    functions = (math.exp, math.log, math.log1p, math.sin, math.cos, math.expm1, math.tanh)
    for function in functions:
        yield f"C library: {function.__name__}", ([function(x) for x in numbers],)
    yield "C library: pow", ([x**1.37 for x in numbers],)


def _numpy() -> Blocks:
    rng = np.random.default_rng(0)
    draws = rng.random(9999), rng.permutation(9999), rng.integers(2**40, size=9999)
    yield "NumPy: generator", (*draws, np.frombuffer(rng.bytes(9999), np.uint8))
    x = np.abs(_integers(1, 100_003)) / 65536.0 + 0.125
    for function in (np.exp, np.log, np.log1p, np.sqrt, np.sin, np.cos):
        yield f"NumPy: {function.__name__}", (function(x / 4),)
    yield "NumPy: power, logaddexp", (x**1.37, np.logaddexp(0, x - 9))
    yield "NumPy: sums", (x.sum(), x.mean(), x.std(), x.cumsum(), np.median(x))
    yield "NumPy: quantile", (np.quantile(x, [0.025, 0.3, 0.975]),)
    y = x.astype(np.float32)
    yield "NumPy: float32 sums and roots", (y.sum(), y.mean(), np.sqrt(y), 1 / y, y @ y)
    square = x[:90_000].reshape(300, 300)
    yield "NumPy: products", (square @ square.T, square @ square[0], square[0] @ square)
    yield "NumPy: solve", (np.linalg.solve(square + 40 * np.eye(300), square[0]),)


def _opencv() -> Blocks:
    matrix = np.round(np.array([[0.83, -0.127, 11.7], [0.127, 1.21, 5.2]]) * 2**20) / 2**20
    for name, image in (("noise", _images(2, 1, 160)[0]), ("blocks", _smooth(160))):
        sizes = {"area": (61, 47), "linear up": (277, 311), "linear down": (101, 97)}
        for way, size in sizes.items():
            method = cv2.INTER_AREA if way == "area" else cv2.INTER_LINEAR
            yield f"OpenCV: {way}, {name}", (cv2.resize(image, size, interpolation=method),)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        yield (
            f"OpenCV: warpAffine, {name}",
            (cv2.warpAffine(image, matrix, (128, 128), flags=flags),),
        )
        blurred = [cv2.GaussianBlur(image, (0, 0), deviation) for deviation in (0.4, 0.9, 1.25)]
        yield f"OpenCV: blur, {name}", tuple(blurred)
        laplacian = cv2.Laplacian(image, cv2.CV_16S)
        yield f"OpenCV: Laplacian, {name}", (laplacian, cv2.norm(laplacian, cv2.NORM_L1))
        real = image.astype(np.float32)
        yield f"OpenCV: area float32, {name}", (cv2.resize(real, (24, 24), interpolation=3),)
        cells = real[:10, :10] / 255
        yield f"OpenCV: cubic float32, {name}", (cv2.resize(cells, (160, 160), interpolation=2),)
        colour = cv2.applyColorMap(image, cv2.COLORMAP_INFERNO)
        place, white = (4, 40), (255, 255, 255)
        font, smooth = cv2.FONT_HERSHEY_SIMPLEX, cv2.LINE_AA
        cv2.putText(colour, "0.973 normal", place, font, 0.42, white, 1, smooth)
        yield f"OpenCV: colours, text, PNG, {name}", (colour, cv2.imencode(".png", colour)[1])


def _codecs() -> Blocks:
    import imagecodecs
    import simplejpeg

    for name, image in (("noise", _images(3, 1, 160)[0]), ("blocks", _smooth(160))):
        jpeg = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, 71])[1]
        decoded = simplejpeg.decode_jpeg(jpeg.tobytes(), "GRAY")
        yield f"JPEG, {name}", (jpeg, decoded, cv2.imdecode(jpeg, cv2.IMREAD_GRAYSCALE))
        lossy = imagecodecs.jpeg2k_encode(image, level=40, reversible=False)
        yield f"JPEG 2000, lossy, {name}", (imagecodecs.jpeg2k_decode(lossy),)


def _baselines() -> Blocks:
    import pandas as pd

    from stages.metrics import baselines

    count = 240
    label = np.arange(count) % 3 == 0
    pixels = _images(4, count, 64)
    pixels[label, :, :6] //= 2
    facts = {"width": 900 + 7 * label, "height": 700 + np.arange(count), "icc": label}
    facts |= {"bytes": 90_000 + 11 * np.arange(count), "jpeg_table_mean": np.arange(count) % 7}
    records = pd.DataFrame({"label": label.astype(int), **facts})
    fitted = baselines.fit(records, pixels)
    for name, model in fitted.fitted.items():
        yield f"baseline {name}: coefficients, 9 decimals", (np.round(model[-1].coef_, 9),)
    for name, probability in fitted.probabilities(records, pixels).items():
        yield f"baseline {name}: probabilities", (probability,)


def _operations() -> Blocks:
    import tensorflow as tf

    x = tf.constant(np.abs(_float32(6, 100_003)) * 5 + 0.25)
    unary = (tf.sqrt, tf.exp, tf.sigmoid, tf.nn.silu, tf.math.log, tf.tanh)
    for function in (*unary, tf.math.erf, tf.nn.relu6, tf.square, tf.cos):
        yield f"TensorFlow: {function.__name__}", (function(x), function(-x + 4))
    yield "TensorFlow: division", (3 / x, x / (x + 1))
    steps = range(1, 400)
    scalars = [tf.pow(tf.constant(0.999), tf.constant(float(step))) for step in steps]
    yield "TensorFlow: powers of a scalar", tuple(scalars)
    z = tf.constant(_float32(7, 32, 32, 32, 32))
    sums = tf.reduce_sum(z), tf.reduce_mean(z, [0, 1, 2]), tf.reduce_mean(z, [1, 2])
    yield "TensorFlow: sums", (*sums, *tf.nn.moments(z, [0, 1, 2]), *tf.nn.moments(z, [1, 2, 3]))
    flat = tf.reshape(z, [256, 4096])[:, :128]
    yield (
        "TensorFlow: products",
        (tf.matmul(flat, flat, transpose_a=True), tf.matmul(flat, flat[:128])),
    )
    for kernel, stride, fro, to, px in (
        *((3, 2, 1, 16, 128), (3, 2, 16, 16, 64), (3, 2, 16, 32, 32), (1, 1, 16, 32, 32)),
        *((3, 2, 32, 64, 16), (3, 2, 64, 128, 8), (3, 1, 128, 128, 4), (5, 1, 24, 40, 14)),
    ):
        images = tf.constant(_float32(px, 32, px, px, fro))
        weights = tf.constant(_float32(to, kernel, kernel, fro, to))

        def convolved(x: Any, w: Any, stride: int = stride) -> Any:
            return tf.nn.conv2d(x, w, stride, "SAME")

        name = f"TensorFlow: convolution {kernel}x{kernel}/{stride} {fro} to {to}, {px} px"
        yield name, _with_gradients(convolved, images, weights)
    for kernel, stride, channels, px in (
        (3, 1, 32, 32),
        (3, 2, 96, 16),
        (5, 1, 48, 8),
        (7, 1, 96, 8),
    ):
        images = tf.constant(_float32(px, 16, px, px, channels))
        weights = tf.constant(_float32(kernel, kernel, kernel, channels, 1))

        def depthwise(x: Any, w: Any, stride: int = stride) -> Any:
            return tf.nn.depthwise_conv2d(x, w, [1, stride, stride, 1], "SAME")

        name = f"TensorFlow: depthwise {kernel}x{kernel}/{stride} {channels}, {px} px"
        yield name, _with_gradients(depthwise, images, weights)
    for pooling in (tf.nn.avg_pool2d, tf.nn.max_pool2d):
        pooled = _with_gradients(functools.partial(pooling, ksize=3, strides=2, padding="SAME"), z)
        yield f"TensorFlow: {pooling.__name__}", pooled


def _with_gradients(function: Callable[..., Any], *arguments: Any) -> tuple[Any, ...]:
    """A function's value, and the gradients of the sum of its squares."""
    import tensorflow as tf

    @tf.function  # as in training: oneDNN's kernels are chosen in graphs
    def both(*arguments: Any) -> Any:
        with tf.GradientTape() as tape:
            tape.watch(arguments)
            value = function(*arguments)
            total = tf.reduce_sum(value * value)
        return [value, *tape.gradient(total, arguments)]

    return tuple(both(*arguments))


def _layers() -> Blocks:
    import keras
    import tensorflow as tf

    from stages.network import portable_ops

    portable_ops.install()
    x = tf.constant(_float32(8, 8, 16, 16, 32))
    norms = (keras.layers.BatchNormalization, keras.layers.LayerNormalization)
    for layer in (*(norm() for norm in norms), keras.layers.GroupNormalization(1)):
        layer.build(x.shape)
        name = type(layer).__name__

        def training(x: Any, layer: Any = layer) -> Any:
            return layer(x, training=True)

        yield f"Keras: {name}", _with_gradients(training, x)
        yield f"Keras: {name}, prediction", (layer(x, training=False), *layer.get_weights())
    for name in ("gelu", "silu", "hard_silu", "relu6"):
        yield f"Keras: {name}", _with_gradients(getattr(keras.activations, name), x)
    keras.utils.set_random_seed(3)
    for initializer in ("HeNormal", "GlorotUniform", "TruncatedNormal"):
        made = getattr(keras.initializers, initializer)(seed=3)((3, 3, 64, 128))
        yield f"Keras: {initializer}", (made,)
    targets = tf.constant((_integers(9, 4096) % 2).astype(np.float32))
    logits = tf.constant(_float32(10, 4096) * 8)
    yield "loss", _with_gradients(lambda z: portable_ops.cross_entropy(targets, z), logits)


def _project() -> Blocks:
    import keras
    import pandas as pd

    from stages.engine import devices
    from stages.images.shards import Role
    from stages.network import domain_fit, fine_tune, operating_point, saliency
    from stages.network.augment import crop
    from stages.network.model import build
    from stages.network.predict import answerer, predictor
    from stages.network.step import make_optimizer, make_step, targets_of
    from stages.settings import params

    options = params.load().train
    pixels = _images(11, 9, 160)
    pixels[3] = _smooth(160)
    for record in range(9):
        crops = [
            crop(pixels[record], 128, options.augment, seed=0, epoch=epoch, record=record)
            for epoch in range(30)
        ]
        yield f"project: 30 crops of image {record}", tuple(crops)

    labels = np.random.default_rng(4).integers(0, 2, 32 * 6)
    for network, px in (("compact", 128), ("seed", 64)):
        keras.backend.clear_session()
        chosen = options.model_copy(update={"network": network, "crop_px": px})
        model = build(chosen, px)
        yield f"{network}: first weights", tuple(model.get_weights())
        tuned = fine_tune.prepare(model, chosen)
        optimizer = make_optimizer(chosen, 137, tuned)
        step = make_step(devices.strategy(), model, optimizer, chosen, tuned.variables)
        targets, weights = targets_of(labels, chosen)
        for number in range(6):
            batch = slice(32 * number, 32 * number + 32)
            loss = step(_images(20 + number, 32, px), targets[batch], weights[batch])
            if number in (0, 1, 5):
                yield f"{network}: loss of step {number + 1}", (loss,)
        yield f"{network}: weights after 6 steps", tuple(model.get_weights())
        yield f"{network}: optimizer after 6 steps", tuple(v.numpy() for v in optimizer.variables)
        whole = 160 if network == "compact" else px
        yield f"{network}: logits", (predictor(model)(_images(30, 40, whole)),)
        roles = [
            Role(name, _images(seed, count, whole), pd.DataFrame({"label": np.arange(count) % 2}))
            for seed, (name, count) in enumerate((("train", 96), ("val", 40)), start=32)
        ]
        domain = domain_fit.fit(model, chosen, roles[0], roles[1:])
        yield f"{network}: domain", tuple(vars(domain).values())
        yield f"{network}: answers", answerer(model, domain)(_images(34, 20, whole))
        images = _images(31, 4, whole)
        yield f"{network}: saliency", (saliency.heatmaps(model, images),)
        yield f"{network}: sheet", (saliency.sheet(model, images, ["one"] * 4),)

    logits = (_integers(12, 900, bits=12) / 1024 + np.repeat([0.0, 2.0], 450)).astype(np.float32)
    kinds, patients = np.repeat([0, 1], 450), np.arange(900) // 3
    pools = {
        name: operating_point.Pool(logits[part::2], kinds[part::2], patients[part::2])
        for part, name in enumerate(("val", "val_matched"))
    }
    point = operating_point.fit(pools, seed=0)
    numbers = point.slope, point.intercept, *point.thresholds.values()
    yield "project: operating point", (numbers, point.probability(logits))


def _backbone(network: str) -> Blocks:
    """First weights, and logits and their gradients to the pixels and the first kernels."""
    import keras
    import tensorflow as tf

    from stages.network.model import build
    from stages.settings import params

    keras.backend.clear_session()
    options = params.load().train.model_copy(update={"network": network, "weights": None})
    px = 75 if network in ("InceptionV3", "Xception") else 64
    model = build(options, px)
    yield f"{network}: first weights", tuple(model.get_weights())
    x = tf.constant(_images(13, 2, px)[..., None].astype(np.float32))
    variables = model.trainable_variables[:8]
    with tf.GradientTape() as tape:
        tape.watch(x)
        logits = model(x, training=True)
        loss = tf.reduce_sum(logits * logits)
    yield f"{network}: logits", (logits,)
    yield f"{network}: gradients", tuple(tape.gradient(loss, [x, *(v.value for v in variables)]))


def _trained(network: str) -> tuple[Any, ...]:
    """The weights after a few steps at 64 px: depthwise gradients are shared among threads."""
    import keras

    from stages.engine import devices
    from stages.network import fine_tune
    from stages.network.model import build
    from stages.network.step import make_optimizer, make_step, targets_of
    from stages.settings import params

    keras.backend.clear_session()
    options = params.load().train.model_copy(update={"network": network, "weights": None})
    model = build(options, 64)
    tuned = fine_tune.prepare(model, options)
    optimizer = make_optimizer(options, 137, tuned)
    step = make_step(devices.strategy(), model, optimizer, options, tuned.variables)
    targets, weights = targets_of(np.arange(options.batch) % 2, options)
    for number in range(STEPS):
        step(_images(40 + number, options.batch, 64), targets, weights)
    return tuple(model.get_weights())
