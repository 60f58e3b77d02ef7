"""Uses the model: classifies images that come from outside."""
