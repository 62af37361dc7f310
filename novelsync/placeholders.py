"""Texts that crawlers store in place of a chapter."""


def placeholder_in(text: str) -> str | None:
    """The known phrase if the text is no chapter but a placeholder, else None."""
    short = text.strip().lower() if len(text) < 300 else ""
    for phrase in ("failed to download chapter body", "just a moment", "本章暂缺"):
        if phrase in short:
            return phrase
    return None
