"""
Prints an OPDS 2 catalogue, which reading apps browse: `python docs/examples/opds_catalogue.py > opds.json`.

A page of the novels with the latest chapters, by the key that a site's pages have: `opds_catalogue.py 3` is the third.
`opds_catalogue.py --search 'so do'` is what answers a search. SITE_URL is where readers find the pages.
"""

import json
import mimetypes
import os
import sys
from urllib.parse import quote

import httpx

PER_PAGE = 50
FIELDS = "id,slug,title,author,description,cover_url,last_chapter_at"
OPDS = "application/opds+json"


def main() -> None:
    url, key, site = (os.environ[name] for name in ("SUPABASE_URL", "SUPABASE_PUBLISHABLE_KEY", "SITE_URL"))
    site = site.rstrip("/")
    with httpx.Client(base_url=f"{url}/rest/v1/", headers={"apikey": key}) as api:
        if sys.argv[1:2] == ["--search"]:
            asked = {"query": sys.argv[2], "at_most": PER_PAGE}
            novels = api.post("rpc/search_novels", json=asked).raise_for_status().json()
            document = catalogue(site, f"opds.json?query={quote(sys.argv[2])}", novels)
        else:
            page = int(sys.argv[1]) if len(sys.argv) > 1 else 1
            query = {"select": FIELDS, "order": "last_chapter_at.desc.nullslast,id", "limit": PER_PAGE}
            answer = api.get("novels", params=query | {"offset": (page - 1) * PER_PAGE}).raise_for_status()
            document = catalogue(site, f"opds.json?page={page}", answer.json())
            document["metadata"] |= {"itemsPerPage": PER_PAGE, "currentPage": page}
            if len(answer.json()) == PER_PAGE:
                document["links"].append(link("next", f"{site}/opds.json?page={page + 1}", OPDS))
    print(json.dumps(document, ensure_ascii=False))


def catalogue(site: str, itself: str, novels: list[dict]) -> dict:
    search = link("search", f"{site}/opds.json{{?query}}", OPDS) | {"templated": True}
    return {
        "metadata": {"title": "Novels"},
        "links": [link("self", f"{site}/{itself}", OPDS), search],
        "publications": [publication(site, novel) for novel in novels],
    }


def publication(site: str, novel: dict) -> dict:
    page = f"{site}/novels/{quote(novel['slug'], safe='')}"
    cover = novel["cover_url"] or f"{site}/no-cover.png"
    metadata = {
        "@type": "http://schema.org/Book",
        "identifier": f"{site}/novels/{novel['id']}",  # permanent, where the slug is not
        "title": novel["title"],
        "author": novel["author"],
        "description": novel.get("description"),
        "modified": novel["last_chapter_at"],
    }
    return {
        "metadata": {name: value for name, value in metadata.items() if value},
        "links": [link(rel, page, "text/html") for rel in ("self", "http://opds-spec.org/acquisition/open-access")],
        "images": [{"href": cover, "type": mimetypes.guess_type(cover.partition("?")[0])[0] or "image/jpeg"}],
    }


def link(rel: str, href: str, kind: str) -> dict:
    return {"rel": rel, "href": href, "type": kind}


if __name__ == "__main__":
    main()
