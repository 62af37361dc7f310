"""
Prints an Atom feed of the latest chapters: `python docs/examples/atom_feed.py > feed.xml`.

Reads the change feed with the key that a site's pages have. SITE_URL is where readers find the pages.
"""

import os
from xml.etree import ElementTree as ET

import httpx

ATOM = "http://www.w3.org/2005/Atom"
FIELDS = "id,changed_at,novels!inner(slug,title,author),chapters!inner(id,title)"  # inner: what readers still see


def main() -> None:
    url, key, site = (os.environ[name] for name in ("SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY", "SITE_URL"))
    query = {"select": FIELDS, "kind": "eq.added", "order": "id.desc", "limit": "50"}
    answer = httpx.get(f"{url}/rest/v1/chapter_changes", params=query, headers={"apikey": key})
    print(feed(site.rstrip("/"), answer.raise_for_status().json()))


def feed(site: str, changes: list[dict]) -> str:
    ET.register_namespace("", ATOM)
    root = ET.Element(f"{{{ATOM}}}feed")
    add(root, "id", f"{site}/feed.xml")
    add(root, "title", "New chapters")
    add(root, "updated", changes[0]["changed_at"] if changes else "1970-01-01T00:00:00Z")
    add(root, "link", rel="self", href=f"{site}/feed.xml")
    for change in changes:
        novel, chapter = change["novels"], change["chapters"]
        entry = add(root, "entry")
        add(entry, "id", f"{site}/read/{chapter['id']}")  # permanent, as the chapter's id is
        add(entry, "title", f"{novel['title']}: {chapter['title']}")
        add(entry, "updated", change["changed_at"])
        add(entry, "link", rel="alternate", type="text/html", href=f"{site}/read/{chapter['id']}")
        add(add(entry, "author"), "name", novel["author"] or "unknown")
    return ET.tostring(root, encoding="unicode", xml_declaration=True)


def add(parent: ET.Element, name: str, text: str = "", **attributes: str) -> ET.Element:
    element = ET.SubElement(parent, f"{{{ATOM}}}{name}", attributes)
    # XML cannot have control characters at all.
    element.text = "".join(c for c in text if c >= " " and c not in "\ufffe\uffff") or None
    return element


if __name__ == "__main__":
    main()
