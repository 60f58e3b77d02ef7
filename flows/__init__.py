"""When the stages run: Prefect flows that read the graph from dvc.yaml and ask DVC for stages."""
