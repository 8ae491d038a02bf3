"""Room 3: model, training, operating point and saliency."""
