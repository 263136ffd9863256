"""The describer writes a persona by rules, without a model.

It computes facts from a user's ratings and puts them into English sentences. Policies and predictors are trained on
these sentences: a cold-started policy learns to write them, and a predictor learns to read them. Every trained adapter
therefore depends on the phrases here. Changing a word, a threshold or the order of the random draws means training all
adapters again.

    ratings ─▶ facts ─▶ updated_facts (later windows) ─▶ describe ─▶ text

- `facts`: numbers that a user's ratings show, such as the median and the kinds of items rated above it.
- `kinds`: the kinds of items that a title names, which are its words and its decade.
- `updated_facts`: what a persona can still say after several updates, when the old windows are gone.
- `level_words` and `phrases`: the vocabulary, with many ways to say each fact.
- `describe`: picks facts and phrases, and writes the text.
- `recipe`: the numbers that decide what is said.
"""
