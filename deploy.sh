#!/usr/bin/env bash
# NovelSync on Google Cloud: from nothing to an hourly sync, in one command that can be repeated. docs/deploy.md explains it.
#
# Every step asks first what is there, and makes or updates it. Keys never are on a command line, and never printed.
# Runs on macOS' bash 3.2: no associative arrays, no mapfile, and "${list[@]+…}" where a list may be empty.
set -euo pipefail
cd "$(dirname "$0")"

readonly RUNTIME=python313
readonly ROUTES=/api/v1/sync

# shellcheck source=deploy/gcloud.sh
. deploy/gcloud.sh
# shellcheck source=deploy/flags.sh
. deploy/flags.sh
# shellcheck source=deploy/database.sh
. deploy/database.sh
# shellcheck source=deploy/checks.sh
. deploy/checks.sh
# shellcheck source=deploy/make.sh
. deploy/make.sh
# shellcheck source=deploy/events.sh
. deploy/events.sh
# shellcheck source=deploy/alert.sh
. deploy/alert.sh
# shellcheck source=deploy/first_run.sh
. deploy/first_run.sh
# shellcheck source=deploy/take_down.sh
. deploy/take_down.sh

usage() {
  cat <<'USAGE'
usage: ./deploy.sh --project P --region R --bucket B [more]

Deploys NovelSync to Google Cloud, or brings what is deployed up to date, and runs it once.

  --project P        the Google Cloud project
  --region R         where it runs, europe-west1 for instance
  --bucket B         the bucket that crawlers write into; made in that region if there is none
  --prefix DIR       the folder in it that holds <slug>/book_info.json (novels; '' for the bucket itself)
  --schedule CRON    when it syncs ('0 * * * *'), in UTC
  --memory SIZE      for the sync (1Gi)
  --set NAME=VALUE   one more setting, as README.md lists them; repeatable
  --name NAME        what everything is called after (novelsync): two of them can live in one project
  --viewer MEMBER    may open the status: user:ann@example.com, group:…; repeatable
  --alert EMAIL      is told when the sync fails or stops
  --events           syncs a novel within seconds of its file's writing, beside the schedule
  --fanout           spreads a sync's novels over many instances
  --instances N      of the function that --events and --fanout use: as many novels are written at once (10)
  --rotate-key       takes a new key into use, and disables the old one when the new one works
  --dry-run          prints every gcloud command, and runs none; needs no login and no network
  --delete           takes down what this made, after asking; never the bucket, never the database
  --yes              does not ask
  --help

Each flag with a value can come from the environment: DEPLOY_PROJECT, DEPLOY_REGION, DEPLOY_BUCKET, and so on; a
repeatable one with a value per line.
SUPABASE_URL and SUPABASE_SECRET_KEY come from the environment too, or are asked for; a key is never a flag. So does
NOVELSYNC_ALERT_URL, a webhook (Slack's for instance) that is told of every change of the verdict; and so do
NOVELSYNC_NOTIFY_URL, which is sent every change that readers see, and NOVELSYNC_NOTIFY_SECRET, which signs that.
USAGE
}

check_everything() {
  step "Checks"
  check_tools
  check_login
  check_project
  check_billing
  check_bucket
  take_key
  check_database
}

deploy() {
  check_everything
  enable_apis
  make_accounts
  make_roles
  make_bucket
  make_secret
  make_alert_secret
  make_notify_secrets
  make_events
  deploy_functions
  take_events_away
  make_job
  let_viewers_in
  make_alert
  run_once
  disable_old_keys
  say_goodbye
}

main() {
  parse "$@"
  check_flags
  name_everything
  # Nobody sits there to answer gcloud; confirmed() asks what has to be asked.
  export CLOUDSDK_CORE_DISABLE_PROMPTS=1
  patience=10 # how often what may come right by itself is tried
  scratch=$(mktemp -d)
  trap 'rm -rf "$scratch"' EXIT
  if [ -n "$delete" ]; then
    check_tools
    check_login
    check_project
    take_down
  else
    deploy
  fi
  if [ -n "$dry_run" ]; then say "Nothing was done: this was a dry run, which only shows what would be called."; fi
}

main "$@"
