"""The describer writes a persona by rules, without a model.

It puts facts (`deeper.persona.evidence.facts`) into English sentences. Policies and predictors are trained on these
sentences: a cold-started policy learns to write them, and a predictor learns to read them. The control `described` is
its text in place of a policy's. Every trained adapter depends on the phrases here. Changing a word, a threshold or the
order of the random draws means training all adapters again.

    facts ─▶ updated_facts (later windows) ─▶ describe ─▶ text

- `updated_facts`: what a persona can still say after an update, which sees only the old persona and the new window.
- `phrases`: several ways to say each fact.
- `describe`: picks the phrases and writes the text.
- `recipe`: the numbers that decide what is said.
"""
