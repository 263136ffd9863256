"""Examples that policies and predictors are trained on."""
