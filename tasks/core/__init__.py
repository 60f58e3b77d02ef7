"""What every stage builds on: the data set, whole files, seals, choices, parameters."""
