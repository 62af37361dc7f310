"""Questions to Postgres' catalog about a table."""

from typing import Final

RELATIONS: Final = (
    "select relname::text from pg_catalog.pg_class"
    " where relnamespace = 'public'::regnamespace and relkind in ('r', 'p', 'v', 'm', 'f')"
)

CLASS: Final = (
    "select relkind::text, relowner::regrole::text, pg_has_role(current_user, relowner, 'usage'),"
    " relrowsecurity, relforcerowsecurity from pg_catalog.pg_class where oid = %s"
)

COLUMNS: Final = (
    "select a.attname, format_type(a.atttypid, null), a.atttypmod <> -1, nullif(a.atttypmod, -1) - 4, a.attnotnull,"
    " case when a.attgenerated = '' then pg_get_expr(d.adbin, d.adrelid) end,"
    " a.attidentity <> '', a.attgenerated <> '',"
    " coalesce((select c.relname::text from pg_catalog.pg_constraint k"
    " join pg_catalog.pg_class c on c.oid = k.confrelid"
    " where k.contype = 'f' and k.conrelid = a.attrelid and k.conkey = array[a.attnum] limit 1), ''),"
    " array(select e.enumlabel::text from pg_catalog.pg_enum e where e.enumtypid = a.atttypid"
    " order by e.enumsortorder),"
    " array(select distinct pg_describe_object(d.classid, d.objid, 0) from pg_catalog.pg_depend d"
    " where d.refclassid = 'pg_class'::regclass and d.refobjid = a.attrelid and d.refobjsubid = a.attnum"
    " and (d.classid in ('pg_rewrite'::regclass, 'pg_policy'::regclass, 'pg_trigger'::regclass) or exists ("
    " select from pg_catalog.pg_attrdef f where d.classid = 'pg_attrdef'::regclass and f.oid = d.objid"
    " and f.adnum <> a.attnum)) order by 1)"
    " from pg_catalog.pg_attribute a"
    " left join pg_catalog.pg_attrdef d on d.adrelid = a.attrelid and d.adnum = a.attnum"
    " where a.attrelid = %s and a.attnum > 0 and not a.attisdropped order by a.attnum"
)

INDEXES: Final = (
    "select c.relname::text, array(select a.attname::text"
    " from unnest(i.indkey::smallint[]) with ordinality as k(n, place)"
    " join pg_catalog.pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.n order by place)"
    " || array(select a.attname::text from pg_catalog.pg_attribute a where a.attrelid = i.indrelid"
    " and a.attnum <> all (i.indkey::smallint[]) and exists (select from pg_catalog.pg_depend d"
    " where d.objid = i.indexrelid and d.refobjid = i.indrelid and d.refobjsubid = a.attnum)),"
    " i.indisunique, i.indisprimary, exists (select from pg_catalog.pg_constraint k where k.conindid = i.indexrelid"
    " and k.conrelid = i.indrelid), i.indpred is null and i.indexprs is null,"
    " array(select distinct k.conrelid::regclass::text from pg_catalog.pg_constraint k"
    " where k.conindid = i.indexrelid and k.contype = 'f'), pg_get_indexdef(i.indexrelid)"
    " from pg_catalog.pg_index i join pg_catalog.pg_class c on c.oid = i.indexrelid"
    " where i.indrelid = %s order by 1"
)

CHECKS: Final = (
    "select k.conname::text, array(select a.attname::text from pg_catalog.pg_attribute a"
    " where a.attrelid = k.conrelid and a.attnum = any (k.conkey) order by a.attnum), pg_get_constraintdef(k.oid)"
    " from pg_catalog.pg_constraint k where k.contype = 'c' and k.conrelid = %s order by 1"
)

# What a function names without a schema: a word of its text that is a relation, a function or a type there, with
# neither a dot nor a quotation mark's schema before it. Too many names do no harm, and too few are found by firing.
TRIGGERS: Final = (
    "select t.tgname::text, t.tgenabled::text, p.oid::regprocedure::text,"
    " array(select distinct o.name from ("
    " select relname::text as name, relnamespace as place from pg_catalog.pg_class"
    " where relkind in ('r', 'v', 'm', 'p', 'S')"
    " union all select proname::text, pronamespace from pg_catalog.pg_proc"
    " union all select typname::text, typnamespace from pg_catalog.pg_type where typtype in ('e', 'd')) o"
    " where o.place = any (array(select n.oid from pg_catalog.pg_namespace n where n.nspname = any (%s)))"
    " and l.lanname in ('plpgsql', 'sql') and o.name ~ '^\\w+$' and o.name <> p.proname"
    " and not exists (select from unnest(p.proconfig) s where s like 'search\\_path=%%')"
    " and p.prosrc ~* ('(^|[^.\\w])(\"' || o.name || '\"|' || o.name || '\\M)') order by 1),"
    " (t.tgtype & 1) = 1 and p.prosrc ~* '\\mcount\\s*\\('"
    " from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid"
    " join pg_catalog.pg_language l on l.oid = p.prolang"
    " where t.tgrelid = %s::regclass and not t.tgisinternal and p.pronamespace::regnamespace::text <> 'novelsync'"
    " order by 1"
)

GRANTS: Final = (
    "select distinct case when p.grantee = 0 then 'public' else pg_get_userbyid(p.grantee) end,"
    " lower(p.privilege_type), p.name from pg_catalog.pg_class c cross join lateral ("
    " select r.grantee, r.privilege_type, '' as name from aclexplode(c.relacl) r"
    " union all select r.grantee, r.privilege_type, a.attname::text from pg_catalog.pg_attribute a,"
    " aclexplode(a.attacl) r where a.attrelid = c.oid and a.attacl is not null) p"
    " where c.oid = %s and p.grantee <> c.relowner and p.grantee <> coalesce(to_regrole('service_role')::oid, 0::oid)"
    " order by 1, 2, 3"
)

# The default may use a sequence that no column owns, which pg_get_serial_sequence does not find.
SEQUENCE: Final = (
    "select coalesce(pg_get_serial_sequence(c.oid::regclass::text, 'id'), (select d.refobjid::regclass::text"
    " from pg_catalog.pg_depend d join pg_catalog.pg_class s on s.oid = d.refobjid and s.relkind = 'S'"
    " join pg_catalog.pg_attrdef f on f.oid = d.objid and d.classid = 'pg_attrdef'::regclass"
    " where f.adrelid = c.oid limit 1)) from pg_catalog.pg_class c where c.oid = %s"
)
