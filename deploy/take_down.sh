# shellcheck shell=bash
# Takes down what was made. Never the bucket, never the database.

# Calls $1 for all that deploying makes and costs or can act, in an order in which nothing is missed by what is left:
# what it is, the group of its commands, its name, and flags.
each_thing() {
  local visit=$1 address
  "$visit" "the schedule $job" "scheduler jobs" "$job" "--location=$region" "--project=$project"
  "$visit" "the function $sync_function" functions "$sync_function" --gen2 "--region=$region" "--project=$project"
  "$visit" "the function $status_function" functions "$status_function" --gen2 "--region=$region" "--project=$project"
  each_part_of_events "$visit"
  "$visit" "the secret $secret, with the key in it" secrets "$secret" "--project=$project"
  "$visit" "the secret $alert_secret, with the webhook's address in it" secrets "$alert_secret" "--project=$project"
  "$visit" "the secret $notify_url_secret, with the addresses that notices go to" secrets "$notify_url_secret" "--project=$project"
  "$visit" "the secret $notify_secret_secret, which signs notices" secrets "$notify_secret_secret" "--project=$project"
  for address in "$sync_account" "$status_account" "$events_account" "$caller_account" "$build_account"; do
    "$visit" "the service account $address" "iam service-accounts" "$address" "--project=$project"
  done
}

# Those have names of Google's, and are found by what they are called on the screen.
each_alarm() {
  local visit=$1
  if [ -z "$has_alpha" ]; then return; fi
  find_policy
  "$visit" "the alert policy '$alert_name'" "alpha monitoring policies" "$answer" "--project=$project"
  find_uptime_check
  "$visit" "the uptime check '$alert_name'" "monitoring uptime" "$answer" "--project=$project"
  find_channel
  "$visit" "the notification channel '$alert_name'" "alpha monitoring channels" "$answer" "--project=$project"
}

# visit_… LABEL GROUP NAME FLAG…
visit_to_list() {
  local label=$1 group
  IFS=' ' read -r -a group <<<"$2"
  shift 2
  if [ -z "$1" ]; then return; fi
  if [ -n "$dry_run" ]; then
    show gcloud "${group[@]}" describe "$@"
  elif quietly gcloud "${group[@]}" describe "$@"; then
    say "  $label"
    found=1
  elif ! is_absent; then
    give_up gcloud "${group[@]}" describe "$@"
  fi
}

visit_to_delete() {
  local label=$1 group
  IFS=' ' read -r -a group <<<"$2"
  shift 2
  if [ -z "$1" ]; then return; fi
  if [ -n "$dry_run" ]; then
    remark_for update
    show gcloud "${group[@]}" delete "$@" --quiet
  elif quietly gcloud "${group[@]}" delete "$@" --quiet; then
    say "  gone: $label"
  elif ! is_absent; then
    give_up gcloud "${group[@]}" delete "$@" --quiet
  fi
}

# Needed to be done before its account is deleted, or it would stay in the project's policy for ever.
withdraw() {
  if [ -n "$dry_run" ]; then
    show gcloud projects remove-iam-policy-binding "$project" "--member=serviceAccount:$1" "--role=$2" --condition=None
  elif ! quietly gcloud projects remove-iam-policy-binding "$project" "--member=serviceAccount:$1" "--role=$2" --condition=None; then
    is_absent || give_up gcloud projects remove-iam-policy-binding "$project" "--role=$2"
  fi
}

take_down() {
  found='' patience=''
  say "Of '$name' in $project, $region, there is:"
  if [ -z "$has_alpha" ]; then
    say "  (what --alert makes is not looked for, and stays: that needs gcloud components install alpha)"
  fi
  each_alarm visit_to_list
  each_thing visit_to_list
  if [ -z "$found$dry_run" ]; then
    say "  nothing"
    return
  fi
  say "What stays: the bucket and what is in it; the database; the custom roles $sync_role and $status_role, which do nothing"
  say "by themselves (Google keeps the name of a deleted one for weeks); the APIs, which others may use."
  if [ -z "$dry_run" ] && ! confirmed "Take down what is listed?"; then
    say "nothing was done"
    exit 1
  fi
  each_alarm visit_to_delete
  withdraw "$sync_account" "projects/$project/roles/$sync_role"
  withdraw "$status_account" "projects/$project/roles/$status_role"
  withdraw "$build_account" roles/cloudbuild.builds.builder
  each_thing visit_to_delete
  if [ -n "$dry_run" ]; then return; fi
  say "Readers keep what is in the database. ./deploy.sh with the same flags brings all of this back."
}
