"""DVC's command line, in a process that ends when the flow that started it does."""

import sys

from dvc.cli import main

from tasks.stage import end_with_parent

if __name__ == "__main__":
    end_with_parent()
    sys.exit(main(sys.argv[1:]))
