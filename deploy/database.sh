# shellcheck shell=bash
# Asking the database over its REST API, with the key, how the runs went. Python reads its JSON with -I and -S: nothing
# that lies in the folder or in the environment changes how.

# Prints the status of the answer, which is left in $scratch/database. The key goes in by stdin.
call_database() {
  {
    printf 'header = "apikey: %s"\n' "$key"
    # A legacy key is a token as well; a new one is none, and is refused as one.
    case $key in sb_*) ;; *) printf 'header = "Authorization: Bearer %s"\n' "$key" ;; esac
  } |
    curl -q --silent --show-error --max-time 60 --config - --header 'Content-Type: application/json' --data '{}' \
      --output "$scratch/database" --write-out '%{http_code}' "$url/rest/v1/rpc/novelsync_status" 2>"$scratch/err"
}

# From that answer: sets $last_run (when it ended, or -), $outcome (of it), $running (yes or no), and $schema (the newest
# migration that it has; older ones do not say it, and then it is "none that says so").
read_database() {
  local facts
  facts=$(python3 -I -S -c '
import json, sys
with open(sys.argv[1], encoding="utf-8") as answer:
    status = json.load(answer)
run = next(iter(status["last_runs"]), {})
running = "yes" if status["running"] else "no"
print(run.get("finished_at", "-"), run.get("outcome", "-"), running, status.get("schema") or "none that says so")
' "$scratch/database" 2>/dev/null) || return 1
  read -r last_run outcome running schema <<<"$facts"
}

# Whether the database is older than this clone, whose newest migration is left in $newest.
is_outdated() {
  local migrations=(supabase/migrations/*.sql) # sorted
  newest=${migrations[${#migrations[@]} - 1]##*/} newest=${newest%%_*}
  ! matches "$schema" '[0-9]{14}' || [ "$schema" -lt "$newest" ]
}

print_last_report() {
  python3 -I -S -c '
import json, sys
sys.stdout.reconfigure(encoding="utf-8")
with open(sys.argv[1], encoding="utf-8") as answer:
    print(json.dumps(json.load(answer)["last_runs"][0]["report"], ensure_ascii=False, indent=2))
' "$scratch/database"
}
