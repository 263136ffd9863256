"""Pure numbers: errors, ranks, intervals and descriptions of text. Knows nothing of models."""
