"""One photograph in, its cells out; nothing is kept."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, File, Request, Response, UploadFile

from buffycoat.errors import ImageError
from buffycoat.review.api.parts import faults
from buffycoat.review.classifier import Looked
from buffycoat.review.documents import PredictAnswer, PredictedCell
from buffycoat.review.faults import Refused, TooLarge
from buffycoat.review.web_support import DeskDep, PersonDep

router = APIRouter(tags=["predict"])


@router.post("/predict", response_model=PredictAnswer, responses=faults(429))
async def predict(
    request: Request,
    desk: DeskDep,
    _who: PersonDep,
    file: Annotated[UploadFile, File(description="One photograph.")],
) -> Response:
    """Find and name the leukocytes of a photograph. When too many wait, the answer is 503 with Retry-After."""
    most = desk.settings.most_image_bytes
    content = await file.read(most + 1)
    if len(content) > most:
        raise TooLarge(f"The photograph has more than {most / 1e6:.0f} MB.")
    counted = request.app.state.metrics.predicted
    try:
        answer = _answer(await request.app.state.gate.ask(content), desk.classifier.name)
    except ImageError as error:
        counted.labels(Refused.__name__).inc()
        raise Refused(f"The photograph cannot be used: {error.reason}.") from error
    except Exception as error:
        counted.labels(type(error).__name__).inc()
        raise
    counted.labels("answered").inc()
    return Response(answer.model_dump_json(), media_type="application/json")  # as it is: not validated once more


def _answer(looked: Looked, bundle: str) -> PredictAnswer:
    return PredictAnswer(
        width=looked.width,
        height=looked.height,
        framing=looked.framing,
        cells=tuple(
            PredictedCell(
                number=number,
                box=cell.box,
                label=cell.label,
                best=cell.best,
                probability=cell.probability,
                probabilities=cell.probabilities,
                conformal=cell.conformal,
                reason=cell.reason,
                unlikeness=cell.unlikeness,
                touches_border=cell.touches_border,
            )
            for number, cell in enumerate(looked.cells, start=1)
        ),
        bundle=bundle,
    )
