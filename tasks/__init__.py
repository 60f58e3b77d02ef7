"""What is computed: one module per stage of dvc.yaml, and beside them the few that stages share."""
