"""Training with PyTorch; the only part of `learning` that imports it.

- `coldstart`: a policy learns to write as the describer does. `dpo`: a policy learns from preference pairs.
- `predictor`: a predictor learns to read personas; `fit_expected_ratings` makes part of its targets.
- `trainer`, `lora`, `checkpoints`, `order`, `processes`, `shared_prompt`, `pair_tokens`: what they share.
- `collapse`: signs that a DPO training went wrong. `recipe`: the numbers that are not settings.
"""
