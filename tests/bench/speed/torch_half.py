"""The half in PyTorch, for an interpreter that has it.

Networks as in stages/network: `compact`, and EfficientNetLite0 of efficientnet_lite.py, padded on
both sides where TensorFlow pads one, which is equal work.
"""

import sys
from typing import Any

import torch  # type: ignore[import-not-found]
from torch import nn

from tests.bench.speed.tasks import Prepared, serve

LITE0 = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
"""Repeats, kernel, stride of the first, expansion, width."""


class Residual(nn.Module):  # type: ignore[misc]
    """A branch added to a shortcut, and a last activation."""

    def __init__(self, branch: Any, shortcut: Any, last: Any) -> None:
        super().__init__()
        self.branch, self.shortcut, self.last = branch, shortcut, last

    def forward(self, x: Any) -> Any:
        return self.last(self.shortcut(x) + self.branch(x))


def convolved(fro: int, to: int, kernel: int, stride: int = 1, groups: int = 1) -> list[Any]:
    convolution = nn.Conv2d(fro, to, kernel, stride, kernel // 2, groups=groups, bias=False)
    return [convolution, nn.BatchNorm2d(to, eps=1e-3)]


def compact(widths: tuple[int, ...] = (16, 32, 64, 128), blocks: int = 2) -> Any:
    standardise = nn.GroupNorm(1, 1, eps=1e-4, affine=False)
    layers: list[Any] = [standardise, *convolved(1, widths[0], 3, 2), nn.ReLU()]
    fro = widths[0]
    for width in widths:
        for block in range(blocks):
            stride = 2 if block == 0 else 1
            branch = nn.Sequential(
                *convolved(fro, width, 3, stride), nn.ReLU(), *convolved(width, width, 3)
            )
            shortcut = nn.Sequential(
                nn.AvgPool2d(2) if stride > 1 else nn.Identity(),
                *(convolved(fro, width, 1) if fro != width else []),
            )
            layers.append(Residual(branch, shortcut, nn.ReLU()))
            fro = width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(fro, 1))


class GreyToColour(nn.Module):  # type: ignore[misc]
    def forward(self, x: Any) -> Any:
        return (x.repeat(1, 3, 1, 1) * 255 - 127) / 128


def lite0() -> Any:
    layers: list[Any] = [GreyToColour(), *convolved(3, 32, 3, 2), nn.ReLU6()]
    fro = 32
    for repeats, kernel, first_stride, expansion, width in LITE0:
        for number in range(repeats):
            stride, wide = first_stride if number == 0 else 1, fro * expansion
            branch = nn.Sequential(
                *([*convolved(fro, wide, 1), nn.ReLU6()] if expansion > 1 else []),
                *convolved(wide, wide, kernel, stride, groups=wide),
                nn.ReLU6(),
                *convolved(wide, width, 1),
            )
            added = stride == 1 and fro == width
            layers.append(Residual(branch, nn.Identity(), nn.Identity()) if added else branch)
            fro = width
    layers += [*convolved(fro, 1280, 1), nn.ReLU6()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1280, 1))


def prepare(network: str, batch: int, crop_px: int, image_px: int) -> Prepared:
    """Return a network and its data."""
    torch.manual_seed(0)
    model = {"compact": compact, "EfficientNetLite0": lite0}[network]()
    model = model.to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.05)
    crops, whole = torch.rand(batch, 1, crop_px, crop_px), torch.rand(8, 1, image_px, image_px)
    targets = torch.arange(batch).remainder(2).float()[:, None]

    def train() -> None:
        model.train()
        optimizer.zero_grad(set_to_none=True)
        loss = nn.functional.binary_cross_entropy_with_logits(model(crops), targets)
        loss.backward()
        optimizer.step()
        loss.item()

    def predict() -> None:
        model.eval()
        with torch.inference_mode():
            model(whole).numpy()

    count = sum(parameter.numel() for parameter in model.parameters())
    return Prepared(count, train, predict)


def main() -> None:
    torch.set_num_threads(int(sys.argv[1]))
    serve(f"PyTorch {torch.__version__}", prepare)


if __name__ == "__main__":
    main()
