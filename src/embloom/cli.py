"""The `embloom` command. Help and lists answer at once: torch and Hydra are imported by what needs them."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable
from pathlib import Path

CONFIGS = Path(__file__).parent / "configs"
GROUPS = (
    "experiment",
    "dataset",
    "encoder",
    "loss",
    "optimizer",
    "scheduler",
    "trainer",
    "callbacks",
    "probe",
)

USAGE = """\
embloom trains embeddings, shows what each loss kept in them, and lets you reuse them.

usage: embloom train [group=option ...] [key=value ...]   train; -m sweeps, --cfg job shows the configuration
       embloom resume RUN_FOLDER [key=value ...]          continue a run exactly where it stopped
       embloom runs [FOLDER] [--loss NAMES ...]           list runs (default: outputs)
       embloom compare RUN RUN ... [--html FILE]          settings that differ, probes, losses; maps side by side
       embloom map RUN                                    draw the embedding: map.png and map.html
       embloom rm RUN ...                                 delete runs; asks first
       embloom neighbors RUN king --top 10                words nearest to one
       embloom analogy RUN king - man + woman             analogies
       embloom midpoint RUN WORD WORD ...                 words between several
       embloom outlier RUN WORD WORD ...                  the one that does not belong
       embloom encode RUN INPUT --layer L --output FILE   vectors of pictures, texts or CSV rows, from any layer
       embloom export RUN --to FORMAT                     word2vec, safetensors, npz, parquet, projector, onnx, torch
       embloom card RUN                                   what a trained embedding is, as Markdown
       embloom completion bash|zsh                        shell completion: eval "$(embloom completion bash)"
       embloom --help | --version

the most useful commands:
  embloom train                                             handwritten digits, no download, a few seconds
  embloom train dataset=mnist encoder.layers=1024-512-10    MNIST, downloaded to ./data (dataset.root=...)
  embloom train -m loss=cross_entropy,supervised_contrastive,triplet    compare losses
  embloom resume outputs/digits-mlp-cross_entropy/DATE_TIME continue a stopped run
  embloom compare outputs/digits-* --html digits.html       compare them, in the terminal and as a page
  tensorboard --logdir outputs                              look at all runs

what can be selected (your own with --config-dir DIR):
{groups}

all settings of a choice: embloom train dataset=mnist --cfg job
"""


def main() -> None:
    """Runs the command in `sys.argv`."""
    arguments = sys.argv[1:]
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help", "help"):
        print(USAGE.format(groups=groups_text()), end="")
        return
    if name == "--version":
        from embloom import __version__

        print(__version__)
        return
    if name == "_worker":
        guarded(worker, arguments[1:])
        return
    if name not in COMMANDS:
        from embloom.build import did_you_mean

        print(
            f"there is no command '{name}'; {did_you_mean(name, COMMANDS)} See embloom --help",
            file=sys.stderr,
        )
        sys.exit(2)
    guarded(COMMANDS[name], arguments[1:])


def groups_text() -> str:
    """The options of each group, a line each."""
    lines = []
    for group in GROUPS:
        options = sorted(path.stem for path in (CONFIGS / group).glob("*.yaml"))
        if options:
            lines.append(f"  {group:<11}{' '.join(options)}")
    return "\n".join(lines)


def guarded(command: Callable[[list[str]], None], arguments: list[str]) -> None:
    """Calls a command; a mistake of the user's gives a short message and exit status 2."""
    full = os.environ.get("HYDRA_FULL_ERROR") == "1"
    # Hydra prints errors its own way and exits with 1 unless it is told to let them through.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    try:
        command(arguments)
    except KeyboardInterrupt:
        print("\nstopped", file=sys.stderr)
        sys.exit(130)
    except BrokenPipeError:
        # The reader of our output has gone (`embloom runs | head`).
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        from embloom.errors import message_for

        message = message_for(error)
        if full or message is None:
            raise
        for line in message.splitlines():
            print(f"error: {line}", file=sys.stderr)
        sys.exit(2)


def train(arguments: list[str]) -> None:
    """`embloom train`: everything after it is Hydra's."""
    from embloom.compose import train as run

    run(arguments)


def resume(arguments: list[str]) -> None:
    """`embloom resume RUN_FOLDER [overrides]`."""
    parser = argparse.ArgumentParser("embloom resume", description="Continues a run exactly where it stopped.")
    parser.add_argument("run", type=Path, metavar="RUN_FOLDER", help="see embloom runs")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="e.g. trainer.max_epochs=20")
    parser.add_argument("--config-dir", metavar="DIR", help="your own configs and Python files, as in training")
    chosen = parser.parse_intermixed_args(arguments)
    from embloom.compose import resume as run

    run(chosen.run, chosen.overrides, chosen.config_dir)


def runs(arguments: list[str]) -> None:
    """`embloom runs [FOLDER]`."""
    from embloom.listing import runs as run

    run(arguments)


def remove(arguments: list[str]) -> None:
    """`embloom rm RUN ...`."""
    from embloom.listing import remove as run

    run(arguments)


def compare(arguments: list[str]) -> None:
    """`embloom compare RUN ...`."""
    from embloom.compare.command import compare as run

    run(arguments)


def draw_map(arguments: list[str]) -> None:
    """`embloom map RUN`."""
    from embloom.compare.command import draw

    draw(arguments)


def question(command: str) -> Callable[[list[str]], None]:
    """`embloom neighbors`, `analogy`, `midpoint` and `outlier`."""

    def run(arguments: list[str]) -> None:
        from embloom.ask import ask

        ask(command, arguments)

    return run


def encode(arguments: list[str]) -> None:
    """`embloom encode RUN INPUT --output FILE`."""
    from embloom.encode import main as run

    run(arguments)


def export(arguments: list[str]) -> None:
    """`embloom export RUN --to FORMAT`."""
    from embloom.export import main as run

    run(arguments)


def card(arguments: list[str]) -> None:
    """`embloom card RUN`."""
    from embloom.describe import main as run

    run(arguments)


def completion(arguments: list[str]) -> None:
    """`embloom completion SHELL`: prints what the shell has to evaluate."""
    if arguments not in (["bash"], ["zsh"]):
        raise ValueError('name the shell: eval "$(embloom completion bash)" or eval "$(embloom completion zsh)"')
    script = (Path(__file__).parent / "completion.bash").read_text(encoding="utf-8")
    print(("autoload -U +X bashcompinit && bashcompinit\n" if arguments == ["zsh"] else "") + script, end="")


def worker(arguments: list[str]) -> None:
    """One process of a training in several; the first one starts the others with this."""
    from embloom.compose import worker as run

    run(Path(arguments[0]))


COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "train": train,
    "resume": resume,
    "runs": runs,
    "rm": remove,
    "compare": compare,
    "map": draw_map,
    **{name: question(name) for name in ("neighbors", "analogy", "midpoint", "outlier")},
    "encode": encode,
    "export": export,
    "card": card,
    "completion": completion,
}
