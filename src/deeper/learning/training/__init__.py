"""Trainings on PyTorch: predictor, cold start and DPO."""
