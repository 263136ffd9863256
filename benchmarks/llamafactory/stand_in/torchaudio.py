"""Stands in for torchaudio, which LLaMA-Factory imports in any case and uses for sound alone.

Its published builds for Linux need CUDA's libraries. Text takes nothing from here.
"""
