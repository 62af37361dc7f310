# shellcheck shell=bash
# Asking the database over its REST API, with the key, how the runs went.

# Prints the status of the answer, which is left in $scratch/database. The key goes in by stdin.
call_database() {
  printf 'header = "apikey: %s"\nheader = "Authorization: Bearer %s"\n' "$key" "$key" |
    curl -q --silent --show-error --max-time 60 --config - --header 'Content-Type: application/json' --data '{}' \
      --output "$scratch/database" --write-out '%{http_code}' "$url/rest/v1/rpc/novelsync_status" 2>"$scratch/err"
}

# From that answer: sets $last_run (when it ended, or -), $outcome (of it), $running (yes or no).
read_database() {
  local facts
  facts=$(python3 -c '
import json, sys
with open(sys.argv[1], encoding="utf-8") as answer:
    status = json.load(answer)
run = next(iter(status["last_runs"]), {})
print(run.get("finished_at", "-"), run.get("outcome", "-"), "yes" if status["running"] else "no")
' "$scratch/database" 2>/dev/null) || return 1
  read -r last_run outcome running <<<"$facts"
}

print_last_report() {
  python3 -c '
import json, sys
sys.stdout.reconfigure(encoding="utf-8")
with open(sys.argv[1], encoding="utf-8") as answer:
    print(json.dumps(json.load(answer)["last_runs"][0]["report"], ensure_ascii=False, indent=2))
' "$scratch/database"
}
