"""How fast and how sharp the pipeline is, each against a stated rival or limit."""
