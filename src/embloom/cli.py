"""The `embloom` command. Help and lists answer at once: torch and Hydra are imported by what needs them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module
from itertools import pairwise
from pathlib import Path

from embloom.assembly.groups import GROUPS, options
from embloom.startup import Door, as_process, quick_imports

USAGE = """\
embloom trains embeddings, shows what each loss kept in them, and lets you reuse them.

usage: embloom train [group=option ...] [key=value ...]   train; -m sweeps, --cfg job shows the configuration
       embloom resume FOLDER [key=value ...]              continue a run, or a sweep, exactly where it stopped
       embloom runs [FOLDER] [--loss NAMES ...]           list runs (default: outputs)
       embloom compare RUN RUN ... [--html FILE]          settings that differ, probes, losses; maps side by side
       embloom best FOLDER [--by probe/linear_label]      the best setting, and whether the seeds explain it
       embloom map RUN                                    draw the embedding: map.png and map.html
       embloom diff V1 V2 [--html FILE]                   two versions: can they be mixed, which rows changed most
       embloom rm RUN ...                                 delete runs; asks first
       embloom neighbors RUN king --top 10                words nearest to one
       embloom neighbors RUN QUERY --among PLACE          nearest images, texts or rows; --html: a page of them
       embloom analogy RUN king - man + woman             analogies
       embloom midpoint RUN WORD WORD ...                 words between several
       embloom outlier RUN WORD WORD ...                  the one that does not belong
       embloom recommend RUN USER | --items ITEM ...      what somebody would like, known or new
       embloom encode RUN INPUT --layer L --output FILE   vectors of images, texts or CSV rows, from any layer
       embloom encode RUN TEXT --word W --output FILE     of a word in its sentence; --last 4 --average: of layers
       embloom export RUN --to FORMAT                     word2vec, safetensors, npz, parquet, projector, onnx, torch
       embloom compress RUN --to int8 --output FOLDER     a smaller artifact: float16, int8, binary, pq; --dims N
       embloom sizes RUN --keep 0.98                      what each size costs, and the smallest that keeps so much
       embloom align V2 V1 --output FOLDER                V2's vectors in the space of V1's
       embloom card RUN                                   what a trained embedding is, as Markdown
       embloom serve RUN [--port 8000]                    answers over HTTP: encode, neighbors, analogy, card
       embloom publish RUN FOLDER                         a folder to give away, as the Hugging Face hub has it
       embloom completion bash|zsh                        shell completion: eval "$(embloom completion bash)"
       embloom --help | --version

the most useful commands:
  embloom train                                             handwritten digits, no download, a few seconds
  embloom train dataset=mnist encoder.layers=1024-512-10    MNIST, downloaded to ./data (dataset.root=...)
  embloom train -m loss=cross_entropy,supervised_contrastive,triplet    compare losses
  embloom resume outputs/cross_entropy/mlp-digits-DATE_TIME continue a stopped run
  embloom compare outputs/*/*-digits-* --html digits.html   compare them, in the terminal and as a page
  tensorboard --logdir outputs                              look at all runs

what can be selected (with your own: embloom --help --config-dir DIR; --config-dir DIR goes with every command):
{groups}

all settings of a choice: embloom train dataset=mnist --cfg job
"""


def command() -> None:
    """The `embloom` command, as a process of its own."""
    as_process(main)


def main() -> None:
    """Runs the command in `sys.argv`."""
    arguments = sys.argv[1:]
    name = arguments[0] if arguments else "--help"
    if name in ("-h", "--help", "help") or name.startswith(("--config-dir", "-cd")):
        print(fitted(USAGE.format(groups=groups_text(own_folders(arguments)))), end="")
        return
    if name == "--version":
        from embloom import __version__

        print(__version__)
        return
    if name in WORKERS:
        guarded(WORKERS[name], arguments[1:])
        return
    if name not in COMMANDS:
        from embloom.assembly.build import did_you_mean

        hint = did_you_mean(name, COMMANDS)
        print(
            f"there is no command '{name}'; {hint}{'' if hint.endswith('?') else ';'} see embloom --help",
            file=sys.stderr,
        )
        sys.exit(2)
    if any(not argument.strip() for argument in arguments):
        # As a path it would be the current folder.
        print(f"error: embloom {name}: an argument is empty, such as a variable that is not set", file=sys.stderr)
        sys.exit(2)
    guarded(COMMANDS[name], arguments[1:])


def groups_text(folders: Sequence[str] = ()) -> str:
    """The options of each group, a line each."""
    return "\n".join(f"  {group:<11}{' '.join(options(group, folders))}" for group in GROUPS)


def fitted(text: str) -> str:
    """A text as the terminal has room for it: what stands behind a gap goes on a line of its own."""
    from shutil import get_terminal_size
    from textwrap import wrap

    if not sys.stdout.isatty():
        return text
    width, found = get_terminal_size().columns, []
    for line in text.splitlines():
        begin = len(line) - len(line.lstrip())
        head, gap, rest = line[begin:].rpartition("   " if begin > 4 else "  ")
        place = len(line) - len(rest)
        if len(line) <= width:
            found.append(line)
        elif gap and place > width // 3:
            found += [" " * begin + head.rstrip(), *wrap(rest, width, initial_indent=" " * (6 if begin == 2 else 11))]
        else:
            found += wrap(line, width, subsequent_indent=" " * (13 if begin == 2 else begin), break_on_hyphens=False)
    return "\n".join([*found, ""])


def own_folders(arguments: list[str]) -> list[str]:
    """The folders that `--config-dir` names, for `embloom --help --config-dir DIR`."""
    found = [a.partition("=")[2] for a in arguments if a.startswith("--config-dir=")]
    found += [value for option, value in pairwise(arguments) if option in ("--config-dir", "-cd")]
    for folder in found:
        if not Path(folder).is_dir():
            print(f"error: --config-dir {folder}: there is no such folder", file=sys.stderr)
            sys.exit(2)
    return found


def guarded(command: Callable[[list[str]], None], arguments: list[str]) -> None:
    """Calls a command; a mistake of the user's gives a short message and exit status 2."""
    asked = os.environ.get("HYDRA_FULL_ERROR", "0")
    # Hydra prints errors its own way and exits with 1 unless it is told to let them through.
    os.environ["HYDRA_FULL_ERROR"] = "1"
    before, Door.shell = Door.shell, True
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
        if asked == "1" or message is None:
            raise
        for line in message.splitlines():
            print(f"error: {line}", file=sys.stderr)
        sys.exit(2)
    finally:
        Door.shell = before
        os.environ["HYDRA_FULL_ERROR"] = asked  # who called this in a process of their own goes on with it


def lazy(target: str, *first: str) -> Callable[[list[str]], None]:
    """A command that is imported when it is called: `module:function`, which takes `first` and the arguments."""

    def run(arguments: list[str]) -> None:
        module, _, name = target.partition(":")
        with quick_imports():
            function = getattr(import_module(module), name)
        function(*first, arguments)

    return run


def completion(arguments: list[str]) -> None:
    """`embloom completion SHELL`: prints what the shell has to evaluate."""
    if arguments not in (["bash"], ["zsh"]):
        raise ValueError('name the shell: eval "$(embloom completion bash)" or eval "$(embloom completion zsh)"')
    script = (Path(__file__).parent / "commands" / "completion.bash").read_text(encoding="utf-8")
    print(("autoload -U +X bashcompinit && bashcompinit\n" if arguments == ["zsh"] else "") + script, end="")


# What embloom starts itself: further processes of a training, and of a sweep.
WORKERS = {
    "_worker": lazy("embloom.commands.train:worker"),
    "_jobs": lazy("embloom.sweeps.processes:serve"),
}
COMMANDS: dict[str, Callable[[list[str]], None]] = {
    "train": lazy("embloom.commands.train:train"),
    "resume": lazy("embloom.commands.train:resume"),
    "runs": lazy("embloom.commands.runs:runs"),
    "rm": lazy("embloom.commands.runs:remove"),
    "compare": lazy("embloom.commands.compare:compare"),
    "best": lazy("embloom.commands.best:best"),
    "map": lazy("embloom.commands.compare:draw"),
    "diff": lazy("embloom.commands.diff:main"),
    **{name: lazy("embloom.commands.words:ask", name) for name in ("analogy", "midpoint", "outlier")},
    "neighbors": lazy("embloom.commands.neighbors:main"),
    "recommend": lazy("embloom.commands.recommend:main"),
    "encode": lazy("embloom.commands.encode:main"),
    "export": lazy("embloom.commands.export:main"),
    "compress": lazy("embloom.commands.compress:main"),
    "sizes": lazy("embloom.commands.sizes:main"),
    "align": lazy("embloom.commands.align:main"),
    "card": lazy("embloom.commands.card:main"),
    "serve": lazy("embloom.commands.serve:main"),
    "publish": lazy("embloom.commands.publish:main"),
    "completion": completion,
}
