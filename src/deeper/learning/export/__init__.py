"""Files for LLaMA-Factory, and cards for the Hugging Face hub."""
