"""Commands that look at files alone, and need no database."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from novelsync.cli.groups.options import OK, PROBLEMS, Command, is_quiet, json_option
from novelsync.cli.output import (
    out,
    print_conversion,
    print_conversions,
    print_json,
    print_validation,
    print_verdict,
)
from novelsync.cli.validate import Validation
from novelsync.cli.validate import schema as file_schema
from novelsync.cli.validate import validate as validate_path
from novelsync.convert.registry import FORMATS, Result
from novelsync.convert.registry import convert as convert_novels
from novelsync.errors import ConfigurationError
from novelsync.settings.loading import load_file_settings

SECTION: Final = "Files, without a database"


@click.command(cls=Command, section=SECTION, example="novelsync validate novels/emma", database=False)
@click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
@click.option("--schema", is_flag=True, help="Print the format as a JSON Schema, and look at nothing.")
@json_option
def validate(paths: Sequence[Path], schema: bool, as_json: bool) -> int:
    """
    Check novel files; needs no database.

    Takes files, novel folders or folders of novels, and says what would be refused or fixed and what looks doubtful.
    """
    if schema:
        print_json(file_schema())
        return OK
    settings = load_file_settings()
    if not paths and "://" in settings.storage:
        raise ConfigurationError(f"validate looks at files on this machine, not at {settings.storage}", "name a folder")
    summary = Validation()
    for path in paths or [Path(settings.storage)]:
        for verdict in validate_path(path, settings.max_file_bytes):
            summary.add(verdict)
            if not (verdict.is_fine or is_quiet() or as_json):
                print_verdict(verdict)
    if as_json:
        print_json(summary)
    else:
        print_validation(summary)
    return PROBLEMS if summary.refused else OK


@click.command(
    cls=Command,
    section="Files, without a database",
    example="novelsync convert ~/crawler/output storage/novels",
    database=False,
)
@click.argument("source", required=False, type=click.Path(path_type=Path))
@click.argument("dest", required=False)
@click.option("--formats", is_flag=True, help="List the formats that can be converted, and convert nothing.")
def convert(source: Path | None, dest: str | None, formats: bool) -> int:
    """
    Convert what other programs wrote; needs no database.

    SOURCE is one novel or a folder of many, DEST a folder of novels as a sync reads it. What has not changed since the
    last time is not written again, and folders in DEST that this command did not make stay as they are.
    """
    if formats:
        for each in FORMATS:
            out.print(f"{each.name}: {each.looks}", markup=False)
        return OK
    if source is None or dest is None:
        raise click.UsageError("SOURCE and DEST are needed; --formats shows what can be converted.")
    if "://" in dest:
        raise ConfigurationError(f"convert writes to a folder, not to {dest}", "name a folder, and copy it there")
    conversions = []
    for conversion in convert_novels(source, Path(dest), load_file_settings().max_file_bytes):
        if not is_quiet() or conversion.result is Result.REFUSED:
            print_conversion(conversion)
        conversions.append(conversion)
    print_conversions(conversions)
    return PROBLEMS if any(each.result is Result.REFUSED for each in conversions) else OK
