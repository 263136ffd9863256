"""How well personas predict the behaviour that came after them: methods, errors, comparisons, results."""
