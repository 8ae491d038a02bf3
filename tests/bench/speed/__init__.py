"""Speed of each network beside the same in PyTorch: `python -m tests.bench.speed`."""
