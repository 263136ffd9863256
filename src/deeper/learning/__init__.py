"""How policies and predictors learn.

- `describer`: writes personas by rules; its texts are the first training material.
- `examples`: training examples made from behaviour.
- `preferences`: sampled directions, their rewards, whether the rewards are real, and preference pairs.
- `training`: training with PyTorch, the only part that imports it.
- `export`: files for other tools and cards for the hub.
"""
