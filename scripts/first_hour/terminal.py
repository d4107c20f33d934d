"""The terminal: help, training, what it says at its end, sweeps, mistakes, stopping and going on."""

from __future__ import annotations

import json
import re

from hour import Hour, interrupted, task
from screen import Screen

SECTION = "terminal"
NEXT = r"embloom (map|compare|neighbors|encode)\b"


@task(SECTION)
def help_fits(hour: Hour) -> None:
    """`embloom --help` names every command and fits the screen."""
    hour.shell("embloom --help", "embloom train", "embloom publish", "the most useful commands")
    hour.shell("embloom --version", r"^\d+\.\d+")


@task(SECTION)
def first_training(hour: Hour) -> None:
    """`embloom train`; its last lines are commands with this run's path."""
    for shown in hour.shell(
        "embloom train trainer=cpu trainer.max_epochs=3 hydra.run.dir=first/{mode}", "first/{mode}"
    ):
        last = [line for line in shown.lines[-6:] if re.search(NEXT, line)]
        hour.expect(last, f"the last lines name no next command ({shown.width} columns): {shown.lines[-2:]}")
        for line in last:
            hour.expect(f"first/at{shown.width}" in line, f"a next command without the run's path: {line}")


@task(SECTION)
def next_commands_work(hour: Hour) -> None:
    """The commands that the last lines name are typed as they stand."""
    (shown,) = hour.shell("embloom train trainer=cpu trainer.max_epochs=2 hydra.run.dir=followed", each=False)
    commands = [found[0] for line in shown.lines[-6:] if (found := re.search(r"embloom (map|compare) \S+", line))]
    hour.expect(commands, "no map or compare among the last lines")
    for command in commands:
        hour.shell(command, each=False)


@task(SECTION)
def no_rule_of_thumb(hour: Hour) -> None:
    """A run that generalizes is not warned about its number of parameters."""
    hour.shell(
        "embloom train trainer=cpu trainer.max_epochs=3 hydra.run.dir=thumb/{mode}", r"parameters",
        unseen=("rule of thumb", r"(?i)^warning"),
    )  # fmt: skip


@task(SECTION)
def no_stale_loss(hour: Hour) -> None:
    """No progress line repeats the loss of an epoch before."""
    found = hour.shell("embloom train trainer=cpu trainer.max_epochs=4 hydra.run.dir=stale/{mode}", r"epoch 4/4")
    for shown in found:
        losses = [re.search(r"(?<!/)\bloss (\d\S*)", line) for line in shown.lines if line.startswith("epoch ")]
        values = [match[1] for match in losses if match]
        hour.expect(len(values) in (0, 4), f"some epochs have a loss and some none: {values}")
        hour.expect(len(set(values)) == len(values), f"a loss is repeated: {values}")


@task(SECTION)
def sweep(hour: Hour) -> None:
    """A sweep counts its runs, repeats no header, and ends with a table of what varied and the probes, best first."""
    what = "loss=cross_entropy,mse optimizer.lr=0.003,0.01 trainer.max_epochs=2 trainer=cpu"
    for shown in hour.shell(f"embloom train -m {what} hydra.sweep.dir=outputs/{{mode}}", "run 1 of 4", "run 4 of 4"):
        check_sweep(hour, shown)


def check_sweep(hour: Hour, shown: Screen) -> None:
    """What a sweep leaves on the screen."""
    after = shown.text[shown.text.rfind("run 4 of 4") :]
    table = [
        line for line in after.splitlines() if re.search(r"cross_entropy|mse", line) and re.search(r"0\.\d{3}", line)
    ]
    hour.expect(len(table) >= 4, f"no table of the 4 runs at the end ({shown.width} columns)")
    for line in ("parameters in the encoder", "the rule of thumb"):
        count = shown.text.count(line)
        hour.expect(count <= 1, f"says {count} times the same: {line}")


@task(SECTION)
def dead_outputs(hour: Hour) -> None:
    """More outputs than classes are warned about or refused, with the width that fits; `auto` has it."""
    table = "dataset=table dataset.path=flowers.csv dataset.label=species trainer=cpu trainer.max_epochs=2"
    hour.shell(
        f"embloom train {table} encoder.layers=auto-16-10 hydra.run.dir=dead/{{mode}}",
        r"(?is)(warning|error): .*\b3 classes", r"-auto|-3\b", status=(0, 2),
    )  # fmt: skip
    fit = f"embloom train {table} encoder.layers=auto hydra.run.dir=fit/{{mode}}"
    hour.shell(fit, r"embedding +3\b", unseen=("(?i)warning",))


@task(SECTION)
def few_steps(hour: Hour) -> None:
    """Of a dataset with two steps an epoch each step is logged."""
    what = "dataset=table dataset.path=flowers.csv dataset.label=species trainer=cpu trainer.max_epochs=3"
    hour.shell(f"embloom train {what} hydra.run.dir=few", each=False)
    hour.python(
        "steps, _ = embloom.Run('few').curves()['train/loss']\nprint('steps', len(steps), steps)",
        r"steps ([6-9]|\d\d)",
    )


@task(SECTION)
def stop_and_resume(hour: Hour) -> None:
    """Ctrl-C saves and ends with the command that goes on; that command works."""
    typed = "embloom train trainer=cpu trainer.max_epochs=60 hydra.run.dir=stopped/{mode}"
    modes, hour.modes = hour.modes, tuple(mode for mode in hour.modes if mode)[:1]
    (shown,) = hour.shell(typed, status=130, interrupt=interrupted("epoch 2/60", 0.0))
    hour.modes = modes
    last = shown.lines[-1] if shown.lines else ""
    hour.expect("embloom resume stopped/" in last, f"the last line is no resume command: {last}")
    if found := re.search(r"embloom resume \S+", last):
        hour.shell(f"{found[0]} trainer.max_epochs=4", each=False)


@task(SECTION)
def list_and_best(hour: Hour) -> None:
    """`runs`, `best` and `compare` of a sweep, at every width."""
    where = hour.sweep()
    hour.shell("embloom runs", "finished", "losses")
    hour.shell("embloom runs --unfold", "cross_entropy", "mse")
    hour.shell(f"embloom best {where}", "best", "knn_label|linear_label|probe")
    found = hour.shell(f"embloom compare {where}", "cross_entropy", "mse", r"0\.00?3", "linear_label|probe")
    for shown in found:
        if shown.width == 0:
            hour.expect(shown.output.strip(), "nothing on standard output")
    hour.shell(f"embloom compare {where} --json", each=False)


@task(SECTION)
def json_is_json(hour: Hour) -> None:
    """What is asked for as JSON can be read as such."""
    modes, hour.modes = hour.modes, (0,)
    for command in (f"embloom compare {hour.sweep()} --json", "embloom runs --json"):
        (shown,) = hour.shell(command)
        try:
            json.loads(shown.output)
        except ValueError as error:
            hour.expect(False, f"{command}: {error}")
    hour.modes = modes


@task(SECTION)
def mistakes(hour: Hour) -> None:
    """A word that is wrong gives one short message with what was meant, and exit status 2."""
    hour.shell("embloom trian", "train", status=2)
    hour.shell("embloom train loss=cross_entrpy", "cross_entropy", status=2)
    hour.shell("embloom train encoder.layrs=3", "encoder.layers", status=2)
    hour.shell("embloom compare nowhere", "nowhere", status=2)
    hour.shell("embloom map nowhere", "nowhere", status=2)
    hour.shell("embloom resume nowhere", "nowhere", status=2)
