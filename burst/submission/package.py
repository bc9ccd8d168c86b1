"""The verification package: program, models, settings and manifest of a submission in one zip.

It has the folders of the repository, so that the program finds its pipelines and checkpoints in it.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from importlib.metadata import distribution
from pathlib import Path

from burst.about import __version__
from burst.config import search_path
from burst.fingerprint import code_digest
from burst.network.checkpoint import CheckpointError
from burst.pipeline import Pipeline
from burst.submission.archive import Content, sha256_of
from burst.submission.challenge import FOLDER as CHALLENGES
from burst.submission.challenge import Challenge
from burst.submission.manifest import (
    FORMAT,
    Manifest,
    StackRecord,
    constraints,
    environment,
    this_machine,
)
from burst.submission.method import describe_method
from burst.submission.restore import RestoredStack, Submission, UsedModel
from burst.submission.stacks import ChallengeStack, digest_inputs

IMAGES = "images"
CHECKPOINTS = "checkpoints"
PIPELINE, CHALLENGE, SCRIPT = "pipeline.toml", "challenge.toml", "run.sh"

# Other threads, libraries or processors may change an image by this share of its maximum; chosen by
# hand.
TOLERANCE = 0.002

# What is no source in the package: packed data, and what is compiled or hidden.
_GENERATED = re.compile(r"_data/|(.*/)?(__pycache__/|\.)")
_REPOSITORY = ("pyproject.toml", "README.md", "LICENSE")
_SCRIPT = """\
#!/bin/sh
# Restores the stacks in a folder as they were restored for the submission, with this code, these
# settings and these models: sh run.sh FOLDER. The result is written to again/{name}/.
set -eu
stacks=$(cd "$1" && pwd)
cd "$(dirname "$0")"
PYTHONPATH=$PWD BURST_CHECKPOINTS=$PWD/checkpoints exec "${{PYTHON:-python}}" -m burst submit \\
    --stacks "$stacks" --challenge {challenge} --name {name} --out again \\
    --pipeline {pipeline} {options}
"""


def package_contents(
    submission: Submission,
    restored: Mapping[ChallengeStack, RestoredStack],
    images: Mapping[str, bytes],
) -> tuple[dict[str, Content], Manifest]:
    """Return the files of a verification package by name, and its manifest. `restored` describes
    every stack; `images` holds the encoded image of each by its name."""
    used = {done.model.path.stem: done.model for done in restored.values() if done.model}
    models = [used[name] for name in sorted(used)]
    plan, challenge = submission.plan, submission.challenge
    pipeline = plan.load_pipeline()
    frames = {source.place: done.frames for source, done in restored.items()}
    contents: dict[str, Content] = {
        **_code(),
        **_model_files(models),
        **{f"{IMAGES}/{image}": content for image, content in images.items()},
        PIPELINE: pipeline.to_toml().encode(),
        **_own_stages(pipeline),
        CHALLENGE: submission.challenge_file.read_bytes(),
        SCRIPT: _script(submission).encode(),
        "METHOD.md": describe_method(submission.name, challenge, pipeline, models).encode(),
        "frames.json": (json.dumps(frames, indent=1) + "\n").encode(),
        "constraints.txt": constraints().encode(),
        "environment.yml": environment().encode(),
    }
    manifest = Manifest(
        format=FORMAT,
        name=submission.name,
        version=__version__,
        code=code_digest(),
        seed=plan.seed,
        reading=plan.reading,
        machine=this_machine(plan.device, plan.threads),
        tolerance=tolerance_of(challenge),
        models={model.path.stem: model.sha256 for model in models},
        stacks=tuple(
            _record(source, submission.root, done, images) for source, done in restored.items()
        ),
        files={path: sha256_of(contents[path]) for path in sorted(contents)},
    )
    return contents, manifest


def tolerance_of(challenge: Challenge) -> int:
    """Return by how much a pixel may differ on another machine, in units of the image."""
    return max(1, round(TOLERANCE * challenge.maximum))


def _code() -> dict[str, Content]:
    """Return the program's source, pipelines and challenges, with the repository's files if
    present."""
    package = Path(__file__).resolve().parents[1]
    contents: dict[str, Content] = {
        path.relative_to(package.parent).as_posix(): path
        for path in package.rglob("*")
        if path.is_file() and not _GENERATED.match(path.relative_to(package).as_posix())
    }
    for folder in ("pipelines", CHALLENGES):
        for place in reversed(search_path(folder)):
            for path in place.rglob("*.toml"):
                contents[f"{folder}/{path.relative_to(place).as_posix()}"] = path
    repository = (package.parent / name for name in _REPOSITORY)
    if (package.parent / _REPOSITORY[0]).is_file():
        contents |= {path.name: path for path in repository if path.is_file()}
    return contents


def _own_stages(pipeline: Pipeline) -> dict[str, Content]:
    """Return the source of stages that are no part of burst: a file beside the pipeline, and a
    package, with what says that it offers them, where Python finds it."""
    contents: dict[str, Content] = dict(pipeline.own_files())
    for step in pipeline.steps:
        if step.package:
            top = _top_of(step.source)
            contents |= {path.relative_to(top).as_posix(): path for path in step.source}
            told = distribution(step.package)
            folder = f"{step.package.replace('-', '_')}-{told.version}.dist-info"
            for name in ("METADATA", "entry_points.txt"):
                contents[f"{folder}/{name}"] = (told.read_text(name) or "").encode()
    return contents


def _top_of(sources: Sequence[Path]) -> Path:
    """Return the folder in which a package, or a module that is a file, lies."""
    packages = [path.parent for path in sources if path.name == "__init__.py"]
    return min(packages, key=lambda path: len(path.parts)).parent if packages else sources[0].parent


def _model_files(models: list[UsedModel]) -> dict[str, Content]:
    """Return checkpoints with their cards, and a list of them."""
    lines = [f"- {model.path.name}: SHA-256 {model.sha256}" for model in models]
    listed = "\n".join(lines) or "No trained model was used for these images."
    contents: dict[str, Content] = {f"{CHECKPOINTS}/README.md": f"# Models\n\n{listed}\n".encode()}
    for model in models:
        card = model.path.with_suffix(".md")
        if not card.is_file():
            raise CheckpointError(
                f"{card}: expected the card of the checkpoint beside it, found none. Copy it there."
            )
        contents |= {f"{CHECKPOINTS}/{path.name}": path for path in (model.path, card)}
    return contents


def _script(submission: Submission) -> str:
    plan = submission.plan
    values = {
        "--seed": plan.seed,
        "--device": plan.device,
        "--threads": plan.threads * submission.workers,
        "--jobs": submission.workers,
        "--black-level": plan.reading.black_level,
        "--white-level": plan.reading.white_level,
        "--axis": plan.reading.axis,
    }
    options = " ".join(f"{option} {value}" for option, value in values.items() if value is not None)
    return _SCRIPT.format(
        name=shlex.quote(submission.name), challenge=CHALLENGE, pipeline=PIPELINE, options=options
    )


def _record(
    source: ChallengeStack, root: Path, done: RestoredStack, images: Mapping[str, bytes]
) -> StackRecord:
    model = done.model
    return StackRecord(
        place=source.place,
        inputs=digest_inputs(source, root),
        image=source.image,
        sha256=sha256_of(images[source.image]),
        model=model.path.stem if model else None,
        stage=model.stage if model else None,
    )
