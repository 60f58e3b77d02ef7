"""Proposes a parameters file for a folder or file of labelled images, for a person to review.

    python -m tasks.propose PATH OUTPUT

PATH is a folder with a folder per class, a folder with tables (.csv, .tsv, .jsonl, .parquet) or
one of them, a folder with the four IDX files, or an npz file. OUTPUT is a new file, and only
written when every stage up to `prepare` was tried on the images; once it has been read, it can take
the place of params.yaml.
"""

from tasks.propose.options import Options, make_parser
from tasks.runner.frame import run_framed


def main() -> None:
    """Reads the command line."""
    arguments = vars(make_parser().parse_args())
    # Only now: what reads images takes long to import.
    from tasks.propose.proposal import propose

    propose(arguments.pop("path"), arguments.pop("output"), Options(**arguments))


if __name__ == "__main__":
    run_framed(main)
