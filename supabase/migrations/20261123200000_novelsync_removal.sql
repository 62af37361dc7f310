-- NovelSync: what has to be remembered so that nothing is removed by mistake, and what was can come back.

alter table novelsync.files
  add column if not exists first_seen timestamptz not null default now(),
  add column if not exists first_run uuid,
  add column if not exists removed_at timestamptz,
  add column if not exists removal_accepted boolean not null default false,
  add column if not exists holds integer not null default 0;
comment on column novelsync.files.removed_at is 'when its novel was taken from the readers because the storage lost it';
comment on column novelsync.files.removal_accepted is 'a person asked for that, so it does not count towards the guard';
comment on column novelsync.files.holds is 'how many files in a row lacked chapters that were kept';
create index if not exists files_missing_since on novelsync.files (missing_since) where missing_since is not null;
create index if not exists files_removed_at on novelsync.files (removed_at) where removed_at is not null;

alter table novelsync.lease add column if not exists held json;
comment on column novelsync.lease.held is 'removals that would have been too many at once: {novels, message, hint}';
