-- For compose.yaml, when its database is made: the role as which PostgREST connects. It has no rights, and may only become a
-- reader. Supabase has such a role by itself.
\getenv api_password API_PASSWORD
create role anon nologin;
create role authenticator login noinherit password :'api_password';
grant anon to authenticator;
