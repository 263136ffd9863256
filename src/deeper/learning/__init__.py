"""How policies and predictors learn.

- `examples`: training examples made from behaviour; the describer (`deeper.persona.describer`) writes their texts.
- `preferences`: sampled directions, their rewards, whether the rewards are real, and preference pairs.
- `training`: training with PyTorch, the only part that imports it.
- `export`: files for other tools and cards for the hub.
"""
