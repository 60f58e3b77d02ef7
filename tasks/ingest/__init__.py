"""Stage ingest: gets the labelled images from the first place that has them."""
