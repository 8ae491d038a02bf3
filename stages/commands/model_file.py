"""A model file, with what this repository's params and data say of it."""

from pathlib import Path
from typing import TYPE_CHECKING

from stages.engine.files import read_json
from stages.engine.root import project_root
from stages.engine.task import complete
from stages.settings import paths

if TYPE_CHECKING:
    from stages.serving.following.choosing import Repository
    from stages.serving.following.loading import Loader
    from stages.serving.predictor import Predictor
    from stages.serving.served import ServedModel
    from stages.settings.params import Params


def file_predictor(
    params: "Params", model: Path
) -> "tuple[Predictor, tuple[str, str], str | None]":
    """Load a model file; return it with the names of its classes and the body part it is for."""
    from stages.serving.predictor import Predictor

    root = project_root()
    facts = read_json(paths.SOURCE) if paths.SOURCE.exists() else {"task": {}}
    task = complete(params.task, facts)
    of_these_data = model.resolve().parent == (root / paths.MODEL).resolve()
    predictor = Predictor.from_file(
        model,
        params.preprocess.pixels,
        root=root,
        classes=task.classes,
        body_part=task.body_part,
        synthetic=facts.get("synthetic") if of_these_data else None,
        use=task.use,
    )
    return predictor, task.classes, task.body_part


def served_repository() -> "Repository | None":
    """Return the repository that this command runs in; None without a params.yaml here.

    Raises:
        InvalidSettings: Its params.yaml is invalid.
    """
    if not paths.PARAMS.exists():
        return None
    from stages.serving.following.choosing import Repository
    from stages.settings.params import load

    params = load()

    def load_file(model: Path, loader: "Loader") -> "ServedModel":
        from stages.serving.served import Preparer

        loader.configure(params.train.threads)
        predictor, classes, body_part = file_predictor(params, model)
        pixels = params.preprocess.pixels.model_dump()
        return loader.file(model, predictor, classes, Preparer("stages", b"", pixels, body_part))

    register = params.register
    return Repository(project_root(), register.name, register.public_key, load_file)
