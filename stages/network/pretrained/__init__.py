"""Networks that start from published weights: where those come from, and how they are read."""
