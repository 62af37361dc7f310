# shellcheck shell=bash
# Talking to people, and calling gcloud: for real, or only to show it.

say() { printf '%s\n' "$*" >&2; }
step() { say "$1 …"; }

# What happened, and what to do.
die() {
  say "deploy.sh: $1"
  say "  → $2"
  exit 1
}

misused() {
  say "deploy.sh: $1"
  say "  → ./deploy.sh --help"
  exit 2
}

confirmed() {
  if [ -n "$yes" ]; then return; fi
  if [ ! -t 0 ]; then die "nobody is there to be asked: $1" "add --yes, if it is meant"; fi
  local reply
  read -r -p "$1 (yes/no) " reply || true
  [ "$reply" = yes ]
}


# Known only once it is asked for; a dry run shows the name instead.
readonly LATER='SUPABASE_URL|SUPABASE_SECRET_KEY|KEY_VERSION|OLD_KEY_VERSION|ALERT_VERSION|NOTIFY_URL_VERSION|NOTIFY_SECRET_VERSION|PROJECT_NUMBER|SYNC_URL|STATUS_URL|STATUS_HOST|EVENTS_URL|NOTIFICATION|STORAGE_AGENT|UPTIME_CHECK|CHANNEL|POLICY'

# A line that a shell would run: words quoted where they must be, $NAMES of LATER left to expand, $remark behind it.
show() {
  local word line=''
  for word in "$@"; do
    case $word in
      '' | *[!A-Za-z0-9_./:=@%+,-]*)
        word=$(printf '%s' "$word" | sed -E "s/'/'\\\\''/g; s/\\\$($LATER)/'\"\$\\1\"'/g; s/^/'/; s/\$/'/; s/^''\"/\"/; s/\"''\$/\"/")
        ;;
    esac
    line="$line${line:+ }$word"
  done
  printf '%s%s\n' "$line" "${remark:+  # $remark}"
  remark=''
}

# Runs a command with its output in files; what it said is shown where it matters.
quietly() { "$@" </dev/null >"$scratch/out" 2>"$scratch/err"; }

give_up() {
  say "$(sed 's/^/    /' "$scratch/err")"
  die "gcloud could not do this: $(show "$@")" \
    "fix what it says above, and call deploy.sh again: it goes on where it stopped"
}

run() {
  if [ -n "$dry_run" ]; then
    show "$@"
  else
    quietly "$@" || give_up "$@"
  fi
}

# What was made a moment ago (an account, a right, an enabled API) takes up to minutes to be known everywhere.
readonly NOT_YET='does not exist|not.found|permission|has not been used|SERVICE_DISABLED|is disabled|concurrent|ABORTED|UNAVAILABLE'

with_patience() {
  local pattern=$1 attempt=1
  shift
  until quietly "$@"; do
    if [ -z "$patience" ] || [ "$attempt" -ge "$patience" ] || ! grep -Eiq "$pattern" "$scratch/err"; then return 1; fi
    if [ "$attempt" = 2 ]; then say "  (waiting until what was just made is known everywhere)"; fi
    attempt=$((attempt + 1))
    sleep 10
  done
}

run_patiently() {
  if [ -n "$dry_run" ]; then
    show "$@"
  else
    with_patience "$NOT_YET" "$@" || give_up "$@"
  fi
}

readonly API_NOT_YET='has not been used|SERVICE_DISABLED|is disabled'

is_absent() { grep -Eiq "not.found|does not exist|$API_NOT_YET" "$scratch/err"; }

# ask NAME COMMAND…: sets $answer to what the command prints; in a dry run to $NAME.
ask() {
  local name=$1
  shift
  if [ -n "$dry_run" ]; then
    remark="\$$name${remark:+, $remark}"
    show "$@"
    answer="\$$name"
  else
    with_patience "$API_NOT_YET" "$@" || { [ -z "$patience" ] && is_absent; } || give_up "$@"
    answer=$(cat "$scratch/out")
  fi
}

# which_of NAME VALUE COMMAND…: sets $answer to the first column of the lines of which the second is that value. Not by
# --filter and --limit: gcloud hands them to the service for some lists, before it sorts, and services name fields otherwise.
which_of() {
  local name=$1 value=$2
  shift 2
  ask "$name" "$@"
  if [ -z "$dry_run" ]; then
    answer=$(printf '%s\n' "$answer" | awk -F '\t' -v value="$value" '$2 == value { print $1 }')
  fi
}

# look COMMAND…: sets $verbs to what there is to do: create, update, or in a dry run both.
look() {
  if [ -n "$dry_run" ]; then
    show "$@"
    verbs='create update'
  elif with_patience "$API_NOT_YET" "$@"; then
    verbs=update
  elif is_absent; then
    verbs=create
  else
    give_up "$@"
  fi
}

# Why the next command that a dry run shows may not be needed.
remark_for() {
  if [ -n "$dry_run" ]; then
    case $1 in
      create) remark='if it is not there' ;;
      update) remark='if it is there' ;;
      replace) remark='if it is not wanted any more' ;;
      undelete) remark='if it was deleted lately' ;;
    esac
  fi
}
