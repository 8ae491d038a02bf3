"""What the stages read, recorded while they run."""
