"""What a review desk is told when it starts."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import platformdirs
from pydantic import BaseModel, ConfigDict, Field

from buffycoat.settings import usable_cores

Positive = Annotated[int, Field(gt=0)]
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
"""Addresses that only this machine can reach."""

_MIB = 1 << 20


def default_folder() -> Path:
    """Return the folder in which a desk keeps its data unless told otherwise (not created here)."""
    return Path(platformdirs.user_data_dir("buffycoat")) / "review"


class ReviewSettings(BaseModel):
    """The settings of one desk. Sizes are in bytes, times in seconds."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    folder: Path  # photographs, crops, secret and, unless `database` says otherwise, the database
    database: str | None = None  # SQLAlchemy address; None: SQLite in the folder
    bundle: Path | None = None  # None: the default bundle
    classifier: str | None = None  # "module:function" that makes a classifier; for tests
    host: str = "127.0.0.1"
    port: Annotated[int, Field(ge=0, le=65535)] = 8350
    accounts: bool = False
    secure_cookies: bool = False  # the page is reached by https
    allowed_hosts: tuple[str, ...] = ()  # further names under which the page may be asked for
    trusted_proxies: tuple[str, ...] = ()  # addresses whose X-Forwarded-For is believed
    workers: Annotated[int, Field(ge=0, le=64)] = 1  # processes that analyse; 0: none
    ranges: str | None = None  # file of reference ranges, or "example"
    more_labels: tuple[str, ...] = ()  # classes a person may give beside the five types and the bundle's

    most_request_bytes: Positive = 2048 * _MIB
    most_image_bytes: Positive = 256 * _MIB
    most_pixels: Positive = 100_000_000
    most_archive_files: Positive = 5_000
    most_archive_bytes: Positive = 8192 * _MIB
    most_fields: Positive = 20_000  # on one slide

    uploads_per_minute: Positive = 600
    logins_per_quarter: Positive = 10  # failed ones, per account and per address, in 15 minutes
    session_seconds: Positive = 12 * 3600
    session_idle_seconds: Positive = 2 * 3600
    shortest_password: Positive = 12

    lease_seconds: Positive = 60  # a worker that does not report for so long has died
    attempts: Positive = 3  # a photograph that ends so many workers is given up

    predict_at_once: Positive = Field(default_factory=usable_cores)
    predict_waiting: Annotated[int, Field(ge=0)] = 16
    predict_wait_seconds: Annotated[float, Field(gt=0)] = 10.0

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach the desk."""
        return self.host in LOOPBACK

    @property
    def own_database(self) -> Path:
        """The file of the database where none is named."""
        return self.folder / "review.sqlite3"

    @property
    def database_url(self) -> str:
        """The address of the database."""
        return self.database or f"sqlite:///{self.own_database}"
