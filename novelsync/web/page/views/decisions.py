"""The pages on which somebody decides: what is held of a novel, and what is taken down. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from shlex import quote

from novelsync.models.desk.held import HeldChange, HeldLook, TextBesideText
from novelsync.models.desk.takedowns import Takedown, TakedownKind
from novelsync.text.formatting import counted, size
from novelsync.web.page.views.words import Act, Action, Moment, Text, moment, moment_or_none, plain, sentence
from novelsync.web.request import addresses
from novelsync.web.request.addresses import address


@dataclass(frozen=True, slots=True)
class GoneLine:
    """A chapter that readers would no longer see."""

    number: str
    title: str
    size: str
    beginning: str


@dataclass(frozen=True, slots=True)
class TextsLine:
    """What readers have, and what they would have instead."""

    title: str
    old: str
    new: str
    old_letters: str
    new_letters: str
    skipped: bool
    """Both begin alike, and that part is left out."""


@dataclass(frozen=True, slots=True)
class Choice:
    """What somebody may decide, and what comes of it."""

    id: str
    words: str
    meaning: str
    meanwhile: str
    action: Action
    first: bool = False


@dataclass(frozen=True, slots=True)
class HeldView:
    """All that the page says. Nothing is held if ``choices`` are empty."""

    slug: str
    title: str
    novel: str
    """The address of the novel's page."""
    message: Text
    """Without choices: why it cannot be told; empty: nothing is held."""
    kept: bool = False
    summary: str = ""
    gone: Sequence[GoneLine] = ()
    texts: Sequence[TextsLine] = ()
    texts_left: int = 0
    others: Sequence[tuple[str, str]] = ()
    others_left: int = 0
    fields: str = ""
    choices: Sequence[Choice] = ()


MOST_OTHERS = 50


def held_view(look: HeldLook, act: Act) -> HeldView:
    """``act``: how a command is carried out where the page is read."""
    held, novel = look.held, address(addresses.NOVEL, slug=look.slug)
    if held is None:
        return HeldView(look.slug, look.slug, novel, plain(sentence(look.why)) if look.why else ())
    others = [(f"{line.position}. {line.title}" if line.position else line.title, line.said) for line in held.others]
    return HeldView(
        slug=held.slug,
        title=held.title,
        novel=novel,
        message=plain(sentence(held.message)),
        kept=held.kept,
        summary=_summary(held),
        gone=[
            GoneLine(row.number or f"{row.position:,}", row.title, size(row.bytes) if row.bytes else "", row.beginning)
            for row in held.gone
        ],
        texts=[_texts(each) for each in held.texts],
        texts_left=held.texts_total - len(held.texts),
        others=others[:MOST_OTHERS],
        others_left=max(0, len(others) - MOST_OTHERS),
        fields=held.said,
        choices=list(_choices(held, act)),
    )


def _summary(held: HeldChange) -> str:
    parts = []
    if held.gone:
        parts.append(f"{counted(len(held.gone), 'chapter')} would go")
    if held.texts_total:
        parts.append(f"{counted(held.texts_total, 'text')} would be replaced")
    if held.created:
        parts.append(f"{counted(held.created, 'chapter')} would come")
    after = counted(held.chapters_before, "chapter")
    after += ", as now" if held.chapters_after == held.chapters_before else f" now, {held.chapters_after:,} then"
    return sentence("; ".join([*parts, after])) + "."


def _texts(each: TextBesideText) -> TextsLine:
    return TextsLine(
        f"{each.position}. {each.title}",
        each.old,
        each.new,
        counted(each.old_letters, "character"),
        counted(each.new_letters, "character"),
        each.skipped > 0,
    )


def _choices(held: HeldChange, act: Act) -> Sequence[Choice]:
    shown = quote(f"{held.slug}={held.id}")
    choices = [
        Choice(
            "accept",
            "Take the file as it is",
            "Exactly what is shown here, or nothing: if the file has changed meanwhile, it is held anew.",
            "Taking the file …",
            act(f"novelsync sync --slug {quote(held.slug)} --accept {shown}"),
            first=True,
        )
    ]
    if held.pairable:
        choices.append(
            Choice(
                "in-order",
                "They are the same chapters, in the same order",
                f"The file's {counted(held.pairable, 'new chapter')} take the places of those that would go, and keep"
                " the ids that bookmarks point at.",
                "Pairing the chapters …",
                act(f"novelsync sync --slug {quote(held.slug)} --accept {quote(f'{held.slug}=in-order-{held.id}')}"),
            )
        )
    if not held.kept:
        choices.append(
            Choice(
                "keep",
                "Keep what readers have",
                "Until the file changes: then it is judged anew.",
                "Keeping it …",
                act(f"novelsync sync --slug {quote(held.slug)} --keep {shown}"),
            )
        )
    return choices


@dataclass(frozen=True, slots=True)
class TakedownLine:
    """One takedown."""

    id: int
    kind: str
    target: str
    title: str
    address: str
    """Of the page of the novel; empty: it is none."""
    reason: str
    hidden: str
    made: Moment
    lifted: Moment | None
    lift: Action


@dataclass(frozen=True, slots=True)
class TakedownsView:
    """All that the page of takedowns says."""

    lines: Sequence[TakedownLine]


def takedowns_view(takedowns: Sequence[Takedown], act: Act) -> TakedownsView:
    """``act``: how a command is carried out where the page is read."""
    return TakedownsView(
        [
            TakedownLine(
                each.id,
                each.kind.value.capitalize(),
                each.target,
                each.title,
                address(addresses.NOVEL, slug=each.target) if each.kind is TakedownKind.NOVEL else "",
                each.reason,
                f"{counted(each.novels, 'novel')}, {counted(each.chapters, 'chapter')}",
                moment(each.made_at),
                moment_or_none(each.lifted_at),
                act(f"novelsync takedown lift {each.id}"),
            )
            for each in takedowns
        ]
    )
