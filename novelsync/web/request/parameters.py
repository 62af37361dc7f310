"""What a request may contain: its size and its parameters. Anything else is refused before anything is done."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from io import BytesIO
from typing import Final, TypeVar
from uuid import UUID

from flask import Request
from werkzeug.datastructures import MultiDict
from werkzeug.exceptions import RequestEntityTooLarge

from novelsync.models.desk.novels import NovelQuery, Show, Sort
from novelsync.models.desk.takedowns import TakedownKind
from novelsync.models.run import Acceptance, SyncOptions, accepted_twice, confirmed_removals
from novelsync.status_service import LISTED_KINDS

MAX_BODY_BYTES: Final = 65_536
"""No request needs a body; it is only searched for parameters that belong in the address."""

MAX_ADDRESS_BYTES: Final = 16_384
"""Of the path and the query. Google's own limit is about the same; functions-framework has none."""

MAX_NAME_BYTES: Final = 1024
"""In UTF-8, of an object in Cloud Storage. A folder's name has at most 255."""

SYNC_PARAMETERS: Final = ("dry_run", "slug", "reread", "accept", "keep", "accept_removals")
TAKEDOWN_PARAMETERS: Final[Mapping[str, TakedownKind]] = {
    "slug": TakedownKind.NOVEL,
    "chapter": TakedownKind.CHAPTER,
    "url": TakedownKind.URL,
    "text_of": TakedownKind.TEXT,
}
MAX_REASON: Final = 1000
"""Characters."""
_REPEATABLE: Final = ("slug", "accept", "keep")


class Refused(Exception):
    """A request that is answered with an error before anything is done."""

    def __init__(self, status: int, message: str, hint: str, allow: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.hint = hint
        self.allow = allow


def check_size(request: Request) -> None:
    """
    Raises `Refused` for a body or an address that is too long.

    Leaves nothing of the body unread, because functions-framework would read it into memory after the answer.
    """
    request.max_content_length = MAX_BODY_BYTES
    try:
        request.get_data()
        request.stream.read(1)  # a chunked body is read up to the limit, and only the next byte raises
    except RequestEntityTooLarge as error:
        request.stream = BytesIO()
        raise Refused(413, f"the body has more than {MAX_BODY_BYTES:,} bytes", "none is needed") from error
    if len(request.path) + len(request.query_string) > MAX_ADDRESS_BYTES:
        raise Refused(414, f"the address has more than {MAX_ADDRESS_BYTES:,} bytes", "ask for fewer novels at a time")


def parameters(request: Request, *allowed: str) -> MultiDict[str, str]:
    """
    The parameters of the address, of which only the ``allowed`` may be there.

    Raises `Refused` for what would quietly do the wrong thing: one that is misspelled, given twice, or in the body.
    """
    unknown = [name for name in request.args if name not in allowed]
    if unknown:
        hint = f"known here: {', '.join(allowed)}" if allowed else "there are none here"
        raise Refused(400, f"unknown parameter: {', '.join(unknown)}", hint)
    twice = [name for name, values in request.args.lists() if len(values) > 1 and name not in _REPEATABLE]
    if twice:
        raise Refused(400, f"given twice: {', '.join(twice)}", "once is enough")
    try:
        body = request.get_json(force=True, silent=True)
    except RecursionError as error:
        raise Refused(400, "the body is nested too deeply", "none is needed") from error
    # A sync's own everywhere: whoever sends them to another route wants a sync.
    known = dict.fromkeys((*SYNC_PARAMETERS, *allowed))
    misplaced = [name for name in known if name in request.form or (isinstance(body, dict) and name in body)]
    if misplaced:
        raise Refused(400, f"in the body: {', '.join(misplaced)}", "parameters go into the address, after a ?")
    return request.args


def sync_parameters(request: Request) -> tuple[Sequence[str], SyncOptions, bool]:
    """The slugs (none: all novels), the options, and whether it is a dry run."""
    given = parameters(request, *SYNC_PARAMETERS)
    slugs, removals = given.getlist("slug"), given.get("accept_removals")
    accept, keep = given.getlist("accept"), given.getlist("keep")
    named = [*slugs, *(Acceptance.of(words).slug for words in (*accept, *keep))]
    if not all(_may_be_slug(slug) for slug in named):
        raise Refused(400, "a slug is empty, too long, or holds a NUL", "it is the name of the novel's folder")
    if twice := accepted_twice(accept, keep):
        raise Refused(400, f"{twice!r} is to be accepted or kept in two ways", "give one of them")
    if in_order := next((words for words in keep if Acceptance.of(words).in_order), ""):
        raise Refused(400, f"keep is {in_order!r}", "in-order is a way to accept; keep takes the slug, or slug=id")
    confirmed = None if removals is None else confirmed_removals(removals)
    if removals is not None and (slugs or confirmed is None):
        hint = "give the number that was shown, and no slug, because only a whole run removes novels"
        raise Refused(400, f"accept_removals is {removals!r}" + (" together with a slug" if slugs else ""), hint)
    count, shown = confirmed or (None, "")
    options = SyncOptions(_flag(given, "reread"), frozenset(accept), count, shown, frozenset(keep))
    return slugs, options, _flag(given, "dry_run")


def takedown_parameters(request: Request) -> tuple[TakedownKind, str, str]:
    """What is to be taken down, and why."""
    given = parameters(request, *TAKEDOWN_PARAMETERS, "reason")
    targets = [(kind, given[name]) for name, kind in TAKEDOWN_PARAMETERS.items() if name in given]
    if len(targets) != 1 or len(given.getlist("slug")) > 1:
        raise Refused(400, f"{len(targets)} things are named", f"give one of {', '.join(TAKEDOWN_PARAMETERS)}")
    (kind, target), reason = targets[0], given.get("reason", "")
    if not target or len(target.encode()) > MAX_NAME_BYTES or len(reason) > MAX_REASON or "\0" in target + reason:
        raise Refused(400, "what is named or the reason is empty, too long, or holds a NUL", "it is one line")
    return kind, target, reason


def takedown_number(request: Request) -> int:
    """The id of a takedown."""
    given = parameters(request, "id").get("id", "")
    if not (given.isascii() and given.isdecimal() and len(given) < 16):
        raise Refused(400, f"id is {given!r}", "it is the number of a takedown, as the list shows it")
    return int(given)


LISTING: Final = ("problems", "after")
"""The parameters of a page of all the problems of a kind."""


def listing_parameters(given: MultiDict[str, str]) -> tuple[str, str | None] | None:
    """The kind of problems that is asked for, and the slug after which the page begins; None if none is asked for."""
    kind, after = given.get("problems"), given.get("after")
    if kind is None and after is None:
        return None
    if kind not in LISTED_KINDS:
        raise Refused(400, f"problems is {kind!r}", f"it can be {', '.join(LISTED_KINDS[:-1])} or {LISTED_KINDS[-1]}")
    if "check" in given:
        raise Refused(400, "problems together with check", "ask for one of them")
    if after is not None and (len(after.encode()) > MAX_NAME_BYTES or "\0" in after):
        raise Refused(400, "after is too long, or holds a NUL", "it is the next of the page before")
    return kind, after


SHOWN_SEARCH: Final = 200
"""Characters that a search may have."""


def novels_parameters(request: Request) -> NovelQuery:
    """What page of novels is asked for."""
    given = parameters(request, "show", "search", "sort", "after")
    show, sort = _one_of(given, "show", Show), _one_of(given, "sort", Sort)
    search = given.get("search", "").strip()
    if len(search) > SHOWN_SEARCH or "\0" in search:
        raise Refused(400, "search is too long, or holds a NUL", f"it can have {SHOWN_SEARCH} characters")
    after = novel_parameter(given, "after") if "after" in given else None
    return NovelQuery(show, search, sort, after)


def novel_parameter(given: MultiDict[str, str], name: str = "slug") -> str:
    """The slug of a novel."""
    slug = given.get(name, "")
    if not _may_be_slug(slug):
        raise Refused(400, f"{name} is missing, too long, or holds a NUL", "it is the name of the novel's folder")
    return slug


def position_parameter(given: MultiDict[str, str]) -> int:
    """The position of the chapter after which a page begins; 0 if none is given."""
    words = given.get("after", "0")
    if not (words.isascii() and words.isdecimal() and len(words) <= 9):
        raise Refused(400, f"after is {words!r}", "it is the next of the page before")
    return int(words)


def run_parameter(given: MultiDict[str, str], name: str = "run_id") -> str:
    """The id of a run."""
    try:
        return str(UUID(given.get(name, "")))
    except ValueError as error:
        raise Refused(400, f"{name} is {given.get(name)!r}", "it is the run_id of a report") from error


_Choice = TypeVar("_Choice", bound=StrEnum)


def _one_of(given: MultiDict[str, str], name: str, choices: type[_Choice]) -> _Choice:
    """The one that is given, or the first."""
    words = given.get(name) or next(iter(choices)).value
    if words not in [choice.value for choice in choices]:
        raise Refused(400, f"{name} is {words!r}", f"it can be {', '.join(choices)}")
    return choices(words)


def _may_be_slug(slug: str) -> bool:
    return 0 < len(slug.encode()) <= MAX_NAME_BYTES and "\0" not in slug


def _flag(given: MultiDict[str, str], name: str) -> bool:
    value = given.get(name, "0")
    if value not in ("0", "1"):
        raise Refused(400, f"{name} is {value!r}", "it can be 1 or 0")
    return value == "1"
