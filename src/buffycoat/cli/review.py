"""``buffycoat review``: the review desk in a browser, and the upkeep of what it holds."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from buffycoat.cli.console import counting, remarks, results
from buffycoat.cli.outputs import local

if TYPE_CHECKING:
    from buffycoat.review.desk import Desk
    from buffycoat.review.verify import Signed

PASSWORD_FILE_VARIABLE = "BUFFYCOAT_REVIEW_DATABASE_PASSWORD_FILE"  # noqa: S105 - a name

Folder = Annotated[
    Path | None,
    typer.Option(
        "--folder",
        envvar="BUFFYCOAT_REVIEW_FOLDER",
        help="Where photographs and, unless --database says otherwise, the database are kept.",
        show_default="the user's data folder",
    ),
]
DatabaseUrl = Annotated[
    str | None,
    typer.Option(
        "--database",
        envvar="BUFFYCOAT_REVIEW_DATABASE",
        help="postgresql://user:password@host/name; better in the variable, where other users cannot read it.",
        show_default="SQLite in the folder",
    ),
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing unless something is wrong.")]

review = typer.Typer(
    help="See, correct and sign: the review desk, in a browser on this machine.",
    invoke_without_command=True,
    no_args_is_help=False,
)
account = typer.Typer(help="Who may sign in.", no_args_is_help=True)
review.add_typer(account, name="account")


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.add_typer(review, name="review")


@review.callback()
def serve(
    context: typer.Context,
    folder: Folder = None,
    database: DatabaseUrl = None,
    bundle: Annotated[
        Path | None, typer.Option("--bundle", "-b", help="The bundle's folder.", show_default="the one built in")
    ] = None,
    host: Annotated[
        str, typer.Option(help="Address to listen on; others than 127.0.0.1 need --accounts.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port; 0 takes a free one.")] = 8350,
    accounts: Annotated[bool, typer.Option("--accounts", help="People sign in with name and password.")] = False,
    workers: Annotated[int, typer.Option(min=0, max=64, help="Processes that analyse photographs.")] = 1,
    allowed_host: Annotated[
        list[str] | None, typer.Option(help="A name under which the desk is reached; may be given several times.")
    ] = None,
    https: Annotated[bool, typer.Option("--https", help="A proxy in front speaks https: cookies need it.")] = False,
    trusted_proxy: Annotated[
        list[str] | None, typer.Option(help="Address of a proxy whose X-Forwarded-For is believed.")
    ] = None,
    label: Annotated[
        list[str] | None, typer.Option(help="A further class that reviewers may give, as blast; several times.")
    ] = None,
    ranges: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Reference ranges (.toml or .json); the word example for a trial."),
    ] = None,
    demo: Annotated[int, typer.Option(min=0, max=100, help="Add so many drawn slides first, to try it.")] = 0,
    browser: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in the browser.")] = True,
    quiet: Quiet = False,
) -> None:
    """Serve the review desk. Research software, not a medical device."""
    if context.invoked_subcommand is not None:
        return
    from buffycoat.review import logs
    from buffycoat.review.demo import draw_slides
    from buffycoat.review.serve import serve as serve_desk
    from buffycoat.review.sign_in import HERE

    desk = _desk(
        folder,
        database,
        bundle=bundle,
        host=host,
        port=port,
        accounts=accounts,
        workers=workers,
        allowed_hosts=tuple(allowed_host or ()),
        secure_cookies=https,
        trusted_proxies=tuple(trusted_proxy or ()),
        more_labels=tuple(label or ()),
        ranges=ranges,
    )
    logs.begin("WARNING" if quiet else "INFO")
    if demo:
        draw_slides(desk, HERE, demo)
    serve_desk(desk, lambda address: _say_ready(desk, address, browser=browser))
    if not quiet:
        remarks().print("The desk is closed; what was done is kept.")


@review.command()
def verify(
    folder: Folder = None,
    database: DatabaseUrl = None,
    images: Annotated[bool, typer.Option("--images/--no-images", help="Check every photograph's bytes too.")] = True,
    seal: Annotated[
        list[str] | None,
        typer.Option(help="A seal that stands on a report: is it a signature of this log, and of what? Several times."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    quiet: Quiet = False,
) -> None:
    """Check the chain of hashes, the derived tables and the photographs; exit code 1 where something is wrong."""
    from dataclasses import asdict

    from buffycoat.review.verify import verify as check

    desk = _desk(folder, database, existing=True)
    with counting("Checking the log", quiet=quiet or as_json) as move:
        found = check(desk, images=images, seals=[_seal(one) for one in seal or ()], on_progress=move)
    for signed in () if as_json else found.signed:
        results().print(_words_of(signed), markup=False, soft_wrap=True)
    if as_json:
        results().print_json(data={**asdict(found), "sound": found.sound})
    elif found.sound:
        results().print(
            f"Sound: {found.events} lines of the log, {found.rows} derived rows, {found.seals} signatures "
            f"and amendments noted outside, {found.images} photographs.\nHead of the log: {found.head}",
            soft_wrap=True,
        )
    else:
        for fault in found.faults:
            results().print(fault, markup=False, soft_wrap=True)
        remarks().print(f"[bold red]{len(found.faults)} fault{'s' * (len(found.faults) != 1)}.[/]")
    desk.close()
    if not found.sound:
        raise typer.Exit(1)


@review.command()
def rebuild(folder: Folder = None, database: DatabaseUrl = None) -> None:
    """Derive the present state anew from the log."""
    from buffycoat.review.verify import rebuild as derive

    desk = _desk(folder, database, existing=True)
    results().print(f"Derived anew from {derive(desk)} lines of the log.")
    desk.close()


@review.command()
def backup(
    out: Annotated[Path, typer.Argument(callback=local, help="File to write (.zip).")],
    folder: Folder = None,
    database: DatabaseUrl = None,
) -> None:
    """Write everything into one file, while the desk goes on working."""
    from buffycoat.review.backup import back_up

    desk = _desk(folder, database, existing=True)
    held = back_up(desk, out)
    results().print(f"{out}: " + ", ".join(f"{n} {name}" for name, n in held.items()), markup=False)
    desk.close()


@review.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A backup.")],
    folder: Folder = None,
    database: DatabaseUrl = None,
) -> None:
    """Fill a new desk from a backup, of whichever database it was made, and check it."""
    from buffycoat.errors import DataError
    from buffycoat.review.backup import restore as fill
    from buffycoat.review.verify import verify as check

    desk = _desk(folder, database)
    held = fill(desk, source)
    found = check(desk)
    desk.close()
    if not found.sound:
        raise DataError(f"The restored desk is not sound: {found.faults[0]}")
    results().print("Restored and sound: " + ", ".join(f"{n} {name}" for name, n in held.items()), markup=False)


@review.command("give-back")
def give_back(
    out: Annotated[Path, typer.Argument(callback=local, help="New folder for the labelled set.")],
    folder: Folder = None,
    database: DatabaseUrl = None,
    quiet: Quiet = False,
) -> None:
    """Write the corrections of signed readings as a labelled set that buffycoat study trains on."""
    from buffycoat.review.give_back import write
    from buffycoat.review.sign_in import HERE

    desk = _desk(folder, database, existing=True)
    with counting("Framing cells", quiet=quiet) as move:
        counts = write(desk, HERE, out, on_progress=move)
    desk.close()
    for name, n in counts.items():
        results().print(f"  {name:<28}{n:>6}", markup=False)
    results().print(f"Next: buffycoat study {out}", markup=False)


@account.command("add")
def add_account(
    login: Annotated[str, typer.Argument(help="What the person types to sign in.")],
    role: Annotated[str, typer.Option(help="reader, reviewer or administrator.")] = "reviewer",
    name: Annotated[str | None, typer.Option(help="As it stands in reports.", show_default="the login")] = None,
    password_file: Annotated[
        Path | None, typer.Option(help="File with the password on its first line.", show_default="asked for")
    ] = None,
    folder: Folder = None,
    database: DatabaseUrl = None,
) -> None:
    """Make an account."""
    from buffycoat.errors import UsageError, did_you_mean
    from buffycoat.review import accounts

    if role not in {"reader", "reviewer", "administrator"}:
        raise UsageError(
            f"There is no role {role!r}.", hint=did_you_mean(role, ("reader", "reviewer", "administrator"))
        )
    password = _password(password_file)
    desk = _desk(folder, database)
    accounts.create(desk, None, login, name or login, role, password)  # type: ignore[arg-type]
    desk.close()
    results().print(f"{login} may sign in as {role}.", markup=False)


@account.command("list")
def list_accounts(folder: Folder = None, database: DatabaseUrl = None) -> None:
    """List the accounts."""
    from buffycoat.review import accounts
    from buffycoat.review.sign_in import HERE

    desk = _desk(folder, database, existing=True)
    for one in accounts.listed(desk, HERE):
        state = "" if one.active else "  (ended)"
        results().print(f"{one.login:<24}{one.role:<16}{one.name}{state}", markup=False)
    desk.close()


@account.command("password")
def reset_password(
    login: Annotated[str, typer.Argument(help="Whose password.")],
    password_file: Annotated[Path | None, typer.Option(help="File with the password on its first line.")] = None,
    folder: Folder = None,
    database: DatabaseUrl = None,
) -> None:
    """Give a person a new password and sign them out everywhere; an account that was ended begins again."""
    from buffycoat.errors import UsageError
    from buffycoat.review import accounts
    from buffycoat.review.sign_in import HERE

    desk = _desk(folder, database, existing=True)
    found = next((one for one in accounts.listed(desk, HERE) if one.login == accounts.fold(login)), None)
    if found is None:
        raise UsageError(f"There is no account {login!r}.", hint="buffycoat review account list")
    accounts.change(desk, None, found.id, password=_password(password_file), active=True)
    desk.close()
    again = "" if found.active else " The account had been ended; it is open again."
    results().print(f"{found.login} has a new password.{again}", markup=False, soft_wrap=True)


def _desk(folder: Path | None, database: str | None, *, existing: bool = False, **settings: Any) -> Desk:
    """Return the desk; `existing`: one that nobody has used is a fault, and none is made."""
    from pydantic import ValidationError

    from buffycoat.errors import UsageError
    from buffycoat.records.documents import explain
    from buffycoat.review.desk import Desk
    from buffycoat.review.settings import ReviewSettings, default_folder

    try:
        chosen = ReviewSettings(folder=folder or default_folder(), database=_with_password(database), **settings)
    except ValidationError as error:
        raise UsageError(f"The desk cannot be set up so: {explain(error)}.") from error
    return Desk.existing(chosen) if existing else Desk(chosen)


def _with_password(database: str | None) -> str | None:
    """Return the address with the password from the file that a variable names, as containers hand secrets over."""
    file = os.environ.get(PASSWORD_FILE_VARIABLE)
    if database is None or file is None:
        return database
    from sqlalchemy.engine import make_url

    return make_url(database).set(password=_password(Path(file))).render_as_string(hide_password=False)


def _say_ready(desk: Desk, address: str, *, browser: bool) -> None:
    import sys
    import webbrowser

    results().print(f"Review desk: [bold]{address}[/]")
    results().print(f"Data: {desk.settings.folder}", style="dim", markup=False)
    if not desk.settings.loopback and not desk.settings.secure_cookies:
        remarks().print(
            "Others can reach this desk, and passwords cross the network in the clear. Put a proxy with https in front "
            "and start with --https.",
            style="bold yellow",
        )
    if browser and sys.stdout.isatty():
        webbrowser.open(address)


def _seal(given: str) -> str:
    from buffycoat.errors import UsageError

    seal = "".join(given.split()).lower()
    if len(seal) != 64 or set(seal) - set("0123456789abcdef"):
        raise UsageError(
            f"{given!r} is no seal: expected 64 hexadecimal digits, found {len(seal)} characters.",
            hint="It stands in full at the foot of a signed report.",
        )
    return seal


def _words_of(signed: Signed) -> str:
    counts = ", ".join(f"{n} {label}" for label, n in sorted(signed.counts.items()))
    since = "" if signed.latest else " The reading was amended since."
    return f"Signed by {signed.name}, {signed.at}, line {signed.line}: {signed.slide}: {counts or 'no cells'}.{since}"


def _password(file: Path | None) -> str:
    from buffycoat.errors import DataError

    if file is None:
        asked: str = typer.prompt("Password", hide_input=True, confirmation_prompt=True)
        return asked
    try:
        return file.read_text(encoding="utf-8").splitlines()[0]
    except (OSError, UnicodeDecodeError, IndexError) as error:
        raise DataError(f"{file} holds no password.") from error
