-- NovelSync: which parts of a large novel are there, one row each, so that several can come in at once.
--
-- What a run that was cut off left half brought in has no such rows, and so is swept by the next.

create table if not exists novelsync.staged_parts (
  slug text collate "C" not null references novelsync.staging (slug) on delete cascade,
  part integer not null,
  primary key (slug, part)
);
grant select, insert, update, delete on novelsync.staged_parts to service_role;
alter table novelsync.staging drop column if exists parts;
