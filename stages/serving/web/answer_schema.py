"""The answers of the API as openapi.json describes them. `answers` writes them; a test compares."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Schema(BaseModel):
    """An object without further fields."""

    model_config = ConfigDict(extra="forbid", strict=True)


class Figure(Schema):
    """A figure on the images of a role, with its 95% interval."""

    value: float | None
    low: float | None
    high: float | None


class Headline(Schema):
    """The figures that say most; none is there that was not measured."""

    auroc: Figure | None = None
    sensitivity: Figure | None = None
    specificity: Figure | None = None


class Model(Schema):
    """The version that answers. What is null is not on record."""

    name: str
    version: str | None
    alias: str | None
    format: int
    model_digest: str
    package_digest: str | None
    commit: str | None
    synthetic: bool | None = Field(description="Whether it was trained on synthetic images.")
    intended_use: str | None
    cautions: list[str] = Field(description="What makes the model doubtful.")
    classes: list[str] = Field(description="The negative and the positive class.")
    prior: float | None = Field(description="Of the positive class, which probabilities assume.")
    threshold: float | None = Field(description="Probability from which the decision is positive.")
    domain_limit: float | None = Field(description="Domain score above which it gives no answer.")
    figures: dict[str, Headline] = Field(description="By role of the images, such as `test`.")


class Domain(Schema):
    """How unlike the training images an image is."""

    score: float
    percentile: float | None = Field(description="Reference images with a lower score, in percent.")
    limit: float | None


class Refused(Schema):
    """Why there is no answer."""

    kind: Literal["unreadable", "out_of_domain", "timeout", "crashed"]
    reason: str


class Image(Schema):
    """What became of one image: a decision with its probability, or a refusal."""

    index: int
    decision: str | None
    probability: float | None = Field(description="Of the positive class, at the stated prior.")
    domain: Domain | None
    refused: Refused | None
    cautions: list[str] = Field(description="What makes the image doubtful.")


class Answers(Schema):
    """The answer to a request: an entry per image, in order. No answer is a diagnosis."""

    schema_: int = Field(alias="schema", description="1")
    request_id: str
    time: str
    model: Model
    images: list[Image]


class Error(Schema):
    """Why a request is not answered, and what to do."""

    kind: str
    message: str
    action: str


class Problem(Schema):
    """A request that is not answered."""

    schema_: int = Field(alias="schema", description="1")
    request_id: str
    error: Error
