"""Faults that are answered with a status: what is wrong, for a person or a program that asked."""

from __future__ import annotations

from typing import Any

from buffycoat.errors import BuffycoatError


class ReviewFault(BuffycoatError):  # noqa: N818 - an answer, not a defect
    """A request that cannot be done as asked.

    Parameters
    ----------
    detail
        One or two sentences for the person who asked.
    title
        A few words; by default the class's own.
    extra
        Further fields of the answer.
    """

    status = 400
    title = "That cannot be done"
    headers: dict[str, str]

    def __init__(self, detail: str, *, title: str | None = None, hint: str | None = None, **extra: Any) -> None:
        super().__init__(detail, hint=hint)
        self.detail = detail
        self.title = title or type(self).title
        self.extra = extra
        self.headers = {}


class NotSignedIn(ReviewFault):
    """Nobody is signed in."""

    status = 401
    title = "Please sign in"


class Forbidden(ReviewFault):
    """The person may not do this."""

    status = 403
    title = "Not allowed"


class NotFound(ReviewFault):
    """There is no such thing, or it is not for this person to know."""

    status = 404
    title = "Not found"


class Conflict(ReviewFault):
    """Somebody else changed it meanwhile, or its state does not allow this."""

    status = 409
    title = "Changed meanwhile"


class TooLarge(ReviewFault):
    """More bytes or pixels than allowed."""

    status = 413
    title = "Too large"


class Refused(ReviewFault):
    """The request is understood and makes no sense."""

    status = 422
    title = "That cannot be used"


class Busy(ReviewFault):
    """Too many requests; try again later."""

    status = 429
    title = "Too many requests"

    def __init__(self, detail: str, retry_after_seconds: float, *, status: int = 429) -> None:
        super().__init__(detail)
        self.status = status
        if status == 503:
            self.title = "Busy"
        self.headers = {"Retry-After": str(max(1, round(retry_after_seconds)))}
