"""Room 4: from probabilities to numbers, each with its interval, and a verdict."""
