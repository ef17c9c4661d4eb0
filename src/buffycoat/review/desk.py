"""One desk: its settings and what it works with. Made once, handed to every function."""

from __future__ import annotations

import os
import secrets
from functools import cached_property
from pathlib import Path

from buffycoat.errors import DataError
from buffycoat.files import output_error
from buffycoat.records.differential import ReferenceRanges
from buffycoat.review.classifier import Classifier, LazyClassifier
from buffycoat.review.database import Database
from buffycoat.review.documents import Label
from buffycoat.review.images import ImageStore
from buffycoat.review.labels import known_labels
from buffycoat.review.limits import Buckets
from buffycoat.review.log import Actor
from buffycoat.review.migrate import current, upgrade
from buffycoat.review.settings import ReviewSettings

LOCAL = Actor("local", "local")
"""Whoever sits at a desk without accounts."""


class Desk:
    """What the desk works with.

    Parameters
    ----------
    settings
        The folder is made, and the database brought to its newest shape.

    Raises
    ------
    OutputError
        The folder or the database cannot be written.
    DataError
        The database is of a newer version.
    """

    def __init__(self, settings: ReviewSettings) -> None:
        self.settings = settings
        try:
            settings.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if settings.database is None:  # else SQLite would make it readable for everybody
                os.close(os.open(settings.own_database, os.O_RDWR | os.O_CREAT, 0o600))
        except OSError as error:
            raise output_error(settings.folder, error) from error
        self.database = Database(settings.database_url)
        upgrade(self.database)
        self.images = ImageStore(settings.folder, settings.most_pixels)
        self.classifiers = LazyClassifier(settings)
        self.buckets = Buckets()

    @classmethod
    def existing(cls, settings: ReviewSettings) -> Desk:
        """Return a desk that has been used before; nothing is made.

        Raises
        ------
        DataError
            There is none, or it is of a newer version.
        OutputError
            The database cannot be opened.
        """
        here = settings.folder if settings.database is None else "the database"
        missing = DataError(
            f"There is no review desk in {here}.",
            hint="Name it with --folder or --database, or the variables BUFFYCOAT_REVIEW_FOLDER and _DATABASE.",
        )
        if settings.database is None and not settings.own_database.is_file():
            raise missing
        database = Database(settings.database_url)
        try:
            if current(database) is None:
                raise missing
        finally:
            database.close()
        return cls(settings)

    @property
    def classifier(self) -> Classifier:
        """The classifier, loaded when it is first asked for."""
        return self.classifiers.get()

    @cached_property
    def labels(self) -> tuple[Label, ...]:
        """The labels of this desk."""
        return known_labels((*self.classifier.classes, *self.settings.more_labels))

    @cached_property
    def ranges(self) -> ReferenceRanges | None:
        """The laboratory's reference ranges, where the settings name some."""
        from buffycoat.differential import read_ranges

        return None if self.settings.ranges is None else read_ranges(self.settings.ranges)

    @cached_property
    def secret(self) -> bytes:
        """32 bytes that only this desk knows; made once, kept in the folder."""
        return own_secret(self.settings.folder / "secret")

    def close(self) -> None:
        """Close the database, and end what the classifier started."""
        self.classifiers.close()
        self.database.close()


def own_secret(path: Path) -> bytes:
    """Return the secret in a file that only its owner may read; made by the first who asks."""
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        pass
    except OSError as error:
        raise output_error(path, error) from error
    else:
        with os.fdopen(handle, "wb") as stream:
            stream.write(secrets.token_bytes(32))
    found = path.read_bytes()
    if len(found) >= 32:
        return found
    path.unlink()  # the maker was stopped in between
    return own_secret(path)
