"""Interrupted runs: killed processes, full disks, read-only folders, two runs at once."""
