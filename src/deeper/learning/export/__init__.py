"""Files for LLaMA-Factory, and cards for the hub."""
