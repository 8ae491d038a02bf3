"""Models, augmentation, the training loop, operating point, saliency."""
