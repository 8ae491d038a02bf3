"""Count images as they are received, for source.json."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from stages.engine.task import TaskOptions
from stages.sources.header import Header
from stages.sources.patient_ids import together
from stages.sources.received import NamedSource, ReceivedImage
from stages.sources.source_file import FORMAT


class SourceCounts:
    """Counts images as they are received.

    Args:
        sources: What is known of the sources, in the order of params.
        keep_groups: Whether `groups` is wanted, which takes memory for each patient.
    """

    def __init__(self, sources: Sequence[NamedSource], *, keep_groups: bool) -> None:
        self._sources = sources
        self._keep_groups = keep_groups
        self._images: Counter[str] = Counter()
        self._patients: defaultdict[str, set[str]] = defaultdict(set)
        self._cautions: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self.groups: defaultdict[str, set[str]] = defaultdict(set)
        """The split groups of each patient; empty unless they are kept."""

    def add(self, image: ReceivedImage, header: Header | None) -> None:
        """Count an image and the cautions of its header."""
        self._images[image.source] += 1
        self._patients[image.source].add(image.patient)
        self._cautions[image.source].update(header.cautions if header else ())
        if self._keep_groups:
            self.groups[image.patient].add(image.split_group)

    def to_json(self) -> dict[str, Any]:
        """Return the content of source.json.

        `name` is the data set of the first source that is trained on: the registered model keeps
        it when sources are added. `pinned` asks all sources; `synthetic` is whether any image is.
        `equal_ids` counts ids that several sources have, each counted as a patient of its own;
        `merged_patients` are those of all sources. `task` is what all sources that are trained on
        state alike; other texts stand there with the names of those who state them.
        """
        trained_on = next(source for source in self._sources if source.use == "train")
        facts: dict[str, Any] = {
            "format": FORMAT,
            "name": trained_on.origin.name,
            "pinned": all(source.origin.pinned for source in self._sources),
            "synthetic": any(source.origin.synthetic for source in self._sources),
            "images": self._images.total(),
            "sources": [self._of(source) for source in self._sources],
            "task": _task_of_all(self._sources),
        }
        cautions = sum(self._cautions.values(), Counter[str]())
        if cautions:
            facts["cautions"] = dict(sorted(cautions.items()))
        if equal := self._equal_ids():
            facts["equal_ids"] = equal
        if merged := together(source.origin.merged_patients for source in self._sources):
            facts["merged_patients"] = asdict(merged)
        return facts

    def _of(self, source: NamedSource) -> dict[str, Any]:
        origin = asdict(source.origin)
        del origin["merged_patients"], origin["task"]
        facts = {"name": source.name, "use": source.use, "data": origin.pop("name"), **origin}
        facts["images"] = self._images[source.name]
        facts["patients"] = len(self._patients[source.name])
        if cautions := self._cautions[source.name]:
            facts["cautions"] = dict(sorted(cautions.items()))
        return facts

    def _equal_ids(self) -> int:
        """Number of ids that are given by several sources."""
        sources_of = Counter(
            patient.removeprefix(f"{source}/")
            for source, patients in self._patients.items()
            for patient in patients
        )
        return sum(count > 1 for count in sources_of.values())


def _task_of_all(sources: Sequence[NamedSource]) -> dict[str, Any]:
    """Return what several sources state of their images, by keys of `engine.task.TaskOptions`."""
    stated = {each.name: each.origin.task for each in sources if each.use == "train"}
    found: dict[str, Any] = {}
    for key in dict.fromkeys(key for task in stated.values() for key in task):
        texts = {name: task[key] for name, task in stated.items() if key in task}
        first = next(iter(texts.values()))
        if len(texts) == len(stated) and all(text == first for text in texts.values()):
            found[key] = first
        elif key in TaskOptions.PROSE:
            found[key] = "\n".join(f"- {name}: {text}" for name, text in texts.items())
    return found
