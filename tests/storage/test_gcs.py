"""A bucket as a storage."""

import re
import threading
from collections.abc import Iterator

import pytest

from novelsync.errors import BookRefused, ConfigurationError, StorageUnavailable
from novelsync.models.source import SourceFile
from novelsync.storage.gcs import GcsStorage
from tests.support.bucket import Answer, Bucket, failure


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with Bucket(page_size=3) as bucket:
        yield bucket


@pytest.fixture
def storage(bucket: Bucket) -> GcsStorage:
    return GcsStorage("gs://novels/library", bucket.client, patience=0.1)


def put(bucket: Bucket, *slugs: str) -> None:
    for slug in slugs:
        bucket.put(f"library/{slug}/book_info.json", f"the file of {slug}".encode())


def listings(bucket: Bucket) -> list[str]:
    """Google's library asks for the bucket itself now and then, in a thread of its own."""
    return [request for request in bucket.requests if "/o?" in request]


def only(storage: GcsStorage) -> SourceFile:
    (novel,) = storage.listing()
    return novel


def test_every_page_is_listed_in_the_order_of_whole_object_names(bucket: Bucket, storage: GcsStorage) -> None:
    slugs = ["Z", "a-b", "a", "a0", "b", "số-đỏ", "ä"]
    put(bucket, *reversed(slugs))
    assert [novel.slug for novel in storage.listing()] == slugs
    assert len(listings(bucket)) == 3


def test_a_listing_asks_for_no_more_than_it_needs(bucket: Bucket, storage: GcsStorage) -> None:
    put(bucket, "emma")
    list(storage.listing())
    assert "fields=items%28name%2Cgeneration%2Csize%2Ccrc32c%29%2CnextPageToken" in listings(bucket)[0]
    assert "matchGlob=library%2F%2A%2Fbook_info.json" in listings(bucket)[0]


def test_what_is_not_a_novel_is_not_listed(bucket: Bucket, storage: GcsStorage) -> None:
    put(bucket, "emma", ".hidden", "emma/old")
    bucket.put("library/book_info.json", b"")
    bucket.put("library/emma/cover.jpg", b"")
    bucket.put("library-2/other/book_info.json", b"")
    assert [novel.slug for novel in storage.listing()] == ["emma"]


def test_a_prefix_under_which_nothing_is_while_the_bucket_has_other_objects_is_a_wrong_setting(
    bucket: Bucket, storage: GcsStorage
) -> None:
    assert list(storage.listing()) == [], "a new bucket has nothing, and that is no mistake"
    bucket.put("novels/emma/book_info.json", b"{}")
    with pytest.raises(ConfigurationError, match="nothing under gs://novels/library, and") as error:
        list(storage.listing())
    assert "NOVELSYNC_STORAGE" in error.value.hint
    bucket.put("library/README", b"")
    assert list(storage.listing()) == [], "the prefix is there, and has no novels"


@pytest.mark.parametrize("location", ["gs://novels", "gs://novels/"])
def test_a_whole_bucket_can_be_the_storage(bucket: Bucket, location: str) -> None:
    bucket.put("emma/book_info.json", b"{}")
    assert only(GcsStorage(location, bucket.client)).slug == "emma"


def test_a_novel_is_read_byte_for_byte_and_has_its_generation_for_a_version(
    bucket: Bucket, storage: GcsStorage
) -> None:
    bucket.put("library/emma/book_info.json", b"\xef\xbb\xbf{\r\n}")
    novel = only(storage)
    assert (novel.version, novel.size) == ("1001", 7)
    assert storage.read(novel) == b"\xef\xbb\xbf{\r\n}"
    assert storage.find("emma") == novel


def test_an_object_that_changed_or_vanished_since_it_was_listed_is_in_flight(
    bucket: Bucket, storage: GcsStorage
) -> None:
    put(bucket, "emma")
    novel = only(storage)
    put(bucket, "emma")
    assert storage.read(novel) is None
    bucket.objects.clear()
    assert storage.read(novel) is None
    assert storage.find("emma") is None


def test_bytes_that_arrive_otherwise_than_they_are_stored_are_not_taken(bucket: Bucket, storage: GcsStorage) -> None:
    put(bucket, "emma")
    novel = only(storage)
    bucket.answer = lambda path, query: (200, b"the file of elma") if query.get("alt") == "media" else None
    with pytest.raises(StorageUnavailable, match="another checksum"):
        storage.read(novel)


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        (failure(404, "The specified bucket does not exist."), ConfigurationError, "there is no bucket novels"),
        (failure(403, "x does not have storage.objects.list access"), ConfigurationError, "permission denied"),
        (failure(401, "Invalid Credentials"), ConfigurationError, "credentials are refused"),
        (failure(503, "Backend Error"), StorageUnavailable, "could not be listed"),
        ((200, b"<html>"), StorageUnavailable, "could not be listed"),
    ],
)
def test_a_bucket_that_cannot_be_listed_says_why(
    bucket: Bucket, storage: GcsStorage, answer: Answer, kind: type[Exception], said: str
) -> None:
    bucket.answer = lambda path, query: answer
    with pytest.raises(kind, match=said):
        list(storage.listing())


def test_in_a_bucket_that_does_not_exist_no_novel_is_absent(bucket: Bucket, storage: GcsStorage) -> None:
    assert storage.find("emma") is None
    bucket.answer = lambda path, query: failure(404, "The specified bucket does not exist.")
    with pytest.raises(ConfigurationError, match="there is no bucket novels"):
        storage.find("emma")


def test_a_listing_that_fails_on_its_last_page_lists_nothing(bucket: Bucket, storage: GcsStorage) -> None:
    put(bucket, *"abcdefg")
    bucket.answer = lambda path, query: failure(503, "Backend Error") if query.get("pageToken") == "6" else None
    with pytest.raises(StorageUnavailable):
        next(storage.listing())


def test_an_object_that_may_not_be_read_is_refused_and_not_gone(bucket: Bucket, storage: GcsStorage) -> None:
    put(bucket, "emma")
    novel = only(storage)
    bucket.answer = lambda path, query: failure(403, "no") if query.get("alt") == "media" else None
    with pytest.raises(BookRefused, match="permission denied"):
        storage.read(novel)


def test_a_passing_failure_is_tried_again(bucket: Bucket) -> None:
    put(bucket, "emma")
    failures = iter([failure(503, "Backend Error")])
    bucket.answer = lambda path, query: next(failures, None)
    assert only(GcsStorage("gs://novels/library", bucket.client)).slug == "emma"


def test_texts_are_read_side_by_side_and_in_order_over_connections_that_stay_open(
    bucket: Bucket, storage: GcsStorage, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(40):
        bucket.put(f"library/emma/{n:02}.html", f"text {n}".encode())
    together = threading.Barrier(16)

    def answer(path: str, query: dict[str, str]) -> None:
        if query.get("alt") == "media" and int(path[-7:-5]) < 16:
            together.wait(timeout=30)  # for ever, if they were read one after the other

    bucket.answer = answer
    texts = storage.texts("emma")
    assert [data for _, data in storage.read_texts("emma", texts)] == [f"text {n}".encode() for n in range(40)]
    assert caplog.messages == [], "urllib3 warns of each connection that it does not keep"


def test_texts_that_are_no_longer_wanted_are_not_asked_for(bucket: Bucket, storage: GcsStorage) -> None:
    for n in range(40):
        bucket.put(f"library/emma/{n:02}.html", b"text")
    reading = storage.read_texts("emma", storage.texts("emma"))
    next(reading)
    reading.close()
    asked = len(bucket.requests)
    bucket.put("library/emma/40.html", b"text")
    assert len(list(storage.read_texts("emma", storage.texts("emma")[40:]))) == 1
    assert len([request for request in bucket.requests[asked:] if "alt=media" in request]) == 1


def test_no_more_texts_are_asked_for_than_few_megabytes(bucket: Bucket, storage: GcsStorage) -> None:
    for name in "abcd":
        bucket.put(f"library/emma/{name}.html", b"x" * 1_500_000)
    bucket.put("library/emma/e.html", b"x" * 5_000_000)
    bucket.put("library/emma/f.html", b"x")

    def asked_for() -> str:
        return "".join(sorted(re.findall(r"%2F(.).html", " ".join(bucket.requests))))

    reading = storage.read_texts("emma", storage.texts("emma"))
    for most in ("ab", "abc", "abcd", "abcd", "abcde", "abcdef"):
        file, data = next(reading)
        assert len(data) == file.size
        assert most.startswith(asked_for())
    assert asked_for() == "abcdef"
    assert list(reading) == []


@pytest.mark.parametrize("slug", ["", "..", "a/b", "../novels", ".hidden"])
def test_no_slug_reaches_outside_the_prefix(bucket: Bucket, storage: GcsStorage, slug: str) -> None:
    put(bucket, "a/b", ".hidden")
    assert storage.find(slug) is None


@pytest.mark.parametrize("location", ["gs://", "gs:///novels", "gs://UPPER/x"])
def test_a_location_without_a_bucket_is_a_wrong_setting(location: str) -> None:
    with pytest.raises(ConfigurationError, match="names no bucket"):
        GcsStorage(location)


def test_no_client_is_made_before_it_is_needed() -> None:
    def never() -> None:
        raise AssertionError

    assert GcsStorage("gs://novels/library", never).location == "gs://novels/library"  # type: ignore[arg-type]
