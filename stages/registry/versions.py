"""Versions of a registered model: one per model digest."""

from collections.abc import Mapping

from stages.engine.console import print_note
from stages.engine.errors import NotFound
from stages.engine.files import digest
from stages.metrics.pages.text import markdown_text
from stages.registry import moves, stored_package
from stages.registry.aliases import alias_versions
from stages.registry.circumstances import NOT_RECORDED
from stages.registry.client import Client
from stages.registry.description import GATE, Description
from stages.registry.entities import ModelVersion, RegisteredModel
from stages.registry.mlflow_internals.saved_view import ensure_saved_view
from stages.registry.record import Record
from stages.registry.release import Release
from stages.registry.store import Store, exclusive
from stages.registry.stored_package import State
from stages.registry.storing import packed, stored_model
from stages.registry.text import plain


def register(client: Client, store: Store, release: Release, *, run_id: str, update: bool) -> str:
    """Return the version of a release's model, registered if there is none.

    Args:
        client: Client of `store`.
        store: The tracking store.
        release: What to register.
        run_id: The MLflow run that the version belongs to.
        update: Whether the release's tags and description replace those of a version that has
            some already.
    """
    name, record = release.name, release.record
    with exclusive(store):
        ensure_saved_view(client, client.get_run(run_id).info.experiment_id)
        _ensure_model(client, name, record, update=update)
        version = find_by_digest(client, name, record.model)
        if version is None:
            version = _create_version(client, store, release, run_id)
        else:
            version = _with_package(client, store, release, run_id, version)
    _describe(client, name, version, release.description, update=update)
    return str(version.version)


def is_registered(client: Client, store: Store, name: str, record: Record) -> bool:
    """Return whether there is a version of a record's model, with its files."""
    version = find_by_digest(client, name, record.model)
    return version is not None and _state(client, store, version, record) is State.COMPLETE


def find_by_digest(client: Client, name: str, model_digest: str) -> ModelVersion | None:
    """Return the oldest version of `name` with this model digest, with its tags, or None."""
    found = client.search_model_versions(
        f"name = '{name}' and tags.model_digest = '{model_digest}'"
    )
    oldest = min(found, key=lambda version: int(version.version), default=None)
    if oldest is None:
        return None
    # A search leaves out aliases and, over some stores, tags.
    return client.get_model_version(name, str(oldest.version))


def get_version(client: Client, name: str, number: str) -> ModelVersion:
    """Return a version.

    Raises:
        NotFound: The registry has no version of that number.
    """
    from mlflow.exceptions import MlflowException

    try:
        return client.get_model_version(name, number)
    except MlflowException:
        raise NotFound(
            f"{name}: expected a version, received {number!r}, which is not in the registry; "
            "`pneumonia model list` lists the versions"
        ) from None


def _state(client: Client, store: Store, version: ModelVersion, record: Record) -> State:
    model_id = stored_package.stored_model_id(version)
    if model_id is None:  # registered by hand from something else
        return State.COMPLETE
    digest = version.tags.get(moves.PACKAGE_DIGEST, NOT_RECORDED)
    return stored_package.state(client, store, model_id, record, digest)


def _with_package(
    client: Client, store: Store, release: Release, run_id: str, version: ModelVersion
) -> ModelVersion:
    """Return a version of the same model whose files are stored: this one, or another for it."""
    label = f"{release.name} version {version.version}"
    match _state(client, store, version, release.record):
        case State.COMPLETE:
            return version
        case State.DAMAGED:
            if _stored_again(client, store, release, version):
                print_note(f"registry: files of {label} were deleted or changed; stored again")
                return version
            what = "the files of {} were changed, and can't be made as they were"
        case State.DELETED:
            what = "the stored model of {} was deleted"
    what = what.format(label)
    created = _replace_version(client, store, release, run_id, version, what)
    print_note(f"registry: {what}; it is registered again, as version {created.version}")
    return created


def _stored_again(client: Client, store: Store, release: Release, version: ModelVersion) -> bool:
    """Store the files of a version again, if they are those that its package digest names."""
    with packed(release) as package:
        if package.digest != version.tags.get(moves.PACKAGE_DIGEST):
            return False
        model_id = str(stored_package.stored_model_id(version))
        client.log_model_artifacts(model_id, str(package.folder))
    return _state(client, store, version, release.record) is State.COMPLETE


def _replace_version(
    client: Client,
    store: Store,
    release: Release,
    run_id: str,
    former: ModelVersion,
    why: str,
) -> ModelVersion:
    """Register the model of `former`, whose source can't be changed, with its tags and aliases."""
    name, number = release.name, str(former.version)
    created = _new_version(client, store, release, run_id, {**former.tags, "replaces": number})
    client.update_model_version(name, str(created.version), former.description or "")
    for alias, version in alias_versions(client, name).items():
        if version == number:
            to = str(created.version)
            moves.move_alias(
                client,
                store,
                name,
                alias,
                to,
                kind="repair",
                why=why,
                package_digest=created.tags[moves.PACKAGE_DIGEST],
            )
    client.delete_model_version(name, number)
    return client.get_model_version(name, str(created.version))


def _new_version(
    client: Client, store: Store, release: Release, run_id: str, tags: Mapping[str, str]
) -> ModelVersion:
    with packed(release) as package:
        model_id = stored_model(client, store, release, run_id, package)
    return client.create_model_version(
        release.name,
        f"models:/{model_id}",
        run_id=run_id,
        model_id=model_id,
        tags={**tags, moves.PACKAGE_DIGEST: package.digest},
    )


def _create_version(client: Client, store: Store, release: Release, run_id: str) -> ModelVersion:
    name, digest = release.name, release.record.model
    tags = {"git_commit": NOT_RECORDED, **release.description.tags}
    created = _new_version(client, store, release, run_id, tags)
    version = find_by_digest(client, name, digest) or created
    if int(version.version) != int(created.version):  # another client was faster
        client.delete_model_version(name, str(created.version))
    return version


def _describe(
    client: Client, name: str, version: ModelVersion, description: Description, *, update: bool
) -> None:
    """Set tags and description, and the tag `shown` last."""
    number, present = str(version.version), version.tags
    shown = present.get("shown")
    if shown is not None and (not update or shown == description.digest):
        return
    tags = {"git_commit": present.get("git_commit", NOT_RECORDED), **description.tags}
    for key, value in tags.items():
        if present.get(key) != value:
            client.set_model_version_tag(name, number, key, value)
    _, marker, verdict = (version.description or "").partition(GATE)
    client.update_model_version(name, number, f"{description.text.rstrip()}{marker}{verdict}")
    client.set_model_version_tag(name, number, "shown", description.digest)


def _ensure_model(client: Client, name: str, record: Record, *, update: bool) -> None:
    """Create the registered model; if `update`, describe it anew unless someone edited the text."""
    from mlflow.exceptions import MlflowException

    text = _model_text(record)
    try:
        present = client.get_registered_model(name)
        if update and present.description != text and not _is_edited(present):
            client.update_registered_model(name, text)
            client.set_registered_model_tag(name, "described", digest(text))
    except MlflowException as error:
        if error.error_code != "RESOURCE_DOES_NOT_EXIST":
            raise
        identity = record.identity
        tags = {
            "source": identity.data_name,
            "synthetic": plain(identity.synthetic),
            "described": digest(text),
        }
        try:
            client.create_registered_model(name, tags=tags, description=text)
        except MlflowException as race:
            if race.error_code != "RESOURCE_ALREADY_EXISTS":
                raise


def _is_edited(model: RegisteredModel) -> bool:
    """Whether a person has changed the description; the tag `described` has the digest of ours."""
    text = model.description or ""
    if "described" in model.tags:
        return model.tags["described"] != digest(text)
    # One of an earlier version, which left no digest.
    start, end = "Detects pneumonia in chest X-rays; trained on ", "bypasses the gate."
    return not (text.startswith(start) and text.endswith(end))


def _model_text(record: Record) -> str:
    name = markdown_text(record.identity.data_name)
    synthetic = "Synthetic images: these versions say nothing about patients. "
    return (
        f"{markdown_text(record.identity.task.detects)}; trained on {name}. "
        f"{synthetic if record.identity.synthetic else ''}"
        "Input: the bytes of image files. The version at alias `champion` answers; the one at "
        "`candidate` waits for the gate. Move aliases with `pneumonia promote` and `pneumonia "
        "rollback`: a change on these pages, in the alias editor or with the button Promote "
        "model, bypasses the gate."
    )
