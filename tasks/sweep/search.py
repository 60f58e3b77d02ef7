"""The search: Optuna proposes values, and says which trials aren't worth going on with.

A trial is one choice of values, trained once with each seed. Trials begin in rounds; those of a
round are judged together, in their order, so that what is found doesn't depend on how many train at
a time. This process alone talks to Optuna, under a lock: trials that are open when it starts are
those of one that was killed, and go on.
"""

import hashlib
import json
import math
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from tasks.core import paths
from tasks.core.files import sha256_of
from tasks.core.parameters import PARAMETERS_PATH, check_section, read_content
from tasks.propose.sections import Commented, replace_sections
from tasks.runner.declared import read_declared
from tasks.runner.errors import InputError
from tasks.runner.parts import is_elsewhere, run_parts
from tasks.sweep.parameters import SECTIONS, Range, SweepParameters
from tasks.sweep.training import make_base, make_training, read_epochs, train


@dataclass(frozen=True)
class Sweep:
    """All trials of one search over certain data with certain code.

    Attributes:
        folder: absolute; its name follows from all that decides what is found.
        content: of the parameters file whose values are varied.
        text: of that file.
        study: of Optuna, in a database in the folder.

    """

    folder: Path
    parameters: SweepParameters
    content: dict[str, Any]
    text: str
    study: optuna.Study

    def place(self, number: int, seed: int) -> Path:
        """The folder in which a trial is trained with a seed."""
        return self.folder / "trials" / f"{number:04}" / f"seed-{seed}"

    def edit(self, trial: FrozenTrial | optuna.Trial, seed: int) -> str:
        """The text of the parameters file with a trial's values and a seed."""
        sections: dict[str, Commented] = {}
        for path, value in {**trial.params, "train.seed": seed}.items():
            name, _, key = path.partition(".")
            sections.setdefault(name, {})[key] = (value, "")
        return replace_sections(self.text, whole={}, values=sections)

    def judge(self, number: int, rung: int | None) -> float:
        """The mean over the seeds of what a trial's best epoch up to a rung is worth."""
        places = [self.place(number, seed) for seed in self.parameters.seeds]
        best = [best_epoch(read_epochs(place), rung) for place in places]
        return float(np.mean([row[f"val_{self.parameters.choose_by}"] for row in best]))

    def largest(self, key: str) -> int:
        """The largest value of a key of `train` in any trial."""
        return max(self.parameters.values(f"train.{key}") or [self.content["train"][key]])


def best_epoch(epochs: pd.DataFrame, rung: int | None) -> pd.Series:
    """The row of the epoch that would ship: the one with the lowest validation loss."""
    return epochs.iloc[int(epochs["val_loss"].iloc[:rung].to_numpy().argmin())]


def open_sweep(root: Path, folder: Path) -> Sweep:
    """The sweep of a workspace as it is now, in a folder of sweeps, with the trials it has had.

    Raises:
        InputError: a value that is to be tried is impossible.

    """
    content = read_content(root / PARAMETERS_PATH)
    parameters: SweepParameters = check_section("sweep", SweepParameters, content["sweep"])
    for path in parameters.search:
        name, _, key = path.partition(".")
        for value in parameters.values(path):
            check_section(name, SECTIONS[name], content[name] | {key: value})
    own = folder.absolute() / _identify(root, parameters, content)
    make_base(root, own / "base", content["train"]["network_file"])
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    rung, pruners = parameters.first_rung, optuna.pruners
    study = optuna.create_study(
        storage=f"sqlite:///{own}/study.db",
        study_name="sweep",
        load_if_exists=True,
        direction="minimize" if parameters.choose_by == "loss" else "maximize",
        pruner=pruners.SuccessiveHalvingPruner(rung, parameters.reduction)
        if rung is not None
        else pruners.NopPruner(),
    )
    text = (root / PARAMETERS_PATH).read_text(encoding="utf-8")
    return Sweep(own, parameters, content, text, study)


def _identify(root: Path, parameters: SweepParameters, content: Mapping[str, Any]) -> str:
    """A hash of all that decides what is found: parameters, data, versions, code."""
    fixed = {f"{name}.{key}": v for name in ("data", *SECTIONS) for key, v in content[name].items()}
    for key in (*parameters.search, "train.seed"):
        del fixed[key]
    data = sha256_of(root / paths.RAW / "manifest.json")
    versions = [version(name) for name in ("tensorflow", "keras", "numpy", "optuna")]
    decisive = [fixed, parameters.model_dump(exclude={"trials"}), data, versions]
    digest = hashlib.sha256(json.dumps(decisive, sort_keys=True).encode())
    stages = read_declared(root)
    for path in sorted({root / path for name in SECTIONS for path in stages[name].inputs}):
        for file in sorted(path.rglob("*.py")) if path.is_dir() else [path]:
            if file.suffix == ".py":
                digest.update(f"{file.relative_to(root)} {sha256_of(file)}".encode())
    return digest.hexdigest()[:12]


def search(sweep: Sweep, on_judged: Callable[[], object]) -> None:
    """Trains until as many trials have ended as were asked for."""
    while trials := _open_round(sweep):
        for rung in sweep.parameters.rungs(sweep.largest("epochs")):
            trials = _train_round(sweep, trials, rung)
            on_judged()


def _open_round(sweep: Sweep) -> list[optuna.Trial]:
    """The trials of the round that was begun, or of the next one; none when all have ended."""
    parameters, study = sweep.parameters, sweep.study
    combinations = math.prod(len(parameters.values(key)) for key in parameters.search)
    known = study.get_trials()
    ended = {trial.number for trial in known if trial.state.is_finished()}
    first = min({*range(len(known) + 1)} - ended)
    end = parameters.at_once * (first // parameters.at_once + 1)
    trials = []
    for number in range(first, min(end, parameters.trials or combinations)):
        if number not in ended:
            study.sampler = _make_sampler(parameters, number)
            begun = number < len(known)
            trial = optuna.Trial(study, known[number]._trial_id) if begun else study.ask()
            for key, part in parameters.search.items():
                _suggest(trial, key, part)
            trials.append(trial)
    study.sampler = optuna.samplers.RandomSampler()  # the grid's would end what it hasn't begun
    return trials


def _make_sampler(parameters: SweepParameters, number: int) -> optuna.samplers.BaseSampler:
    """One for each trial, so that a search that was killed draws what it would have drawn."""
    if parameters.trials is None:
        values = {key: parameters.values(key) for key in parameters.search}
        return optuna.samplers.GridSampler(values, seed=parameters.seed)
    generator = np.random.default_rng([parameters.seed, number])
    return optuna.samplers.TPESampler(seed=int(generator.integers(2**31)))


def _suggest(trial: optuna.Trial, key: str, part: Any) -> None:
    if not isinstance(part, Range):
        trial.suggest_categorical(key, part)
    elif isinstance(part.low, int) and isinstance(part.high, int):
        trial.suggest_int(key, part.low, part.high, log=part.log)
    else:
        trial.suggest_float(key, part.low, part.high, log=part.log)


def _train_round(sweep: Sweep, trials: list[optuna.Trial], rung: int | None) -> list[optuna.Trial]:
    """Trains trials up to a rung; gives those that are worth going on with."""
    parts = []
    for trial in trials:
        for seed in sweep.parameters.seeds:
            place = sweep.place(trial.number, seed)
            make_training(sweep.folder / "base", place, sweep.edit(trial, seed))
            parts.append((place, rung))
    gpu = sweep.content["train"]["device"] == "gpu"  # which one training fills
    reasons = run_parts(
        train,
        parts,
        threads=sys.maxsize if gpu else sweep.largest("threads"),
        labels={"gpu": 1} if gpu and is_elsewhere() else None,
    )
    better = []
    for trial in trials:
        its = [next(reasons) for _ in sweep.parameters.seeds]
        if reason := next(filter(None, its), None):
            trial.set_user_attr("reason", reason)
            sweep.study.tell(trial, state=TrialState.FAIL)
        elif rung is None:
            sweep.study.tell(trial, sweep.judge(trial.number, rung))
        elif _is_poor(trial, rung, sweep.judge(trial.number, rung)):
            sweep.study.tell(trial, state=TrialState.PRUNED)
        else:
            better.append(trial)
    return better


def _is_poor(trial: optuna.Trial, rung: int, value: float) -> bool:
    """Asks Optuna, which was told before if a killed search has come here."""
    if rung not in trial.study.get_trials()[trial.number].intermediate_values:
        trial.report(value, rung)
    return trial.should_prune()


def finish(sweep: Sweep, number: int | None) -> tuple[Path, str]:
    """Trains a trial, or the best one, with its first seed to its end, if it was ended early.

    Returns:
        The folder of the training, and the text of its parameters file.

    Raises:
        InputError: there is no such trial, or it can't be trained.

    """
    try:
        trials = dict(enumerate(sweep.study.get_trials()))
        trial = sweep.study.best_trial if number is None else trials[number]
    except (ValueError, KeyError):
        name = "complete trial" if number is None else f"trial {number}"
        raise InputError(
            f"There is no {name} of this code, these images and parameters. Search: pipeline sweep"
        ) from None
    seed = sweep.parameters.seeds[0]
    place = sweep.place(trial.number, seed)
    if reason := train((place, None)):
        raise InputError(f"Trial {trial.number} can't be trained: {reason}")
    return place, sweep.edit(trial, seed)
