"""What the service keeps of its answers: answer log, log and metrics."""
