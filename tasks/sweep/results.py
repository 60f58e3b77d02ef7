"""What a sweep has found: a table, a summary that is a metric to DVC, a picture."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from matplotlib.figure import Figure
from optuna.trial import TrialState

from tasks.core.files import replacing, write_json, write_text
from tasks.sweep.parameters import Range, SweepParameters
from tasks.sweep.search import Sweep, best_epoch
from tasks.sweep.training import count_processes, read_epochs

FOLDER = Path("reports/sweep")
TABLE, SUMMARY, PICTURE = (FOLDER / name for name in ("trials.csv", "summary.json", "picture.png"))
# Beside them, so that DVC shows them where there was a sweep, and misses them nowhere else.
_DVC = f"metrics: [{SUMMARY.name}]\nplots: [{PICTURE.name}]\n"
_BLUE, _ORANGE = "#0072b2", "#d55e00"  # told apart by the colour-blind: Okabe and Ito


def write_results(sweep: Sweep) -> str:
    """Writes each file whole, the summary last; gives what was found in a line."""
    by = sweep.parameters.choose_by
    table = tabulate(sweep)
    summary = summarize(sweep, table)
    FOLDER.mkdir(parents=True, exist_ok=True)
    write_text(TABLE, table.to_csv(index=False, lineterminator="\n"))
    with replacing(PICTURE) as temporary:
        draw(table, summary, sweep.parameters).savefig(temporary, format="png", dpi=100)
    write_text(FOLDER / "dvc.yaml", _DVC)
    write_json(SUMMARY, summary)
    line = ", ".join(f"{number} {state}" for state, number in summary["trials"].items())
    if summary["winner"] is None:
        return line
    lead, error = (
        "unknown" if (value := summary[key]) is None else f"{value:.4f}"
        for key in ("lead", "lead_error")
    )
    best = f"trial {summary['winner']}, validation {by} {summary[by]:.4f}"
    return f"{line}; best: {best}; ahead of the next by {lead}, standard error by seeds {error}"


def tabulate(sweep: Sweep) -> pd.DataFrame:
    """A row per trial and seed, with what was found up to where the trial was ended."""
    rows = []
    for trial in sweep.study.get_trials():
        rung = trial.last_step if trial.state == TrialState.PRUNED else None
        for seed in sweep.parameters.seeds:
            place = sweep.place(trial.number, seed)
            epochs = read_epochs(place).iloc[:rung]
            best = best_epoch(epochs, rung) if len(epochs) else {}
            row = {"trial": trial.number, "state": trial.state.name.lower(), "seed": seed}
            row |= {"processes": count_processes(place), "epochs": len(epochs)}
            row |= {name: best.get(f"val_{name}") for name in ("accuracy", "loss")}
            rows.append(row | trial.params | {"reason": trial.user_attrs.get("reason")})
    return pd.DataFrame(rows)


def summarize(sweep: Sweep, table: pd.DataFrame) -> dict[str, Any]:
    """The winner's values and mean figures; its lead over the next, with the error over the seeds.

    And each key's share in what makes complete trials differ. None is what can't be said.
    """
    by = sweep.parameters.choose_by
    found: dict[str, Any] = {"trials": table.groupby("state")["trial"].nunique().to_dict()}
    found |= dict.fromkeys(("winner", "values", "accuracy", "loss", "lead", "lead_error"))
    complete = table[table["state"] == "complete"]
    if complete.empty:
        return found | {"importance": {}}
    best = sweep.study.best_trial
    its = complete[complete["trial"] == best.number]
    found |= {"winner": best.number, "values": best.params, "importance": {}}
    found |= {name: float(its[name].mean()) for name in ("accuracy", "loss")}
    by_seed = complete.pivot_table(index="trial", columns="seed", values=by)
    others = by_seed.drop(best.number).to_numpy()
    leads = (by_seed.loc[[best.number]].to_numpy() - others) * (-1 if by == "loss" else 1)
    if len(leads):
        lead = leads[leads.mean(axis=1).argmin()]
        found["lead"] = float(lead.mean())
        if len(lead) > 1:
            found["lead_error"] = float(lead.std(ddof=1) / math.sqrt(len(lead)))
        if leads.mean(axis=1).max() > 0:
            evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
            importance = optuna.importance.get_param_importances(sweep.study, evaluator=evaluator)
            found["importance"] = importance
    return found


def draw(table: pd.DataFrame, summary: dict[str, Any], parameters: SweepParameters) -> Figure:
    """What mattered, and how sure that is: a dot per seed of each complete trial, for each key."""
    complete = table[table["state"] == "complete"]
    shares = {name: summary["importance"].get(name, 0.0) for name in parameters.search}
    figure = Figure(figsize=(1 + 3 * len(shares), 3.4), layout="constrained")
    all_axes = figure.subplots(1, len(shares), sharey=True, squeeze=False)[0]
    for axes, name in zip(all_axes, sorted(shares, key=lambda name: -shares[name]), strict=True):
        part = parameters.search[name]
        values = complete[name] if isinstance(part, Range) else complete[name].map(str)
        colors = np.where(complete["trial"] == summary["winner"], _ORANGE, _BLUE)
        axes.scatter(values, complete[parameters.choose_by], c=colors, alpha=0.6)
        axes.set(xlabel=name, title=f"importance {shares[name]:.0%}")
        if isinstance(part, Range) and part.log:
            axes.set_xscale("log")
    all_axes[0].set_ylabel(
        f"validation {parameters.choose_by}\na dot per seed, orange: the best trial"
    )
    return figure
