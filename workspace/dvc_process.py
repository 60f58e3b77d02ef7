"""DVC's command line, in a process that ends when the flow that started it does."""

import sys

from tasks.runner.stage import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    # Only now: a flow that is killed during this import must not leave the process behind.
    from dvc.cli import main

    sys.exit(main(sys.argv[1:]))
