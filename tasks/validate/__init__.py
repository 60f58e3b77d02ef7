"""Stage validate: stops the pipeline, in words, when the data went wrong."""
