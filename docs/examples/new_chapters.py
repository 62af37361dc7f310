"""
Prints a notice for each new chapter, until it is stopped: `python docs/examples/new_chapters.py`.

Reads the change feed with the key that a site's pages have. What was read last is remembered in a file; a real site
would keep it in its database, in the transaction in which it sends the notices.
"""

import os
import sys
import time
from pathlib import Path

import httpx

PLACE = Path("new_chapters.last")
FIELDS = "id,kind,novels(slug,title),chapters(id,number,title)"


def main() -> None:
    url, key = os.environ["SUPABASE_URL"], os.environ["SUPABASE_PUBLISHABLE_KEY"]
    once = "--once" in sys.argv
    with httpx.Client(base_url=f"{url}/rest/v1/", headers={"apikey": key}) as api:
        while True:
            last = int(PLACE.read_text()) if PLACE.exists() else 0
            query = {"id": f"gt.{last}", "kind": "eq.added", "select": FIELDS, "order": "id", "limit": 100}
            answer = api.get("chapter_changes", params=query)
            answer.raise_for_status()
            for change in answer.json():
                # Null where it was taken down since, and readers may no longer see it.
                if change["novels"] and change["chapters"]:
                    print(
                        f"{change['novels']['title']}: {change['chapters']['title']} (/read/{change['chapters']['id']})"
                    )
                elif change["novels"]:
                    print(f"New: {change['novels']['title']} (/novels/{change['novels']['slug']})")
                PLACE.write_text(str(change["id"]))
            if once and not answer.json():
                return
            if not answer.json():
                time.sleep(30)


if __name__ == "__main__":
    main()
