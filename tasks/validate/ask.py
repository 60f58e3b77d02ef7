"""Asks Great Expectations about tables; whoever imports this waits for it only when it is asked."""

import os
from collections.abc import Iterator, Sequence
from typing import Any

import pandas as pd


def ask(questions: Sequence[tuple[pd.DataFrame, Sequence[Any]]]) -> Iterator[list[dict[str, Any]]]:
    """The results of the expectations of each table, as plain values, in the order that is given.

    The name of an expectation is the `check` in its meta.
    """
    os.environ["GX_ANALYTICS_ENABLED"] = "false"
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False}  # pyright: ignore[reportAttributeAccessIssue]
    source = context.data_sources.add_pandas("tables")
    for number, (table, expectations) in enumerate(questions):
        asset = source.add_dataframe_asset(f"table {number}")
        batch = asset.add_batch_definition_whole_dataframe("all").get_batch({"dataframe": table})
        suite = gx.ExpectationSuite(asset.name, list(expectations))
        results = batch.validate(suite, result_format="COMPLETE").results
        plain: list[Any] = [result.to_json_dict() for result in results]
        # Great Expectations gives the results in an order of its own.
        by_check = {each["expectation_config"]["meta"]["check"]: each for each in plain}
        yield [by_check[expectation.meta["check"]] for expectation in expectations]
