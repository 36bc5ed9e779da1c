"""Quality rules: one file for each paper, each with its table of thresholds."""
