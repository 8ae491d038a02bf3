"""Studies of recipes and trained models: seeds, ablation, stress, thresholds, pointing."""
