"""Prefect's command line, in a process that ends when the one that started it does."""

import sys

from tasks.runner.stage import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    from prefect.cli import app

    sys.argv[0] = "prefect"
    app()
