-- NovelSync: which novels a run gave to others to carry over, and what those answered.

create table if not exists novelsync.messages (
  run_id uuid not null,
  slug text collate "C" not null,
  result json,
  primary key (run_id, slug)
);
comment on column novelsync.messages.result is 'null: not carried over yet';
create index if not exists messages_open on novelsync.messages (run_id) where result is null;
grant select, insert, update, delete on novelsync.messages to service_role;
