"""
The same import with dlt, https://dlthub.com: files to Postgres with merge, written as its documentation shows it.

``python dlt_pipeline.py FOLDER POSTGRES-URL`` prints the seconds of the run. It needs an environment of its own, with
``bench/requirements.txt``.
"""

import json
import os
import sys
import tempfile
import time

os.environ |= {"RUNTIME__DLTHUB_TELEMETRY": "false", "RUNTIME__LOG_LEVEL": "ERROR"}

import dlt
from dlt.sources.filesystem import filesystem


@dlt.transformer(primary_key="slug", write_disposition="merge")
def novels(items):
    for item in items:
        book = json.loads(item.read_bytes())
        slug = item["relative_path"].split("/")[0]
        yield {"slug": slug} | {key: book[key] for key in ("title", "author", "description", "cover_url", "status")}


@dlt.transformer(primary_key=("slug", "position"), write_disposition="merge")
def chapters(items):
    for item in items:
        slug = item["relative_path"].split("/")[0]
        yield [
            {"slug": slug, "position": position, **chapter}
            for position, chapter in enumerate(json.loads(item.read_bytes())["chapters"], start=1)
        ]


def main(folder: str, url: str) -> None:
    with tempfile.TemporaryDirectory() as state:
        pipeline = dlt.pipeline("novels", state, destination=dlt.destinations.postgres(url), dataset_name="dlt")
        files = filesystem(bucket_url=f"file://{folder}", file_glob="*/book_info.json")
        start = time.perf_counter()
        pipeline.run([files | novels, files | chapters])
        print(time.perf_counter() - start)


if __name__ == "__main__":
    main(*sys.argv[1:])
