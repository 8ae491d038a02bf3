"""Processes, files, locks, parallel work, devices: where and how work runs."""
