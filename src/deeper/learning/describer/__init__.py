"""The describer: rules that write a user's facts in English, without a model."""
