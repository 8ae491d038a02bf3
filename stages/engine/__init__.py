"""The lift shaft: where and how work runs, whatever the work is."""
