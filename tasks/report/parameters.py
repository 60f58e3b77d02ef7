"""Section report: how much the page shows."""

from tasks.core.parameters import Count, Section


class ReportParameters(Section):
    """How much the report shows."""

    mistakes: Count
    wrong_labels: Count
    neighbours: Count
    samples_per_class: Count
    cells: Count
    examples_per_cell: Count
    confused_pairs: Count
    examples_per_pair: Count
    changed_images: Count
