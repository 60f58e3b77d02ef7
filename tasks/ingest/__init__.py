"""Stage ingest: the labelled images of any source as arrays."""
