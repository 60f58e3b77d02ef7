"""Stage report: the page from which people judge the model."""
